# SPDX-License-Identifier: GPL-2.0-only
"""Bodies of responses: in pieces, into files, decoded, as text."""

import gzip
import zlib

import pytest
from client_script import digest
from peers.http_servers import pattern


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


@pytest.mark.parametrize("size", [1, 7, 17, 4096])
def test_pieces_of_a_size(device, base, size):
    """From those that come, of 17 bytes here, and from a body that is there as a whole."""
    whole = b"a line\r\nand half " * 40
    for stream in (True, False):
        device.exec(f"r = client.get({base + '/chunks/40'!r}, stream={stream})")
        pieces = device.eval(f"list(r.iter_content({size}))")
        assert b"".join(pieces) == whole
        assert {len(piece) for piece in pieces[:-1]} <= {size} and len(pieces[-1]) <= size
    for wrong in (0, -1):
        found = device.eval(f"failed(lambda: list(r.iter_content({wrong})))")
        assert found[:2] == ("ValueError", "chunk_size must be 1 at least, or None")


def test_small_pieces_of_a_large_body(device, base, target):
    """The rest is not copied for each of them, which would take minutes."""
    size = target.size(3_000_000, 8_000)
    device.exec(f"r = client.get({base + f'/size/{size}'!r})", 30)
    assert device.eval("check(r.iter_content(10))", 30) == digest(pattern(size))


def test_a_stream_that_is_taken_up_again(device, base):
    """By another iterator, by `content`: nothing is lost, nothing comes twice."""
    device.exec(f"r = client.get({base + '/chunks/3'!r}, stream=True)")
    pieces = device.eval("next(r.iter_content(2)), next(r.iter_content(20)), r.content, r.text")
    whole = b"a line\r\nand half " * 3
    assert pieces[0] + pieces[1] + pieces[2] == whole
    assert pieces[3] == pieces[2].decode() and [len(p) for p in pieces[:2]] == [2, 20]
    device.exec(f"r = client.get({base + '/chunks/3'!r}, stream=True)")
    assert device.eval("b''.join(r.iter_content(5))") == whole
    assert device.eval("failed(lambda: list(r))")[:2] == (
        "Error",
        "the body was read already, or the response closed",
    )
    assert device.eval("live()") == (0, 0, 0, 0)


def test_lines(device, base, site):
    async def page(request, rest):
        from aiohttp import web

        response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=latin-1"})
        await response.prepare(request)
        for piece in (b"one\r", b"\n\n", b"\xe9", b"l", b"an\nlast"):
            await response.write(piece)
        return response

    site.page_lines = page
    url = base + "/lines"
    for stream in (True, False):
        device.exec(f"r = client.get({url!r}, stream={stream})")
        assert device.eval("list(r.iter_lines())") == [b"one", b"", b"\xe9lan", b"last"]
    lines = device.eval(f"list(client.get({url!r}).iter_lines(decode_unicode=True))")
    assert lines == ["one", "", "élan", "last"]


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


def test_a_file_stays_until_the_new_one_is_whole(folder, device, base, site):
    path = folder + "/kept.bin"
    device.exec(f"path = {path!r}\nwith open(path, 'wb') as f: f.write(b'old')")
    device.exec("def stop(done, total): raise KeyError('mine')")
    url = base + "/size/3000"
    found = device.eval(f"failed(client.get({url!r}, stream=True).save, path, progress=stop)")
    assert found[0] == "KeyError"
    assert device.eval("open(path, 'rb').read()") == b"old"
    assert device.eval(f"client.get({url!r}, stream=True).save(path)") == 3000
    if not device.eval("MICROPYTHON"):
        device.exec("import pathlib")
        assert device.eval(f"client.get({url!r}).save(pathlib.Path(path))") == 3000
    for wrong in ("7", "b'name'"):
        call = f"failed(client.get({url!r}, stream=True).save, {wrong})"
        assert device.eval(call)[0] == "TypeError"
    call = f"failed(client.get({url!r}, stream=True).save, {folder + '/none/x'!r})"
    assert device.eval(call)[0] in ("OSError", "FileNotFoundError")
    assert device.eval("live()") == (0, 0, 0, 0)
    device.exec("import os; size = os.stat(path)[6]; os.remove(path)")
    assert device.eval("size") == 3000
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


