# SPDX-License-Identifier: GPL-2.0-only
"""JSON-RPC 2.0: the examples of its specification and what else may arrive."""

import json

import pytest
from batches import each, examples
from hypothesis import given
from hypothesis import strategies as st
from peers.clients import seconds
from websockets.sync.client import connect

SCRIPT = """
import json

def params(req):
    return json.loads(json_get(req.frame, "$.params") or "[]")

def subtract(req):
    p = params(req)
    req.ok(p["minuend"] - p["subtrahend"] if isinstance(p, dict) else p[0] - p[1])

def boom(req):
    raise ValueError('a "bad" value\\n')

def twice(req):
    req.ok("1")
    raises(RuntimeError, req.ok, "2", text="already sent")
    raises(RuntimeError, req.err, 1, "2", text="already sent")

def after(req):
    req.ok("1")
    raise ValueError("too late")

def stop(req):
    raise KeyboardInterrupt

heard, kept, called = [], [], []
rpc = pymongoose.Rpc()
rpc.add("subtract", subtract)
rpc.add("sum", lambda req: req.ok(str(sum(params(req)))))
rpc.add("get_data", lambda req: req.ok('["hello", 5]'))
rpc.add("update", lambda req: called.append(req.frame))
rpc.add("notify_*", lambda req: (called.append(req.frame), req.ok("null")))
rpc.add("boom", boom)
rpc.add("twice", twice)
rpc.add("after", after)
rpc.add("stop", stop)
rpc.add("silent", lambda req: None)
rpc.add("not json", lambda req: req.ok("{"))
rpc.add("wrong code", lambda req: req.err("1", "x"))
rpc.add("wrong text", lambda req: req.err(1, b"x"))
rpc.add("mine", lambda req: req.err(-32000, "some\\u00e9\\0thing"))
rpc.add("keep", lambda req: (kept.append(req), req.ok("0")))
rpc.add("object", lambda req: req.ok({"a": [1, None]}))
rpc.add("echo", lambda req: req.ok(" " + json_get(req.frame, "$.params") + "\\n"))
rpc.add("", lambda req: heard.append(req.frame))

def handler(c, ev, data):
    if ev == MG_EV_HTTP_MSG:
        c.ws_upgrade(data)
    elif ev == MG_EV_WS_MSG:
        answer = rpc.process(data.data)
        if answer:
            c.ws_send(answer)

def process_all(frames):
    return [rpc.process(f) for f in frames]

m = Manager(handler)
announce("PORT", m.listen(url("http")))
serve(m)
"""


@pytest.fixture
def device(shared):
    return shared(SCRIPT)


def process(device, frame):
    answer = device.eval(f"rpc.process({frame!r})")
    return json.loads(answer) if answer else None


def error(code, message, frame_id=None):
    return {"jsonrpc": "2.0", "id": frame_id, "error": {"code": code, "message": message}}


def result(value, frame_id):
    return {"jsonrpc": "2.0", "id": frame_id, "result": value}


INVALID = error(-32600, "Invalid Request")


def test_examples_of_the_specification(device):
    v = '"jsonrpc": "2.0"'
    named = '{"subtrahend": 23, "minuend": 42}'
    cases = [
        (f'{{{v}, "method": "subtract", "params": [42, 23], "id": 1}}', result(19, 1)),
        (f'{{{v}, "method": "subtract", "params": [23, 42], "id": 2}}', result(-19, 2)),
        (f'{{{v}, "method": "subtract", "params": {named}, "id": 3}}', result(19, 3)),
        (f'{{{v}, "method": "update", "params": [1,2,3,4,5]}}', None),
        (f'{{{v}, "method": "foobar"}}', None),
        (f'{{{v}, "method": "foobar", "id": "1"}}', error(-32601, "foobar not found", "1")),
        (f'{{{v}, "method": "foobar, "params": "bar", "baz]', error(-32700, "Parse error")),
        (f'{{{v}, "method": 1, "params": "bar"}}', INVALID),
        (f'[{{{v}, "method": "sum", "params": [1,2,4], "id": "1"}},{{{v}, "method"]',
         error(-32700, "Parse error")),
        ("[]", INVALID),
        ("[1]", [INVALID]),
        ("[1,2,3]", [INVALID] * 3),
        (f'[{{{v}, "method": "sum", "params": [1,2,4], "id": "1"}},'
         f'{{{v}, "method": "notify_hello", "params": [7]}},'
         f'{{{v}, "method": "subtract", "params": [42,23], "id": "2"}},'
         f'{{"foo": "boo"}},'
         f'{{{v}, "method": "foo.get", "params": {{"name": "myself"}}, "id": "5"}},'
         f'{{{v}, "method": "get_data", "id": "9"}}]',
         [result(7, "1"), result(19, "2"), INVALID, error(-32601, "foo.get not found", "5"),
          result(["hello", 5], "9")]),
        (f'[{{{v}, "method": "notify_sum", "params": [1,2,4]}},'
         f'{{{v}, "method": "notify_hello", "params": [7]}}]', None),
    ]  # fmt: skip
    for frame, answer in cases:
        assert process(device, frame) == answer, frame
    assert device.eval("len(called)") == 4


