# SPDX-License-Identifier: GPL-2.0-only
"""What a program can see is what shared/base/names.h lists, on every target, in both directions."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from api_list.rows import HEADER, macros, rows, table
from targets import ROOT

# Found by tools/deps/deps.py, as the builds find it.

#: Events of Mongoose that Python does not have, with the reason.
NOT_YET: dict[str, str] = {}

#: Lists that are no names of a Python object, and what they are instead.
OTHER_LISTS = {
    "PMG_EVENTS": "the first of PMG_CONSTANTS",
    "PMG_EVENT_DATA": "classes of data, checked below",
    "PMG_MESSAGES": "some of PMG_CLASSES, checked below",
    "PMG_LIMITS": "keywords of Manager, checked below",
    "PMG_VERSION_FIELDS": "attributes of version, checked below",
    "PMG_COPIES": "some of PMG_CLASSES, checked below",
    "PMG_PYTHON_NAMES": "imported when asked for, checked below",
}

# Class -> the lists of its public names.
CLASSES = {
    "Manager": ("PMG_MANAGER_METHODS", "PMG_MANAGER_PROPS"),
    "Connection": ("PMG_CONN_METHODS", "PMG_CONN_PROPS", "PMG_CONN_OBJECT_PROPS"),
    "Timer": ("PMG_TIMER_METHODS", "PMG_TIMER_PROPS"),
    "TlsOpts": ("PMG_TLS_OPTS_PROPS", "PMG_TLS_OPTS_FACTS"),
    "HttpRequest": ("PMG_HTTP_REQUEST_METHODS", "PMG_HTTP_REQUEST_PROPS"),
}
MESSAGES = rows("PMG_MESSAGES")
for _name in MESSAGES:
    CLASSES[_name] = (f"PMG_PROPS_{_name}", f"PMG_METHODS_{_name}")
    CLASSES[_name] = tuple(name for name in CLASSES[_name] if name in macros())
MODULE = ("PMG_CONSTANTS", "PMG_CLASSES", "PMG_FUNCTIONS", "PMG_ATTRIBUTES")

SCRIPT = """
import _pymongoose

seen = {}

def public(x):
    return sorted(name for name in dir(x) if name[:1] != "_")

def handler(c, ev, data):
    if type(data).__name__[:4] in ("Http", "Form", "WsMe", "Modb", "Mqtt", "Mdns"):
        seen.setdefault(type(data).__name__, (public(data), [type(getattr(data, n)).__name__ for n in public(data)]))
    if ev == MG_EV_HTTP_MSG and not c.is_client:
        c.ws_upgrade(data)
    elif ev == MG_EV_HTTP_HDRS and data.method == "POST":
        c.http_stream_form(max_size=0)
    elif ev == MG_EV_WS_OPEN and c.is_client:
        c.ws_send("x")
    elif ev == MG_EV_MODBUS_REQ:
        c.modbus_reply(error=1)

def form(m, port):
    m.connect(url("http", port)).http_request(
        "POST", "/", '--X\\r\\nContent-Disposition: form-data; name="x"\\r\\n\\r\\n\\r\\n--X--',
        {"Host": "d", "Content-Type": "multipart/form-data; boundary=X"})

def mdns(m):
    if not hasattr(m, "mdns_listen"):
        return ()
    # One asks, the other hears; an answer is what a name announces of itself.
    m.mdns_listen(interface=HOST).mdns_query("pmg-api-test")
    m.mdns_listen(name="pmg-api-test", interface=HOST)
    return ("MdnsRequest", "MdnsResponse", "MG_EV_MDNS_REQ", "MG_EV_MDNS_RESP")

def modbus(m):
    m.modbus_connect(url("modbus", port_of(m.modbus_listen(url("modbus"))))).modbus_read(3, 0)

def look():
    with Manager(handler) as m:
        timer = m.timer_add(1000, lambda: None)
        port = port_of(m.listen(url("http")))
        c = m.ws_connect(url("ws", port))
        form(m, port)
        modbus(m)
        wanted = ("FormPart", "WsMessage", "ModbusResponse", "MqttMessage") + mdns(m)[:2]
        m.mqtt_connect(url("mqtt", port_of(m.mqtt_listen(url("mqtt")))))
        poll_until(m, lambda: all(name in seen for name in wanted))
        for each in (m, c, timer, TlsOpts(), pymongoose.HttpRequest(None, None, None)):
            seen[type(each).__name__] = (public(each), [type(getattr(each, n)).__name__ for n in public(each)])
    seen["module"] = public(pymongoose)
    seen["_pymongoose"] = public(_pymongoose)

