# SPDX-License-Identifier: GPL-2.0-only
"""Manager.wakeup(): from other threads, and from the Manager's own."""

import pytest
from peers.clients import seconds

SCRIPT = r"""
import _thread

def in_thread(fn, *args):
    done = []
    def body():
        try:
            fn(*args)
        finally:
            done.append(1)
    _thread.start_new_thread(body, ())
    return done


class Target:
    def __enter__(self):
        self.got = []
        self.m = Manager(self.handle)
        self.listener = self.m.listen(url("tcp"))
        return self

    def handle(self, c, ev, data):
        if ev == MG_EV_WAKEUP:
            self.got.append((c.id, data))

    def __exit__(self, *_):
        self.m.close()


def case_from_the_same_thread():
    with Target() as t:
        eq(t.m.wakeup(t.listener.id, b"bytes"), True)
        eq(t.m.wakeup(t.listener.id, "text \u20ac"), True)
        eq(t.m.wakeup(t.listener.id), True)
        eq(t.got, [])
        poll_until(t.m, lambda: len(t.got) == 3)
        number = t.listener.id
        eq(t.got, [(number, b"bytes"), (number, "text \u20ac".encode()), (number, b"")])
        eq(type(t.got[0][1]), bytes)


def case_a_thousand():
    with Target() as t:
        def send():
            for n in range(1000):
                while not t.m.wakeup(t.listener.id, "%d" % n):
                    time.sleep(0.001)
        done = in_thread(send)
        poll_until(t.m, lambda: len(t.got) == 1000, 15000)
        eq([data for _, data in t.got], [b"%d" % n if not MICROPYTHON else str(n).encode() for n in range(1000)])
        poll_until(t.m, lambda: done)


def case_two_threads():
    with Target() as t:
        def send(mark):
            for n in range(300):
                t.m.wakeup(t.listener.id, mark + str(n))
        done = [in_thread(send, "a"), in_thread(send, "b")]
        poll_until(t.m, lambda: len(t.got) == 600 and all(done), 15000)
        for mark in ("a", "b"):
            mine = [data.decode() for _, data in t.got if data.decode()[0] == mark]
            eq(mine, [mark + str(n) for n in range(300)])


def case_a_wait_is_interrupted():
    with Target() as t:
        def later():
            time.sleep(0.05)
            t.m.wakeup(t.listener.id, "up")
        start = ticks_ms()
        done = in_thread(later)
        while not t.got:
            t.m.poll(30000)
        took = ticks_diff(ticks_ms(), start)
        assert 40 <= took < 20000, took
        poll_until(t.m, lambda: done)


def case_waits_end_at_once():
    # Not at the end of a slice: half of them within a few milliseconds, busy as the machine may be.
    late = []
    with Target() as t:
        def send():
            for n in range(41):
                time.sleep(0.011)
                asked[0] = ticks_ms()
                t.m.wakeup(t.listener.id, "x")
                while len(late) <= n:
                    time.sleep(0.001)
        asked = [0]
        done = in_thread(send)
        start = ticks_ms()
        while len(late) < 41 and ticks_diff(ticks_ms(), start) < 20000:
            t.m.poll(1000)
            if len(t.got) > len(late):
                late.append(ticks_diff(ticks_ms(), asked[0]))
        poll_until(t.m, lambda: done)
    eq(len(late), 41)
    assert sorted(late)[20] <= PARAMS["prompt"], late


def case_while_connections_come_and_go():
    # A wake-up ends a wait and nothing else, at whatever moment it comes.
    counts, closed = [0, 0], []
    def client(c, ev, data):
        if ev == MG_EV_CONNECT:
            c.close()
        elif ev == MG_EV_CLOSE:
            closed.append(1)
    with Target() as t:
        def hammer(mine):
            while len(closed) < 300:
                counts[mine] += t.m.wakeup(t.listener.id, "x")
                if counts[mine] % 7 == 0:
                    time.sleep(0.0005)
        done = in_thread(hammer, 0), in_thread(hammer, 1)
        start, begun = ticks_ms(), 0
        while len(closed) < 300 and ticks_diff(ticks_ms(), start) < 60000:
            if begun < 300 and begun - len(closed) < 4:
                t.m.connect(url("tcp", port_of(t.listener)), client)
                begun += 1
            t.m.poll(20)
        eq(len(closed), 300)
        poll_until(t.m, lambda: all(done))
        poll_until(t.m, lambda: len(t.got) == sum(counts))


def case_with_the_heap_locked():
    # As in a hard interrupt. Where there are such, there is room for eight, short ones.
    if not MICROPYTHON:
        return
    import micropython
    told = bytearray(2)
    short, long = b"fifteen bytes..", b"sixteen bytes..."
    with Target() as t:
        number = t.listener.id
        for turn in range(3):
            told[0] = told[1] = 0
            micropython.heap_lock()
            try:
                for _ in range(20):
                    told[t.m.wakeup(number, short)] += 1
                fits = t.m.wakeup(number, long)
            finally:
                micropython.heap_unlock()
            assert list(told) in ([12, 8], [0, 20]), list(told)
            eq(fits, told[1] == 20)
            t.got.clear()
            poll_until(t.m, lambda: len(t.got) >= told[1] + fits)
            eq(t.got[:told[1]], [(number, short)] * told[1])


def case_big_payload():
    with Target() as t:
        data = bytes(range(256)) * 4096
        eq(t.m.wakeup(t.listener.id, data), True)
        poll_until(t.m, lambda: t.got)
        eq(t.got[0][1] == data, True)


def case_over_the_budget_is_refused_not_lost():
    got = []
    with Manager(lambda c, ev, data: got.append(len(data)) if ev == MG_EV_WAKEUP else None) as m:
        listener = m.listen(url("tcp"))
        piece = b"x" * (1 << 20)
        taken = 0
        while taken < 1000 and m.wakeup(listener.id, piece):
            taken += 1
        assert taken < 1000, "no budget at all"
        poll_until(m, lambda: len(got) == taken)
        eq(m.wakeup(listener.id, piece), True)
        poll_until(m, lambda: len(got) == taken + 1)


def case_unknown_id():
    with Target() as t:
        eq(t.m.wakeup(123456, "nobody"), True)
        eq(t.m.wakeup(0, "nobody"), True)
        for _ in range(5):
            t.m.poll(1)
        eq(t.got, [])


def case_closed_connection():
    with Target() as t:
        other = t.m.listen(url("tcp"))
        t.m.wakeup(other.id, "too late")
        other.close()
        t.m.wakeup(t.listener.id, "fine")
        poll_until(t.m, lambda: (t.listener.id, b"fine") in t.got)
        eq([data for number, data in t.got if number == t.listener.id], [b"fine"])


def case_not_delivered_when_the_manager_closes():
    with Target() as t:
        t.m.wakeup(t.listener.id, b"x" * 100000)
    eq(t.got, [])
    eq(live(), (0, 0, 0, 0))


def case_wakeup_inside_the_wakeup_event():
    got = []
    def handler(c, ev, data):
        if ev == MG_EV_WAKEUP:
            got.append(data)
            if len(got) < 10:
                m.wakeup(c.id, "%d" % len(got))
    with Manager(handler) as m:
        listener = m.listen(url("tcp"))
        m.wakeup(listener.id, "0")
        poll_until(m, lambda: len(got) == 10)


def case_enable_wakeup_is_accepted():
    for flag in (True, False):
        with Manager(None, flag) as m:
            eq(m.wakeup(1), True)
    with Manager(enable_wakeup=True) as m:
        eq(m.wakeup_id, 0)


def case_other_threads_may_do_nothing_else():
    # While one thread is in poll(), calls from another are refused and break nothing.
    errors = []
    with Target() as t:
        def attempt():
            try:  # until the other one is in poll()
                while True:
                    t.m.poll(0)
                    time.sleep(0.001)
            except Error:
                pass
            for call in (
                lambda: t.m.poll(0), lambda: t.m.poll(10), lambda: t.m.listen(url("tcp")),
                lambda: t.m.connect(url("tcp", port_of(t.listener))), t.m.close,
                lambda: t.m.timer_add(1, lambda: None),
            ):
                try:
                    call()
                    errors.append("returned")
                except Error as e:
                    errors.append(str(e))
            t.m.wakeup(t.listener.id, "done")
        done = in_thread(attempt)
        while not t.got:
            try:
                t.m.poll(30000)
            except Error:
                pass
        poll_until(t.m, lambda: done)
        eq(len(errors), 6)
        assert all("thread" in e for e in errors), errors
        eq(len(t.m.connections), 1)


serve()
"""

CASES = [line[4:].split("(")[0] for line in SCRIPT.splitlines() if line.startswith("def case_")]


@pytest.mark.needs("threads")
@pytest.mark.parametrize("case", CASES)
def test_wakeup(shared, case):
    shared(SCRIPT, prompt=seconds(5)).case(case)
