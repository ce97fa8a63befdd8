# SPDX-License-Identifier: GPL-2.0-only
"""Listeners and clients at unix:///path: the file, and what differs from TCP."""

import errno
import os
import socket

import pytest
from peers.clients import Raw

ECHO = """
def handler(c, ev, data):
    if ev == MG_EV_READ:
        c.send(c.recv())
m = Manager(handler)
serve(m)
"""


@pytest.fixture
def echo(shared):
    return shared(ECHO)


def answers(path):
    with Raw(path) as raw:
        raw.send("here?")
        return raw.recv_exactly(5) == b"here?"


@pytest.mark.needs("unix-sockets")
def test_server_and_client(device, tmp_path):
    path = str(tmp_path / "a.sock")
    running = device(
        """
log = []
def handler(c, ev, data):
    if ev == MG_EV_ACCEPT:
        log.append((c.local_addr, c.remote_addr[1:]))
    elif ev == MG_EV_READ:
        c.send(c.recv())
m = Manager(handler)
listener = m.listen("unix://" + PARAMS["path"])
web = m.listen("unix://" + PARAMS["path"] + "2", lambda c, ev, d: c.reply(200, d.uri) if ev == MG_EV_HTTP_MSG else None, http=True)
serve(m)
""",
        path=path,
    )
    running.expect("SERVING")
    assert running.eval("listener.local_addr") == (path, 0, False)
    with Raw(path) as raw:
        raw.send("local")
        assert raw.recv_exactly(5) == b"local"
    assert running.eval("log[0]") == ((path, 0, False), (0, False))
    with Raw(path + "2") as raw:
        assert raw.ask("GET /u HTTP/1.1\r\nHost: x\r\n\r\n").body == b"/u"
    running.exec(
        "got = []; c = m.connect('unix://' + PARAMS['path'], lambda c, ev, d: got.append(ev))"
    )
    running.exec("c.send('out')")
    running.until("c.recv_len == 3")
    assert running.eval("c.recv()") == b"out"
    running.exec("c.close(); listener.close(); web.close()")
    running.until("len(m.connections) == 0")
    with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
        Raw(path)


@pytest.mark.needs("unix-sockets")
def test_file_of_a_unix_socket(echo, tmp_path):
    """It is there while the listener is, and gone with it."""
    path = str(tmp_path / "s")
    echo.exec(f"listener = m.listen('unix://{path}')")
    assert answers(path)
    echo.exec("listener.close()")
    echo.until("len(m.connections) == 0")
    assert not os.path.lexists(path)
    echo.exec(f"listener = m.listen('unix://{path}')")
    assert answers(path)
    echo.exec("listener.close()")


@pytest.mark.needs("unix-sockets")
def test_stale_unix_socket_is_replaced(echo, tmp_path):
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
        dead.listen()
    echo.exec(f"listener = m.listen('unix://{path}')")
    assert answers(path)
    echo.exec("listener.close()")


@pytest.mark.needs("unix-sockets")
def test_living_unix_socket_is_left_alone(echo, tmp_path):
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(path)
        living.listen()
        e = echo.eval(f"raises(Error, m.listen, 'unix://{path}').errno")
        assert e == errno.EADDRINUSE
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(path)
        # Not even one whose backlog is full is dead.
        living.listen(0)
        extra = []
        while True:
            extra.append(socket.socket(socket.AF_UNIX))
            extra[-1].setblocking(False)
            if extra[-1].connect_ex(path) == errno.EAGAIN:
                break
        assert echo.eval(f"raises(Error, m.listen, 'unix://{path}').errno") == errno.EADDRINUSE
        for s in (peer, *extra):
            s.close()


