# SPDX-License-Identifier: GPL-2.0-only
"""URLs and query strings against Python's urllib, patterns against its re."""

import re
from urllib.parse import parse_qsl, quote, unquote, unquote_plus, urlencode, urlsplit

import pytest
from batches import SCRIPT, ask, ask_kw, examples
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)

PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "mqtt": 1883, "mqtts": 8883, "tcp": 0}
TLS = {"https", "wss", "mqtts", "tls", "ssl", "tcps"}


@pytest.fixture
def device(shared):
    return shared(SCRIPT)


# ---- URLs ----------------------------------------------------------------------------------------

WORD = st.text("abcXYZ019-._~%41!$&'()*+,;=é", max_size=6)
HOSTS = st.one_of(
    st.from_regex(r"[a-z][a-z0-9-]{0,8}(\.[a-z]{1,5})?", fullmatch=True),
    st.sampled_from(["127.0.0.1", "[::1]", "[fe80::1%25eth0]", "[2001:db8::1]", "EXAMPLE.com"]),
)


@st.composite
def urls(draw):
    """(URL, scheme, user, password, host, port, path and query)."""
    scheme = draw(st.sampled_from([*PORTS, "tls", "ssl", "tcps", "HTTPS", "x-y+z.1"]))
    user, password = draw(st.one_of(st.just((None, None)), st.tuples(WORD, st.none() | WORD)))
    host = draw(HOSTS)
    port = draw(st.none() | st.integers(0, 65535))
    path = draw(st.sampled_from(["", "/", "/a", "/a//b/", "/@x:y", "/%2F"]))
    query = draw(st.sampled_from(["", "?", "?a=1&b", "?q=http://x:1@y/z", "?a/b"]))
    fragment = draw(st.sampled_from(["", "#", "#f?g/h@i:1"]))
    login = "" if user is None else f"{user}{'' if password is None else ':' + password}@"
    colon = "" if port is None else f":{port}"
    return f"{scheme}://{login}{host}{colon}{path}{query}{fragment}"


def test_parts(device):
    names = "host", "port", "user", "pass", "uri", "is_ssl"

    @examples
    @given(st.lists(urls(), min_size=8, max_size=8))
    def check(examples):
        answers = iter(ask(device, [(f"url_{name}", url) for url in examples for name in names]))
        for url in examples:
            host, port, user, password, uri, is_ssl = (next(answers) for _ in names)
            known = urlsplit(url)
            scheme = known.scheme
            netloc = known.netloc.rpartition("@")[2]
            assert host == re.sub(r":\d*$", "", netloc), url
            assert port == (PORTS.get(scheme, 0) if known.port is None else known.port), url
            assert (user, password) == (known.username or "", known.password or ""), url
            # An empty query's question mark is kept.
            target = known.path + url.partition("#")[0][len(url.partition("?")[0]) :]
            assert uri == (target if target.startswith("/") else "/" + target), url
            assert is_ssl is (scheme in TLS), url

    check()


def test_ports_that_are_none(device):
    bad = ["65536", "99999999999999999999", "80x", "-1", "+1", " 80", "8 0", "0x50"]
    urls = [f"http://host:{port}/" for port in bad] + ["http://[::1]x/", "http://[::1]80"]
    for answer in ask(device, [("url_port", url) for url in urls]):
        assert answer == ("DecodeError", "the port of this URL is no number from 0 to 65535")
    assert ask(device, [("url_port", "http://host:/")]) == [80]


def test_texts_that_are_no_urls(device):
    names = "host", "user", "pass", "uri", "port"
    cases = {
        "": ("", "", "", "/", 0),
        "host": ("host", "", "", "/", 0),
        "host:80": ("host", "", "", "/", 80),
        "host/path": ("host", "", "", "/path", 0),
        "/path?x": ("", "", "", "/path?x", 0),
        "://x": ("", "", "", "//x", 0),
        "http://": ("", "", "", "/", 80),
        "http://a\0b/c\0d": ("a\0b", "", "", "/c\0d", 80),
        "http://[::1": ("[::1", "", "", "/", 80),
        "http://a@b@c/": ("c", "a@b", "", "/", 80),
    }
    for text, known in cases.items():
        assert tuple(ask(device, [(f"url_{name}", text) for name in names])) == known, text
    for name in names:
        assert ask(device, [(f"url_{name}", b"http://x")])[0][0] == "TypeError"


# ---- Percent-encoding ----------------------------------------------------------------------------