@pytest.mark.parametrize(
    "frame_id", ["1", "-1.5e3", "12345678901234567890123", "1.0", '"\\u00e9\\ud800"', '""', "null"]
)
def test_an_id_comes_back_as_it_was(device, frame_id):
    frame = f'{{"method": "sum", "id" : {frame_id} }}'
    answer = device.eval(f"rpc.process({frame!r})")
    assert answer == f'{{"jsonrpc": "2.0", "id": {frame_id}, "result": 0}}'


def test_requests_that_are_invalid(device):
    frames = {
        '{"method": "sum", "id": true}': None,
        '{"method": "sum", "id": [1]}': None,
        '{"method": "sum", "id": {}}': None,
        '{"method": "sum", "params": 1, "id": 4}': 4,
        '{"method": "sum", "params": null, "id": 4}': 4,
        '{"method": null, "id": 4}': 4,
        '{"jsonrpc": "1.0", "method": "sum", "id": 4}': 4,
        '{"jsonrpc": 2.0, "method": "sum", "id": 4}': 4,
        '{"id": 4}': 4,
        "{}": None,
        "1": None,
        '"method"': None,
        "null": None,
    }
    for frame, frame_id in frames.items():
        assert process(device, frame) == error(-32600, "Invalid Request", frame_id), frame


def test_frames_that_are_no_json(device):
    for frame in "", "{", "nonsense", b"\xff", '{"id": 1, "method": "sum"} x', "[" * 10_000:
        assert process(device, frame) == error(-32700, "Parse error"), frame
    device.exec("raises(TypeError, rpc.process, None)")


def test_what_handlers_do(device):
    cases = {
        "boom": {"code": -32603, "message": "Internal error"},
        "silent": {"code": -32603, "message": "handler produced no response"},
        "not json": {"code": -32603, "message": "Internal error"},
        "wrong code": {"code": -32603, "message": "Internal error"},
        "wrong text": {"code": -32603, "message": "Internal error"},
        "mine": {"code": -32000, "message": "someé\0thing"},
    }
    for method, expected in cases.items():
        answer = process(device, json.dumps({"method": method, "id": 7}))
        assert (answer["id"], answer["error"]) == (7, expected)
        assert process(device, json.dumps({"method": method})) is None
    for method, value in ("twice", 1), ("after", 1), ("object", {"a": [1, None]}):
        assert process(device, json.dumps({"method": method, "id": 7})) == result(value, 7)
    assert device.eval('rpc.process(\'{"method":"echo","params":[ 1 ],"id":1}\')').endswith(
        '"result": [ 1 ]}'
    )


TEXTS = {
    "boom": 'a "bad" value\n',
    "not json": "the result is not JSON",
    "wrong code": "code must be int, not str",
    "wrong text": "message must be str, not bytes",
}


