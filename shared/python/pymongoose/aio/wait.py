# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""What the awaitable clients share: a connection whose events wake the tasks that wait for them."""

import sys
from asyncio import Event
from errno import ENOTCONN, ETIMEDOUT

from _pymongoose import _pause

from pymongoose import MG_EV_CLOSE, MG_EV_ERROR, Error
from pymongoose.aio.manager import drop, hold, running

MICROPYTHON = sys.implementation.name == "micropython"
# So much may wait to be sent when a send() returns, and to be taken when reading pauses.
HIGH = 2048 if sys.platform in ("rp2", "esp32") else 65536


def failure(number, text):
    """Error(text) with its errno."""
    if MICROPYTHON:
        return Error(text, number)
    e = Error(text)
    e.errno = number
    return e


class Opening:
    """What `await` gives, and `async with` closes again."""

    def __init__(self, start, *args):
        self._start = start
        self._args = args
        self._opened = None

    def __await__(self):
        return self._start(*self._args).__await__()

    async def __aenter__(self):
        self._opened = await self._start(*self._args)
        return self._opened

    async def __aexit__(self, kind, exc, traceback):
        if kind is None:
            await self._opened.close()
        else:
            self._opened.abort()


if MICROPYTHON:  # which awaits by iteration
    Opening.__iter__ = lambda self: self._start(*self._args)


class Waits:
    """A connection, held for tasks of the loop that opened it."""

    _what = "connection"

    def __init__(self):
        self._held = hold()
        self._conn = None
        self._changed = Event()
        self._error = None
        self._closed = False
        self._paused = False

    def __repr__(self):
        return "<%s %r>" % (type(self).__name__, self._conn)

    # A subclass hears the others; in the end it calls this one.
    def _event(self, conn, ev, data):
        if ev == MG_EV_ERROR:
            self._error = data
        elif ev == MG_EV_CLOSE:
            self._closed = True
            self._release()
        self._changed.set()

    async def _open(self, open, tls, seconds, ready, phase):
        """Opens a connection and waits until ready(); nothing is left if that fails."""
        try:
            self._conn = open(self._held)
            if tls is not None:
                self._conn.tls_init(tls)
            await self._until(lambda: ready() or self._closed, seconds, phase)
            if not ready():
                raise self._broken()
        except BaseException:
            self.abort()
            raise
        return self

    async def _until(self, done, seconds=None, phase=""):
        """Waits until done(), which an event brings about."""
        if self._held is not None:
            self._held._check_loop()
        late = []

        def is_late():
            late.append(1)
            self._changed.set()

        timer = None
        try:
            while not done():
                running()  # a coroutine that is driven by hand would crash MicroPython
                if late:
                    raise failure(ETIMEDOUT, "%s: timed out after %s s" % (phase, seconds))
                if seconds is not None and timer is None:
                    timer = self._held.timer_add(max(int(seconds * 1000), 1), is_late)
                self._changed.clear()
                await self._changed.wait()
        finally:
            if timer is not None:
                timer.cancel()

    def _broken(self):
        return failure(ENOTCONN, self._error or "%s is closed" % self._what)

    async def _drained(self, seconds=None):
        """Waits until what is queued is little."""
        conn = self._conn
        await self._until(lambda: self._closed or conn.send_len <= HIGH, seconds, "send")

    def _pause(self, on):
        if on != self._paused and not self._closed:
            self._paused = on
            _pause(self._conn, on)

    def _release(self):
        held, self._held = self._held, None
        if held is not None:
            drop(held)

    @property
    def closed(self):
        return self._closed

    @property
    def remote_addr(self):
        return self._conn.remote_addr

    @property
    def local_addr(self):
        return self._conn.local_addr

    def abort(self):
        """Closes at once; what is unsent is lost."""
        conn = self._conn
        if conn is not None and not self._closed:
            conn.close()
        self._closed = True
        self._changed.set()
        self._release()

    async def _end(self, seconds=None):
        """Waits for the end of a connection that is about to go."""
        try:
            await self._until(lambda: self._closed, seconds, "close")
        except BaseException:
            self.abort()
            raise

    async def __aenter__(self):
        return self

    async def __aexit__(self, kind, exc, traceback):
        if kind is None:
            await self.close()
        else:
            self.abort()