def test_a_coded_body_beyond_the_usual_limit(device, base):
    """Of what is read at once, whatever the program says: a page of a few KB may be gigabytes."""
    url = base + "/coded/gzip/50000"
    device.exec("from pymongoose import fetch; fetch.BODY, usual = 9000, fetch.BODY")
    try:
        name, text, _ = device.eval(f"failed(client.get, {url!r})")
        streamed = device.eval(f"check(client.get({url!r}, stream=True).iter_content())", 30)
    finally:
        device.exec("fetch.BODY = usual")
    assert (name, "larger than max_body, 9000 bytes" in text) == ("RequestError", True)
    assert streamed == digest(pattern(50000))


def packed(data):
    """Without the time, which gzip has in its head."""
    return gzip.compress(data, mtime=0)


DECODABLE = {
    "members": ("gzip", packed(b"one ") + packed(b"two")),
    "padded": ("gzip", packed(b"one two") + b"\x00\x00"),
    "x-gzip": ("X-GZip", packed(b"one two")),
    "deflate": ("deflate", zlib.compress(b"one two")),
    "raw": ("deflate", zlib.compress(b"one two")[2:-4]),
}


@pytest.mark.parametrize("case", DECODABLE)
def test_a_coded_body_byte_by_byte(device, base, site, case):
    how, body = DECODABLE[case]

    async def page(request, rest):
        from aiohttp import web

        response = web.StreamResponse(headers={"Content-Encoding": how})
        await response.prepare(request)
        for n in range(len(body)):
            await response.write(body[n : n + 1])
        return response

    site.page_bytewise = page
    for stream in (True, False):
        call = f"client.get({base + '/bytewise'!r}, stream={stream}).content"
        assert device.eval(call) == b"one two"


GZIP = packed(b"a body " * 100)
UNDECODABLE = {
    "no-gzip": ("gzip", b"no gzip at all"),
    "head-of-gzip": ("gzip", GZIP[:2]),
    "cut-off": ("gzip", GZIP[:-12]),
    "checksum": ("gzip", GZIP[:-8] + b"abcd" + GZIP[-4:]),
    "one-byte": ("deflate", b"\x78"),
    "another-byte": ("deflate", b"\x00"),
    "no-deflate": ("deflate", b"\xff\xff\xff"),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("case", UNDECODABLE)
def test_a_coded_body_that_is_none(device, base, site, case, stream):
    how, body = UNDECODABLE[case]

    async def page(request, rest):
        from aiohttp import web

        return web.Response(body=body, headers={"Content-Encoding": how})

    site.page_bad = page
    found = device.eval(f"failed(lambda: client.get({base + '/bad'!r}, stream={stream}).content)")
    assert (found[0], "the body cannot be decoded" in found[1]) == ("RequestError", True)


CUT_OFF = {
    "before the checksum": ("gzip", packed(b"x" * 500)[:-9]),
    "in the data": ("gzip", packed(b"x" * 500)[:12]),
    "in the second member": ("gzip", packed(b"") + packed(b"x" * 500)[:-1]),
    "deflate": ("deflate", zlib.compress(b"x" * 500)[:-5]),
    "deflate's head": ("deflate", b"\x08"),
}


@pytest.mark.parametrize("where", CUT_OFF)
def test_a_coded_body_that_ends_too_early(device, base, site, where):
    coding, body = CUT_OFF[where]

    async def page(request, rest):
        from aiohttp import web

        return web.Response(body=body, headers={"Content-Encoding": coding})

    site.page_cutoff = page
    name, text, _ = device.eval(f"failed(client.get, {base + '/cutoff'!r})")
    assert (name, "the body cannot be decoded" in text) == ("RequestError", True)


def test_a_gzip_body_of_many_members(device, target, base, site):
    """Most of them of nothing: no depth of calls, and nothing copied for each. MicroPython takes 100."""
    count = 20000 if target.name.startswith("cpython") else 20
    body = packed(b"a") + packed(b"") * count + packed(b"b") + b"behind"

    async def page(request, rest):
        from aiohttp import web

        return web.Response(body=body, headers={"Content-Encoding": "gzip"})

    site.page_members = page
    url = base + "/members"
    assert device.eval(f"client.get({url!r}).content", 30) == b"ab"
    pieces = f"b''.join(client.get({url!r}, stream=True).iter_content())"
    assert device.eval(pieces, 30) == b"ab"
    if count == 20:
        body = packed(b"") * 101
        assert "more than 100 members" in device.eval(f"failed(client.get, {url!r})")[1]


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
