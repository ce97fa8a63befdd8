# SPDX-License-Identifier: GPL-2.0-only
"""An installed package, tried: it answers a request over HTTP, has TLS, and says its version."""

import importlib.metadata
import threading
import urllib.request

import pymongoose
from pymongoose import MG_EV_HTTP_MSG, Manager

info = importlib.metadata.metadata("pymongoose-net")
assert info["Version"] == pymongoose.__version__, (info["Version"], pymongoose.__version__)
licenses = [str(path) for path in importlib.metadata.files("pymongoose-net") or []]
for name in ("LICENSE", "mongoose/LICENSE", "mbedtls/LICENSE"):
    assert any(
        path.endswith(f"licenses/{name}") or path.endswith(f"third_party/{name}")
        for path in licenses
    )
plugins = importlib.metadata.entry_points(group="pytest11")
assert [(each.name, each.value) for each in plugins] == [
    ("pymongoose.testing", "pytest_pymongoose")
]


def handler(conn, ev, data):
    if ev == MG_EV_HTTP_MSG:
        conn.reply(200, "installed: " + data.uri)


manager = Manager(handler)
port = manager.listen("http://127.0.0.1:0").local_addr[1]
pymongoose.TlsOpts(skip_verification=True)
heard = []


def ask():
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/here", timeout=30) as response:
        heard.append(response.read())


asking = threading.Thread(target=ask)
asking.start()
while asking.is_alive():
    manager.poll(100)
manager.close()
assert heard == [b"installed: /here"], heard
print("serves:", pymongoose.__version__)
