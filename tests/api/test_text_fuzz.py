# SPDX-License-Identifier: GPL-2.0-only
"""Texts from a peer that Python code of ours reads, with pieces changed, doubled, cut and mixed: they are
read, or refused with the error that is documented. PMG_TEXT_FUZZ=N plays N rounds with seeds of their own.
"""

import gzip
import os
import random
import zlib

import pytest

SCRIPT = r"""
from pymongoose import DecodeError, Rpc, jwt_sign, jwt_verify, rpc

seed = 1
def rnd(n):
    global seed
    seed = (seed * 1103515245 + 12345) & 0x7fffffff
    return (seed >> 8) % n

def pick(items):
    return items[rnd(len(items))]

SPICE = (b"\0", b"\xff", b"\xc3", b"\r\n", b"\"", b"\\", b"\\ud800", b"{", b"[", b"]", b".", b"=", b"-", b"%", b"%0", b"%00",
    b";", b",", b" ", b"/", b"..", b"@", b":", b"[::1", b"9" * 30, b"1e999", b"-1", b"\xf0\x9f\x98\x80", b"//", b"#", b"?")

def change(data, seeds):
    for _ in range(1 + rnd(4)):
        at, kind = rnd(len(data) + 1), rnd(6)
        end = at + rnd(8)
        if kind == 0:
            data = data[:at] + pick(SPICE) + data[at:]
        elif kind == 1:
            data = data[:at] + pick(SPICE) + data[end:]
        elif kind == 2:
            data = data[:at] + data[end:]
        elif kind == 3:
            data = data[:at]
        elif kind == 4 and at < len(data):
            data = data[:at] + bytes([data[at] ^ (1 << rnd(8))]) + data[at + 1:]
        else:
            other = pick(seeds)
            data = data[:at] + other[rnd(len(other) + 1):]
    return data[:4000]

def text(data):
    return "".join(chr(b) for b in data)

KEY = "a key of thirty-two bytes or more"
CLAIMS = {"sub": "a", "exp": 2000000000, "x": [1, None, 2.5, "\u20ac"]}
SIGNED = jwt_sign(CLAIMS, KEY).encode()

def token(data):
    try:
        claims = jwt_verify(data, KEY, now=1900000000)
    except ValueError:
        return
    assert claims == CLAIMS and data == SIGNED, (claims, data)

calls = []
def echo(req):
    calls.append(req.frame)
    req.ok(json_get(req.frame, "$.params") or "null")

server = Rpc()
server.add("echo", echo)
server.add("", echo)
server.add("fail", lambda req: 1 // 0)
server.error_handler = lambda e: None

def call(data):
    answer = server.process(text(data))
    assert answer == "" or json_get(answer, "$") is not None, answer
    if answer and json_get(text(data), "$") is None:
        assert json_get_long(answer, "$.error.code", 0) == -32700
    del calls[:]

def forms(data):
    at, size = 0, 0
    while True:
        before = at
        at, part = http_parse_multipart(data, at, "B")
        if part is None:
            break
        assert before < at <= len(data)
        size += len(part["body"])
    assert size <= len(data)

def urls(data):
    s = text(data)
    for f in (url_host, url_user, url_pass, url_uri, url_decode):
        f(s)
    assert 0 <= url_port(s) < 65536

def names(data):
    s = safe_filename(text(data))
    assert "/" not in s and "\\" not in s and "\0" not in s and s not in (".", ".."), s

def items(data):
    s = text(data)
    json_get(s, "$.a[1]"), json_get_str(s, "$.b"), json_get_num(s, "$.c"), json_items(s)

TARGETS = {
    "token": (token, ValueError),
    "rpc": (call, ()),
    "multipart": (forms, ValueError),
    "url": (urls, ValueError),
    "filename": (names, ()),
    "json": (items, ValueError),
}

def play(name, seeds, rounds, first):
    global seed
    seed = first
    f, errors = TARGETS[name]
    if name == "token":
        seeds = [SIGNED] + seeds
    refused = 0
    for data in seeds:
        f(data)
    for i in range(rounds):
        data = change(pick(seeds), seeds)
        try:
            f(data)
        except errors:
            refused += 1
        except Exception as e:
            raise RuntimeError("%s(%r): %s: %s" % (name, data, type(e).__name__, e))
    return refused
serve()
"""

