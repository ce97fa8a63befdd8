# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""AsyncManager: a Manager that asyncio's loop drives, with handlers that may be `async def`."""

import sys
from asyncio import CancelledError, Event, current_task

from _pymongoose import _coroutine_ended, _coroutine_failed, _pause

from pymongoose import (
    MG_EV_HTTP_HDRS,
    MG_EV_POLL,
    MG_EV_READ,
    MG_EV_WRITE,
    Error,
    Manager,
)

if sys.implementation.name == "micropython":
    from pymongoose.aio.loop_micropython import (
        Pump,
        at_end,
        inside,
        install,
        is_coroutine,
        running,
        show,
        step,
    )
else:
    from pymongoose.aio.loop_cpython import (
        Pump,
        at_end,
        inside,
        install,
        is_coroutine,
        running,
        show,
        step,
    )

__all__ = "AsyncManager", "CancelledError", "drop", "hold", "inside", "running"
_WAITING = 16  # events that may wait for their handler: then reading pauses
_open = []  # the AsyncManagers that are started


class AsyncManager:
    """A Manager for `async with`. `handler` and those of its connections may be `async def`.

    An async handler runs at once up to its first `await`, in a task of its own; the handlers of one
    connection run one after the other. `poll_interval` and `shutdown_timeout` are accepted, and
    nothing depends on them: no thread polls. `options` are those of Manager.
    """

    def __init__(
        self, handler=None, poll_interval=100, error_handler=None, shutdown_timeout=30, **options
    ):
        self._handler = handler
        self._error_handler = error_handler
        self._options = options
        self._manager = None
        self._pump = None
        self._tasks = {}  # those of handlers that have suspended, with their connection and event
        self._waiting = {}  # connection's id: events whose turn has not come
        self._users = 0
        self._calling = False  # what schedule() was given

    async def __aenter__(self):
        self._start()
        return self

    async def __aexit__(self, *exc):
        if self._pump is None:
            return
        self._check_loop()
        await self._end_tasks()
        self._stop()
        await self._end_tasks()  # those that MG_EV_CLOSE has begun

    def _start(self):
        if self._pump is not None:
            raise Error("this AsyncManager is started already: one loop drives it")
        pump = Pump()
        self._ended = Event()
        self._manager = pump.make(
            Manager, self._handler, error_handler=self._error_handler, **self._options
        )
        self._pump = pump
        install(self._manager, self)
        _open.append(self)

    def _stop(self):
        self._pump.close()
        _open.remove(self)
        self._pump = self._manager = None
        self._waiting = {}

    async def _end_tasks(self):
        me = current_task()
        for task, _, _ in list(self._tasks.values()):
            if task is not me:  # a handler that leaves its own Manager's `async with`
                task.cancel()
        while any(task is not me for task, _, _ in self._tasks.values()):
            self._ended.clear()
            await self._ended.wait()

    def _check_loop(self):
        if self._pump is None:
            raise Error("AsyncManager is not started: use it with `async with`")
        if running() is not self._pump.loop:
            raise Error("this AsyncManager belongs to another event loop")

    # What a Manager has

    @property
    def manager(self):
        """The Manager."""
        if self._manager is None:
            raise Error("AsyncManager is not started: use it with `async with`")
        return self._manager

    @property
    def running(self):
        return self._pump is not None

    def __getattr__(self, name):
        if name[0] == "_" or name in ("poll", "run", "close"):
            raise AttributeError("AsyncManager has no attribute " + name)
        return getattr(self.manager, name)

    def listen(self, url, handler=None, **options):
        return self.manager.listen(url, handler, **options)

    def connect(self, url, handler=None, **options):
        return self.manager.connect(url, handler, **options)

    def ws_connect(self, url, handler=None, **options):
        return self.manager.ws_connect(url, handler, **options)

    def mqtt_connect(self, url, handler=None, **options):
        return self.manager.mqtt_connect(url, handler, **options)

    def mqtt_listen(self, url, handler=None, **options):
        return self.manager.mqtt_listen(url, handler, **options)

    def sntp_connect(self, url, handler=None, **options):
        if url.startswith("sntp://"):  # as cymongoose takes it
            url = url[7:]
        return self.manager.sntp_connect(url, handler, **options)

    def modbus_listen(self, url, handler=None, **options):
        return self.manager.modbus_listen(url, handler, **options)

    def modbus_connect(self, url, handler=None, **options):
        return self.manager.modbus_connect(url, handler, **options)

    def mdns_listen(self, handler=None, **options):
        return self.manager.mdns_listen(handler, **options)

    def broadcast(self, data, op=1, **options):
        return self.manager.broadcast(data, op, **options)

    def wakeup(self, connection_id, data=b""):
        return self.manager.wakeup(connection_id, data)

    def timer_add(self, milliseconds, callback, **options):
        return self.manager.timer_add(milliseconds, callback, **options)

    def schedule(self, coro_or_callback):
        """Runs a coroutine or function soon; on CPython from any thread."""
        if self._pump is None:
            raise Error("AsyncManager is not started: use it with `async with`")
        self._pump.soon(lambda: self._scheduled(coro_or_callback))

    def _scheduled(self, coro):
        try:
            if not is_coroutine(coro):
                self._calling = True
                try:
                    coro = coro()
                finally:
                    self._calling = False
            if is_coroutine(coro):
                self._run(None, None, coro)
        except Exception as e:
            self._report(e)

    # Coroutines of handlers

    def _run(self, conn, ev, coro):
        """The binding has called a handler, which has returned a coroutine. True: it has suspended."""
        try:
            task = step(coro)
        except BaseException as e:
            if conn is not None:
                _coroutine_ended(conn, self._put_off(conn))
            elif isinstance(e, CancelledError):
                return False
            raise
        return self._started(conn, ev, task)

    def _started(self, conn, ev, task):
        """A handler's coroutine has made its first step: its Task; None, or what it raised: it ended.

        True: something goes on."""
        if task is None:
            return conn is not None and conn.id in self._waiting and self._drain(conn)
        if isinstance(task, BaseException):
            return self._put_off(conn)
        self._tasks[id(task)] = task, conn, ev
        at_end(task, self._task_ended)
        return True

    def _put_off(self, conn):
        """What a handler raised is reported ahead of events that came meanwhile: are there any?"""
        more = conn.id in self._waiting
        if more:
            self._pump.soon(lambda: self._next(conn))
        return more

    def _task_ended(self, task, exc):
        _, conn, ev = self._tasks.pop(id(task))
        self._ended.set()
        if exc is not None and not isinstance(exc, StopIteration):
            self._failed(conn, ev, exc)
        if conn is not None:
            self._next(conn)
        if self._pump is not None and not isinstance(exc, CancelledError):
            self._pump.flush()

    def _later(self, conn, ev, data):
        """An event of a connection whose coroutine has not ended."""
        queue = self._waiting.setdefault(conn.id, [])
        if ev in (
            MG_EV_READ,
            MG_EV_WRITE,
            MG_EV_POLL,
        ):  # however many there are, one call is enough
            for i in range(len(queue)):
                if queue[i][0] == ev:
                    queue[i] = ev, data if ev == MG_EV_POLL else queue[i][1] + data
                    return
        queue.append((ev, data))
        if len(queue) == _WAITING:
            _pause(conn, True)

    def _next(self, conn):
        if not self._waiting or not self._drain(conn):
            _coroutine_ended(conn, False)

    def _drain(self, conn):
        """Events that have waited, up to one whose handler suspends: True."""
        queue = self._waiting.get(conn.id, ())
        while queue:
            ev, data = queue.pop(0)
            if len(queue) == _WAITING // 2:
                _pause(conn, False)
            handler = conn.handler or self._handler
            try:
                coro = handler(conn, ev, data) if handler else None
                task = step(coro) if is_coroutine(coro) else None
            except Exception as e:
                self._failed(conn, ev, e)
                continue
            if task is not None:
                return self._started(conn, ev, task)
        self._waiting.pop(conn.id, None)
        return False

    def _failed(self, conn, ev, exc):
        reported = not isinstance(exc, CancelledError)
        queue = self._waiting.get(conn.id, ()) if conn is not None else ()
        # Unless it is the next request already that waits for an answer.
        if conn is not None and all(each[0] != MG_EV_HTTP_HDRS for each in queue):
            reported = _coroutine_failed(conn, ev, exc) and reported
        if reported:
            self._report(exc)

    def _report(self, exc):
        if self._error_handler is None:
            show(exc)
            return
        try:
            self._error_handler(exc)
        except Exception as second:
            show(exc)
            show(second)


def _here():
    """The AsyncManagers of this thread's loop."""
    if sys.implementation.name == "micropython":  # which has one loop
        return _open
    try:
        loop = running()
    except Error:  # a thread without a loop
        return []
    return [each for each in _open if each._pump.loop is loop]


def in_handler_task():
    """Is this a handler that has suspended, or what schedule() was given? For pymongoose.client."""
    mine = _here()
    if not inside():
        return any([each._calling for each in mine])
    task = id(current_task())
    return any([each._calling or task in each._tasks for each in mine])


def hold():
    """The AsyncManager of the loop that runs, for a while; one is made if there is none."""
    loop = running()
    for each in _open:
        if each._pump.loop is loop:
            break
    else:
        each = AsyncManager()
        each._start()
        each._users = 1  # what nobody entered ends with its last user
        return each
    if each._users:
        each._users += 1
    return each


def drop(held):
    """What hold() gave is not needed any more."""
    if held._users and held._pump is not None:
        if held._users == 1 and held._pump.polling:
            held._pump.after.append(lambda: drop(held))
            return
        held._users -= 1
        if held._users == 0:
            held._stop()
