# SPDX-License-Identifier: GPL-2.0-only
"""Names of MicroPython's that CPython's own modules lack: put there for programs written for boards."""

import gc
import sys
import time
import traceback
import types

_PERIOD = 1 << 30  # ticks wrap here, as on boards


def install() -> None:
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    main.__dict__.pop("__spec__", None)
    time.sleep_ms = lambda ms: time.sleep(max(ms, 0) / 1000)
    time.sleep_us = lambda us: time.sleep(max(us, 0) / 1_000_000)
    time.ticks_ms = lambda: time.monotonic_ns() // 1_000_000 % _PERIOD
    time.ticks_us = lambda: time.monotonic_ns() // 1000 % _PERIOD
    time.ticks_cpu = time.ticks_us
    time.ticks_add = lambda ticks, delta: (ticks + delta) % _PERIOD
    time.ticks_diff = _ticks_diff
    gc.mem_alloc = lambda: 64 << 10
    gc.mem_free = lambda: 192 << 10
    sys.print_exception = _print_exception


def _ticks_diff(a: int, b: int) -> int:
    return ((a - b + _PERIOD // 2) % _PERIOD) - _PERIOD // 2


def _print_exception(e: BaseException, file: object = None) -> None:
    traceback.print_exception(type(e), e, e.__traceback__, file=file or sys.stdout)
