# SPDX-License-Identifier: GPL-2.0-only
"""client.get() and its like, with aiohttp's server."""

import pytest
from client_script import digest, fetched
from peers.http_servers import pattern
from targets import ROOT


def test_a_response(device, base):
    device.exec(f"r = client.get({base + '/echo/a?x=1#frag'!r})")
    found = device.eval("r.status_code, r.ok, r.reason, r.url, r.history, r.is_redirect")
    assert found == (200, True, "OK", base + "/echo/a?x=1#frag", [], False)
    assert device.eval("r.headers['CONTENT-type'], 'content-length' in r.headers, 'x' in r.headers") == (
        "application/json; charset=utf-8", True, False,
    )  # fmt: skip
    assert device.eval("r.headers.get('none', 7), failed(lambda: r.headers['none'])[0]") == (
        7,
        "KeyError",
    )
    seen = device.eval("r.json()")
    assert (seen["method"], seen["path"], seen["size"]) == ("GET", "/echo/a?x=1", 0)
    assert seen["headers"]["user-agent"].startswith("pymongoose/")
    assert device.eval("json.loads(r.text) == json.loads(r.content) == r.json()")
    device.exec("r.raise_for_status(); r.close()")
    assert device.eval(
        "[(k.lower(), v) for k, v in r.headers.items() if k.lower() == 'content-type']"
    )


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
def test_methods(device, site, method):
    seen = fetched(device, site.port, "/echo", "data=b'abc'" if method != "get" else "", method)
    assert seen["method"] == method.upper()
    assert seen["text"] == ("" if method == "get" else "abc")


def test_head_and_request(device, base):
    device.exec(f"r = client.head({base + '/echo'!r})")
    assert device.eval("r.status_code, r.content, int(r.headers['content-length']) > 10") == (
        200,
        b"",
        True,
    )
    assert device.eval(f"client.request('PURGE', {base + '/echo'!r}).json()")["method"] == "PURGE"
    assert device.eval(f"client.request('get', {base + '/echo'!r}).json()")["method"] == "GET"


@pytest.mark.parametrize(
    ("given", "query"),
    [
        ("{'a': 'b c', 'n': 1}", "?a=b%20c&n=1"),
        ("[('a', 1), ('a', 2)]", "?a=1&a=2"),
        ("{'a': [1, '\\xe4'], 'none': None}", "?a=1&a=%C3%A4"),
        ("'as=is'", "?as=is"),
        ("{}", ""),
    ],
)
def test_params(device, site, given, query):
    assert fetched(device, site.port, "/echo", f"params={given}")["path"] == "/echo" + query
    got = fetched(device, site.port, "/echo?x=y#f", f"params={given}")["path"]
    assert got == "/echo?x=y" + query.replace("?", "&")


def test_what_is_not_ascii_in_a_url(device, base, site):
    device.eval(f"client.get({base + '/echo/ä b?q=ü%20'!r}).status_code")
    assert site.seen[-1][1].endswith("q=%C3%BC%20")


@pytest.mark.parametrize(
    ("given", "kind", "text"),
    [
        ("json={'a': [1, None]}", "application/json", '{"a": [1, null]}'),
        ("json=[]", "application/json", "[]"),
        ("data={'a': 'b&c', 'n': 2}", "application/x-www-form-urlencoded", "a=b%26c&n=2"),
        ("data=[('a', 1), ('a', 2)]", "application/x-www-form-urlencoded", "a=1&a=2"),
        ("data='\\xe4'", None, "\xc3\xa4"),
        ("data=b'\\x00\\xff'", None, "\x00\xff"),
        ("data=bytearray(b'ab')", None, "ab"),
        ("data=(b for b in (b'one', '', ' two'))", None, "one two"),
        ("json=1, headers={'content-type': 'x/y'}", "x/y", "1"),
    ],
)
def test_bodies(device, site, given, kind, text):
    seen = fetched(device, site.port, "/echo", given, "post")
    assert seen["text"] == text
    assert (seen["type"] or "application/octet-stream") == (kind or "application/octet-stream")
    chunked = "for b in" in given
    assert ("transfer-encoding" in seen["headers"]) == chunked
    assert ("content-length" in seen["headers"]) != chunked


