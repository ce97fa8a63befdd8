# SPDX-License-Identifier: GPL-2.0-only
"""The corpus of the fuzz targets: seeds.py unpack|pack FOLDER.

It lies in corpus/TARGET.txt, a line of Base64 for each input: what is written below by hand, and what
a run found that reaches further. `unpack` writes FOLDER/TARGET/*, `pack` takes the smallest of what a
run has kept there, after libFuzzer's own -merge.
"""

import base64
import hashlib
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).parent / "corpus"
#: Of one target. A few seconds for all, and a repository that stays small.
MOST_FILES, MOST_BYTES = 60, 24000

H = b"Host: x\r\n"


def head(what=0, step=0, cut=0):
    return struct.pack(">HBB", what, step, cut)


def http():
    get = b"GET /sub/?q=%41&b=1 HTTP/1.1\r\n" + H + b"Cookie: a=b; c=d\r\nX: 1\r\nX: 2\r\n\r\n"
    post = b"POST /a HTTP/1.1\r\n" + H + b"Content-Length: 5\r\n\r\nhello"
    chunks = (
        b"POST /a HTTP/1.1\r\n"
        + H
        + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: u\r\n\r\n"
    )
    parts = (
        b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--B\r\nContent-Disposition: '
        b'form-data; name="f"; filename="x.txt"\r\nContent-Type: text/plain\r\n\r\nabc\r\n--B--\r\n'
    )
    form = b"POST /f HTTP/1.1\r\n" + H + b"Content-Type: multipart/form-data; boundary=B\r\n"
    form += b"Content-Length: %d\r\n\r\n" % len(parts) + parts
    ranges = (
        b"GET /file.txt HTTP/1.1\r\n" + H + b'Range: bytes=1-2,4-\r\nIf-None-Match: "x"\r\n\r\n'
    )
    for what in range(12):
        yield head(what) + get + post
        yield head(what, 0, 2) + chunks + get
    for bits in (0x80, 0x100, 0x200, 0x500, 0x600, 0x710, 0x40, 0x10, 0x20):
        yield head(bits) + post + chunks + form
        yield head(bits, 3, 1) + form
    yield head(4) + ranges
    yield head(4) + b"GET /x/..%2f..%2fsecret HTTP/1.1\r\n" + H + b"\r\n"
    yield head(0) + b"GET / HTTP/1.0\r\n\r\n\r\n\r\nGET http://x/ HTTP/1.1\r\n" + H + b"\r\n"
    yield (
        head(0)
        + b"OPTIONS * HTTP/1.1\r\n"
        + H
        + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\na"
    )


def responses():
    for body in (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\nHTTP/1.0 200 x\r\n\r\nto the end",
        b"HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\nHTTP/1.1 503 y\r\nContent-Length: 0\r\n\r\n",
    ):
        for what in (0, 1, 2, 4, 0x100, 0x180):
            yield head(what) + body * 2


def ws(masked):
    def frame(first, data):
        size = len(data)
        length = bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size)
        if not masked:
            return bytes([first]) + length + data
        length = bytes([length[0] | 0x80]) + length[1:]
        return (
            bytes([first])
            + length
            + b"\1\2\3\4"
            + bytes(b ^ (i % 4 + 1) for i, b in enumerate(data))
        )

    for what in (0, 0x80, 0x40, 0x10, 0x20):
        yield head(what) + frame(0x81, b"hello") + frame(0x89, b"p") + frame(0x8A, b"q")
        yield head(what, 1) + frame(1, b"a") + frame(0x89, b"") + frame(0x80, b"\xc3\xa4")
        yield head(what, 0, 1) + frame(0x82, b"x" * 300) + frame(0x88, b"\x03\xe8bye")


def packet(first, data):
    return bytes([first, len(data)]) + data


def text(s):
    return struct.pack(">H", len(s)) + s