def data_kinds():
    kinds = {}
    def note(c, ev, data):
        kinds.setdefault(event_name(ev), type(data).__name__)
        if ev == MG_EV_HTTP_MSG and not c.is_client:
            c.ws_upgrade(data)
        elif ev == MG_EV_WS_OPEN and c.is_client:
            c.ws_send("x")
            c.ws_send("x", WEBSOCKET_OP_PING)
            m.wakeup(c.id, "x")
        elif ev == MG_EV_WS_CTL:
            c.error("x")
        elif ev == MG_EV_MODBUS_REQ:
            c.modbus_reply(error=1)
        elif ev == MG_EV_HTTP_HDRS and data.method == "PUT":
            c.http_stream_body(max_size=0)
        elif ev == MG_EV_HTTP_HDRS and data.method == "POST":
            c.http_stream_form(max_size=0)
        elif ev == MG_EV_MQTT_OPEN:
            c.mqtt_pub("x", "x")
    def clock(c, ev, data):
        if ev == MG_EV_READ:
            c.send(bytes([0x24, 1]) + bytes(22) + c.recv()[40:] + 2 * (b"\\xee" * 8))
    with Manager(note, poll_events=True) as m:
        port = port_of(m.listen(url("http")))
        m.ws_connect(url("ws", port))
        m.connect(url("http", port)).send(get(method="PUT", body="x"))
        form(m, port)
        wanted = ("MG_EV_ERROR", "MG_EV_WAKEUP", "MG_EV_HTTP_BODY", "MG_EV_HTTP_PART")
        poll_until(m, lambda: all(name in kinds for name in wanted))
    with Manager(note) as m:  # together they are more than a board has sockets for
        modbus(m)
        wanted = ("MG_EV_SNTP_TIME", "MG_EV_MODBUS_RESP", "MG_EV_MQTT_MSG") + mdns(m)[2:]
        m.mqtt_connect(url("mqtt", port_of(m.mqtt_listen(url("mqtt")))))
        m.sntp_connect(url("udp", port_of(m.listen(url("udp"), clock))))
        poll_until(m, lambda: all(name in kinds for name in wanted))
    return kinds

serve()
"""

PROPERTY_TYPES = {
    "BOOL": "bool",
    "KEPT": "bool",
    "INT": "int",
    "ADDR": "tuple",
    "OPT_TEXT": "NoneType",
    "CERT": "NoneType",
    "HEAD": "str",
    "TEXT": "str",
    "WS_TEXT": "str",
    "BYTES": "bytes",
}


@pytest.fixture
def seen(shared):
    device = shared(SCRIPT)
    device.exec("seen or look()")
    return device.eval("seen")


def without(target):
    """What a build leaves out that cannot multicast."""
    return () if "multicast" in target.capabilities else ("PMG_HAS_MDNS=0",)


def listed(names, target):
    return sorted(row for name in names for row in rows(name, *without(target)))


def test_every_list_is_checked():
    known = {*MODULE, *OTHER_LISTS, *(name for names in CLASSES.values() for name in names)}
    assert set(macros()) == known


def test_what_can_be_copied():
    copies = {
        name
        for name in MESSAGES
        if f"PMG_METHODS_{name}" in macros() and "copy" in rows(f"PMG_METHODS_{name}")
    }
    assert set(rows("PMG_COPIES")) == copies


@pytest.mark.needs("loopback")
@pytest.mark.parametrize("kind", CLASSES)
def test_names_of_a_class(seen, target, kind):
    if without(target) and kind.startswith("Mdns"):
        pytest.skip(f"{target.name} has no multicast")
    assert seen[kind][0] == listed(CLASSES[kind], target)


def test_names_of_the_module(seen, target):
    """The package gives what the extension gives; nothing else can be imported from it."""
    assert seen["_pymongoose"] == listed(MODULE, target)
    # MicroPython's dir() asks for every name it knows, so that these come, too.
    in_python = {name for row in table("PMG_PYTHON_NAMES") for name in row}
    in_python |= {path.stem for path in (ROOT / "shared/python/pymongoose").iterdir()}
    assert [name for name in seen["module"] if name not in in_python] == listed(MODULE, target)


def test_names_that_python_modules_bring(device):
    """They work in every form, and none is loaded before it is asked for."""
    names = dict(table("PMG_PYTHON_NAMES"))
    assert {"Rpc", "RpcReq", "jwt_sign", "jwt_verify"} <= set(names)
    running = device("serve()")
    modules = [f"pymongoose.{module}" for module in set(names.values())]
    running.exec(f"assert not [name for name in {modules!r} if name in sys.modules]")
    for name, module in names.items():
        running.exec(f"from pymongoose import {name} as one")
        running.exec(f"import pymongoose.{module}")
        running.exec(f"eq(one, pymongoose.{module}.{name})")
        running.exec(f"eq(one, pymongoose.{name})")
    running.exec("raises(AttributeError, getattr, pymongoose, 'no_such_name')")
    assert running.eval("hasattr(pymongoose, 'no_such_name')") is False


def test_import_all(device):
    """`import *` gives all names but those of Python modules, and asks for __all__ where that may be."""
    running = device(
        """
