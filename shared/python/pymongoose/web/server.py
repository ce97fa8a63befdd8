# SPDX-License-Identifier: GPL-2.0-only
"""App.run()."""

import os
import sys

from pymongoose import Error, Manager

_BOARD = sys.platform in ("rp2", "esp32")


def url_of(host, port, tls):
    """The URL to listen on: all of a board's addresses, at a desk its own alone."""
    if host is None:
        host = "0.0.0.0" if _BOARD else "127.0.0.1"
    if ":" in host and host[0] != "[":
        host = "[" + host + "]"
    return "%s://%s:%d" % ("https" if tls else "http", host, port)


def listen(app, manager, url, tls, **more):
    """Has the app answer at a URL; says so."""
    listener = manager.listen(url, app._handle, events=app._events(), **more)
    if tls:
        listener.tls_init(tls)
    app._attached += (listener,)
    host, port, _ = listener.local_addr
    print(
        "Serving on %s://%s:%d (Ctrl-C ends it)"
        % (url[: url.find(":")], "[%s]" % host if ":" in host else host, port)
    )
    if hasattr(sys.stdout, "flush"):  # what comes of a pipe is read by somebody who waits for it
        sys.stdout.flush()
    return listener


def run(app, host, port, tls, workers, manager, aio):
    """Serves until Ctrl-C."""
    url = url_of(host, port, tls)
    aio = app._async() if aio is None else aio
    if aio and manager is not None:
        raise ValueError("asyncio polls a Manager by itself: attach() the App to an AsyncManager")
    if workers != 1:
        if workers < 1:
            raise ValueError("workers is 1 or more, not %d" % workers)
        if manager is not None:
            raise ValueError("workers have managers of their own")
        _fork(lambda **more: _serve(app, url, tls, None, aio, more), workers)
    else:
        _serve(app, url, tls, manager, aio, {})


def _serve(app, url, tls, manager, aio, more):
    if aio:
        import asyncio

        from pymongoose.aio.manager import inside
        from pymongoose.web.tasks import serve

        if inside():
            raise Error("app.run() has a loop of its own: await app.serve() in a coroutine")
        try:
            asyncio.run(serve(app, url, tls, **more))
        except KeyboardInterrupt:
            if hasattr(asyncio, "core"):
                _abandon(app, asyncio)
        return
    with manager or Manager() as manager:
        listener = listen(app, manager, url, tls, **more)
        try:
            manager.run()
        finally:
            app._forget(listener)


def _abandon(app, asyncio):
    # In MicroPython's loop tasks stay as they were, never to go on; what they hold must not.
    runner, app._runner = app._runner, None
    if runner is not None and runner.manager.running:
        runner.manager._stop()
    app._forget()
    asyncio.core.cur_task = None
    asyncio.new_event_loop()


def _fork(serve, workers):
    if not hasattr(os, "fork"):
        raise Error("workers need fork(), which this Python does not have")
    import signal

    def ended(number, frame):
        raise SystemExit(128 + number)

    children = []
    sys.stdout.flush()
    # Workers would outlive what has died of it, and keep the port.
    before = signal.signal(signal.SIGTERM, ended)
    try:
        for i in range(workers):
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    signal.signal(signal.SIGTERM, signal.SIG_DFL)
                    signal.signal(signal.SIGINT, signal.SIG_IGN)
                    if i:
                        sys.stdout = open(os.devnull, "w")  # one says where
                    serve(reuse_port=True)
                    status = 0
                except BaseException:
                    sys.excepthook(*sys.exc_info())
                finally:
                    os._exit(status)
            children.append(pid)
        pid = 0
        while pid not in children:
            pid, status = os.wait()
        children.remove(pid)
        if status:
            raise Error("a worker has failed")
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)
        for pid in children:
            try:
                os.kill(pid, signal.SIGTERM)
                os.waitpid(pid, 0)
            except OSError:
                pass
