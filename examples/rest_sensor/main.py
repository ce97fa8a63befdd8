# SPDX-License-Identifier: GPL-2.0-only
"""A sensor node with a REST interface: main.py [ADDRESS:PORT]"""

import json
import sys

from pymongoose import MG_EV_HTTP_MSG, Manager, millis

ARGS = getattr(sys, "argv", [""])[1:]  # a board has none: write them here

try:
    from machine import ADC

    sensor = ADC(4)  # an RP2040's own; another board: another channel, another formula

    def temperature():
        return round(27 - (sensor.read_u16() * 3.3 / 65535 - 0.706) / 0.001721, 1)

except (ImportError, ValueError):

    def temperature():  # a desk's: up and down between 20 and 25 degrees
        return 20 + abs(millis() // 200 % 100 - 50) / 10


KEPT = 60
LIMITS = {"interval_ms": (100, 3600000)}

settings = {"interval_ms": 1000}
readings = []  # the newest last
count = 0


def measure():
    global count
    count += 1
    readings.append({"n": count, "ms": millis(), "temperature": temperature()})
    del readings[:-KEPT]


def change(body):
    """Takes new settings, all or none; ValueError says what is wrong."""
    new = json.loads(body)
    if not isinstance(new, dict):
        raise ValueError("send a JSON object")
    for name, value in new.items():
        if name not in LIMITS:
            raise ValueError("there is no setting %s" % name)
        low, high = LIMITS[name]
        if type(value) is not int or not low <= value <= high:
            raise ValueError("%s is a whole number from %d to %d" % (name, low, high))
    settings.update(new)
    timer.restart(settings["interval_ms"])


def get_last(conn, request):
    conn.reply_json(readings[-1])


def get_readings(conn, request):
    """Those after a number: whoever asks with the last one that it has, misses none."""
    after = int(request.query_var("after") or 0)
    conn.reply_json([reading for reading in readings if reading["n"] > after])


def get_settings(conn, request):
    conn.reply_json(settings)


def put_settings(conn, request):
    change(request.body_text)
    get_settings(conn, request)


ROUTES = {
    "/readings": {"GET": get_readings},
    "/readings/last": {"GET": get_last},
    "/settings": {"GET": get_settings, "PUT": put_settings},
}


def handler(conn, ev, request):
    if ev != MG_EV_HTTP_MSG:
        return
    methods = ROUTES.get(request.uri)
    if not methods:
        conn.reply_json({"error": "there is no " + request.uri}, 404)
    elif request.method not in methods:
        allowed = {"Allow": ", ".join(sorted(methods))}
        conn.reply_json({"error": "not with " + request.method}, 405, allowed)
    else:
        try:
            methods[request.method](conn, request)
        except ValueError as e:
            conn.reply_json({"error": str(e)}, 400)


manager = Manager(handler, events=(MG_EV_HTTP_MSG,))
measure()
timer = manager.timer_add(settings["interval_ms"], measure, repeat=True)
listener = manager.listen("http://" + (ARGS[0] if ARGS else "0.0.0.0:8000"))
print("Serving on http://%s:%d" % listener.local_addr[:2])
manager.run()
