# SPDX-License-Identifier: GPL-2.0-only
"""pymongoose.web under asyncio: handlers, hooks, bodies, WebSockets and events that await."""

import json
import time

import httpx
import pytest
from peers.clients import Raw, seconds

APP = r"""
import asyncio
from pymongoose import aio
from pymongoose.web import App, BasicAuth, abort

errors, log = [], []
app = App(secret_key="k")

@app.get("/sync")
def sync(request):
    return "sync"

@app.get("/now")
async def now(request):
    return "now"

@app.get("/late/<int:n>")
async def late(request, n):
    await asyncio.sleep(0.01)
    return {"n": n, "q": request.args.get("q"), "path": request.path, "who": request.header("X-Who")}

@app.get("/raise/<when>")
async def raises_(request, when):
    if when == "late":
        await asyncio.sleep(0)
    raise RuntimeError("secret detail")

@app.get("/abort")
async def aborts(request):
    await asyncio.sleep(0)
    abort(409, "no")

@app.get("/none/<when>")
async def none(request, when):
    if when == "late":
        await asyncio.sleep(0)

hanging = {}

@app.get("/hang/<name>")
async def hang(request, name):
    hanging[name] = asyncio.current_task()
    if name in ("replied", "raises", "returns"):
        request.conn.reply(200, "replied")
    elif name == "half":
        request.conn.send(b"HTTP/1.1 200 OK\r\n")
    elif name == "behind":
        while "replied" in hanging:
            await asyncio.sleep(0.01)
        return "its own"
    if name in ("raises", "returns"):
        while name in hanging:
            await asyncio.sleep(0.01)
        log.append(name)
        if name == "raises":
            raise RuntimeError("late")
        return "late"
    await asyncio.sleep(600)

@app.get("/hang/<name>/pieces")
async def hang_in_pieces(request, name):
    if name == "later":
        yield "piece"
    hanging[name] = asyncio.current_task()
    await asyncio.sleep(600)
    yield "never"

@app.post("/json")
async def json_(request):
    await asyncio.sleep(0)
    return {"got": request.json}

@app.post("/form")
async def form(request):
    await asyncio.sleep(0)
    return request.form.items()

@app.get("/count")
async def count(request):
    request.session["n"] = request.session.get("n", 0) + 1
    await asyncio.sleep(0)
    return str(request.session["n"])

def lines(n, fail=None):
    async def pieces():
        for i in range(n):
            if i == fail:
                raise RuntimeError("in the middle")
            if i % 7 == 1:
                await asyncio.sleep(0)
            yield "piece %d\n" % i
    return pieces()

@app.get("/lines")
def sync_lines(request):
    return lines(request.args.get("n", 3, type=int))

@app.get("/alines")
async def async_lines(request):
    await asyncio.sleep(0)
    return lines(request.args.get("n", 3, type=int))

@app.get("/own")
async def own_lines(request):
    yield "one\n"
    await asyncio.sleep(0)
    yield "two\n"

@app.get("/plain")
def plain_lines(request):
    for i in range(3):
        yield "piece %d\n" % i

@app.get("/fail/<int:at>")
async def fail(request, at):
    return lines(10, at)

@app.get("/endless")
def endless(request):
    async def pieces():
        try:
            while True:
                await asyncio.sleep(0)
                yield "x" * 1000
        finally:
            log.append("left")
    return pieces()

# ---- Events -----------------------------------------------------------------------------------------

@app.sse("/ticks")
def ticks(request, events):
    for i in range(3):
        yield "tick", {"n": i}
    yield "last"

@app.sse("/aticks")
async def aticks(request, events):
    for i in range(3):
        await asyncio.sleep(0)
        yield "tick", {"n": i}
    yield "last"

@app.sse("/pushed")
async def pushed(request, events):
    for i in range(3):
        await events.send({"n": i}, event="tick")
        await asyncio.sleep(0)
    events.send("last")

@app.sse("/kept")
def kept(request, events):
    events.send("first")
    log.append(events)
    async def gone():
        await asyncio.sleep(0)
        log.append("gone")
    events.on_close = gone

@app.sse("/sser")
async def sse_raises(request, events):
    await events.send("first")
    raise RuntimeError("x")

# ---- WebSocket --------------------------------------------------------------------------------------

@app.ws("/echo/<name>")
async def echo(request, ws, name):
    async for data in ws:
        text = data if isinstance(data, str) else ""
        await ws.send({"name": name} if text == "name" else data)
        if text == "end":
            break
    log.append("over")

@app.ws("/calls")
def calls(request, ws):
    async def on_message(data):
        await asyncio.sleep(0)
        await ws.send("got " + data)
        if data == "fail":
            raise RuntimeError("x")
    ws.on_message = on_message
    ws.on_close = lambda code, reason: log.append((code, reason))

@app.ws("/slow")
async def slow(request, ws):
    while "go" not in log:
        await asyncio.sleep(0.002)
    n = 0
    async for data in ws:
        n += 1
        if data == "end":
            await ws.send(str(n))

@app.ws("/wsfail")
async def ws_fail(request, ws):
    await ws.receive()
    raise RuntimeError("x")

# ---- Hooks, guards, uploads -------------------------------------------------------------------------

api = App()

@api.before_request
async def before(request):
    await asyncio.sleep(0)
    request.who = request.header("X-Who", "nobody")
    if request.who == "stranger":
        return "no strangers", 403

@api.after_request
async def after(request, response):
    await asyncio.sleep(0)
    response.headers.append(("X-After", request.who))

@api.get("/who")
def who(request):
    return request.who

@api.get("/break")
async def breaks(request):
    await asyncio.sleep(0)
    raise KeyError("x")

@api.errorhandler(KeyError)
async def on_key(request, e):
    await asyncio.sleep(0)
    return {"error": "key"}, 409

app.mount("/api", api)

@app.get("/private")
@BasicAuth(lambda request, name, password: password == "p")
async def private(request):
    await asyncio.sleep(0)
    return "for " + request.user

app.uploads = PARAMS["folder"]

@app.post("/upload", upload=True)
async def upload(request):
    f = request.files["f"]
    await asyncio.sleep(0)
    return {"size": f.size, "there": f.path.split("/")[-1] in os.listdir(PARAMS["folder"])}

import os
if PARAMS["make"]:
    try:
        os.mkdir(PARAMS["folder"])
    except OSError:
        pass


async def main():
    global _managers, _standing
    async with aio.AsyncManager(error_handler=errors.append) as am:
        announce("PORT", app.attach(am, url("http")))
        _managers = [am.manager]
        _standing = [c.id for c in am.connections]
        print("SERVING")
        while True:
            await asyncio.sleep(0.002)
            if _poller.poll(0) and not _command():
                break


asyncio.run(main())
if MICROPYTHON:
    asyncio.new_event_loop()
"""


