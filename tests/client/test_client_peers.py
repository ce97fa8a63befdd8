# SPDX-License-Identifier: GPL-2.0-only
"""client with servers and proxies of others: nginx, Python's http.server, squid, tinyproxy; and TLS."""

import hashlib

import pytest
from client_script import fetched
from peers.clients import here
from peers.http_servers import Site, nginx, own_context, pattern, python_files, squid
from peers.pki import pki
from peers.tls_servers import tinyproxy


@pytest.fixture
def trust(device):
    """`opts` on the device: whom it trusts."""
    device.exec(f"opts = TlsOpts(ca={pki()['ca'].cert!r}, name='localhost')")
    yield
    device.exec("if MICROPYTHON: opts.__del__()\nopts = None")


# ---- Servers


def test_nginx(device, tmp_path):
    with nginx(tmp_path) as port:
        (tmp_path / "www" / "page.txt").write_bytes(pattern(5000))
        base = f"http://{device.peer}:{port}"
        digest = (5000, hashlib.sha256(pattern(5000)).hexdigest())
        device.exec(f"s = client.Session(); base = {base!r}")
        for _ in range(7):  # after five it closes
            assert device.eval("check([s.get(base + '/moved').content])") == digest
        assert device.eval(
            "s.get(base + '/page.txt', headers={'Accept-Encoding': 'gzip'}).content"
        ) == pattern(5000)
        assert device.eval("s.get(base + '/none').status_code") == 404
        assert device.eval("s.get(base + '/private').status_code") == 401
        assert (
            device.eval("s.get(base + '/private', auth=('me', 'secret word')).status_code") == 404
        )
        assert device.eval("s.post(base + '/page.txt', data=b'x' * 5000).status_code") == 413
        assert (
            device.eval("s.get(base + '/page.txt', headers={'Range': 'bytes=5-9'}).content")
            == pattern(10)[5:]
        )
        device.exec("s.close()")


def test_python_http_server(device, tmp_path):
    (tmp_path / "a file.bin").write_bytes(pattern(3000))
    with python_files(tmp_path) as port:
        base = f"http://{device.peer}:{port}"
        device.exec(f"s = client.Session(); base = {base!r}")
        for _ in range(2):
            assert device.eval("s.get(base + '/a file.bin').content") == pattern(3000)
        assert device.eval("s.get(base + '/none').ok") is False
        device.exec("s.close()")


# ---- TLS


def test_nginx_by_tls(device, tmp_path, trust):
    with nginx(tmp_path, pki()["ec"]) as port:
        (tmp_path / "www" / "page.txt").write_bytes(b"by TLS")
        url = f"https://{device.peer}:{port}/moved"
        device.exec(f"r = client.get({url!r}, tls=opts)")
        assert device.eval("r.text, r.url[:8], len(r.history)") == ("by TLS", "https://", 1)


def test_tls_of_a_session(device, target, trust, tmp_path):
    """Its connection is kept, the session is resumed, redirects between schemes are followed."""
    with Site(own_context(tmp_path, "ec")) as safe, Site() as plain:
        secure = f"https://{device.peer}:{safe.port}"
        clear = f"http://{device.peer}:{plain.port}"
        device.exec(f"s = client.Session(tls=opts); secure = {secure!r}; clear = {clear!r}")
        assert device.eval("s.get(secure + '/echo').json()")["method"] == "GET"
        size = target.size(500_000, 20_000)
        wanted = (size, hashlib.sha256(pattern(size)).hexdigest())
        assert (
            device.eval(f"check(s.get(secure + '/size/{size}', stream=True).iter_content())", 30)
            == wanted
        )
        assert (
            device.eval(f"s.put(secure + '/echo', data=b'x' * {size}).json()", 30)["size"] == size
        )
        assert len(set(safe.peers)) == 1
        found = device.eval("s.get(clear + '/move/302?to=' + secure + '/echo').url")
        assert found == secure + "/echo"
        assert (
            device.eval("s.get(secure + '/move/302?to=' + clear + '/echo').url") == clear + "/echo"
        )
        for given in ("auth=('a', 'b')", "headers={'Cookie': 'a=b'}"):
            call = f"failed(s.get, secure + '/move/302?to=' + clear + '/echo', {given})"
            name, text, _ = device.eval(call)
            assert name == "RequestError"
            assert "from https to http, where credentials can be read" in text
        assert [each[0] for each in plain.seen] == ["GET"] * 2
        device.exec("s.close()")


@pytest.mark.parametrize("cert", ["unknown", "elsewhere", "expired"])
def test_tls_that_is_refused(device, trust, tmp_path, cert):
    with Site(own_context(tmp_path, cert)) as site:
        url = f"https://{device.peer}:{site.port}/echo"
        name, text, phase = device.eval(f"failed(client.get, {url!r}, tls=opts)")
    assert (name, phase) == ("RequestError", "tls") and f"GET {url}: tls: " in text
    assert site.seen == []


