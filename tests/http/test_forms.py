# SPDX-License-Identifier: GPL-2.0-only
"""Forms that arrive in pieces: http_stream_form(), MG_EV_HTTP_PART, FormPart."""

import os
import re
import subprocess

import pytest
from peers.clients import Raw, seconds

SERVER = """
import os
root = PARAMS["root"]
events, errors, form = [], [], {}
max_size, max_parts = 0, 64
mode = ""

def handler(c, ev, data):
    global events, form
    if ev == MG_EV_HTTP_HDRS and data.method == "POST":
        events = []
        form = {}
        try:
            c.http_stream_form(max_size=max_size, max_parts=max_parts)
        except ValueError as e:
            if mode == "unguarded":
                raise
            c.reply(415, "%s: %s" % (type(e).__name__, e))
    elif ev == MG_EV_HTTP_PART:
        part = (data.name, data.filename, data.content_type)
        events.append(part)
        form[len(events)] = b""
        if mode == "raise":
            raise KeyError("part")
        if mode == "decode":
            raise DecodeError("part")
        if mode == "answer":
            c.reply(403, "no")
            events.append((data.name, bool(data)))
        if mode == "close":
            c.close()
            events.append(data.name)
        if mode == "stop":
            raise KeyboardInterrupt
        if mode == "save" and data.filename:
            data.save(root + "/" + data.filename)
            try:
                data.save(root + "/other")
            except Error as e:
                events.append(e.errno)
    elif ev == MG_EV_HTTP_BODY:
        form[len(events)] += data
        if mode == "stop-body":
            raise KeyboardInterrupt
    elif ev == MG_EV_HTTP_MSG:
        c.reply(200, "%d %d" % (len(events), len(data.body_bytes)))
    elif ev == MG_EV_ERROR:
        errors.append(data)

def names():
    return sorted(os.listdir(root))

m = Manager(handler, error_handler=errors.append)
announce("PORT", m.listen(url("http")))
serve(m)
"""


@pytest.fixture
def server(device, target, tmp_path):
    running = device(SERVER, root=target.folder(tmp_path))
    running.folder = tmp_path
    running.expect("SERVING")
    return running


def part(name, body, filename=None, kind=None):
    head = f'Content-Disposition: form-data; name="{name}"'
    head += f'; filename="{filename}"' if filename is not None else ""
    head += f"\r\nContent-Type: {kind}" if kind else ""
    return b"--X\r\n" + head.encode() + b"\r\n\r\n" + body + b"\r\n"


HEAD = "POST / HTTP/1.1\r\nHost: d\r\nContent-Type: multipart/form-data; boundary=X\r\n"
END = b"--X--\r\n"


def post(server, *pieces, length=None, head=HEAD):
    """Sends a form in pieces, each of which the server has read before the next one comes."""
    size = sum(map(len, pieces)) if length is None else length
    with Raw(server.reach(server.port())) as raw:
        raw.send(head + f"Content-Length: {size}\r\n\r\n")
        for piece in pieces:
            raw.send(piece)
            if len(pieces) > 1:
                server.eval("0")  # a turn of its loop
        return raw.response("POST")


def told(server):
    """The parts that the server's handler has heard of, with their content."""
    events = server.eval("events")
    form = server.eval("form")
    return [(*event, form.get(i + 1)) for i, event in enumerate(events)]


FORM = part("a", b"1") + part("f", b"\r\n--X\r--Xy\r\n--", "x y.txt", "text/plain") + part("b", b"")
PARTS = [
    ("a", "", "", b"1"),
    ("f", "x y.txt", "text/plain", b"\r\n--X\r--Xy\r\n--"),
    ("b", "", "", b""),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_however_it_is_cut(server, size):
    body = b"preamble\r\n" + FORM + END + b"epilogue\r\n--X\r\n"
    answer = post(server, *[body[i : i + size] for i in range(0, len(body), size)])
    assert (answer.status, answer.body) == (200, b"3 0")
    assert told(server) == PARTS and server.eval("errors") == []


def test_chunks(server):
    body = b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in re.findall(rb"(?s).{1,5}", FORM + END))
    with Raw(server.reach(server.port())) as raw:
        raw.send(HEAD + "Transfer-Encoding: chunked\r\n\r\n")
        raw.send(body + b"0\r\n\r\n")
        assert raw.response("POST").status == 200
    assert told(server) == PARTS


