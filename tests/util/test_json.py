# SPDX-License-Identifier: GPL-2.0-only
"""The JSON functions against Python's own json: what is found, what is refused."""

import json
import math

import pytest
from batches import SCRIPT, ask, ask_kw, examples
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
NUMBERS = st.one_of(
    st.integers(),
    st.integers(-(10**40), 10**40),
    st.floats(allow_nan=False, allow_infinity=False),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=12,
)
FORMS = st.sampled_from(
    [
        {"ensure_ascii": True},
        {"ensure_ascii": False},
        {"indent": 2},
        {"separators": (",", ":")},
        {"indent": "\t", "separators": (" ,\r\n", " : ")},
    ]
)


@pytest.fixture
def device(shared):
    return shared(SCRIPT)


def loads(text):
    """What Python reads, strictly; numbers as their text."""

    def refuse(constant):
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse, parse_int=str, parse_float=str)


def places(value, path="$"):
    """(path, value) of everything in a document that a path reaches."""
    yield path, value
    if isinstance(value, dict):
        for name, item in value.items():
            # A name may look like the end of another one's path.
            if name and not set(name) & set(".["):
                yield from places(item, f"{path}.{name}")
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from places(item, f"{path}[{i}]")


@pytest.fixture
def single(device):
    """Are floats of 32 bits there? Then what is out of their range is no number to compare."""
    return device.eval("1.0 + 2.0 ** -30 == 1.0")


def close(got, value, single):
    """As near as a runtime's own float() comes."""
    return got == value or math.isclose(got, value, rel_tol=2e-6 if single else 1e-12)


@pytest.mark.parametrize("kind", [str, bytes])
def test_everything_in_a_document_is_found(device, single, kind):
    names = ["json_get", "json_get_str", "json_get_num", "json_get_long", "json_get_bool"]

    @examples
    @given(VALUES, FORMS)
    def check(document, form):
        text = json.dumps(document, **form)
        data = text.encode() if kind is bytes else text
        known = list(places(document))
        answers = iter(ask(device, [(name, data, path) for path, _ in known for name in names]))
        for path, value in known:
            raw, string, number, integer, boolean = (next(answers) for _ in names)
            assert json.loads(raw) == value, path
            assert string == (value if isinstance(value, str) else None), path
            assert boolean is (value if isinstance(value, bool) else None), path
            if isinstance(value, bool) or not isinstance(value, int | float):
                assert (number, integer) == (None, 0), path
                continue
            assert type(number) is float, path
            if isinstance(value, int):
                assert integer == value, path
            if single and value and not 1e-37 < abs(value) < 1e37:
                continue
            assert close(number, float(value), single), path
            if not isinstance(value, int):
                whole = int(value) if not single or abs(value) > 1e6 else int(number)
                assert close(integer, whole, single), path

    check()


def test_items_have_a_bound(device, target):
    """Each becomes an object: a text that a peer has sent must not decide how many."""
    most = target.size(65536, 1024)
    device.exec(f"text = '[' + '1,' * {most - 1} + '1]'")
    assert device.eval("len(json_items(text))", 30) == most
    device.exec("raises(DecodeError, json_items, '[1,' + text[1:], text='at most')", 30)
    device.exec("del text")


def test_items(device):
    @examples
    @given(VALUES, FORMS)
    def check(document, form):
        (answer,) = ask(device, [("json_items", json.dumps(document, **form))])
        if isinstance(document, dict):
            assert [(name, json.loads(item)) for name, item in answer] == list(document.items())
        elif isinstance(document, list):
            assert [json.loads(item) for item in answer] == document
        else:
            assert answer is None

    check()


PIECES = st.sampled_from(
    [*'{}[]:,"\\ \t\r\n0123456789-+.eEuabfnrt/', "null", "true", "false", '"a"', "\\u0041"]
    + ["\\ud83d", "\\ude00", "\0", "\x1f", "\x7f", "é", "NaN", "Infinity", "-0", "01", "1e5", "😀"]
)


@st.composite
def damaged(draw):
    """Text that nearly is JSON, mostly."""
    text = list(json.dumps(draw(VALUES), **draw(FORMS)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text)))
        change = draw(st.integers(0, 2))
        if change == 0:
            text[at:at] = [draw(PIECES)]
        elif change == 1:
            text[at : at + 1] = [draw(PIECES)]
        else:
            del text[at : at + 1]
    return "".join(text)


def test_what_python_refuses_is_refused(device):
    @examples
    @given(st.lists(st.one_of(damaged(), st.lists(PIECES).map("".join)), min_size=40, max_size=40))
    def check(texts):
        answers = ask(device, [("json_get", text, "$") for text in texts])
        for text, answer in zip(texts, answers, strict=True):
            try:
                value = loads(text)
            except ValueError:
                assert answer is None, text
            else:
                assert answer == text.strip(" \t\r\n"), text
                assert loads(answer) == value

    check()


