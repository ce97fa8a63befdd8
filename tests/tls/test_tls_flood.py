# SPDX-License-Identifier: GPL-2.0-only
"""Handshakes that are begun and not ended: who is in, and who comes, waits for a few of them alone.

What the device did meanwhile is told by counts of its own, not by clocks.
"""

import contextlib
import select
import ssl
import threading

import pytest
from peers.clients import HOLD, Raw, seconds
from peers.pki import NOW, pki

# So many handshakes at a time are more than a board has memory and time for.
pytestmark = pytest.mark.needs("memory")

SERVER = r"""
set_clock(PARAMS["now"])
log = []
done = [0]

def handler(c, ev, data):
    if ev == MG_EV_ACCEPT:
        done[0] += 1
    elif ev == MG_EV_HTTP_MSG:
        c.reply(200, str(done[0]))
    elif ev == MG_EV_ERROR:
        log.append(data)

m = Manager(handler, max_handshakes=PARAMS["most"], handshake_timeout=60000, max_conns=1000)
secure = m.listen(url("https"))
secure.tls_init(TlsOpts(cert=PARAMS["cert"], key=PARAMS["key"]))
announce("SECURE", secure)
announce("PORT", m.listen(url("http")))
serve(m)
"""

GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def start(device):
    opened = contextlib.ExitStack()
    pair = pki()["ec"]

    def start(most):
        running = device(SERVER, most=most, cert=pair.cert, key=pair.key, now=int(NOW.timestamp()))
        running.expect("SERVING")

        def client(name="SECURE"):
            return opened.enter_context(Raw(running.reach(running.port(name))))

        return running, client

    yield start
    opened.close()


def client_side():
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_verify_locations(cadata=pki()["ca"].cert.decode())
    return made


def hello():
    """A ClientHello as Python's ssl makes it, and nothing after it."""
    out = ssl.MemoryBIO()
    half = client_side().wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        half.do_handshake()
    return out.read()


def test_no_more_at_a_time(start):
    running, client = start(3)
    text = hello()
    flood = [client() for _ in range(10)]
    for raw in flood:
        raw.send(text)
    # In one step: within a second of silence none of them has made room.
    three = "sum(c.is_tls for c in m.connections if not c.is_listening) == 3"
    assert running.until(f"{three} and done[0]") == 3
    # Their peers say nothing, so the others come, each in the place of one.
    running.until("done[0] == 10", 30)
    assert running.eval("len(m.connections)") == 5
    assert running.eval("log") == []


def test_a_healthy_client_comes_through(start):
    """It waits for those ahead of it to be found silent, and is not put out itself."""
    running, client = start(4)
    text = hello()
    flood = [client() for _ in range(8)]
    for raw in flood:
        raw.send(text)
    raw = client()
    raw.socket = client_side().wrap_socket(raw.socket, server_hostname="localhost")
    assert raw.ask(GET).status == 200


@pytest.mark.needs("host-files")
def test_who_is_in_waits_for_a_few(start, target, tmp_path, wait_for):
    """A turn of the loop has its number of steps, however many hellos have come."""
    running, client = start(0)
    plain = client("PORT")
    assert plain.ask(GET).status == 200
    flood = [client() for _ in range(target.sockets(40, 12))]
    running.until(f"done[0] == {1 + len(flood)}")
    running.exec(HOLD)
    # The loop stands still while all of it arrives; then it has two turns.
    go, look = tmp_path / "go", tmp_path / "look"
    turns = f"hold({str(go)!r}); m.poll(0); m.poll(0); hold({str(look)!r})"
    thread = threading.Thread(target=running.exec, args=(turns, 60))
    thread.start()
    wait_for(lambda: (tmp_path / "go.held").exists())
    text = hello()
    for raw in flood:
        raw.send(text)
    plain.send(GET)
    go.touch()
    wait_for(lambda: (tmp_path / "look.held").exists())
    served = bool(select.select([plain.socket], [], [], seconds())[0])  # it may be on its way
    answered = len(select.select([raw.socket for raw in flood], [], [], seconds())[0])
    look.touch()
    thread.join()
    assert served and 1 <= answered <= 2 * 4  # PMG_TLS_STEPS
