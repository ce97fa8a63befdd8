# SPDX-License-Identifier: GPL-2.0-only
"""Against the real cymongoose: its names and signatures, the results of its functions, a program.

docs/differences.md says where the two differ on purpose; DIFFERENT holds a case of each.
"""

import ast
import hmac
import subprocess
import sys
from pathlib import Path

import cymongoose
import pytest
from api_list.rows import rows
from batches import SCRIPT, ask, examples
from hypothesis import given
from hypothesis import strategies as st
from targets import ROOT

#: Public names of cymongoose that are not here, with the reason.
NOT_HERE = {
    "AsyncManager": "asyncio has its own issue",
}

THEIRS = ast.parse((Path(cymongoose.__file__).parent / "_mongoose.pyi").read_text())
OURS = ast.parse((ROOT / "typings" / "pymongoose" / "__init__.pyi").read_text())


@pytest.fixture
def device(shared):
    return shared(SCRIPT)


# ---- Names and signatures ------------------------------------------------------------------------


def functions(body):
    """Name -> arguments; of an overloaded one the last."""
    return {node.name: node for node in body if isinstance(node, ast.FunctionDef)}


def classes(tree):
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def parameters(node):
    """What can be given by position, and what by name alone."""
    given = [argument.arg for argument in node.args.args]
    positional = [name for name in given if name not in ("self", "cls")]
    return positional, {argument.arg for argument in node.args.kwonlyargs}


def signatures():
    ours, theirs = classes(OURS), classes(THEIRS)
    for name, node in functions(THEIRS.body).items():
        yield name, node, functions(OURS.body).get(name)
    for kind in theirs:
        if kind in NOT_HERE:
            continue
        mine = functions(ours[kind].body)
        if "__init__" not in mine and "__new__" in mine:
            mine["__init__"] = mine["__new__"]
        for name, node in functions(theirs[kind].body).items():
            if name == "__init__" or not name.startswith("_"):
                yield f"{kind}.{name}", node, mine.get(name)


def variables(kind):
    """Attributes that a class of ours has without a method."""
    body = classes(OURS)[kind].body
    return {node.target.id for node in body if isinstance(node, ast.AnnAssign)}


def test_names_of_the_module(device):
    theirs = {name for name in cymongoose.__all__ if name not in NOT_HERE}
    assert len(theirs) > 70
    missing = device.eval(f"[name for name in {sorted(theirs)!r} if not hasattr(pymongoose, name)]")
    assert missing == []
    assert not [name for name in NOT_HERE if name in classes(OURS)]


def test_numbers_of_constants(device):
    names = [name for name in cymongoose.__all__ if name.isupper()]
    ours = device.eval(f"[getattr(pymongoose, name) for name in {names!r}]")
    assert dict(zip(names, ours, strict=True)) == {n: getattr(cymongoose, n) for n in names}


SIGNATURES = list(signatures())


@pytest.mark.parametrize("name, theirs, ours", SIGNATURES, ids=[name for name, *_ in SIGNATURES])
def test_signature(name, theirs, ours):
    """The same parameters in the same order; more may follow."""
    kind, _, attribute = name.partition(".")
    if ours is None and theirs.decorator_list and attribute in variables(kind):
        return
    assert ours is not None, "not here"
    wanted, found = parameters(theirs), parameters(ours)
    positional = [p.strip("_") for p in found[0]]
    if name == "Connection.ws_upgrade":  # works by both names
        assert "extra_headers" in found[1]
        wanted[0][wanted[0].index("extra_headers")] = "headers"
    assert [p.strip("_") for p in wanted[0]] == positional[: len(wanted[0])]
    assert wanted[1] <= found[1] | set(found[0])
    assert bool(theirs.decorator_list) == bool(ours.decorator_list) or name in rows("PMG_FUNCTIONS")


# ---- Results -------------------------------------------------------------------------------------

JSON = '{"a": {"b": [1, -2.5, true, null, "x\\n\\u0041"]}, "c": {}, "d": [[], [7]], "": 5}'
PATHS = [
    "$",
    "$.a",
    "$.a.b",
    "$.a.b[0]",
    "$.a.b[1]",
    "$.a.b[2]",
    "$.a.b[3]",
    "$.a.b[4]",
    "$.a.b[5]",
]
PATHS += ["$.c", "$.d[1][0]", "$.d[0]", "$.x", "$.c.x", "$.a.b.c"]
URLS = ["http://host", "https://host:8443/a?b=c", "ws://u:p@host/", "wss://u@host:1/x/y?z"]
URLS += ["mqtt://[::1]", "mqtts://1.2.3.4:99/", "tcp://host:7", "tls://h:1", "ssl://h:1", "host:80"]
FORMS = ["a=1&b=2", "a=&b", "b=xyz", "", "a", "x=1&a=4"]
MULTIPART = (
    '--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    '--X\r\nContent-Disposition: form-data; name="b"; filename="f.txt"\r\n'
    "Content-Type: text/plain\r\n\r\ntwo\r\nlines\r\n--X--\r\n"
)

