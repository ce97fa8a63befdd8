# SPDX-License-Identifier: GPL-2.0-only
"""serve_dir() and serve_file(): types, listings, ranges, ETags, .gz, and paths that lead outside."""

import gzip
import os
import re
from urllib.parse import unquote

import httpx
import pytest
from peers.clients import Raw, raw_get

SERVER = """
root = PARAMS["root"]

def handler(c, ev, m):
    if ev == MG_EV_HTTP_MSG:
        try:
            serve_for(c, m)
        except Exception as e:
            c.reply(500, "%s: %s" % (type(e).__name__, e))

def serve_for(c, m):
    what = m.header("X-Test", "")
    if what == "":
        c.serve_dir(m, root)
    elif what == "slash":
        c.serve_dir(m, root + "/")
    elif what == "options":
        c.serve_dir(m, root, "X-Extra: yes\\r\\nCache-Control: max-age=60\\r\\n", "odd=x/odd,txt=text/x-mine", root + "/404.html")
    elif what == "keywords":
        c.serve_dir(m, root_dir=root, extra_headers="X-Extra: kw", mime_types="odd=x/kw", page404="")
    elif what == "file":
        c.serve_file(m, root + "/hello.txt")
    elif what == "file-options":
        c.serve_file(m, root + "/hello.txt", "Content-Type: text/own\\r\\n", "txt=text/other")
    elif what == "file-none":
        c.serve_file(m, root + "/none.txt")
    elif what == "file-dir":
        c.serve_file(m, root)
    elif what == "bad-headers":
        c.serve_dir(m, root, "X-Extra yes\\r\\n")
    elif what == "bad-value":
        c.serve_dir(m, root, "X-Extra: a\\x00b\\r\\n")
    elif what == "no-listing":
        c.serve_dir(m, root, listing=False)
    elif what == "dotfiles":
        c.serve_dir(m, root, dotfiles=True)
    elif what == "no-root":
        c.serve_dir(m, root + "/nowhere")

m = Manager(handler, max_head=16384)
announce("PORT", m.listen(url("http")))
serve(m)
"""

HELLO = b"Hello, files!\n"
SCRIPT = b"function f() { return 1 }\n" * 100


@pytest.fixture(scope="session")
def root(target, tmp_path_factory):
    """Files to serve, and one beside the root that must not be."""
    folder = tmp_path_factory.mktemp("f") / "r"
    folder.mkdir()
    (folder.parent / "secret.txt").write_text("secret")
    (folder.parent / "r2").mkdir()
    (folder.parent / "r2" / "secret.txt").write_text("secret")
    (folder / "hello.txt").write_bytes(HELLO)
    (folder / "empty.txt").write_bytes(b"")
    (folder / "page.html").write_text("<p>page")
    (folder / "404.html").write_text("<p>not here")
    (folder / "app.js").write_bytes(SCRIPT)
    (folder / "app.js.gz").write_bytes(gzip.compress(SCRIPT))
    (folder / "only.css.gz").write_bytes(gzip.compress(b"body {}"))
    (folder / "UPPER.PNG").write_bytes(b"\x89PNG")
    (folder / "noext").write_bytes(b"?")
    (folder / "x.odd").write_bytes(b"odd")
    (folder / "archive.tar.gz").write_bytes(gzip.compress(b"tar"))
    (folder / "a b+c&d.txt").write_bytes(b"odd name")
    (folder / "gr\xfc\xdfe.txt").write_bytes(b"utf8 name")
    (folder / "<b>.txt").write_bytes(b"markup name")
    (folder / "sub").mkdir()
    (folder / "sub" / "index.html").write_text("<p>index")
    (folder / "sub" / "a.txt").write_text("a")
    (folder / "list").mkdir()
    (folder / "list" / "one.txt").write_text("1")
    (folder / "list" / "two & <three>.txt").write_text("22")
    (folder / "list" / "deeper").mkdir()
    (folder / "list" / ".hidden.txt").write_text("hidden")
    (folder / ".env").write_text("secret")
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("secret")
    (folder / "sub" / ".index.html.1a2b3c4d.part").write_text("half")
    (folder / ".well-known").mkdir()
    (folder / ".well-known" / "token").write_text("token")
    (folder / ".well-known" / ".env").write_text("secret")
    (folder / "sub" / ".well-known").mkdir()
    (folder / "sub" / ".well-known" / "token").write_text("secret")
    (folder / "link.txt").symlink_to("hello.txt")
    (folder / "dangling.txt").symlink_to("nowhere")
    return folder


