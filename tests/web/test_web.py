# SPDX-License-Identifier: GPL-2.0-only
"""pymongoose.web: routes, forms, sessions and guards, asked by httpx."""

import base64
import json
import os
import time

import httpx
import pytest
from peers.clients import Raw, seconds
from web.web_app import APP

SERVER = (
    """
FOLDER = PARAMS["folder"]
if PARAMS["make"]:
    import os
    try:
        os.mkdir(FOLDER)
    except OSError:
        pass
"""
    + APP
    + """
serve(m)
"""
)


@pytest.fixture
def server(shared, folder):
    running = shared(SERVER, folder=folder[0], make=folder[1])
    running.exec("del errors[:], log[:]")
    return running


@pytest.fixture
def client(server):
    with httpx.Client(
        base_url="http://{}:{}".format(*server.reach(server.port())), timeout=seconds(60)
    ) as c:
        yield c


@pytest.fixture
def guarded(server):
    with httpx.Client(
        base_url="http://{}:{}".format(*server.reach(server.port("GUARDED"))), timeout=seconds(60)
    ) as c:
        yield c


def errors(server):
    return server.eval("[type(e).__name__ for e in errors]")


# ---- Routes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/", 200, "hello"),
        ("GET", "/?a=1", 200, "hello"),
        ("GET", "/users/7", 200, {"id": 7, "type": "int"}),
        ("GET", "/users/-7", 200, {"id": -7, "type": "int"}),
        ("GET", "/users/123456789012345678", 200, {"id": 123456789012345678, "type": "int"}),
        ("GET", "/users/1234567890123456789", 404, None),
        ("GET", "/users/a", 404, None),
        ("GET", "/users/", 404, None),
        ("GET", "/users/1/", 404, None),
        ("GET", "/users", 404, None),
        ("GET", "/pairs/x/2.5", 200, ["x", 2.5]),
        ("GET", "/pairs/a%20b%2Fc/3", 200, ["a b/c", 3.0]),
        ("GET", "/pairs/a+b/-0.5", 200, ["a+b", -0.5]),
        ("GET", "/pairs/x/1e5", 404, None),
        ("GET", "/pairs/x/.5", 404, None),
        ("GET", "/pairs/%zz/1", 400, None),
        ("GET", "/files/a/b.txt", 200, "a/b.txt"),
        ("GET", "/files//a", 200, "/a"),
        ("GET", "/files/", 404, None),
        ("GET", "/code/abc.txt", 200, "abc"),
        ("GET", "/code/abx.txt", 200, "other abx"),
        ("GET", "/code/.txt", 404, None),
        ("GET", "/any", 200, "GET /any"),
        ("POST", "/any", 200, "POST /any"),
        ("HEAD", "/any", 200, ""),
        ("PUT", "/thing", 201, "put"),
        ("DELETE", "/thing", 204, ""),
        ("GET", "/m%C3%BC", 200, "mü"),
        ("GET", "/m%c3%bc", 200, "mü"),
        ("GET", "/%6d%c3%bc", 200, "mü"),
        ("GET", "/bar", 404, None),
        ("GET", "/nothing", 404, "Not Found\n"),
        ("POST", "/", 405, "Method Not Allowed\n"),
        ("BREW", "/any", 405, "Method Not Allowed\n"),
        ("OPTIONS", "/any", 204, ""),
        ("OPTIONS", "/nothing", 404, None),
        ("GET", "/api/who", 200, "nobody 1"),
    ],
)
def test_routes(client, server, method, path, status, text):
    r = client.request(method, path)
    assert r.status_code == status
    if isinstance(text, str):
        assert r.text == text
    elif text is not None:
        assert r.json() == text and r.headers["Content-Type"] == "application/json"
    assert errors(server) == []


def test_405_and_options_name_the_methods(client):
    assert client.delete("/any").headers["Allow"] == "GET, HEAD, POST, OPTIONS"
    assert client.options("/thing").headers["Allow"] == "PUT, DELETE, PATCH, OPTIONS"
    assert client.get("/json").headers["Allow"] == "POST, OPTIONS"