def test_bytes_that_are_no_utf8(device):
    bad = [b'"\xff"', b'"\xed\xa0\x80"', b'"\xc0\x80"', b'"\xf4\x90\x80\x80"', b'{"\x80": 1}']
    assert ask(device, [("json_get", data, "$") for data in bad]) == [None] * len(bad)
    assert ask(device, [("json_get", '"é"'.encode(), "$")]) == ['"é"']


def test_escapes(device):
    """Pairs of surrogates are one character; half of one is U+FFFD."""
    cases = {
        r'"\ud83d\ude00"': "\U0001f600",
        r'"\ud800"': "\ufffd",
        r'"\udc00\ud800"': "\ufffd\ufffd",
        r'"\ud800\u0041"': "\ufffdA",
        r'"\ud800\\udc00"': "\ufffd\\udc00",
        r'"a\u0000b"': "a\0b",
        r'"\"\\\/\b\f\n\r\t"': '"\\/\b\f\n\r\t',
    }
    answers = ask(device, [("json_get_str", text, "$") for text in cases])
    assert answers == list(cases.values())


@pytest.mark.needs("memory")
def test_nesting(device):
    """The deepest that is read, one more, and very much more."""
    for opening, closing in ("[", "]"), ('{"a":', "}"):
        for depth, found in (512, True), (513, False), (200_000, False):
            device.exec(f"text = {opening!r} * {depth} + '1' + {closing!r} * {depth}")
            assert device.eval("json_get(text, '$') == text") is found, depth
    assert ask(device, [("json_get_num", "[" * 512 + "7" + "]" * 512, "$" + "[0]" * 512)]) == [7]
    for bomb in "[", '{"a":', "[[],", "\\", "-", '"\\', "[1,", " ", "1e":
        assert device.eval(f"json_get({bomb!r} * 100_000, '$')") is None


@pytest.mark.needs("memory")
def test_numbers_beyond_a_double(device):
    huge = "9" * 308
    cases = [
        ("json_get_long", huge, "$", int(huge)),
        ("json_get_long", "-" + huge[1:], "$", -int(huge[1:])),
        ("json_get_long", huge + "0", "$", 0),
        ("json_get_long", "1e400", "$", 0),
        ("json_get_long", "-1e400", "$", 0),
        ("json_get_num", "1e400", "$", math.inf),
        ("json_get_num", "-1e400", "$", -math.inf),
        ("json_get_num", "1e-400", "$", 0.0),
        ("json_get_num", "1" + "0" * 5000, "$", math.inf),
        ("json_get_long", "9007199254740993", "$", 9007199254740993),
        ("json_get_long", "-3.99", "$", -3),
        ("json_get_long", "1e3", "$", 1000),
    ]
    answers = ask(device, [case[:-1] for case in cases])
    assert answers == [case[-1] for case in cases]
    assert device.eval("json_get_long('1' * 100_000, '$')") == 0


def test_paths(device):
    text = '{"a": [1, [2, 3], {"b.c": 4, "d": {"": 5}}], "a": 6, "e[0]": 7, "f": [8]}'
    found = {
        "$.a[0]": "1",
        "$.a[1][1]": "3",
        "$.a[2].b.c": "4",
        "$.a[2].d.": "5",
        "$.e[0]": "7",
        "$.f[00]": "8",
        "$.a[3]": None,
        "$.a[18446744073709551616]": None,
        "$.a[-1]": None,
        "$.a[]": None,
        "$.a[x]": None,
        "$.a[0": None,
        "$.a[0]x": None,
        "$.a.0": None,
        "$.": None,
        "$.A": None,
        "$[0]": None,
        "$.a[0].b": None,
    }
    assert ask(device, [("json_get", text, path) for path in found]) == list(found.values())
    for path in "", "a", ".a", "$a", " $":
        kind, message = ask(device, [("json_get", text, path)])[0]
        assert (kind, "begins with $" in message) == ("ValueError", True), path


def test_names_are_compared_as_they_mean(device):
    text = r'{"\u0061\ud83d\ude00": 1, "\u00e9": 2, "x\u0000y": 3}'
    paths = ["$.a😀", "$.é", "$.x\0y"]
    assert ask(device, [("json_get", text, path) for path in paths]) == ["1", "2", "3"]


def test_defaults(device):
    for name in "json_get_num", "json_get_bool", "json_get_long":
        assert ask(device, [(name, "{}", "$.a", "none")]) == ["none"]
        assert ask_kw(device, name, '{"a": "1"}', path="$.a", default=7) == 7
        assert ask_kw(device, name, "broken", "$", default=7) == 7
        kind, _ = ask_kw(device, name, "{}", "$", nonsense=1)
        assert kind == "TypeError"


def test_kinds_of_data(device):
    device.exec("data = b'[1]'")
    for kind in "bytes", "bytearray", "memoryview":
        assert device.eval(f"json_get({kind}(data), '$[0]')") == "1"
    assert device.eval("json_get(memoryview(b'[1]x')[:3], '$[0]')") == "1"
    for wrong in "None", "1", "['[1]']":
        device.exec(f"raises(TypeError, json_get, {wrong}, '$', text='data must be')")
    device.exec("raises(TypeError, json_get, '1', b'$', text='path must be')")
