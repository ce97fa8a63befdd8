# SPDX-License-Identifier: GPL-2.0-only
"""What client is asked wrongly."""

import pytest
from client_script import fetched


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


NOT_PAIRS = "must be a dict or pairs (name, value), not "
NUMBER = "Content-Length must be a number of bytes, not "
MORE = "Content-Length says 3, the body has "
CHUNKED = "leave Transfer-Encoding out"
LINE_END = "a header of a part has a line end in it"
PART = "files: a tuple is (filename, content)"
LEAST = "must be 1 at least"
#: What must be refused before anything is sent.
REFUSED = [
    ("request(7, U)", "TypeError", "method must be str, not int"),
    ("request(b'GET', U)", "TypeError", "method must be str, not bytes"),
    ("request('GET /', U)", "ValueError", ""),
    ("request('', U)", "ValueError", ""),
    ("request('connect', U)", "ValueError", "CONNECT asks a proxy for a tunnel"),
    ("request('CONNECT', U, headers={'A': 'b'})", "ValueError", "give proxies="),
    ("get(b'http://h')", "TypeError", "url must be str, not bytes"),
    ("get('http://h:x/')", "ValueError", "port"),
    ("get('http://h:0/')", "ValueError", "port"),
    ("get('http://[::1')", "ValueError", ""),
    ("get('http://u:p@/')", "ValueError", "no host: 'http:///'"),
    ("get('ftp://u:p@h/')", "ValueError", "neither http nor https: 'ftp://h/'"),
    ("get(U, params=7)", "TypeError", "params " + NOT_PAIRS + "int"),
    ("get(U, params=b'a=b')", "TypeError", "params " + NOT_PAIRS + "bytes"),
    ("get(U, headers='x: y')", "TypeError", "headers " + NOT_PAIRS + "str"),
    ("get(U, headers={7: 'x'})", "TypeError", "the name of a header must be str, not int"),
    ("get(U, headers={b'X': 'x'})", "TypeError", "the name of a header must be str, not bytes"),
    ("post(U, headers={'Content-Length': '3'}, data=b'abcd')", "ValueError", MORE + "4 bytes"),
    ("post(U, headers={'Content-Length': 3}, data=b'a' * 3000)", "ValueError", MORE + "3000 "),
    ("get(U, headers={'content-length': '3'})", "ValueError", MORE + "0 bytes"),
    ("post(U, headers={'Content-Length': 'x'}, data=iter(''))", "ValueError", NUMBER + "'x'"),
    ("post(U, headers={'Content-Length': -1}, data=iter(''))", "ValueError", NUMBER + "-1"),
    ("post(U, headers={'Transfer-Encoding': 'chunked'}, data=b'a')", "ValueError", CHUNKED),
    ("post(U, headers={'Transfer-Encoding': 'gzip'}, data=iter(''))", "ValueError", CHUNKED),
    ("get(U, headers={'Transfer-Encoding': 'chunked'})", "ValueError", CHUNKED),
    ("post(U, data=object())", "TypeError", "data must be bytes, str, a dict"),
    ("post(U, json={1, 2})", "TypeError", "json: "),
    ("post(U, json=[object()])", "TypeError", "json: "),
    ("post(U, json={'a': float('nan')})", "TypeError", "json: "),
    ("post(U, files='x')", "TypeError", "files " + NOT_PAIRS + "str"),
    ("post(U, files={'f': 7})", "TypeError", ""),
    ("post(U, files={'f': ('a.txt',)})", "TypeError", PART),
    ("post(U, files={'f': (7, b'x')})", "TypeError", PART),
    ("post(U, files={'f': ('a', b'x', 'a/b\\r\\nX: y')})", "ValueError", LINE_END),
    ("post(U, files={'f': ('a', b'x', 'a/b', {'X': '1\\rY: 2'})})", "ValueError", LINE_END),
    ("post(U, files={'f': ('a', b'x', 'a/b', {'X\\n': '1'})})", "ValueError", LINE_END),
    ("get(U, auth=('a',))", "TypeError", "auth must be a tuple"),
    ("get(U, auth=('a', None))", "TypeError", "auth must be two str, not NoneType"),
    ("get(U, auth=('a:b', 'c'))", "ValueError", "a user's name has no colon"),
    ("get(U, timeout=True)", "TypeError", "timeout must be a number of seconds, not bool"),
    ("get(U, timeout=float('nan'))", "ValueError", "more than 0"),
    ("get(U, timeout={'read': -1})", "ValueError", "timeout (read) must be more than 0"),
    ("get(U, timeout={'read': 'x'})", "TypeError", "number of seconds, not str"),
    ("get(U, tls=True)", "TypeError", "tls must be TlsOpts, not bool"),
    ("get(U, proxies='http://h')", "TypeError", "proxies must be a dict such as"),
    ("get(U, proxies={'http': 7})", "TypeError", "a proxy's URL must be str, not int"),
    ("get(U, proxies={'http': 'http://'})", "ValueError", "a proxy: the URL has no host"),
    ("get(U, max_body=-1)", "ValueError", "max_body"),
    ("get(U, max_body='x')", "TypeError", "max_body"),
    ("Session(headers=7)", "TypeError", "headers " + NOT_PAIRS + "int"),
    ("Session(auth='x')", "TypeError", "auth must be a tuple"),
    ("Session(timeout='x')", "TypeError", "timeout must be a number"),
    ("Session(tls='x')", "TypeError", "tls must be TlsOpts, not str"),
    ("Session(max_redirects='x')", "TypeError", "max_redirects must be a number, not str"),
    ("Session(max_redirects=-1)", "ValueError", "max_redirects must be 0 at least"),
    ("Session(pool_size=0)", "ValueError", "pool_size " + LEAST),
    ("Session(nonsense=1)", "TypeError", ""),
]


def test_more_wrong_arguments(device, base, site):
    device.exec(f"U = {base + '/echo'!r}")
    for call, kind, text in REFUSED:
        found = device.eval(f"failed(lambda: client.{call})")
        assert found[0] == kind and text in found[1], (call, found)
    assert site.seen == []
    assert device.eval("live()") == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("given", "kind", "text"),
    [
        ("iter([b'ab'])", "ValueError", "Content-Length says 3, the body has 2 bytes"),
        ("iter([b'ab', b'cd', b'e'])", "ValueError", "says 3, the body has at least 4 bytes"),
        ("iter([b'ab', 7])", "TypeError", "a piece of the body must be bytes or str, not int"),
        ("fails()", "KeyError", "mine"),
    ],
)
def test_a_body_that_goes_wrong(device, base, given, kind, text):
    """While it is sent: the connection ends, and the program hears why."""
    device.exec("def fails():\n  yield b'a'\n  raise KeyError('mine')\n")
    url = base + "/echo"
    call = f"failed(client.post, {url!r}, data={given}, headers={{'Content-Length': '3'}})"
    found = device.eval(call)
    assert found[0] == kind and text in found[1]
    assert device.eval("live()") == (0, 0, 0, 0)


def test_a_length_that_the_program_gives(device, site):
    for given in ("iter([b'ab', b'c'])", "b'abc'"):
        more = f"data={given}, headers={{'content-length': '3'}}"
        seen = fetched(device, site.port, "/echo", more, "post")
        assert (seen["text"], seen["headers"]["content-length"]) == ("abc", "3")
        assert "transfer-encoding" not in seen["headers"]
    more = "data=iter([b'abc']), headers={'Transfer-Encoding': 'chunked'}"
    seen = fetched(device, site.port, "/echo", more, "post")
    assert (seen["text"], seen["headers"]["transfer-encoding"]) == ("abc", "chunked")
