# SPDX-License-Identifier: GPL-2.0-only
"""The reference in docs/ names what there is, with the values and signatures that it has."""

import ast
import errno
import os
import re

import pytest
from api_list.rows import rows, table
from targets import ROOT

DOCS = ROOT / "docs"
SHARED = ROOT / "shared"
STUB = ast.parse((ROOT / "typings" / "pymongoose" / "__init__.pyi").read_text())

# Class -> its page, the lists of its methods, the lists of its properties.
CLASSES = {
    "Manager": ("manager", ["PMG_MANAGER_METHODS"], ["PMG_MANAGER_PROPS"]),
    "Connection": (
        "connection",
        ["PMG_CONN_METHODS"],
        ["PMG_CONN_PROPS", "PMG_CONN_OBJECT_PROPS"],
    ),
    "HttpMessage": ("messages", ["PMG_METHODS_HttpMessage"], ["PMG_PROPS_HttpMessage"]),
    "HttpRequest": ("web", ["PMG_HTTP_REQUEST_METHODS"], ["PMG_HTTP_REQUEST_PROPS"]),
    "FormPart": ("messages", ["PMG_METHODS_FormPart"], ["PMG_PROPS_FormPart"]),
    "WsMessage": ("messages", ["PMG_METHODS_WsMessage"], ["PMG_PROPS_WsMessage"]),
    "MqttMessage": ("mqtt", ["PMG_METHODS_MqttMessage"], ["PMG_PROPS_MqttMessage"]),
    "TlsOpts": ("tls", [], ["PMG_TLS_OPTS_PROPS", "PMG_TLS_OPTS_FACTS"]),
    "MdnsRequest": ("mdns", [], ["PMG_PROPS_MdnsRequest"]),
    "MdnsResponse": ("mdns", [], ["PMG_PROPS_MdnsResponse"]),
    "ModbusRequest": ("modbus", [], ["PMG_PROPS_ModbusRequest"]),
    "ModbusResponse": ("modbus", [], ["PMG_PROPS_ModbusResponse"]),
    "Timer": ("timer", ["PMG_TIMER_METHODS"], ["PMG_TIMER_PROPS"]),
    "Error": ("errors", [], []),
    "DecodeError": ("errors", [], []),
}


def page(name):
    return (DOCS / f"{name}.md").read_text()


def section(text, heading):
    """What stands under a heading of a page, up to the next of its level."""
    level = heading.split(" ")[0]
    found = re.search(rf"^{re.escape(heading)}$(.*?)(?=^{level} |\Z)", text, re.M | re.S)
    assert found, f"no heading {heading!r}"
    return found[1]


def cells(text):
    """The rows of a page's tables, without their heads."""
    for line in text.splitlines():
        if line.startswith("|") and not line.startswith("|---"):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def of_class(name):
    """The part of its page that belongs to a class."""
    text = page(CLASSES[name][0])
    heading = re.search(rf"^#+ class {name}$", text, re.M)
    assert heading, f"no heading for {name}"
    return text if heading[0].startswith("# ") else section(text, heading[0])


def names(lists):
    return {row for macro in lists for row in rows(macro)}


# ---- Names and signatures ----------------------------------------------------------------------


def signature(function):
    """A stub's function as a heading shows it; `...` is a default that the heading gives."""
    a, parts = function.args, []
    positional = [arg.arg for arg in a.args if arg.arg != "self"]
    defaults = [None] * (len(positional) - len(a.defaults)) + a.defaults
    for name, default in zip(positional, defaults, strict=True):
        parts.append(name if default is None else f"{name}={ast.unparse(default)}")
    limits = [arg.arg for arg in a.kwonlyargs if arg.arg in rows("PMG_LIMITS")]
    if a.kwonlyargs:
        parts.append("*")
    for arg, default in zip(a.kwonlyargs, a.kw_defaults, strict=True):
        if arg.arg not in limits:
            parts.append(arg.arg if default is None else f"{arg.arg}={ast.unparse(default)}")
    if limits:
        assert limits == list(rows("PMG_LIMITS"))
        parts.append("**limits")
    return f"({', '.join(parts)})"


