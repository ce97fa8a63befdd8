# SPDX-License-Identifier: GPL-2.0-only
"""Modbus over TCP against pymodbus, both ways."""

import threading

import pytest
from peers.clients import Raw, Server, seconds
from peers.modbus_peers import PymodbusServer
from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusIOException

# ---- Server ------------------------------------------------------------------------------------

SERVER = """
registers = {}
coils = {}
seen = []
late = []
fail = []

def handler(c, ev, req):
    if ev != MG_EV_MODBUS_REQ:
        if ev in (MG_EV_ACCEPT, MG_EV_ERROR, MG_EV_CLOSE):
            seen.append((event_name(ev), req))
        return
    seen.append((req.unit, req.func, req.address, req.count, req.values))
    where = range(req.address, req.address + req.count)
    if req.unit == 66:
        raise KeyError("a handler that raises")
    if req.unit == 67:
        return  # never answered
    if req.unit == 68:  # answered later
        values = [n & 0xffff for n in where]
        late.append(m.timer_add(30, lambda: c.modbus_reply(values)))
    elif req.address >= 5000:
        c.modbus_reply(error=MG_MODBUS_ERR_ILLEGAL_ADDRESS)
    elif req.func in (MG_MODBUS_FUNC_READ_COILS, MG_MODBUS_FUNC_READ_DISCRETE_INPUTS):
        c.modbus_reply([coils.get(n, n % 3 == 0) for n in where])
    elif req.func == MG_MODBUS_FUNC_READ_HOLDING_REGISTERS:
        c.modbus_reply(registers.get(n, n) for n in where)
    elif req.func == MG_MODBUS_FUNC_READ_INPUT_REGISTERS:
        c.modbus_reply(tuple(0xffff - n for n in where))
    else:
        if type(req.values[0]) is bool:
            coils.update(zip(where, req.values))
        else:
            registers.update(zip(where, req.values))
        c.modbus_reply()

m = Manager(error_handler=fail.append, modbus_timeout=PARAMS.get("timeout", 2000))
listener = m.modbus_listen(url("modbus"), handler)
announce("PORT", listener)
serve(m)
"""


@pytest.fixture
def server(shared):
    device = shared(SERVER)
    device.exec("registers.clear(); coils.clear(); seen.clear(); late.clear(); fail.clear()")
    return device


@pytest.fixture
def client(server):
    host, port = server.reach(server.port())
    with ModbusTcpClient(host, port=port, timeout=seconds(), retries=0) as client:
        yield client


@pytest.mark.parametrize("count", [1, 7, 8, 9, 125])
def test_read_registers(client, count):
    answer = client.read_holding_registers(100, count=count)
    assert answer.registers == list(range(100, 100 + count))
    answer = client.read_input_registers(100, count=count)
    assert answer.registers == [0xFFFF - n for n in range(100, 100 + count)]


@pytest.mark.parametrize("count", [1, 7, 8, 9, 1999, 2000])
def test_read_bits(client, count):
    for read in (client.read_coils, client.read_discrete_inputs):
        assert read(10, count=count).bits[:count] == [n % 3 == 0 for n in range(10, 10 + count)]


def test_write_one(server, client):
    assert not client.write_register(5, 0xFFFF).isError()
    assert not client.write_coil(6, True).isError()
    assert not client.write_coil(7, False).isError()
    assert server.eval("(registers, coils)") == ({5: 65535}, {6: True, 7: False})


@pytest.mark.parametrize("count", [1, 8, 9, 123])
def test_write_many(server, client, count):
    values = [n * 509 & 0xFFFF for n in range(count)]
    bits = [n % 5 < 2 for n in range(count * 16)]
    assert not client.write_registers(7, values).isError()
    assert not client.write_coils(7, bits, device_id=9).isError()
    assert server.eval("registers") == {7 + n: v for n, v in enumerate(values)}
    assert server.eval("coils") == {7 + n: v for n, v in enumerate(bits)}
    assert client.read_holding_registers(7, count=count).registers == values
    assert server.eval("[s[0] for s in seen if s[0] != 'MG_EV_ACCEPT']") == [1, 9, 1]


