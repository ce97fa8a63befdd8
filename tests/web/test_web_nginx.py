# SPDX-License-Identifier: GPL-2.0-only
"""An App behind nginx, as docs/deployment.md has it: the client's address and scheme, forms, uploads, streams."""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import time

import httpx
import pytest
from peers.clients import Raw, free_port, seconds
from targets import ROOT
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

pytestmark = pytest.mark.needs("process")

SCRIPT = r"""
import hashlib
from pymongoose.web import App, RateLimit, redirect

errors, left, streams = [], [], []
app = App(secret_key="k", uploads=PARAMS["folder"], proxies=1)
app.static("/static", PARAMS["folder"])

@app.get("/who")
def who(request):
    return [request.client[0], request.scheme, request.header("Host")]

@app.get("/count")
def count(request):
    request.session["n"] = request.session.get("n", 0) + 1
    return str(request.session["n"])

@app.post("/form")
def form(request):
    return redirect("/who?text=" + request.form["text"], 303)

@app.post("/upload", upload=True, max_size=400000)
def upload(request):
    file = request.files["f"]
    return {"size": file.size, "sha": "".join(["%02x" % b for b in hashlib.sha256(file.read()).digest()])}

@app.get("/limited")
@RateLimit(1, 60)
def limited(request):
    return "ok"

@app.get("/pieces")
def pieces(request):
    return ("%d " % i * 1000 for i in range(100))

@app.sse("/events")
def events(request, events):
    events.on_close = lambda: left.append(1)
    streams.append(events)
    events.send("first")

@app.ws("/echo")
def echo(request, ws):
    ws.on_message = lambda data: ws.send("%s from %s" % (data, request.client[0]))

m = Manager(error_handler=errors.append)
announce("PORT", app.attach(m, "http://127.0.0.1:0"))
serve(m)
"""

NGINX = """\
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
    access_log off; client_max_body_size 1m;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ""; }}
    server {{
        listen 127.0.0.1:{port};
        {location}
    }}
}}
"""


@pytest.fixture
def front(device, tmp_path):
    """(server, base URL of the nginx in front of it)."""
    nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if not nginx:
        pytest.skip("this computer has no nginx")
    folder = tmp_path / "www"
    folder.mkdir()
    (folder / "a.txt").write_text("static")
    server = device(SCRIPT, folder=str(folder))
    server.expect("SERVING")
    text = (ROOT / "docs" / "deployment.md").read_text()
    location = re.search(r"^    location / \{.*?^    \}", text, re.M | re.S)[0]
    location = location.replace("http://unix:/run/app.sock", f"http://127.0.0.1:{server.port()}")
    port = free_port()
    conf = tmp_path / "nginx.conf"
    conf.write_text(NGINX.format(folder=tmp_path, port=port, location=location))
    process = subprocess.Popen(
        [nginx, "-p", str(tmp_path), "-c", str(conf)], stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + seconds(20)
        while True:
            try:
                Raw(("127.0.0.1", port)).close()
                break
            except OSError:
                assert time.monotonic() < deadline and process.poll() is None
                time.sleep(0.02)
        yield server, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def test_behind_nginx(front):
    server, base = front
    with httpx.Client(base_url=base, timeout=seconds(30)) as c:
        # What a client says of itself is not believed; its last address is nginx's word.
        r = c.get("/who", headers={"X-Forwarded-For": "9.9.9.9", "X-Forwarded-Proto": "gopher"})
        assert r.json() == ["127.0.0.1", "http", "127.0.0.1"]
        assert [c.get("/count").text for _ in range(3)] == ["1", "2", "3"]
        r = c.post("/form", data={"text": "a"})
        assert (r.status_code, r.headers["Location"]) == (303, "/who?text=a")
        data = bytes(range(256)) * 1000
        digest = hashlib.sha256(data).hexdigest()
        for _ in range(2):  # connections to nginx stay, ours may
            r = c.post("/upload", files={"f": ("x.bin", data)})
            assert r.json() == {"size": len(data), "sha": digest}
        assert c.post("/upload", files={"f": ("x.bin", data * 2)}).status_code == 413
        assert [c.get("/limited").status_code for _ in range(2)] == [200, 429]
        assert c.get("/pieces").text == "".join(f"{i} " * 1000 for i in range(100))
        r = c.get("/static/a.txt")
        assert r.text == "static"
        again = c.get("/static/a.txt", headers={"If-None-Match": r.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert c.get("/static/../www/a.txt").status_code == 404
        assert c.head("/who").status_code == 200
        r = c.delete("/who")
        assert (r.status_code, r.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    address = base.replace("http", "ws") + "/echo"
    with connect(address, origin="http://127.0.0.1") as ws:  # nginx's $host has no port
        ws.send("hi")
        assert ws.recv(seconds(10)) == "hi from 127.0.0.1"
    with pytest.raises(InvalidStatus, match="403"):
        connect(address, origin="http://evil.example")
    with (
        httpx.stream("GET", base + "/events", timeout=seconds(30)) as answer,
        contextlib.closing(answer.iter_lines()) as lines,
    ):
        assert next(line for line in lines if line.startswith("data: ")) == "data: first"
    server.until("left or streams[0].send('again')")  # nginx lets go of it, too
    assert server.eval("[repr(e) for e in errors]") == []