@pytest.fixture
def server(shared, folder):
    running = shared(APP, folder=folder[0], make=folder[1])
    running.exec("del errors[:], log[:]")
    return running


@pytest.fixture
def client(server):
    base = "http://{}:{}".format(*server.reach(server.port()))
    with httpx.Client(base_url=base, timeout=seconds(60)) as c:
        yield c


def connected(server, path):
    from websockets.sync.client import connect

    host, port = server.reach(server.port())
    return connect(f"ws://{host}:{port}{path}", open_timeout=seconds(60))


def errors(server):
    return server.eval("[type(e).__name__ for e in errors]")


def until(server, expression):
    """Lets asyncio run meanwhile, which server.until() does not."""
    end = time.monotonic() + seconds(30)
    while not (value := server.eval(expression)):
        assert time.monotonic() < end, expression
        time.sleep(0.02)
    return value


def test_answers(client, server):
    assert client.get("/sync").text == "sync"
    assert client.get("/now").text == "now"
    wanted = {"n": 7, "q": "ü", "path": "/late/7", "who": "me"}
    assert client.get("/late/7?q=%C3%BC", headers={"X-Who": "me"}).json() == wanted
    assert client.get("/late/x").status_code == 404
    assert client.head("/late/7").text == ""
    assert client.post("/json", json=[1]).json() == {"got": [1]}
    r = client.post("/json", content="{", headers={"Content-Type": "application/json"})
    assert (r.status_code, r.text) == (400, "the body is no JSON\n")
    assert client.post("/form", data={"a": "1"}).json() == [["a", "1"]]
    assert [client.get("/count").text for _ in range(3)] == ["1", "2", "3"]
    assert errors(server) == []


def test_requests_behind_each_other_are_answered_in_order(server):
    with Raw(server.reach(server.port())) as raw:
        paths = ("/late/1", "/sync", "/alines", "/now", "/late/2")
        raw.send(b"".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for path in paths))
        bodies = [raw.response().body for _ in paths]
    assert bodies[1:4] == [b"sync", b"piece 0\npiece 1\npiece 2\n", b"now"]
    assert [json.loads(bodies[i])["n"] for i in (0, 4)] == [1, 2]


