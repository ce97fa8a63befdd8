# SPDX-License-Identifier: GPL-2.0-only
"""A stream of pictures for browsers (MJPEG): main.py [ADDRESS:PORT [FOLDER]]"""

import os
import sys

from pymongoose import MG_EV_CLOSE, MG_EV_HTTP_MSG, Manager

ARGS = getattr(sys, "argv", [""])[1:]  # a board has none: write them here

FOLDER = ARGS[1] if len(ARGS) > 1 else None
FRAME_MS = 100
BOUNDARY = "frame"
SIDE = 12  # blocks of 8 by 8 points


class TestPicture:
    """Grey squares that move, as JPEG (ITU T.81): each block is its mean alone, and the tables are as
    simple as they may be: a length has 4 bits, whatever it is, and "end of block" has one."""

    def __init__(self):
        size = (SIDE * 8).to_bytes(2, "big")
        self.head = (
            b"\xff\xd8\xff\xdb\0\x43\0" + b"\x08" * 64  # quantization
            + b"\xff\xc0\0\x0b\x08" + size + size + b"\1\1\x11\0"  # one component
            + b"\xff\xc4\0\x1f\0" + bytes([0, 0, 0, 12] + [0] * 12) + bytes(range(12))
            + b"\xff\xc4\0\x14\x10" + bytes([1] + [0] * 15) + b"\0"
            + b"\xff\xda\0\x08\1\1\0\0\x3f\0"
        )  # fmt: skip
        self.n = 0

    def capture(self):
        self.n += 1
        bits, length, last = 0, 0, 0
        out = bytearray(self.head)
        for at in range(SIDE * SIDE):
            value = (at // SIDE + at % SIDE + self.n) * 16 % 256 - 128
            step, last = value - last, value
            size = 0
            while abs(step) >> size:
                size += 1
            # The length, that many bits of the step (a negative one less 1), the end.
            bits = bits << 4 | size
            bits = bits << size | (step if step >= 0 else step + (1 << size) - 1)
            bits <<= 1
            length += 4 + size + 1
            while length >= 8:
                length -= 8
                out.append(bits >> length & 0xFF)
                if out[-1] == 0xFF:
                    out.append(0)
            bits &= (1 << length) - 1
        out.append((bits << 8 - length | 0xFF >> length) & 0xFF)
        return bytes(out) + b"\xff\xd9"


class Folder:
    """The *.jpg of a folder, in their order, again and again."""

    def __init__(self, path):
        names = sorted(name for name in os.listdir(path) if name.endswith(".jpg"))
        self.paths = [path + "/" + name for name in names]
        self.n = -1

    def capture(self):
        self.n = (self.n + 1) % len(self.paths)
        with open(self.paths[self.n], "rb") as f:
            return f.read()


PAGE = '<!doctype html><html lang="en"><title>Camera</title><img src="/stream" alt="What it sees">'
camera = Folder(FOLDER) if FOLDER else TestPicture()
viewers = []


def send(conn, picture):
    head = "--%s\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
    conn.http_chunk((head % (BOUNDARY, len(picture))).encode() + picture + b"\r\n")


def tick():
    if viewers:  # nobody looks: nothing is captured
        picture = camera.capture()
        for conn in viewers:
            # Who has not taken the last picture yet goes without this one.
            if not (conn.send_len or conn.is_closing):
                send(conn, picture)


def handler(conn, ev, data):
    if ev == MG_EV_CLOSE:
        if conn in viewers:
            viewers.remove(conn)
    elif data.uri == "/stream":
        kind = "multipart/x-mixed-replace; boundary=" + BOUNDARY
        headers = {"Content-Type": kind, "Cache-Control": "no-store"}
        headers["Transfer-Encoding"] = "chunked"
        conn.reply(200, "", headers)
        if data.method == "GET":
            viewers.append(conn)
    elif data.uri == "/picture.jpg":
        conn.reply(200, camera.capture(), {"Content-Type": "image/jpeg"})
    else:
        conn.reply(200, PAGE, {"Content-Type": "text/html; charset=utf-8"})


manager = Manager(handler, events=(MG_EV_HTTP_MSG, MG_EV_CLOSE))
manager.timer_add(FRAME_MS, tick, repeat=True)
listener = manager.listen("http://" + (ARGS[0] if ARGS else "0.0.0.0:8000"))
print("Serving on http://%s:%d" % listener.local_addr[:2])
manager.run()
