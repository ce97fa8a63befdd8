# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""CPython's event loops, asyncio's own and others with its interface (uvloop)."""

import asyncio
import sys
import traceback
from asyncio import CancelledError, Task, get_running_loop

from _pymongoose import _run_coroutines

from pymongoose import Error


def is_coroutine(x):
    return asyncio.iscoroutine(x)


def running():
    """What tells one event loop from another."""
    try:
        return get_running_loop()
    except RuntimeError:
        raise Error("no event loop runs here: this is for the inside of a coroutine") from None


def inside():
    """Does a task run?"""
    return asyncio._get_running_loop() is not None


def show(exc):
    traceback.print_exception(type(exc), exc, exc.__traceback__, file=sys.stderr)


if sys.version_info >= (3, 12):

    def step(coro):
        """Runs a coroutine up to where it suspends. The Task that goes on with it, or None: it ended."""
        task = Task(coro, loop=get_running_loop(), eager_start=True)
        if not task.done():
            return task
        task.result()
        return None

else:

    def step(coro):
        return Task(coro, loop=get_running_loop())


def at_end(task, ended):
    """Has ended(task, exception or None) called when the task ends."""

    def done(task):
        if task.cancelled():
            ended(task, CancelledError())
        else:
            ended(task, task.exception())

    task.add_done_callback(done)


def install(manager, owner):
    _run_coroutines(manager, owner._run, owner._later)


class Pump:
    """Polls a Manager when the loop finds that there is something to do, and only then."""

    def __init__(self):
        self.loop = running()
        self.polling = False
        self.after = []  # calls for the end of the poll that runs
        self._manager = None
        self._timer = None
        self._when = 0.0
        self._masks = {}

    def make(self, cls, *args, **options):
        self._manager = cls(*args, watch=self._watch, **options)
        return self._manager

    def _watch(self, fd, mask):
        before = self._masks.pop(fd, 0)
        if mask:
            self._masks[fd] = mask
        if mask & 1 and not before & 1:
            self.loop.add_reader(fd, self._ready)
        elif before & 1 and not mask & 1:
            self.loop.remove_reader(fd)
        if mask & 2 and not before & 2:
            self.loop.add_writer(fd, self._ready)
        elif before & 2 and not mask & 2:
            self.loop.remove_writer(fd)

    def _ready(self):
        manager = self._manager
        if manager is None:
            return
        self.polling = True
        try:
            manager.poll(0)
        finally:
            self.polling = False
            while self.after:
                self.after.pop()()
            self._arm()

    def _arm(self):
        # A timer that is there already may come too early: it then looks again.
        if self._manager is None:
            return
        ms = self._manager.next_timeout()
        if ms is None:
            return
        when = self.loop.time() + ms / 1000
        if self._timer is not None:
            if self._when <= when:
                return
            self._timer.cancel()
        self._when = when
        self._timer = self.loop.call_at(when, self._tick)

    def flush(self):
        """A task has ended, of a handler: what it has sent goes out without a turn of the loop between."""
        manager = self._manager
        if manager is not None and not self.polling and manager.next_timeout() == 0:
            self._ready()

    def _tick(self):
        self._timer = None
        self._ready()

    def soon(self, function):
        """From any thread."""
        self.loop.call_soon_threadsafe(function)

    def close(self):
        if self._manager is not None:
            self._manager.close()
            self._manager = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