import pymongoose
def names(names):
    return {name for name in names if not name.startswith("_")}
namespace = {}
exec("from pymongoose import *", namespace)
eq(names(namespace), names(pymongoose.__all__))
eq(names(pymongoose.__all__), set(pymongoose.__all__))
assert {"Manager", "MG_EV_READ", "json_get_str"} <= names(namespace)
assert "Rpc" not in namespace
print("FINE")
"""
    )
    running.expect("FINE")


def test_version(shared):
    fields = rows("PMG_VERSION_FIELDS")
    values = shared(SCRIPT).eval(f"[getattr(version, name) for name in {fields!r}]")
    assert values == list(shared(SCRIPT).eval("tuple(version)"))
    found = dict(zip(fields, values, strict=True))
    assert all(type(value) is str and value for value in values)
    assert found["pymongoose"] == shared(SCRIPT).eval("pymongoose.__version__")
    assert found["mongoose"] == "7.23"
    assert found["mbedtls"].startswith("3.6.")
    assert found["runtime"].split()[0].lower() == shared(SCRIPT).eval("sys.implementation.name")
    for name in fields[:-1]:
        assert found[name] in found["text"]


def test_messages_are_classes():
    assert set(MESSAGES) < set(rows("PMG_CLASSES"))
    views = {name for _, kind, name in table("PMG_EVENT_DATA") if kind == "VIEW"}
    assert views == set(MESSAGES)


def test_types_of_properties(seen, target):
    for kind in ("Connection", *MESSAGES):
        if kind not in seen and without(target):
            continue
        found = dict(zip(*seen[kind], strict=True))
        for name, what, *_ in table(CLASSES[kind][1 if kind == "Connection" else 0]):
            if name in found or not without(target):
                assert found[name] == PROPERTY_TYPES.get(what, found[name]), name
    for kind, lists in CLASSES.items():
        if kind not in seen and without(target):
            continue
        found = dict(zip(*seen[kind], strict=True))
        for name in lists:
            if name.endswith("_METHODS"):
                methods = {found[row] for row in rows(name, *without(target))}
                assert methods <= {"builtin_function_or_method", "bound_method", "method"}


@pytest.mark.needs("loopback")
def test_data_of_events(shared, target):
    kinds = shared(SCRIPT).eval("data_kinds()")
    expected = {event: name for event, _, name in table("PMG_EVENT_DATA", *without(target))}
    for event, found in kinds.items():
        assert found == expected.get(event, "NoneType"), event
    assert set(expected) - set(kinds) == set(), "each listed kind was seen"


def test_limits_are_keywords_of_manager(shared):
    script = shared(SCRIPT)
    for name in rows("PMG_LIMITS"):
        script.exec(f"Manager({name}=1000).close()")


# ---- Constants ---------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def values(mongoose, tmp_path_factory):
    folder = tmp_path_factory.mktemp("values")
    lines = "".join(f'    printf("{name} %d\\n", {name});\n' for name in rows("PMG_CONSTANTS"))
    (folder / "values.c").write_text(f'#include "pmg.h"\nint main(void) {{\n{lines}}}\n')
    flags = [f"-I{mongoose}", f"-I{ROOT / 'shared'}", "-DMG_ARCH=MG_ARCH_CUSTOM"]
    program = folder / "values"
    subprocess.run(["cc", *flags, str(folder / "values.c"), "-o", str(program)], check=True)
    out = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    return {name: int(value) for name, value in (line.split() for line in out.splitlines())}


def test_constants_have_the_values_of_mongoose(shared, target, values):
    script = shared(SCRIPT)
    names = rows("PMG_CONSTANTS", *without(target))
    found = script.eval(f"{{n: getattr(pymongoose, n) for n in {names!r}}}")
    assert found == {name: values[name] for name in names}


def test_event_names(shared, target, values):
    script = shared(SCRIPT)
    listed_names = rows("PMG_CONSTANTS", *without(target))
    events = {values[name]: name for name in listed_names if name.startswith("MG_EV_")}
    events.pop(values["MG_EV_USER"])
    assert script.eval(f"{{n: event_name(n) for n in {list(events)!r}}}") == events
    assert script.eval("event_name(MG_EV_USER)").startswith("MG_EV_USER")
    assert "999" not in script.eval("event_name(MG_EV_USER + 3)")
    assert script.eval("type(event_name(-1)).__name__") == "str"


def test_every_event_of_mongoose_is_listed_or_left_out_for_a_reason(mongoose, values):
    text = open(os.path.join(mongoose, "mongoose.h")).read()
    enum = text[text.index("  MG_EV_ERROR,") :].split("}")[0]
    events = set(re.findall(r"^\s*(MG_EV_\w+)", enum, re.MULTILINE))
    assert len(events) > 20
    listed_events = {name for name in rows("PMG_CONSTANTS") if name.startswith("MG_EV_")}
    ours = listed_events - events
    assert events == (listed_events - ours) | set(NOT_YET)
    assert not listed_events & set(NOT_YET)
    assert all(values[name] >= 128 for name in ours), "above a program's own numbers"


# ---- A new constant ----------------------------------------------------------------------------


def copy_tree(folder):
    """The tree as it is, without what was built from it."""
    anywhere = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache")

    def ignore(path, names):
        return anywhere(path, names) | ({"build", "dist"} if path == str(ROOT) else set())

    shutil.copytree(ROOT, folder, symlinks=True, ignore=ignore)
    header = folder / HEADER.relative_to(ROOT)
    text = header.read_text()
    added = text.replace("X(WEBSOCKET_OP_TEXT) ", "X(WEBSOCKET_OP_TEXT) X(MG_JSON_TOO_DEEP) ", 1)
    assert added != text
    header.write_text(added)
    return folder


@pytest.mark.needs("process")
@pytest.mark.timeout(900)
def test_a_new_row_is_all_that_a_new_constant_takes(target, mongoose, tmp_path):
    """A copy of this tree with one more row in base/names.h is built: the Python has the constant."""
    tree = copy_tree(tmp_path / "tree")
    if target.name == "unix":
        # An incremental build, as a developer has it: the row alone must bring the rebuild.
        build = tree / "build" / "unix"
        shutil.copytree(ROOT / "build" / "unix", build, symlinks=True)
        for notes in build.rglob("*.P"):
            notes.write_text(notes.read_text().replace(f"{ROOT}/", f"{tree}/"))
        # Fast to compile; the objects that were there keep their -Os.
        run = [str(tree / "tools" / "build" / "unix.sh"), str(build), "COPT=-O0", "PMG_CFLAGS=-O0"]
        subprocess.run(run, check=True, capture_output=True, timeout=800)
        python = [str(build / "micropython"), "-c"]
        env = None
    else:
        run = [sys.executable, "-m", "pip", "install", "--quiet", "--no-build-isolation"]
        run += ["--no-deps", "--no-index", f"--target={tmp_path / 'site'}", "."]
        run += [f"--config-settings=cmake.define.MONGOOSE_DIR={mongoose}"]
        run += [f"--config-settings=build-dir={tmp_path / 'cmake'}"]
        run += ["--config-settings=cmake.define.CMAKE_C_FLAGS_RELEASE=-O0"]
        subprocess.run(run, check=True, cwd=tree, capture_output=True, timeout=800)
        python = [str(target.program), "-c"]
        env = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    code = "import pymongoose; print(pymongoose.MG_JSON_TOO_DEEP)"
    out = subprocess.run([*python, code], check=True, capture_output=True, text=True, env=env)
    assert out.stdout == "-1\n"