def test_refused_by_the_program(client):
    assert client.read_holding_registers(5000).exception_code == 2
    assert client.write_coil(5001, True).exception_code == 2
    assert client.read_holding_registers(4999).registers == [4999]


def test_handler_that_raises(server, client):
    assert client.read_holding_registers(1, device_id=66).exception_code == 4
    assert server.eval("[type(e).__name__ for e in fail]") == ["KeyError"]
    assert client.read_holding_registers(1).registers == [1]


def test_answered_later(server, client):
    assert client.read_holding_registers(11, count=3, device_id=68).registers == [11, 12, 13]
    assert client.read_holding_registers(2).registers == [2]
    server.until("late and not late[0].active")


def test_never_answered(device):
    """modbus_timeout answers; the connection stays."""
    running = device(SERVER, timeout=100)
    host, port = running.reach(running.port())
    with ModbusTcpClient(host, port=port, timeout=seconds(), retries=0) as client:
        assert client.read_holding_registers(1, device_id=67).exception_code == 4
        assert client.read_holding_registers(2).registers == [2]


def test_unknown_function(server, client):
    from pymodbus.pdu.diag_message import ReturnQueryDataRequest

    answer = client.execute(False, ReturnQueryDataRequest([1]))
    assert answer.exception_code == 1
    assert server.eval("[s for s in seen if len(s) > 2]") == []


# Frames of which the library itself says what is wrong: PDU -> PDU.
EXCEPTIONS = {
    "no registers": ("03 0000 0000", "83 03"),
    "126 registers": ("03 0000 007e", "83 03"),
    "126 input registers": ("04 0000 007e", "84 03"),
    "2001 coils": ("01 0000 07d1", "81 03"),
    "2001 inputs": ("02 0000 07d1", "82 03"),
    "65535 coils": ("01 0000 ffff", "81 03"),
    "past the last address": ("03 ffff 0002", "83 02"),
    "past the last coil": ("01 fff9 0008", "81 02"),
    "write past the last address": ("10 ffff 0002 04 0001 0002", "90 02"),
    "short": ("03 0000 00", "83 03"),
    "function alone": ("03", "83 03"),
    "long": ("03 0000 0001 00", "83 03"),
    "coil neither on nor off": ("05 0000 ff01", "85 03"),
    "coil of one": ("05 0000 0001", "85 03"),
    "register without value": ("06 0000", "86 03"),
    "124 registers": ("10 0000 007c f6" + "00" * 246, "90 03"),
    "count and bytes differ": ("10 0000 0002 02 0001 0002", "90 03"),
    "bytes are missing": ("10 0000 0002 04 0001", "90 03"),
    "more bytes than said": ("10 0000 0001 02 0001 00", "90 03"),
    "1969 coils": ("0f 0000 07b1 f7" + "00" * 247, "8f 03"),
    "coils and bytes differ": ("0f 0000 0009 01 ff", "8f 03"),
    "no coils": ("0f 0000 0000 00", "8f 03"),
    "function 0": ("00", "80 01"),
    "function 7": ("07", "87 01"),
    "function 23": ("17 0000 0001 0000 0001 02 0000", "97 01"),
    "function 43": ("2b 0e 01 00", "ab 01"),
    "function 131": ("83 02", "83 01"),
}


