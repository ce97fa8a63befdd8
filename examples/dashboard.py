# SPDX-License-Identifier: GPL-2.0-only
"""A live page for a heater under control, from CPython or MicroPython.

    dashboard.py [PORT] [--host ADDRESS] [--chart FILE] [--help]

    PORT            the port to serve on (8000); 0 takes a free one
    --host ADDRESS  the address to serve on (127.0.0.1: this machine alone)
    --chart FILE    Chart.js, which draws the curve (`make demo` brings it)

The heater is simulated; on a board, read a sensor in `Heater.step`. What each path shows:

    /                files from the folder dashboard/ beside this program
    /ws              WebSocket: the readings so far, then each new one
    /events          server-sent events: the same readings, and the state of the program
    /api/settings    GET, or POST {"target": 60, "interval_ms": 250}
    /readings.csv    all readings that are kept, as a download
"""

import gc
import json
import random
import sys
import time

from pymongoose import (
    MG_EV_CLOSE,
    MG_EV_HTTP_MSG,
    MG_EV_WS_OPEN,
    Error,
    Manager,
    __version__,
)

# Readings that are kept: fewer where memory is short.
KEEP = min(600, gc.mem_free() // 400) if hasattr(gc, "mem_free") else 600
LIMITS = {"target": (20, 90), "interval_ms": (50, 5000)}
SLOW_CLIENT = 65536  # bytes unsent: it misses readings until it has caught up

HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
PAGE = HERE + "/dashboard"
CHART = HERE + "/../build/demo/chart.min.js"
# Nothing of the page comes from elsewhere, and the browser holds us to it.
PAGE_HEADERS = "Content-Security-Policy: default-src 'self'\r\nX-Content-Type-Options: nosniff\r\n"

if hasattr(time, "ticks_ms"):
    milliseconds, difference = time.ticks_ms, time.ticks_diff
else:

    def milliseconds():
        return int(time.monotonic() * 1000)

    def difference(a, b):
        return a - b


class Heater:
    """A body that cools toward the room, and a PI controller that holds it at the target."""

    ROOM = 20.0

    def __init__(self):
        self.temperature = self.ROOM
        self.target = 60
        self.power = 0.0  # 0 to 1
        self.integral = 0.0

    def step(self, seconds):
        while seconds > 0:
            dt = min(seconds, 0.1)
            seconds -= dt
            error = self.target - self.temperature
            wanted = 0.06 * error + self.integral
            self.power = min(max(wanted, 0.0), 1.0)
            if self.power == wanted:  # an integral that grows while it cannot help overshoots
                self.integral += 0.008 * error * dt
            self.temperature += (6.5 * self.power - (self.temperature - self.ROOM) / 12) * dt


class Dashboard:
    def __init__(self, chart):
        self.chart = chart
        self.heater = Heater()
        self.settings = {"target": self.heater.target, "interval_ms": 250}
        # [milliseconds, temperature, target, percent of power]; a board keeps room for all of them
        self.readings = [None] * (KEEP + 1)
        del self.readings[:]
        self.sockets = []
        self.streams = []
        self.requests = 0
        self.uptime = 0
        self.clock = milliseconds()
        self.manager = Manager(self.handle)
        self.timer = None
        self.start_timer()
        self.manager.timer_add(1000, self.tell_state, repeat=True)

    # ---- Readings

    def start_timer(self):
        if self.timer:
            self.timer.cancel()
        self.timer = self.manager.timer_add(
            self.settings["interval_ms"], self.sample, repeat=True, run_now=True
        )

    def sample(self):
        now = milliseconds()
        passed = difference(now, self.clock)
        self.clock = now
        self.uptime += passed
        self.heater.step(passed / 1000)
        noise = (random.random() - 0.5) * 0.3
        reading = [
            self.uptime,
            round(self.heater.temperature + noise, 2),
            self.heater.target,
            round(self.heater.power * 100, 1),
        ]
        self.readings.append(reading)
        if len(self.readings) > KEEP:
            self.readings.pop(0)
        self.broadcast({"reading": reading})
        self.stream("reading", reading)

    def broadcast(self, data):
        text = json.dumps(data)
        for conn in self.sockets:
            if takes_more(conn):
                conn.ws_send(text)

    def stream(self, kind, data):
        text = json.dumps(data)
        for conn in self.streams:
            if takes_more(conn):
                conn.http_sse(kind, text)

    def state(self):
        return {
            "uptime_ms": self.uptime,
            "connections": len(self.manager.connections) - 1,
            "requests": self.requests,
            "readings": len(self.readings),
            "memory": memory_used(),
        }

    def tell_state(self):
        self.stream("state", self.state())

    # ---- Events of connections

    def handle(self, conn, ev, data):
        if ev == MG_EV_HTTP_MSG:
            self.requests += 1
            route = self.ROUTES.get(data.uri)
            if route:
                route(self, conn, data)
            else:
                conn.serve_dir(data, PAGE, PAGE_HEADERS)
        elif ev == MG_EV_WS_OPEN:
            self.sockets.append(conn)
            hello = {"settings": self.settings, "limits": LIMITS, "about": about()}
            conn.ws_send(json.dumps(hello))
            conn.ws_send(json.dumps({"history": self.readings}))
        elif ev == MG_EV_CLOSE:
            for group in (self.sockets, self.streams):
                if conn in group:
                    group.remove(conn)

    def open_socket(self, conn, message):
        conn.ws_upgrade(message)

    def open_stream(self, conn, message):
        conn.reply(200, "", {"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        self.streams.append(conn)
        conn.http_sse("state", json.dumps(self.state()))

    def change_settings(self, conn, message):
        if message.method == "GET":
            conn.reply_json(self.settings)
            return
        if message.method != "POST":
            conn.reply(405, "GET and POST are understood here\n", {"Allow": "GET, POST"})
            return
        try:
            changes = checked(message.body_bytes)
        except ValueError as e:
            conn.reply_json({"error": str(e)}, 400)
            return
        self.settings.update(changes)
        self.heater.target = self.settings["target"]
        if "interval_ms" in changes:
            self.start_timer()
        conn.reply_json(self.settings)
        self.broadcast({"settings": self.settings})

    def send_csv(self, conn, message):
        conn.reply(
            200,
            "milliseconds,temperature,target,power\n",
            {
                "Content-Type": "text/csv; charset=utf-8",
                "Content-Disposition": 'attachment; filename="readings.csv"',
                "Transfer-Encoding": "chunked",
            },
        )
        for start in range(0, len(self.readings), 50):
            rows = self.readings[start : start + 50]
            conn.http_chunk("".join("%d,%s,%s,%s\n" % tuple(row) for row in rows))
        conn.http_chunk("")

    def send_chart(self, conn, message):
        conn.serve_file(message, self.chart, PAGE_HEADERS + "Cache-Control: max-age=3600\r\n")

    ROUTES = {
        "/ws": open_socket,
        "/events": open_stream,
        "/api/settings": change_settings,
        "/readings.csv": send_csv,
        "/chart.js": send_chart,
    }


def takes_more(conn):
    return conn.send_len < SLOW_CLIENT and not (conn.is_draining or conn.is_closing)


def checked(body):
    """The settings in the body of a POST; ValueError says what is wrong with it."""
    try:
        changes = json.loads(body)
    except ValueError:
        raise ValueError('the body must be JSON, such as {"target": 60}')
    if not isinstance(changes, dict) or not changes:
        raise ValueError("the body must be a JSON object with target, interval_ms or both")
    for name, value in changes.items():
        if name not in LIMITS:
            raise ValueError("unknown setting %s: there are target and interval_ms" % name)
        low, high = LIMITS[name]
        if type(value) is not int and not (name == "target" and type(value) is float):
            raise ValueError("%s must be a number, not %s" % (name, json.dumps(value)))
        if not low <= value <= high:
            raise ValueError("%s must be from %d to %d, not %s" % (name, low, high, value))
    return changes


def memory_used():
    """Bytes: MicroPython's heap in use, or the memory of the CPython process (Linux)."""
    if hasattr(gc, "mem_alloc"):
        return gc.mem_alloc()
    try:
        with open("/proc/self/statm") as f:
            return int(f.read().split()[1]) * 4096
    except OSError:
        return 0


def about():
    implementation = sys.implementation
    name = {"cpython": "CPython", "micropython": "MicroPython"}[implementation.name]
    version = ".".join(str(n) for n in tuple(implementation.version)[:3])
    return {"python": "%s %s" % (name, version), "library": __version__, "platform": sys.platform}


def arguments(argv):
    """(host, port, chart) of the command line, or an exit."""
    host, port, chart = "127.0.0.1", 8000, CHART
    words = list(argv)
    while words:
        word = words.pop(0)
        if word in ("-h", "--help"):
            print(USAGE)
            sys.exit(0)
        elif word in ("--host", "--chart") and words:
            if word == "--host":
                host = words.pop(0)
            else:
                chart = words.pop(0)
        elif word.isdigit() and int(word) < 65536:
            port = int(word)
        else:
            fail("cannot make sense of %s: try --help" % word, 2)
    return host, port, chart


def fail(text, status=1):
    print("dashboard:", text, file=sys.stderr)
    sys.exit(status)


USAGE = """\
usage: dashboard.py [PORT] [--host ADDRESS] [--chart FILE]

Serves a live page for a simulated heater, until Ctrl-C.

  PORT            the port to serve on (8000); 0 takes a free one
  --host ADDRESS  the address to serve on (127.0.0.1: this machine alone)
  --chart FILE    Chart.js, which draws the curve (`make demo` brings it)"""


def main():
    host, port, chart = arguments(sys.argv[1:])
    try:
        open(chart).close()
    except OSError:
        print("dashboard: no chart library at %s: the page goes without a curve" % chart)
        print("dashboard: `make demo` brings it, or name it by --chart FILE")
    dashboard = Dashboard(chart)
    try:
        listener = dashboard.manager.listen("http://%s:%d" % (host, port))
    except (Error, ValueError) as e:
        dashboard.manager.close()
        fail(str(e))
    print("Serving on http://%s:%d (Ctrl-C stops)" % (host, listener.local_addr[1]))
    dashboard.manager.run()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:  # before run(), which ends by itself
        pass
