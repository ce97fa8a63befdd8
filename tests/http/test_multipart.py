# SPDX-License-Identifier: GPL-2.0-only
"""Multipart forms as real clients make them, cut and damaged; the parser of `multipart` beside ours."""

import io
import re

import pytest
from batches import SCRIPT, ask, ask_kw, each, examples
from hypothesis import given
from hypothesis import strategies as st
from multipart import MultipartError, MultipartParser
from urllib3.filepost import encode_multipart_formdata

# Reads a whole form as a program does.
DEVICE = (
    """
def form(body, boundary=""):
    parts, offset = [], 0
    while True:
        offset, part = http_parse_multipart(body, offset, boundary)
        if part is None:
            return parts
        parts.append((part["name"], part["filename"], part["content_type"], part["body"]))

def forms(all):
    results = []
    for body in all:
        try:
            results.append(form(body))
        except ValueError as e:
            results.append(str(e))
    return results
"""
    + SCRIPT
)


@pytest.fixture
def device(shared):
    return shared(DEVICE)


def part(name, body, extra=b"", disposition=b"form-data"):
    head = b'Content-Disposition: %s; name="%s"%s\r\n\r\n' % (disposition, name, extra)
    return b"--X\r\n" + head + body + b"\r\n"


NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters='\r\n"\\', min_codepoint=32), max_size=8
)
NAMES = NAMES.filter(lambda name: name.isprintable())
BODIES = st.one_of(
    st.binary(max_size=60),
    st.lists(st.sampled_from([b"\r\n", b"--", b"X", b"\r", b"\n", b"--X", b"--X--"])).map(b"".join),
)


def test_forms_of_a_real_client(device):
    """urllib3's, which requests and pip send."""

    @examples
    @given(
        st.lists(st.tuples(NAMES, st.none() | NAMES, BODIES), min_size=1, max_size=5),
        st.sampled_from(["X", "----WebKitFormBoundary7MA4", "a" * 70, "'()+_,-./:=?"]),
    )
    def check(fields, boundary):
        if any(b"\r\n--" + boundary.encode() in b"\r\n" + body for _, _, body in fields):
            return
        sent = [
            (name, (filename, body, "text/x") if filename else body.decode("latin-1"))
            for name, filename, body in fields
        ]
        body, _ = encode_multipart_formdata(sent, boundary)
        wanted = [
            (
                name,
                filename or "",
                "text/x" if filename else "",
                content if filename else content.decode("latin-1").encode(),
            )
            for name, filename, content in fields
        ]
        assert device.eval(f"form({body!r})") == wanted
        assert device.eval(f"form({body!r}, {boundary!r})") == wanted

    check()


def test_every_cut_is_told(device):
    body = part(b"a", b"1") + part(b"b", b"--X\r", b'; filename="f"') + b"--X--"
    assert len(device.eval(f"form({body!r})")) == 2
    cuts = [body[:n] for n in range(1, len(body))]
    answers = each(device, "forms", cuts)
    for cut, answer in zip(cuts, answers, strict=True):
        # A lone dash is no boundary: nothing there is a form.
        assert (answer == [] and len(cut) < 2) or answer.startswith("this is no multipart form"), (
            cut
        )


PIECES = st.sampled_from(
    [b"--X", b"--X--", b"\r\n", b"\r", b"\n", b"--", b"Content-Disposition:", b" form-data"]
    + [b";", b" name=a", b'name="', b'"', b"\\", b"filename=", b"\0", b"\xff", b" ", b"\t", b"body"]
)


@st.composite
def damaged(draw):
    body = part(b"a", b"one") + part(b"b", b"two", b'; filename="c"') + b"--X--\r\n"
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(body)))
        body = body[:at] + draw(PIECES) + body[at + draw(st.integers(0, 12)) :]
    return body


def other(body):
    """What the package `multipart` reads of it, or None."""
    try:
        parts = list(MultipartParser(io.BytesIO(body), "X", strict=True))
        return [(p.name, p.filename or "", p.raw) for p in parts]
    except (MultipartError, UnicodeDecodeError):
        return None


