# SPDX-License-Identifier: GPL-2.0-only
"""Bytes that nobody meant: whatever arrives, the server answers or closes, and lives on."""

from functools import partial

import h11
import pytest
from batches import examples, mutated
from hypothesis import given
from hypothesis import strategies as st
from peers.clients import Raw, frame, listen, ws_open

SERVER = """
def handler(c, ev, m):
    if ev == MG_EV_HTTP_MSG:
        if m.uri == "/ws":
            c.ws_upgrade(m)
        else:
            # Every way to look at a message must hold for whatever got through.
            c.reply(200, repr((m.method, m.uri, m.query, m.headers(), m.body_text, m.query_var("a"),
                               m.header_var("Content-Type", "charset"))))
    elif ev == MG_EV_WS_MSG:
        c.ws_send(m.data, m.flags)
        m.text

m = Manager(handler, max_body=2000, max_head=2000, max_message=2000)
announce("PORT", m.listen(url("http")))
serve(m)
"""


PIECES = st.one_of(
    st.sampled_from(
        [
            b"GET / HTTP/1.1\r\nHost: d\r\n\r\n",
            b"POST /a?a=%41+b&c HTTP/1.1\r\nHost: d\r\nContent-Length: 5\r\n\r\nhello",
            b"POST / HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"5\r\nhello\r\n",
            b"0\r\n\r\n",
            b"HEAD / HTTP/1.0\r\n\r\n",
            b'Content-Type: text/plain; charset="x\\"y"\r\n',
            b"Transfer-Encoding: chunked\r\n",
            b"Content-Length: 3\r\n",
            b"Expect: 100-continue\r\n",
            b"Connection: close\r\n",
            b"\r\n",
            b"\n",
            b"\0",
            b"HTTP/1.1",
            b"GET ",
            b": ",
            b';a="',
            b"ffffffffffffffff\r\n",
            b"\xff\xfe",
        ]
    ),
    st.binary(max_size=40),
)


@st.composite
def conversations(draw):
    data = mutated(draw, b"".join(draw(st.lists(PIECES, min_size=1, max_size=8))))
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=4)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def exchange(address, pieces, opening=None):
    """Sends the pieces, hangs up half, and reads until the server closes, which it must."""
    with Raw(address) as raw:
        if opening:
            opening(raw)
        try:
            for piece in pieces:
                raw.send(piece)
            raw.half_close()
            return raw.recv_all()
        except (ConnectionResetError, BrokenPipeError):
            return b""
        except OSError as e:
            if isinstance(e, TimeoutError):
                raise
            return b""


def alive(address):
    with Raw(address) as raw:
        return raw.ask("GET / HTTP/1.1\r\nHost: d\r\n\r\n").status == 200


def check_http(address, pieces):
    answer = exchange(address, pieces)
    # A strict client can read all of it.
    client = h11.Connection(h11.CLIENT)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")), answer[:100]
    if b"HEAD" not in b"".join(pieces):
        client.send(h11.Request(method="GET", target="/", headers=[("Host", "d")]))
        client.send(h11.EndOfMessage())
        client.receive_data(answer)
        client.receive_data(b"")
        while answer and not isinstance(event := client.next_event(), h11.EndOfMessage):
            assert isinstance(event, h11.InformationalResponse | h11.Response | h11.Data)
    assert alive(address)


@st.composite
def frames(draw):
    out = b""
    for _ in range(draw(st.integers(1, 6))):
        payload = draw(
            st.one_of(
                st.binary(max_size=130), st.text(max_size=20).map(str.encode), st.just(b"\x03\xe8")
            )
        )
        out += frame(
            draw(st.sampled_from([0, 1, 1, 2, 2, 8, 9, 10, 3, 15])),
            payload,
            fin=draw(st.booleans()),
            mask=draw(st.sampled_from([True, True, True, False])),
            rsv=draw(st.sampled_from([0, 0, 0, 0, 1, 4])),
            length=draw(st.one_of(st.none(), st.integers(0, 1 << 16))),
            form=draw(st.sampled_from([None, None, 64])),
        )
    return [mutated(draw, out)]


def check_websocket(address, pieces):
    exchange(address, pieces, opening=lambda raw: ws_open(raw, "/ws"))
    assert alive(address)


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "check, made",
    [(check_http, conversations()), (check_websocket, frames())],
    ids=["http", "websocket"],
)
def test_server(shared, check, made):
    server = shared(SERVER)
    address = server.reach(server.port())

    @partial(examples, count=150)
    @given(pieces=made)
    def run(pieces):
        check(address, pieces)

    run()


# ---- Clients -----------------------------------------------------------------------------------

CLIENT = """
count = 0
def handler(c, ev, m):
    global count
    if ev == MG_EV_HTTP_MSG:
        repr((m.status(), m.headers(), m.body_bytes, m.uri, m.proto))
    elif ev == MG_EV_WS_MSG:
        m.text, m.data
    elif ev == MG_EV_CLOSE:
        count += 1

def fetch(scheme, port):
    if scheme == "ws":
        m.ws_connect(peer("ws", port), handler)
    else:
        m.connect(peer("http", port), handler).send("GET / HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n")

m = Manager(max_body=2000, max_head=2000, max_message=2000)
serve(m)
"""

RESPONSE_PIECES = st.one_of(
    st.sampled_from(
        [
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            b"Content-Length: 5\r\n\r\nhello",
            b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            b"0\r\n\r\n",
            b"Content-Length: 99999999999999999999\r\n",
            b"\r\n",
            b"\x81\x02hi",
        ]
    ),
    st.binary(max_size=40),
)


@st.composite
def responses(draw):
    return mutated(draw, b"".join(draw(st.lists(RESPONSE_PIECES, min_size=1, max_size=6))))


@pytest.mark.timeout(240)
@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_client(shared, scheme):
    """Whatever a server sends before it closes, the client's connection ends."""
    client = shared(CLIENT)
    client.exec("count = 0")
    listener = listen()
    done = 0

    @partial(examples, count=150)
    @given(response=responses())
    def check(response):
        nonlocal done
        client.exec(f"fetch({scheme!r}, {listener.getsockname()[1]})")
        connection, _ = listener.accept()
        with connection:
            connection.sendall(response)
        done += 1
        client.until(f"count == {done}")

    with listener:
        check()
