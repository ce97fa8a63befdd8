# SPDX-License-Identifier: GPL-2.0-only
"""Text of every width, valid or not, is the same str as Python's own decoder makes of it."""

import http.client
import random

import pytest

SCRIPT = r"""
def handler(c, ev, data):
    if ev == MG_EV_HTTP_MSG:
        text = data.body_text
        again = text.encode().decode()
        # A str that is not of the least width equals none.
        c.reply(200, text if text == again and {again: True}.get(text) and len(text) == len(again) else "no")

m = Manager(handler)
announce("PORT", m.listen(url("http")))
serve(m)
"""

# By the length in UTF-8, and what is none.
KINDS = {
    1: ["a", "Z", " ", "\x7f", "\0"],
    2: ["\x80", "\xe9", "\xff", "\u0100", "\u07ff"],
    3: ["\u0800", "\u20ac", "\ud7ff", "\ue000", "\uffff"],
    4: ["\U00010000", "\U0001f600", "\U0010ffff"],
    0: [b"\x80", b"\xff", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xc0\x80"],
}
# What texts are made of: of one kind, of several side by side, of one after long runs of another.
MIXES = [(1,), (2,), (3,), (4,), (1, 2), (1, 3), (2, 3), (1, 2, 3, 4), (1, 0), (3, 0), (3, 4, 0)]


def texts(rnd, mix):
    for length in (*range(1, 100, 3), 127, 300, 1000):
        out, run = b"", rnd.choice((1, 8, 40))
        while len(out) < length:
            one = rnd.choice(KINDS[rnd.choice(mix)])
            one = one if isinstance(one, bytes) else one.encode()
            out += one * rnd.randint(1, run)
        yield out


@pytest.mark.parametrize("mix", MIXES, ids=lambda mix: "".join(map(str, mix)))
def test_body_text(shared, mix):
    device = shared(SCRIPT)
    rnd = random.Random(sum(mix))
    conn = http.client.HTTPConnection(*device.reach(device.port()), timeout=60)
    for body in texts(rnd, mix):
        conn.request("POST", "/", body)
        answer = conn.getresponse().read()
        assert answer.decode() == body.decode("utf-8", "replace"), body
    conn.close()
