# SPDX-License-Identifier: GPL-2.0-only
"""What goes wrong with client.get(): servers that die or stall in each phase, answers that are none,
and where it must not be called. One clear error each, and nothing is left behind."""

import contextlib
import errno
import socket
import threading

import pytest
from peers.clients import Server, free_port, here, seconds

OK = "HTTP/1.1 200 OK\r\n"


@pytest.fixture
def blind(device):
    device.exec("blind = TlsOpts(skip_verification=True)")
    yield
    device.exec("if MICROPYTHON: blind.__del__()\nblind = None")


def failing(device, port, more="", scheme="http", method="get"):
    url = f"{scheme}://{device.peer}:{port}/x"
    found = device.eval(f"failed(client.{method}, {url!r}, {more})", 30)
    assert device.eval("live()[:3]") == (0, 0, 0)
    assert found[1].startswith(f"{method.upper()} {url}: "), found
    return found


def talks(*parts, read=True):
    """A server that says this and closes."""

    def talk(raw):
        if read:
            raw.recv_exactly_head()
        for part in parts:
            raw.send(part)

    return Server(talk)


# ---- It dies


def test_nobody_listens(device):
    name, text, phase = failing(device, free_port())
    assert (name, phase) == ("RequestError", "connect") and "connect: " in text


def test_it_dies_in_the_tls_handshake(device, blind):
    with Server(lambda raw: raw.recv(5)) as server:
        given = "tls=blind"
        name, _, phase = failing(device, server.port, given, "https")
    assert (name, phase) == ("RequestError", "tls")


def test_it_dies_while_the_request_is_sent(device):
    device.exec("def endless():\n  while True: yield b'x' * 1000\n")
    with Server(lambda raw: raw.recv_exactly_head()) as server:
        name, text, phase = failing(device, server.port, "data=endless()", method="post")
    assert (name, phase) == ("RequestError", "send"), text