def test_answers(client):
    for path, kind in (
        ("/", "text/html; charset=utf-8"),
        ("/users/1", "application/json"),
        ("/pairs/x/1", "application/json"),
        ("/gen", "text/html; charset=utf-8"),
        ("/nothing", "text/plain; charset=utf-8"),
        ("/raise", "text/plain; charset=utf-8"),
        ("/plain", "text/plain"),
        ("/cookies", "text/html; charset=utf-8"),
        ("/api/who", "text/html; charset=utf-8"),
    ):
        assert client.get(path).headers["Content-Type"] == kind, path
    r = client.patch("/thing")
    assert r.headers["Content-Type"] == "application/octet-stream"
    r = client.patch("/thing")
    assert (r.content, r.headers["X-Kind"]) == (b"\x00\xff", "patch")
    r = client.get("/redirect")
    assert (r.status_code, r.headers["Location"]) == (302, "/users/1")
    assert client.get("/redirect", follow_redirects=True).json() == {"id": 1, "type": "int"}


def test_what_is_no_answer_is_a_500_with_a_log(client, server):
    for path, kind in (
        ("/none", "TypeError"),
        ("/object", "TypeError"),
        ("/raise", "RuntimeError"),
    ):
        r = client.get(path)
        assert (r.status_code, r.text) == (500, "Internal Server Error\n")  # tells no detail
        assert errors(server) == [kind]
        server.exec("del errors[:]")
    assert client.get("/").text == "hello"


def test_header_that_cannot_be(client, server):
    r = client.get("/badheader")
    assert (r.status_code, r.text) == (422, "value error")  # which has a handler
    assert "X-B" not in r.headers
    r = client.get("/bigsession")
    assert (r.status_code, r.text) == (500, "Internal Server Error\n")
    assert "Set-Cookie" not in r.headers
    assert errors(server) == ["ValueError"]


def test_error_pages(client, server):
    assert client.get("/value").status_code == 422
    assert client.get("/abort/410?text=long+ago").text == "gone: long ago"
    r = client.get("/abort/409")
    assert (r.status_code, r.text) == (409, "Error\n")
    assert client.get("/abort/200").status_code == 422  # it is no error's: ValueError
    assert errors(server) == []


# ---- What a request brings -------------------------------------------------------------------------


def test_args(client):
    r = client.get("/args?a=1&a=%C3%A4+b&n=5")
    assert r.json() == {
        "one": "1",
        "all": ["1", "ä b"],
        "n": 5,
        "names": ["a", "n"],
        "has": True,
        "client": True,
        "app": True,
    }
    assert client.get("/args?n=x").json()["n"] == 7
    r = client.get("/need")
    assert (r.status_code, r.text) == (400, "wanted is missing\n")
    assert client.get("/args?a=%zz").status_code == 400


@pytest.mark.parametrize("value", [{"a": [1, None, "ä"]}, [], 5, None, "x"])
def test_json(client, value):
    assert client.post("/json", json=value).json() == {"got": value}


@pytest.mark.parametrize("body", ["{bad", "{", "[1,", '"', "\x00", "nul", "[" * 3000])
def test_json_that_is_none(client, server, body):
    r = client.post("/json", content=body, headers={"Content-Type": "application/json"})
    assert (r.status_code, r.text) == (400, "the body is no JSON\n")
    assert errors(server) == []


def test_no_json_at_all(client):
    assert client.post("/json").json() == {"got": None}


