# SPDX-License-Identifier: GPL-2.0-only
"""A device script that makes requests when it is told to."""

import hashlib

SCRIPT = """
import json
from pymongoose import client

def failed(fn, *args, **kwargs):
    # (class, text, phase) of what it raises
    try:
        result = fn(*args, **kwargs)
    except Exception as e:
        return type(e).__name__, str(e), getattr(e, "phase", None)
    raise AssertionError("gave %r" % (result,))

def check(pieces):
    # (size, hash) of a body
    import hashlib
    h, size = hashlib.sha256(), 0
    for piece in pieces:
        h.update(piece)
        size += len(piece)
    return size, "".join(["%02x" % byte for byte in h.digest()])

set_clock(PARAMS["now"])
serve()
"""


def fetched(device, port, path, more="", method="get", scheme="http"):
    """What a call gives, as JSON."""
    url = f"{scheme}://{device.peer}:{port}{path}"
    return device.eval(f"client.{method}({url!r}, {more}).json()", 30)


def digest(data):
    """What check() gives for these bytes."""
    return len(data), hashlib.sha256(data).hexdigest()
