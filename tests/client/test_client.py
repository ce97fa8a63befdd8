# SPDX-License-Identifier: GPL-2.0-only
"""client.get() and its like, with aiohttp's server."""

import hashlib

import pytest
from client_script import SCRIPT, fetched
from peers.clients import seconds
from peers.http_servers import Site, pattern
from peers.pki import NOW
from targets import ROOT


@pytest.fixture(scope="module")
def site(target):
    with Site() as running:
        yield running


@pytest.fixture
def folder(target, tmp_path):
    """Of the device; asked for ahead of `device`, whose place a board needs to make it."""
    return target.folder(tmp_path)


@pytest.fixture
def device(shared, site):
    del site.seen[:], site.peers[:]
    return shared(SCRIPT, now=int(NOW.timestamp()))


@pytest.fixture
def base(device, site):
    return f"http://{device.peer}:{site.port}"


def digest(data):
    return len(data), hashlib.sha256(data).hexdigest()


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


# ---- Responses in pieces


def test_a_stream(device, target, base):
    size = target.size(5_000_000, 60_000)
    data = pattern(size)
    device.exec(f"r = client.get({base + f'/size/{size}'!r}, stream=True)")
    assert device.eval("check(r.iter_content())", 60) == digest(data)
    device.exec(f"r = client.get({base + f'/size/{size}'!r}, stream=True)")
    assert device.eval("set([len(p) for p in r.iter_content(1000)])", 60) <= {1000, size % 1000}
    device.exec(f"r = client.get({base + '/chunks/5'!r}, stream=True)")
    assert device.eval("list(r.iter_lines())") == [b"a line"] + [b"and half a line"] * 4 + [
        b"and half "
    ]
    device.exec(f"r = client.get({base + '/chunks/5'!r}, stream=True)")
    assert device.eval("r.content") == b"a line\r\nand half " * 5
    assert device.eval("r.content, r.status_code")[1] == 200  # as often as one likes


def test_a_stream_that_is_left(device, base, target):
    size = target.size(5_000_000, 60_000)
    device.exec(
        f"with client.get({base + f'/size/{size}'!r}, stream=True) as r:\n"
        "  for piece in r.iter_content(): break\n"
    )
    assert device.eval("failed(lambda: r.content)")[0] == "Error"
    assert device.eval("live()") == (0, 0, 0, 0)


def test_save(folder, device, target, base):
    size = target.size(2_000_000, 20_000)
    path = folder + "/saved.bin"
    device.exec(f"got = []\nr = client.get({base + f'/size/{size}'!r}, stream=True)")
    assert (
        device.eval(f"r.save({path!r}, progress=lambda done, total: got.append((done, total)))", 60)
        == size
    )
    assert device.eval("got[-1]") == (size, size)
    assert device.eval("len(got) > 1 and sorted(got) == got")
    assert device.eval(f"check([open({path!r}, 'rb').read()])") == digest(pattern(size))
    assert device.eval(f"client.get({base + '/chunks/1'!r}).save({path!r})") == 17
    assert device.eval(f"open({path!r}, 'rb').read()") == b"a line\r\nand half "
    device.exec(f"import os; os.remove({path!r})")
    assert device.eval(f"os.listdir({folder!r})") == []


# ---- Decoding


@pytest.mark.parametrize("how", ["gzip", "deflate", "raw"])
def test_coded_bodies(device, target, base, how):
    size = target.size(1_000_000, 5_000)
    url = base + f"/coded/{how}/{size}"
    assert device.eval(f"check([client.get({url!r}).content])", 30) == digest(pattern(size))
    assert device.eval(f"check(client.get({url!r}, stream=True).iter_content())", 30) == digest(
        pattern(size)
    )


def test_a_coded_body_beyond_the_limit(device, base):
    url = base + "/coded/gzip/50000"
    name, text, _ = device.eval(f"failed(client.get, {url!r}, max_body=9000)")
    assert (name, "decoded body is larger than max_body, 9000 bytes" in text) == (
        "RequestError",
        True,
    )


def test_a_coded_body_that_is_none(device, base, site):
    async def page(request, rest):
        from aiohttp import web

        return web.Response(body=b"no gzip at all", headers={"Content-Encoding": "gzip"})

    site.page_nogzip = page
    name, text, _ = device.eval(f"failed(client.get, {base + '/nogzip'!r})")
    assert (name, "the body cannot be decoded" in text) == ("RequestError", True)


