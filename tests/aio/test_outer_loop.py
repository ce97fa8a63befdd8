# SPDX-License-Identifier: GPL-2.0-only
"""Somebody else's loop waits for a Manager: fileno(), next_timeout(), watch=, select.poll()."""

import pytest

# A loop as its author would write it: over select.poll(), with as many descriptors as `watch` tells of,
# or with the one, or the Manager itself. Each case runs in each way that there is here.
SCRIPT = r"""
import select

MODES, REFUSALS = [], []
with Manager() as m:
    try:
        m.fileno()
        MODES.append("one")
    except Error as e:
        REFUSALS.append(("fileno", e.errno, str(e)))
        if MICROPYTHON:
            MODES.append("one")
try:
    Manager(watch=lambda fd, mask: None).close()
    MODES.append("watch")
except Error as e:
    REFUSALS.append(("watch", e.errno, str(e)))


class Outer:
    def __init__(self, *args, **kwargs):
        self.fds, self.calls = {}, []
        self.poller = select.poll()
        if MODE == "one":
            self.m = Manager(*args, **kwargs)
            self.poller.register(self.m if MICROPYTHON else self.m.fileno(), select.POLLIN)
        else:
            self.m = Manager(*args, watch=self.watch, **kwargs)

    def watch(self, fd, mask):
        self.calls.append((fd, mask))
        if mask:
            (self.poller.modify if fd in self.fds else self.poller.register)(
                fd, (select.POLLIN if mask & 1 else 0) | (select.POLLOUT if mask & 2 else 0))
            self.fds[fd] = mask
        else:
            self.poller.unregister(fd)
            del self.fds[fd]

    def ready(self, ms=0):
        return bool(self.poller.poll(ms))

    def turn(self):
        # One wait as an outer loop does it; did something end it?
        ms = self.m.next_timeout()
        found = self.ready(-1 if ms is None else ms) or ms is not None
        self.m.poll(0)
        return found

    def calm(self):
        # Until there is nothing to do, for the next while at least.
        for _ in range(200):
            if not self.ready(5) and self.m.next_timeout() != 0:
                return
            self.m.poll(0)
        raise AssertionError("it never comes to rest")

    def until(self, condition):
        start = ticks_ms()
        while not condition():
            assert ticks_diff(ticks_ms(), start) < 20000, "nothing wakes the outer loop"
            self.turn()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.m.close()
        eq(self.fds, {})


def case_nothing_to_do():
    with Outer() as o:
        o.calm()
        eq(o.m.next_timeout(), None)
        eq(o.ready(), False)


def case_a_server_and_a_client():
    got = []
    def handler(c, ev, data):
        if ev == MG_EV_HTTP_MSG and not c.is_client:
            c.reply(200, "hello")
        elif ev == MG_EV_HTTP_MSG:
            got.append(data.body_text)
            c.close()
        elif ev == MG_EV_CONNECT and c.is_client:
            c.http_request("GET", "/")
    with Outer(handler) as o:
        port = port_of(o.m.listen(url("http")))
        for n in range(3):
            o.calm()
            o.m.connect(url("http", port))
            assert o.ready(2000), "connect() wakes nobody"
            o.until(lambda: len(got) > n)
        eq(got, ["hello"] * 3)


def case_timers():
    calls = []
    with Outer() as o:
        o.calm()
        late = o.m.timer_add(50000, lambda: calls.append("late"))
        assert o.ready(2000), "a timer wakes nobody"
        o.calm()
        ms = o.m.next_timeout()
        assert 20000 < ms <= 50000, ms
        eq(o.ready(), False)
        o.m.timer_add(60000, lambda: None)
        eq(o.ready(20), False, "a later timer has nothing to tell")
        o.m.timer_add(30, lambda: calls.append("soon"))
        assert o.ready(2000), "an earlier timer wakes nobody"
        o.m.poll(0)
        assert calls or o.m.next_timeout() <= 30  # a busy computer may have been away for 30 ms
        o.until(lambda: calls)
        eq(calls, ["soon"])
        late.cancel()
        o.m.timer_add(0, lambda: calls.append("now"))
        eq(o.m.next_timeout(), 0)
        o.until(lambda: len(calls) == 2)


def case_what_is_queued_outside():
    heard = []
    def handler(c, ev, data):
        if ev == MG_EV_READ and not c.is_client:
            heard.append(c.recv())
    with Outer(handler) as o:
        c = o.m.connect(url("tcp", port_of(o.m.listen(url("tcp")))))
        o.until(lambda: c.is_writable)
        for word in (b"one", b"two"):
            o.calm()
            c.send(word)
            assert o.ready(2000), "send() wakes nobody"
            eq(o.m.next_timeout(), 0)
            o.until(lambda: word in heard)
        o.calm()
        c.close()
        assert o.ready(2000), "close() wakes nobody"
        o.until(lambda: len(o.m.connections) == 1)


def case_wakeup():
    heard = []
    with Outer(lambda c, ev, data: heard.append(data) if ev == MG_EV_WAKEUP else None) as o:
        listener = o.m.listen(url("tcp"))
        o.calm()
        o.m.wakeup(listener.id, b"up")
        assert o.ready(2000)
        eq(o.m.next_timeout(), 0)
        o.until(lambda: heard)


def case_rest_costs_nothing():
    with Outer(lambda c, ev, data: None) as o:
        c = o.m.connect(url("tcp", port_of(o.m.listen(url("tcp")))))
        o.until(lambda: len(o.m.connections) == 3)
        o.calm()
        eq(o.ready(300), False)
        eq(o.m.next_timeout(), None)


def case_the_end():
    with Outer() as o:
        m = o.m
    for method in (m.fileno, m.next_timeout):
        eq(raises(Error, method, text="closed").errno, 9)


def each(case):
    global MODE
    for MODE in MODES:
        case()


serve()
"""

CASES = [line[4:].split("(")[0] for line in SCRIPT.splitlines() if line.startswith("def case_")]


@pytest.fixture
def outer(shared):
    return shared(SCRIPT)


@pytest.mark.parametrize("case", CASES)
def test_outer_loop(outer, case):
    outer.eval(f"each({case})")


def test_there_is_a_way_and_what_is_not_says_so(outer):
    modes, refusals = outer.eval("(MODES, REFUSALS)")
    assert modes
    assert len(modes) + len(refusals) >= 2
    for name, errno, text in refusals:
        assert errno == 95, name
        assert "select.poll()" in text or "watch=" in text
