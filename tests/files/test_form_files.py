# SPDX-License-Identifier: GPL-2.0-only
"""Parts of forms that become files, whole or not at all, on file systems that differ and that fail."""

import hashlib
import os

import pytest
from peers.clients import Raw
from served_script import FAT, FILE_SYSTEM, FOLDER, HOST, LITTLEFS, start

IN_MEMORY = [LITTLEFS, FAT]
ANY = pytest.mark.parametrize("kind", [HOST, *IN_MEMORY])

SCRIPT = (
    FILE_SYSTEM
    + FOLDER
    + """
root = base + "/up"
os.mkdir(root)
said, errors = [], []

def handler(c, ev, data):
    if ev == MG_EV_HTTP_HDRS:
        c.http_stream_form(max_size=0)
    elif ev == MG_EV_HTTP_PART:
        said.append(data.name)
        if data.filename:
            data.save(root + "/" + data.filename)
    elif ev == MG_EV_HTTP_BODY:
        said.append(data)
    elif ev == MG_EV_HTTP_MSG:
        c.reply(200, "stored")
    elif ev == MG_EV_ERROR:
        errors.append(data)

m = Manager(handler, error_handler=lambda e: errors.append(repr(e)))
announce("PORT", m.listen(url("http")))
serve(m)
end_of_file_system()
"""
)

HEAD = "POST / HTTP/1.1\r\nHost: d\r\nContent-Type: multipart/form-data; boundary=X\r\n"
END = b"--X--\r\n"


@pytest.fixture
def server(device, target, kind, tmp_path_factory):
    return start(device, target, SCRIPT, kind, tmp_path_factory)


def sha(data):
    return hashlib.sha256(data).digest()


def part(body, filename):
    head = f'--X\r\nContent-Disposition: form-data; name="f"; filename="{filename}"\r\n\r\n'
    return head.encode() + body + b"\r\n"


def post(server, body, missing=0):
    """The answer to a form; of one with `missing` bytes the client leaves."""
    with Raw(server.reach(server.port())) as raw:
        raw.send(HEAD + f"Content-Length: {len(body) + missing}\r\n\r\n")
        raw.send(body)
        return raw.response("POST") if not missing else server.until("names()") and None


@ANY
def test_parts_go_into_files(server):
    data = os.urandom(9000)
    field = b'--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    assert post(server, field + part(data, "x.bin") + part(b"", "../empty") + END).body == b"stored"
    assert server.eval("said") == ["a", b"1", "f", "f"]
    assert server.eval("names()") == ["empty", "x.bin"]
    assert server.eval("digest('x.bin')") == sha(data)
    assert server.eval("digest('empty')") == sha(b"")
    assert post(server, part(b"new", "x.bin") + END).status == 200
    assert server.eval("digest('x.bin')") == sha(b"new") and server.eval("errors") == []


@ANY
def test_a_part_that_is_cut_leaves_no_file(server):
    assert post(server, part(b"old", "x.bin") + END).status == 200
    whole = part(b"x" * 3000, "x.bin")
    for cut in whole, whole[:-2], whole + b"--X-", whole + b"--X\r\nno header\r\n\r\n":
        kept = server.eval("digest('x.bin')")
        assert post(server, cut).status == 400
        assert server.eval("names()") == ["x.bin"]
        if b"no header" not in cut:
            assert server.eval("digest('x.bin')") == kept == sha(b"old")
    server.exec("errors.clear()")
    post(server, whole[:-2], missing=100)
    server.until("errors and len(m.connections) == 1")
    assert server.eval("names()") == ["x.bin"]


@ANY
def test_a_name_that_is_longer_than_file_systems_take(server):
    """A client's bytes raise nothing."""
    for name in "x" * 300 + ".txt", "\xe9" * 150 + ".txt", "y" * 200, "." * 250 + "z":
        assert post(server, part(b"content", name) + END).status == 200, server.eval("errors")
    names = server.eval("names()")
    assert names == sorted(["x" * 196 + ".txt", "\xe9" * 98 + ".txt", "y" * 200, "z"])
    assert server.eval("errors") == []


@pytest.mark.parametrize("kind", IN_MEMORY)
def test_flash_that_is_full(server, target):
    for _ in range(2):
        body = part(b"x" * 80000, "big.bin")
        assert post(server, part(b"1", "first") + body + END).status == 507
        (error,) = server.eval("errors")
        assert error.startswith("cannot write /ram/up/big.bin: ")
        assert server.eval("names()") == ["first"]
        server.exec("errors.clear()")
    assert post(server, part(b"y" * 5000, "small") + END).status == 200
    assert server.eval("digest('small')") == sha(b"y" * 5000)


@pytest.mark.parametrize("kind", IN_MEMORY)
def test_a_block_that_cannot_be_written(server):
    """That upload is told, and leaves nothing; the next one is none of it."""
    for nth in 0, 1, 2:
        server.exec("errors.clear()\nbad_writes = 1")
        assert post(server, part(b"x" * 9000, f"x{nth}") + END).status == 500
        (error,) = server.eval("errors")
        assert "cannot write /ram/up/x" in error and "error" in error.split(": ")[-1].lower()
        assert server.eval("bad_writes") == 0 and server.eval("names()") == []
    assert post(server, part(b"x" * 9000, "x") + END).status == 200


@pytest.mark.parametrize("kind", IN_MEMORY)
def test_a_card_that_is_removed(server):
    with Raw(server.reach(server.port())) as raw:
        raw.send(HEAD + "Content-Length: 20000\r\n\r\n")
        raw.send(part(b"x" * 3000, "x"))
        server.until("names()")
        server.exec("fails = 5")
        raw.send(part(b"x" * 5000, "y"))
        assert raw.response("POST").status == 500
    assert len(server.eval("errors")) == 1
    server.exec("fails = 0\nvfs.umount('/ram')\nvfs.mount(getattr(vfs, kind)(blocks), '/ram')")
    assert post(server, part(b"x", "z") + END).status == 200