@pytest.fixture
def server(shared, target, root):
    return shared(SERVER, root=f"{target.folder(root.parent)}/r")


@pytest.fixture
def client(server):
    with httpx.Client(base_url="http://{}:{}".format(*server.reach(server.port()))) as client:
        yield client


# ---- Files -------------------------------------------------------------------------------------

TYPES = {
    "hello.txt": "text/plain",
    "page.html": "text/html",
    "app.js": ("text/javascript", "application/javascript"),
    "UPPER.PNG": "image/png",
    "noext": ("application/octet-stream", "text/plain"),
    "x.odd": ("application/octet-stream", "text/plain"),
}


@pytest.mark.parametrize("name", TYPES)
def test_content_types(client, root, name):
    answer = client.get("/" + name, headers={"Accept-Encoding": "identity"})
    assert answer.status_code == 200 and answer.content == (root / name).read_bytes()
    kinds = TYPES[name] if isinstance(TYPES[name], tuple) else (TYPES[name],)
    assert answer.headers["content-type"].split(";")[0] in kinds
    assert answer.headers["content-length"] == str(len(answer.content))


def test_text_types_say_utf8(client):
    for name in ("hello.txt", "page.html", "app.js"):
        kind = client.get("/" + name).headers["content-type"]
        assert kind.lower().replace(" ", "").endswith(";charset=utf-8")


def test_empty_file(client):
    answer = client.get("/empty.txt")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == "0"


def test_keep_alive_between_files(server):
    with Raw(server.reach(server.port())) as raw:
        for _ in range(3):
            assert raw.ask("GET /hello.txt HTTP/1.1\r\nHost: d\r\n\r\n").body == HELLO
            assert raw.ask("GET /none HTTP/1.1\r\nHost: d\r\n\r\n").status == 404
        raw.send(
            "GET /hello.txt HTTP/1.1\r\nHost: d\r\n\r\nGET /empty.txt HTTP/1.1\r\nHost: d\r\n\r\n"
        )
        raw.send("GET /app.js HTTP/1.1\r\nHost: d\r\n\r\n")
        assert [raw.response().body for _ in range(3)] == [HELLO, b"", SCRIPT]


def test_head(server, client):
    answer = client.head("/hello.txt")
    assert answer.status_code == 200 and answer.content == b""
    assert answer.headers["content-length"] == str(len(HELLO))
    with Raw(server.reach(server.port())) as raw:
        assert raw.ask("HEAD /app.js HTTP/1.1\r\nHost: d\r\n\r\n").body == b""
        assert raw.ask("GET /hello.txt HTTP/1.1\r\nHost: d\r\n\r\n").body == HELLO


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"])
def test_other_methods(client, method):
    answer = client.request(method, "/hello.txt")
    assert answer.status_code == 405
    assert {m.strip() for m in answer.headers["allow"].split(",")} >= {"GET", "HEAD"}


@pytest.mark.parametrize(
    "path, body",
    [
        ("/a%20b+c%26d.txt", b"odd name"),
        ("/gr%C3%BC%C3%9Fe.txt", b"utf8 name"),
        ("/%3Cb%3E.txt", b"markup name"),
        ("/%68ello.txt", HELLO),
        ("/hello.txt?query=/../x", HELLO),
        ("//hello.txt", HELLO),
        ("/sub//a.txt", b"a"),
        ("/./hello.txt", HELLO),
        pytest.param("/link.txt", HELLO, marks=pytest.mark.needs("host-files")),
    ],
)
def test_names(server, path, body):
    answer = raw_get(server, path)
    assert (answer.status, answer.body) == (200, body)


# A plus is a plus: the name with spaces in their place is another.
NONE = "/a+b+c&d.txt /none.txt /none/ /hello.txt/ /hello.txt/x /sub/none /dangling.txt".split()


@pytest.mark.parametrize("path", NONE)
def test_not_found(server, path):
    assert raw_get(server, path).status == 404


# ---- Options -----------------------------------------------------------------------------------