def test_forms(client):
    fields = {"a": "ä b&c=d", "b": ""}
    assert client.post("/form", data=fields).json()["fields"] == [["a", "ä b&c=d"], ["b", ""]]
    r = client.post("/form", data=fields, files={"f": ("../x.txt", b"content")}).json()
    assert r["fields"] == [["a", "ä b&c=d"], ["b", ""]]
    assert r["files"] == [["f", "x.txt", 7, "content"]]
    r = client.post(
        "/form", content="a=%zz", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert r.status_code == 400
    r = client.post(
        "/form", content="x", headers={"Content-Type": "multipart/form-data; boundary=b"}
    )
    assert r.status_code == 400


def test_body_above_the_limit(client):
    assert client.post("/form", content=b"x" * 30000).status_code == 413


def test_upload_into_files(client, server, target, folder):
    size = target.size(250_000, 50_000)
    files = {"f": ("a.bin", b"\x01" * size)}
    r = client.post("/upload", data={"note": "ü"}, files=files)
    assert r.json() == {"size": size, "name": "a.bin", "note": "ü"}
    assert server.eval("[n for n in os.listdir(FOLDER) if n.startswith('upload-')]") == []
    r = client.post("/upload", data={"keep": "1"}, files=files)
    assert r.status_code == 200
    assert server.eval("os.stat(FOLDER + '/kept.bin')[6]") == size
    server.exec("os.remove(FOLDER + '/kept.bin')")
    r = client.post("/upload", files={"f": ("a.bin", b"\x01" * 400_000)})
    assert r.status_code == 413
    assert server.eval("[n for n in os.listdir(FOLDER) if n.startswith('upload-')]") == []
    assert client.get("/").text == "hello"


def test_upload_that_ends_too_early_leaves_nothing(client, server):
    body = b'--B\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n' + b"y" * 3000
    head = (
        "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=B\r\n"
        "Content-Length: 9000\r\n\r\n"
    )
    with Raw(server.reach(server.port())) as raw:
        raw.send(head.encode() + body)
        assert client.get("/").text == "hello"
    server.until("[n for n in os.listdir(FOLDER) if n.startswith('upload-')] == []")


# ---- Cookies and sessions ---------------------------------------------------------------------------


def test_cookies(client):
    r = client.get("/cookies", headers={"Cookie": 'a=1; b="x y"; a=2; =; c'})
    assert r.text == str([("a", "1"), ("b", '"x y"')])
    assert r.headers.get_list("Set-Cookie") == [
        "plain=1; Path=/; HttpOnly; SameSite=Lax",
        "long=2; Max-Age=60; Path=/a; Secure; SameSite=None",
        "gone=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax",
    ]


@pytest.mark.parametrize(
    "value", [";", ",", '"', "\\", "a b".replace(" ", "\t"), "ä", "\r\nX: 1", "\x00"]
)
def test_what_no_cookie_holds(client, value):
    r = client.get("/badcookie", params={"v": value})
    assert r.status_code == 400 and "cookie's value cannot hold" in r.text
    assert "Set-Cookie" not in r.headers


def test_session(client):
    assert [client.get("/count").text for _ in range(3)] == ["1", "2", "3"]
    assert "HttpOnly; SameSite=Lax" in client.get("/count").headers["Set-Cookie"]
    r = client.get("/forget")
    assert "Max-Age=0" in r.headers["Set-Cookie"]
    assert client.get("/count").text == "1"


def mac(key, payload, name="session"):
    import hashlib
    import hmac

    digest = hmac.new(key.encode(), (name + "=" + payload).encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def signed(session, key="new key", age=0, name="session"):
    data = base64.urlsafe_b64encode(json.dumps(session).encode()).rstrip(b"=").decode()
    payload = f"{data}.{int(time.time()) - age}"
    return f"{payload}.{mac(key, payload, name)}"


def test_sessions_that_are_taken_and_not(client, server):
    def ask(cookie):
        return client.get("/count", headers={"Cookie": "session=" + cookie}).text

    assert ask(signed({"n": 5})) == "6"
    assert ask(signed({"n": 5}, "old key")) == "6"  # keys are rotated
    good = signed({"n": 5})
    forged = [
        signed({"n": 5}, "other key"),
        signed({"n": 5}, name="other"),
        good[:-1],
        good[:-1] + ("A" if good[-1] != "A" else "B"),
        "A" + good[1:],
        good.replace(".", ""),
        "",
        "..",
        "x",
        good + ".",
        good + "=",
    ]
    for each in forged:
        client.cookies.clear()
        assert ask(each) == "1", each
    assert errors(server) == []


def test_stale_session(client, server):
    if not server.eval("__import__('pymongoose.web.session', None, None, ['now']).now()"):
        assert client.get("/count").text == "1"  # a board without a clock takes them
        return
    r = client.get("/count", headers={"Cookie": "session=" + signed({"n": 5}, age=32 * 86400)})
    assert r.text == "1"


# ---- Bodies in pieces, files ------------------------------------------------------------------------


def test_generator(client, server, target):
    r = client.get("/gen")
    assert r.text == "piece 0\npiece 1\npiece 2\n"
    assert r.headers["Transfer-Encoding"] == "chunked"
    n = target.size(20000, 3000)  # more than what is sent at once
    r = client.get(f"/gen?n={n}")
    assert r.text == "".join(f"piece {i}\n" for i in range(n))
    assert client.head("/gen").text == ""
    assert client.get("/").text == "hello"
    assert errors(server) == []


def test_generator_that_fails_at_once_is_a_500(client, server):
    r = client.get("/genfail?at=0")
    assert (r.status_code, r.text) == (500, "Internal Server Error\n")
    assert client.get("/gen?n=0").text == ""
    assert errors(server) == ["RuntimeError"]


def test_generator_that_fails_is_no_whole_answer(client, server):
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/genfail")
    assert errors(server) == ["RuntimeError"]
    assert client.get("/").text == "hello"


def test_client_that_leaves_a_generator(client, server, target):
    with Raw(server.reach(server.port())) as raw:
        raw.send(b"GET /gen?n=1000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        raw.recv()
    server.until("all(c.is_listening or not c.send_len for c in m.connections)")
    assert client.get("/").text == "hello"


def test_files(client):
    r = client.get("/file")
    assert r.text == "a file\n"
    assert r.headers["Content-Disposition"] == (
        "attachment; filename=\"m_ 1.txt\"; filename*=UTF-8''m%C3%BC%201.txt"
    )
    assert client.get("/file", headers={"Range": "bytes=2-5"}).text == "file"
    assert client.get("/static/web.txt").text == "a file\n"
    assert client.get("/static/none.txt").status_code == 404


@pytest.mark.parametrize(
    "path", ["/static/../web.txt", "/static/%2e%2e/x", "/static/..%2fweb.txt", "/static/a%00"]
)
def test_static_stays_in_its_folder(server, path):
    with Raw(server.reach(server.port())) as raw:
        raw.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert raw.response().status in (400, 403, 404)


# ---- Hooks and guards -------------------------------------------------------------------------------


def test_hooks_of_a_mounted_app(client, server):
    r = client.get("/api/who", headers={"X-Who": "me"})
    assert (r.text, r.headers["X-After"]) == ("me 1", "me")
    r = client.get("/api/who", headers={"X-Who": "stranger"})
    assert (r.status_code, r.text, r.headers["X-After"]) == (403, "no strangers", "stranger")
    r = client.get("/api/break")
    assert (r.status_code, r.json(), r.headers["X-After"]) == (409, {"error": "key"}, "nobody")
    assert "X-After" not in client.get("/").headers
    assert errors(server) == []


def test_basic_auth(client):
    r = client.get("/private")
    assert r.status_code == 401
    assert r.headers["WWW-Authenticate"] == 'Basic realm="Login", charset="UTF-8"'
    assert client.get("/private", auth=("ada", "päss")).text == "for ada"
    assert client.get("/private", auth=("ada", "x")).status_code == 401
    for header in ("Basic", "Basic !!", "Basic YQ==", "Bearer x", "basic " + "A" * 200):
        assert client.get("/private", headers={"Authorization": header}).status_code == 401


def test_bearer_auth(client):
    assert client.get("/token", headers={"Authorization": "bearer t0k"}).text == "user-t0k"
    r = client.get("/token", headers={"Authorization": "Bearer x"})
    assert r.status_code == 401 and 'error="invalid_token"' in r.headers["WWW-Authenticate"]


def test_rate_limit(client, server):
    statuses = [client.get("/limited").status_code for _ in range(4)]
    assert statuses[:2] == [200, 200] and statuses[3] == 429
    assert 1 <= int(client.get("/limited").headers["Retry-After"]) <= 31


def test_csrf(guarded):
    assert guarded.post("/change").status_code == 403
    token = guarded.get("/token").text
    assert guarded.post("/change").status_code == 403
    assert guarded.post("/change", data={"csrf_token": token}).text == "changed"
    assert guarded.post("/change", headers={"X-CSRF-Token": token}).text == "changed"
    assert guarded.post("/change", headers={"X-CSRF-Token": token[:-1]}).status_code == 403
    crossed = {"X-CSRF-Token": token, "Sec-Fetch-Site": "cross-site"}
    assert guarded.post("/change", headers=crossed).status_code == 403
    assert guarded.post("/hook").text == "hooked"


def test_cors(guarded):
    ask = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    r = guarded.options("/hook", headers={**ask, "Access-Control-Request-Headers": "x-a"})
    assert r.status_code == 204
    assert r.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert r.headers["Access-Control-Allow-Headers"] == "x-a"
    assert "POST" in r.headers["Access-Control-Allow-Methods"]
    assert r.headers["Access-Control-Max-Age"] == "60"
    r = guarded.options("/hook", headers={**ask, "Origin": "https://b.example"})
    assert "Access-Control-Allow-Origin" not in r.headers
    r = guarded.get("/token", headers={"Origin": "https://a.example"})
    assert r.headers["Access-Control-Allow-Credentials"] == "true"
    assert r.headers["Vary"] == "Origin"


# ---- Connections that stay --------------------------------------------------------------------------


def test_websocket(server):
    from websockets.sync.client import connect

    host, port = server.reach(server.port())
    with connect(f"ws://{host}:{port}/echo/me", open_timeout=seconds(60)) as ws:
        ws.send("hällo")
        assert ws.recv(timeout=seconds(60)) == "hällo"
        ws.send(b"\x00\x01")
        assert ws.recv(timeout=seconds(60)) == b"\x00\x01"
        ws.send("bye")
        assert json.loads(ws.recv(timeout=seconds(60))) == {"name": "me"}
        ws.close(1000, "done")
    server.until("log[-1:] == [('close', 1000, 'done')]")
    assert server.eval("log[0]") == ("message", "hällo")


def test_websocket_route_asked_by_http(client):
    assert client.get("/echo/me").status_code in (400, 426)
    assert client.get("/").text == "hello"


def test_sse(server):
    with Raw(server.reach(server.port())) as raw:
        raw.send(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        text = raw.recv_until(b'data: {"a": 1}\n\n').decode()
        assert "\r\nContent-Type: text/event-stream\r\n" in text
        assert "data: one\ndata: two\n" in text and "event: tick\n" in text and "id: 1\n" in text
        raw.reset()
    server.until("('gone',) in log")
    assert server.eval("log[0].closed")
    server.exec("del log[:]")


def test_sse_by_a_generator(client, server):
    r = client.get("/ticks")
    assert r.headers["Content-Type"] == "text/event-stream"
    assert (
        r.text == "event: tick\ndata: 0\n\nevent: tick\ndata: 1\n\nevent: message\ndata: last\n\n"
    )
    assert client.head("/ticks").text == ""
    with Raw(server.reach(server.port())) as raw:
        raw.send(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        raw.recv()
    server.until("log == ['left']")
    assert errors(server) == []


def test_upload_that_fails_is_over_with_its_request(client, server, folder):
    files = {"f": ("a.bin", b"x" * 3000)}
    server.exec("app.uploads = '/there/is/none'")
    try:
        r = client.post("/upload", files=files)
        assert (r.status_code, r.text) == (500, "Internal Server Error\n")
        # On the same connection: it is not taken for the end of that form.
        r = client.post("/json", json=[1])
        assert (r.status_code, r.text) == (200, '{"got": [1]}')
    finally:
        server.exec(f"app.uploads = {folder[0]!r}")
    r = client.post("/upload", files=files, data={"note": b"\xff"})
    assert (r.status_code, r.text) == (400, "Bad Request\n")
    assert client.post("/upload", files=files).json()["size"] == 3000
    assert client.post("/upload", files=[("f", ("x", b""))] * 65).status_code == 413
    if not folder[1]:
        assert not [name for name in os.listdir(folder[0]) if name.startswith("upload-")]
    assert server.eval("len(errors)") == 1
