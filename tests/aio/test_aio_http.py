# SPDX-License-Identifier: GPL-2.0-only
"""aio.request() and aio.Session, with aiohttp's server and with servers that die and stall."""

import contextlib
import hashlib

import pytest
from peers.clients import Server, free_port
from peers.http_servers import Site, pattern

SCRIPT = r"""
import asyncio

from pymongoose import aio
from pymongoose.fetch import HIGH


def run(coro, seconds=30):
    async def guarded():
        return await asyncio.wait_for(coro, seconds)
    try:
        return asyncio.run(guarded())
    finally:
        if MICROPYTHON:
            asyncio.new_event_loop()


async def fetch(method, url, how="json", **options):
    async with aio.request(method, url, **options) as r:
        return r.status, await getattr(r, how)()


async def failing(method, url, how="read", **options):
    # (class, text, phase) of what it raises
    try:
        async with aio.request(method, url, **options) as r:
            result = await getattr(r, how)()
    except Exception as e:
        return type(e).__name__, str(e), getattr(e, "phase", None)
    raise AssertionError("gave %r" % (result,))


async def check(url):
    # (size, hash) of a body that comes in pieces, and is taken slowly at first
    import hashlib
    h, size, n = hashlib.sha256(), 0, 0
    async with aio.request("GET", url) as r:
        async for piece in r:
            if n < 3:
                await asyncio.sleep(0.05)
            n += 1
            h.update(piece)
            size += len(piece)
            waiting = sum([len(p) for p in r._fetch.pieces])
            assert waiting < PARAMS["most"], "%d bytes wait to be taken" % waiting
    return size, "".join(["%02x" % byte for byte in h.digest()])


async def unread(url, other, hashed):
    # Two responses of a session wait to be read, other requests go on.
    async with aio.Session() as s:
        rs = [await s.get(url), await s.get(url)]
        for n in range(5):
            async with s.get(other) as r:
                assert r.status == 200
            while not any([r._fetch.pieces for r in rs]):
                await asyncio.sleep(0.01)
            waiting = max([sum([len(p) for p in r._fetch.pieces]) for r in rs])
            assert waiting < PARAMS["most"], waiting
        for r in rs:
            found = await hashed(r)
        return found


async def kept(base):
    # The last piece of a response is the one at which reading pauses; then its connection serves the next.
    async with aio.Session(timeout=20) as s:
        async with s.get(base + "/size/%d" % HIGH) as r:
            while r._fetch.waiting < HIGH:
                await asyncio.sleep(0.01)
            size = len(await r.read())
        async with s.get(base + "/size/10") as r:
            return size == HIGH, len(await r.read()), r._fetch.reused


async def hashed(r):
    import hashlib
    h, size = hashlib.sha256(), 0
    async for piece in r:
        h.update(piece)
        size += len(piece)
    return size, "".join(["%02x" % byte for byte in h.digest()])


async def many(url, count):
    async with aio.Session(pool_size=3) as s:
        async def one(n):
            async with s.get(url, params={"n": n}) as r:
                return (await r.json())["path"]
        found = await asyncio.gather(*[one(n) for n in range(count)])
        assert s.count <= 3, s.count
        return found


async def canceled(url, before):
    async with aio.Session() as s:
        task = asyncio.create_task(failing_in(s, url))
        while not before(s):
            await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
        return len(s._calls), len(s.idle)


async def failing_in(s, url):
    async with s.get(url) as r:
        await r.read()


async def waiting(url):
    # It waits within a phase, and other tasks go on.
    ticks = []
    async def tick():
        while True:
            ticks.append(1)
            await asyncio.sleep(0.01)
    task = asyncio.create_task(tick())
    start = ticks_ms()
    found = await failing("GET", url, timeout={"first_byte": 1.0})
    assert ticks_diff(ticks_ms(), start) < 10000  # which the phase before it had
    task.cancel()
    assert len(ticks) > 3
    return found


serve()
"""


@pytest.fixture(scope="module")
def site(target):
    with Site() as running:
        yield running


@pytest.fixture
def device(shared, site, target):
    del site.seen[:], site.peers[:]
    return shared(SCRIPT, most=target.size(600_000, 9_000))


@pytest.fixture
def base(device, site):
    return f"http://{device.peer}:{site.port}"


def test_a_request(device, base):
    status, seen = device.eval(f"run(fetch('GET', {base + '/echo?x=1'!r}, params={{'y': 2}}))")
    assert (status, seen["path"], seen["method"]) == (200, "/echo?x=1&y=2", "GET")
    status, seen = device.eval(f"run(fetch('POST', {base + '/echo'!r}, json=[1], auth=('a', 'b')))")
    assert (seen["text"], seen["type"]) == ("[1]", "application/json")
    assert device.eval(f"run(fetch('GET', {base + '/chunks/2'!r}, 'text'))")[1].startswith("a line")
    device.exec(
        "async def look(url):\n"
        "  async with aio.request('GET', url) as r:\n"
        "    r.raise_for_status()\n"
        "    return r.status, r.ok, r.url, r.headers['content-type'], len(r.history), await r.read()\n"
    )
    found = device.eval(f"run(look({base + '/move/302?to=/size/9'!r}))")
    assert found == (200, True, base + "/size/9", "application/octet-stream", 1, pattern(9))
    assert device.eval("live()") == (0, 0, 0, 0)


def test_a_body_in_pieces(device, base, target):
    """What nobody takes is not read: memory stays small."""
    size = target.size(8_000_000, 40_000)
    wanted = (size, hashlib.sha256(pattern(size)).hexdigest())
    assert device.eval(f"run(check({base + f'/size/{size}'!r}))", 60) == wanted