def test_options(server):
    answer = raw_get(server, "/x.odd", "X-Test: options\r\n")
    assert answer.headers["content-type"] == "x/odd"
    assert (answer.headers["x-extra"], answer.headers["cache-control"]) == ("yes", "max-age=60")
    assert (
        raw_get(server, "/hello.txt", "X-Test: options\r\n").headers["content-type"]
        == "text/x-mine"
    )
    answer = raw_get(server, "/none", "X-Test: options\r\n")
    assert (answer.status, answer.body) == (404, b"<p>not here")
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["x-extra"] == "yes"
    answer = raw_get(server, "/x.odd", "X-Test: keywords\r\n")
    assert (answer.headers["content-type"], answer.headers["x-extra"]) == ("x/kw", "kw")
    assert raw_get(server, "/none", "X-Test: keywords\r\n").status == 404


def test_serve_file(server):
    for path in ("/", "/what/ever", "/../../etc/passwd"):
        answer = raw_get(server, path, "X-Test: file\r\n")
        assert (answer.status, answer.body) == (200, HELLO)
    answer = raw_get(server, "/", "X-Test: file-options\r\n")
    assert [v for k, v in answer.pairs if k == "content-type"] == ["text/own"]
    assert raw_get(server, "/", "X-Test: file-none\r\n").status == 404
    assert raw_get(server, "/", "X-Test: file-dir\r\n").status == 404


def test_root_with_a_slash_or_none_at_all(server):
    assert raw_get(server, "/hello.txt", "X-Test: slash\r\n").body == HELLO
    assert raw_get(server, "/../secret.txt", "X-Test: slash\r\n").status in (400, 403, 404)
    assert raw_get(server, "/hello.txt", "X-Test: no-root\r\n").status == 404


@pytest.mark.parametrize("what", ["bad-headers", "bad-value"])
def test_bad_extra_headers(server, what):
    answer = raw_get(server, "/hello.txt", f"X-Test: {what}\r\n")
    assert answer.status == 500 and answer.body.startswith(b"ValueError: ")


# ---- Folders -----------------------------------------------------------------------------------


def test_index(server):
    answer = raw_get(server, "/sub/")
    assert (answer.status, answer.body) == (200, b"<p>index")
    assert answer.headers["content-type"].startswith("text/html")


def test_folder_without_slash_is_redirected(server):
    answer = raw_get(server, "/sub?x=1")
    assert answer.status in (301, 302, 307, 308) and answer.headers["location"] == "/sub/?x=1"


@pytest.mark.parametrize("path", ["//sub", "///sub", "//evil.example/..", "/%0d%0aX:%20y/../sub"])
def test_redirect_stays_here(server, path):
    answer = raw_get(server, path)
    location = answer.headers.get("location", "/")
    assert location.startswith("/") and not location.startswith("//") and "x" not in answer.headers


def test_listing(server, client):
    answer = client.get("/list/")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")
    links = re.findall(r'href="([^"]*)"', answer.text)
    assert {unquote(link) for link in links} >= {"one.txt", "deeper/", "two & <three>.txt"}
    assert "<three>" not in answer.text and "&lt;three&gt;" in answer.text
    for link in links:
        if not link.endswith("/"):
            assert client.get("/list/" + link).status_code == 200


def test_listing_of_an_odd_uri_is_escaped(server):
    answer = raw_get(server, "/list/?%3Cscript%3E")
    assert b"<script>" not in answer.body


# ---- Ranges ------------------------------------------------------------------------------------

RANGES = {
    "bytes=0-0": (206, HELLO[:1], "bytes 0-0/14"),
    "bytes=0-4": (206, HELLO[:5], "bytes 0-4/14"),
    "bytes=7-": (206, HELLO[7:], "bytes 7-13/14"),
    "bytes=7-100": (206, HELLO[7:], "bytes 7-13/14"),
    "bytes=13-13": (206, HELLO[13:], "bytes 13-13/14"),
    "bytes=-1": (206, HELLO[-1:], "bytes 13-13/14"),
    "bytes=-14": (206, HELLO, "bytes 0-13/14"),
    "bytes=-100": (206, HELLO, "bytes 0-13/14"),
    "bytes=14-": (416, None, "bytes */14"),
    "bytes=100-200": (416, None, "bytes */14"),
    "bytes=-0": (416, None, "bytes */14"),
    "bytes=99999999999999999999-": (416, None, "bytes */14"),
    "bytes=4-2": (200, HELLO, None),
    "bytes=": (200, HELLO, None),
    "bytes=a-b": (200, HELLO, None),
    "bytes=--1": (200, HELLO, None),
    "bytes 0-4": (200, HELLO, None),
    "lines=0-4": (200, HELLO, None),
    "bytes=0-18446744073709551615": (206, HELLO, "bytes 0-13/14"),
    "bytes=0-99999999999999999999": (206, HELLO, "bytes 0-13/14"),
    "bytes=-99999999999999999999": (206, HELLO, "bytes 0-13/14"),
    "bytes=9223372036854775808-": (416, None, "bytes */14"),
    "bytes=18446744073709551616-": (416, None, "bytes */14"),
    "Bytes=0-4": (206, HELLO[:5], "bytes 0-4/14"),
    "BYTES= 0-4 ": (206, HELLO[:5], "bytes 0-4/14"),
    "bytes=,,0-4,": (206, HELLO[:5], "bytes 0-4/14"),
    "bytes=0-4,14-": (206, HELLO[:5], "bytes 0-4/14"),
    "bytes=14-,20-30": (416, None, "bytes */14"),
    "bytes=0-4,x": (200, HELLO, None),
    "bytes=0-4 5-6": (200, HELLO, None),
    "bytes=0-8,3-13": (200, HELLO, None),
    "bytes=" + ",".join(["0-0"] * 17): (200, HELLO, None),
}


