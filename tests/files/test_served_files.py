# SPDX-License-Identifier: GPL-2.0-only
"""Which files serve_dir() finds, and what it says of them, on file systems that differ."""

import gzip
import os
import re
import socket
import subprocess
import time

import pytest
from peers.clients import Raw, raw_get, seconds
from served_script import FAT, HOST, LITTLEFS, SERVED, start

IN_MEMORY = [LITTLEFS, FAT]
ANY = pytest.mark.parametrize("kind", [HOST, *IN_MEMORY])
ON_HOST = pytest.mark.parametrize("kind", [HOST])
ON_FAT = pytest.mark.parametrize("kind", [FAT])


@pytest.fixture
def served(device, target, kind, tmp_path_factory):
    running = start(device, target, SERVED, kind, tmp_path_factory)
    running.folder = running.folder / "www" if running.folder else None
    return running


def get(served, path, *lines, method="GET"):
    return raw_get(served, path, "".join(line + "\r\n" for line in lines), method)


def write(served, name, data):
    served.exec(f"write({name!r}, {data!r})")


def aged(served, *names):
    """So old that its time tells it from what comes next. A file's record is always new."""
    deadline = time.monotonic() + seconds(20)
    for name in names:
        if served.folder:
            os.utime(served.folder / name, (1_000_000_000, 1_000_000_000))
        while get(served, "/" + name).headers["etag"].startswith("W/"):
            assert time.monotonic() < deadline, name
            time.sleep(0.02)


# ---- What may be opened ------------------------------------------------------------------------