def test_responses_that_are_not_read_are_bounded(device, target, base):
    size = target.size(3_000_000, 40_000)
    found = device.eval(
        f"run(unread({base + f'/size/{size}'!r}, {base + '/echo'!r}, hashed), 60)", 70
    )
    assert found == (size, hashlib.sha256(pattern(size)).hexdigest())


def test_a_connection_that_paused_at_the_end_is_kept(device, base):
    assert device.eval(f"run(kept({base!r}))", 40) == (True, 10, True)


def test_connect_is_no_method_of_a_program(device, base):
    found = device.eval(f"run(failing('CONNECT', {base!r}))")
    assert found[0] == "ValueError" and "tunnel" in found[1]


def test_uploads(device, base):
    device.exec(
        "class Pieces:\n"
        "  def __init__(self): self.left = 3\n"
        "  def __aiter__(self): return self\n"
        "  async def __anext__(self):\n"
        "    if not self.left: raise StopAsyncIteration\n"
        "    self.left -= 1\n"
        "    await asyncio.sleep(0.01)\n"
        "    return b'part '\n"
    )
    for given in ("Pieces()", "iter([b'part '] * 3)", "b'part part part '"):
        status, seen = device.eval(f"run(fetch('PUT', {base + '/echo'!r}, data={given}))")
        assert (status, seen["text"]) == (200, "part part part ")


def test_a_session(device, base, site):
    found = device.eval(f"run(many({base + '/echo'!r}, 12))", 30)
    assert found == [f"/echo?n={n}" for n in range(12)]
    assert len(set(site.peers)) <= 3
    assert device.eval("live()") == (0, 0, 0, 0)


def test_it_is_awaited_alone(device, base):
    device.exec(
        "async def alone(url):\n"
        "  s = aio.Session()\n"
        "  r = await s.get(url)\n"
        "  body = await r.read()\n"
        "  s.close()\n"
        "  return body\n"
    )
    assert device.eval(f"run(alone({base + '/size/5'!r}))") == pattern(5)


@pytest.mark.parametrize(
    ("answer", "phase"),
    [
        (None, "first_byte"),
        ("HTTP/1.1 2", "read"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "read"),
        ("nonsense\r\n\r\n", "read"),
    ],
)
def test_a_server_that_dies(device, answer, phase):
    def talk(raw):
        raw.recv_exactly_head()
        if answer:
            raw.send(answer)

    with Server(talk) as server:
        found = device.eval(f"run(failing('GET', 'http://{device.peer}:{server.port}/'))")
    assert (found[0], found[2]) == ("RequestError", phase)
    assert device.eval("live()") == (0, 0, 0, 0)


def test_what_is_wrong(device, base):
    url = f"http://{device.peer}:{free_port()}/"
    assert device.eval(f"run(failing('GET', {url!r}))")[::2] == ("RequestError", "connect")
    assert device.eval("run(failing('GET', 'example.com'))")[0] == "ValueError"
    assert "more than 10 redirects" in device.eval(f"run(failing('GET', {base + '/loop'!r}))")[1]
    found = device.eval(f"run(failing('GET', {base + '/size/20'!r}, 'json'))")
    assert found[0] == "ValueError" and "the body is no JSON" in found[1]
    found = device.eval(f"run(failing('GET', {base + '/size/900'!r}, max_body=100))")
    assert found[0] == "RequestError" and "larger than" in found[1]
    device.exec(
        "async def status(url):\n  async with aio.request('GET', url) as r: r.raise_for_status()\n"
    )
    with pytest.raises(AssertionError, match="the server answers 404"):
        device.eval(f"run(status({base + '/none'!r}))")
    assert device.eval("live()") == (0, 0, 0, 0)


@contextlib.contextmanager
def stalled(said=None):
    def talk(raw):
        raw.recv_exactly_head()
        if said:
            raw.send(said)
        raw.gone()

    with Server(talk) as server:
        yield server.port


def test_timeouts_beside_other_tasks(device):
    with stalled() as port:
        found = device.eval(f"run(waiting('http://{device.peer}:{port}/'))")
    assert found[::2] == ("Timeout", "first_byte")


@pytest.mark.parametrize("said", [None, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"])
def test_cancellation_leaves_nothing(device, said):
    with stalled(said) as port:
        url = f"http://{device.peer}:{port}/"
        ready = "s._calls and s._calls[0]._fetch.phase in (4, 5)"
        assert device.eval(f"run(canceled({url!r}, lambda s: {ready}))") == (0, 0)
    assert device.eval("live()") == (0, 0, 0, 0)


def test_another_loop(device, base):
    """Of MicroPython's the one before is gone when another begins."""
    device.exec(
        "kept = []\n"
        "async def keep(url):\n"
        "  s = aio.Session()\n"
        "  return s, await s.get(url)\n"
        "async def use(s, r, url):\n"
        "  for what in (lambda: s.get(url)._open(), r.read):\n"
        "    try: await what()\n"
        "    except Error as e: kept.append(str(e))\n"
        "async def end(s):\n"
        "  s.close()\n"
        "def loops(url):\n"
        "  one, two = asyncio.new_event_loop(), asyncio.new_event_loop()\n"
        "  s, r = one.run_until_complete(keep(url))\n"
        "  two.run_until_complete(use(s, r, url))\n"
        "  one.run_until_complete(end(s))\n"
        "  one.close(); two.close()\n"
        "  return kept\n"
    )
    if not device.eval("MICROPYTHON"):
        found = device.eval(f"loops({base + '/hang'!r})")
        assert len(found) == 2 and all("another event loop" in each for each in found), found
