# SPDX-License-Identifier: GPL-2.0-only
"""MicroPython's module `micropython`, as far as programs for boards want it on CPython."""

import collections
import signal
import sys
import threading

_DEPTH = 8  # as on boards
_queue = collections.deque()
_busy = False


def const(value):
    return value


def _plain(function):
    return function


native = viper = bytecode = _plain


def schedule(function, argument):
    """Runs function(argument) soon, in the main thread, between two steps of what it does."""
    if len(_queue) >= _DEPTH:
        raise RuntimeError("schedule queue full")
    _queue.append((function, argument))
    signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR2)


def _run(*_):
    global _busy
    if _busy:
        return
    _busy = True
    try:
        while _queue:
            function, argument = _queue.popleft()
            try:
                function(argument)
            except Exception as e:
                sys.print_exception(e)
    finally:
        _busy = False


signal.signal(signal.SIGUSR2, _run)


def alloc_emergency_exception_buf(size):
    pass


def kbd_intr(character):
    pass


def opt_level(level=None):
    return 0 if level is None else None


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    raise NotImplementedError(f"micropython.{name} is not there on a desk")