def test_what_fails(client, server):
    for path, kind in (
        ("/raise/now", "RuntimeError"),
        ("/raise/late", "RuntimeError"),
        ("/none/now", "TypeError"),
        ("/none/late", "TypeError"),
        ("/fail/0", "RuntimeError"),
    ):
        r = client.get(path)
        assert (r.status_code, r.text) == (500, "Internal Server Error\n")
        assert errors(server) == [kind], path
        server.exec("del errors[:]")
    r = client.get("/abort")
    assert (r.status_code, r.text) == (409, "no\n")
    assert errors(server) == []


@pytest.mark.parametrize("path", ["/lines", "/alines"])
def test_a_body_that_is_awaited(client, server, path):
    r = client.get(path)
    assert r.text == "piece 0\npiece 1\npiece 2\n"
    assert r.headers["Transfer-Encoding"] == "chunked"
    assert client.get(path + "?n=0").text == ""
    assert client.get(path + "?n=1000").text == "".join(f"piece {i}\n" for i in range(1000))
    assert client.head(path).text == ""
    assert client.get("/sync").text == "sync"
    assert errors(server) == []


def test_a_handler_that_is_its_body(client, server):
    assert client.get("/own").text == "one\ntwo\n"
    assert client.get("/plain").text == "piece 0\npiece 1\npiece 2\n"
    assert errors(server) == []


def test_a_body_that_fails_is_no_whole_answer(client, server):
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/fail/3")
    assert errors(server) == ["RuntimeError"]


def hangs(server, raw, path):
    """Asks for it, and cancels its task once that waits."""
    name = path.split("/")[2]
    raw.send(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode())
    until(server, f"{name!r} in hanging")
    server.exec(f"hanging.pop({name!r}).cancel()")


@pytest.mark.parametrize("path", ["/hang/one", "/hang/two/pieces"])
def test_a_handler_that_is_canceled_is_a_500(server, path):
    with Raw(server.reach(server.port())) as raw:
        for _ in range(2):  # the connection stays
            hangs(server, raw, path)
            got = raw.recv_until(b"Internal Server Error\n")
            assert got.startswith(b"HTTP/1.1 500 "), got
        raw.send(b"GET /sync HTTP/1.1\r\nHost: x\r\n\r\n")
        assert raw.recv_until(b"sync").startswith(b"HTTP/1.1 200 ")
    assert errors(server) == []


@pytest.mark.parametrize(
    "path, wanted", [("/hang/later/pieces", b"5\r\npiece\r\n"), ("/hang/half", b"OK\r\n")]
)
def test_an_answer_that_has_begun_is_cut_when_its_handler_is_canceled(server, path, wanted):
    with Raw(server.reach(server.port())) as raw:
        hangs(server, raw, path)
        assert raw.recv_all().endswith(wanted)
    assert errors(server) == []


def test_a_handler_that_is_canceled_behind_its_answer(server):
    with Raw(server.reach(server.port())) as raw:
        hangs(server, raw, "/hang/replied")
        assert raw.recv_until(b"replied").startswith(b"HTTP/1.1 200 ")
        raw.send(b"GET /sync HTTP/1.1\r\nHost: x\r\n\r\n")
        assert raw.recv_until(b"sync").startswith(b"HTTP/1.1 200 ")


def test_one_that_is_canceled_leaves_the_next_request_alone(server):
    with Raw(server.reach(server.port())) as raw:
        raw.send(b"GET /hang/replied HTTP/1.1\r\nHost: x\r\n\r\n")
        assert raw.recv_until(b"replied").startswith(b"HTTP/1.1 200 ")
        raw.send(b"GET /hang/behind HTTP/1.1\r\nHost: x\r\n\r\n")
        until(server, "'behind' in hanging")
        server.exec("hanging['replied'].cancel()")
        until(server, "hanging['replied'].done()")
        server.exec("hanging.clear()")
        assert raw.recv_until(b"its own").startswith(b"HTTP/1.1 200 ")
    assert errors(server) == []