SAME = [
    *[
        (f"json_get{kind}", JSON, path)
        for kind in ("", "_num", "_bool", "_long", "_str")
        for path in PATHS
    ],
    ("json_get_num", JSON, "$.x", 9),
    ("json_get_bool", JSON.encode(), "$.x", True),
    ("json_get_long", JSON, "$.x", 9),
    *[
        (f"url_{part}", url)
        for part in ("port", "host", "user", "pass", "uri", "is_ssl")
        for url in URLS
    ],
    *[("url_encode", text) for text in ("", "abc-._~", "A1")],
    *[("http_var", form, name) for form in FORMS for name in ("a", "b", "c")],
    *[
        ("match", "/api/users/42", p)
        for p in ("/api/*/*", "/api/#", "#", "/api/users/??", "*", "x")
    ],
    ("match", "", ""),
    *[("base64_encode", data) for data in (b"", b"a", b"ab", b"abc", "text")],
    *[("base64_decode", text) for text in ("", "YQ==", "YWI=", "YWJj")],
    *[
        (name, data)
        for name in ("md5", "sha1", "sha256", "crc32")
        for data in (b"", "text", bytes(999))
    ],
    ("crc32", b"lo", 1234),
    ("hmac_sha256", b"key", b"data"),
    ("hmac_sha256", "", ""),
    ("hmac_sha256", b"k" * 65, b""),
    ("http_parse_multipart", b""),
    ("random_bytes", 0),
    ("random_str", 0),
    *[("event_name", ev) for ev in (0, 1, 7, 17, -1, 1000)],
]


def theirs(name, *args):
    return getattr(cymongoose, name)(*args)


def test_results(device):
    for case, answer in zip(SAME, ask(device, SAME), strict=True):
        assert answer == theirs(*case), case


def test_results_of_multipart(device):
    offset = 0
    for _ in range(3):
        (ours,) = ask(device, [("http_parse_multipart", MULTIPART.encode(), offset)])
        known = theirs("http_parse_multipart", MULTIPART.encode(), offset)
        if ours[1] is not None:
            del ours[1]["content_type"]
        assert ours == known
        offset = ours[0]
    assert offset == 0


def test_results_of_whatever_data(device):
    data = st.one_of(st.binary(max_size=80), st.text(st.characters(codec="utf-8"), max_size=40))
    words = st.text("ab/?=&-_.", max_size=10)

    @examples
    @given(st.lists(data, min_size=5, max_size=5), st.lists(words, min_size=5, max_size=5))
    def check(blocks, texts):
        calls = [
            (n, b) for n in ("md5", "sha1", "sha256", "crc32", "base64_encode") for b in blocks
        ]
        calls += [("hmac_sha256", "key", block) for block in blocks]
        # Unlike cymongoose's match(), ours takes wildcards of the text for what they are.
        calls += [("match", text.replace("?", ""), "*") for text in texts]
        assert ask(device, calls) == [theirs(*call) for call in calls]

    check()


#: A case of each difference: the call, cymongoose's result, ours.
DIFFERENT = [
    (("json_get_num", "[1, 2", "$[0]"), 1.0, None),
    (("json_get_num", "[01]", "$[0]"), 1.0, None),
    (("json_get", "[" * 40 + "]" * 40, "$"), None, "[" * 40 + "]" * 40),
    (("json_get_str", r'["\u20ac"]', "$[0]"), None, "€"),
    (("json_get_str", r'["a\u0000b"]', "$[0]"), "a", "a\0b"),
    (("json_get_long", "[9007199254740993]", "$[0]"), 9007199254740992, 9007199254740993),
    (("json_get", '{"\\u0061": 1}', "$.a"), None, "1"),
    (
        ("json_get", "{}", "a"),
        None,
        ("ValueError", "a JSON path begins with $, and . or [ follows"),
    ),
    (("url_encode", "a b"), "a%20b", "a%20b"),
    (("url_encode", "/"), "%2f", "%2F"),
    (("url_uri", "http://h/a#b"), "/a#b", "/a"),
    (("url_uri", "http://h?a=1"), "/", "/?a=1"),
    (("url_host", "http://h?a=1"), "h?a=1", "h"),
    (("url_port", "HTTPS://h"), 0, 443),
    (("http_var", "a=b%20c+d", "a"), "b%20c+d", "b c d"),
    (("http_var", "A=1", "a"), "1", None),
    (("match", "a/ab", "#a*b"), (False, []), (True, ["a/", ""])),
    (("match", "é", "?"), (False, []), (True, ["é"])),
    (("base64_decode", "YWJj!"), b"abc", ("DecodeError", "this is not Base64")),
    (("base64_decode", "YQ"), b"", ("DecodeError", "this is not Base64")),
    (
        ("hmac_sha256", b"k" * 64, b""),
        bytes.fromhex("bb4c1bfd105bf27f196b4b1ec123d6e4c2ece8b5832e2f03bb8b22f2de8d0c0a"),
        hmac.digest(b"k" * 64, b"", "sha256"),
    ),
]