def test_headers_and_auth(device, site):
    seen = fetched(
        device, site.port, "/echo", "headers={'X-A': 'b', 'user-agent': 'me', 'Accept': None}"
    )
    assert (seen["headers"]["x-a"], seen["headers"]["user-agent"]) == ("b", "me")
    assert "accept" not in seen["headers"]
    seen = fetched(device, site.port, "/echo", "auth=('me', 'p:w')")
    assert seen["headers"]["authorization"] == "Basic bWU6cDp3"
    url = f"http://m%65:p%3Aw@{device.peer}:{site.port}/echo"
    device.exec(f"r = client.get({url!r})")
    assert device.eval("r.json()")["headers"]["authorization"] == "Basic bWU6cDp3"
    assert "@" not in device.eval("r.url")


def test_large_bodies(device, target, site, base, tmp_path):
    size = target.size(3_000_000, 30_000)
    data = pattern(size)
    for made in ("bytes", "generator"):
        device.exec(
            "def pieces():\n"
            f"  left = {size}\n"
            "  while left:\n"
            "    n = min(left, 1700)\n"
            f"    yield (b'0123456789abcdef-' * 101)[:n]\n"
            "    left -= n\n"
        )
        whole = f"b'0123456789abcdef-' * {size // 34}"
        given = whole if made == "bytes" else "pieces()"
        seen = fetched(device, site.port, "/echo", f"data={given}", "put")
        wanted = (
            data[: size // 34 * 17] if made == "bytes" else pattern(1717)[:1700] * (size // 1700)
        )
        assert seen["size"] == (len(wanted) if made == "bytes" else size)
        if made == "bytes":
            assert (seen["size"], seen["sha"]) == digest(wanted)


def test_files(device, target, site):
    device.exec(
        "import io\n"
        "class NoSeek:\n"
        "  def __init__(self): self.left = [b'x' * 700, b'y' * 600]\n"
        "  def read(self, n): return self.left.pop(0) if self.left else b''\n"
    )
    seen = fetched(device, site.port, "/echo", "data=io.BytesIO(b'abc' * 1000)", "put")
    assert (seen["size"], seen["headers"]["content-length"]) == (3000, "3000")
    seen = fetched(device, site.port, "/echo", "data=NoSeek()", "put")
    assert (seen["size"], "content-length" in seen["headers"]) == (1300, False)
    given = (
        "data={'field': 'v\\xe4', 'n': [1, 2]}, files={'a': io.BytesIO(b'A' * 2000),"
        "'b': ('na\"me.txt', 'text', 'text/plain'), 'c': ('c.bin', (p for p in (b'1', b'2')))}"
    )
    seen = fetched(device, site.port, "/form", given, "post")
    assert seen == {
        "field": ["vä"],
        "n": ["1", "2"],
        "a": [["a", "application/octet-stream", 2000, "A" * 20]],
        "b": [["na%22me.txt", "text/plain", 4, "text"]],
        "c": [["c.bin", "application/octet-stream", 2, "12"]],
    }


def test_the_first_example_of_the_docs(folder, device, base, site):
    from aiohttp import web

    async def page(request, rest):
        if request.method == "POST":
            return web.json_response((await request.json(), request.headers["Authorization"]))
        return web.json_response([{"name": "one"}, {"name": "page " + request.query["page"]}])

    site.page_api = page
    example = (ROOT / "docs/client.md").read_text().partition("```python no-run\n")[2]
    example = example.partition("```")[0]
    assert example.count("\n") < 15
    example = example.replace('"firmware.bin"', repr(folder + "/firmware.bin"))
    example = example.replace("https://example.com/firmware.bin", base + "/size/3000")
    device.exec(example.replace("https://example.com", base))
    assert [device.line(), device.line()] == ["one", "page 2"]
    assert [seen[:2] for seen in site.seen[1:]] == [("POST", "/api/items"), ("GET", "/size/3000")]
    assert device.eval(f"len(open({folder + '/firmware.bin'!r}, 'rb').read())") == 3000


@pytest.mark.needs("process")
def test_the_example_program(target, site, tmp_path):
    base = f"http://127.0.0.1:{site.port}"

    def run(*arguments):
        running = target.run(ROOT / "examples/fetch.py", *arguments)
        try:
            return running.exit_code(), running.console
        finally:
            running.kill()

    path = str(tmp_path / "got")
    assert run(base + "/move/302?to=/size/20000", path) == (
        0,
        f"stored 20000 bytes of {base}/size/20000",
    )
    assert (tmp_path / "got").read_bytes() == pattern(20000)
    assert run(base + "/chunks/1")[1].startswith("a line")
    code, text = run(base + "/none", path)
    assert code == 1 and "the server answers 404" in text
