# SPDX-License-Identifier: GPL-2.0-only
"""One event-driven network API for CPython and MicroPython, over the Mongoose C library."""

from _pymongoose import *  # noqa: F403
from _pymongoose import __version__  # noqa: F401


def __getattr__(name):
    # MicroPython 1.28 asks for it on `import *`, and raises what is raised here. As a variable it would
    # cost a board as much as all of its names.
    if name == "__all__":
        return [each for each in globals() if not each.startswith("_")]
    # What is written in Python is imported when it is asked for: on a board it would cost memory.
    try:
        if name in ("Rpc", "RpcReq"):
            import pymongoose.rpc

            return getattr(pymongoose.rpc, name)
        if name in ("jwt_sign", "jwt_verify"):
            import pymongoose.jwt

            return getattr(pymongoose.jwt, name)
        if name in ("client", "mqtt", "web"):
            return __import__("pymongoose." + name, None, None, (name,))
        if name in ("EventData", "Handler"):
            import pymongoose.hints

            return getattr(pymongoose.hints, name)
        if name in ("aio", "AsyncManager"):
            import pymongoose.aio

            return pymongoose.aio if name == "aio" else pymongoose.aio.AsyncManager
    except ImportError:  # left out of this firmware
        pass
    raise AttributeError("pymongoose has no attribute " + name)
