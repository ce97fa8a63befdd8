# SPDX-License-Identifier: GPL-2.0-only
# What is frozen into firmware; a board's manifest includes this file. `without` names what is left
# out, as the C is told: "PMG_HAS_MQTT=0;PMG_HAS_RPC=0".
# ruff: noqa: F821

options.defaults(without="")
include("$(MPY_DIR)/extmod/asyncio")

_files = ["__init__.py", "hints.py"]
if "PMG_HAS_MQTT=0" not in options.without:
    _files += ["mqtt.py"]
if "PMG_HAS_RPC=0" not in options.without and "PMG_HAS_UTIL=0" not in options.without:
    _files += ["jwt.py", "rpc.py"]
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
        "request.py",
        "response.py",
        "saving.py",
        "upload.py",
    ]
package("pymongoose", tuple(_files), base_path="../shared/python")
