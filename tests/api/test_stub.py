# SPDX-License-Identifier: GPL-2.0-only
"""The stub says of each name what the live module has: mypy's stubtest, on CPython."""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from targets import ROOT

PROGRAM = """
from pymongoose import Connection, EventData, Handler, HttpMessage, Manager, WsMessage
from pymongoose import MG_EV_HTTP_MSG, MqttMessage
from pymongoose import TlsOpts, client
from pymongoose.mqtt import MqttSession


def handler(conn: Connection, ev: int, data: EventData) -> None:
    if ev == MG_EV_HTTP_MSG and isinstance(data, HttpMessage):
        conn.reply(200, data.uri)
    elif isinstance(data, WsMessage):
        conn.ws_send(data.text)


def broad(conn: Connection, ev: int, data: object) -> None: ...


def heard(message: MqttMessage) -> None:
    print(message.topic)


one: Handler = handler
manager = Manager(handler)
manager.listen("http://127.0.0.1:0", broad)
session = MqttSession(manager, "mqtt://127.0.0.1", "desk", heard, keepalive=30)
token: int = session.publish("a", b"b", 1)


def fetch(url: str, tls: TlsOpts | None = None) -> list[str]:
    r = client.get(url, params={"a": 1, "b": ["x"]}, headers={"X": "y"}, timeout=5, tls=tls)
    r.raise_for_status()
    kind: str | None = r.headers.get("content-type")
    print(kind, r.headers["etag"], r.status_code + r.status, r.ok, len(r.content), r.text.upper())
    for moved in r.history:
        print(moved.url)
    with open("x", "rb") as f:
        client.put(url, data=f, timeout=(1, None))
        client.post(url, files={"f": f}, data={"n": 1}, timeout={"read": 1.5})
        client.post(url, files={"f": ("a.txt", b"text", "text/plain")}, auth=("a", "b"))
    client.post(url, json={"a": [1]}, data=None, proxies={})
    client.patch(url, data=(piece for piece in [b"a"]), max_body=9)
    with client.Session(cookies=True, headers={"X": "y"}) as s, s.get(url, stream=True) as r:
        size: int = r.save("y", progress=lambda done, total: print(done, total))
        print(len(s.cookies or ()), s.cookies and s.cookies.get("sid"))
        print(size)
    try:
        lines = [line for line in client.request("PURGE", url).iter_lines()]
    except client.Timeout as e:
        print(e.phase, e.url, e.errno)
    except client.HTTPError as e:
        print(e.response)
    found: list[str] = client.get(url).json()
    return found
"""
# What a handler or a call must not be, and the kind of mypy's complaint.
FAULTS = [
    (
        "def f1(conn: Connection, ev: int, data: EventData) -> None:\n    print(data.uri)",
        "union-attr",
    ),
    (
        "def f2(conn: Connection, ev: int, data: EventData) -> None:\n"
        "    if isinstance(data, HttpMessage):\n        print(data.topic)",
        "attr-defined",
    ),
    (
        "def f3(conn: Connection, ev: int, data: HttpMessage) -> None: ...\nManager(f3)",
        "arg-type",
    ),
    ("HttpMessage(b'GET')", "arg-type"),
    ("session.publish(1, b'')", "arg-type"),
    ("session.queued = 1", "misc"),
    ("MqttSession(manager, 'mqtt://h', 'x', nonsense=1)", "call-arg"),
    ("client.get('http://h', nonsense=1)", "call-arg"),
    ("client.Session().get('http://h', max_body=9)", "call-arg"),
    ("client.get('http://h', stream='yes')", "arg-type"),
    ("client.get(7)", "arg-type"),
    ("client.get('http://h').text = 'x'", "misc"),
    ("client.post('http://h', data=7)", "arg-type"),
    ("client.post('http://h', auth='me')", "arg-type"),
    ("client.get('http://h').nonsense", "attr-defined"),
]