def test_a_name_that_would_grow(server):
    """As UTF-8 its bytes need more room than the header lines had."""
    body = part("a", b"1").replace(b'"a"', b"a; filename*=\"iso-8859-1''" + b"\xe9" * 900 + b'"')
    assert post(server, body + END).status == 400
    assert "Content-Disposition" in server.eval("errors")[0] and server.eval("events") == []


def test_names_of_files_are_safe(server):
    body = part("a%22", b"", "../../C:\\dir\\x%22y.txt") + part("b", b"", "..") + END
    body = body.replace(b'"b"', b'"b"; filename=".hidden"', 0)
    assert post(server, body).status == 200
    assert server.eval("events") == [('a"', "xy.txt", ""), ("b", "", "")]


@pytest.mark.needs("host-files")
def test_parts_go_into_files(server):
    server.exec("mode = 'save'")
    data = os.urandom(200_000)
    body = part("a", b"1") + part("f", data, "x.bin") + part("g", b"", "empty") + END
    answer = post(server, body[:150], body[150:100_000], body[100_000:])
    assert answer.status == 200
    assert (server.folder / "x.bin").read_bytes() == data
    assert (server.folder / "empty").read_bytes() == b""
    assert server.eval("names()") == ["empty", "x.bin"]
    assert len([e for e in server.eval("events") if isinstance(e, int)]) == 2


CUTS = {
    "in the content": (part("f", b"content", "x.bin")[:-2], "it ends within a part"),
    "in the head": (part("f", b"", "x.bin")[:-10], "it ends within a part's headers"),
    "ahead of the end": (part("f", b"content", "x.bin"), "it ends within a part"),
    "in the end": (part("f", b"content", "x.bin") + b"--X-", "it ends within a part"),
    "no part": (b"nothing", "the boundary does not occur in it"),
    "no name": (b"--X\r\nA: b\r\n\r\n" + END, "a part has no Content-Disposition"),
    "no header": (b"--X\r\nA\r\n\r\n" + END, "a part has a malformed header"),
}


@pytest.mark.needs("host-files")
@pytest.mark.parametrize("what", CUTS)
def test_what_is_cut_leaves_no_file(server, what):
    server.exec("mode = 'save'")
    body, why = CUTS[what]
    answer = post(server, body)
    assert answer.status == 400 and answer.body == b"400 Bad Request\n"
    assert server.eval("errors") == ["this is no multipart form: " + why]
    assert server.eval("names()") == []


@pytest.mark.needs("host-files")
def test_a_client_that_leaves(server):
    server.exec("mode = 'save'")
    with Raw(server.reach(server.port())) as raw:
        raw.send(HEAD + "Content-Length: 1000\r\n\r\n")
        raw.send(part("f", b"content", "x.bin")[:-2])
        server.until("names()")
        raw.reset()
    server.until("len(m.connections) == 1")
    assert server.eval("names()") == []