def test_encoding(device):
    @examples
    @given(st.lists(TEXT, min_size=20, max_size=20))
    def check(texts):
        calls = [("url_encode", text) for text in texts]
        calls += [("url_encode", text.encode()) for text in texts]
        calls += [("url_decode", quote(text, safe="")) for text in texts]
        calls += [("url_decode", text.replace("%", "")) for text in texts]
        calls += [("url_decode", text.replace("%", ""), True) for text in texts]
        known = [quote(text, safe="") for text in texts] * 2
        known += texts
        known += [text.replace("%", "") for text in texts]
        known += [unquote_plus(text.replace("%", "")) for text in texts]
        assert ask(device, calls) == known

    check()


def test_decoding_of_bytes_that_are_no_text(device):
    texts = ["%FF", "a%C3", "%e2%82%ac", "%00", "%ED%A0%80"]
    known = [unquote(text) for text in texts]
    assert ask(device, [("url_decode", text) for text in texts]) == known
    for bad in "%", "%4", "%4g", "a%", "%%41", "%+1", "% 1":
        kind, text = ask(device, [("url_decode", bad)])[0]
        assert (kind, "two hex digits" in text) == ("DecodeError", True)
    assert ask_kw(device, "url_decode", "a+b", plus=True) == "a b"


# ---- Forms ---------------------------------------------------------------------------------------


def test_variables_of_a_form(device):
    @examples
    @given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=8), st.booleans())
    def check(pairs, as_bytes):
        form = urlencode(pairs)
        known = dict(reversed(parse_qsl(form, keep_blank_values=True)))
        data = form.encode() if as_bytes else form
        names = [*known, "none of them"]
        answers = ask(device, [("http_var", data, name) for name in names])
        assert answers == [known.get(name) for name in names]

    check()


def test_forms_as_they_come(device):
    cases = [
        ("", "a", None),
        ("a", "a", ""),
        ("a&b=1", "b", "1"),
        ("&&a=1&", "a", "1"),
        ("a=1=2", "a", "1=2"),
        ("A=1&a=2", "a", "2"),
        ("%61=1", "a", "1"),
        ("a+b=c+d", "a b", "c d"),
        ("%zz=1&a=2", "a", "2"),
        ("a=%zz", "b", None),
        ("=1", "", "1"),
        ("a=%00b", "a", "\0b"),
        ("ab=1", "a", None),
    ]
    assert ask(device, [("http_var", *case[:2]) for case in cases]) == [case[2] for case in cases]
    assert ask(device, [("http_var", "a=%z", "a")])[0][0] == "DecodeError"


# ---- Patterns ------------------------------------------------------------------------------------

AS_REGEX = {"?": "(.)", "*": "([^/]*?)", "#": "(.*?)"}
LETTERS = "ab/é."


def by_re(s, pattern):
    found = re.fullmatch("".join(AS_REGEX.get(ch, re.escape(ch)) for ch in pattern), s, re.DOTALL)
    return (True, list(found.groups())) if found else (False, [])


def test_patterns(device):
    @examples
    @given(
        st.lists(
            st.tuples(
                st.text(LETTERS, max_size=8),
                st.lists(st.sampled_from([*LETTERS, "?", "*", "#"]), max_size=6).map("".join),
            ),
            min_size=60,
            max_size=60,
        )
    )
    def check(pairs):
        answers = ask(device, [("match", *pair) for pair in pairs])
        assert answers == [by_re(*pair) for pair in pairs]

    check()


def test_patterns_that_others_get_wrong(device):
    cases = {
        ("a/ab", "#a*b"): (True, ["a/", ""]),
        ("ab/b_c", "*?b*c"): (True, ["ab", "/", "_"]),
        ("é", "?"): (True, ["é"]),
        ("a\0b", "a*b"): (True, ["\0"]),
        ("a\nb", "a?b"): (True, ["\n"]),
        ("aaa", "?" * 3): (True, ["a"] * 3),
        ("x" * 30, "?" * 30): (True, ["x"] * 30),
        ("", "*#*"): (True, [""] * 3),
    }
    assert ask(device, [("match", *case) for case in cases]) == list(cases.values())


@pytest.mark.needs("memory")
def test_patterns_that_blow_up_elsewhere(device):
    """Steps are bounded by the product of the lengths."""
    expressions = ["match('a' * 5000, 'a*' * 20 + 'b')", "match('a' * 3000, '#a' * 100 + 'b')"]
    for expression in expressions:
        assert device.eval(expression) == (False, [])
