# SPDX-License-Identifier: GPL-2.0-only
"""What differs between the two Pythons, and the command line."""

import gc
import sys
import time

if hasattr(time, "ticks_ms"):
    milliseconds, difference = time.ticks_ms, time.ticks_diff
else:

    def milliseconds():
        return int(time.monotonic() * 1000)

    def difference(a, b):
        return a - b


def memory_used():
    """Bytes: MicroPython's heap in use, or the memory of the CPython process (Linux)."""
    if hasattr(gc, "mem_alloc"):
        return gc.mem_alloc()
    try:
        with open("/proc/self/statm") as f:
            return int(f.read().split()[1]) * 4096
    except OSError:
        return 0


def room_for(wanted, size):
    """How many of so many bytes each to keep: fewer where memory is short."""
    return min(wanted, gc.mem_free() // size) if hasattr(gc, "mem_free") else wanted


def python():
    implementation = sys.implementation
    name = {"cpython": "CPython", "micropython": "MicroPython"}[implementation.name]
    return name + " " + ".".join(str(n) for n in tuple(implementation.version)[:3])


USAGE = """\
usage: dashboard.py [PORT] [--host ADDRESS] [--page FOLDER]

Serves a live page for a simulated heater, until Ctrl-C.

  PORT            the port to serve on (8000); 0 takes a free one
  --host ADDRESS  the address to serve on (127.0.0.1: this machine alone)
  --page FOLDER   the page's files; `make demo` lays them, compressed and with
                  uPlot, which draws the curve, into build/demo/page"""


def arguments(argv, page):
    """(host, port, page) of the command line, or an exit."""
    host, port = "127.0.0.1", 8000
    words = list(argv)
    while words:
        word = words.pop(0)
        if word in ("-h", "--help"):
            print(USAGE)
            sys.exit(0)
        elif word == "--host" and words:
            host = words.pop(0)
        elif word == "--page" and words:
            page = words.pop(0)
        elif word.isdigit() and int(word) < 65536:
            port = int(word)
        else:
            fail("cannot make sense of %s: try --help" % word, 2)
    return host, port, page


def exists(path):
    try:
        open(path).close()
        return True
    except OSError:
        return False


def fail(text, status=1):
    print("dashboard:", text, file=sys.stderr)
    sys.exit(status)