@pytest.mark.parametrize("value", RANGES)
def test_range(server, value):
    status, body, content_range = RANGES[value]
    answer = raw_get(server, "/hello.txt", f"Range: {value}\r\n")
    assert answer.status in (status if isinstance(status, tuple) else (status,))
    if body is not None:
        assert answer.body == body
        assert answer.headers["content-length"] == str(len(body))
    if content_range or body:
        assert answer.headers.get("content-range") == content_range


def test_range_of_an_empty_file(server):
    assert raw_get(server, "/empty.txt", "Range: bytes=0-0\r\n").status in (200, 416)


def test_if_range(server):
    etag = raw_get(server, "/hello.txt").headers["etag"]
    answer = raw_get(server, "/hello.txt", f"Range: bytes=0-4\r\nIf-Range: {etag}\r\n")
    # A weak one is none to go on by: where no clock is set, for example.
    assert answer.status == (200 if etag.startswith("W/") else 206)
    answer = raw_get(server, "/hello.txt", 'Range: bytes=0-4\r\nIf-Range: "other"\r\n')
    assert (answer.status, answer.body) == (200, HELLO)


def test_ranges_are_offered(client):
    assert client.get("/hello.txt").headers["accept-ranges"] == "bytes"


# ---- ETags -------------------------------------------------------------------------------------


def test_not_modified(server):
    etag = raw_get(server, "/hello.txt").headers["etag"]
    assert re.fullmatch(r'(W/)?"[^"]+"', etag)
    for value in (etag, f'"x", {etag}', "W/" + etag.removeprefix("W/"), "*"):
        answer = raw_get(server, "/hello.txt", f"If-None-Match: {value}\r\n")
        assert (answer.status, answer.body) == (304, b""), value
        assert answer.headers["etag"] == etag
    for value in ('"x"', etag[:-2] + '"', ""):
        assert raw_get(server, "/hello.txt", f"If-None-Match: {value}\r\n").status == 200


@pytest.mark.needs("host-files")
def test_etag_follows_the_file(server, root):
    path = root / "changing.txt"
    path.write_bytes(b"one")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    first = raw_get(server, "/changing.txt").headers["etag"]
    path.write_bytes(b"two!")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    second = raw_get(server, "/changing.txt").headers["etag"]
    os.utime(path, (1_000_000_500, 1_000_000_500))
    third = raw_get(server, "/changing.txt").headers["etag"]
    path.unlink()
    assert len({first, second, third}) == 3


# ---- Precompressed files -----------------------------------------------------------------------

ACCEPT = {
    "gzip": True,
    "gzip, deflate, br": True,
    "br;q=1.0, gzip;q=0.8, *;q=0.1": True,
    "GZIP": True,
    "": False,
    "identity": False,
    "deflate": False,
    "gzip;q=0": False,
    "gzip;q=0.0": False,
    "gzippy": False,
    "x-gzip-not": False,
}


@pytest.mark.parametrize("value", ACCEPT)
def test_gzip(server, root, value):
    answer = raw_get(server, "/app.js", f"Accept-Encoding: {value}\r\n")
    assert answer.status == 200
    assert answer.headers["vary"].lower() == "accept-encoding"
    assert answer.headers["content-type"].startswith("text/javascript")
    if ACCEPT[value]:
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.body == (root / "app.js.gz").read_bytes()
    else:
        assert "content-encoding" not in answer.headers
        assert answer.body == SCRIPT