def test_limits(server):
    body = FORM + END
    server.exec(f"max_size = {len(body) - 1}")
    assert post(server, body).status == 413
    server.exec(f"max_size = {len(body)}")
    assert post(server, body).status == 200
    server.exec("max_size, max_parts = 0, 2")
    assert post(server, body).status == 413
    assert "max_parts" in server.eval("errors[-1]")
    server.exec("max_parts = 3")
    assert post(server, body).status == 200
    long = b"--X\r\nA: " + b"x" * 5000 + b"\r\n\r\n"
    for pieces in (long[:4000], long[4000:]), (long,), (long[:5], long[5:]):
        assert post(server, *pieces).status == 431
        assert "header lines" in server.eval("errors[-1]")
    server.exec("max_size = 0")
    with Raw(server.reach(server.port())) as raw:
        raw.send(HEAD + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n")
        assert raw.response("POST").status == 413
    assert server.eval("errors[-1]") == "HTTP body has a chunk that is too large"


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "multipart/form-data",
        "multipart/mixed; boundary=X",
        "",
        "multipart/form-data; boundary=",
        "multipart/form-datax; boundary=X",
        "multipart/form-data; boundary=a@b",
    ],
)
def test_no_form(server, kind):
    head = f"POST / HTTP/1.1\r\nHost: d\r\nContent-Type: {kind}\r\n"
    answer = post(server, b"x", head=head)
    assert answer.status == 415 and answer.body.startswith(b"DecodeError: this is no multipart")
    server.exec("mode = 'unguarded'")
    assert post(server, b"x", head=head).status == 400
    assert server.eval("errors") == []


def test_forms_without_parts(server):
    for body in b"", END, b"--X--", b"preamble\r\n--X--":
        assert post(server, body).body == b"0 0", (body, server.eval("errors"))


@pytest.mark.parametrize("mode, status", [("raise", 500), ("decode", 400), ("answer", 403)])
def test_handlers_that_end_it(server, mode, status):
    server.exec(f"mode = {mode!r}")
    with Raw(server.reach(server.port())) as raw:
        for _ in range(2):
            raw.send(HEAD + f"Content-Length: {len(FORM + END)}\r\n\r\n")
            raw.send(FORM + END)
            assert raw.response("POST").status == status
        assert raw.ask("GET / HTTP/1.1\r\nHost: d\r\n\r\n").status == 200
    if mode == "answer":
        assert server.eval("events[1:]") == [("a", True)]
    assert server.eval("len(errors)") == (2 if mode == "raise" else 0)


def test_a_handler_that_closes(server):
    server.exec("mode = 'close'")
    with Raw(server.reach(server.port())) as raw:
        raw.send(HEAD + f"Content-Length: {len(FORM + END)}\r\n\r\n")
        raw.send(FORM + END)
        assert raw.closed()
    assert server.eval("events[1:]") == ["a"]


@pytest.mark.parametrize("mode", ["stop", "stop-body"])
def test_an_interrupt_ends_the_form_alone(device, target, tmp_path, mode):
    running = device(SERVER.replace("serve(m)", INTERRUPTED), root=target.folder(tmp_path))
    running.expect("SERVING")
    with Raw(running.reach(running.port())) as raw:
        for given, status in (mode, 500), ("", 200):
            running.exec(f"mode = {given!r}")
            raw.send(HEAD + f"Content-Length: {len(FORM + END)}\r\n\r\n")
            raw.send(FORM + END)
            assert raw.response("POST").status == status
    assert told(running) == PARTS and running.eval("interrupts") == 1


INTERRUPTED = """
interrupts = 0

class Again:
    connections = ()

    def poll(self, ms):
        global interrupts
        try:
            m.poll(ms)
        except KeyboardInterrupt:
            interrupts += 1

serve(Again())
"""


@pytest.mark.needs("host-network")
def test_curl(server):
    data = server.folder / "in.bin"
    data.write_bytes(os.urandom(100_000))
    host, port = server.reach(server.port())
    command = ["curl", "-sS", "-F", "a=1", "-F", f'f=@{data};filename=b%20"c.bin']
    command += [f"http://{host}:{port}/"]
    out = subprocess.run(command, capture_output=True, check=True, timeout=seconds(60)).stdout
    assert out == b"2 0"
    assert server.eval("[e[:2] for e in events]") == [("a", ""), ("f", "b%20c.bin")]
    assert server.eval("len(form[2])") == 100_000
