# SPDX-License-Identifier: GPL-2.0-only
# What stands before every device script: this text, then the script, then `_finish()`, in one
# namespace. In the subset that both Pythons run. TARGET, HOST, PEER, PARAMS are set ahead of it.
import gc
import select
import sys
import time

import pymongoose
from pymongoose import *  # noqa: F403

MICROPYTHON = sys.implementation.name == "micropython"

try:
    from time import ticks_diff, ticks_ms
except ImportError:

    def ticks_ms():
        return int(time.monotonic() * 1000)

    def ticks_diff(a, b):
        return a - b


# ---- Talking to the host: lines out by print(), commands in by standard input -----------------

# Unbuffered, so that what was not read yet is seen by poll().
_stdin = getattr(getattr(sys.stdin, "buffer", None), "raw", None) or sys.stdin
_poller = select.poll()
_poller.register(sys.stdin, select.POLLIN)
_managers = []
_standing = []


def error_text(e):
    """The traceback of an exception, as both Pythons print it."""
    if MICROPYTHON:
        import io

        out = io.StringIO()
        sys.print_exception(e, out)
        return out.getvalue()
    import traceback

    return "".join(traceback.format_exception(e))


def _command():
    """Runs one command of the host; False when the script should go on."""
    line = _stdin.readline()
    if isinstance(line, bytes):
        line = line.decode()
    verb, _, rest = line.rstrip("\n").partition(" ")
    if verb in ("", "stop"):
        return False
    try:
        if verb == "eval":
            print("ANSWER " + repr(eval(eval(rest), globals())))
        else:
            exec(eval(rest), globals())
            print("ANSWER None")
    except Exception as e:
        print("RAISED " + repr(error_text(e)))
    return True


def serve(*managers):
    """Polls the managers and obeys the host until it says stop."""
    global _managers, _standing
    _managers = managers
    _standing = [c.id for m in managers for c in m.connections]
    print("SERVING")
    while True:
        for m in managers:
            m.poll(2)
        if _poller.poll(0 if managers else 1000):
            for m in managers:
                m.poll(0)  # what came ahead of the command
            if not _command():
                return


def until(expression, ms):
    """Polls until the expression is true; returns its value."""
    start = ticks_ms()
    while True:
        value = eval(expression, globals())
        if value:
            return value
        if ticks_diff(ticks_ms(), start) > ms:
            raise AssertionError("not true within %d ms: %s" % (ms, expression))
        for m in _managers:
            m.poll(2)


def settle(ms=5000):
    """Polls until nothing but what stood at the start of serve() is left; returns what is."""
    start = ticks_ms()
    while True:
        left = [c for m in _managers for c in m.connections if c.id not in _standing]
        if not left or ticks_diff(ticks_ms(), start) > ms:
            break
        for m in _managers:
            m.poll(5)
    if MICROPYTHON:
        # The names in the host's commands stay for ever, and would come to lie behind garbage, all
        # over a board's heap: then no large piece of it is left.
        gc.collect()
    managers, connections, timers, blocks = live()
    extra = (managers - len(_managers), connections - len(_standing))
    return [(c.id, c.local_addr, c.remote_addr, c.is_closing) for c in left], extra


def live():
    """Live objects of the library: (managers, connections, timers, blocks)."""
    count = live_objects()
    return tuple(count[kind] for kind in ("managers", "connections", "timers", "blocks"))


def turns(m, ms):
    """How often poll(100) returns in so many milliseconds: about ms / 100, unless it spins."""
    start, n = ticks_ms(), 0
    while ticks_diff(ticks_ms(), start) < ms:
        m.poll(100)
        n += 1
    return n


# ---- Checks ------------------------------------------------------------------------------------


def eq(got, want, what=""):
    if got != want:
        raise AssertionError("%s: got %r, wanted %r" % (what or "value", got, want))


def raises(kind, fn, *args, text="", **kwargs):
    """Calls fn, which must raise `kind` with `text` in its message; returns the exception."""
    try:
        result = fn(*args, **kwargs)
    except BaseException as e:
        if not isinstance(e, kind):
            raise AssertionError("raised %r, wanted %s" % (e, kind.__name__)) from e
        if text.lower() not in str(e).lower():
            raise AssertionError("message is %r, wanted %r in it" % (str(e), text)) from e
        return e
    raise AssertionError("returned %r, wanted %s" % (result, kind.__name__))


def poll_until(m, condition, ms=15000, what="condition"):
    """Polls until condition() is true."""
    start = ticks_ms()
    while not condition():
        if ticks_diff(ticks_ms(), start) > ms:
            raise AssertionError(what + " did not come true in %d ms" % ms)
        m.poll(5)


def names(events):
    """Names of event numbers, without their prefix."""
    return [event_name(ev)[6:] for ev in events]


def url(scheme, port=0, path=""):
    return "%s://%s:%d%s" % (scheme, HOST, port, path)


def peer(scheme, port, path=""):
    """Where the host's own server is, seen from here."""
    return "%s://%s:%d%s" % (scheme, PEER, port, path)


def port_of(conn):
    return conn.local_addr[1]


def announce(name, conn):
    print(name, port_of(conn))


def get(path="/", host="device", headers="", method="GET", body=""):
    """A whole HTTP request as text."""
    if body:
        headers += "Content-Length: %d\r\n" % len(body)
    return "%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n%s" % (method, path, host, headers, body)


def set_clock(now):
    """A board's clock starts in the past; `now` is in seconds since 1970."""
    try:
        from machine import RTC
    except ImportError:
        return
    epoch = 946684800 if time.gmtime(0)[0] == 2000 else 0
    t = time.gmtime(now - epoch)
    RTC().datetime(t[:3] + (t[6],) + t[3:6] + (0,))


# ---- The end -------------------------------------------------------------------------------------


def _finish():
    for name, value in list(globals().items()):
        if isinstance(value, Manager):
            value.close()
        elif isinstance(value, TlsOpts):
            if MICROPYTHON:  # its collector may take an old number on the stack for a pointer
                value.__del__()
            del globals()[name]
    value = None
    gc.collect()
    print("LIVE %d %d %d %d" % live())