@ON_HOST
def test_only_regular_files_are_opened(served):
    """None of these may hold the program up, whether it is asked for or only looked for."""
    www = served.folder
    os.mkfifo(www / "fifo")
    os.mkfifo(www / "fifo.txt.gz")
    (www / "sub").mkdir()
    os.mkfifo(www / "sub" / "index.html")
    (www / "packed").mkdir()
    os.mkfifo(www / "packed" / "index.html.gz")
    os.mkfifo(www / "404.html")
    os.mkfifo(www / "plain.txt.gz")
    (www / "plain.txt").write_text("plain")
    (www / "link").symlink_to("fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(www / "socket"))
    (www / "null").symlink_to("/dev/null")
    served.exec("options = {'page404': root + '/404.html'}")
    for path in "/fifo /fifo/ /fifo/x /fifo.txt.gz /fifo.txt /link /socket /socket/ /null".split():
        answer = get(served, path, "Accept-Encoding: gzip")
        assert answer.status == 404 and answer.body, path
    assert get(served, "/plain.txt", "Accept-Encoding: gzip").body == b"plain"
    for path in "/sub/", "/packed/", "/":
        listing = get(served, path).body
        assert b"fifo" not in listing and b"socket" not in listing and b"index" not in listing
    assert b"plain.txt" in get(served, "/").body
    for name in "fifo", "socket", "null":
        served.exec(f"options = {{'file': root + '/{name}'}}")
        assert get(served, "/").status == 404


# ---- Names -------------------------------------------------------------------------------------


@ANY
@pytest.mark.parametrize("root", ["", ".", "./", "./."])
def test_the_current_folder(served, root):
    write(served, "a.txt", b"here")
    served.exec("os.mkdir(root + '/sub')\nwrite('sub/index.html', b'index')")
    served.exec(f"before = os.getcwd()\nos.chdir(root)\nroots = {root!r}")
    try:
        assert get(served, "/a.txt").body == b"here"
        assert get(served, "/sub/").body == b"index"
        assert get(served, "/sub").headers["location"] == "/sub/"
        assert b'href="a.txt"' in get(served, "/").body
        assert get(served, "/etc/passwd").status == get(served, "//etc/passwd").status == 404
    finally:
        served.exec("os.chdir(before)")


@ON_FAT
def test_names_on_fat_are_spelled_as_they_stand_there(served):
    served.exec(
        "os.mkdir(root + '/Folder')\nos.mkdir(root + '/.git')\nwrite('.git/config', b'secret')\n"
        "write('index.html', b'index')\nwrite('.env', b'secret')\nwrite('UPPER.TXT', b'upper')\n"
        "write('Folder/a long name.txt', b'long')\n"
        "write('.index.html.1a2b3c4d.part', b'half')"
    )
    good = {
        "/index.html": b"index",
        "/": b"index",
        "/UPPER.TXT": b"upper",
        "/Folder/a%20long%20name.txt": b"long",
        "/./Folder//a%20long%20name.txt": b"long",
    }
    for path, body in good.items():
        answer = get(served, path)
        assert (answer.status, answer.body) == (200, body), path
    assert get(served, "/Folder").status == 301
    bad = (
        "/INDEX~1.HTM /INDEX.HTML /Index.html /index.html. /index.html%20 /index.html.. /index.htm"
        " /upper.txt /folder /folder/ /FOLDER/ /Folder./ /Folder%20/ /folder/a%20long%20name.txt"
        " /Folder/ALONGN~1.TXT /GIT~1/config /GIT~1/ /GIT~1 /ENV~1 /INDEXH~1.PAR /INDEXH~2.PAR"
        " /.ENV /.GIT/config"
    ).split()
    for path in bad:
        assert get(served, path).status == 404, path


@ANY
def test_unfinished_uploads_are_never_there(served):
    names = ".a.bin.1a2b3c4d.part", ".b..00000000.part", ".a.bin.1a2b3c4d.parts", ".x.1.part"
    for name in names:
        write(served, name, b"half")
    for dotfiles in False, True:
        served.exec(f"options = {{'dotfiles': {dotfiles}}}")
        page = get(served, "/").body.decode()
        for name, there in zip(names, (False, False, dotfiles, dotfiles), strict=True):
            assert (get(served, "/" + name).status == 200) == there, name
            assert (name + '"' in page) == there, name


@ANY
def test_limits_count_what_is_decoded(served):
    name = "x" * 30
    write(served, name, b"found")
    assert get(served, "/" + "%78" * 30).body == b"found"
    assert get(served, "/" + "./" * 2000 + name).body == b"found"
    assert get(served, "/" + "/" * 2000 + "%2e/" + name).body == b"found"
    for path in "/" + "x" * 1100, "/" + "%78" * 1100, "/" + "x/" * 600:
        assert get(served, path).status == 414


@ANY
def test_a_redirect_keeps_its_query(served):
    served.exec("os.mkdir(root + '/sub')")
    for length in 0, 1, 100, 900, 1100, 5000:
        query = "q=" + "x" * length
        answer = get(served, f"/sub?{query}")
        assert (answer.status, answer.headers["location"]) == (301, f"/sub/?{query}")


@pytest.mark.parametrize("kind", [HOST, LITTLEFS])
def test_a_listing_survives_any_name(served):
    served.exec(
        "for name in b'\\xff\\xfe.txt', b'a.txt', b'z.txt', b'x\\xe9':\n"
        "    with open(root.encode() + b'/' + name, 'wb') as f: f.write(b'content')"
    )
    answer = get(served, "/")
    page = answer.body.decode()
    links = re.findall(r'href="([^"]*)"', page)
    assert sorted(links) == ["%FF%FE.txt", "../", "a.txt", "x%E9", "z.txt"]
    for link in links[1:]:
        assert get(served, "/" + link).body == b"content", link


# ---- Conditions --------------------------------------------------------------------------------


@ANY
def test_a_file_that_is_written_again_is_never_taken_for_the_old_one(served, target):
    """However soon: content of the same length, a time that may be the same."""
    etags = set()
    times = target.size(8, 4)
    for n in range(times):
        body = b"content %d" % n
        write(served, "a.txt", body)
        for old in etags:
            lines = (f"If-None-Match: {old}", f"If-None-Match: W/{old.removeprefix('W/')}")
            for line in lines:
                answer = get(served, "/a.txt", line)
                assert (answer.status, answer.body) == (200, body)
            answer = get(served, "/a.txt", "Range: bytes=0-3", f"If-Range: {old}")
            assert (answer.status, answer.body) == (200, body)
        answer = get(served, "/a.txt")
        etags.add(answer.headers["etag"])
        if answer.headers["etag"].startswith("W/"):  # a range needs a strong one
            answer = get(served, "/a.txt", "Range: bytes=0-3", f"If-Range: {max(etags)}")
            assert answer.status == 200
    assert len(etags) == times
    # Unchanged, it is the same still, though its tag is another by now.
    last = get(served, "/a.txt").headers["etag"]
    assert get(served, "/a.txt", f"If-None-Match: {last}").status == 304


@pytest.mark.needs("littlefs")
@pytest.mark.parametrize("kind", ["Timeless"])
def test_without_times_there_is_no_tag(served):
    write(served, "a.txt", b"one")
    answer = get(served, "/a.txt")
    assert answer.body == b"one" and "etag" not in answer.headers
    assert get(served, "/a.txt", 'If-None-Match: ""').status == 200
    assert get(served, "/a.txt", 'If-None-Match: "0.3"').status == 200
    assert get(served, "/a.txt", 'If-Match: "0.3"').status == 412
    assert get(served, "/a.txt", "Range: bytes=0-0", 'If-Range: "0.3"').status == 200
    assert get(served, "/a.txt", "Range: bytes=0-0").body == b"o"


@pytest.mark.needs("littlefs")
@pytest.mark.parametrize("kind", ["Clockless"])
def test_a_clock_that_is_not_set_tells_nothing(served):
    """With every start of the board the same times come again."""
    write(served, "a.txt", b"one")
    etag = get(served, "/a.txt").headers["etag"]
    assert etag.startswith('W/"')
    assert get(served, "/a.txt", f"If-None-Match: {etag}").status == 304
    write(served, "a.txt", b"two")
    for old in etag, etag.removeprefix("W/"):
        answer = get(served, "/a.txt", f"If-None-Match: {old}")
        assert (answer.status, answer.body) == (200, b"two")
        answer = get(served, "/a.txt", "Range: bytes=0-0", f"If-Range: {old}")
        assert (answer.status, answer.body) == (200, b"two")


@pytest.mark.needs("littlefs")
@pytest.mark.parametrize("kind", ["Aged"])
def test_a_clock_that_is_a_little_behind(served):
    """What tells the time of a file ticks in a phase of its own: a file that is written when ours
    has passed the next even second may bear the one before."""
    write(served, "a.txt", b"one")
    for age, begin in ((0, 'W/"'), (1, 'W/"'), (2, 'W/"'), (4, '"'), (60, '"')):
        served.exec(f"Aged.age = {age}")
        assert get(served, "/a.txt").headers["etag"].startswith(begin), age


@ON_HOST
def test_a_time_that_is_set_back(served):
    """As archives and copies do."""
    write(served, "a.txt", b"one")
    aged(served, "a.txt")
    etag = get(served, "/a.txt").headers["etag"]
    write(served, "a.txt", b"two")
    aged(served, "a.txt")
    answer = get(served, "/a.txt", f"If-None-Match: {etag}")
    assert (answer.status, answer.body) == (200, b"two")
    answer = get(served, "/a.txt", "Range: bytes=0-0", f"If-Range: {etag}")
    assert (answer.status, answer.body) == (200, b"two")


@ON_HOST
def test_large_young_files_have_tags_that_do_not_come_again(served):
    write(served, "a.bin", b"x" * 100_000)
    os.utime(served.folder / "a.bin", (4_000_000_000, 4_000_000_000))  # as young as can be
    etags = {get(served, "/a.bin").headers["etag"] for _ in range(3)}
    assert len(etags) == 3 and all(etag.startswith('W/"') for etag in etags)
    aged(served, "a.bin")
    assert get(served, "/a.bin").headers["etag"].startswith('"')


CONDITIONS = {
    # If-Match: strong comparison, a list, several lines
    ('If-Match: "x", {e}',): 200,
    ("If-Match: {e}",): 200,
    ("If-Match: *",): 200,
    ('If-Match: "x"',): 412,
    ("If-Match: W/{e}",): 412,
    ('If-Match: "x"', "If-Match: {e}"): 200,
    ('If-Match: "x"', 'If-Match: "y"'): 412,
    ("If-Match: {e}", "If-None-Match: {e}"): 304,
    ('If-Match: "x"', "If-None-Match: {e}"): 412,
    # If-None-Match: weak comparison
    ("If-None-Match: {e}",): 304,
    ("If-None-Match: W/{e}",): 304,
    ("If-None-Match: *",): 304,
    ('If-None-Match: "x",{e}',): 304,
    ('If-None-Match: "x" , W/{e} ,',): 304,
    ('If-None-Match: "x, y", {e}',): 304,
    ('If-None-Match: "x"', "If-None-Match: {e}"): 304,
    ('If-None-Match: "x"', 'If-None-Match: "y"'): 200,
    ('If-None-Match: "x, {i}"',): 200,
    ("If-None-Match: {i}",): 200,
    ("If-None-Match: w/{e}",): 200,
    ("If-None-Match: ",): 200,
    ("If-None-Match: {e}", "Range: bytes=0-0"): 304,
    ("If-Modified-Since: Sun, 06 Nov 2044 08:49:37 GMT",): 200,  # there is no Last-Modified
    ("Range: bytes=0-0", "If-Range: {e}"): 206,
    ("Range: bytes=0-0", "If-Range: W/{e}"): 200,
    ("Range: bytes=0-0", "If-Range: Sun, 06 Nov 2044 08:49:37 GMT"): 200,
    ("Range: bytes=0-0", 'If-Range: "x"'): 200,
    ("Range: bytes=0-0", "Range: bytes=1-1"): 200,
}


@ANY
def test_conditions(served, target):
    write(served, "a.txt", b"content")
    aged(served, "a.txt")
    etag = get(served, "/a.txt").headers["etag"]
    assert re.fullmatch(r'"[^"]+"', etag)
    for lines, status in CONDITIONS.items():
        lines = [line.format(e=etag, i=etag.strip('"')) for line in lines]
        for method in ("GET", "HEAD")[: target.size(2, 1)]:
            answer = get(served, "/a.txt", *lines, method=method)
            wanted = 200 if method == "HEAD" and status == 206 else status
            assert answer.status == wanted, (method, lines)
            if answer.status == 304:
                assert answer.headers["etag"] == etag and answer.body == b""
                assert "content-type" not in answer.headers
        if status == 412:
            assert get(served, "/a.txt", *lines).body.startswith(b"412 ")


@ANY
def test_a_304_has_the_headers_of_the_200(served):
    write(served, "a.js", b"plain")
    write(served, "a.js.gz", gzip.compress(b"plain"))
    aged(served, "a.js", "a.js.gz")
    served.exec("options = {'extra_headers': 'Cache-Control: max-age=60\\r\\nX-Own: y\\r\\n'}")
    for lines in (), ("Accept-Encoding: gzip",):
        full = get(served, "/a.js", *lines)
        answer = get(served, "/a.js", *lines, f"If-None-Match: {full.headers['etag']}")
        assert answer.status == 304
        for name in "etag", "vary", "cache-control":
            assert answer.headers[name] == full.headers[name]


@ANY
def test_head_ignores_ranges(served):
    write(served, "a.txt", b"content")
    for lines in ("Range: bytes=0-0",), ("Range: bytes=90-",), ("Range: bytes=0-0,2-2",):
        answer = get(served, "/a.txt", *lines, method="HEAD")
        assert (answer.status, answer.headers["content-length"]) == (200, "7")
        assert "content-range" not in answer.headers


# ---- Several ranges ----------------------------------------------------------------------------


def parts_of(answer):
    kind, boundary = answer.headers["content-type"].split("; boundary=")
    assert kind == "multipart/byteranges"
    pieces = answer.body.split(b"\r\n--" + boundary.encode())
    assert pieces[0] == b"" and pieces[-1] == b"--\r\n"
    found = []
    for piece in pieces[1:-1]:
        head, body = piece.removeprefix(b"\r\n").split(b"\r\n\r\n", 1)
        lines = dict(line.split(": ") for line in head.decode().split("\r\n"))
        found.append((lines["Content-Type"], lines["Content-Range"], body))
    return found


@ANY
def test_several_ranges(served):
    served.exec("write('a.bin', bytes(range(256)) * 40)")
    data = bytes(range(256)) * 40
    size = len(data)
    for asked in "0-0,5-9", "5-9, 0-0", "100-8191, 8192-,-10", "0-1,2-3,4-5", "0-0,20000-,9-9":
        answer = get(served, "/a.bin", f"Range: bytes={asked}")
        assert answer.status == 206
        wanted = []
        for one in asked.replace(" ", "").split(","):
            first, _, last = one.partition("-")
            begin = int(first) if first else size - int(last)
            end = int(last) if last and first else size - 1
            if begin < size:
                content_range = f"bytes {begin}-{end}/{size}"
                wanted.append(("application/octet-stream", content_range, data[begin : end + 1]))
        assert parts_of(answer) == wanted, asked
    # The connection goes on behind it.
    with Raw(served.reach(served.port())) as raw:
        for _ in range(2):
            answer = raw.ask("GET /a.bin HTTP/1.1\r\nHost: d\r\nRange: bytes=1-2,4-5\r\n\r\n")
            assert [body for _, _, body in parts_of(answer)] == [b"\x01\x02", b"\x04\x05"]


@ANY
def test_several_ranges_have_the_type_that_was_given(served):
    write(served, "a.bin", b"0123456789")
    served.exec("options = {'extra_headers': 'Content-Type: image/x-own\\r\\nX-Own: y\\r\\n'}")
    answer = get(served, "/a.bin", "Range: bytes=0-0,2-3")
    assert [kind for kind, _, _ in parts_of(answer)] == ["image/x-own"] * 2
    assert answer.headers["x-own"] == "y"
    assert [v for k, v in answer.pairs if k == "content-type"] == [answer.headers["content-type"]]


@ON_HOST
def test_curl_reads_several_ranges(served):
    write(served, "a.bin", b"0123456789")
    host, port = served.reach(served.port())
    command = ["curl", "-sS", "-i", "-r", "0-1,4-5", f"http://{host}:{port}/a.bin"]
    out = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    assert out.startswith(b"HTTP/1.1 206 ") and b"\r\n\r\n01\r\n--" in out and b"\r\n\r\n45" in out


# ---- Only there as gzip ------------------------------------------------------------------------

#: Accept-Encoding, and whether gzip is sent for what is there both ways, for what is gzip alone.
CODINGS = {
    None: (False, True),
    "gzip": (True, True),
    "x-gzip": (True, True),
    "*": (True, True),
    "identity, *;q=0.1": (True, True),
    "": (False, False),
    "identity": (False, False),
    "br": (False, False),
    "gzip;q=0": (False, False),
    "gzip; q=0.000": (False, False),
    "*;q=0": (False, False),
    "gzip;q=0, *": (False, False),
    "*;q=0, gzip;q=0.5": (True, True),
    "identity;q=1, *;q=0": (False, False),
}


@ANY
def test_what_is_only_there_as_gzip(served):
    packed = gzip.compress(b"body {}", mtime=0)
    write(served, "only.css.gz", packed)
    write(served, "both.css", b"body {}")
    write(served, "both.css.gz", packed)
    served.exec("os.mkdir(root + '/app')")
    write(served, "app/index.html.gz", packed)
    for value, (both, alone) in CODINGS.items():
        lines = [] if value is None else [f"Accept-Encoding: {value}"]
        answer = get(served, "/both.css", *lines)
        assert answer.headers["vary"] == "Accept-Encoding" and answer.status == 200
        assert answer.headers.get("content-encoding") == ("gzip" if both else None), value
        for path, kind in ("/only.css", "text/css"), ("/app/", "text/html"):
            answer = get(served, path, *lines)
            assert answer.headers["vary"] == "Accept-Encoding"
            if alone:
                assert (answer.status, answer.body) == (200, packed), value
                assert answer.headers["content-encoding"] == "gzip"
                assert answer.headers["content-type"].startswith(kind)
            else:
                assert answer.status == 406 and answer.body.startswith(b"406 "), value
    assert get(served, "/only.css/", "Accept-Encoding: br").status == 404  # it is no folder
    lines = ["Accept-Encoding: br", "Accept-Encoding: gzip"]
    assert get(served, "/only.css", *lines).status == 200
    answer = get(served, "/only.css", "Range: bytes=0-1")
    assert (answer.status, answer.body) == (206, b"\x1f\x8b")
    assert get(served, "/app").status == 301
    assert get(served, "/only.css.gz").headers["content-type"] == "application/gzip"
    assert get(served, "/only.css/").status == 404
    links = re.findall(r'href="([^"]*)"', get(served, "/").body.decode())
    assert sorted(links) == ["../", "app/", "both.css", "both.css.gz", "only.css"]
    served.exec("options = {'file': root + '/only.css'}")
    assert get(served, "/").headers["content-encoding"] == "gzip"
    served.exec("options = {'page404': root + '/only.css'}")
    assert get(served, "/none").body == packed
    assert get(served, "/none", "Accept-Encoding: br").body == b"404 Not Found\n"


# ---- A file system that fails ------------------------------------------------------------------


@pytest.mark.parametrize("kind", IN_MEMORY)
def test_a_card_that_is_removed(served):
    served.exec("write('a.bin', bytes(20000))\nos.mkdir(root + '/sub')")
    served.exec("fails = 5")
    try:
        for path in "/a.bin", "/none", "/sub/", "/":
            answer = None
            try:
                answer = get(served, path)
            except Exception as e:  # it began, and could not go on
                assert "closed" in str(e) or "incomplete" in str(e), e
            assert answer is None or answer.status in (404, 500), path
    finally:
        served.exec("fails = 0")
    assert get(served, "/a.bin").body == bytes(20000)


# ---- Folders under prefixes --------------------------------------------------------------------

PICTURES = "/img", "/img/", "//img//", "/./img", "/%69mg", "/img/."


@ANY
def test_folders_under_prefixes(served, target):
    served.exec(
        "os.mkdir(base + '/pictures')\nos.mkdir(base + '/small')\nos.mkdir(root + '/img2')\n"
        "for name in 'www/a.txt', 'pictures/b.txt', 'small/c.txt', 'www/img2/d.txt',"
        " 'pictures/.env':\n"
        "    with open(base + '/' + name, 'w') as f: f.write(name)"
    )
    given = (
        "'{0}/www,/img={0}/pictures,/img/small={0}/small/'.format(base)",
        "{'/': root, '/img': base + '/pictures', '/img/small/': base + '/small'}",
        "(('/img/small', base + '/small'), ['/img', base + '/pictures'], ('/', root))",
        "[('/', base), ('/', root), ('/img', base + '/pictures'), ('/img/small', base + '/small')]",
    )
    for roots in given[: target.size(4, 2)]:
        served.exec(f"roots = {roots}")
        for path in PICTURES:
            answer = get(served, path.rstrip("/") + "/b.txt")
            assert (answer.status, answer.body) == (200, b"pictures/b.txt"), path
        assert get(served, "/a.txt").body == b"www/a.txt"
        assert get(served, "/img2/d.txt").body == b"www/img2/d.txt"
        assert get(served, "/img/small/c.txt").body == b"small/c.txt"
        answer = get(served, "/img?x=1")
        assert (answer.status, answer.headers["location"]) == (301, "/img/?x=1")
        assert b"b.txt" in get(served, "/img/").body and b"a.txt" in get(served, "/").body
        for path in (
            "/imgb.txt /imgx/b.txt /img../b.txt /img../www/a.txt /img%2e%2e/b.txt /IMG/b.txt"
            " /img/a.txt /img/../a.txt /img/%2e%2e/a.txt /img.x /img%00/b.txt /img/.env"
            " /img/small../c.txt /b.txt /small/c.txt"
        ).split():
            assert get(served, path).status == 404, (roots, path)
    served.exec("roots = {'/img': base + '/pictures'}")
    assert get(served, "/img/b.txt").status == 200 and get(served, "/a.txt").status == 404
    served.exec("roots = '/img=' + base + '/pictures'")
    assert get(served, "/img/b.txt").status == 200 and get(served, "/a.txt").status == 404


@ANY
def test_folders_with_a_comma_or_an_equals_sign(served):
    served.exec("os.mkdir(base + '/a,b=c')\nroots = {'/': base + '/a,b=c'}")
    served.exec("with open(base + '/a,b=c/x', 'w') as f: f.write('x')")
    assert get(served, "/x").body == b"x"
    for wrong in "base + '/a,b=c'", "root + ',www'", "{'img': root}", "{'': root}":
        served.exec(f"roots = {wrong}")
        answer = get(served, "/x")
        assert answer.status == 500 and b"/prefix=folder" in answer.body, wrong
    for wrong in "{'/': root + '\\0x'}", "{'/x\\0' + 5000 * 'x': root}":
        served.exec(f"roots = {wrong}")
        assert get(served, "/x").status == 500, wrong
    # Texts that nobody else keeps.
    served.exec("roots = (('/' * (i + 1), ''.join((base, '/a,', 'b=c'))) for i in range(3))")
    assert get(served, "/x").body == b"x"


@ON_HOST
def test_wrong_types_of_roots(served):
    served.exec(
        "def wrong(*all):\n"
        "    for one in all:\n"
        "        try: m.connections[0].serve_dir(None, one)\n"
        "        except TypeError as e: assert 'root_dir must be a str' in str(e), str(e)\n"
        "        else: raise AssertionError(one)\n"
        "wrong(None, 1, b'x', [1], ['ab'], [('a',)], {'/': 1}, {1: 'x'}, [('/', b'x')])"
    )
