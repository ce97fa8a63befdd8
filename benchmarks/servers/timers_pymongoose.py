# SPDX-License-Identifier: GPL-2.0-only
# Runs on CPython and on MicroPython: timers that are moved, round after round, as deadlines are.
import sys

from pymongoose import Manager

count, rounds = int(sys.argv[1]), int(sys.argv[2])
with Manager() as manager:
    timers = [manager.timer_add(60_000 + i, print) for i in range(count)]
    for _ in range(rounds):
        for timer in timers:
            timer.restart(60_000)
