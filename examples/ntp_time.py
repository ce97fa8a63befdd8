# SPDX-License-Identifier: GPL-2.0-only
"""What a time server says: ntp_time.py [SERVER[:PORT]]. On a board the clock is set by it."""

import sys
import time

from pymongoose import MG_EV_CLOSE, MG_EV_ERROR, MG_EV_SNTP_TIME, Manager


def set_clock(seconds):
    try:
        from machine import RTC
    except ImportError:
        return  # no board: somebody else sets the clock
    year, month, day, hour, minute, second, weekday, _ = time.gmtime(seconds)
    RTC().datetime((year, month, day, weekday, hour, minute, second, 0))


def handler(conn, ev, data):
    if ev == MG_EV_SNTP_TIME:
        seconds = data // 1000  # integers: a board's float is too short for them
        if time.gmtime(0)[0] == 2000:
            seconds -= 946684800
        set_clock(seconds)
        told.append(seconds)
        print("%d-%02d-%02d %02d:%02d:%02d UTC" % tuple(time.gmtime(seconds)[:6]))
    elif ev == MG_EV_ERROR:
        print(data)
    elif ev == MG_EV_CLOSE:
        done.append(conn)


told, done = [], []
with Manager(handler, events=(MG_EV_SNTP_TIME, MG_EV_ERROR, MG_EV_CLOSE)) as manager:
    manager.sntp_connect(sys.argv[1] if len(sys.argv) > 1 else "pool.ntp.org")
    while not done:
        manager.poll(1000)
sys.exit(0 if told else 1)
