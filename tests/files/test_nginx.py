# SPDX-License-Identifier: GPL-2.0-only
"""The same files by nginx, as another opinion: where we differ from it, we say why."""

import gzip
import os
import shutil
import subprocess
import time
from types import SimpleNamespace

import pytest
from peers.clients import Raw, free_port, raw_get, seconds
from served_script import HOST, SERVED, start

pytestmark = [pytest.mark.needs("process"), pytest.mark.parametrize("kind", [HOST])]


@pytest.fixture
def both(device, target, kind, tmp_path_factory):
    """Ours, and nginx over the same folder."""
    if not shutil.which("nginx"):
        pytest.skip("this computer has no nginx")
    ours = start(device, target, SERVED, kind, tmp_path_factory)
    own, port = tmp_path_factory.mktemp("nginx"), free_port()
    names = "client_body", "proxy", "fastcgi", "uwsgi", "scgi"
    paths = "".join(f"{name}_temp_path {own}/{name};\n" for name in names)
    (own / "nginx.conf").write_text(
        f"daemon off;\npid {own}/pid;\nerror_log {own}/error.log;\nmaster_process off;\n"
        f"events {{}}\nhttp {{ access_log off; {paths} server {{ listen 127.0.0.1:{port};\n"
        f"root {ours.folder}/www; autoindex on; absolute_redirect off; gzip_static on;\n"
        "location ~ /\\. { return 404; } } }\n"
    )
    process = subprocess.Popen(
        ["nginx", "-p", str(own), "-c", str(own / "nginx.conf")], stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + seconds(20)
    while True:
        try:
            Raw(("127.0.0.1", port)).close()
            break
        except OSError:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.02)
    theirs = SimpleNamespace(port=lambda: port, reach=lambda port: ("127.0.0.1", port))
    yield SimpleNamespace(ours=ours, theirs=theirs, folder=ours.folder / "www")
    process.kill()
    process.wait()


def ask(server, path, *lines, method="GET"):
    return raw_get(server, path, "".join(line + "\r\n" for line in lines), method)


PATHS = (
    "/ /a.txt /a.txt/ /a.txt/x /none /sub /sub?q=1 /sub/ /sub?%41=%42&x /./a.txt /sub/../a.txt //a.txt"
    " /%61.txt /%zz /a%00b /fifo /fifo/ /socket /null /.env /.git/config /sub/./index.html /sub//"
    " /a.txt%20 /a.txt. /A.TXT /index.html /empty.txt /both.css /%2e%2e/a.txt /a%2etxt /sub%2f"
).split()
#: Where nginx says something else.
OTHER_PATHS = {
    "/sub/../a.txt": (404, 200),  # no link has it, for clients resolve it themselves
    "/%2e%2e/a.txt": (404, 400),
    "/a%00b": (404, 400),
}

#: Of each: its lines and its ETag as {e}.
LINES = (
    ("If-None-Match: {e}",),
    ('If-None-Match: "x", {e}',),
    ("If-None-Match: W/{e}",),
    ("If-None-Match: *",),
    ('If-None-Match: "x"',),
    ("If-Match: {e}",),
    ('If-Match: "x", {e}',),
    ("If-Match: *",),
    ('If-Match: "x"',),
    ("If-Match: W/{e}",),
    ('If-Match: "x"', "If-None-Match: {e}"),
    ("Range: bytes=0-0",),
    ("Range: bytes=2-",),
    ("Range: bytes=-3",),
    ("Range: bytes=-300",),
    ("Range: bytes=0-999",),
    ("Range: bytes=7-",),
    ("Range: bytes=99999999999999999999-",),
    ("Range: bytes=0-99999999999999999999",),
    ("Range: bytes=0-1,4-5",),
    ("Range: bytes=0-1,90-95",),
    ("Range: bytes=90-95,97-",),
    ("Range: bytes=0-,0-",),
    ("Range: Bytes=0-0",),
    ("Range: lines=0-0",),
    ("Range: bytes=0-0", "If-Range: {e}"),
    ("Range: bytes=0-0", 'If-Range: "x"'),
    ("Range: bytes=0-0", "If-Range: W/{e}"),
)
OTHER_LINES = {("GET", "Range: bytes=0-99999999999999999999"): (206, 416)}  # it ends at the end


def test_paths(both):
    www = both.folder
    (www / "a.txt").write_text("content")
    (www / "empty.txt").write_text("")
    (www / "sub").mkdir()
    (www / "sub" / "index.html").write_text("index")
    (www / ".git").mkdir()
    (www / ".git" / "config").write_text("secret")
    (www / ".env").write_text("secret")
    (www / "both.css").write_text("body {}")
    (www / "both.css.gz").write_bytes(gzip.compress(b"body {}"))
    os.mkfifo(www / "fifo")
    (www / "null").symlink_to("/dev/null")
    for path in PATHS:
        for method in "GET", "HEAD":
            ours, theirs = (ask(s, path, method=method) for s in (both.ours, both.theirs))
            wanted = OTHER_PATHS.get(path, (theirs.status, theirs.status))
            assert (ours.status, theirs.status) == wanted, path
            if theirs.status == 200 and not path.endswith("/") and ours.status == 200:
                assert ours.body == theirs.body, path
            if ours.status == 301:
                assert ours.headers["location"] == theirs.headers["location"]


def test_conditions_and_ranges(both):
    (both.folder / "a.txt").write_text("content")
    os.utime(both.folder / "a.txt", (1_000_000_000, 1_000_000_000))
    deadline = time.monotonic() + seconds(20)
    while (mine := ask(both.ours, "/a.txt").headers["etag"]).startswith("W/"):
        assert time.monotonic() < deadline
    etags = mine, ask(both.theirs, "/a.txt").headers["etag"]
    for lines in LINES:
        for method in "GET", "HEAD":
            answers = [
                ask(server, "/a.txt", *(line.format(e=etag) for line in lines), method=method)
                for server, etag in zip((both.ours, both.theirs), etags, strict=True)
            ]
            found = tuple(answer.status for answer in answers)
            ours = 200 if method == "HEAD" and "Range" in lines[0] else found[1]  # RFC 9110, 14.2
            wanted = OTHER_LINES.get((method, *lines), (ours, found[1]))
            assert found == wanted, (method, lines)
            kinds = [a.headers.get("content-type", "").split(";")[0] for a in answers]
            if found[0] == found[1] and kinds[0] != "multipart/byteranges" and found[0] < 300:
                assert answers[0].body == answers[1].body, lines
                ranges = [a.headers.get("content-range") for a in answers]
                assert ranges[0] == ranges[1], lines
            if found == (416, 416):
                assert answers[0].headers["content-range"] == answers[1].headers["content-range"]


def test_codings(both):
    (both.folder / "a.css").write_text("body {}")
    (both.folder / "a.css.gz").write_bytes(gzip.compress(b"body {}"))
    for value in "gzip", "gzip;q=0", "br, gzip", "identity", "gzip;q=0.5", "gzip; q=0.000":
        found = [ask(s, "/a.css", f"Accept-Encoding: {value}") for s in (both.ours, both.theirs)]
        assert found[0].body == found[1].body, value
        assert found[0].headers.get("content-encoding") == found[1].headers.get("content-encoding")