CLIENT = r"""
import pymongoose.cookies as cookies, pymongoose.inflate as inflate, pymongoose.proxies as proxies
import pymongoose.request as request, pymongoose.response as response

class Asked:
    def __init__(self, url):
        self.url, self.at = url, request.split(url)

def cookie(data):
    jar = cookies.Jar()
    asked = Asked("http://a.example.test/x/y")
    jar.take(asked, response.Headers([("set-cookie", text(line)) for line in data.split(b"\n")]))
    assert len(jar) <= cookies.MAX_COOKIES
    jar.header(asked)
    assert jar.header(Asked("http://example.org/")) == ""
    assert "secure" in text(data).lower() or jar.header(asked) == jar.header(Asked("https://a.example.test/x/y"))

def target(data):
    s = text(data)
    secure, host, port, path = request.split(s)
    assert host and 0 <= port < 65536 and path[0] == "/", (host, port, path)
    request.quoted(s), request.with_params(s, {"q": "1"})

def no_proxy(data):
    first, _, rest = text(data).partition(" ")
    found = proxies.Proxies({"http": first, "no": rest})
    found.find(False, "a.test", 80)

def coded(data):
    for coding in ("gzip", "deflate"):
        coder = inflate.decoder(coding)
        if coder is None:
            return
        size = 0
        try:
            step = 1 + rnd(300)
            for at in range(0, len(data), step):
                coder.feed(data[at:at + step])
                piece = coder.read()
                while piece and size < 100000:
                    size += len(piece)
                    piece = coder.read()
            coder.finish()
            coder.read()
        except (ValueError, OSError): # as fetch.take() has it
            pass

TARGETS.update({
    "cookie": (cookie, ()),
    "target": (target, ValueError),
    "proxy": (no_proxy, ValueError),
    "coded": (coded, ()),
})
"""

BODY = b"The body, the body, the body of it. " * 20
SEEDS = {
    "token": [],
    "rpc": [
        b'{"jsonrpc": "2.0", "id": 1, "method": "echo", "params": [1, {"a": "b"}]}',
        b'[{"id": "x", "method": "fail"}, {"method": "echo"}, {"id": null, "method": "none"}, 5]',
        b'{"id": 7, "result": [true, false, null, 1.5e3]}',
        b'{"method": "rpc.list", "id": 2, "method": "\\u0065cho"}',
    ],
    "multipart": [
        b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--B--\r\n',
        b"--B\r\nContent-Disposition: form-data; name=f; filename*=utf-8''%e2%82%ac.txt\r\n"
        b"Content-Type: text/plain\r\n\r\nabc\r\n--B\r\nContent-Disposition: form-data; name=g\r\n\r\n\r\n--B--",
    ],
    "url": [b"http://u:p%40@[::1]:8080/a/../b?x=%41#f", b"mqtts://host.test", b"tcp://127.0.0.1:1"],
    "filename": [b"../../etc/passwd", b"C:\\temp\\x.txt", b"a\0b.png", b".hidden.", b"CON", b"x" * 300],
    "json": [b'{"a": [1, 2.5e-3, "\\ud83d\\ude00"], "b": "\\u00e4", "c": -0.0}', b"[[[[]]]]", b'"x"'],
    "cookie": [
        b"a=b; Path=/x; Domain=example.test; Max-Age=100; Secure; HttpOnly\nb=c; Path=/",
        b"c=d; Expires=Thu, 01 Jan 1970 00:00:00 GMT; SameSite=Lax\n=x\n;;",
        b"\n".join(b"n%d=%d" % (i, i) for i in range(80)),
    ],
    "target": [b"http://a.test:8080/x?y#z", b"https://[fe80::1]/", b"HTTP://u:p@host/%7e/\xe4"],
    "proxy": [b"http://u:p@proxy.test:3128 a.test,.b.test:80,*,[::1]:90", b"proxy *.a.test"],
    "coded": [
        gzip.compress(BODY, mtime=0),
        zlib.compress(BODY),
        zlib.compress(BODY)[2:-4],
        gzip.compress(b"", mtime=0) * 3 + gzip.compress(BODY, mtime=0),
    ],
}  # fmt: skip
#: What the HTTP client has, which a program may leave out.
OF_CLIENT = ("cookie", "target", "proxy", "coded")


@pytest.mark.parametrize("name", SEEDS)
def test_changed_texts(shared, target, name):
    device = shared(SCRIPT)
    if name in OF_CLIENT:
        device.exec(CLIENT)
    rounds, seed = target.size(500 if name == "cookie" else 3000, 60), 1
    if "PMG_TEXT_FUZZ" in os.environ:
        rounds, seed = int(os.environ["PMG_TEXT_FUZZ"]), random.randrange(1 << 30)
        print(f"seed {seed}")
    seeds = [data for data in SEEDS[name] if len(data) < target.size(10000, 800)]
    device.eval(f"play({name!r}, {seeds!r}, {rounds}, {seed})", 110)
