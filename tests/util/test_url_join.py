# SPDX-License-Identifier: GPL-2.0-only
"""url_join() (RFC 3986, section 5), by its own examples and beside Python's."""

from urllib.parse import urljoin

import pytest
from batches import SCRIPT, ask, examples
from hypothesis import given
from hypothesis import strategies as st

BASE = "http://a/b/c/d;p?q"
# RFC 3986, 5.4
NORMAL = {
    "g:h": "g:h", "g": "http://a/b/c/g", "./g": "http://a/b/c/g", "g/": "http://a/b/c/g/",
    "/g": "http://a/g", "//g": "http://g", "?y": "http://a/b/c/d;p?y", "g?y": "http://a/b/c/g?y",
    "#s": "http://a/b/c/d;p?q#s", "g#s": "http://a/b/c/g#s", "g?y#s": "http://a/b/c/g?y#s",
    ";x": "http://a/b/c/;x", "g;x": "http://a/b/c/g;x", "g;x?y#s": "http://a/b/c/g;x?y#s",
    "": "http://a/b/c/d;p?q", ".": "http://a/b/c/", "./": "http://a/b/c/", "..": "http://a/b/",
    "../": "http://a/b/", "../g": "http://a/b/g", "../..": "http://a/", "../../": "http://a/",
    "../../g": "http://a/g",
}  # fmt: skip
ABNORMAL = {
    "../../../g": "http://a/g", "../../../../g": "http://a/g", "/./g": "http://a/g",
    "/../g": "http://a/g", "g.": "http://a/b/c/g.", ".g": "http://a/b/c/.g",
    "g..": "http://a/b/c/g..", "..g": "http://a/b/c/..g", "./../g": "http://a/b/g",
    "./g/.": "http://a/b/c/g/", "g/./h": "http://a/b/c/g/h", "g/../h": "http://a/b/c/h",
    "g;x=1/./y": "http://a/b/c/g;x=1/y", "g;x=1/../y": "http://a/b/c/y",
    "g?y/./x": "http://a/b/c/g?y/./x", "g?y/../x": "http://a/b/c/g?y/../x",
    "g#s/./x": "http://a/b/c/g#s/./x", "http:g": "http:g",
}  # fmt: skip
LOCATIONS = {
    ("http://h/a", "page.html"): "http://h/page.html",
    ("http://h", "page.html"): "http://h/page.html",
    ("http://h/a", "/ok#frag"): "http://h/ok#frag",
    ("http://h/a", "/ok?next=http://x/"): "http://h/ok?next=http://x/",
    ("http://h:1/a", "//host/ok"): "http://host/ok",
    ("https://u:p@h:1/a?b", "?c"): "https://u:p@h:1/a?c",
    ("http://[::1]:8/a", "b"): "http://[::1]:8/b",
    ("http://h?x", "y"): "http://h/y",
    ("http://h/a", "ws://other"): "ws://other",
    ("x", "http://h/a/../b"): "http://h/b",
}


@pytest.fixture
def device(shared):
    return shared(SCRIPT)


def test_examples_of_the_rfc(device):
    refs = {**NORMAL, **ABNORMAL}
    answers = ask(device, [("url_join", BASE, ref) for ref in refs])
    assert dict(zip(refs, answers, strict=True)) == refs


def test_locations(device):
    assert ask(device, [("url_join", *pair) for pair in LOCATIONS]) == list(LOCATIONS.values())


def test_without_a_scheme(device):
    error = ("ValueError", "the base has no scheme: http://host/path")
    calls = [("url_join", "host/a", "b"), ("url_join", "", ""), ("url_join", "//h/a", "b")]
    assert ask(device, calls) == [error] * 3


def test_beside_python(device):
    part = st.text("ab./?#;", max_size=12).filter(lambda text: "//" not in text)

    @examples
    @given(st.lists(part, min_size=5, max_size=5))
    def check(refs):
        # Python leaves empty queries and fragments out.
        refs = [ref for ref in refs if not any(mark in ref for mark in ("?#", "#", "?", ";"))]
        calls = [("url_join", "http://h/a/b/c", ref) for ref in refs]
        assert ask(device, calls) == [urljoin("http://h/a/b/c", ref) for ref in refs]

    check()