ASYNC = """
import asyncio

from pymongoose import AsyncManager, Connection, EventData, HttpMessage, aio


async def handler(conn: Connection, ev: int, data: EventData) -> None:
    if isinstance(data, HttpMessage):
        await asyncio.sleep(0)
        conn.reply(200, data.copy().uri)


async def main() -> None:
    async with AsyncManager(handler, max_conns=10) as manager:
        conn: Connection = manager.listen("http://127.0.0.1:0")
        manager.schedule(handler(conn, 1, None))
        fd: int = manager.manager.fileno()
        wait: int | None = manager.manager.next_timeout()
    stream = await aio.connect("tcp://127.0.0.1:1", timeout=3)
    line: bytes = await stream.readline()
    async with aio.connect("tcp://127.0.0.1:1") as other:
        await other.send("x")
    async with aio.ws_connect("ws://127.0.0.1:1", protocols=["a"]) as ws:
        async for message in ws:
            both: str | bytes = message
    async with aio.MqttSession("mqtt://127.0.0.1", "me", keepalive=30) as session:
        await session.publish("a", b"b", 1)
        async for news in session:
            print(news.topic)
    async with aio.modbus.connect("modbus://127.0.0.1") as client:
        values: tuple[int, ...] = await client.read(3, 0, 2)
    name: str = await aio.resolve("localhost")
    now: int = await aio.time()
    for answer in await aio.mdns.query("_http._tcp"):
        print(answer.host, answer.port)
"""
ASYNC_FAULTS = [
    ("async def g1() -> None:\n    await (await aio.connect('x')).send(1)", "arg-type"),
    ("async def g2() -> None:\n    x: str = await (await aio.connect('x')).recv()", "assignment"),
    ("aio.AsyncManager(main)", "arg-type"),
    ("aio.nonsense()", "attr-defined"),
]

WEB = """
import asyncio
from collections.abc import AsyncIterator, Iterator

from pymongoose import AsyncManager, Manager, TlsOpts, web
from pymongoose.web import (
    CORS, CSRF, App, BasicAuth, BearerAuth, EventStream, HTTPError, RateLimit, Request, Response, WebSocket,
    abort, raw, redirect, render, send_file,
)

app = App(secret_key=["new", b"old"], templates="pages", debug=True)
auth = BasicAuth(lambda request, name, password: name == "ada")
token = BearerAuth(lambda request, token: {"name": token})
limit = RateLimit(5, per=60)
csrf = CSRF(app)
CORS(app, ["https://a.example"], max_age=60)
app.before_request(limit)
app.before_request(auth)


@app.get("/users/<int:id>")
def user(request: Request, id: int) -> dict[str, int]:
    n: int = request.args.get("n", 1, type=int)
    found: str | None = request.args.get("q")
    return {"id": id, "n": n, "found": len(found or "")}


@app.route("/all", methods=["GET", "POST"])
async def everything(request: Request) -> tuple[str, int, dict[str, str]]:
    await asyncio.sleep(0)
    request.session["n"] = request.session.get("n", 0) + 1
    fields: list[str] = request.form.getlist("a")
    return request.method + request.path + "".join(fields), 201, {"X-A": request.header("X-A", "") or ""}


@app.post("/photos", upload=True, max_size=1000)
@auth
@limit
def photo(request: Request) -> Response:
    file = request.files["photo"]
    file.save("/tmp/" + file.filename)
    if file.size > 5:
        abort(413, "too large")
    if not request.json:
        raise HTTPError(400)
    return redirect("/", 303)


@app.get("/page")
def page(request: Request) -> Response:
    response = render("page.html", name=raw("<b>"))
    response.set_cookie("a", "b", max_age=60)
    return response


@app.get("/lines")
def lines(request: Request) -> Iterator[str]:
    yield "a"


@app.get("/later")
async def later(request: Request) -> AsyncIterator[bytes]:
    yield b"a"


@app.get("/file")
def file(request: Request) -> tuple[Response, int]:
    return send_file("a.txt", download="b.txt"), 200


@app.ws("/echo/<name>")
async def echo(request: Request, ws: WebSocket, name: str) -> None:
    async for message in ws:
        await ws.send(message)
    ws.close(1000, "done")


@app.sse("/ticks")
def ticks(request: Request, events: EventStream) -> None:
    events.send({"a": 1}, event="tick")
    events.on_close = lambda: print("gone")


@app.after_request
def after(request: Request, response: Response) -> None:
    response.headers.append(("X-B", "c"))


@app.errorhandler(404)
def missing(request: Request, error: HTTPError) -> tuple[str, int]:
    return error.message, error.status


part = web.App()
app.mount("/part", part)
app.static("/static", "static")
client = app.test_client()
status: int = client.post("/all", data={"a": ["b"]}, headers={"X-A": "b"}).status_code
with Manager() as manager:
    app.attach(manager, "http://127.0.0.1:0")


async def main() -> None:
    async with AsyncManager() as manager:
        app.attach(manager, manager.listen("http://127.0.0.1:0"))
    await app.serve(port=8000, tls=TlsOpts())


app.run(host="0.0.0.0", port=8000, workers=4)
"""
WEB_FAULTS = [
    ("def h1(request: Request) -> None: ...\napp.get('/a')(h1)", "type-var"),
    ("def h2(request: Request) -> int:\n    return 5\napp.get('/b')(h2)", "type-var"),
    ("def h3() -> str:\n    return ''\napp.get('/c')(h3)", "type-var"),
    ("def h4(request: Request) -> str:\n    return request.args.getlist('a')", "return-value"),
    ("def h5(request: Request) -> None:\n    n: int = request.args['a']", "assignment"),
    ("app.get(5)", "arg-type"),
    ("app.run(prot=1)", "call-arg"),
    ("Response().set_cookie('a', 5)", "arg-type"),
    ("app.nonsense", "attr-defined"),
]