def test_damaged_forms(device):
    """Whatever arrives: parts that lie in the body, or a ValueError; and no other reading of it."""
    read = bodies_made = 0

    @examples
    @given(st.lists(damaged(), min_size=30, max_size=30))
    def check(bodies):
        nonlocal read, bodies_made
        bodies_made += len(bodies)
        for body, answer in zip(bodies, each(device, "forms", bodies), strict=True):
            if isinstance(answer, str):
                assert answer.startswith("this is no multipart form: ")
                continue
            for _, _, _, content in answer:
                assert content in body and b"\r\n--X\r\n" not in content
            wanted = other(body)
            # The package takes "--X--" for the end in whatever line it begins.
            if re.search(rb"--X--[^ \t\r]", body):
                continue
            if wanted is not None and body.startswith(b"--X\r\n"):
                read += 1
                assert [(n, f, c) for n, f, _, c in answer] == wanted, body

    check()
    assert read > bodies_made / 24


def test_as_the_standard_has_it(device):
    end = b"--X--\r\n"
    good = {
        # A preamble needs the boundary to be told; an epilogue is passed over.
        part(b"a", b"1") + end + b"epilogue": [("a", "", "", b"1")],
        part(b"a", b"") + end: [("a", "", "", b"")],
        b'--X\r\ncontent-disposition:form-data;name="a"\r\n\r\n--X--': [("a", "", "", b"")],
        b"--X \t\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--X \r\n"
        + part(b"b", b"2")[5:]
        + end: [("a", "", "", b"1"), ("b", "", "", b"2")],
        part(rb"a\"b\\c", b"1") + end: [('a"b\\c', "", "", b"1")],
        part(b"a", b"1", rb'; filename="C:\dir\file"') + end: [("a", "C:\\dir\\file", "", b"1")],
        part("é".encode(), b"1") + end: [("é", "", "", b"1")],
        part(b"\xe9", b"1") + end: [("é", "", "", b"1")],
        # As browsers write it: a value ends at the first quote, a backslash is itself.
        part(b"a\\", b"1", b'; filename="b\\"') + end: [("a\\", "b\\", "", b"1")],
        part(b"a%22b", b"1", b'; filename="c%22%0D%0Ad%41%0d"') + end: [
            ('a"b', 'c"\r\nd%41%0d', "", b"1")
        ],
        part(b"a", b"1", b'; filename="a; name=x.txt"') + end: [("a", "a; name=x.txt", "", b"1")],
        # What is malformed so is read as old curl wrote it.
        part(b"a", b"1", rb'; filename="C:\\dir\\a\"b"') + end: [("a", 'C:\\dir\\a"b', "", b"1")],
        part(b"a", b"1", rb'; filename="a\"; name=\"b"') + end: [("a", 'a"; name="b', "", b"1")],
        # RFC 8187; it counts more than the other.
        part(b"a", b"1", b"; filename*=utf-8''x") + end: [("a", "x", "", b"1")],
        part(b"a", b"1", b"; filename*=UTF-8'de'%E2%82%AC%20x; filename=y") + end: [
            ("a", "\u20ac x", "", b"1")
        ],
        part(b"a", b"1", b"; filename=y; filename*=iso-8859-1''%C3%A9%41") + end: [
            ("a", "\xc3\xa9A", "", b"1")
        ],
        part(b"a", b"1", b"; filename*=utf-8''%2e%2E%2fx") + end: [("a", "../x", "", b"1")],
        part(b"a", b"1\r\n--Xy\r\n2") + end: [("a", "", "", b"1\r\n--Xy\r\n2")],
        part(b"a", b"1", b'; FILENAME="../../x%00"') + end: [("a", "../../x%00", "", b"1")],
        b"": [],
        b"a=1&b=2": [],
        b"--X--\r\n": [],
        b"--X--": [],
    }
    answers = each(device, "forms", good)
    for (body, wanted), answer in zip(good.items(), answers, strict=True):
        assert answer == wanted, body
    body = b"preamble\r\n--X no\r\n" + part(b"a", b"1") + end
    assert device.eval(f"form({body!r}, 'X')") == [("a", "", "", b"1")]


