# SPDX-License-Identifier: GPL-2.0-only
"""A live page for a heater under control, from CPython or MicroPython: the server.

    dashboard.py [PORT] [--host ADDRESS] [--page FOLDER] [--help]

Its parts are in the folder dashboard/ beside it: heater.py is the model (on a board, read a sensor
there), settings.py what a client may change, system.py the command line and what differs between
the two Pythons, page/ what the browser gets. What each path shows:

    /                the page
    /ws              WebSocket: the readings so far, then each new one
    /events          server-sent events: the same readings, and the state of the program
    /api/settings    GET, or POST {"target": 60, "interval_ms": 250} or {"window": true} or
                     {"program": true}
    /readings.csv    all readings that are kept, as a download
"""

import errno
import json
import random
import sys

from dashboard import settings, system
from dashboard.heater import Heater, program
from pymongoose import (
    MG_EV_CLOSE,
    MG_EV_HTTP_MSG,
    MG_EV_WS_OPEN,
    Error,
    Manager,
    __version__,
)

HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
PART = 50  # readings in a message or chunk
SLOW_CLIENT = 65536  # bytes unsent: it misses readings until it has caught up
# Nothing of the page comes from elsewhere, and the browser holds us to it.
PAGE_HEADERS = "Content-Security-Policy: default-src 'self'\r\nX-Content-Type-Options: nosniff\r\n"
CSV_HEADERS = {
    "Content-Type": "text/csv; charset=utf-8",
    "Content-Disposition": 'attachment; filename="readings.csv"',
    "Transfer-Encoding": "chunked",
}


class Dashboard:
    def __init__(self, page):
        self.page = page
        self.settings = settings.first()
        self.heater = Heater()
        # [milliseconds, temperature, target, percent of power, window is open]; a board makes
        # room for all of them at once
        self.keep = system.room_for(600, 400)
        self.readings = [None] * (self.keep + 1)
        del self.readings[:]
        self.visitors = set()  # WebSockets: each page has one
        self.streams = []
        self.requests = 0
        self.uptime = self.program_began = 0
        self.clock = system.milliseconds()
        events = (MG_EV_HTTP_MSG, MG_EV_WS_OPEN, MG_EV_CLOSE)
        self.manager = Manager(self.handle, events=events)
        self.timer = None
        self.start_timer()
        self.manager.timer_add(1000, self.tell_state, repeat=True)

    def handle(self, conn, ev, data):
        if ev == MG_EV_HTTP_MSG:
            self.requests += 1
            route = self.ROUTES.get(data.uri)
            if route:
                route(self, conn, data)
            else:
                conn.serve_dir(data, self.page, PAGE_HEADERS)
        elif ev == MG_EV_WS_OPEN:
            self.visitors.add(conn)
            self.welcome(conn)
        elif ev == MG_EV_CLOSE:
            self.visitors.discard(conn)
            if conn in self.streams:
                self.streams.remove(conn)

    # ---- Readings

    def start_timer(self):
        if self.timer:
            self.timer.cancel()
        self.timer = self.manager.timer_add(
            self.settings["interval_ms"], self.sample, repeat=True, run_now=True
        )

    def sample(self):
        now = system.milliseconds()
        passed = system.difference(now, self.clock)
        self.clock = now
        self.uptime += passed
        if self.settings["program"]:
            self.follow_program()
        target, window = self.settings["target"], self.settings["window"]
        self.heater.step(passed / 1000, target, window)
        noise = (random.random() - 0.5) * 0.3
        temperature = round(self.heater.temperature + noise, 2)
        power = round(self.heater.power * 100, 1)
        self.readings.append([self.uptime, temperature, target, power, int(window)])
        if len(self.readings) > self.keep:
            self.readings.pop(0)
        self.broadcast({"readings": self.readings[-1:]})
        self.stream("reading", self.readings[-1])

    def follow_program(self):
        target, window = program((self.uptime - self.program_began) / 1000)
        if (target, window) != (self.settings["target"], self.settings["window"]):
            self.settings.update({"target": target, "window": window})
            self.broadcast({"settings": self.settings})

    def tell_state(self):
        self.stream("state", self.state())

    def state(self):
        return {
            "uptime_ms": self.uptime,
            "visitors": len(self.visitors),
            "requests": self.requests,
            "readings": len(self.readings),
            "memory": system.memory_used(),
        }

    # ---- WebSockets and event streams

    def open_socket(self, conn, message):
        conn.ws_upgrade(message)

    def welcome(self, conn):
        about = {"python": system.python(), "library": __version__, "platform": sys.platform}
        hello = {"about": about, "settings": self.settings, "limits": settings.NUMBERS}
        conn.ws_send(json.dumps(hello))
        for start in range(0, len(self.readings), PART):
            conn.ws_send(json.dumps({"readings": self.readings[start : start + PART]}))

    def broadcast(self, data):
        self.manager.broadcast(json.dumps(data), to=self.visitors, max_queued=SLOW_CLIENT)

    def open_stream(self, conn, message):
        conn.reply(200, "", {"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        self.streams.append(conn)
        conn.http_sse("state", json.dumps(self.state()))

    def stream(self, kind, data):
        text = json.dumps(data)
        for conn in self.streams:
            if conn.send_len < SLOW_CLIENT and not (conn.is_draining or conn.is_closing):
                conn.http_sse(kind, text)

    # ---- Requests

    def change_settings(self, conn, message):
        if message.method == "POST":
            try:
                new = settings.changed(self.settings, message.body_bytes)
            except ValueError as e:
                conn.reply_json({"error": str(e)}, 400)
                return
            old, self.settings = self.settings, new
            if new["program"] and not old["program"]:
                self.program_began = self.uptime
            if new["interval_ms"] != old["interval_ms"]:
                self.start_timer()
            self.broadcast({"settings": new})
        elif message.method != "GET":
            conn.reply(405, "GET and POST are understood here\n", {"Allow": "GET, POST"})
            return
        conn.reply_json(self.settings)

    def send_csv(self, conn, message):
        conn.reply(200, "milliseconds,temperature,target,power,window\n", CSV_HEADERS)
        for start in range(0, len(self.readings), PART):
            rows = self.readings[start : start + PART]
            conn.http_chunk("".join("%d,%s,%s,%s,%d\n" % tuple(row) for row in rows))
        conn.http_chunk("")

    ROUTES = {
        "/ws": open_socket,
        "/events": open_stream,
        "/api/settings": change_settings,
        "/readings.csv": send_csv,
    }


def main():
    host, port, page = system.arguments(sys.argv[1:], HERE + "/dashboard/page")
    if not system.exists(page + "/uplot.js"):
        print("dashboard: no uplot.js in %s: the page goes without a curve" % page)
        print("dashboard: `make demo` lays a page that has one into build/demo/page")
    dashboard = Dashboard(page)
    try:
        listener = dashboard.manager.listen("http://%s:%d" % (host, port))
    except (Error, ValueError) as e:
        dashboard.manager.close()
        taken = getattr(e, "errno", None) == errno.EADDRINUSE
        system.fail("%s%s" % (e, "; another one: make demo PORT=8001" if taken else ""))
    print("Serving on http://%s:%d (Ctrl-C stops)" % (host, listener.local_addr[1]))
    dashboard.manager.run()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:  # before run(), which ends by itself
        pass