def mypy(module, folder, *arguments, **environment):
    """Runs in `folder`, so that no configuration counts and no cache is left in the work tree."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )


def test_stub_and_module_agree(package, tmp_path):
    # Without the kit for tests, which has annotations and no stub, and programs that run when imported.
    installed = Path(find_spec("pymongoose").origin).parent
    shutil.copytree(
        installed,
        tmp_path / "pymongoose",
        ignore=shutil.ignore_patterns("testing", "flash", "__pycache__"),
    )
    # It is made when asked for, and for `import *` alone: the stub's names are the list.
    # Requests and WebSockets have more, made in Python when it is asked for.
    (tmp_path / "allowed").write_text(
        "pymongoose.__all__\npymongoose.aio.__all__\n"
        r"pymongoose\.HttpRequest\.[a-z_]+" + "\n"
        r"pymongoose\.web\.WebSocket\.(receive|__aiter__)" + "\n"
    )
    run = mypy(
        "mypy.stubtest", tmp_path, "--allowlist", "allowed", "pymongoose", MYPYPATH=str(tmp_path)
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    "program, faults", [(PROGRAM, FAULTS), (ASYNC, ASYNC_FAULTS), (WEB, WEB_FAULTS)]
)
def test_mypy_sees_inside_handlers(tmp_path, program, faults):
    """A typed program passes, and each fault is found where it is made."""
    text, wanted = program, []
    for fault, kind in faults:
        text += f"{fault}\n"
        wanted.append((text.count("\n"), kind))
    (tmp_path / "program.py").write_text(text)
    run = mypy("mypy", tmp_path, "--strict", "program.py", MYPYPATH=str(ROOT / "typings"))
    found = re.findall(r"^program\.py:(\d+): error: .*\[([\w-]+)\]$", run.stdout, re.M)
    # A union is complained of once for each of its members.
    assert list(dict.fromkeys((int(line), kind) for line, kind in found)) == wanted, run.stdout


def test_generated_parts_are_new():
    run = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "check" / "stub.py"), "--check"],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
