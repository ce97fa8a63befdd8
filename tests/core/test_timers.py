# SPDX-License-Identifier: GPL-2.0-only
"""Timers: when they fire, how they end, what keeps them."""

import re

import pytest

SCRIPT = r"""
def run(m, ms):
    start = ticks_ms()
    while ticks_diff(ticks_ms(), start) < ms:
        m.poll(5)


def case_one_shot():
    fired = []
    with Manager() as m:
        start = ticks_ms()
        timer = m.timer_add(50, lambda: fired.append(ticks_diff(ticks_ms(), start)))
        eq(timer.active, True)
        poll_until(m, lambda: fired)
        eq(timer.active, False)
        run(m, 120)
        eq(len(fired), 1)
        assert 49 <= fired[0], "early: %d ms" % fired[0]


def case_repeat():
    fired = []
    with Manager() as m:
        start = ticks_ms()
        timer = m.timer_add(20, lambda: fired.append(ticks_diff(ticks_ms(), start)), repeat=True)
        poll_until(m, lambda: len(fired) == 5)
        eq(timer.active, True)
        timer.cancel()
        eq(timer.active, False)
        run(m, 60)
        eq(len(fired), 5)
        assert fired[0] >= 19, fired
        assert fired[4] >= 98, fired


def case_no_drift():
    # Late turns of the loop do not push the later ones back. A busy machine may be so late that
    # turns are left out, but not each time.
    for attempt in range(20):
        fired = []
        with Manager() as m:
            start = ticks_ms()
            m.timer_add(20, lambda: (fired.append(ticks_diff(ticks_ms(), start)), time.sleep(0.008)), repeat=True)
            while len(fired) < 20:
                m.poll(100)
        late = [t - 20 * (n + 1) for n, t in enumerate(fired)]
        # 20 turns of 8 ms would be 160 ms late in sum.
        if min(late[10:]) < 50:
            return
    raise AssertionError(late)


def case_a_late_loop_does_not_catch_up_in_a_burst():
    fired = []
    with Manager() as m:
        m.timer_add(10, lambda: fired.append(1), repeat=True)
        time.sleep(0.2)
        m.poll(0)
        assert 1 <= len(fired) <= 3, fired


def soon(prepare):
    # What the loop knew of the time before a pause does not keep a timer waiting. A busy machine may
    # be late, but not each time.
    for attempt in range(10):
        fired = []
        with Manager() as m:
            add = prepare(m, lambda: fired.append(1))
            time.sleep(PARAMS["pause"] / 1000)
            start = ticks_ms()
            if add:
                add()
            while not fired:
                m.poll(240)
            late = ticks_diff(ticks_ms(), start)
        if late < 150:
            return
    raise AssertionError("%d ms late" % late)


def case_soon_after_a_pause():
    soon(lambda m, f: lambda: m.timer_add(10, f))


def case_soon_after_a_turn_with_work_and_a_pause():
    def prepare(m, f):
        done = []
        m.timer_add(0, lambda: done.append(1))
        again = m.timer_add(100000, f)
        poll_until(m, lambda: done)
        return lambda: again.restart(10)

    soon(prepare)


def case_due_in_a_pause():
    def prepare(m, f):
        m.timer_add(PARAMS["pause"] - 100, f)
        m.poll(0)

    soon(prepare)


def case_run_now():
    fired = []
    with Manager() as m:
        start = ticks_ms()
        m.timer_add(60, lambda: fired.append(ticks_diff(ticks_ms(), start)), repeat=True, run_now=True)
        eq(fired, [])
        m.poll(0)
        eq(len(fired), 1)
        poll_until(m, lambda: len(fired) == 2)
        assert fired[1] >= 59, fired


def case_run_now_once():
    fired = []
    with Manager() as m:
        timer = m.timer_add(10, lambda: fired.append(1), run_now=True)
        m.poll(0)
        eq(len(fired), 1)
        run(m, 40)
        eq((len(fired), timer.active), (1, False))


def case_zero_milliseconds():
    fired = []
    with Manager() as m:
        m.timer_add(0, lambda: fired.append(1))
        eq(fired, [])
        poll_until(m, lambda: fired)


def case_zero_milliseconds_repeated():
    # Once a turn: the loop still gets to everything else.
    fired = []
    with Manager() as m:
        m.timer_add(0, lambda: fired.append(1), repeat=True)
        got = []
        listener = m.listen(url("tcp"), lambda c, ev, d: got.append(ev) if ev == MG_EV_ACCEPT else None)
        m.connect(url("tcp", port_of(listener)))
        poll_until(m, lambda: got)
        assert fired


def case_order():
    fired = []
    with Manager() as m:
        timers, took = [], 10
        while took >= 10:  # what was added later is due later
            for timer in timers:
                timer.cancel()
            start = ticks_ms()
            timers = [m.timer_add(ms, lambda ms=ms: fired.append(ms)) for ms in (30, 10, 20, 0, 10)]
            took = ticks_diff(ticks_ms(), start)
        time.sleep(0.05)
        m.poll(0)
        poll_until(m, lambda: len(fired) == 5)
        eq(fired, [0, 10, 10, 20, 30])


def case_same_time_in_order_of_adding():
    fired = []
    with Manager() as m:
        for n in range(50):
            m.timer_add(5, lambda n=n: fired.append(n))
        time.sleep(0.02)
        poll_until(m, lambda: len(fired) == 50)
        eq(sorted(fired), list(range(50)))


def case_cancel_before():
    fired = []
    with Manager() as m:
        timer = m.timer_add(10, lambda: fired.append(1))
        timer.cancel()
        timer.cancel()
        run(m, 40)
        eq((fired, timer.active), ([], False))
        eq(live()[2], 0)


def case_restart_moves_a_timer():
    fired = []
    with Manager() as m:
        timer = m.timer_add(20, lambda: fired.append(ticks_ms()))
        start = ticks_ms()
        timer.restart(60000)
        run(m, 60)
        eq((fired, timer.active, live()[2]), ([], True, 1))
        timer.restart(ms=5)
        poll_until(m, lambda: fired)
        eq(timer.active, False)
        for _ in range(3):
            del fired[:]
            timer.restart()
            eq((timer.active, live()[2]), (True, 1))
            poll_until(m, lambda: fired)
        eq(live()[2], 0)
        timer.restart(0)
        timer.cancel()
        eq((timer.active, live()[2]), (False, 0))
        timer.restart(1)
        del fired[:]
        poll_until(m, lambda: fired)
        for wrong, error in ((-1, ValueError), ("x", TypeError), (1.5, TypeError)):
            raises(error, timer.restart, wrong)
    raises(Error, timer.restart, text="closed")


def case_restart_keeps_repeat():
    fired = []
    with Manager() as m:
        timer = m.timer_add(60000, lambda: fired.append(1), repeat=True)
        timer.restart(3)
        poll_until(m, lambda: len(fired) >= 3)
        timer.cancel()
        del fired[:]
        timer.restart()
        poll_until(m, lambda: len(fired) >= 3)
        eq(timer.active, True)


def case_restart_inside_its_own_callback():
    fired = []
    timers = []
    def again():
        fired.append(timers[0].active)
        if len(fired) == 2:
            timers[0].cancel()
            timers[0].cancel()
        if len(fired) < 4:
            timers[0].restart(2)
            eq((timers[0].active, live()[2]), (True, 1))
        if len(fired) == 3:
            timers[0].cancel()
    with Manager() as m:
        timers.append(m.timer_add(1, again))
        poll_until(m, lambda: len(fired) == 3)
        m.poll(0)
        eq((fired, timers[0].active, live()[2]), ([False] * 3, False, 0))
        timers[0].restart()
        poll_until(m, lambda: len(fired) == 4)
        run(m, 20)
        eq((len(fired), live()[2]), (4, 0))


def case_restart_a_timer_that_the_program_let_go():
    # Its callback is all that holds it, then nothing does.
    fired = []
    with Manager() as m:
        def start():
            box = []
            def call():
                fired.append(1)
                if len(fired) < 3:
                    box[0].restart()
            box.append(m.timer_add(1, call))
        start()
        gc.collect()
        poll_until(m, lambda: len(fired) == 3)
        m.poll(0)
        gc.collect()
        eq(live()[2], 0)


def case_cancel_inside_its_own_callback():
    fired = []
    with Manager() as m:
        def tick():
            fired.append(1)
            timer.cancel()
            eq(timer.active, False)
            gc.collect()
        timer = m.timer_add(5, tick, repeat=True)
        run(m, 60)
        eq(len(fired), 1)
        eq(live()[2], 0)


def case_cancel_others_that_are_due():
    fired = []
    with Manager() as m:
        def tick(n):
            fired.append(n)
            for other in timers:
                other.cancel()
        timers = [m.timer_add(5, lambda n=n: tick(n), repeat=True) for n in range(20)]
        time.sleep(0.03)
        run(m, 40)
        eq(len(fired), 1)
        eq(live()[2], 0)


def case_add_inside_a_callback():
    fired = []
    with Manager() as m:
        def again():
            fired.append(1)
            if len(fired) < 10:
                m.timer_add(1, again)
        m.timer_add(1, again)
        poll_until(m, lambda: len(fired) == 10)


def case_exception_ends_nothing():
    fired = []
    told = []
    with Manager(error_handler=lambda e: told.append(str(e))) as m:
        def tick():
            fired.append(1)
            raise ValueError("tick")
        timer = m.timer_add(5, tick, repeat=True)
        poll_until(m, lambda: len(fired) == 3)
        eq(timer.active, True)
        eq(told, ["tick"] * 3)


def case_a_thousand():
    count = PARAMS["thousand"]
    fired = bytearray(count)

    def fire(n):
        fired[n] += 1

    with Manager() as m:
        timers = [m.timer_add(1 + n * 7 % 50, lambda n=n: fire(n)) for n in range(count)]
        for n in range(0, count, 3):
            timers[n].cancel()
        eq(live()[2], count - (count + 2) // 3)
        poll_until(m, lambda: live()[2] == 0)
        eq([n for n in range(count) if fired[n] != (n % 3 != 0)], [])


def case_dropped_timer_goes_on():
    fired = []
    with Manager() as m:
        m.timer_add(5, lambda: fired.append(1), repeat=True)
        gc.collect()
        poll_until(m, lambda: len(fired) == 3)
        gc.collect()
        poll_until(m, lambda: len(fired) == 6)


def case_close_of_the_manager_ends_all():
    m = Manager()
    timers = [m.timer_add(5, lambda: None, repeat=True) for _ in range(10)]
    m.close()
    eq([t.active for t in timers], [False] * 10)
    eq(live(), (0, 0, 0, 0))
    for t in timers:
        t.cancel()


def case_a_wait_ends_when_a_timer_is_due():
    fired = []
    with Manager() as m:
        m.timer_add(30, lambda: fired.append(1))
        start = ticks_ms()
        while not fired:
            m.poll(60000)
        took = ticks_diff(ticks_ms(), start)
        assert took < 5000, took


def case_far_away():
    with Manager() as m:
        timers = [m.timer_add(ms, lambda: None) for ms in (2**31, 2**32, 2**40, 2**53)]
        run(m, 10)
        eq([t.active for t in timers], [True] * 4)


def case_callback_gets_no_arguments_and_may_return_anything():
    got = []
    with Manager() as m:
        m.timer_add(1, lambda *args: got.append(args) or True)
        poll_until(m, lambda: got)
        eq(got, [()])


serve()
"""

CASES = re.findall(r"^def (case_\w+)", SCRIPT, re.MULTILINE)


@pytest.mark.parametrize("case", CASES)
def test_timer(shared, target, case):
    shared(SCRIPT, thousand=target.size(1000, 300), pause=target.size(1400, 200)).case(case)
