# SPDX-License-Identifier: GPL-2.0-only
"""Chromium and Node at our server, and our clients at Node's."""

import json
import shutil
import subprocess

import pytest
from peers import browser as browsers
from peers.clients import seconds

SCRIPT = """
log = []
conns = []

def by_hand(c, kind):
    c.send("HTTP/1.1 200 OK\\r\\nContent-Type: " + kind + "\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n")

def events(c, m):
    last = m.header("Last-Event-ID")
    if last is None:
        c.http_sse("tick", "one\\ntwo", id="7", retry=50)
        c.http_chunk("")
    else:
        c.http_sse("tick", "after " + last, id="8")

def handler(c, ev, m):
    if ev == MG_EV_WS_MSG and not c.is_client:
        c.ws_send("%s %s" % (m.text, c.ws_protocol))
    elif ev != MG_EV_HTTP_MSG:
        pass
    elif m.uri == "/ws":
        c.ws_upgrade(m, {"X-By": "hand"}, protocol="chat.v2")
    elif m.uri == "/events":
        by_hand(c, "text/event-stream")
        events(c, m)
    elif m.uri == "/stream":
        c.reply(200, "", {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"})
        events(c, m)
    elif m.uri == "/chunks":
        by_hand(c, "text/plain")
        for piece in ("chunks ", "by ", "hand", ""):
            c.http_chunk(piece)
    elif m.uri == "/none":
        c.send("HTTP/1.1 204 No Content\\r\\n\\r\\n")
    else:
        c.reply(200, "<!doctype html><title>here</title>", {"Content-Type": "text/html"})

def client(c, ev, m):
    if ev == MG_EV_HTTP_MSG:
        log.append((m.status(), m.body_text, m.header("X-List")))
    elif ev == MG_EV_WS_OPEN:
        log.append(("open", c.ws_protocol))
        c.ws_send("hello")
    elif ev == MG_EV_WS_MSG:
        log.append(m.text)
    elif ev == MG_EV_ERROR:
        log.append(("error", m))

m = Manager(handler)
announce("PORT", m.listen(url("http")))
serve(m)
"""

pytestmark = [pytest.mark.needs("process"), pytest.mark.timeout(300)]  # a browser starts


@pytest.fixture
def server(device):
    """For one test alone: a browser keeps connections, and makes some ahead."""
    running = device(SCRIPT)
    running.expect("SERVING")
    return running


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("this computer has no chromium")
    with browsers.started(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


WS = """
const ws = new WebSocket(base.replace('http', 'ws') + 'ws', ['other', 'chat.v2']);
ws.onopen = () => ws.send('hello');
ws.onerror = () => done('error');
ws.onmessage = e => { const said = [ws.protocol, e.data]; ws.onclose = () => done(said); ws.close(); };
"""
EVENTS = """
const source = new EventSource(base + PATH), got = [];
source.addEventListener('tick', e => {
    got.push([e.data, e.lastEventId]);
    if (got.length == 2) { source.close(); done(got); }
});
"""
FETCH = """
Promise.all(['chunks', 'none', 'chunks'].map(
    path => fetch(base + path).then(async r => [r.status, await r.text()])
)).then(done, e => done(String(e)));
"""
CASES = {
    "subprotocol": (WS, ["chat.v2", "hello chat.v2"]),
    "events by hand": (
        EVENTS.replace("PATH", "'events'"),
        [["one\ntwo", "7"], ["after 7", "8"]],
    ),
    "events": (EVENTS.replace("PATH", "'stream'"), [["one\ntwo", "7"], ["after 7", "8"]]),
    "heads by hand": (FETCH, [[200, "chunks by hand"], [204, ""], [200, "chunks by hand"]]),
}


@pytest.mark.parametrize("case", CASES)
def test_chromium(server, chromium, case):
    script, wanted = CASES[case]
    host, port = server.reach(server.port())
    chromium.get(f"http://{host}:{port}/")
    setup = "const done = arguments[0], base = location.origin + '/';"
    assert chromium.execute_async_script(setup + script) == wanted
    chromium.get("about:blank")


NODE = ["node", "--no-warnings", "--experimental-websocket", "--experimental-eventsource"]


@pytest.fixture(scope="module")
def node():
    if not shutil.which("node"):
        pytest.skip("this computer has no node")
    if subprocess.run([*NODE, "-e", ""], capture_output=True).returncode:
        pytest.skip("this computer has no node with WebSocket and EventSource")


@pytest.mark.parametrize("case", CASES)
def test_node(server, node, case):
    script, wanted = CASES[case]
    host, port = server.reach(server.port())
    setup = (
        f"const base = 'http://{host}:{port}/';"
        "const done = r => { console.log(JSON.stringify(r)); process.exit(0); };"
        "setInterval(() => {}, 1000);"  # its EventSource alone does not keep it running
    )
    run = subprocess.run(
        [*NODE, "-e", setup + script], capture_output=True, text=True, timeout=seconds(30)
    )
    assert run.stdout, run.stderr
    assert json.loads(run.stdout) == wanted


SERVER = """
const http = require('http'), crypto = require('crypto');
const server = http.createServer((request, response) => {
    response.writeEarlyHints({link: '</style.css>; rel=preload'});
    response.setHeader('X-List', ['a', 'b, c']);
    response.write('by ');
    response.addTrailers({'X-Late': 'yes'});
    response.end(request.url);
});
server.on('upgrade', (request, socket) => {
    const key = request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
    const offered = request.headers['sec-websocket-protocol'] + ' ' + request.headers['x-own'];
    const frame = Buffer.from('..' + offered);
    frame[0] = 0x81;
    frame[1] = offered.length;
    socket.write(
        'HTTP/1.1 103 Early Hints\\r\\nLink: </a>\\r\\n\\r\\nHTTP/1.1 101 Switching Protocols\\r\\n' +
        'Upgrade: WebSocket\\r\\nConnection: keep-alive\\r\\nConnection: Upgrade\\r\\n' +
        'Sec-WebSocket-Protocol: two\\r\\nSec-WebSocket-Accept: ' +
        crypto.createHash('sha1').update(key).digest('base64') + '\\r\\n\\r\\n');
    socket.write(frame);
});
server.on('connect', (request, socket) => {
    socket.write('HTTP/1.1 200 Connection Established\\r\\n\\r\\n');
    socket.on('data', data => socket.end('through ' + data));
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
"""


@pytest.fixture(scope="module")
def node_server(node):
    process = subprocess.Popen(
        [*NODE, "-e", SERVER], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    yield int(process.stdout.readline())
    process.terminate()
    process.wait()


def test_our_client_at_node(server, node_server):
    """Early hints, a list header in two lines, chunks and a trailer, twice on one connection."""
    server.exec("del log[:]")
    server.exec(f"c = m.connect('http://127.0.0.1:{node_server}', client)")
    for path in ("/one", "/two"):
        server.exec(f"c.http_request('GET', {path!r})")
        server.until(f"log and log[-1][1] == 'by {path}'")
    assert server.eval("log") == [(200, "by /one", "a, b, c"), (200, "by /two", "a, b, c")]
    server.exec("c.close()")


def test_our_websocket_at_node(server, node_server):
    server.exec("del log[:]")
    server.exec(
        f"c = m.ws_connect('ws://127.0.0.1:{node_server}/ü', client, "
        "protocols=['one', 'two'], headers={'X-Own': 'mine'})"
    )
    server.until("len(log) == 2")
    assert server.eval("log") == [("open", "two"), "one, two mine"]
    server.exec("c.close()")
