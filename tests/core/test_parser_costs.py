# SPDX-License-Identifier: GPL-2.0-only
"""What a parser costs is bounded by its input: twice as much input, twice the work.

Counted, not timed: peers/parsers.c runs each parser on an input and on one of twice the size.
"""

import struct
import subprocess

import pytest
from targets import ROOT

SOURCES = """
base/form base/hash base/mem base/text base/utf8 dns/msg dns/wire http/chunk http/follow
http/head http/message http/multipart modbus/frame mqtt/ids mqtt/packet util/json util/match
util/url_join util/url_parts ws/frame
""".split()
WRAPPED = "memcpy memmove memset memcmp memchr strlen".split()
#: A bit more than twice: a buffer grows, a number has another digit.
RATIO = 2.2


@pytest.fixture(scope="session")
def parsers(mongoose, tmp_path_factory):
    folder = tmp_path_factory.mktemp("parsers")
    common = ["cc", "-O1", "-w", "-fno-builtin", "-ffunction-sections", "-DMG_ARCH=MG_ARCH_CUSTOM"]
    common += [f"-I{ROOT}/shared", f"-I{mongoose}", "-c"]
    counted = [*common, "-fsanitize-coverage=trace-pc"]
    files = {name.replace("/", "-"): f"{ROOT}/shared/{name}.c" for name in SOURCES}
    for name, path in {**files, "mongoose": f"{mongoose}/mongoose.c"}.items():
        subprocess.run([*counted, path, "-o", f"{name}.o"], cwd=folder, check=True)
    subprocess.run([*common, f"{ROOT}/tests/peers/parsers.c"], cwd=folder, check=True)
    objects = sorted(str(path) for path in folder.glob("*.o"))
    # Of Mongoose nothing is linked but its functions of text.
    wraps = [f"-Wl,--wrap={name}" for name in WRAPPED]
    link = ["cc", "-o", "parsers", *objects, "-Wl,--gc-sections", *wraps]
    subprocess.run(link, cwd=folder, check=True)

    def count(name, data):
        done = subprocess.run(
            [folder / "parsers", name], input=data, capture_output=True, check=True
        )
        return int(done.stdout)

    return count


def name(text):
    return b"".join(bytes([len(p)]) + p.encode() for p in text.split(".")) + b"\0"


def dns_message(n, record, question=True):
    head = struct.pack(">6H", 0x1234, 0x8180, int(question), n, 0, 0)
    return head + (name("a.test") + b"\0\1\0\1" if question else b"") + record * n


def a_record(owner):
    return owner + struct.pack(">HHIH", 1, 1, 60, 4) + b"\x7f\0\0\1"


def alias(i):
    """A chain that is told from its end: a.test, then c1, c2 ..."""
    owner = name("a.test" if i == 0 else f"c{i:05}")
    target = name(f"c{i + 1:05}")
    return owner + struct.pack(">HHIH", 5, 1, 60, len(target)) + target


def chain(n):
    records = b"".join(alias(i) for i in reversed(range(n)))
    return struct.pack(">6H", 0x1234, 0x8180, 1, n, 0, 0) + name("a.test") + b"\0\1\0\1" + records


def varint(n):
    out = b""
    while True:
        out, n = out + bytes([n & 127 | (128 if n > 127 else 0)]), n >> 7
        if not n:
            return out


def packet(first, body):
    return bytes([first]) + varint(len(body)) + body


def publish(props):
    return packet(0x30, b"\0\1t" + varint(len(props)) + props + b"x")


def subscribe(topics):
    return packet(0x82, b"\0\1\0" + topics)


def masked(op, data=b""):
    return bytes([0x80 | op, 0x80 | len(data)]) + b"mask" + data


REQUEST = b"GET /a?b=c HTTP/1.1\r\nHost: d\r\n%b\r\n"
PART = b'--b\r\nContent-Disposition: form-data; name="n"; filename="f"\r\n\r\nx\r\n'