def stub_class(name):
    found = [node for node in STUB.body if isinstance(node, ast.ClassDef) and node.name == name]
    return {node.name: node for node in found[0].body if isinstance(node, ast.FunctionDef)}


def test_every_class_has_its_part():
    assert set(CLASSES) == set(rows("PMG_CLASSES"))
    for name in CLASSES:
        assert of_class(name)


@pytest.mark.parametrize("name", CLASSES)
def test_methods(name):
    """Each has a heading with the stub's signature, and no heading is without a method."""
    methods = names(CLASSES[name][1])
    found = dict(re.findall(rf"^### {name}\.(\w+)(\(.*\))$", of_class(name), re.M))
    assert set(found) == methods
    for method in methods:
        wanted = re.escape(signature(stub_class(name)[method])).replace(re.escape("..."), r"\w+")
        plain = found[method].replace("\\\\", "\\").replace('b""', "b''").replace('""', "''")
        assert re.fullmatch(wanted.replace('""', "''"), plain), method


def test_constructor_of_manager():
    found = re.search(r"^### Manager(\(.*\))$", page("manager"), re.M)
    assert found[1] == signature(stub_class("Manager")["__init__"])


@pytest.mark.parametrize("name", CLASSES)
def test_properties(name):
    """Each stands in a table whose first column is the name."""
    found = {row[0].strip("`") for row in cells(of_class(name)) if row[0].startswith("`")}
    assert names(CLASSES[name][2]) <= found


def everywhere():
    return "\n".join(path.read_text() for path in sorted(DOCS.glob("*.md")))


def stub_functions():
    """The signatures of the module's functions; of an overloaded one the last is the longest."""
    found = {}
    for node in STUB.body:
        if isinstance(node, ast.FunctionDef):
            found.setdefault(node.name, []).append(signature(node))
    return found


def test_functions():
    """Each has one heading, with a signature of the stub."""
    headings = re.findall(r"^### (\w+)(\(.*\))$", everywhere(), re.M)
    stub = stub_functions()
    in_python = [name for name in rows("PMG_PYTHON_NAMES") if name in stub]
    for name in (*rows("PMG_FUNCTIONS"), *in_python):
        (found,) = (given.replace('"', "'") for heading, given in headings if heading == name)
        if len(stub[name]) > 1:  # what the default is, no overload says
            found = re.sub("=.*", ")", found)
        assert found == stub[name][-1].replace('"', "'"), name


def test_classes_in_python():
    """Their methods and properties as the stub has them."""
    stub = {node.name: node for node in STUB.body if isinstance(node, ast.ClassDef)}
    for name in rows("PMG_PYTHON_NAMES"):
        if name not in stub:
            continue
        of_class = section(everywhere(), f"## class {name}")
        found = dict(re.findall(rf"^### {name}\.(\w+)(\(.*\))$", of_class, re.M))
        properties = {row[0].strip("`") for row in cells(of_class) if row[0].startswith("`")}
        for method, node in stub_class(name).items():
            if node.decorator_list:
                assert method in properties, method
            elif not method.startswith("_"):
                assert found.pop(method).replace('"', "'") == signature(node), method
        assert not found


def test_fields_of_version():
    found = {row[0].strip("`") for row in cells(section(page("manager"), "### version"))}
    assert found - {"name"} == set(rows("PMG_VERSION_FIELDS"))


def test_constants():
    events = {row[0].strip("`") for row in cells(section(page("events"), "## All events"))}
    opcodes = {row[0].strip("`") for row in cells(section(page("websocket"), "## Opcodes"))}
    modbus = {row[0].strip("`") for row in cells(page("modbus") + page("mdns"))} & set(
        rows("PMG_CONSTANTS")
    )
    mqtt = {row[0].strip("`") for row in cells(page("mqtt")) if row[0].startswith("`MQTT_")}
    levels = {row[0].strip("`") for row in cells(section(page("log"), "## Levels"))}
    found = (events | opcodes | modbus | mqtt | levels) - {"event", "constant"}
    assert found == set(rows("PMG_CONSTANTS"))


