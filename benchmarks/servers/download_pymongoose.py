# SPDX-License-Identifier: GPL-2.0-only
# Runs on CPython and on MicroPython: takes a file in pieces, so many times. argv: port, path, times.
import sys

from pymongoose import MG_EV_ERROR, MG_EV_HTTP_BODY, MG_EV_HTTP_HDRS, MG_EV_HTTP_MSG, Manager

port, path, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
piece = bytearray(65536)
got = 0
done = 0


def handler(conn, ev, data):
    global got, done
    if ev == MG_EV_HTTP_HDRS:
        conn.http_stream_body(max_size=0, into=piece)
    elif ev == MG_EV_HTTP_BODY:
        got += data
    elif ev == MG_EV_HTTP_MSG:
        done += 1
        if done < times:
            conn.http_request("GET", path)
    else:
        raise SystemExit(data)


EVENTS = (MG_EV_HTTP_HDRS, MG_EV_HTTP_BODY, MG_EV_HTTP_MSG, MG_EV_ERROR)
with Manager() as manager:
    conn = manager.connect("http://127.0.0.1:" + port, handler, events=EVENTS)
    conn.http_request("GET", path)
    while done < times:
        manager.poll(1000)
print(got)