@pytest.mark.parametrize("end", ["raises", "returns"])
def test_what_comes_late_answers_no_other_request(server, end):
    with Raw(server.reach(server.port())) as raw:
        server.exec("hanging['replied'] = None")
        raw.send(b"GET /hang/%s HTTP/1.1\r\nHost: x\r\n\r\n" % end.encode())
        assert raw.recv_until(b"replied").startswith(b"HTTP/1.1 200 ")
        raw.send(b"GET /hang/behind HTTP/1.1\r\nHost: x\r\n\r\n")
        until(server, "'behind' in hanging")
        server.exec(f"hanging.pop({end!r})")
        until(server, f"{end!r} in log")
        server.exec("hanging.clear()")
        got = raw.recv_until(b"its own")
        assert got.startswith(b"HTTP/1.1 200 ") and b"late" not in got, got
    assert errors(server) == (["RuntimeError"] if end == "raises" else [])


def test_a_client_that_leaves(client, server):
    with Raw(server.reach(server.port())) as raw:
        raw.send(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        raw.recv()
    until(server, "'left' in log")
    assert errors(server) == []


# ---- Events -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/ticks", "/aticks", "/pushed"])
def test_events(client, server, path):
    r = client.get(path)
    assert r.headers["Content-Type"] == "text/event-stream"
    ticks = [f'event: tick\ndata: {{"n": {i}}}\n\n' for i in range(3)]
    assert r.text == "".join(ticks) + "event: message\ndata: last\n\n"
    assert errors(server) == []


def test_events_of_a_handler_that_has_returned(client, server):
    with Raw(server.reach(server.port())) as raw:
        raw.send(b"GET /kept HTTP/1.1\r\nHost: x\r\n\r\n")
        raw.recv_until(b"data: first\n\n")
        server.exec("log[0].send('second')")
        raw.recv_until(b"data: second\n\n")
        raw.reset()
    until(server, "'gone' in log")
    assert server.eval("log[0].closed")
    assert errors(server) == []
    server.exec("del log[:]")


def test_events_of_a_handler_that_fails(client, server):
    assert "data: first\n" in client.get("/sser").text
    assert errors(server) == ["RuntimeError"]


# ---- WebSocket --------------------------------------------------------------------------------------


def test_websocket(server):
    with connected(server, "/echo/me") as ws:
        for message in ("hällo", b"\x00\x01", "x" * 2000):
            ws.send(message)
            assert ws.recv(timeout=seconds(60)) == message
        ws.send("name")
        assert json.loads(ws.recv(timeout=seconds(60))) == {"name": "me"}
        ws.close(1000, "done")
    until(server, "log == ['over']")
    assert errors(server) == []


def test_websocket_ends_with_its_handler(server):
    from websockets.exceptions import ConnectionClosed

    for path, message, code in (("/echo/me", "end", 1000), ("/wsfail", "x", 1011)):
        with connected(server, path) as ws:
            ws.send(message)
            with pytest.raises(ConnectionClosed) as end:
                while True:
                    ws.recv(timeout=seconds(60))
            assert end.value.rcvd.code == code
    assert errors(server) == ["RuntimeError"]


def test_websocket_with_calls(server):
    with connected(server, "/calls") as ws:
        ws.send("a")
        assert ws.recv(timeout=seconds(60)) == "got a"
        ws.send("fail")
        assert ws.recv(timeout=seconds(60)) == "got fail"
    until(server, "log == [(1000, '')]")
    assert errors(server) == ["RuntimeError"]


def test_messages_wait_for_their_handler(server):
    with connected(server, "/slow") as ws:
        for i in range(100):
            ws.send(f"{i}")
        ws.send("end")
        server.exec("log.append('go')")
        assert ws.recv(timeout=seconds(60)) == "101"
    assert errors(server) == []


# ---- Hooks, guards, uploads -------------------------------------------------------------------------


def test_hooks(client, server):
    r = client.get("/api/who", headers={"X-Who": "me"})
    assert (r.text, r.headers["X-After"]) == ("me", "me")
    r = client.get("/api/who", headers={"X-Who": "stranger"})
    assert (r.status_code, r.text, r.headers["X-After"]) == (403, "no strangers", "stranger")
    r = client.get("/api/break")
    assert (r.status_code, r.json(), r.headers["X-After"]) == (409, {"error": "key"}, "nobody")
    assert errors(server) == []


def test_a_guard(client, server):
    assert client.get("/private").status_code == 401
    assert client.get("/private", auth=("ada", "p")).text == "for ada"
    assert errors(server) == []


def test_upload(client, server):
    r = client.post("/upload", files={"f": ("a.bin", b"\x01" * 3000)})
    assert r.status_code == 200, server.eval("[error_text(e) for e in errors]")
    assert r.json() == {"size": 3000, "there": True}
    until(server, "[n for n in os.listdir(PARAMS['folder']) if n.startswith('upload-')] == []")
    assert errors(server) == []
