# SPDX-License-Identifier: GPL-2.0-only
"""A thermostat: a sensor at ADC 26, a relay at pin 16, a button at pin 15 that makes it warmer.

GET /state and PUT /target by HTTP; with a broker in its settings it tells its state by MQTT and takes
targets from there. It runs unchanged on CPython, MicroPython's unix port, and boards.
"""

import json

import settings
from machine import ADC, Pin
from pymongoose import MG_EV_HTTP_MSG, Manager
from pymongoose.mqtt import MqttSession

STEP, LOWEST, HIGHEST = 0.5, 5.0, 30.0
HYSTERESIS = 0.25
TELL_MS = 5000

now = settings.load()
sensor = ADC(26)
relay = Pin(16, Pin.OUT, value=0)
led = Pin("LED", Pin.OUT, value=0)
button = Pin(15, Pin.IN, Pin.PULL_UP)
presses = 0
broker = None


def pressed(_):
    global presses
    presses += 1  # the loop does the rest: an interrupt is short


def temperature():
    """A TMP36: 0.5 V at 0 degrees Celsius, 10 mV for each degree."""
    return round((sensor.read_u16() / 65535 * 3.3 - 0.5) * 100, 1)


def state():
    return {"temperature": temperature(), "target": now["target"], "heating": bool(relay.value())}


def tell():
    if broker is not None and broker.connected:
        broker.publish(now["name"] + "/state", json.dumps(state()), qos=1)


def set_target(value):
    """Raises ValueError for what is no temperature to heat to."""
    value = float(value)
    if not LOWEST <= value <= HIGHEST:
        raise ValueError("the target is from %g to %g" % (LOWEST, HIGHEST))
    now["target"] = value
    settings.save(now)
    print("target", value)
    control()
    tell()


def control():
    measured = temperature()
    if relay.value():
        heating = measured < now["target"] + HYSTERESIS
    else:
        heating = measured < now["target"] - HYSTERESIS
    if heating != bool(relay.value()):
        relay.value(heating)
        led.value(heating)
        print("heating" if heating else "idle", "at", measured)
        tell()


# ---- HTTP --------------------------------------------------------------------------------------


def get_state(conn, request):
    conn.reply_json(state())


def put_target(conn, request):
    try:
        set_target(request.body_text)
    except ValueError as e:
        conn.reply(400, "%s\n" % e)
    else:
        get_state(conn, request)


ROUTES = {("GET", "/state"): get_state, ("PUT", "/target"): put_target}


def handler(conn, ev, request):
    if ev == MG_EV_HTTP_MSG:
        route = ROUTES.get((request.method, request.uri))
        if route:
            route(conn, request)
        else:
            conn.reply(404, "nothing here\n")


# ---- MQTT --------------------------------------------------------------------------------------


def commanded(message):
    try:
        set_target(message.text)
    except ValueError as e:
        print("not taken:", e)


def connected(up, text):
    print("broker", "up" if up else "down")
    tell()


# ---- The loop ----------------------------------------------------------------------------------

button.irq(pressed, Pin.IRQ_FALLING)
manager = Manager(handler)
manager.listen("http://0.0.0.0:%d" % now["port"])
if now["broker"]:
    broker = MqttSession(manager, now["broker"], now["name"], commanded, on_state=connected)
    broker.subscribe(now["name"] + "/target", qos=1)
manager.timer_add(TELL_MS, tell, repeat=True)
print("serving at", now["port"])

seen = 0
while True:
    manager.poll(20)
    if presses != seen:
        seen += 1
        set_target(min(now["target"] + STEP, HIGHEST))
    control()
