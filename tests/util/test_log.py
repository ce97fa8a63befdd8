# SPDX-License-Identifier: GPL-2.0-only
"""The log: which events are written at which level, and that no peer forges a line."""

import re

import pytest
from peers.clients import Raw

SCRIPT = """
def handler(c, ev, data):
    if ev == MG_EV_HTTP_MSG and not c.is_client:
        c.reply(200, "x")

m = Manager(handler)
listener = m.listen(url("http"))
announce("PORT", listener)

def talk():
    n = [0]
    def client(c, ev, data):
        if ev == MG_EV_CONNECT:
            c.send(get("/a path".replace(" ", "%20")))
        elif ev == MG_EV_HTTP_MSG:
            c.close()
        elif ev == MG_EV_CLOSE:
            n[0] += 1
    m.poll(0)
    m.connect(url("http", port_of(listener)), client)
    poll_until(m, lambda: n[0] == 1 and len(m.connections) == 1)
    failing = m.connect("tcp://127.0.0.1:1", client)
    failing.error("told by the program")
    poll_until(m, lambda: n[0] == 2)

serve(m)
"""

pytestmark = pytest.mark.needs("loopback", "process")


@pytest.fixture
def lines(device):
    """The events that were written at a level; the console has standard error, too."""
    running = device(SCRIPT)
    running.expect("SERVING")

    def at(level):
        running.exec(f"log_set({level})")
        before = len(running.console)
        running.exec("talk()")
        running.exec("log_set(MG_LL_NONE); m.poll(0)")
        return re.findall(r"^pymongoose (\d+) (MG_EV_\w+)(.*)$", running.console[before:], re.M)

    at.device = running
    return at


ERRORS = {"MG_EV_ERROR"}
INFO = ERRORS | {"MG_EV_OPEN", "MG_EV_ACCEPT", "MG_EV_CONNECT", "MG_EV_CLOSE"}
DEBUG = INFO | {"MG_EV_HTTP_HDRS", "MG_EV_HTTP_MSG"}
VERBOSE = DEBUG | {"MG_EV_READ", "MG_EV_WRITE"}


def test_levels(lines):
    assert lines.device.eval("log_get()") == 0
    expected = {
        "MG_LL_NONE": set(),
        "MG_LL_ERROR": ERRORS,
        "MG_LL_INFO": INFO,
        "MG_LL_DEBUG": DEBUG,
        "MG_LL_VERBOSE": VERBOSE,
        "-3": set(),
        "99": VERBOSE,
    }
    for level, events in expected.items():
        assert {event for _, event, _ in lines(level)} == events, level


def test_what_a_line_says(lines):
    said = {event: rest for _, event, rest in lines("MG_LL_VERBOSE")}
    written = lines("MG_LL_DEBUG")
    assert (said["MG_EV_CLOSE"], said["MG_EV_ERROR"]) == ("", " told by the program")
    assert [rest for _, event, rest in written if event == "MG_EV_HTTP_MSG"] == [
        " GET /a%20path",
        " HTTP/1.1 200",
    ]
    opened = [number for number, event, _ in written if event == "MG_EV_OPEN"]
    closed = [number for number, event, _ in written if event == "MG_EV_CLOSE"]
    assert sorted(opened) == sorted(closed) and len(set(opened)) == 3
    assert int(said["MG_EV_READ"]) > 0


def test_a_level_counts_for_managers_that_run(lines):
    lines("MG_LL_DEBUG")
    assert lines("MG_LL_NONE") == []
    lines.device.exec("log_set(3); raises(TypeError, log_set, 'x'); eq(log_get(), 3); log_set(0)")


def test_nothing_of_a_peer_breaks_a_line(lines):
    """Neither control characters nor length."""
    lines.device.exec("log_set(MG_LL_VERBOSE); m.poll(0)")
    before = len(lines.device.console)
    with Raw((lines.device.host, lines.device.port("PORT"))) as raw:
        raw.send(
            b"GET /" + b"long" * 300 + "é\u2028".encode() + b"\x1b[31m HTTP/1.1\r\nHost: x\r\n\r\n"
        )
        raw.recv_all()
    with Raw((lines.device.host, lines.device.port("PORT"))) as raw:
        raw.send(b"GET /" + b"long" * 300 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        raw.recv_all()
    lines.device.exec("log_set(MG_LL_NONE); m.poll(0)")
    written = [line for line in lines.device.console[before:].splitlines() if line]
    assert any("GET /longlong" in line for line in written)
    for line in written:
        assert len(line) < 120 and (line.startswith("pymongoose ") or line.startswith("ANSWER "))
        assert line.isprintable()
