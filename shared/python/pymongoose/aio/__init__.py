# SPDX-License-Identifier: GPL-2.0-only
"""asyncio beside pymongoose, on both Pythons; its parts are imported when they are asked for."""

_PARTS = {
    "AsyncManager": "manager",
    "MqttSession": "mqtt",
    "Session": "http",
    "Stream": "streams",
    "WebSocket": "ws",
    "connect": "streams",
    "request": "http",
    "resolve": "names",
    "time": "names",
    "ws_connect": "ws",
}


def __getattr__(name):
    if name == "__all__":
        return list(_PARTS)
    part = _PARTS.get(name)
    if name in ("mdns", "modbus"):
        return __import__("pymongoose.aio." + name, None, None, ("x",))
    if part is None:
        raise AttributeError("pymongoose.aio has no attribute " + name)
    found = getattr(__import__("pymongoose.aio." + part, None, None, (name,)), name)
    globals()[name] = found
    return found
