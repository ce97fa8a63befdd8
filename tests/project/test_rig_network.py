# SPDX-License-Identifier: GPL-2.0-only
"""The emulator's network without an emulator: links, segments, the way of multicast DNS, options."""

import os
import re
import shlex
import shutil
import socket
import stat
import struct
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from peers.mdns_peer import RESPONSE, A, Peer, ip, message, question, record, unique
from targets import ROOT

RIG = ROOT / "boards" / "rig"
sys.path.insert(0, str(RIG))

import relay as relays  # noqa: E402
import rig as rigs  # noqa: E402
import segment as segments  # noqa: E402
import wire as wires  # noqa: E402

# ---- Links -------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch):
    """What the link takes for the time: a list with one number, to be set."""
    now = [100.0]
    monkeypatch.setattr(wires.time, "monotonic", lambda: now[0])
    return now


def test_a_link_as_it_is(clock):
    wire, got = wires.Wire(), []
    wire.carry("in", b"1", got.append)
    wire.carry("out", b"2", got.append)
    assert got == [b"1", b"2"] and wire.packets == {"in": 1, "out": 1, "lost": 0}
    assert wire.wait() == 1.0


def test_delay_and_rate(clock):
    """Packets keep their order, and each waits for those before it to be sent; directions are apart."""
    wire, got = wires.Wire(), []
    wire.change(delay=500, rate=8)  # a byte takes a millisecond
    for n in range(3):
        wire.carry("in", bytes([n]) * 100, got.append)
    wire.carry("out", b"x" * 100, got.append)
    wire.deliver()
    assert got == [] and wire.wait() == pytest.approx(0.6)
    for at, count in ((100.59, 0), (100.61, 2), (100.71, 3), (100.81, 4)):
        clock[0] = at
        wire.deliver()
        assert len(got) == count
    assert [each[0] for each in got if each[:1] != b"x"] == [0, 1, 2]
    wire.change(delay=0, rate=0)
    wire.carry("in", b"now", got.append)
    assert got[-1] == b"now"


def test_a_link_that_got_faster_keeps_the_order(clock):
    wire, got = wires.Wire(), []
    wire.change(delay=500)
    wire.carry("in", b"first", got.append)
    wire.change(delay=0)
    wire.carry("in", b"second", got.append)
    assert got == []
    clock[0] += 0.51
    wire.deliver()
    assert got == [b"first", b"second"]


