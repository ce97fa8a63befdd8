# SPDX-License-Identifier: GPL-2.0-only
"""Much data: what leaves without a copy, what is read into a buffer of its own, and what is neither."""

import random

import pytest
from peers.clients import Raw, frame, read_frame, seconds, ws_open

SCRIPT = """
wrote = [0]
piece = b""

def echo(c, ev, data):
    if ev == MG_EV_HTTP_MSG:
        c.ws_upgrade(data)
    elif ev == MG_EV_WS_MSG:
        c.ws_send(data.data, data.flags)

def web(c, ev, data):
    if ev == MG_EV_HTTP_MSG:
        c.reply(200, piece if data.uri == "/large" else data.uri)

def tcp(c, ev, data):
    if ev == MG_EV_READ:
        for what in c.recv():
            c.send(piece if what == 76 else bytes([what]))
    elif ev == MG_EV_WRITE:
        wrote[0] += data

m = Manager(max_send=0)
announce("WS", m.listen(url("http"), echo))
announce("HTTP", m.listen(url("http"), web))
announce("TCP", m.listen(url("tcp"), tcp))
serve(m)
"""


@pytest.fixture
def server(shared):
    return shared(SCRIPT)


def reach(server, name):
    return server.reach(server.port(name))


@pytest.mark.parametrize("late", [False, True], ids=["reads", "reads-late"])
def test_order_and_count(server, target, late):
    """Small pieces before, between and behind large ones; a peer that takes only a part at first."""
    size = target.size(3_000_000, 2000)
    server.exec(f"piece = bytes(range(250)) * {size // 250}; wrote[0] = 0")
    piece = bytes(range(250)) * (size // 250)
    want = b"a" + piece + b"bc" + piece + piece + b"d"
    with Raw(reach(server, "TCP"), receive_buffer=8192 if late else None) as raw:
        raw.send(b"aLbcLLd")
        if late:
            server.until(
                "wrote[0] > 0 and m.connections[-1].send_len > 0"
                if size > 1 << 20
                else "wrote[0] > 0"
            )
        assert raw.recv_exactly(len(want)) == want
        server.until(f"wrote[0] == {len(want)}")
        assert server.eval("m.connections[-1].send_len") == 0


def test_replies_in_a_pipeline(server, target):
    size = target.size(100_000, 1000)
    server.exec(f"piece = b'p' * {size}")
    with Raw(reach(server, "HTTP")) as raw:
        asked = ["/a", "/large", "/b", "/large", "/large", "/c"]
        raw.send("".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n" for path in asked))
        for path in asked:
            head = raw.recv_exactly_head()
            body = b"p" * size if path == "/large" else path.encode()
            assert f"content-length: {len(body)}" in head.lower()
            assert raw.recv_exactly(len(body)) == body


def pieces_of(message, text, rng):
    """A message as one frame or as fragments, between them pings; and the answers."""
    frames, left = [], message
    first = True
    while True:
        n = len(left) if rng.random() < 0.5 else rng.randrange(len(left) + 1)
        part, left = left[:n], left[n:]
        frames.append(frame((1 if text else 2) if first else 0, part, fin=not left))
        if not left:
            return frames
        first = False
        frames.append(frame(9, b"ping"))


@pytest.mark.parametrize("seed", range(4))
def test_messages_of_all_sizes(server, target, seed):
    """Whole and in fragments, in segments of any size; text is cut inside of its characters."""
    rng = random.Random(seed)
    # Behind 128 KiB that a system's own buffers do not take, as an ESP32's, a ping has no pong.
    most = target.size(target.sockets(200_000, 120_000), 1500)
    with Raw(reach(server, "WS"), timeout=seconds(60)) as raw:
        ws_open(raw)
        for _ in range(target.size(12, 6)):
            text = rng.random() < 0.5
            size = rng.choice([0, 1, 125, 126, most // 3, most - 3, rng.randrange(most)])
            message = ("\u20ac" * (size // 3)).encode() if text else rng.randbytes(size)
            frames = pieces_of(message, text, rng)
            wire = b"".join(frames) + frame(9, b"end")
            while wire:
                n = rng.choice([1, 2, 7, 14, 1000, 65536, 1 << 20])
                raw.send(wire[:n])
                wire = wire[n:]
            for _ in range(len(frames) // 2):
                assert read_frame(raw) == (10, True, False, b"ping")
            assert read_frame(raw) == (1 if text else 2, True, False, message)
            assert read_frame(raw) == (10, True, False, b"end")


HUGE = r"""
m = Manager(echo, max_message=40_000_000, max_body=0, max_send=0, max_memory=PARAMS["memory"])
port = m.listen(url("http")).local_addr[1]
got = []

def talk(c, ev, data):
    if ev == MG_EV_WS_OPEN:
        c.ws_send(b"x" * PARAMS["size"])
    elif ev == MG_EV_WS_MSG:
        got.append(len(data.data))

def trip():
    del got[:]
    client = Manager(talk, max_message=40_000_000, max_send=0)
    client.ws_connect("ws://127.0.0.1:%d/" % port)
    while not got:
        m.poll(0)
        client.poll(1)
    client.close()
    while len(m.connections) > 1:
        m.poll(10)
    return live()[3]

# On a busy computer the time may be over before it is looked at.
for _ in range(PARAMS["rounds"]):
    before = trip()
    start = ticks_ms()
    while live()[3] == before and ticks_diff(ticks_ms(), start) < 5000:
        m.poll(100)
    if before - live()[3] == 2:
        break
print("GONE", before - live()[3])
m.close()
"""


@pytest.mark.needs("memory", "loopback")
@pytest.mark.parametrize("memory", [0, 400_000_000, 100_000_000], ids=["", "enough", "little"])
def test_huge_buffers_are_kept_for_a_second(device, memory):
    """For a message that may follow, but not where memory is short; idle, a Manager has none of them."""
    enough = memory != 100_000_000
    running = device(
        SCRIPT[SCRIPT.index("def echo") : SCRIPT.index("def web")] + HUGE,
        size=20_000_000,
        memory=memory,
        rounds=8 if enough else 1,
    )
    assert int(running.expect("GONE", 100)) == (2 if enough else 0)
