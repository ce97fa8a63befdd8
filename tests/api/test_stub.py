# SPDX-License-Identifier: GPL-2.0-only
"""The stub says of each name what the live module has: mypy's stubtest, on CPython."""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from targets import ROOT

PROGRAM = """
from pymongoose import Connection, EventData, Handler, HttpMessage, Manager, WsMessage
from pymongoose import MG_EV_HTTP_MSG, MqttMessage
from pymongoose import TlsOpts, client
from pymongoose.mqtt import MqttSession


def handler(conn: Connection, ev: int, data: EventData) -> None:
    if ev == MG_EV_HTTP_MSG and isinstance(data, HttpMessage):
        conn.reply(200, data.uri)
    elif isinstance(data, WsMessage):
        conn.ws_send(data.text)


def broad(conn: Connection, ev: int, data: object) -> None: ...


def heard(message: MqttMessage) -> None:
    print(message.topic)


one: Handler = handler
manager = Manager(handler)
manager.listen("http://127.0.0.1:0", broad)
session = MqttSession(manager, "mqtt://127.0.0.1", "desk", heard, keepalive=30)
token: int = session.publish("a", b"b", 1)


def fetch(url: str, tls: TlsOpts | None = None) -> list[str]:
    r = client.get(url, params={"a": 1, "b": ["x"]}, headers={"X": "y"}, timeout=5, tls=tls)
    r.raise_for_status()
    kind: str | None = r.headers.get("content-type")
    print(kind, r.headers["etag"], r.status_code + r.status, r.ok, len(r.content), r.text.upper())
    for moved in r.history:
        print(moved.url)
    with open("x", "rb") as f:
        client.put(url, data=f, timeout=(1, None))
        client.post(url, files={"f": f}, data={"n": 1}, timeout={"read": 1.5})
        client.post(url, files={"f": ("a.txt", b"text", "text/plain")}, auth=("a", "b"))
    client.post(url, json={"a": [1]}, data=None, proxies={})
    client.patch(url, data=(piece for piece in [b"a"]), max_body=9)
    with client.Session(cookies=True, headers={"X": "y"}) as s, s.get(url, stream=True) as r:
        size: int = r.save("y", progress=lambda done, total: print(done, total))
        print(size)
    try:
        lines = [line for line in client.request("PURGE", url).iter_lines()]
    except client.Timeout as e:
        print(e.phase, e.url, e.errno)
    except client.HTTPError as e:
        print(e.response)
    found: list[str] = client.get(url).json()
    return found
"""
# What a handler or a call must not be, and the kind of mypy's complaint.
FAULTS = [
    (
        "def f1(conn: Connection, ev: int, data: EventData) -> None:\n    print(data.uri)",
        "union-attr",
    ),
    (
        "def f2(conn: Connection, ev: int, data: EventData) -> None:\n"
        "    if isinstance(data, HttpMessage):\n        print(data.topic)",
        "attr-defined",
    ),
    (
        "def f3(conn: Connection, ev: int, data: HttpMessage) -> None: ...\nManager(f3)",
        "arg-type",
    ),
    ("HttpMessage(b'GET')", "arg-type"),
    ("session.publish(1, b'')", "arg-type"),
    ("session.queued = 1", "misc"),
    ("MqttSession(manager, 'mqtt://h', 'x', nonsense=1)", "call-arg"),
    ("client.get('http://h', nonsense=1)", "call-arg"),
    ("client.Session().get('http://h', max_body=9)", "call-arg"),
    ("client.get('http://h', stream='yes')", "arg-type"),
    ("client.get(7)", "arg-type"),
    ("client.get('http://h').text = 'x'", "misc"),
    ("client.post('http://h', data=7)", "arg-type"),
    ("client.post('http://h', auth='me')", "arg-type"),
    ("client.get('http://h').nonsense", "attr-defined"),
]


def mypy(module, folder, *arguments, **environment):
    """Runs in `folder`, so that no configuration counts and no cache is left in the work tree."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )


def test_stub_and_module_agree(tmp_path):
    if find_spec("_pymongoose") is None:
        pytest.skip("the package is not installed here: make cpython")
    # Without the kit for tests, which has annotations and no stub, and programs that run when imported.
    installed = Path(find_spec("pymongoose").origin).parent
    shutil.copytree(
        installed,
        tmp_path / "pymongoose",
        ignore=shutil.ignore_patterns("testing", "flash", "__pycache__"),
    )
    # It is made when asked for, and for `import *` alone: the stub's names are the list.
    (tmp_path / "allowed").write_text("pymongoose.__all__\n")
    run = mypy(
        "mypy.stubtest", tmp_path, "--allowlist", "allowed", "pymongoose", MYPYPATH=str(tmp_path)
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_mypy_sees_inside_handlers(tmp_path):
    """A typed program passes, and each fault is found where it is made."""
    text, wanted = PROGRAM, []
    for fault, kind in FAULTS:
        text += f"{fault}\n"
        wanted.append((text.count("\n"), kind))
    (tmp_path / "program.py").write_text(text)
    run = mypy("mypy", tmp_path, "--strict", "program.py", MYPYPATH=str(ROOT / "typings"))
    found = re.findall(r"^program\.py:(\d+): error: .*\[([\w-]+)\]$", run.stdout, re.M)
    # A union is complained of once for each of its members.
    assert list(dict.fromkeys((int(line), kind) for line, kind in found)) == wanted, run.stdout


def test_generated_parts_are_new():
    run = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "check" / "stub.py"), "--check"],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