def adu(pdu, transaction=0x1234, unit=1, protocol=0, length=None):
    pdu = bytes.fromhex(pdu) if isinstance(pdu, str) else pdu
    head = (transaction, protocol, len(pdu) + 1 if length is None else length)
    return b"".join(n.to_bytes(2, "big") for n in head) + bytes([unit]) + pdu


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_exceptions(server, name):
    """The handler is not asked, and the connection goes on."""
    request, wanted = EXCEPTIONS[name]
    with Raw(server.reach(server.port())) as raw:
        raw.send(adu(request, unit=17))
        assert raw.recv_exactly(9) == adu(wanted, unit=17)
        raw.send(adu("03 0001 0001"))
        assert raw.recv_exactly(11) == adu("03 02 0001")
    assert len(server.eval("[s for s in seen if len(s) > 2]")) == 1


NOT_MODBUS = {
    "another protocol": adu("03 0000 0001", protocol=1),
    "its first bytes": b"\0\1\0\1",
    "length 0": adu("", length=0),
    "length 1": adu("", length=1),
    "length 255": adu("03 0000 0001", length=255),
    "length 65535": adu("03 0000 0001", length=65535),
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("name", NOT_MODBUS)
def test_not_modbus(server, name):
    with Raw(server.reach(server.port())) as raw:
        raw.send(NOT_MODBUS[name])
        assert raw.closed()
    server.until("seen and seen[-1][0] == 'MG_EV_CLOSE'")
    assert "Modbus" in server.eval("[e for e in seen if e[0] == 'MG_EV_ERROR'][0][1]")


def test_longest_frame(server):
    """Length 254 is the last that is taken, whatever is in it."""
    with Raw(server.reach(server.port())) as raw:
        raw.send(adu("41" + "00" * 252, length=254))
        assert raw.recv_exactly(9) == adu("c1 01")


def test_byte_by_byte(server):
    with Raw(server.reach(server.port())) as raw:
        raw.send_slowly(adu("10 0001 0002 04 1234 5678") + adu("03 0001 0002"))
        assert raw.recv_exactly(12 + 13) == adu("10 0001 0002") + adu("03 04 1234 5678")


def test_unfinished_frame(device):
    running = device(SERVER, timeout=100)
    with Raw(running.reach(running.port())) as raw:
        raw.send(adu("03 0001 0001"))
        raw.recv_exactly(11)
        raw.send(adu("03 0001 0001")[:-1])
        assert raw.closed()
    running.until("seen and seen[-1][0] == 'MG_EV_CLOSE'")
    assert "not finished" in running.eval("seen[-2][1]")


def test_pipelined(server):
    """All in one segment, behind one that is answered later: all answers, in order."""
    numbers = range(1, 101)
    requests = b"".join(
        adu(f"03 {n:04x} 0001", transaction=n, unit=68 if n % 50 == 1 else 1) for n in numbers
    )
    with Raw(server.reach(server.port())) as raw:
        raw.send(requests)
        for n in numbers:
            wanted = adu(f"03 02 {n:04x}", transaction=n, unit=68 if n % 50 == 1 else 1)
            assert raw.recv_exactly(11) == wanted


def test_flood_of_a_client_that_does_not_read(server, target):
    """Its requests wait when too much is unsent; then all are answered."""
    count = target.size(40000, 300)
    data = b"".join(adu("03 0000 007d", transaction=n & 0xFFFF) for n in range(count))
    with Raw(server.reach(server.port()), receive_buffer=4096) as raw:
        sender = threading.Thread(target=raw.send, args=(data,))
        sender.start()
        server.until("len(seen) > 100")
        for n in range(count):
            assert raw.recv_exactly(259)[:2] == (n & 0xFFFF).to_bytes(2, "big")
        sender.join()


def test_misuse_of_reply(server):
    server.exec(
        """
def misuse(c, ev, req):
    global texts
    if ev == MG_EV_MODBUS_REQ:
        texts = [
            str(raises(kind, c.modbus_reply, *args))
            for kind, args in (
                (ValueError, ()), (ValueError, ([1],)), (ValueError, ([1, 2, 3],)),
                (ValueError, ([1, 65536],)), (ValueError, ([1, -1],)), (ValueError, ([1, 1 << 70],)),
                (TypeError, ([1, "2"],)), (TypeError, (1.5,)), (TypeError, (None,)),
                (ValueError, ([], 256)), (ValueError, ([], -1)), (TypeError, ([], "1")),
                (ValueError, ([1, 2], 4)), (ValueError, (range(1000),)),
            )
        ]
        c.modbus_reply(values=iter([1, True]))
        raises(Error, c.modbus_reply, [1, 2], text="answered")
        raises(ValueError, c.modbus_read, 3, 0)
        raises(ValueError, c.recv)
        kept.append(req)
kept = []
listener.set_handler(misuse)
"""
    )
    with Raw(server.reach(server.port())) as raw:
        raw.send(adu("03 0001 0002"))
        assert raw.recv_exactly(13) == adu("03 04 0001 0001")
    assert len(server.eval("texts")) == 14
    server.exec("raises(Error, lambda: kept[0].values)\nraises(Error, lambda: kept[0].count)")
    server.exec("eq(bool(kept.pop()), False)\nlistener.set_handler(handler)")


def test_closed_while_a_request_waits(server):
    """The client leaves; who answers then gets an error."""
    with Raw(server.reach(server.port())) as raw:
        raw.send(adu("03 0001 0001", unit=68))
        server.until("len(late)")
    server.until("seen and seen[-1][0] == 'MG_EV_CLOSE'")
    server.until("not late[0].active")
    assert server.eval("[(type(e).__name__, str(e)) for e in fail]") == [
        ("Error", "connection is closed")
    ]


@pytest.mark.parametrize(
    "text", ["http://127.0.0.1:0", "udp://127.0.0.1:0", "ws://127.0.0.1:0", "modbus://:x", "tcp://"]
)
def test_urls(server, text):
    server.exec(f"raises(ValueError, m.modbus_listen, {text!r})")
    server.exec(f"raises(ValueError, m.modbus_connect, {text!r})")


def test_urls_that_carry_it(server):
    """listen() of modbus:// is a Modbus server, modbus_listen() takes tcp:// too."""
    server.exec("more = [m.listen(url('modbus'), handler), m.modbus_listen(url('tcp'), handler)]")
    for n in range(2):
        host, port = server.reach(server.eval(f"port_of(more[{n}])"))
        with ModbusTcpClient(host, port=port, timeout=seconds(), retries=0) as client:
            assert client.read_holding_registers(3).registers == [3]
    server.exec("for c in more: c.close()")


# ---- Client ------------------------------------------------------------------------------------


CLIENT = """
got = {}
log = []

def handler(c, ev, r):
    if ev == MG_EV_MODBUS_RESP:
        log.append(r.transaction)
        got[r.transaction] = (r.unit, r.func, r.address, r.count, r.error, r.values)
    elif ev in (MG_EV_CONNECT, MG_EV_ERROR, MG_EV_CLOSE):
        log.append((event_name(ev), r))

def open_one(port):
    global c
    got.clear()
    log.clear()
    c = m.modbus_connect(peer("modbus", port), handler)

m = Manager(modbus_timeout=PARAMS.get("timeout", 2000))
serve(m)
"""


@pytest.fixture(scope="module")
def pymodbus_server():
    with PymodbusServer() as server:
        yield server


@pytest.fixture
def opened(shared, pymodbus_server):
    device = shared(CLIENT)
    device.exec(f"open_one({pymodbus_server.port})")
    yield device
    device.exec("c.close()")


def ask(device, call):
    """What became of one request."""
    number = device.eval(f"c.{call}")
    return device.until(f"got.get({number})")


def test_client_reads(opened):
    assert ask(opened, "modbus_read(3, 100, 125)") == (1, 3, 100, 125, 0, tuple(range(100, 225)))
    assert ask(opened, "modbus_read(4, 7)") == (1, 4, 7, 1, 0, (7,))
    bits = tuple(n % 3 == 0 for n in range(2000))
    assert ask(opened, "modbus_read(1, 0, 2000, unit=9)") == (9, 1, 0, 2000, 0, bits)
    assert ask(opened, "modbus_read(func=2, address=3, count=1)") == (1, 2, 3, 1, 0, (True,))


def test_client_writes(opened):
    assert ask(opened, "modbus_write(6, 5010, 65535)") == (1, 6, 5010, 1, 0, ())
    assert ask(opened, "modbus_write(16, 5011, range(123))") == (1, 16, 5011, 123, 0, ())
    got = ask(opened, "modbus_read(3, 5010, 124)")
    assert got[-1] == (65535, *range(123))
    assert ask(opened, "modbus_write(5, 5020, True)")[4:] == (0, ())
    assert ask(opened, "modbus_write(5, 5021, [0])")[4:] == (0, ())
    bits = [n % 2 == 0 for n in range(1968)]
    assert ask(opened, f"modbus_write(15, 5022, {bits}, 9)") == (9, 15, 5022, 1968, 0, ())
    assert ask(opened, "modbus_read(1, 5022, 1968, 9)")[-1] == tuple(bits)
    assert ask(opened, "modbus_read(1, 5020, 3)")[-1] == (True, False, True)


def test_client_is_refused(opened):
    assert ask(opened, "modbus_read(3, 60000)")[4:] == (2, ())
    assert ask(opened, "modbus_write(6, 60000, 1)")[4:] == (2, ())


def test_client_before_it_is_connected(shared):
    """Requests made at once wait for the connection; 16 may be under way."""
    device = shared(CLIENT)
    calls = "numbers = [c.modbus_read(3, n) for n in range(16)]\n"
    calls += "e = raises(Error, c.modbus_read, 3, 0, text='16')"
    answers = b"".join(adu(f"03 02 {n:04x}", n + 1) for n in range(16))
    serve_once(device, answers + adu("00", protocol=1), calls, 16 * 12)
    device.exec("import errno\neq(e.errno, errno.ENOBUFS)\neq(log[0], ('MG_EV_CONNECT', None))")
    assert device.eval("log[1:17] == numbers and [got[n][-1] for n in numbers]") == [
        (n,) for n in range(16)
    ]


def test_client_misuse(opened):
    opened.exec(
        """
for kind, args in (
    (ValueError, (0, 0)), (ValueError, (5, 0)), (ValueError, (16, 0)), (ValueError, (3, -1)),
    (ValueError, (3, 65536)), (ValueError, (3, 65535, 2)), (ValueError, (3, 0, 0)),
    (ValueError, (3, 0, 126)), (ValueError, (4, 0, 1 << 40)), (ValueError, (1, 0, 2001)),
    (ValueError, (3, 0, 1, 256)), (ValueError, (3, 0, 1, -1)), (TypeError, ("3", 0)),
    (TypeError, (3, None)), (TypeError, (3, 0, 1.0)),
):
    raises(kind, c.modbus_read, *args)
for kind, args in (
    (ValueError, (3, 0, 1)), (ValueError, (6, 0, 65536)), (ValueError, (6, 0, [1, 2])),
    (ValueError, (6, 0, [])), (ValueError, (5, 0, 2)), (ValueError, (16, 65535, [1, 2])),
    (ValueError, (16, 0, range(124))), (ValueError, (15, 0, [1] * 1969)), (ValueError, (16, 0, ())),
    (TypeError, (16, 0, [None])), (TypeError, (16, 0, None)), (ValueError, (6, 0, -1)),
):
    raises(kind, c.modbus_write, *args)
raises(ValueError, c.modbus_reply)
def closes():
    yield 1
    c.close()
    while m.connections:
        m.poll(1)
    yield 2
raises(Error, c.modbus_write, 16, 0, closes(), text="closed")
"""
    )


# A server's answers to "03 0005 0002" of unit 1, transaction 1, that fit nothing.
WRONG = {
    "another function": adu("04 04 0000 0000", 1),
    "another unit": adu("03 04 0000 0000", 1, unit=2),
    "too few": adu("03 02 0000", 1),
    "too many": adu("03 06 0000 0000 0000", 1),
    "byte count": adu("03 05 0000 0000", 1),
    "cut": adu("03 04 0000 00", 1),
    "exception of another function": adu("84 02", 1),
    "exception without a code": adu("83", 1),
    "exception 0": adu("83 00", 1),
    "long exception": adu("83 02 00", 1),
    "another protocol": adu("03 04 0000 0000", 1, protocol=2),
    "no length": adu("", 1, length=1),
}


def serve_once(device, answer, requests="c.modbus_read(3, 5, 2)", read=12):
    """One connection to a server that answers by bytes; the events of it."""

    def talk(raw):
        raw.recv_exactly(read)
        raw.send(answer)
        return raw.closed()

    with Server(talk) as host:
        device.exec(f"open_one({host.port})\n{requests}")
        device.until("log and log[-1] == ('MG_EV_CLOSE', None)")


@pytest.mark.parametrize("name", WRONG)
def test_client_of_a_wrong_server(shared, name):
    device = shared(CLIENT)
    serve_once(device, WRONG[name])
    assert device.eval("got") == {}
    assert "Modbus" in device.eval("log[-2][1]")


def test_client_gets_an_exception_it_does_not_know(shared):
    device = shared(CLIENT)
    device.exec("close_after = True")
    serve_once(device, adu("83 0b", 1) + adu("00", 9, protocol=1))
    assert device.eval("got") == {1: (1, 3, 5, 2, 11, ())}


def test_client_answers_out_of_order_and_unasked(shared):
    device = shared(CLIENT)
    answers = adu("03 02 0002", 2) + adu("03 02 0001", 1) + adu("03 02 0001", 1)
    end = adu("00", 9, protocol=1)
    calls = "c.modbus_read(3, 1), c.modbus_read(3, 2)"
    serve_once(device, adu("03 02 0009", 77) + answers + end, calls, 24)
    assert device.eval("[n for n in log if type(n) is int]") == [2, 1]
    assert device.eval("[got[n][-1] for n in (1, 2)]") == [(1,), (2,)]


def test_client_waits_in_vain(device):
    """modbus_timeout ends each request; a late answer is dropped, the connection goes on."""

    def talk(raw):
        raw.recv_exactly(36)
        raw.send(b"".join(adu(f"03 02 000{n}", n) for n in (1, 2, 3)))
        return raw.closed()

    running = device(CLIENT, timeout=1000)  # in which a busy computer sends the third answer
    with Server(talk) as host:
        running.exec(f"open_one({host.port})\nc.modbus_read(3, 1), c.modbus_read(3, 2)")
        running.until("len(got) == 2")
        running.exec("c.modbus_read(3, 3)")
        running.until("3 in got")
        running.exec("c.close()")
    timeout = running.eval("MG_MODBUS_ERR_TIMEOUT")
    assert running.eval("[got[n][4:] for n in log[1:4]]") == [(timeout, ())] * 2 + [(0, (3,))]


def test_client_loses_the_connection(shared):
    """MG_EV_CLOSE says that the requests under way have no answer."""
    device = shared(CLIENT)
    with Server(lambda raw: raw.recv_exactly(12)) as host:
        device.exec(f"open_one({host.port})\nc.modbus_read(3, 5, 2)")
        device.until("log and log[-1] == ('MG_EV_CLOSE', None)")
    assert device.eval("got") == {}


def test_pymodbus_says_when_nobody_answers(device):
    """A check of the check: the peer's own timeout is no exception code."""
    running = device(SERVER, timeout=0)
    host, port = running.reach(running.port())
    with ModbusTcpClient(host, port=port, timeout=seconds(0.2), retries=0) as client:
        with pytest.raises(ModbusIOException):
            client.read_holding_registers(1, device_id=67)
