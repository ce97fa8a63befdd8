# SPDX-License-Identifier: GPL-2.0-only
"""Remote control of two motors by WebSocket: main.py [ADDRESS:PORT [KEY]]"""

import json
import sys

from pymongoose import (
    MG_EV_CLOSE,
    MG_EV_HTTP_MSG,
    MG_EV_WS_MSG,
    MG_EV_WS_OPEN,
    Manager,
    compare_digest,
    random_str,
)

ARGS = getattr(sys, "argv", [""])[1:]  # a board has none: write them here

try:
    from machine import PWM, Pin

    PINS = [PWM(Pin(number), freq=1000, duty_u16=0) for number in (14, 15)]
except (ImportError, ValueError):
    PINS = []

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Remote control</title>
<style>button { font-size: 2em; margin: .2em; touch-action: none }</style>
<main><h1>Remote control</h1><p><button data-go="0.5 1">Left</button><button data-go="1 1">Ahead</button><button data-go="1 0.5">Right</button></p>
<p id="state" role="status">not connected</p></main>
<script>
const state = document.getElementById("state");
const socket = new WebSocket(location.href.replace(/^http/, "ws"));
let held = null;
const drive = () => {
  if (held) socket.send(JSON.stringify({ drive: held.dataset.go.split(" ").map(Number) }));
};
setInterval(drive, 150);  // the motors stop by themselves when nothing comes
const let_go = () => { if (held) { held = null; socket.send(JSON.stringify({ drive: [0, 0] })); } };
for (const button of document.querySelectorAll("button"))
  button.onpointerdown = () => { held = button; drive(); };
onpointerup = onpointercancel = onblur = let_go;
socket.onmessage = (event) => { state.textContent = event.data; };
socket.onclose = () => { state.textContent = "not connected"; };
</script>"""
STOP_MS = 500

key = ARGS[1] if len(ARGS) > 1 else random_str(12)
speeds = [0, 0]
driver = None  # who moves them: one at a time


def motors(new, who):
    global driver
    driver = who
    if new != speeds:
        speeds[:] = new
        for i in range(len(PINS)):
            PINS[i].duty_u16(int(speeds[i] * 65535))
        print("motors", speeds)
        manager.broadcast(json.dumps({"speeds": speeds}))


def stop():
    motors([0, 0], None)


def command(conn, text):
    """ValueError says what is wrong with it."""
    message = json.loads(text)
    new = message.get("drive") if isinstance(message, dict) else None
    if not isinstance(new, list) or len(new) != 2:
        raise ValueError('send {"drive": [left, right]}')
    for speed in new:
        if type(speed) not in (int, float) or not 0 <= speed <= 1:
            raise ValueError("a speed is from 0 to 1")
    if driver and driver is not conn:
        raise ValueError("somebody else drives")
    motors(new, conn if new != [0, 0] else None)
    deadline.restart(STOP_MS)


def handler(conn, ev, data):
    if ev == MG_EV_HTTP_MSG:
        if not compare_digest(data.query_var("key") or "", key):
            conn.reply(403, "the program has printed an address with a key\n")
        elif data.header("Upgrade"):
            conn.ws_upgrade(data)
        else:
            conn.reply(200, PAGE, {"Content-Type": "text/html; charset=utf-8"})
    elif ev == MG_EV_WS_OPEN:
        conn.ws_send(json.dumps({"speeds": speeds}))
    elif ev == MG_EV_WS_MSG:
        try:
            command(conn, data.text)
        except ValueError as e:
            conn.ws_send(json.dumps({"error": str(e)}))
    elif ev == MG_EV_CLOSE and driver is conn:
        stop()


manager = Manager(handler, events=(MG_EV_HTTP_MSG, MG_EV_WS_OPEN, MG_EV_WS_MSG, MG_EV_CLOSE))
deadline = manager.timer_add(STOP_MS, stop)
listener = manager.listen("http://" + (ARGS[0] if ARGS else "0.0.0.0:8000"))
print("Serving on http://%s:%d/?key=%s" % (listener.local_addr[:2] + (key,)))
manager.run()