@pytest.mark.parametrize("call, known, ours", DIFFERENT, ids=lambda value: str(value)[:30])
def test_differences(device, call, known, ours):
    assert theirs(*call) == known
    assert ask(device, [call]) == [ours]


# ---- A program -----------------------------------------------------------------------------------

PROGRAM = """
import json

seen = []

def add(req):
    req.ok(str(int(cm.json_get_num(req.frame, "$.params[0]") + cm.json_get_num(req.frame, "$.params[1]"))))

rpc = cm.Rpc()
rpc.add("add", add)

def server(conn, ev, data):
    if ev == cm.MG_EV_HTTP_MSG:
        if data.uri == "/ws":
            conn.ws_upgrade(data)
        elif data.uri == "/rpc":
            conn.reply(200, rpc.process(data.body_text), {"Content-Type": "application/json"})
        elif data.uri == "/json":
            conn.reply_json({"name": data.query_var("name"), "agent": data.header("User-Agent", "none")})
        else:
            conn.reply(404, "Not found")
    elif ev == cm.MG_EV_WS_MSG:
        conn.ws_send("echo " + data.text)

def client(conn, ev, data):
    if ev == cm.MG_EV_CONNECT:
        conn.send(conn.userdata)
    elif ev == cm.MG_EV_HTTP_MSG:
        answer = json.loads(data.body_text) if data.status() == 200 else data.body_text
        seen.append((data.status(), answer if isinstance(answer, str) else sorted(answer.items(), key=str)))
        conn.drain()

def chat(conn, ev, data):
    if ev == cm.MG_EV_WS_OPEN:
        conn.ws_send("hello")
    elif ev == cm.MG_EV_WS_MSG:
        seen.append(data.text)
        conn.drain()

def request(method, path, body=""):
    conn = manager.connect("http://127.0.0.1:%d" % port, handler=client)
    head = "%s %s HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: %d\\r\\n\\r\\n" % (method, path, len(body))
    conn.userdata = (head + body).encode()
    wait(1)

def wait(more):
    n = len(seen) + more
    for _ in range(1000):
        if len(seen) >= n:
            return
        manager.poll(10)

manager = cm.Manager(server, enable_wakeup=True)
listener = manager.listen("http://127.0.0.1:0", http=True)
port = listener.local_addr[1]
request("GET", "/json?name=a+b%21")
request("POST", "/rpc", '{"id": 1, "method": "add", "params": [2, 40]}')
request("GET", "/none")
manager.ws_connect("ws://127.0.0.1:%d/ws" % port, chat)
wait(1)
ticks = []
timer = manager.timer_add(5, lambda: ticks.append(1), repeat=True)
for _ in range(200):
    if len(ticks) < 3:
        manager.poll(10)
seen.append(len(ticks) >= 3)
seen.append(cm.event_name(cm.MG_EV_HTTP_MSG))
manager.close()
print("SEEN", seen)
"""


@pytest.mark.needs("loopback", "process")
def test_a_program_runs_unchanged(device, target, tmp_path):
    """With the import alone changed it prints what it prints there, but for the version's answer."""
    script = tmp_path / "program.py"
    script.write_text("import cymongoose as cm\n" + PROGRAM)
    run = [sys.executable, str(script)]
    known = subprocess.run(run, capture_output=True, text=True, timeout=30, check=True).stdout
    script.write_text("import pymongoose as cm\n" + PROGRAM)
    running = target.run(script)
    try:
        assert running.exit_code() == 0, running.console
        ours = ast.literal_eval(running.console.partition("SEEN ")[2])
    finally:
        running.kill()
    wanted = ast.literal_eval(known.partition("SEEN ")[2])
    # JSON-RPC 2.0 wants "jsonrpc" in an answer.
    wanted[1] = (200, sorted([*wanted[1][1], ("jsonrpc", "2.0")], key=str))
    assert ours == wanted