@pytest.mark.parametrize("method", TEXTS)
def test_texts_of_exceptions_are_for_who_asked(device, method):
    """The program has them, printed or by its error_handler; a peer only with show_errors."""
    frame = json.dumps({"method": method, "id": 7})
    device.mark()
    process(device, frame)
    assert TEXTS[method].strip() in device.console
    device.exec("raised = []; rpc.error_handler = raised.append")
    device.mark()
    assert process(device, frame)["error"]["message"] == "Internal error"
    assert "Traceback" not in device.console
    assert device.eval("[str(e) for e in raised]") == [TEXTS[method]]
    device.exec("rpc.show_errors = True")
    assert process(device, frame)["error"] == {"code": -32603, "message": TEXTS[method]}
    device.exec("rpc.show_errors, rpc.error_handler = False, None")
    device.exec("r = pymongoose.Rpc(show_errors=True, error_handler=print)")
    assert device.eval("(r.show_errors, r.error_handler is print)") == (True, True)


def test_a_request_ends_with_its_handler(device):
    process(device, '{"method": "keep", "id": 1}')
    assert device.eval("kept[0].frame") == ""
    device.exec("raises(RuntimeError, kept[0].ok, '1', text='no longer valid')")
    device.exec("raises(Error, kept[0].err, 1, 'x', text='no longer valid')")


def test_interrupts_leave(device):
    device.exec('raises(KeyboardInterrupt, rpc.process, \'{"method": "stop", "id": 1}\')')


def test_answers_go_to_the_handler_without_a_name(device):
    device.exec("heard.clear()")
    frames = ['{"id": 1, "result": 5}', '{"id": 2, "error": {"code": 1}}']
    for frame in frames:
        assert process(device, frame) is None
    assert device.eval("heard") == frames
    assert device.eval('pymongoose.Rpc().process(\'{"id": 1, "result": 5}\')') == ""


def test_methods(device):
    device.exec(
        "r = pymongoose.Rpc()\n"
        "r.add('a', lambda q: q.ok('1')); r.add('', lambda q: None); r.add('b', lambda q: q.ok('2'))"
    )
    assert device.eval("r.methods") == ["b", "a"]
    listing = device.eval('r.process(\'{"id": 1, "method": "rpc.list"}\')')
    assert json.loads(listing) == result(["b", "a"], 1)
    device.exec("r.add('?', lambda q: q.ok('3')); r.add('rpc.*', lambda q: q.ok('4'))")
    assert '"result": 3}' in device.eval('r.process(\'{"id": 1, "method": "a"}\')')
    assert '"result": 4}' in device.eval('r.process(\'{"id": 1, "method": "rpc.list"}\')')
    assert "error" in device.eval('r.process(\'{"id": 1, "method": ""}\')')
    device.exec("raises(TypeError, r.add, b'x', print)")
    device.exec("raises(TypeError, r.add, 'x', None)")


@pytest.mark.needs("memory")
def test_large_batches(device):
    frame = '{"method": "sum", "id": 1}'
    assert len(process(device, f"[{', '.join([frame] * 64)}]")) == 64
    assert process(device, f"[{', '.join([frame] * 65)}]") == error(-32600, "Batch too large")
    assert device.eval("rpc.process('[' + '1,' * 300_000 + '1]')").count("error") == 1


def test_whatever_arrives_the_answer_is_json(device):
    keys = st.sampled_from(["jsonrpc", "id", "method", "params", "result", "error", "other"])
    values = st.sampled_from(
        [1, "2.0", "sum", "boom", "rpc.list", None, [], {}, [1, 2], True, "é", -1.5, "echo"]
    )
    requests = st.dictionaries(keys, values) | values
    frames = st.one_of(requests, st.lists(requests, max_size=4)).map(json.dumps)

    @examples
    @given(st.lists(frames, min_size=20, max_size=20))
    def check(frames):
        for frame, text in zip(frames, each(device, "process_all", frames), strict=True):
            if not text:
                continue
            asked, answers = json.loads(frame), json.loads(text)
            assert isinstance(answers, dict) or len(answers) <= len(asked)
            for answer in answers if isinstance(answers, list) else [answers]:
                assert answer["jsonrpc"] == "2.0" and "id" in answer
                assert ("result" in answer) != ("error" in answer)

    check()


def test_over_a_websocket(device):
    host, port = device.reach(device.port())
    with connect(f"ws://{host}:{port}/") as client:
        client.send('{"jsonrpc": "2.0", "method": "update"}')
        client.send('{"jsonrpc": "2.0", "method": "sum", "params": [1, 2], "id": 5}')
        assert json.loads(client.recv(seconds(5))) == result(3, 5)