def test_gzip_variants_have_etags_of_their_own(server):
    plain = raw_get(server, "/app.js").headers["etag"]
    packed = raw_get(server, "/app.js", "Accept-Encoding: gzip\r\n").headers["etag"]
    assert plain != packed
    answer = raw_get(server, "/app.js", f"Accept-Encoding: gzip\r\nIf-None-Match: {plain}\r\n")
    assert answer.status == 200


def test_a_gz_file_by_its_own_name_is_no_encoding(server, root):
    answer = raw_get(server, "/archive.tar.gz", "Accept-Encoding: gzip\r\n")
    assert "content-encoding" not in answer.headers
    assert answer.headers["content-type"] == "application/gzip"
    assert answer.body == (root / "archive.tar.gz").read_bytes()


# ---- Paths that lead outside -------------------------------------------------------------------

OUTSIDE = [
    "/../secret.txt",
    "/../r2/secret.txt",
    "/sub/../../secret.txt",
    "/./../secret.txt",
    "//../secret.txt",
    "/%2e%2e/secret.txt",
    "/.%2e/secret.txt",
    "/%2E./secret.txt",
    "/..%2fsecret.txt",
    "/%2e%2e%2fsecret.txt",
    "/sub%2f..%2f..%2fsecret.txt",
    "/%252e%252e/secret.txt",
    "/..\\secret.txt",
    "/..%5csecret.txt",
    "/%5c..%5csecret.txt",
    "/%2e%2e%5csecret.txt",
    "/..%00/secret.txt",
    "/hello.txt%00.html",
    "/%00",
    "/%c0%ae%c0%ae/secret.txt",
    "/%uff0e%uff0e/secret.txt",
    "/....//secret.txt",
    "/sub/.../../../secret.txt",
    "//etc/passwd",
    "/%2fetc/passwd",
    "/sub/..",
    "/sub/../",
    "/..",
    "/../",
    "/%2e%2e",
    "/file:///etc/passwd",
    "/%",
    "/%4",
    "/%zz",
    "/%0a",
    "/hello.txt%0d%0aX:y",
    "/..;/secret.txt",
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_path_outside(server, path):
    answer = raw_get(server, path)
    assert answer.status in (400, 403, 404), answer
    assert b"secret" not in answer.body and b"root:" not in answer.body


def test_absolute_form_does_not_escape(server):
    assert raw_get(server, "http://d/../secret.txt").status in (400, 403, 404)


def test_very_long_path(server):
    for length in (100, 130, 1000, 1100, 5000):
        assert raw_get(server, "/" + "x" * length).status in (404, 414)
        assert raw_get(server, "/" + "x/" * (length // 2)).status in (404, 414)
        assert raw_get(server, "/" + "%78" * (length // 3)).status in (404, 414)


# ---- Dot files and listings --------------------------------------------------------------------

HIDDEN = (
    "/.env",
    "/%2eenv",
    "/.git/config",
    "/.git/",
    "/.git",
    "/list/.hidden.txt",
    "/sub/.index.html.1a2b3c4d.part",
    "/.well-known/.env",
    "/sub/.well-known/token",
    "/./.env",
    "//.env",
    "/.none",
)


@pytest.mark.parametrize("path", HIDDEN)
def test_names_with_a_dot_in_front_are_not_there(server, path):
    assert raw_get(server, path).status == 404


def test_well_known_is_there(server):
    assert raw_get(server, "/.well-known/token").body == b"token"


def test_dotfiles_are_served_where_asked_for(client):
    headers = {"X-Test": "dotfiles"}
    assert client.get("/.env", headers=headers).text == "secret"
    listing = client.get("/list/", headers=headers).text
    assert ".hidden.txt" in listing and 'href="../"' in listing and 'href="./"' not in listing
    assert listing.count("..") == 2, "the link up, and its text"
    assert ".hidden.txt" not in client.get("/list/").text
    assert client.get("/..%2fsecret.txt", headers=headers).status_code == 404


def test_no_listing(client):
    headers = {"X-Test": "no-listing"}
    assert client.get("/list/", headers=headers).status_code == 404
    assert client.get("/sub/", headers=headers).text == "<p>index"
    assert client.get("/list/one.txt", headers=headers).text == "1"
    assert client.get("/list/").status_code == 200
