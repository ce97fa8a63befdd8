# SPDX-License-Identifier: GPL-2.0-only
# The unix port's module, whose sleep() lets nothing run meanwhile: on a board callbacks of timers and
# pins do.
from utime import *
from utime import sleep as _sleep
from utime import sleep_ms as _sleep_ms
from utime import ticks_add, ticks_diff, ticks_ms

_SLICE_MS = 5


def sleep_ms(ms):
    end = ticks_add(ticks_ms(), int(ms))
    while True:
        left = ticks_diff(end, ticks_ms())
        if left <= _SLICE_MS:
            if left > 0:
                _sleep_ms(left)
            return
        _sleep_ms(_SLICE_MS)


def sleep(seconds):
    if seconds < 0.005:
        _sleep(seconds)
    else:
        sleep_ms(seconds * 1000)