def test_what_is_refused(device):
    end = b"--X--"
    bad = {
        b"--X\r\n\r\n1\r\n" + end: "no Content-Disposition",
        b"--X\r\nContent-Type: a\r\n\r\n1\r\n" + end: "no Content-Disposition",
        b"--X\r\nno header\r\n\r\n1\r\n" + end: "malformed header",
        b"--X\r\nA : b\r\n\r\n1\r\n" + end: "malformed header",
        b"--X\r\nA: b\r\n folded\r\n\r\n1\r\n" + end: "malformed header",
        part(b"a\0", b"1") + end: "malformed header",
        part(b"a", b"1", disposition=b"attachment") + end: "malformed Content-Disposition",
        b"--X\r\nContent-Disposition: form-data\r\n\r\n1\r\n"
        + end: "malformed Content-Disposition",
        part(b"a", b"1", b'; name="b"') + end: "malformed Content-Disposition",
        part(b"a", b"1", b'; filename="b') + end: "malformed Content-Disposition",
        part(b"a", b"1", b'; filename=a b"') + end: "malformed Content-Disposition",
        part(b"a", b"1", b";") + end: "malformed Content-Disposition",
        part(b"a", b"1", b"; filename*=x") + end: "malformed Content-Disposition",
        part(b"a", b"1", b"; filename*=utf-8''%4") + end: "malformed Content-Disposition",
        part(b"a", b"1", b"; filename*=utf-8''%zz; filename=y") + end: "malformed Content-Disp",
        part(b"a", b"1", b"; filename*=utf-7''x") + end: "malformed Content-Disposition",
        # Bytes beyond ASCII, which would need more room as UTF-8 than they have here.
        part(b"a", b"1", b"; filename*=\"iso-8859-1''" + b"\xe9" * 3000 + b'"')
        + end: "malformed Content-D",
        part(b"a", b"1", b"; filename*=\"utf-8''" + "é".encode() + b'"')
        + end: "malformed Content-D",
        part(b"a", b"1", b"; filename*=utf-8''x; filename*=utf-8''y") + end: "malformed Content-D",
        part(b"a", b"1", b"\r\nContent-Disposition: form-data; name=c")
        + end: "malformed Content-D",
        part(b"a", b"1", b"\r\nContent-Type: a\r\ncontent-type: b") + end: "two Content-Type",
        b"--" + b"a" * 71 + b"\r\n\r\n": "no boundary",
        b"--\r\n\r\n": "no boundary",
        b"--X@\r\n\r\n": "no boundary",
        part(b"a", b"1"): "ends within a part",
        part(b"a", b"1") + b"--X-": "ends within a part",
    }
    answers = each(device, "forms", bad)
    for (body, why), answer in zip(bad.items(), answers, strict=True):
        assert isinstance(answer, str) and why in answer, (body, answer)


def test_offsets(device):
    body = part(b"a", b"1") + part(b"b", b"2") + b"--X--"
    offset, first = ask(device, [("http_parse_multipart", body)])[0]
    assert body[offset:].startswith(b"--X\r\n") and first["name"] == "a"
    assert ask_kw(device, "http_parse_multipart", body, offset=offset)[1]["name"] == "b"
    for wrong in 1, offset - 1, offset + 1, len(body):
        assert ask(device, [("http_parse_multipart", body, wrong)])[0][0] == "DecodeError", wrong
    for wrong in len(body) + 1, 1 << 60:
        assert ask(device, [("http_parse_multipart", body, wrong)])[0][0] == "ValueError", wrong
    assert ask(device, [("http_parse_multipart", body, -1)])[0][0] == "ValueError"
    assert ask(device, [("http_parse_multipart", body, 0, "Y")])[0][0] == "DecodeError"
    assert ask(device, [("http_parse_multipart", body, 0, "a\0")])[0][0] == "DecodeError"
    assert ask(device, [("http_parse_multipart", None)])[0][0] == "TypeError"


@pytest.mark.needs("memory")
def test_hostile_sizes(device):
    """Steps grow with the length, whatever it is made of."""
    for filler in b"\r\n--X", b"\r", b"\r\n", b"--X\r\n", b"a: b\r\n", b"\r\n--X \t":
        device.exec(f"body = {part(b'a', b'1')!r}[:-2] + {filler!r} * 100_000")
        assert device.eval("forms([body])")[0].startswith("this is no multipart form")


def test_safe_filenames(device):
    cases = {
        "a.txt": "a.txt",
        "../../etc/passwd": "passwd",
        "C:\\dir\\a b.txt": "a b.txt",
        "..": "",
        "/": "",
        "": "",
        ".htaccess": "htaccess",
        " . .x": "x",
        "x. .": "x",
        "a\0b\n\x7f": "ab",
        'a<b>:"|?*c': "abc",
        "é/ü.txt": "ü.txt",
        "a/..": "",
        "con:": "con",
        "x" * 300 + ".txt": "x" * 196 + ".txt",
        "é" * 150 + ".txt": "é" * 98 + ".txt",
        "y" * 200: "y" * 200,
        "." * 250 + "z": "z",
    }
    assert ask(device, [("safe_filename", name) for name in cases]) == list(cases.values())
    assert ask(device, [("safe_filename", b"x")])[0][0] == "TypeError"