@pytest.mark.needs("unix-sockets")
@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_no_socket_is_not_deleted(echo, tmp_path, kind):
    path = tmp_path / "s"
    if kind == "file":
        path.write_text("precious")
    elif kind == "folder":
        path.mkdir()
    else:
        (tmp_path / "other").write_text("precious")
        path.symlink_to(tmp_path / "other")
    assert echo.eval(f"raises(Error, m.listen, 'unix://{path}').errno") in (
        errno.EEXIST,
        errno.EADDRINUSE,
    )
    assert path.is_dir() if kind == "folder" else path.read_text() == "precious"


@pytest.mark.needs("unix-sockets")
def test_path_that_is_too_long(echo, tmp_path):
    """108 bytes are the kernel's limit: a path is not cut to that."""
    path = str(tmp_path / ("x" * 120))
    assert echo.eval(f"str(raises((Error, ValueError), m.listen, 'unix://{path}'))")
    assert echo.eval(f"str(raises((Error, ValueError), m.connect, 'unix://{path}'))"), (
        "nor a client's"
    )
    assert os.listdir(tmp_path) == []


@pytest.mark.needs("unix-sockets")
def test_end_of_a_unix_stream_behind_a_full_buffer(device, tmp_path):
    """The peer's close is known to the kernel at once; the bytes before it come first."""
    path = str(tmp_path / "s")
    running = device(
        """
total = 0
log = []
def handler(c, ev, data):
    global total
    if ev == MG_EV_ACCEPT:
        conns.append(c)
    elif ev in (MG_EV_ERROR, MG_EV_CLOSE):
        log.append(event_name(ev))
        total += len(c.recv()) # the last chance to take what came before the end
conns = []
m = Manager(handler, max_recv=10000)
m.listen("unix://" + PARAMS["path"])
serve(m)
""",
        path=path,
    )
    running.expect("SERVING")
    with Raw(path) as raw:
        raw.send("x" * 100000)
    running.until("conns and conns[0].is_full")
    running.exec("[m.poll(2) for n in range(20)]")
    assert running.eval("log") == []
    running.until("log or globals().update(total=total + len(conns[0].recv(5000)))")
    assert running.eval("log, total") == (["MG_EV_CLOSE"], 100000)


@pytest.mark.needs("descriptors", "unix-sockets")
def test_adopted_unix_socket_stays_where_it_is(device, tmp_path):
    """Whoever made the file removes it: systemd, or the parent of the workers."""
    path = str(tmp_path / "s")
    running = device(
        """
import socket
s = socket.socket(socket.AF_UNIX)
s.bind(PARAMS["path"] if not MICROPYTHON else bytes([1, 0]) + PARAMS["path"].encode())
s.listen(5)
"""
        + ECHO.replace(
            "serve(m)", "l = m.listen('unix://' + PARAMS['path'], fd=s.fileno())\nserve(m)"
        ),
        path=path,
    )
    running.expect("SERVING")
    assert answers(path)
    running.exec("l.close()")
    running.until("len(m.connections) == 0")
    assert os.path.exists(path)


@pytest.mark.needs("unix-sockets")
def test_escapes_in_a_path(echo, tmp_path):
    """What cannot stand in a URL is percent-encoded; a scheme may be in capitals."""
    echo.exec(f"made = m.listen('UNIX://{tmp_path}/a%20b%25')")
    assert echo.eval("made.local_addr[0]") == f"{tmp_path}/a b%"
    assert answers(f"{tmp_path}/a b%")
    echo.exec("made.close()")
    for bad in ("%", "%zz", "a%00b"):
        echo.exec(
            f"""
try:
    m.listen("unix://{tmp_path}/{bad}")
    failed = None
except ValueError as e:
    failed = str(e)
"""
        )
        assert "percent sign" in echo.eval("failed")


@pytest.mark.needs("loopback")
def test_a_scheme_in_capitals_and_an_empty_port(echo):
    """RFC 3986, 3.1 and 3.2.3. Port 80 answers or refuses; it is a client, anyhow."""
    echo.exec(
        """
made = m.connect('HTTP://127.0.0.1:/')
kind = made.is_client, made.is_tls
made.close()
"""
    )
    assert echo.eval("kind") == (True, False)