def test_data_of_events():
    classes = {event: name for event, _, name in table("PMG_EVENT_DATA")}
    for event, data, _ in list(cells(section(page("events"), "## All events")))[1:]:
        event = event.strip("`")
        assert data == f"`{classes.get(event, 'None')}`", event


# ---- Values ------------------------------------------------------------------------------------


def test_limits():
    """The same rows in the same order, with the defaults of both kinds of target."""
    head, *found = cells(section(page("limits"), "# Limits").split("\n## ")[0])
    assert head[:3] == ["limit", "desktop", "board"]
    assert [(row[0].strip("`"), *row[1:3]) for row in found] == list(table("PMG_LIMITS"))


def defines(name):
    """The values that the sources of shared/ give a constant."""
    values = set()
    for path in [*SHARED.rglob("*.c"), *SHARED.rglob("*.h")]:
        for value in re.findall(rf"^#define {name} (.*?)(?: //.*)?$", path.read_text(), re.M):
            values.add(eval(re.sub(r"(\d)[uUlL]+\b", r"\1", value), {"__builtins__": {}}))
    return values


def test_fixed_sizes():
    found = list(cells(section(page("limits"), "## Fixed sizes")))[1:]
    assert found
    for _, desktop, board, name in found:
        values = {int(re.match(r"\d+", value)[0]) for value in (desktop, board)}
        assert values == defines(name.strip("`")), name


def test_messages():
    """docs/errors.md has every text of shared/pmg_messages.h."""
    header = (SHARED / "pmg_messages.h").read_text().replace("\\\n", "")
    texts = dict(re.findall(r'^#define PMG_MSG_(\w+)\s+"(.*)"$', header, re.M))
    assert len(texts) > 10
    documented = "\n".join(
        row[1] for row in cells(section(page("errors"), "## Texts of wrong calls"))
    )
    for name, text in texts.items():
        if name == "HANDLER_FAILED":  # never shown
            continue
        pattern = r"\w+".join(re.escape(part) for part in text.split("%s"))
        assert re.search(rf"^{pattern}$", documented, re.M), text


def test_texts_of_error_events():
    """Each stands in a source."""
    sources = "".join(path.read_text() for path in SHARED.rglob("*.c"))
    for entry, *_ in list(cells(section(page("errors"), "## Texts of MG_EV_ERROR")))[1:]:
        for text in entry.split(", "):
            text = re.sub(r"\b(REASON|NAME)\b", "", text).strip()
            assert text in sources, text


def test_troubleshooting():
    """What it says that one sees is said by something: a page of errors, a tool or the system."""
    sources = [DOCS / "errors.md", *(ROOT / "tools").rglob("*.sh"), *(ROOT / "tools").rglob("*.py")]
    said = "\n".join(path.read_text() for path in sources)
    said += "\n".join(os.strerror(getattr(errno, name)) for name in dir(errno) if name[0] == "E")
    said += "\n".join(path.read_text() for path in (SHARED / "open").glob("*.c"))
    # Sentences of ours about what is not said in these words.
    ours = ("from another machine", "a certificate that is", "an unknown authority")
    found = [row[0] for row in cells(page("troubleshooting"))]
    assert len(found) > 25
    for text in found:
        if text == "what is said" or text.startswith(ours):
            continue
        for part in text.split(": "):
            assert part.removesuffix(" REASON").removeprefix("HOST ") in said, text


# ---- Links -------------------------------------------------------------------------------------


def anchors(path):
    """As the usual renderers of Markdown make them of headings."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.M | re.S)
    for heading in re.findall(r"^#+ (.*)$", text, re.M):
        yield re.sub(r"[^\w\- ]", "", heading.replace("\\_", "_").lower()).replace(" ", "-")


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", *sorted(DOCS.glob("*.md"))], ids=lambda p: p.stem
)
def test_links(path):
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", path.read_text()):
        page = path.parent / target if target else path
        assert page.exists(), target
        assert not anchor or anchor in anchors(page), f"{target}#{anchor}"


def test_map_of_pages():
    linked = set(re.findall(r"\]\((\w[\w-]*)\.md\)", page("index")))
    assert linked == {path.stem for path in DOCS.glob("*.md")} - {"index"}
