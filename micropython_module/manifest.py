# SPDX-License-Identifier: GPL-2.0-only
# What is frozen into firmware; a board's manifest includes this file. `without` names what is left
# out, as the C is told: "PMG_HAS_MQTT=0;PMG_HAS_RPC=0".
# ruff: noqa: F821

options.defaults(without="")
include("$(MPY_DIR)/extmod/asyncio")

_files = ["__init__.py", "hints.py"]
if "PMG_HAS_AIO=0" not in options.without:
    _files += [
        "aio/" + name for name in ("__init__.py", "loop_micropython.py", "manager.py", "wait.py")
    ]
    _files += ["aio/names.py", "aio/streams.py", "aio/ws.py"]
    _files += ["aio/mdns.py"] if "PMG_HAS_MDNS=0" not in options.without else []
    _files += ["aio/modbus.py"] if "PMG_HAS_MODBUS=0" not in options.without else []
    _files += ["aio/mqtt.py"] if "PMG_HAS_MQTT=0" not in options.without else []
if "PMG_HAS_MQTT=0" not in options.without:
    _files += ["mqtt.py"]
if "PMG_HAS_RPC=0" not in options.without and "PMG_HAS_UTIL=0" not in options.without:
    _files += ["jwt.py", "rpc.py"]
if "PMG_HAS_WEB=0" not in options.without and "PMG_HAS_UTIL=0" not in options.without:
    _web = (
        "__init__ answer app auth files form guard live request response routes send server session"
    )
    _files += [
        "web/%s.py" % each
        for each in (_web + " debug headers stream tasks template testing upload").split()
    ]
if not any(
    each + "=0" in options.without for each in ("PMG_HAS_CLIENT", "PMG_HAS_UTIL", "PMG_HAS_STREAM")
):
    _files += [
        "client.py",
        "cookies.py",
        "fetch.py",
        "inflate.py",
        "pool.py",
        "proxies.py",
        "redirects.py",
        "request.py",
        "response.py",
        "saving.py",
        "upload.py",
    ]
    _files += ["aio/http.py"] if "PMG_HAS_AIO=0" not in options.without else []
package("pymongoose", tuple(_files), base_path="../shared/python")