@pytest.mark.parametrize(
    ("data", "charset", "text"),
    [
        ("é".encode(), "utf-8", "é"),
        (b"a\xffb%41", "utf-8", "a\ufffdb%41"),
        (b"\xe9", "iso-8859-1", "é"),
    ],
)
def test_text(device, base, data, charset, text):
    assert (
        device.eval(f"client.get({base + f'/text/{data.hex()}?charset={charset}'!r}).text") == text
    )


def test_text_by_a_charset_of_the_program(device, base):
    device.exec(f"r = client.get({base + '/bytes/e9'!r}); r.encoding = 'latin-1'")
    assert device.eval("r.text") == "é"
    device.exec("r.encoding = 'no such'")
    assert device.eval("failed(lambda: r.text)")[:2] == (
        "ValueError",
        "this Python cannot decode no such",
    )


# ---- Redirects


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "GET", "GET"),
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (302, "PUT", "PUT"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
        (307, "POST", "POST"),
        (308, "PUT", "PUT"),
    ],
)
def test_redirects(device, site, base, status, method, then):
    url = base + f"/move/{status}?to=../echo%3Fx%3D1"
    body = ", data=b'body', headers={'Content-Type': 'a/b'}" if method in ("POST", "PUT") else ""
    device.exec(f"r = client.request({method!r}, {url!r}, allow_redirects=True{body})")
    assert device.eval("r.url, r.status_code, [h.status_code for h in r.history], r.history[0].url") == (
        base + "/echo?x=1", 200, [status], url
    )  # fmt: skip
    if then != "HEAD":
        seen = device.eval("r.json()")
        kept = then == method and method != "GET"
        assert (seen["method"], seen["text"]) == (then, "body" if kept else "")
        assert (seen["type"] == "a/b") == kept
    assert len(set(site.peers)) == 1  # on one connection


def test_redirects_that_are_not_followed(device, base):
    url = base + "/move/302?to=/echo"
    assert device.eval(f"client.get({url!r}, allow_redirects=False).status_code") == 302
    assert device.eval(f"client.head({url!r}).is_redirect")
    assert device.eval(f"client.get({base + '/status/304'!r}).status_code") == 304


def test_ten_redirects_at_most(device, base, site):
    found = device.eval(f"failed(client.get, {base + '/loop'!r})")
    assert found[0] == "RequestError" and "more than 10 redirects" in found[1]
    assert len(site.seen) == 11
    assert device.eval(
        f"(lambda s: (failed(s.get, {base + '/loop'!r})[1][-21:], s.close()))(client.Session(max_redirects=2))"
    )[0].endswith("more than 2 redirects")


@pytest.mark.parametrize("to", ["ftp://x/", "http:///x", "mailto:a@b", "http://h:99999/"])
def test_a_redirect_to_nowhere(device, base, to):
    name, text, _ = device.eval(f"failed(client.get, {base + '/move/302?to=' + to!r})")
    assert name in ("RequestError",) and "redirect" in text


def test_a_body_that_cannot_be_sent_again(device, base):
    url = base + "/move/307?to=/echo"
    assert (
        device.eval(f"client.post({url!r}, data=io.BytesIO(b'again')).json()['text']") == "again"
        if device.exec("import io") is None
        else 0
    )
    name, text, _ = device.eval(f"failed(client.post, {url!r}, data=iter([b'once']))")
    assert (name, "asks for the body again" in text) == ("RequestError", True)


def test_credentials_stay_with_their_origin(device, base, site):
    with Site() as other:
        far = f"http://{device.peer}:{other.port}/echo"
        given = "auth=('me', 'x'), headers={'Cookie': 'a=b', 'X-Other': 'y'}"
        device.exec(f"r = client.get({base + f'/move/302?to={far}'!r}, {given})")
        headers = device.eval("r.json()")["headers"]
        assert "authorization" not in headers and "cookie" not in headers
        assert headers["x-other"] == "y"
        user = f"http://a:b@{device.peer}:{other.port}/echo"
        headers = device.eval(f"client.get({base + f'/move/302?to={user}'!r}).json()")["headers"]
        assert "authorization" not in headers
    headers = device.eval(f"client.get({base + '/move/302?to=/echo'!r}, {given}).json()")["headers"]
    assert headers["authorization"].startswith("Basic ") and headers["cookie"] == "a=b"


# ---- Sessions


