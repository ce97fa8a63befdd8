# SPDX-License-Identifier: GPL-2.0-only
"""Modbus registers by HTTP and JSON: main.py [DEVICE [ADDRESS:PORT [UNIT]]]"""

import json
import sys

from pymongoose import (
    MG_EV_CLOSE,
    MG_EV_CONNECT,
    MG_EV_ERROR,
    MG_EV_HTTP_MSG,
    MG_EV_MODBUS_RESP,
    MG_MODBUS_ERR_TIMEOUT,
    MG_MODBUS_FUNC_READ_COILS,
    MG_MODBUS_FUNC_READ_DISCRETE_INPUTS,
    MG_MODBUS_FUNC_READ_HOLDING_REGISTERS,
    MG_MODBUS_FUNC_READ_INPUT_REGISTERS,
    MG_MODBUS_FUNC_WRITE_MULTIPLE_COILS,
    MG_MODBUS_FUNC_WRITE_MULTIPLE_REGISTERS,
    Error,
    Manager,
)

ARGS = getattr(sys, "argv", [""])[1:]  # a board has none: write them here

DEVICE = ARGS[0] if ARGS else "127.0.0.1:5020"
UNIT = int(ARGS[2]) if len(ARGS) > 2 else 1
TABLES = {  # name in the path -> functions that read and write
    "coils": (MG_MODBUS_FUNC_READ_COILS, MG_MODBUS_FUNC_WRITE_MULTIPLE_COILS),
    "discrete": (MG_MODBUS_FUNC_READ_DISCRETE_INPUTS, None),
    "holding": (MG_MODBUS_FUNC_READ_HOLDING_REGISTERS, MG_MODBUS_FUNC_WRITE_MULTIPLE_REGISTERS),
    "input": (MG_MODBUS_FUNC_READ_INPUT_REGISTERS, None),
}
ERRORS = {1: "illegal function", 2: "illegal address", 3: "illegal value", 4: "device failure"}

# The connection; its userdata: number of a transaction -> the HTTP connection that waits for it.
device = None


def answer(conn, status, what):
    try:
        conn.reply_json(what, status)
    except Error:
        pass  # whoever asked has hung up


def bus(conn, ev, data):
    global device
    if ev == MG_EV_MODBUS_RESP:
        web = conn.userdata.pop(data.transaction)
        if data.error == MG_MODBUS_ERR_TIMEOUT:
            answer(web, 504, {"error": "the device does not answer"})
        elif data.error:
            text = ERRORS.get(data.error, "exception %d" % data.error)
            answer(web, 422, {"error": "the device says: " + text})
        else:
            answer(web, 200, {"address": data.address, "values": list(data.values)})
    elif ev == MG_EV_CONNECT:
        print("device %s is there" % DEVICE)
    elif ev == MG_EV_ERROR:
        print("device %s: %s" % (DEVICE, data))
    elif ev == MG_EV_CLOSE:
        print("device %s is gone" % DEVICE)
        if device is conn:
            device = None  # the next request connects again
        for web in conn.userdata.values():
            answer(web, 502, {"error": "there is no connection to the device"})


def ask(conn, request):
    """/holding/10?count=2, or PUT /holding/10 with [1, 2]. ValueError: what is wrong with it."""
    global device
    parts = request.uri.split("/")
    if len(parts) != 3 or parts[1] not in TABLES:
        raise ValueError("the paths are /%s/ADDRESS" % "/ADDRESS, /".join(sorted(TABLES)))
    reads, writes = TABLES[parts[1]]
    address = int(parts[2])
    if not device or device.is_closing:
        device = manager.modbus_connect("modbus://" + DEVICE, bus)
        device.userdata = {}
    if request.method == "GET":
        count = int(request.query_var("count") or 1)
        number = device.modbus_read(reads, address, count, unit=UNIT)
    elif request.method == "PUT" and writes:
        values = json.loads(request.body_bytes)
        if not isinstance(values, list):
            raise ValueError("send a list of values")
        number = device.modbus_write(writes, address, values, unit=UNIT)
    else:
        return conn.reply_json({"error": "not with " + request.method}, 405)
    device.userdata[number] = conn


def handler(conn, ev, data):
    if ev != MG_EV_HTTP_MSG:
        return
    try:
        ask(conn, data)
    except (ValueError, TypeError) as e:
        conn.reply_json({"error": str(e)}, 400)
    except Error as e:  # 16 wait for the device
        conn.reply_json({"error": str(e)}, 503, {"Retry-After": "1"})


manager = Manager(handler, modbus_timeout=2000)
listener = manager.listen("http://" + (ARGS[1] if len(ARGS) > 1 else "0.0.0.0:8000"))
print("Serving on http://%s:%d" % listener.local_addr[:2])
manager.run()
