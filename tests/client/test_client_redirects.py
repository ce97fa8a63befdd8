# SPDX-License-Identifier: GPL-2.0-only
"""Where client follows a redirect, how, and what it takes along."""

import contextlib

import pytest
from peers.clients import Server
from peers.http_servers import Site


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


@pytest.mark.parametrize(
    "to",
    [
        "ftp://x/",
        "http:///x",
        "mailto:a@b",
        "http://h:99999/",
        "http://h:0/",
        "http://[zz]/",
        "http://h%25/",
    ],
)
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


def test_what_a_redirect_keeps_and_leaves(device, site, base):
    """The fragment comes along; a Host of the program's goes to its own server alone."""
    device.exec(f"r = client.get({base + '/move/302?to=/echo#part'!r})")
    assert device.eval("r.url") == base + "/echo#part"
    assert device.eval("[(type(h) is type(r), h.content, h.text) for h in r.history]") == [
        (True, b"", "")
    ]
    own = "headers={'Host': 'own.test'}"
    device.exec(f"r = client.get({base + '/move/302?to=/echo'!r}, {own})")
    assert device.eval("r.json()")["headers"]["host"] == "own.test"
    with Site() as other:
        there = f"{device.peer}:{other.port}"
        device.exec(f"r = client.get({base + f'/move/302?to=http://{there}/echo'!r}, {own})")
        assert device.eval("r.json()")["headers"]["host"] == there


@pytest.mark.parametrize("stream", [False, True])
def test_a_redirect_with_a_page_of_any_size(device, stream, target, base):
    """That page is not kept, whatever max_body says."""
    size = target.size(300_000, 30_000)

    def talk(raw):
        raw.recv_exactly_head()
        raw.send(f"HTTP/1.1 302 Found\r\nLocation: {base}/size/9\r\nContent-Length: {size}\r\n\r\n")
        with contextlib.suppress(OSError):
            raw.send("x" * size)

    with Server(talk) as server:
        url = f"http://{device.peer}:{server.port}/"
        device.exec(f"r = client.get({url!r}, max_body=1000, stream={stream})")
        assert device.eval("r.url, len(r.content)") == (base + "/size/9", 9)