def test_a_session_keeps_a_connection(device, base, site):
    device.exec("s = client.Session(headers={'X-S': '1'}, auth=('u', 'p'))")
    seen = device.eval(f"[s.get({base + '/echo'!r}).json()['headers'] for n in range(3)]")
    assert {each["x-s"] for each in seen} == {"1"} and "authorization" in seen[0]
    assert len(set(site.peers)) == 1
    device.eval(f"s.get({base + '/close'!r}).text")
    device.eval(f"s.post({base + '/echo'!r}, json=1).text")
    assert len(set(site.peers)) == 2
    device.exec(f"r = s.get({base + '/size/9'!r}, stream=True)")
    assert device.eval(f"len(s.get({base + '/size/9'!r}).content), len(r.content)") == (9, 9)
    device.exec("s.close()")
    assert device.eval(f"failed(s.get, {base!r})")[:2] == ("Error", "the session is closed")


def test_limits_of_a_pool(device, base):
    device.exec(
        f"s = client.Session(pool_size=2); rs = [s.get({base + '/hang'!r}, stream=True) for n in (1, 2)]"
    )
    assert "all 2 connections" in device.eval(f"failed(s.get, {base + '/echo'!r})")[1]
    device.exec("rs[0].close()")
    assert device.eval(f"s.get({base + '/echo'!r}).ok")
    device.exec("s.close()")


def test_a_stale_connection(device, site, base):
    """The server has left meanwhile: nobody notices."""
    device.exec("s = client.Session()")
    assert device.eval(f"s.get({base + '/echo'!r}).ok")

    async def close():
        for connection in list(site._runner.server.connections):
            if connection.transport:
                connection.transport.close()

    site._run(close())
    assert device.eval(f"s.post({base + '/echo'!r}, data=b'x').ok")
    device.exec("s.close()")


def test_cookies_if_asked(device, site, base):
    device.exec("s = client.Session(cookies=True)")

    def page(*lines, path="/cookie"):
        return device.eval(
            f"s.get({base + path!r}, params={[('set', line) for line in lines]!r}).text"
        )

    assert (
        page("a=1; Path=/", "b=2; Max-Age=100", "c=3; Secure", "d=4; Domain=else.test", "bad") == ""
    )
    assert page() == "a=1; b=2"
    assert page("a=; Max-Age=0; Path=/", "p=5; Path=/cookie/deep") == "a=1; b=2"
    assert page() == "b=2"
    assert page(path="/cookie/deep/er") == "p=5; b=2"
    assert (
        device.eval(f"s.get({base + '/cookie'!r}, headers={{'Cookie': 'own=1'}}).text") == "own=1"
    )
    device.exec("s.close()")
    device.exec("s = client.Session()")
    page("a=1; Path=/")
    assert page() == ""
    device.exec("s.close()")


def test_an_early_answer(device, base):
    device.exec("def endless():\n  while True: yield b'x' * 500\n")
    assert (
        device.eval(f"client.put({base + '/early'!r}, data=endless()).status_code", seconds())
        == 413
    )


# ---- Wrong arguments


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        ("client.get('example.com/x')", "ValueError", "has no scheme, write http://"),
        ("client.get('/x')", "ValueError", "has no scheme"),
        ("client.get('ftp://x/')", "ValueError", "neither http nor https"),
        ("client.get('http:///x')", "ValueError", "has no host"),
        ("client.get('http://h:99999/')", "ValueError", "port"),
        ("client.get(7)", "TypeError", "url must be str, not int"),
        ("client.get('http://h', auth='x')", "TypeError", "auth must be a tuple"),
        ("client.get('http://h', timeout='x')", "TypeError", "timeout must be a number"),
        ("client.get('http://h', timeout=0)", "ValueError", "more than 0"),
        ("client.get('http://h', timeout=(1, 2, 3))", "ValueError", "(connect, read)"),
        (
            "client.get('http://h', timeout={'x': 1})",
            "ValueError",
            "connect, tls, send, first_byte",
        ),
        ("client.post('http://h', data=7)", "TypeError", "data must be bytes, str, a dict"),
        ("client.post('http://h', data='x', json=1)", "ValueError", "give one"),
        ("client.get('http://h', nonsense=1)", "TypeError", ""),
        ("client.get('http://127.0.0.1:1', headers={'a b': 'c'})", "ValueError", ""),
        ("client.get('http://127.0.0.1:1', headers={'a': 'c\\r\\nd'})", "ValueError", ""),
        ("client.get('http://127.0.0.1:1', proxies={'http': 'socks://h'})", "ValueError", "proxy"),
    ],
)
def test_wrong_arguments(device, call, kind, text):
    found = device.eval(f"failed(lambda: {call})")
    assert found[0] == kind and text in found[1]
    assert device.eval("live()") == (0, 0, 0, 0)


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
