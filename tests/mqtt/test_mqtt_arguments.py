# SPDX-License-Identifier: GPL-2.0-only
"""Arguments whose conversion runs Python, which changes the other arguments meanwhile."""

import pytest
from peers.clients import Server

SCRIPT = """
m = Manager()

class Bool:
    def __init__(self, run):
        self.run = run
    def __bool__(self):
        self.run()
        return True

def properties(pairs, run):
    run()
    for pair in pairs:
        yield pair
    run()

def shrink():
    # What they held before is free, and is then written over.
    password[:] = b"NEW-PASSWORD" * 1000
    will[:] = b"NEW-WILL" * 1000
    gc.collect()
    keep.append([bytearray(b"garbage!" * 64) for _ in range(50)])

def begin():
    global password, will, keep
    password, will, keep = bytearray(b"p" * 3000), bytearray(b"w" * 3000), []

def done(c):
    gone = []
    c.set_handler(lambda c, ev, data: gone.append(ev) if ev == MG_EV_CLOSE else None)
    poll_until(m, lambda: gone)

def login(**given):
    begin()
    done(m.mqtt_connect(
        peer("mqtt", PARAMS["port"]), client_id="id", username="user", password=password,
        will_topic="t", will_message=will, version=5, **given
    ))

serve(m)
keep = None
"""


def packet(raw):
    """The first packet."""
    raw.recv_exactly(1)
    length, shift, more = 0, 0, 128
    while more:
        (byte,) = raw.recv_exactly(1)
        length |= (byte & 127) << shift
        shift, more = shift + 7, byte & 128
    return raw.recv_exactly(length)


@pytest.mark.needs("memory")
@pytest.mark.parametrize(
    "given",
    [
        "properties=properties([(17, 5)], shrink)",
        "will_properties=properties([(2, 5)], shrink)",
        "clean_session=Bool(shrink)",
        "will_retain=Bool(shrink)",
    ],
)
def test_buffers_that_change_while_arguments_are_converted(device, given):
    with Server(packet) as server:
        script = device(SCRIPT, port=server.port)
        script.exec(f"login({given})")
    (connect,) = server.results
    assert b"NEW-PASSWORD" * 1000 in connect and b"NEW-WILL" * 1000 in connect
    assert b"ppp" not in connect and b"www" not in connect and b"garbage" not in connect


MADE_UP = """
class Pairs(list):
    def __iter__(self):
        for name in "key", "value":
            yield "".join([name] * 40)
    def __getitem__(self, i):
        return "".join(["got"] * 40)

class Bytes(bytes):
    pass

m = Manager()
"""


def test_subclasses_that_make_up_their_items(device, target):
    """What they give lives as long as it is needed. MicroPython takes no subclass of list."""
    if not target.runtime.startswith("cpython"):
        with Server(lambda raw: None, count=0):
            script = device(MADE_UP + "serve(m)")
            script.exec(
                "raises(ValueError, m.mqtt_connect, peer('mqtt', 9), version=5, "
                "properties=[(38, Pairs(['a', 'b']))])"
            )
        return
    with Server(packet) as server:
        script = device(MADE_UP + "serve(m)")
        script.exec(
            f"c = m.mqtt_connect(peer('mqtt', {server.port}), version=5, client_id='id', "
            "properties=[(38, Pairs(['a', 'b']))])"
        )
        script.until("len(m.connections) == 0")
    assert b"key" * 40 in server.results[0] and b"value" * 40 in server.results[0]
