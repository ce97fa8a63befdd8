# SPDX-License-Identifier: GPL-2.0-only
"""Text is checked to the byte, also where many bytes are looked at at a time."""

import pytest
from loop_script import LOOP

TEXT = ("a" * 20 + "\u20ac" * 30 + "\xe9" * 9 + "b" * 50 + "\U0001f600" * 12 + "\u20ac").encode()
BAD = b"\xff\x80\xc3\xe2\xed\xf0\xf4a"


def is_utf8(text):
    try:
        text.decode()
        return True
    except UnicodeDecodeError:
        return False


def expected(bad):
    """A bit for each place at which the byte stands instead of what was there."""
    texts = (TEXT[:i] + bytes([bad]) + TEXT[i + 1 :] for i in range(len(TEXT)))
    return sum(is_utf8(text) << i for i, text in enumerate(texts))


SCRIPT = (
    LOOP
    + f"""
TEXT, BAD = {TEXT!r}, {BAD!r}
EXPECTED = {[expected(bad) for bad in BAD]}
CUTS = {sum(is_utf8(TEXT[:i]) << i for i in range(len(TEXT)))}
"""
    + r"""
def serve_ws(c, ev, data):
    if ev == MG_EV_HTTP_MSG:
        c.ws_upgrade(data)
    elif ev == MG_EV_WS_MSG:
        got.append(data.data)

def takes(c, text):
    try:
        c.ws_send(text, WEBSOCKET_OP_TEXT)
    except ValueError:
        return False
    return True

def opened(m):
    listener = m.listen(url("ws"), serve_ws)
    open_ = []
    c = m.ws_connect(url("ws", port_of(listener)), lambda c, ev, data: open_.append(ev),
                     events=(MG_EV_WS_OPEN,))
    poll_until(m, lambda: open_)
    return c

got = []

def case_a_wrong_byte_at_each_place():
    del got[:]
    with Manager() as m:
        c = opened(m)
        sent = 0
        for bad, bits in zip(BAD, EXPECTED):
            for i in range(len(TEXT)):
                text = bytearray(TEXT)
                text[i] = bad
                taken = takes(c, bytes(text))
                eq((bad, i, taken), (bad, i, bool(bits >> i & 1)))
                sent += taken
                if taken:
                    poll_until(m, lambda: len(got) == sent)
                    eq(got[-1], bytes(text))

def case_cut_at_each_place():
    del got[:]
    with Manager() as m:
        c = opened(m)
        sent = 0
        for i in range(len(TEXT)):
            taken = takes(c, TEXT[:i])
            eq((i, taken), (i, bool(CUTS >> i & 1)))
            sent += taken
            poll_until(m, lambda: len(got) == sent)
        eq(sum(len(text) for text in got), sum(i for i in range(len(TEXT)) if CUTS >> i & 1))

serve()
"""
)


@pytest.mark.needs("loopback")
@pytest.mark.parametrize("case", ["a_wrong_byte_at_each_place", "cut_at_each_place"])
def test_ws_text(shared, case):
    shared(SCRIPT).case("case_" + case)