# ---- Proxies


@pytest.fixture(params=["squid", "tinyproxy"])
def proxy(request, tmp_path):
    with squid() if request.param == "squid" else tinyproxy(tmp_path) as port:
        yield port


def test_a_proxy(device, proxy, trust, tmp_path):
    tls = own_context(tmp_path, "ec")
    with Site() as plain, Site(tls) as safe:
        device.exec(
            f"proxy = 'http://{device.peer}:{proxy}'; s = client.Session(tls=opts,"
            "proxies={'http': proxy, 'https': proxy})"
        )
        clear = f"http://{here()}:{plain.port}/echo?x=1"
        for n in range(3):
            seen = device.eval(f"s.post({clear!r}, data=b'{n}').json()")
            assert (seen["path"], seen["text"], seen["method"]) == ("/echo?x=1", str(n), "POST")
            assert "via" in seen["headers"] and seen["headers"]["host"] == f"{here()}:{plain.port}"
        secure = f"https://{here()}:{safe.port}/echo?y=1"
        for _ in range(2):
            seen = device.eval(f"s.get({secure!r}).json()")
            assert (seen["path"], "via" in seen["headers"]) == ("/echo?y=1", False)
            assert seen["headers"]["host"] == f"{here()}:{safe.port}"
        own = "headers={'Host': 'own.test'}"
        assert device.eval(f"s.get({secure!r}, {own}).json()")["headers"]["host"] == "own.test"
        assert device.eval(f"s.get({clear!r}, {own}).status_code") == 200
        assert len(set(safe.peers)) == 1
        device.exec("s.close()")


@pytest.mark.parametrize("other", ["squid", "tinyproxy"])
def test_a_proxy_that_wants_a_password(device, trust, tmp_path, other):
    tls = own_context(tmp_path, "ec")
    made = squid("me word") if other == "squid" else tinyproxy(tmp_path, "me word")
    with made as port, Site() as plain, Site(tls) as safe:
        clear, secure = f"http://{here()}:{plain.port}/echo", f"https://{here()}:{safe.port}/echo"
        bare, known = f"http://{device.peer}:{port}", f"http://me:word@{device.peer}:{port}"
        device.exec(f"bare, known = [{{'http': p, 'https': p}} for p in {(bare, known)!r}]")
        for url in (clear, secure):
            seen = device.eval(f"client.get({url!r}, proxies=known, tls=opts).json()")
            assert "proxy-authorization" not in seen["headers"]
        assert device.eval(f"client.get({clear!r}, proxies=bare).status_code") == 407
        name, text, phase = device.eval(f"failed(client.get, {secure!r}, proxies=bare, tls=opts)")
        assert (name, phase) == ("RequestError", "connect") and "the proxy answers 407" in text


@pytest.mark.needs("process")
def test_proxies_of_the_environment(device):
    device.exec(
        "import os\n"
        "def setenv(**all):\n"
        "  for name in ('http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY', 'no_proxy', 'NO_PROXY', 'REQUEST_METHOD'):\n"
        "    value = all.get(name)\n"
        "    if MICROPYTHON: os.putenv(name, value) if value else os.unsetenv(name)\n"
        "    elif value: os.environ[name] = value\n"
        "    else: os.environ.pop(name, None)\n"
        "  from pymongoose.proxies import from_environment\n"
        "  return from_environment()\n"
    )
    try:
        assert device.eval("setenv()") is None
        device.exec(
            "p = setenv(HTTP_PROXY='one:3128', HTTPS_PROXY='http://u:p@two', NO_PROXY='a.test, .b.test,c.test:80,10.0.0.1')"
        )
        assert device.eval("p.find(False, 'x.test', 80)") == (False, "one", 3128, None)
        assert device.eval("p.find(True, 'x.test', 443)") == (False, "two", 80, "Basic dTpw")
        hosts = ["a.test", "sub.a.test", "nota.test", "x.b.test", "c.test", "10.0.0.1", "10.0.0.2"]
        found = device.eval(f"[p.find(False, host, 80) is None for host in {hosts!r}]")
        assert found == [True, True, False, True, True, True, False]
        assert device.eval("p.find(False, 'c.test', 81) is None") is False
        assert device.eval("setenv(HTTP_PROXY='one', REQUEST_METHOD='GET')") is None
        assert device.eval("setenv(http_proxy='one', NO_PROXY='*').find(False, 'x', 80)") is None
        with Site() as site:
            url = f"http://{device.peer}:{site.port}/echo"
            device.exec("setenv(http_proxy='http://127.0.0.1:1')")
            assert "refused" in device.eval(f"failed(client.get, {url!r})")[1]
            assert fetched(device, site.port, "/echo", "proxies={}")["path"] == "/echo"
            device.exec("setenv(http_proxy='http://127.0.0.1:1', no_proxy='127.0.0.1')")
            assert fetched(device, site.port, "/echo")["path"] == "/echo"
    finally:
        device.exec("setenv()")
