# SPDX-License-Identifier: GPL-2.0-only
"""Modbus frames that nobody meant, to a server and to a client."""

import pytest
from batches import examples, mutated
from hypothesis import given
from hypothesis import strategies as st
from peers.clients import Raw, listen
from test_modbus import CLIENT, SERVER, adu

PDUS = st.one_of(
    st.sampled_from(
        [
            "03 0001 0002",
            "01 0000 07d0",
            "05 0001 ff00",
            "06 0001 1234",
            "0f 0001 0009 02 ff01",
            "10 0001 0002 04 1234 5678",
            "03 ffff 0002",
            "2b 0e 01 00",
        ]
    ).map(bytes.fromhex),
    st.builds(
        lambda func, rest: bytes([func]) + rest,
        st.sampled_from([1, 2, 3, 4, 5, 6, 15, 16, 0x83]),
        st.binary(max_size=12),
    ),
    st.binary(max_size=252),
)


@st.composite
def requests(draw):
    data = b""
    for pdu in draw(st.lists(PDUS, min_size=1, max_size=5)):
        length = draw(st.sampled_from([None, None, None, None, 0, 1, 255, 65535]))
        data += adu(pdu, transaction=draw(st.integers(0, 65535)), length=length)
    return mutated(draw, data)


def fuzz(check):
    return examples(check, 150)


def frames(data):
    """What a server sent, frame by frame; whatever came in, this is Modbus."""
    while data:
        assert data[2:4] == b"\0\0" and 2 < len(data)
        length = int.from_bytes(data[4:6], "big")
        assert 3 <= length <= 254 and 6 + length <= len(data)
        yield data[7 : 6 + length]
        data = data[6 + length :]


def test_server(shared):
    server = shared(SERVER)
    address = server.reach(server.port())

    @fuzz
    @given(data=requests())
    def check(data):
        with Raw(address) as raw:
            raw.send(data)
            raw.half_close()
            try:
                answer = raw.recv_all()
            except ConnectionResetError:
                answer = b""
        for pdu in frames(answer):
            assert pdu[0] & 0x7F in (1, 2, 3, 4, 5, 6, 15, 16) or pdu[1] == 1
        with Raw(address) as raw:
            raw.send(adu("03 0007 0001"))
            assert raw.recv_exactly(9)[:8] == adu("03 02 0000")[:8]
        server.exec("registers.clear(); coils.clear(); seen.clear(); late.clear(); fail.clear()")

    check()


ANSWERS = st.one_of(
    st.sampled_from(
        [
            adu("03 04 0001 0002", 1),
            adu("83 02", 1),
            adu("01 01 05", 2),
            adu("10 0001 0002", 3),
            adu("03 04 0001 0002", 99),
            adu("", 1, length=1),
        ]
    ),
    PDUS.map(adu),
    st.binary(max_size=30),
)


def test_client(shared):
    """Whatever a server sends before it closes: answers come at most once, then the close."""
    client = shared(CLIENT)
    listener = listen()

    @fuzz
    @given(pieces=st.lists(ANSWERS, max_size=5), data=st.data())
    def check(pieces, data):
        client.exec(
            f"open_one({listener.getsockname()[1]})\n"
            "c.modbus_read(3, 5, 2)\nc.modbus_read(1, 5, 3)\nc.modbus_write(16, 1, [1, 2])"
        )
        connection, _ = listener.accept()
        with connection:
            connection.sendall(mutated(data.draw, b"".join(pieces)))
        client.until("log and log[-1] == ('MG_EV_CLOSE', None)")
        numbers = client.eval("[n for n in log if type(n) is int]")
        assert sorted(set(numbers)) == sorted(numbers) and set(numbers) <= {1, 2, 3}

    with listener:
        check()


@pytest.mark.parametrize("size", [0, 1, 5, 6, 7, 11])
def test_cut_request(shared, size):
    server = shared(SERVER)
    with Raw(server.reach(server.port())) as raw:
        raw.send(adu("03 0001 0001")[:size])
        raw.half_close()
        assert raw.recv_all() == b""