def mqtt():
    for five in (0, 8):
        prop = b"\0" if five else b""
        connect = packet(
            0x10,
            text(b"MQTT")
            + (b"\5\xce" if five else b"\4\xce")
            + b"\0\x3c"
            + prop
            + text(b"id")
            + prop
            + text(b"will")
            + text(b"gone")
            + text(b"u")
            + text(b"p"),
        )
        props = b"\x0b\x26" + text(b"k") + text(b"v") + b"\x23\0\1" if five else b""
        rest = b"".join(
            [
                packet(0x30, text(b"a/b") + (props or prop) + b"hello"),
                packet(0x32, text(b"a/b") + b"\0\1" + prop + b"one"),
                packet(0x34, text(b"a/b") + b"\0\2" + prop + b"two"),
                packet(0x62, b"\0\2"),
                packet(0x82, b"\0\3" + prop + text(b"a/#") + b"\1" + text(b"+/b") + b"\2"),
                packet(0xA2, b"\0\4" + prop + text(b"a/#")),
                packet(0xC0, b""),
            ]
        )
        acks = b"".join(
            [
                packet(0x20, b"\0\0" + (b"\x03\x21\0\x05" if five else b"")),
                packet(0x40, b"\0\1"),
                packet(0x50, b"\0\2"),
                packet(0x70, b"\0\2"),
                packet(0x90, b"\0\3" + prop + b"\1"),
                packet(0xB0, b"\0\4" + prop),
                packet(0xD0, b""),
            ]
        )
        for what in (0, 1, 2, 3, 7, 0x10, 0x20, 0x40):
            yield head(what | five) + connect + rest + packet(0xE0, b"")
            yield head(what | five | 0x1000) + rest + acks
            yield head(what | five | 0x1000, 2, 1) + acks + rest


