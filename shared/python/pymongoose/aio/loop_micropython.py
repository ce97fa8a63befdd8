# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""MicroPython's event loop: there is one."""

import sys
from asyncio import core
from time import ticks_add, ticks_diff, ticks_ms

from _pymongoose import _run_coroutines

from pymongoose import Error

_poller = (
    None  # the task that polls a Manager: whose handlers run in it, and may not wait in its name
)
_FAR = 1 << 28  # milliseconds; ticks reach twice as far


def is_coroutine(x):
    return hasattr(x, "send")


def running():
    """What tells one event loop from another: new_event_loop() begins with an empty queue."""
    task = core.cur_task
    if task is None or task is _poller:
        raise Error("no event loop runs here: this is for the inside of a coroutine")
    return core._task_queue


def inside():
    """Does a task run? What Ctrl-C has ended stays the current one, which tells nothing."""
    task = core.cur_task
    if task is None:
        return False
    try:
        task.coro.pend_throw(None)
    except ValueError:  # it is executing
        return True
    return False


def show(exc):
    sys.print_exception(exc, sys.stderr)


def step(coro):
    """Runs a coroutine up to where it suspends. The Task that goes on with it, or None: it ended."""
    task = core.Task(coro)
    before = core.cur_task
    core.cur_task = task
    try:
        coro.send(None)
        return task
    except StopIteration as e:
        task.state = False
        task.data = e
        return None
    except BaseException as e:
        task.state = False
        task.data = e
        raise
    finally:
        core.cur_task = before


def at_end(task, ended):
    """Has ended(task, exception) called when the task ends; StopIteration is none."""
    task.state = ended


def install(manager, owner):
    """The binding itself takes the first step of a handler's coroutine."""
    _run_coroutines(manager, core, owner._started, owner._later)


class Pump:
    """Polls a Manager when the loop finds that there is something to do, and only then."""

    def __init__(self):
        self.loop = running()
        self.polling = False
        self.after = []  # calls for the end of the poll that runs
        self._manager = None

    def make(self, cls, *args, **options):
        self._manager = cls(*args, **options)
        self._reader = core.create_task(self._read())
        self._ticker = core.create_task(self._tick())
        self._queued = True  # is the ticker, and until then
        self._when = ticks_ms()
        return self._manager

    def _read(self):
        while self._manager is not None:
            yield core._io_queue.queue_read(self._manager)
            self._poll()
            self._arm()

    def _arm(self):
        if self._manager is not None:
            when = self._next()
            if ticks_diff(self._when, when) > 0:
                self.loop.remove(self._ticker)
                self._sleep(when)

    def flush(self):
        """A task has ended, of a handler: what it has sent goes out without a turn of the loop between."""
        manager = self._manager
        if manager is not None and not self.polling and manager.next_timeout() == 0:
            self._poll()
            if self._queued:  # otherwise it is the ticker's turn anyway
                self._arm()

    def _tick(self):
        while True:
            self._queued = False
            self._poll()
            if self._manager is None:
                return
            self._sleep(self._next())
            yield

    def _poll(self):
        if self._manager is None:
            return
        global _poller
        self.polling = True
        before, _poller = _poller, core.cur_task
        try:
            self._manager.poll(0)
        finally:
            _poller = before
            self.polling = False
            while self.after:
                self.after.pop()()

    def _next(self):
        ms = self._manager.next_timeout()
        return ticks_add(ticks_ms(), _FAR if ms is None or ms > _FAR else ms)

    def _sleep(self, when):
        self._when = when
        self._queued = True
        self.loop.push(self._ticker, when)

    def soon(self, function):
        async def call():
            function()

        core.create_task(call())

    def close(self):
        manager = self._manager
        if manager is not None:
            manager.close()
            self._manager = None
            # The ticker waits in the queue, or runs. The reader waits for the Manager, or its turn comes.
            if self._queued:
                self._queued = False
                self.loop.remove(self._ticker)
            core._io_queue.remove(self._reader)
