# SPDX-License-Identifier: GPL-2.0-only
"""serve_dir() with files that are large: slow clients, several at once, files that shrink."""

import hashlib
import os
import threading

import httpx
import pytest
from peers.clients import Raw, raw_get, seconds

SERVER = """
def handler(c, ev, m):
    if ev == MG_EV_HTTP_MSG:
        c.serve_dir(m, PARAMS["root"])

m = Manager(handler)
announce("PORT", m.listen(url("http")))
serve(m)
"""

HELLO = b"Hello, files!\n"


@pytest.fixture(scope="session")
def root(target, tmp_path_factory):
    folder = tmp_path_factory.mktemp("b")
    (folder / "hello.txt").write_bytes(HELLO)
    (folder / "big.bin").write_bytes(os.urandom(target.size(1 << 20, 2 << 10)) * 20)
    return folder


@pytest.fixture
def server(shared, target, root):
    return shared(SERVER, root=target.folder(root))


@pytest.fixture(scope="session")
def big(root):
    return (root / "big.bin").read_bytes()


def descriptors(device):
    return len(os.listdir(f"/proc/{device.pid}/fd"))


def test_big_file_to_a_slow_client(server, big):
    """20 MB in constant memory, while others are served; 40 KB on a board."""
    piece = len(big) // 20
    with Raw(server.reach(server.port())) as raw:
        raw.send("GET /big.bin HTTP/1.1\r\nHost: d\r\n\r\n")
        digest = hashlib.sha256()
        head = raw.recv_exactly_head()
        assert f"content-length: {len(big)}\r\n" in head.lower()
        for _ in range(10):
            digest.update(raw.recv_exactly(piece))
            assert raw_get(server, "/hello.txt").body == HELLO
            assert server.eval("max(c.send_size for c in m.connections)") <= 1 << 18
        digest.update(raw.recv_exactly(10 * piece))
    assert digest.digest() == hashlib.sha256(big).digest()


def test_big_file_in_parallel(server, big):
    url = "http://{}:{}/big.bin".format(*server.reach(server.port()))
    digests = []

    def fetch():
        digests.append(hashlib.sha256(httpx.get(url, timeout=seconds(30)).content).digest())

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds(60))
    assert digests == [hashlib.sha256(big).digest()] * 4


def test_range_of_a_big_file(server, big):
    begin, end = len(big) // 2, len(big) * 11 // 20
    answer = raw_get(server, "/big.bin", f"Range: bytes={begin}-{end - 1}\r\n")
    assert (answer.status, answer.body) == (206, big[begin:end])


@pytest.mark.needs("process")
def test_abandoned_downloads_close_their_files(server, big):
    before = descriptors(server)
    for _ in range(10):
        with Raw(server.reach(server.port())) as raw:
            raw.send("GET /big.bin HTTP/1.1\r\nHost: d\r\n\r\n")
            raw.recv_exactly(1000)
            raw.reset()
    server.until("len(m.connections) == 1")
    assert descriptors(server) <= before


@pytest.mark.needs("host-files")
def test_file_that_shrinks_while_it_is_sent(server, root):
    """The client sees a body that is too short, not one that looks complete."""
    path = root / "shrinking.bin"
    path.write_bytes(b"x" * (30 << 20))
    with Raw(server.reach(server.port())) as raw:
        raw.send("GET /shrinking.bin HTTP/1.1\r\nHost: d\r\n\r\n")
        raw.recv_exactly_head()
        raw.recv_exactly(1 << 20)
        os.truncate(path, 1 << 20)
        got = 1 << 20
        try:
            while piece := raw.recv(1 << 20):
                got += len(piece)
        except ConnectionResetError:
            pass
    path.unlink()
    assert got < 30 << 20
    assert raw_get(server, "/hello.txt").body == HELLO
