# SPDX-License-Identifier: GPL-2.0-only
"""Hashes, Base64, CRC and random numbers against Python's own."""

import base64
import hashlib
import hmac
import zlib

import pytest
from batches import SCRIPT, ask, ask_kw, examples
from hypothesis import given
from hypothesis import strategies as st

# Around the block sizes, where padding changes.
DATA = st.one_of(
    st.binary(max_size=40), st.binary(min_size=50, max_size=70), st.binary(max_size=300)
)


@pytest.fixture
def device(shared):
    return shared(SCRIPT)


def test_hashes(device):
    @examples
    @given(st.lists(DATA, min_size=10, max_size=10))
    def check(blocks):
        for name in "md5", "sha1", "sha256":
            answers = ask(device, [(name, block) for block in blocks])
            assert answers == [hashlib.new(name, block).digest() for block in blocks]

    check()


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 200])
def test_hmac(device, size):
    key = bytes(range(256))[:size]
    blocks = [b"", b"x", bytes(300)]
    answers = ask(device, [("hmac_sha256", key, block) for block in blocks])
    assert answers == [hmac.digest(key, block, "sha256") for block in blocks]


def test_compare_digest(device):
    pairs = [
        (b"", b""), (b"a", b"a"), (b"a", b"b"), (b"ab", b"a"), (b"a", b"ab"), (b"", b"a"),
        ("\u00e9", "\u00e9".encode()), ("x" * 1000, b"x" * 999 + b"y"), (b"\0a", b"\0b"),
        (bytes(range(256)), bytes(range(256))), (bytearray(b"same"), "same"),
    ]  # fmt: skip
    answers = ask(device, [("compare_digest", a, b) for a, b in pairs])

    def plain(value):
        return value.encode() if isinstance(value, str) else bytes(value)

    assert answers == [plain(a) == plain(b) for a, b in pairs]


def test_texts_are_hashed_as_utf8(device):
    calls = [(name, "é€😀") for name in ("md5", "sha1", "sha256", "base64_encode", "crc32")]
    known = [(name, "é€😀".encode()) for name, _ in calls]
    assert ask(device, calls) == ask(device, known)
    assert ask(device, [("hmac_sha256", "é", "ü")]) == [
        hmac.digest("é".encode(), "ü".encode(), "sha256")
    ]


@pytest.mark.needs("memory")
def test_large_data(device):
    for name in "md5", "sha1", "sha256":
        assert (
            device.eval(f"{name}(bytes(3_000_001))") == hashlib.new(name, bytes(3_000_001)).digest()
        )
    assert device.eval("crc32(bytes(3_000_001))") == zlib.crc32(bytes(3_000_001))


def test_base64(device):
    @examples
    @given(st.lists(DATA, min_size=10, max_size=10))
    def check(blocks):
        texts = [base64.b64encode(block).decode() for block in blocks]
        assert ask(device, [("base64_encode", block) for block in blocks]) == texts
        assert ask(device, [("base64_decode", text) for text in texts]) == blocks
        assert ask(device, [("base64_decode", text.encode()) for text in texts]) == blocks

    check()


def test_base64_that_is_none(device):
    """Nothing is skipped and nothing is guessed."""

    @examples
    @given(st.lists(st.text("ABab01+/=-_ \n.", max_size=9), min_size=40, max_size=40))
    def check(texts):
        answers = ask(device, [("base64_decode", text) for text in texts])
        for text, answer in zip(texts, answers, strict=True):
            try:
                assert answer == base64.b64decode(text, validate=True), text
            except ValueError:
                assert answer == ("DecodeError", "this is not Base64"), text

    check()
    bad = [
        "A",
        "AA",
        "AAA",
        "AAAAA",
        "A===",
        "====",
        "AA=A",
        "AAAA====",
        "AA==AA==",
        "AAA=\n",
        "é===",
    ]
    for answer in ask(device, [("base64_decode", text) for text in bad]):
        assert answer == ("DecodeError", "this is not Base64")


def test_crc32(device):
    @examples
    @given(st.lists(st.tuples(DATA, st.integers(-5, 2**33)), min_size=10, max_size=10))
    def check(pairs):
        answers = ask(device, [("crc32", *pair) for pair in pairs])
        assert answers == [zlib.crc32(data, initial & 0xFFFFFFFF) for data, initial in pairs]

    check()
    assert ask_kw(device, "crc32", b"ld", initial=zlib.crc32(b"wor")) == zlib.crc32(b"world")


def test_random(device):
    sizes = [0, 1, 31, 32, 33, 1000]
    for size, block in zip(
        sizes, ask(device, [("random_bytes", size) for size in sizes]), strict=True
    ):
        assert (type(block), len(block)) == (bytes, size)
    for size, text in zip(
        sizes, ask(device, [("random_str", size) for size in sizes]), strict=True
    ):
        assert len(text) == size and (not text or (text.isalnum() and text.isascii()))
    one, two = ask(device, [("random_bytes", 32)] * 2)
    assert one != two


@pytest.mark.needs("memory")
def test_random_characters_are_equally_likely(device):
    """Of 62 kinds; a byte modulo 62 gives eight of them a quarter more often."""
    text = device.eval("random_str(62_000)")
    counts = sorted(text.count(ch) for ch in set(text))
    assert len(counts) == 62
    # Seven standard deviations; the bias would be eight.
    assert 1000 - 221 < counts[0] and counts[-1] < 1000 + 221, counts
    bytes_seen = device.eval("random_bytes(100_000)")
    assert len(set(bytes_seen)) == 256


def test_clock(device):
    one = device.eval("millis()")
    two = device.eval("(time.sleep(0.03), millis())[1]")
    assert two - one >= 30
    assert device.eval("type(millis()).__name__") == "int"


def test_wrong_arguments(device):
    cases = [
        *[(name, None) for name in ("md5", "sha1", "sha256", "base64_encode", "base64_decode")],
        ("crc32", 1),
        ("crc32", b"", "x"),
        ("hmac_sha256", 1, b""),
        ("hmac_sha256", b"", None),
        ("compare_digest", None, b""),
        ("compare_digest", b"", 1),
        ("random_bytes", "1"),
        ("random_str", 1.0),
        ("md5",),
        ("millis", 1),
    ]
    for case, (kind, _) in zip(cases, ask(device, cases), strict=True):
        assert kind == "TypeError", case
    for name in "random_bytes", "random_str":
        assert ask(device, [(name, -1)]) == [("ValueError", "length must not be negative")]
        assert ask(device, [(name, 1 << 62)])[0][0] == "MemoryError"
