# SPDX-License-Identifier: GPL-2.0-only
"""A send buffer that cannot grow: what has left already is room."""

import pytest
from peers.clients import Raw
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