def test_a_queue_is_bounded(clock):
    wire, got = wires.Wire(), []
    wire.change(rate=8)
    for _ in range(100):
        wire.carry("in", bytes(1000), got.append)
    assert wire.packets == {"in": 100, "out": 0, "lost": 100 - wires.QUEUE_BYTES // 1000}


def test_loss():
    """By a seed the same packets."""

    def lost(seed):
        wire, got = wires.Wire(seed), []
        wire.change(loss=5)
        for n in range(1000):
            wire.carry("in", struct.pack("H", n), got.append)
        assert len(got) == 1000 - wire.packets["lost"]
        return {n for n in range(1000) if struct.pack("H", n) not in got}

    assert 20 < len(lost(1)) < 100 and lost(1) == lost(1) != lost(2)
    wire, got = wires.Wire(), []
    wire.change(loss=100)
    wire.carry("in", b"1", got.append)
    assert got == []


@pytest.mark.parametrize(
    "wanted, text",
    [
        ({"loss": 100.1}, "loss is 0 to 100 percent, not 100.1"),
        ({"loss": float("nan")}, "loss is 0 to 100 percent, not nan"),
        ({"delay": -1}, "delay is 0 to 60000 milliseconds, not -1"),
        ({"rate": "fast"}, "rate is a number of kbit/s, not 'fast'"),
        ({"rate": None}, "rate is a number of kbit/s, not None"),
    ],
)
def test_what_a_link_cannot_be(wanted, text):
    wire = wires.Wire()
    with pytest.raises(ValueError) as e:
        wire.change(**{"delay": 7, **wanted})
    assert str(e.value) == text and wire.delay == 0


# ---- Segments ----------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path):
    """A short path: sockets have 107 bytes for it."""
    folder = f"/tmp/pmg-{os.getpid()}-{unique()}/s"
    yield folder
    assert not os.path.exists(folder), "the last one clears it away"
    os.rmdir(os.path.dirname(folder))


def test_segment(place):
    one, two, three = (segments.Segment(place) for _ in range(3))
    assert [s.number for s in (one, two, three)] == [15, 16, 17]
    assert stat.S_IMODE(os.stat(place).st_mode) == 0o700
    assert one.has(16) and not one.has(15) and not one.has(2) and not one.has(255)
    one.send(16, b"to you")
    one.flood(b"to all")
    one.send(99, b"to nobody")
    assert (one.receive(), two.receive(), three.receive()) == (
        [],
        [b"to you", b"to all"],
        [b"to all"],
    )
    two.close()
    again = segments.Segment(place)
    assert again.number == 16
    for each in (one, again, three):
        each.close()


def test_a_wanted_number(place):
    one = segments.Segment(place, 20)
    two = segments.Segment(place, 20)
    assert (one.number, two.number) == (20, 15)
    one.close()
    two.close()


def test_a_busy_board_loses_nothing(place):
    """Its socket takes few packets at a time: the rest waits, in order."""
    one, two = segments.Segment(place), segments.Segment(place)
    sent = [struct.pack("H", n) for n in range(200)]
    for packet in sent:
        one.send(two.number, packet)
    got = []
    while one.wait() < 1 or len(got) < len(sent):
        got += two.receive()
        one.retry()
    assert got == sent and one.wait() == 1.0
    one.close()
    two.close()


def test_what_a_killed_rig_leaves(place):
    one = segments.Segment(place)
    one.socket.close()  # and its file stays
    two = segments.Segment(place)
    assert two.number == 15
    two.close()


def test_a_full_segment(place, monkeypatch):
    monkeypatch.setattr(segments, "LAST", 16)
    both = [segments.Segment(place), segments.Segment(place)]
    with pytest.raises(OSError, match="has 2 boards already"):
        segments.Segment(place)
    for each in both:
        each.close()


def test_coming_and_going(place):
    """All at a time: nobody's folder goes, and no two have a number."""
    numbers, failures = set(), []

    def come_and_go():
        try:
            for _ in range(50):
                one = segments.Segment(place)
                assert one.number not in numbers
                numbers.add(one.number)
                assert (one.folder / str(one.number)).exists()
                numbers.remove(one.number)
                one.close()
        except Exception as e:
            failures.append(e)

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert not os.path.exists(place)


def test_names_of_segments(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert segments.folder_of("home") == tmp_path / f"pymongoose-rig-{os.getuid()}" / "home"
    assert str(segments.folder_of("/a/b")) == "/a/b"
    for name in ("", "..", ".x", "a b", "x" * 40, "ä"):
        with pytest.raises(OSError, match="a segment's name has letters"):
            segments.folder_of(name)


# ---- Multicast DNS -----------------------------------------------------------------------------


class Board:
    """The board's end of a relay: packets that come, and a way to send."""

    def __init__(self):
        self.packets = []
        self.relay = relays.Relay(self.packets.append, "10.0.2.15", "10.0.2.2")

    def send(self, target, port, data, source=5353):
        payload = struct.pack(">HHHH", source, port, 8 + len(data), 0) + data
        packets = relays.ip_packets(ip("10.0.2.15"), ip(target), payload, 1)
        return [self.relay.packet(packet) for packet in packets]

    def heard(self, mark):
        """The packet with these bytes: its source, port, target, port, data."""
        while True:
            for s in self.relay.sockets():
                self.relay.receive(s)
            for packet in self.packets:
                if mark in packet:
                    assert relays.checksum(packet[:20]) == 0
                    ports = struct.unpack_from(">HH", packet, 20)
                    addresses = [socket.inet_ntoa(packet[at : at + 4]) for at in (12, 16)]
                    return addresses[0], ports[0], addresses[1], ports[1], packet[28:]


@pytest.fixture
def board():
    found = Board()
    yield found
    found.relay.close()


def test_a_question_from_here(board):
    """A program here has an address near the board; the answer finds it."""
    name = unique()
    with Peer() as peer:
        ask = message([question(f"{name}.local", A)])
        peer.send(ask)
        source, port, target, to, data = board.heard(name.encode())
        assert (port, target, to, data) == (5353, "224.0.0.251", 5353, ask)
        assert source.startswith("10.0.2.") and source != "10.0.2.2"
        answer = message((), [record(f"{name}.local", A, ip("10.0.2.15"))], flags=RESPONSE)
        assert board.send(source, 5353, answer) == [True]
        assert peer.heard(f"{name}.local", unicast=True)[0].address == ip("10.0.2.15")
        assert peer.sender[0].startswith("127.200.") and peer.sender[1] == 5353
        assert board.send("224.0.0.251", 5353, answer) == [True]
        assert peer.heard(f"{name}.local")[0]


def test_a_question_from_the_board(board):
    """By a port of its own; the answer comes to that port."""
    name = unique()
    with Peer() as peer:
        board.send("224.0.0.251", 5353, message([question(f"{name}.local", A)]), source=50000)
        assert peer.asked(f"{name}.local")
        answer = message((), [record(f"{name}.local", A, ip("127.0.0.1"))], flags=RESPONSE)
        peer.unicast.sendto(answer, peer.sender)
        source, port, target, to, data = board.heard(b"\x84\0\0\0\0\1")
        assert (port, target, to, data) == (5353, "10.0.2.15", 50000, answer)


def test_rigs_do_not_hear_each_other(board):
    other, name = Board(), unique()
    other.send("224.0.0.251", 5353, message([question(f"{name}.local", A)]))
    with Peer() as peer:
        peer.send(message([question(f"{name}2.local", A)]))
        board.heard(f"{name}2".encode())
    assert not any(name.encode() + b"\5local" in packet for packet in board.packets)
    other.relay.close()


def test_what_is_not_for_the_relay(board):
    assert board.send("10.0.2.2", 80, b"x", source=4000) == [False]
    assert board.send("10.0.2.200", 5353, b"x") == [False]
    assert not board.relay.packet(b"\x4f" + bytes(8) + b"\x11" + bytes(10))


def test_more_programs_than_addresses(board):
    for n in range(400):
        board.relay._give(f"127.3.{n // 200}.{n % 200 + 1}", 5353, ip("224.0.0.251"), 5353, b"x")
    sources = {packet[12:16] for packet in board.packets}
    assert len(sources) == 155 and {s[3] for s in sources} == set(range(100, 255))


def test_large_messages_are_fragments(board):
    packets = relays.ip_packets(ip("10.0.2.2"), ip("10.0.2.15"), bytes(range(256)) * 12, 7)
    assert [len(packet) for packet in packets] == [1500, 1500, 20 + 3072 - 2960]
    assert b"".join(packet[20:] for packet in packets) == bytes(range(256)) * 12
    flags = [struct.unpack_from(">H", packet, 6)[0] for packet in packets]
    assert flags == [0x2000, 0x2000 | 185, 370]


# ---- Options -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, text",
    [
        (["--forward", "80"], "it is HERE:BOARD, such as 8080:80"),
        (["--forward", "8080:0"], "a port is 1 to 65535, not '0'"),
        (["--forward", "2:8080:80"], "--forward 2:8080:80: there is no board 2"),
        (["--forward", "8000:80"], "port 8000 of 127.0.0.1 is wanted twice"),
        (["--forward", "8001:80", "--boards", "2"], "port 8001 of 127.0.0.1 is wanted twice"),
        (["--port", "http"], "a port is 1 to 65535, not 'http'"),
        (["--boards", "0"], "1 to 85 boards, not '0'"),
        (["--boards", "2", "--gdb", "3333"], "--gdb is for one board"),
        (["--loss", "101"], "--loss is 0 to 100 percent, not 101"),
        (["--delay", "soon"], "--delay is a number of milliseconds, not 'soon'"),
        (["--rate", "-1"], "--rate is 0 to 1e+07 kbit/s, not -1"),
        (["--board", "2"], "unrecognized arguments: --board 2"),
        (["--firmware", "/none"], "there is no firmware /none: make firmware BOARD=RPI_PICO"),
    ],
)
def test_options(options, text):
    """Said to people and to programs, before anything starts."""
    command = [sys.executable, str(RIG / "rig.py"), *options]
    for more in ([], ["--control"]):
        if more and "twice" in text:
            continue  # then no port is forwarded unasked
        found = subprocess.run(command + more, capture_output=True, text=True, timeout=60)
        assert found.returncode in (1, 2)
        assert found.stderr.startswith("rig: error: ") and text in found.stderr
        assert found.stderr.count("\n") == 1
        assert ('"event": "end"' in found.stdout) == bool(more)


# ---- What is said of a board that is ready -----------------------------------------------------


def test_what_to_do_next_is_told(monkeypatch):
    """Commands that a shell takes as they stand, and how to leave; of several boards once."""
    monkeypatch.chdir(ROOT)
    said = []

    def board(number):
        options = rigs.arguments_of(["--firmware", __file__, "--parts", str(ROOT)], "")
        options.number = number
        return SimpleNamespace(
            arguments=options,
            ready={"serial": 4711},
            begun=0,
            address="10.0.2.15",
            say=said.append,
            tell=print,
        )

    monkeypatch.setattr("pathlib.Path.is_file", lambda path: True)  # it has all its parts
    rigs.greet(board(2))
    assert not any("another terminal" in line for line in said)
    said.clear()
    rigs.greet(board(1))
    (start,) = [shlex.split(line) for line in said if " run " in line]
    assert start[1:4] == ["connect", "socket://127.0.0.1:4711", "run"]
    assert (ROOT / start[4]).exists() and "0.0.0.0:8000" in (ROOT / start[4]).read_text()
    (prompt,) = [shlex.split(line) for line in said if "miniterm" in line]
    assert prompt[1:] == ["-m", "serial.tools.miniterm", "socket://127.0.0.1:4711"]
    for program in start[0], prompt[0]:
        assert shutil.which(program)
    (line,) = [line for line in said if "curl " in line]
    path = re.search(r"http://127.0.0.1:8000(/\S+)", line)[1]
    assert f'"{path}"' in (ROOT / start[4]).read_text()
    assert any("Ctrl-]" in line for line in said) and any("Ctrl-C stops" in line for line in said)
