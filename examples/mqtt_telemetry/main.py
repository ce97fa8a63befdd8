# SPDX-License-Identifier: GPL-2.0-only
"""Telemetry by MQTT that loses nothing while the server is away: main.py [URL [NAME [INTERVAL_MS]]]"""

import json
import os
import sys
import time

from pymongoose import Manager, millis
from pymongoose.mqtt import MqttSession

ARGS = getattr(sys, "argv", [""])[1:]  # a board has none: write them here

URL = ARGS[0] if ARGS else "mqtt://127.0.0.1:1883"
NAME = ARGS[1] if len(ARGS) > 1 else "node-1"
INTERVAL = int(ARGS[2]) if len(ARGS) > 2 else 1000
STORE = NAME + ".backlog"  # a line for each reading that waits
MOST = 5000
AT_ONCE = 20

stored = 0  # lines in the file
done = 0  # of them, with the server
waiting = {}  # token -> the line, or None if it is in the file, of what is under way
lost = 0
count = 0


def temperature():  # here goes your own sensor
    return 20 + abs(millis() // 200 % 100 - 50) / 10


def store(line):
    global stored, lost
    if stored >= MOST:
        lost += 1
        return
    with open(STORE, "a") as f:
        f.write(line + "\n")
    stored += 1


def send(line, kept=None):
    token = session.publish("telemetry/" + NAME, line, qos=1)
    if token:
        waiting[token] = kept
    return token


def measure():
    global count
    count += 1
    reading = {"n": count, "time": time.time(), "temperature": temperature(), "lost": lost}
    line = json.dumps(reading)
    # Behind what is stored, so that all comes in order.
    if not session.connected or stored or not send(line, line):
        store(line)


def fill():
    """Sends some of what is stored; more when the server has these."""
    if waiting or not stored or not session.connected:
        return
    with open(STORE) as f:
        for _ in range(done):
            f.readline()
        for _ in range(AT_ONCE):
            line = f.readline()
            if not line or not send(line.rstrip("\n")):
                break


def delivered(token, state, reason):
    global stored, done
    if waiting.pop(token) is None:
        done += 1
        if done == stored:
            print("sent what was stored: %d" % stored)
            os.remove(STORE)
            stored = done = 0
    if state != "acknowledged":
        print("not taken by the server: %s %d" % (state, reason))
    fill()


def changed(up, text):
    print("server", "there" if up else "away: " + text)
    fill()


try:
    with open(STORE) as old, open(STORE + ".new", "w") as new:  # of the last run
        for line in old:
            if line.endswith("\n"):  # the power may have gone in the middle of the last one
                new.write(line)
                stored += 1
    os.rename(STORE + ".new", STORE)
    print("stored before: %d" % stored)
except OSError:
    pass
manager = Manager()
session = MqttSession(manager, URL, NAME, on_state=changed, on_delivery=delivered)
manager.timer_add(INTERVAL, measure, repeat=True)
print("Telling %s as telemetry/%s" % (URL, NAME))
manager.run()
for line in waiting.values():  # Ctrl-C: what the server does not have yet is not lost
    if line:
        store(line)
