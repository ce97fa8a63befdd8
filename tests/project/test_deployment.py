# SPDX-License-Identifier: GPL-2.0-only
"""docs/deployment.md, done as it says: its units, its programs started by a service manager, its nginx."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import httpx
import pytest
from peers.clients import Raw, free_port, seconds
from targets import ROOT
from targets.process import ProcessDevice
from websockets.sync.client import connect

TEXT = (ROOT / "docs" / "deployment.md").read_text()
REQUEST = "GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n"

HANDLER = """\
import os
from pymongoose import MG_EV_HTTP_MSG, MG_EV_WS_MSG

def handler(conn, ev, data):
    if ev == MG_EV_WS_MSG:
        conn.ws_send("You said: " + data.text)
    elif ev != MG_EV_HTTP_MSG:
        pass
    elif data.uri == "/ws":
        conn.ws_upgrade(data)
    elif data.uri == "/events":
        conn.reply(200, "", {"Content-Type": "text/event-stream"})
        conn.http_sse("message", "first")
    else:
        conn.reply(200, "%s for %s" % (data.header("Host"), data.header("X-Forwarded-For")))

"""


def samples():
    """The blocks of the page, fenced or indented."""
    fence = re.compile(r"^```python no-run\n(.*?)^```\n", re.M | re.S)
    yield from fence.findall(TEXT)
    for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", fence.sub("", TEXT), re.M):
        yield re.sub(r"^    ", "", block.strip("\n"), flags=re.M) + "\n"


def sample(words):
    (found,) = [text for text in samples() if words in text]
    return found


def until_listening(running, port):
    while True:
        try:
            return Raw(("127.0.0.1", port))
        except ConnectionRefusedError:
            assert running.process.poll() is None, running.console
            time.sleep(0.02)


@pytest.fixture
def start(request):
    """Starts a program of this machine, which ends with the test."""
    started = request.node.devices = []

    def run(*command):
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        started.append(ProcessDevice([str(word) for word in command], environment))
        return started[-1]

    yield run
    for running in started:
        running.kill()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd here")
def test_units(tmp_path):
    """systemd itself finds nothing wrong with them."""
    units = []
    for text in samples():
        if found := re.match(r"# /etc/systemd/system/(\S+)\n", text):
            units.append(tmp_path / found[1])
            units[-1].write_text(text.replace("/opt/app/.venv/bin/python", sys.executable))
    assert [unit.name for unit in units] == ["app.service", "app.socket"]
    run = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    ours = [line for line in run.stderr.splitlines() if "app." in line]
    assert (run.returncode, ours) == (0, []), run.stderr


@pytest.mark.needs("process", "descriptors", "systemd")
def test_socket_activation(target, start, tmp_path):
    activate = "systemd-socket-activate"
    script = tmp_path / "server.py"
    script.write_text(HANDLER + sample("LISTEN_FDS"))
    port = free_port()
    running = start(activate, "-l", f"127.0.0.1:{port}", target.program, *target.options, script)
    with until_listening(running, port) as raw:
        assert raw.ask(REQUEST).body == b"app for None"
    running.signal(signal.SIGTERM)
    at_once = target.runtime.startswith("micropython")
    assert running.exit_code() == (-signal.SIGTERM if at_once else 0)


@pytest.mark.needs("process", "fork")
def test_workers(target, start, tmp_path):
    port = free_port()
    text = sample("os.fork()").replace("0.0.0.0:8000", f"127.0.0.1:{port}")
    script = tmp_path / "server.py"
    script.write_text(HANDLER + text)
    running = start(target.program, *target.options, script)
    for _ in range(20):
        with until_listening(running, port) as raw:
            assert raw.ask(REQUEST).body == b"app for None"
    os.killpg(running.pid, signal.SIGTERM)
    assert running.exit_code() == 0
    assert "Traceback" not in running.console


NGINX = """\
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {map}
    server {{
        listen 127.0.0.1:{port};
        {location}
    }}
}}
"""


@pytest.mark.needs("process", "unix-sockets")
def test_behind_nginx(target, start, tmp_path):
    """Requests, a WebSocket and an event stream reach the program, with the client's address."""
    nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if not nginx:
        pytest.skip("this computer has no nginx")
    listen = re.search(r"the URL is `(unix:[^`]*)`, with `(http=True)`", TEXT)
    sock = tmp_path / "app.sock"
    script = tmp_path / "server.py"
    script.write_text(
        HANDLER
        + "from pymongoose import Manager\nm = Manager(handler)\n"
        + f"m.listen('{listen[1].replace('/run/app.sock', str(sock))}', {listen[2]})\n"
        + "print('READY')\nm.run()\n"
    )
    start(target.program, *target.options, script).expect("READY")
    port = free_port()
    conf = tmp_path / "nginx.conf"
    conf.write_text(
        NGINX.format(
            folder=tmp_path,
            port=port,
            map=re.search(r"`(map [^`]*)`", TEXT)[1],
            location=sample("location / {").replace("/run/app.sock", str(sock)),
        )
    )
    until_listening(start(nginx, "-p", tmp_path, "-c", conf), port).close()
    base = f"http://127.0.0.1:{port}"
    assert httpx.get(base).text == "127.0.0.1 for 127.0.0.1"
    with connect(base.replace("http", "ws") + "/ws") as ws:
        ws.send("hi")
        assert ws.recv(seconds(10)) == "You said: hi"
    # The stream does not end, and yet its first event comes.
    with (
        httpx.stream("GET", base + "/events") as answer,
        contextlib.closing(answer.iter_lines()) as lines,
    ):
        assert next(line for line in lines if line.startswith("data: ")) == "data: first"
