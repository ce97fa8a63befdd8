# SPDX-License-Identifier: GPL-2.0-only
"""Real proxies: curl that takes our server for one, tinyproxy under our client, nginx on both sides."""

import os
import shutil
import subprocess
import time

import pytest
from peers.clients import Raw, free_port, seconds

SCRIPT = """
log = []
conns = []

def server(c, ev, m):
    if ev == MG_EV_HTTP_MSG and m.uri == "/chunks":
        c.send("HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n")
        c.http_chunk("by ")
        c.http_chunk("hand")
        c.http_chunk("")
    elif ev == MG_EV_HTTP_MSG:
        c.reply(200, "host %s of %s" % (m.header("Host"), m.uri))

def through(c, ev, m):
    # CONNECT to a proxy, then a request of our own through the tunnel.
    if ev == MG_EV_HTTP_MSG:
        log.append(m.status())
        if m.status() == 200:
            c.send("GET /far HTTP/1.1\\r\\nHost: far\\r\\nConnection: close\\r\\n\\r\\n")
    elif ev == MG_EV_READ:
        data = c.recv() if log else b""
        if data:
            log.append(data)
    elif ev == MG_EV_ERROR:
        log.append(m)
    elif ev == MG_EV_CLOSE:
        log.append("close")

def plain(c, ev, m):
    if ev == MG_EV_HTTP_MSG:
        log.append((m.status(), m.body_bytes))
    elif ev == MG_EV_ERROR:
        log.append(m)
    elif ev == MG_EV_CLOSE:
        log.append("close")

def start(port, handler, method, target, headers):
    del log[:], conns[:]
    conns.append(m.connect("http://127.0.0.1:%d" % port, handler))
    conns[0].http_request(method, target, headers=headers)

m = Manager(server)
announce("PORT", m.listen(url("http")))
serve(m)
"""

pytestmark = pytest.mark.needs("process")


@pytest.fixture
def device(shared):
    return shared(SCRIPT)


def running(command, port):
    """The process, when its port is open."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            Raw(("127.0.0.1", port)).close()
            return process
        except OSError:
            assert process.poll() is None, "the proxy has ended"
            time.sleep(0.02)
    raise AssertionError("the proxy does not listen")


@pytest.fixture
def tinyproxy(tmp_path):
    if not shutil.which("tinyproxy"):
        pytest.skip("this computer has no tinyproxy")
    port = free_port()
    conf = tmp_path / "tinyproxy.conf"
    conf.write_text(f"Port {port}\nListen 127.0.0.1\nTimeout 20\nMaxClients 20\nAllow 127.0.0.1\n")
    process = running(["tinyproxy", "-d", "-c", str(conf)], port)
    yield port
    process.kill()  # it may miss a signal that it could handle, between two waits
    process.wait()


@pytest.fixture
def nginx(tmp_path, device):
    # A user's PATH need not have it.
    if not (program := shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")):
        pytest.skip("this computer has no nginx")
    port = free_port()
    conf = tmp_path / "nginx.conf"
    paths = "".join(
        f"{name}_temp_path {tmp_path}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    conf.write_text(
        f"daemon off;\npid {tmp_path}/pid;\nerror_log {tmp_path}/error.log;\nmaster_process off;\n"
        f"events {{}}\nhttp {{ access_log off; {paths}"
        f"upstream us {{ server 127.0.0.1:{device.port()}; keepalive 2; }}\n"
        f"server {{ listen 127.0.0.1:{port};\n"
        "location /own { return 200 own; }\n"
        "location / { proxy_pass http://us; proxy_http_version 1.1;"
        ' proxy_set_header Connection ""; proxy_set_header Host named; } } }\n'
    )
    process = running([program, "-p", str(tmp_path), "-c", str(conf)], port)
    yield port
    process.kill()
    process.wait()


def curl(*arguments):
    command = ["curl", "-sS", "--max-time", str(seconds()), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=seconds(40), check=True
    ).stdout


def test_curl_takes_us_for_a_proxy(device):
    """It sends the whole URL, and a Host that says the same."""
    host, port = device.reach(device.port())
    proxy = f"http://{host}:{port}"
    found = curl("-x", proxy, "-H", "Host: wrong", "http://far.example:81/page?x")
    assert found == "host far.example:81 of /page"


def test_curl_through_tinyproxy(device, tinyproxy):
    host, port = device.reach(device.port())
    there = f"{host}:{port}"
    assert curl("-x", f"http://127.0.0.1:{tinyproxy}", f"http://{there}/a") == f"host {there} of /a"


def test_our_client_through_tinyproxy(device, tinyproxy):
    target = f"127.0.0.1:{device.port()}"
    device.exec(f"start({tinyproxy}, through, 'CONNECT', {target!r}, {{'Host': {target!r}}})")
    device.until("log and log[-1] == 'close'")
    log = device.eval("log")
    assert log[0] == 200
    assert b"".join(log[1:-1]).endswith(b"\r\n\r\nhost far of /far")


def test_nginx_in_front(device, nginx):
    base = f"http://127.0.0.1:{nginx}"
    assert curl(base + "/chunks", base + "/a", base + "/chunks") == "by handhost named of /aby hand"


def test_nginx_behind(device, nginx):
    device.exec(f"start({nginx}, plain, 'GET', '/own', {{'Connection': 'close'}})")
    device.until("log and log[-1] == 'close'")
    assert device.eval("log") == [(200, b"own"), "close"]
