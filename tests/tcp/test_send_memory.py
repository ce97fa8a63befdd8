# SPDX-License-Identifier: GPL-2.0-only
"""A send buffer that cannot grow: what has left already is room."""

import contextlib
import errno

import pytest
from peers.clients import Raw, listen, seconds
from peers.faults import faulty  # noqa: F401

SCRIPT = """
m = Manager(max_send=0)
listener = m.listen(url("tcp"))
announce("PORT", listener)
serve(m)
"""


@pytest.mark.needs("native-speed")
def test_no_memory_to_grow(faulty):  # noqa: F811
    script = faulty(SCRIPT)
    size, more = 24_000_000, 100_000
    with Raw(script.reach(script.port())) as raw:
        script.until("len(m.connections) == 2")
        script.exec(f"c = m.connections[-1]; c.send(b'x' * {size})")
        # The system takes a part, less than half: the rest is not moved as long as there is memory.
        # An ESP32's buffers take no more than the peer's have room for.
        left = size
        while left > size - more:
            script.exec("m.poll(5)")
            left = script.eval("c.send_len")
        assert left > size // 2, "the system has taken too much for this test"
        script.exec(
            f"""
more = b"y" * {more}
before = c.send_len
fault(1, True)
try:
    c.send(more)
    sent = failures(), c.send_len - before
finally:
    fault()
"""
        )
        assert script.eval("sent") == (2, more), "twice the size, and as much as is needed"
        # And what does not fit is refused whole.
        script.exec(
            """
more = b"z" * 24000000
before = c.send_len
fault(1, True)
try:
    c.send(more)
    raised = False
except MemoryError:
    raised = c.send_len == before
finally:
    fault()
more = None
"""
        )
        assert script.eval("raised")
        script.exec("c.drain()")
        script._write("eval 'until(\"len(m.connections) == 1\", 60000)'")
        got = raw.recv_all()
        script._answer(60)
    assert len(got) == size + more
    assert got.count(b"x") == size and got.endswith(b"y" * more)


PUBLICATIONS = """
log = []
def handler(c, ev, data):
    if ev == MG_EV_MQTT_OPEN:
        log.append("OPEN")
    elif ev == MG_EV_ERROR:
        log.append(data)
m = Manager(**PARAMS["limits"])
def go():
    global c
    c = m.mqtt_connect(peer("mqtt", PARAMS["port"]), handler, "one")
def publish(first, last):
    for n in range(first, last):
        c.mqtt_pub("t", b"x" * n)
        m.poll(0)
def fill():
    while True:
        c.mqtt_pub("t", b"x" * 300)
serve(m)
"""


def test_publications_that_a_busy_peer_takes_late(device, target):
    """Of 0 to 300 bytes, while it takes little: what has left makes room for the next ones. At
    max_send it is ENOBUFS, and never MemoryError."""
    limits = target.size({"max_send": 32768}, {})  # a board's own
    with listen() as listener:
        running = device(PUBLICATIONS, port=listener.getsockname()[1], limits=limits)
        running.expect("SERVING")
        running.exec("go()")
        with Raw.__new__(Raw) as raw:
            running.exec("m.poll(50)")
            raw.socket = listener.accept()[0]
            raw.socket.settimeout(seconds())
            while len(raw.recv(1)) < 1:
                running.exec("m.poll(5)")
            raw.send(b"\x20\x02\x00\x00")
            running.until("'OPEN' in log")
            for first in range(0, 301, 43):
                running.exec(f"publish({first}, {first + 43})", 30)
                raw.recv_exactly(2000 if first else 500)
            running.exec("e = raises(Error, fill, text='max_send'); left = c.send_len")
            assert running.eval("e.errno") == errno.ENOBUFS
            assert running.eval("left") >= 32768
            running.exec("c.close()")
            with contextlib.suppress(ConnectionResetError):
                raw.recv_all()
        assert running.eval("log") == ["OPEN"]
