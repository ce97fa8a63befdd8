# SPDX-License-Identifier: GPL-2.0-only
# Runs on CPython and on MicroPython. The handler says what it hears of; with "all" behind the port it
# gets every event but MG_EV_POLL.
import sys

from pymongoose import MG_EV_HTTP_MSG, Manager


def handler(conn, ev, data):
    if ev == MG_EV_HTTP_MSG:
        conn.reply(200, b"Hello, world!\n")


# On a busy machine it takes minutes to open 10,000 connections, which are to stay.
manager = Manager(
    handler, events=None if "all" in sys.argv else (MG_EV_HTTP_MSG,), idle_timeout=3_600_000
)
manager.listen("http://127.0.0.1:" + sys.argv[1])
manager.run()
