# SPDX-License-Identifier: GPL-2.0-only
"""Processes that share a listening socket, and a Manager that a fork has copied."""

import errno
import os
import re
import signal
import time
from pathlib import Path

import pytest
from peers.clients import Raw, cpu_seconds
from server_script import REQUEST


@pytest.mark.needs("fork")
def test_workers_forked_before(device, wait_for):
    """Two processes with a Manager each serve one listening socket."""
    running = device(
        """
import os
import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(100)
print("PORT", s.getsockname()[1])
ends = os.pipe()
workers = []
for n in range(2):
    pid = os.fork()
    if pid:
        workers.append(pid)
        continue
    os.close(ends[1])
    web = lambda c, ev, d: c.reply(200, "%d" % os.getpid()) if ev == MG_EV_HTTP_MSG else None
    with Manager(web) as m:
        m.listen("http://127.0.0.1:0", fd=s.fileno())
        until_closed = select.poll()
        until_closed.register(ends[0])
        while not until_closed.poll(0):
            m.poll(20)
    os._exit(1 if any(live()) else 0)
s.close()
print("WORKERS", *workers)
serve()
os.close(ends[1])
print("CODES", *[os.waitpid(pid, 0)[1] for pid in workers])
"""
    )
    address = running.reach(running.port())
    workers = [int(pid) for pid in running.expect("WORKERS").split()]

    def who():
        with Raw(address) as raw:
            return int(raw.ask(REQUEST.format("/")).body)

    assert {who() for _ in range(50)} <= set(workers)
    # Each of them alone: stopped, the other has all.
    for stopped, other in (workers, workers[::-1]):
        os.kill(stopped, signal.SIGSTOP)
        stat = Path(f"/proc/{stopped}/stat")
        wait_for(lambda stat=stat: stat.read_text().rpartition(")")[2][1] == "T")
        assert {who() for _ in range(20)} == {other}
        os.kill(stopped, signal.SIGCONT)
    running.stop()
    assert "CODES 0 0" in running.console


@pytest.mark.needs("fork")
def test_workers_that_share_a_port(device):
    """Each makes its own listener after the fork; the kernel spreads the connections."""
    running = device(
        """
import os
holder = Manager()
port = port_of(holder.listen("http://127.0.0.1:0", reuse_port=True))
raises(ValueError, holder.listen, "http://127.0.0.1:0", fd=0, reuse_port=True)
eq(raises(Error, holder.listen, "unix:///tmp/pymongoose-shared", reuse_port=True).errno, 95)
eq(raises(Error, holder.listen, url("http", port)).errno, 98)
holder.close()  # a copy of its listener in the workers would take connections, too
ends, begun = os.pipe(), os.pipe()
workers = []
for n in range(2):
    pid = os.fork()
    if pid:
        workers.append(pid)
        continue
    os.close(ends[1])
    web = lambda c, ev, d: c.reply(200, "%d" % os.getpid())
    with Manager(web, events=(MG_EV_HTTP_MSG,)) as m:
        m.listen(url("http", port), reuse_port=True)
        os.write(begun[1], b"x")
        until_closed = select.poll()
        until_closed.register(ends[0])
        while not until_closed.poll(0):
            m.poll(20)
    os._exit(0)
for n in range(2):
    os.read(begun[0], 1)
print("PORT", port)
print("WORKERS", *workers)
serve()
os.close(ends[1])
print("CODES", *[os.waitpid(pid, 0)[1] for pid in workers])
"""
    )
    address = running.reach(running.port())
    workers = [int(pid) for pid in running.expect("WORKERS").split()]
    answered = []
    for _ in range(200):
        with Raw(address) as raw:
            answered.append(int(raw.ask(REQUEST.format("/")).body))
    # Of 200 by a fair coin fewer than 60 happen once in 10**8 times.
    assert sorted(set(answered)) == sorted(workers)
    assert min(answered.count(pid) for pid in workers) >= 60
    running.stop()
    assert "CODES 0 0" in running.console


@pytest.mark.needs("fork")
@pytest.mark.parametrize("leaving", ["os._exit(0)", "sys.exit(0)"])
def test_manager_in_a_forked_child(device, leaving, tmp_path):
    """It says what is wrong, and nothing done to it reaches the parent's connections."""
    running = device(
        """
import os

log = []
def handler(c, ev, data):
    if ev == MG_EV_READ:
        c.send(c.recv())
    elif ev == MG_EV_ACCEPT:
        conns.append(c)
    elif ev in (MG_EV_ERROR, MG_EV_CLOSE):
        log.append(event_name(ev))
conns = []
m = Manager(handler, max_recv=1000)
fired = []
listener = m.listen(url("tcp"))
announce("PORT", listener)
m.listen("unix://" + PARAMS["path"])

def child():
    def attempt(name, fn, *args):
        try:
            fn(*args)
            print("TRIED", name, "None")
        except Error as e:
            print("TRIED", name, e.errno, e)
    attempt("poll", m.poll, 10)
    attempt("listen", m.listen, url("tcp"))
    attempt("connect", m.connect, url("tcp", port_of(listener)))
    attempt("wakeup", m.wakeup, listener.id, "x")
    attempt("send", conns[0].send, "from the child")
    attempt("recv", conns[1].recv)
    attempt("close", conns[0].close)
    attempt("poll", m.poll, 10)
    attempt("close", m.close)
    print("DONE")

def fork():
    pid = os.fork()
    if pid == 0:
        child()
        exec(PARAMS["leaving"])
    return os.waitpid(pid, 0)[1]

try:
    serve(m)
except SystemExit:
    os.close(1)
    raise
""",
        leaving=leaving,
        path=str(path := tmp_path / "s"),
    )
    address = running.reach(running.port())
    with Raw(address) as raw, Raw(address) as full:
        raw.send("before")
        assert raw.recv_exactly(6) == b"before"
        running.until("len(conns) == 2")
        # One is paused, so that the child could start it again.
        running.exec("conns[1].set_handler(lambda c, ev, data: None)")
        full.send("x" * 5000)
        running.until("conns[1].is_full")
        assert running.eval("fork()", 20) == 0
        tried = re.findall(r"^TRIED (\w+) (\w+)(.*)$", running.console, re.MULTILINE)
        said = {name: (number, text) for name, number, text in tried}
        for name in ("poll", "listen", "connect"):
            assert said[name][0] == str(errno.ECHILD), (name, said[name])
            assert "fork" in said[name][1]
        assert "DONE" in running.console

        # The parent goes on as if nothing had been.
        for _ in range(3):  # a virtual machine may count what others took from it
            begun = cpu_seconds(running.pid)
            start = time.monotonic()
            running.exec("for n in range(5): m.poll(100)")
            assert time.monotonic() - start > 0.4, "something ends its waits"
            spent = cpu_seconds(running.pid) - begun
            if spent < 0.25:
                break
        else:
            raise AssertionError(f"{spent} s of CPU time in five waits")
        raw.send("after")
        assert raw.recv_exactly(5) == b"after"
        with Raw(address) as another, Raw(str(path)) as local:
            for each in (another, local):
                each.send("new")
                assert each.recv_exactly(3) == b"new"
        assert running.eval("log.count('MG_EV_ERROR')") == 0
    running.stop()
    assert not path.exists()