# (parser, the size that is doubled, what makes an input of it)
CASES = {
    "head: one long value": ("head", 8000, lambda n: REQUEST % (b"X: " + b"a" * n + b"\r\n")),
    "head: long target": (
        "head",
        8000,
        lambda n: b"GET /" + b"a&" * n + b" HTTP/1.1\r\nHost: d\r\n\r\n",
    ),
    "head: spaces": ("head", 8000, lambda n: REQUEST % (b"X:" + b" " * n + b"\r\n")),
    "head: many headers": ("head", 30, lambda n: REQUEST % (b"X-Name: value\r\n" * n)),
    "head: a long list": (
        "head",
        4000,
        lambda n: REQUEST % (b"Connection: " + b"a," * n + b"\r\n"),
    ),
    "head: cookies": ("head", 4000, lambda n: REQUEST % (b"Cookie: " + b"a=b; " * n + b"\r\n")),
    "chunks: small": ("chunks", 5000, lambda n: b"1\r\nx\r\n" * n + b"0\r\n\r\n"),
    "chunks: trailers": ("chunks", 2000, lambda n: b"0\r\n" + b"A: b\r\n" * n + b"\r\n"),
    "chunks: a line without an end": ("chunks", 200, lambda n: b"1;" + b"a" * n),
    "ws: empty frames": ("ws", 5000, lambda n: masked(1) * n),
    "ws: pings": ("ws", 5000, lambda n: masked(9, b"x" * 100) * n),
    "ws: closes": ("ws", 5000, lambda n: masked(8, b"mhasdfgh") * n),
    "mqtt: user properties": ("mqtt", 3000, lambda n: publish(b"\x26\0\1a\0\1b" * n)),
    "mqtt: long property": (
        "mqtt",
        30000,
        lambda n: publish(b"\x26\0\1a" + struct.pack(">H", n) + b"b" * n),
    ),
    "mqtt: topics": ("mqtt", 3000, lambda n: subscribe(b"\0\3a/+\0" * n)),
    "mqtt: levels": (
        "mqtt",
        10000,
        lambda n: subscribe(struct.pack(">H", 2 * n + 1) + b"+/" * n + b"+\0"),
    ),
    "mqtt: small packets": ("mqtt", 5000, lambda n: b"\xc0\0" * n),
    "ids: all at once": ("ids", 30000, bytes),
    "ids: one beside many": ("ids_one", 30000, bytes),
    "dns: addresses": ("dns", 800, lambda n: dns_message(n, a_record(b"\xc0\x0c"))),
    "dns: long names": ("dns", 100, lambda n: dns_message(n, a_record(name("b." * 120 + "c")))),
    "dns: aliases": ("dns", 800, lambda n: dns_message(n, alias(1))),
    "dns: a chain from its end": ("dns", 300, chain),
    "wire: records": ("wire", 120, lambda n: dns_message(n, a_record(b"\xc0\x0c"))),
    "wire: long names": ("wire", 120, lambda n: dns_message(n, a_record(name("b." * 120 + "c")))),
    "wire: pointers": ("wire", 100, lambda n: pointers(n)),
    "modbus: reads": ("modbus", 3000, lambda n: b"\0\1\0\0\0\6\1\3\0\0\0\1" * n),
    "modbus: writes": (
        "modbus",
        300,
        lambda n: (b"\0\1\0\0\0\xfd\1\x10\0\0\0\x7b\xf6" + bytes(246)) * n,
    ),
    "multipart: parts": ("multipart", 2000, lambda n: PART * n + b"--b--\r\n"),
    "multipart: almost the end": (
        "multipart",
        20000,
        lambda n: PART[:-3] + b"\r\n--" * n + b"\r\n--b--\r\n",
    ),
    "multipart: long name": (
        "multipart",
        20000,
        lambda n: PART.replace(b'"n"', b'"' + b"\\" * n + b'n"') + b"--b--",
    ),
    "multipart: no end": ("multipart", 20000, lambda n: PART + b"x" * n),
    "json: numbers": ("json", 10000, lambda n: b"[" + b"1," * n + b"1]"),
    "json: strings": ("json", 5000, lambda n: b"[" + b'"\\u00e9",' * n + b"1]"),
    "json: members": ("json", 5000, lambda n: b"{" + b'"a":1,' * n + b'"b":2}'),
    "json: nested": ("json", 200, lambda n: b"[" * n + b"]" * n),
    "json: nested objects": ("json", 200, lambda n: b'{"none":' * n + b"1" + b"}" * n),
    "json: one string": ("json", 50000, lambda n: b'"' + b"\\n" * n + b'"'),
    "json: no end": ("json", 50000, lambda n: b'["' + b"a" * n),
    "url: long": ("url", 20000, lambda n: b"http://u:p@h:1/" + b"%41" * n),
    "url: colons": ("url", 20000, lambda n: b"http://" + b"a:@" * n),
    "url join: dots": ("url_join", 10000, lambda n: b"../." * n + b"x"),
    "url join: segments": ("url_join", 10000, lambda n: b"/a/./b/.." * n),
    "by hand: replies": (
        "replies",
        1000,
        lambda n: b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc" * n,
    ),
    "by hand: chunks": (
        "replies",
        5000,
        lambda n: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * n,
    ),
    "by hand: a long line": ("requests", 20000, lambda n: b"GET / HTTP/1.1\r\nX: " + b"a" * n),
    "form: variables": ("form", 10000, lambda n: b"a=b&" * n),
    "form: encoded names": ("form", 10000, lambda n: b"%6eone%41=b&" * n),
    "match: almost": ("match", 2000, lambda n: b"ab" * n),
    "utf8: text": ("utf8", 20000, lambda n: "é€😀".encode() * n),
    "utf8: broken": ("utf8", 20000, lambda n: b"\xf0\x9f\x98" * n),
    "base64": ("base64", 20000, lambda n: b"QUJD" * n),
}


def pointers(n):
    """Names that are pointers to pointers: each may be followed to its end."""
    first = a_record(name("b." * 100 + "c"))
    return struct.pack(">6H", 0, 0x8400, 0, n, 0, 0) + first + a_record(b"\xc0\x0c") * (n - 1)


@pytest.mark.parametrize("case", CASES)
def test_twice_the_input_is_twice_the_work(parsers, case):
    parser, size, make = CASES[case]
    small, large = (parsers(parser, make(n)) for n in (size, 2 * size))
    print(f"{case}: {small} blocks for {size}, {large} for twice as much")
    assert large > 10, "it ran"
    assert large <= RATIO * small
