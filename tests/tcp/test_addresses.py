# SPDX-License-Identifier: GPL-2.0-only
"""Addresses that take more than a number: zones of IPv6, broadcasts, names that are not ASCII."""

import socket

import pytest
from peers.clients import seconds

SCRIPT = """
log = []
conns = []

def handler(c, ev, data):
    if ev == MG_EV_ACCEPT:
        conns.append(c)
    if ev in (MG_EV_ACCEPT, MG_EV_CONNECT):
        log.append((names([ev])[0], c.local_addr, c.remote_addr))
        if c.is_client:
            c.send("hello")
    elif ev == MG_EV_READ:
        log.append(("READ", c.recv(), c.remote_addr))
    elif ev == MG_EV_ERROR:
        log.append(("ERROR", data))

def reset():
    for c in conns:
        c.close()
    conns.clear()
    settle()
    log.clear()

m = Manager(handler)
serve(m)
"""


@pytest.fixture
def script(shared):
    device = shared(SCRIPT)
    yield device
    device.eval("reset()")


# ---- Zones (RFC 4007, RFC 6874) ----------------------------------------------------------------


@pytest.fixture
def link_local():
    """(address, interface's name, its number) of this computer."""
    try:
        with open("/proc/net/if_inet6") as f:
            rows = [line.split() for line in f]
    except OSError:
        rows = []
    for digits, number, _length, scope, _flags, name in rows:
        if scope == "20":
            address = socket.inet_ntop(socket.AF_INET6, bytes.fromhex(digits))
            return address, name, int(number, 16)
    pytest.skip("this computer has no link-local address")


@pytest.mark.needs("ipv6", "host-network")
@pytest.mark.parametrize(
    "how",
    [
        "number",
        # An ESP32 knows numbers alone, and is no place for descriptors of others either.
        pytest.param("name", marks=pytest.mark.needs("descriptors")),
        pytest.param("%25 and the name", marks=pytest.mark.needs("descriptors")),
    ],
)
def test_zone(script, link_local, how):
    address, name, number = link_local
    zone = {"name": name, "number": number}.get(how, f"25{name}")
    script.exec(f"conns.append(m.listen('tcp://[{address}%{zone}]:0'))")
    local = script.eval("conns[0].local_addr")
    assert local[::2] == (f"{address}%{number}", True)
    with socket.socket(socket.AF_INET6) as s:
        s.settimeout(seconds())
        s.connect((address, local[1], 0, number))
        script.until("log")
        assert script.eval("log[0][2]") == (f"{address}%{number}", s.getsockname()[1], True)
    script.exec(f"log.clear(); conns.append(m.connect('tcp://[{address}%{zone}]:{local[1]}'))")
    script.until("any(e[0] == 'READ' for e in log)")
    assert ("CONNECT", f"{address}%{number}") in [(e[0], e[2][0]) for e in script.eval("log")]


@pytest.mark.needs("ipv6", "host-network")
def test_zone_is_told_to_nobody(script, link_local):
    address, _name, number = link_local
    with socket.create_server((address, 0, 0, number), family=socket.AF_INET6) as listener:
        listener.settimeout(seconds())
        port = listener.getsockname()[1]
        script.exec(
            f"c = m.connect('http://[{address}%25{number}]:{port}/'); conns.append(c)\n"
            "c.http_request('GET', '/')"
        )
        # Accepting is the kernel's: the device polls meanwhile.
        peer, _ = listener.accept()
        with peer:
            peer.settimeout(seconds())
            head = b""
            while b"\r\n\r\n" not in head:
                head += peer.recv(1000)
    assert f"\r\nHost: [{address}]:{port}\r\n".encode() in head


@pytest.mark.parametrize(
    "zone",
    [
        "%nosuchzone0",
        "%",
        "%25eth99x",
        "%0",
        "%2147483647",
        "%252147483646",
        "%99999999999",
        "%1x",
        "%" + "x" * 99,
    ],
)
def test_bad_zone(script, zone):
    for call in ("connect", "listen"):
        script.exec(
            f"raises(ValueError, m.{call}, 'tcp://[fe80::1{zone}]:80', text='network interface')"
        )


# ---- Names -------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["b\xfccher.example", "\u4f8b.test", "a.\u0440\u0444"])
def test_names_that_are_not_ascii(script, host):
    for url in (f"http://{host}/", f"tcp://user@{host}:1"):
        script.exec(f"raises(ValueError, m.connect, {url!r}, text='xn--')")
    script.exec(f"raises(ValueError, m.listen, 'tcp://{host}:1', text='xn--')")


# ---- Broadcast ---------------------------------------------------------------------------------


@pytest.mark.needs("host-network")
def test_broadcast(script):
    """It leaves for all, answers come from whoever they come from."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as all_hear,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
    ):
        for s in (all_hear, one):
            s.bind(("0.0.0.0", 0))
            s.settimeout(seconds())
        url = f"udp://127.255.255.255:{all_hear.getsockname()[1]}"
        script.exec(f"conns.append(m.connect({url!r}, broadcast=True))")
        data, sender = all_hear.recvfrom(100)
        assert data == b"hello"
        one.sendto(b"here", sender)
        script.until("log[-1][0] == 'READ'")
        assert script.eval("log[-1]") == (
            "READ",
            b"here",
            ("127.0.0.1", one.getsockname()[1], False),
        )
        script.exec("conns[0].send('again')")
        assert all_hear.recv(100) == b"again"


@pytest.mark.needs("host-network")
def test_no_broadcast_by_mistake(script):
    script.exec("conns.append(m.connect('udp://127.255.255.255:9'))")
    script.until("log and log[-1][0] == 'ERROR'")
    assert "ermission" in script.eval("log[-1][1]")


def test_broadcast_is_udp(script):
    for call in ("connect", "listen"):
        script.exec(f"raises(ValueError, m.{call}, url('tcp', 1), broadcast=True, text='udp://')")
        script.exec(f"raises(ValueError, m.{call}, 'nonsense', broadcast=True)")
    script.exec("conns.append(m.listen(url('tcp')))")  # what failed left nothing behind
    script.exec("conns.append(m.listen(url('udp'), broadcast=True))")