def dns():
    question = b"\1a\4test\0\0\1\0\1"
    answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1"
    alias = b"\xc0\x0c\0\5\0\1\0\0\0\x3c\0\4\1b\xc0\x0e"
    for flags, records, data in (
        (0x8180, 1, answer),
        (0x8183, 0, b""),
        (0x8380, 0, b""),
        (0x8180, 2, alias + answer),
    ):
        message = struct.pack(">6H", 0, flags, 1, records, 0, 0) + question + data
        message += b"\0" * (len(message) % 2)
        one = bytes([(len(message) - 2) // 2]) + message
        yield head() + one * 3
        yield head(0x20) + one + b"\xff" + message


def mdns():
    name = b"\5board\5local\0"
    service = b"\5_http\4_tcp\5local\0"
    for data in (
        struct.pack(">6H", 0, 0, 2, 0, 0, 0) + name + b"\0\1\0\1" + service + b"\0\x0c\x80\1",
        struct.pack(">6H", 0, 0x8400, 0, 1, 0, 0) + name + b"\0\1\x80\1\0\0\0\x78\0\4\x0a\0\0\1",
        struct.pack(">6H", 0, 0x8400, 0, 2, 0, 0)
        + service
        + b"\0\x0c\0\1\0\0\0\x78\0\7\4page\xc0\x0c"
        + b"\xc0\x2e\0\x10\x80\1\0\0\0\x78\0\7\6path=/",
    ):
        data += b"\0" * (-len(data) % 4)
        for cut in (0, 1):
            yield head(0, 0, cut) + bytes([len(data) // 4]) + data + bytes([2]) + data


def sntp():
    for first in (0x24, 0xE4, 0x1C, 0x04):
        yield head() + b"\x18" + bytes([first, 2, 6, 0xEC]) + b"\0" * 28 + b"\xe5" * 18


def modbus():
    def pdu(n, data, unit=1):
        return struct.pack(">HHHB", n, 0, len(data) + 1, unit) + data

    for what in (0, 1, 3, 0x10):
        yield (
            head(what)
            + pdu(1, b"\3\0\0\0\2")
            + pdu(2, b"\x10\0\0\0\1\2\0\7")
            + pdu(3, b"\1\0\0\0\x09")
        )
        yield (
            head(what) + pdu(4, b"\5\0\1\xff\0") + pdu(5, b"\x0f\0\0\0\3\1\5") + pdu(6, b"\x2b\x0e")
        )
        yield (
            head(what) + pdu(1, b"\3\x14" + b"\0" * 20) + pdu(2, b"\1\3\1\2\3") + pdu(3, b"\x90\2")
        )


def tls():
    yield head() + b"\x16\x03\x01\0\5hello"
    hello = b"\x03\x03" + b"r" * 32 + b"\0\0\2\xc0\x2b\1\0\0\0"
    hello = b"\1" + struct.pack(">I", len(hello))[1:] + hello
    yield head() + b"\x16\x03\x01" + struct.pack(">H", len(hello)) + hello
    yield head() + b"\x15\x03\x03\0\2\2\x28" + b"GET / HTTP/1.1\r\n\r\n"


def tls_both():
    for first in (0, 1, 5, 100, 300, 600, 900, 1200, 1500, 2000, 2600):
        yield head() + struct.pack(">H", first) + b"\1\1X\1\0\0\0" + b"\0\4\x15\x03\x03\0"
        yield head(0, 50) + struct.pack(">H", first) + b"\0\0"


def paths():
    for path in (
        b"file.txt",
        b"../secret",
        b"..%2fsecret",
        b"%2e%2e/secret",
        b"x/index.html",
        b"x/../../secret",
        b"sub/a%26b.txt",
        b"fat/name.txt",
        b"fat/NAME.TXT",
        b"%00",
        b"sub//",
        b".hidden",
        b"sub%5c..%5csecret",
    ):
        yield head(4) + path
        yield head(4) + path + b"\0Range: bytes=0-0\r\nAccept-Encoding: gzip"


def texts(*inputs):
    return lambda: inputs


SEEDS = {
    "http_server": http,
    "http_client": responses,
    "ws_server": lambda: ws(True),
    "ws_client": lambda: ws(False),
    "mqtt_server": mqtt,
    "mqtt_client": mqtt,
    "mqtt_session": mqtt,
    "dns": dns,
    "mdns": mdns,
    "sntp": sntp,
    "modbus_server": modbus,
    "modbus_client": modbus,
    "tls_server": tls,
    "tls_both": tls_both,
    "paths": paths,
    "multipart": texts(
        b'\0--B\r\nContent-Disposition: form-data; name="a"; filename="c:\\x\\y"\r\n\r\n1\r\n--B--\r\n',
        b"\1B--B\r\nContent-Disposition: form-data; name=a; filename*=utf-8''%41\r\n\r\n\r\n--B--",
        b"\0--B\r\nContent-Disposition: form-data; name=a; filename*=iso-8859-1''%e4\xe4\r\n\r\n\r\n--B--",
    ),
    "json": texts(b'\6$.a[1]{"a": [1, -2.5e3], "b": "\\ud83d\\ude00"}', b"\1$[[[]]]", b"\1$nul"),
    "url": texts(
        b"\x17http://u:p@[::1]:8/a?b#c../d;x?y",
        b"\0tcp://127.0.0.1:80",
        b"\4a://b=1&c=%41+&&=",
        b"\0udp://[fe80::1%25eth0]:5",
        b"\0unix:///tmp/x",
    ),
    "base64": texts(b"aGVsbG8=", b"hello", b"aGVsbG9="),
    "cookies": texts(b'a=1; b="2"; a=', b'gzip;q=0.5, "a,b"; q=1', b"a=%41&a=b"),
    "match": texts(b"\5a/*/#a/b/c/d", b"\3?*#abc", b"\5#a#b#" + b"ab" * 20),
    "utf8": texts(b"\xc3\xa4\xed\xa0\x80\xf0\x9f\x98\x80\xff", b"abc"),
}


def unpack(folder):
    for name, seeds in SEEDS.items():
        target = folder / name
        target.mkdir(parents=True, exist_ok=True)
        kept = HERE / f"{name}.txt"
        lines = kept.read_text().split("\n") if kept.exists() else []
        found = [base64.b64decode(line) for line in lines if line and not line.startswith("#")]
        for data in [*seeds(), *found]:
            (target / hashlib.sha1(data).hexdigest()).write_bytes(data)


def pack(folder):
    HERE.mkdir(exist_ok=True)
    for name, seeds in SEEDS.items():
        by_hand = set(seeds())
        files = [p.read_bytes() for p in (folder / name).glob("*")]
        found = sorted({data for data in files if data and data not in by_hand}, key=len)
        total, lines = 0, ["# SPDX-License-Identifier: GPL-2.0-only"]
        for data in found[:MOST_FILES]:
            total += len(data)
            if total > MOST_BYTES:
                break
            lines.append(base64.b64encode(data).decode())
        (HERE / f"{name}.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    {"unpack": unpack, "pack": pack}[sys.argv[1]](pathlib.Path(sys.argv[2]))