@pytest.mark.parametrize(
    ("said", "phase", "text"),
    [
        ((), "first_byte", "first byte: "),
        (("HTTP/1.1 20",), "read", "read: "),
        ((OK + "Content-Length: 10\r\n\r\nabc",), "read", "closed inside an HTTP response"),
        (
            (OK + "Transfer-Encoding: chunked\r\n\r\n5\r\nab",),
            "read",
            "closed inside an HTTP response",
        ),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_it_dies_before_the_end(device, said, phase, text, stream):
    with talks(*said) as server:
        more = f"stream={stream}"
        if stream and len(said) and "\r\n\r\n" in said[0]:
            url = f"http://{device.peer}:{server.port}/x"
            found = device.eval(f"failed(lambda: client.get({url!r}, {more}).content)")
        else:
            found = failing(device, server.port, more)
    assert (found[0], found[2]) == ("RequestError", phase) and text in found[1], found
    assert device.eval("live()") == (0, 0, 0, 0)


@pytest.mark.parametrize(
    "answer",
    [
        "nonsense\r\n\r\n",
        OK + "no header\r\n\r\n",
        OK + "Content-Length: -1\r\n\r\n",
        OK + "X: y\r\n" * 99 + "\r\n",
    ],
)
def test_an_answer_that_is_none(device, answer):
    with talks(answer) as server:
        name, _, phase = failing(device, server.port)
    assert (name, phase) == ("RequestError", "read")


def test_a_safe_request_is_tried_again(device):
    """The connection was kept and dies as the next request comes: GET is repeated, POST is not."""
    answer = OK + "Content-Length: 2\r\n\r\nok"

    def twice(raw):
        raw.recv_exactly_head()
        raw.send(answer)
        return raw.recv_exactly_head()[:4]

    for method, count in (("get", 3), ("post", 2)):
        rest = iter([twice, twice, lambda raw: (raw.recv_exactly_head(), raw.send(answer))])

        with Server(lambda raw, rest=rest: next(rest)(raw), count=count) as server:
            url = f"http://{device.peer}:{server.port}/"
            device.exec(f"s = client.Session(); s.get({url!r})")
            if method == "get":
                # Its second connection is a new one, and the third, too.
                assert device.eval(f"s.get({url!r}).text, s.get({url!r}).text") == ("ok", "ok")
            else:
                found = device.eval(f"failed(s.post, {url!r}, data=b'x')")
                assert (found[0], found[2]) == ("RequestError", "first_byte")
                with contextlib.closing(socket.create_connection((here(), server.port))) as s:
                    s.sendall(b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n")
            device.exec("s.close()")


# ---- A proxy does


PROXY = {
    "closes": ("", errno.ECONNRESET, "connect: the proxy: connection closed"),
    "half": ("HTTP/1.1 2", errno.ECONNRESET, "connect: the proxy: connection closed"),
    "nonsense": ("nonsense\r\n\r\n", errno.EPROTO, "connect: the proxy: invalid HTTP response"),
    "status": ("HTTP/1.1 502 Bad\r\n\r\n", errno.ECONNREFUSED, "the proxy answers 502 Bad"),
    "redirect": (
        "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
        errno.ECONNREFUSED,
        "the proxy answers 302 Found",
    ),
}


@pytest.mark.parametrize("case", PROXY)
def test_a_proxy_that_makes_no_tunnel(device, blind, case):
    said, number, wanted = PROXY[case]
    with talks(said) as server:
        proxies = {"https": f"http://{device.peer}:{server.port}"}
        device.exec(
            f"try: client.get('https://far.test/x', proxies={proxies!r}, tls=blind)\n"
            "except client.RequestError as e: found = e.errno, e.phase, str(e), e.url\n"
        )
        found = device.eval("found")
    assert found[:2] == (number, "connect") and wanted in found[2]
    assert found[3] == "https://far.test/x"
    assert device.eval("live()[:3]") == (0, 0, 0)


def test_a_proxy_that_is_not_there(device):
    proxies = {"http": f"http://127.0.0.1:{free_port()}"}
    name, text, phase = device.eval(
        f"failed(client.get, 'http://far.test/', proxies={proxies!r})", 30
    )
    assert (name, phase) == ("RequestError", "connect") and "connect: the proxy: " in text


@pytest.mark.parametrize("said", ["200 OK\r\nContent-Length: 5\r\n\r\nhello", "200 OK\r\n\r\nhi"])
def test_what_a_proxy_says_for_the_server(device, blind, said):
    """Behind its answer stands what is no TLS: nothing of it is taken for the server's."""
    with talks("HTTP/1.1 " + said) as server:
        proxies = {"https": f"http://{device.peer}:{server.port}"}
        call = f"failed(client.get, 'https://far.test/x', proxies={proxies!r}, tls=blind)"
        name, text, phase = device.eval(call)
    assert (name, phase) == ("RequestError", "tls"), text


# ---- It stalls


@pytest.fixture
def stalled(request):
    """A server that says this and then nothing."""
    with contextlib.ExitStack() as stack:

        def start(said=None, read=True):
            def talk(raw):
                if read:
                    raw.recv_exactly_head()
                if said:
                    raw.send(said)
                raw.gone()

            return stack.enter_context(Server(talk)).port

        yield start


@pytest.mark.parametrize(
    ("said", "timeout", "phase", "scheme"),
    [
        (None, {"first_byte": 0.2}, "first_byte", "http"),
        (None, 0.2, "first_byte", "http"),
        (None, (9, 0.2), "first_byte", "http"),
        (OK, {"read": 0.2}, "read", "http"),
        (OK + "Content-Length: 9\r\n\r\nabc", {"read": 0.2}, "read", "http"),
        (OK + "Content-Length: 9\r\n\r\nabc", {"total": 0.7}, "total", "http"),
    ],
)
def test_timeouts(device, stalled, said, timeout, phase, scheme):
    name, text, found = failing(device, stalled(said), f"timeout={timeout!r}", scheme)
    assert (name, found) == ("Timeout", phase)
    assert f"timeout: {phase.replace('_', ' ')} took more than" in text


def test_a_timeout_of_tls(device, blind, stalled):
    given = "timeout={'tls': 0.2}, tls=blind"
    name, _, phase = failing(device, stalled(read=False), given, "https")
    assert (name, phase) == ("Timeout", "tls")


def test_a_timeout_of_sending(device):
    device.exec("def endless():\n  while True: yield b'x' * 1000\n")
    with socket.create_server((here(), 0)) as listener:
        port = listener.getsockname()[1]
        name, _, phase = failing(
            device, port, "data=endless(), timeout={'send': 0.3}", method="put"
        )
    assert (name, phase) == ("Timeout", "send")


@pytest.mark.needs("host-network")
def test_a_timeout_of_connecting(device):
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((here(), 0))
        listener.listen(0)
        for _ in range(3):  # its queue is full: who comes next is not answered
            s = stack.enter_context(socket.socket())
            s.setblocking(False)
            s.connect_ex(listener.getsockname())
        name, _, phase = failing(device, listener.getsockname()[1], "timeout={'connect': 0.3}")
    assert (name, phase) == ("Timeout", "connect")


def test_a_stream_may_be_read_slowly(device):
    """What the program does between two pieces is no delay of the server's."""
    with talks(OK + "Content-Length: 6\r\n\r\nabc", "def") as server:
        url = f"http://{device.peer}:{server.port}/x"
        device.exec(f"r = client.get({url!r}, stream=True, timeout={{'read': 5.0}})")
        device.exec("r._fetch.times = tuple([50 if t == 5000 else t for t in r._fetch.times])")
        device.exec("time.sleep(0.1)")
        assert device.eval("r.content") == b"abcdef"


# ---- Limits, JSON, states


def test_a_body_beyond_the_limit(device):
    for answer in ("Content-Length: 500\r\n\r\n" + "x" * 500, "\r\n" + "x" * 500):
        with talks(OK + answer) as server:
            name, text, phase = failing(device, server.port, "max_body=100")
        assert (name, phase) == ("RequestError", "read")
        assert "larger than the limit max_body: take it with stream=True, or raise that" in text


@pytest.mark.parametrize("head", ["Content-Length: 500\r\n\r\n", "\r\n"])
def test_a_stream_beyond_the_limit(device, head):
    with talks(OK + head + "x" * 500) as server:
        url = f"http://{device.peer}:{server.port}/x"
        call = f"lambda: client.get({url!r}, stream=True, max_body=100).content"
        device.exec(f"try: ({call})()\nexcept Error as e: found = e.errno, e.phase, str(e)\n")
        number, phase, text = device.eval("found")
    assert (number, phase) == (errno.EMSGSIZE, "read")
    assert text.endswith("read: the body is larger than max_body, 100 bytes")
    assert device.eval("live()") == (0, 0, 0, 0)


@pytest.mark.parametrize("body", ["", "<html>none</html>", '{"a": 1', "\u20ac"])
def test_json_that_is_none(device, body):
    with talks(OK + f"Content-Length: {len(body.encode())}\r\n\r\n", body.encode()) as server:
        url = f"http://{device.peer}:{server.port}/x"
        device.exec(f"r = client.get({url!r})")
    name, text, _ = device.eval("failed(r.json)")
    assert name.endswith(("ValueError", "JSONDecodeError"))
    assert text.startswith(f"GET {url}: the body is no JSON: ") and body[:5] in text.replace(
        "\\xe2\\x82\\xac", "\u20ac"
    )


@pytest.mark.parametrize("status", [400, 404, 500, 599])
def test_raise_for_status(device, status):
    with talks(f"HTTP/1.1 {status} Sorry\r\nContent-Length: 3\r\n\r\nwhy") as server:
        url = f"http://{device.peer}:{server.port}/x"
        device.exec(f"r = client.get({url!r})")
    assert device.eval("r.ok, r.text") == (False, "why")
    assert device.eval("failed(r.raise_for_status)")[:2] == (
        "HTTPError", f"GET {url}: the server answers {status} Sorry"
    )  # fmt: skip
    device.exec(
        "try: r.raise_for_status()\nexcept Error as e: same = e.response is r and e.url == r.url\n"
    )
    assert device.eval("same")


def test_inside_a_handler(device):
    device.exec(
        "found = []\n"
        "def tick(): found.append(failed(client.get, 'http://127.0.0.1:1/'))\n"
        "def opened(c, ev, data):\n"
        "  if ev == MG_EV_OPEN: found.append(failed(client.Session().get, 'http://127.0.0.1:1/'))\n"
        "with Manager() as m2:\n"
        "  m2.timer_add(0, tick)\n"
        "  m2.listen('tcp://%s:0' % HOST, opened)\n"
        "  poll_until(m2, lambda: len(found) > 1)\n"
        "if MICROPYTHON:\n"
        "  import micropython\n"
        "  micropython.schedule(lambda _: tick(), 0)\n"
        "  time.sleep(0.05)\n"
        "found.append(failed(client.get, 'ftp://h/')[0])\n"
    )
    micropython = device.eval("MICROPYTHON")
    found = device.eval("found")
    assert [each[0] for each in found[:-1]] == ["RequestError"] * (3 if micropython else 2)
    assert all("use pymongoose.aio there" in each[1] for each in found[:-1])
    assert found[-1] == "ValueError"


INTERRUPTED = {
    "waiting": ("", "client.get(url, timeout=1000)"),
    "reading": (
        OK + "Content-Length: 99\r\n\r\nabc",
        "client.get(url, timeout=1000, stream=True).content",
    ),
    "saving": (
        OK + "Content-Length: 99\r\n\r\nabc",
        "client.get(url, timeout=1000, stream=True).save(folder + '/x')",
    ),
}


@pytest.mark.parametrize("case", INTERRUPTED)
def test_ctrl_c_at_once(folder, device, case):
    said, call = INTERRUPTED[case]
    came = threading.Event()

    def talk(raw):
        raw.recv_exactly_head()
        raw.send(said)
        came.set()
        raw.gone()

    device.exec(
        f"folder = {folder!r}\n"
        "import os\n"
        "def wait(url):\n"
        "  came = None\n"
        f"  try: {call}\n"
        "  except KeyboardInterrupt: came = live()\n"
        "  gc.collect()\n"
        "  return came, live(), os.listdir(folder)\n"
    )
    with Server(talk) as server:
        device._write(f"eval {f'wait({chr(34)}http://{device.peer}:{server.port}/{chr(34)})'!r}")
        assert came.wait(seconds())
        device.interrupt()
        at_once, *left = device._answer(10)
    assert left == [(0, 0, 0, 0), []]
    # CPython may be interrupted between get(), which has ended, and what reads the response: then it
    # is one that was dropped, which ends when it is collected. MicroPython is not interrupted there.
    assert at_once == (0, 0, 0, 0) or case != "waiting" and not device.eval("MICROPYTHON"), at_once


FLAT = """
def descriptors():
    import os
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0

def used():
    for n in range(3):
        gc.collect()
    return gc.mem_alloc() if MICROPYTHON else sys.getallocatedblocks()

def some(count):
    # Of every kind: kept connections and new ones, streams, redirects, failures.
    with client.Session() as s:
        for n in range(count):
            s.get(base + "/echo", params={"n": n}).json()
            s.post(base + "/echo", data=b"x" * (n % 1000)).json()
    for n in range(count // 4):
        client.get(base + "/move/302?to=/echo").json()
        with client.get(base + "/size/3000", stream=True) as r:
            next(r.iter_content(100))
        failed(client.get, base + "/coded/gzip/9", max_body=3)
        failed(client.get, "http://127.0.0.1:1/")

def flat(count):
    some(8)
    after = used(), descriptors(), live()
    # What is lost with each request is lost each time; a collector that guesses may keep a body once.
    for n in range(3):
        before = after
        some(count)
        after = used(), descriptors(), live()
        if after[0] <= before[0] + 2000:
            break
    return before, after
"""


def test_a_day_of_requests_leaves_nothing(device, target):
    """As many as a device makes in a day that asks every minute (a board: in an hour)."""
    from peers.http_servers import Site

    count = target.size(480, 20)
    with Site() as site:
        device.exec(FLAT)
        device.exec(f"base = 'http://{device.peer}:{site.port}'")
        before, after = device.eval(f"flat({count})", 90)
    assert after[1:] == before[1:]
    assert after[0] <= before[0] + 2000, (before, after)
