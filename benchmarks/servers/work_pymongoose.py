# SPDX-License-Identifier: GPL-2.0-only
# Runs on CPython and on MicroPython: what work.py counts.
import json
import sys

from pymongoose import (
    MG_EV_HTTP_BODY,
    MG_EV_HTTP_HDRS,
    MG_EV_HTTP_MSG,
    MG_EV_READ,
    MG_EV_WS_MSG,
    Manager,
)

port, case = sys.argv[1], sys.argv[2]
PAGE = b"x" * 10240
piece = bytearray(65536)


def web(conn, ev, data):
    if ev == MG_EV_HTTP_HDRS:
        if data.uri == "/upload":
            conn.http_stream_body(max_size=0, into=piece)
    elif ev == MG_EV_HTTP_BODY:
        pass
    elif data.method == "GET":
        conn.reply(200, PAGE)
    elif data.uri == "/upload":
        conn.reply(200, b"")
    else:
        conn.reply(200, json.dumps({"sum": sum(json.loads(data.body_text)["values"])}))


def echo(conn, ev, data):
    if ev == MG_EV_HTTP_MSG:
        conn.ws_upgrade(data)
    elif data.flags == 1:
        conn.ws_send(data.text)
    else:
        conn.ws_send(data.data, 2)


def tcp(conn, ev, data):
    n = conn.recv_into(piece)
    conn.send(memoryview(piece)[:n])


def udp(conn, ev, data):
    conn.send(conn.recv())


manager = Manager(idle_timeout=3_600_000)
if case in ("browser", "json", "upload"):
    events = (MG_EV_HTTP_MSG,)
    if case == "upload":
        events += (MG_EV_HTTP_HDRS, MG_EV_HTTP_BODY)
    manager.listen("http://127.0.0.1:" + port, web, events=events)
elif case == "ws":
    manager.listen("http://127.0.0.1:" + port, echo, events=(MG_EV_HTTP_MSG, MG_EV_WS_MSG))
elif case == "tcp":
    manager.listen("tcp://127.0.0.1:" + port, tcp, events=(MG_EV_READ,))
else:
    manager.listen("udp://127.0.0.1:" + port, udp, events=(MG_EV_READ,))
    manager.listen("tcp://127.0.0.1:" + port, events=())  # who can connect knows that it runs
manager.run()
