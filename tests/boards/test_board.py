# SPDX-License-Identifier: GPL-2.0-only
"""What only a board has: resets, one heap for all, flash, MicroPython's own network modules."""

import hashlib
import os
import ssl
import threading

import h11
import pytest
from flash import rp2
from peers.clients import Raw, seconds
from peers.pki import pki
from targets import DeviceError
from targets.serial import board_network

pytestmark = pytest.mark.needs("board")

REQUEST = "GET {} HTTP/1.1\r\nHost: board\r\n\r\n"

# A server on ports that stay the same, so that one left behind would be in the way.
SERVER = """
import os
def handler(c, ev, d):
    if ev == MG_EV_HTTP_MSG:
        if d.uri == "/big":
            c.reply(200, b"0123456789abcdef" * 512)
        else:
            c.reply(200, "here")
def free():
    gc.collect()
    return gc.mem_free()
m = Manager(handler)
m.listen(url("http", 8090))
if "cert" in PARAMS:
    tls = m.listen(url("https", 8443))
    tls.tls_init(TlsOpts(cert=PARAMS["cert"], key=PARAMS["key"]))
print("FREE", free())
serve(m)
"""


def untrusting():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def tls(address):
    raw = Raw(address)
    raw.socket = untrusting().wrap_socket(raw.socket)
    return raw


@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    "resets",
    [
        pytest.param(5, marks=pytest.mark.cost(8)),
        pytest.param(50, marks=[pytest.mark.cost(70), pytest.mark.long]),
    ],
)
def test_soft_resets(device, resets):
    """With a live listener and open clients, TLS among them: no port and no memory is lost."""
    pair = pki()["ec"]
    free = []
    for _ in range(resets):
        running = device(SERVER, cert=pair.cert_der, key=pair.key_der)
        free.append(int(running.expect("FREE")))
        running.expect("SERVING")
        with Raw(running.reach(8090)) as plain, tls(running.reach(8443)) as secure:
            assert secure.ask(REQUEST.format("/")).body == b"here"
            assert plain.ask(REQUEST.format("/")).body == b"here"
            # Ctrl-C, and the next script's soft reset finds all of it open.
            running.kill()
            running.settled = True
    assert max(free) - min(free) < 512, free


def test_the_log_ends_with_its_program(device):
    running = device("log_set(MG_LL_VERBOSE)\nprint('SET')")
    running.expect("SET")
    running.finish()
    assert device("print('LEVEL', log_get() == MG_LL_NONE)").expect("LEVEL") == "True"


@pytest.mark.cost(4)
def test_hard_reset_in_a_transfer(device):
    """machine.reset() while data flows: the board comes back, and its ports with it."""
    running = device(SERVER)
    running.expect("SERVING")
    with Raw(running.reach(8090)) as raw:
        raw.send(REQUEST.format("/big"))
        raw.recv_exactly(100)
        running.reset()
    running = device(SERVER)
    running.expect("SERVING")
    with Raw(running.reach(8090)) as raw:
        assert len(raw.ask(REQUEST.format("/big")).body) == 8192


@pytest.mark.cost(30)
@pytest.mark.needs("emulator")
@pytest.mark.parametrize("how", ["it ends", "it stands still"])
def test_a_broken_emulator_costs_one_test(device, target, how):
    """The next script gets another, with a network of its own."""
    running = device(SERVER)
    running.expect("SERVING")
    if how == "it ends":
        target._rig.kill()
    else:
        target.fault = "made up"
    if how == "it ends":
        with pytest.raises(DeviceError):
            running.eval("1")
    running.settled = True
    for _ in range(2):
        again = device(SERVER)
        again.expect("SERVING")
        with Raw(again.reach(8090)) as raw:
            assert raw.ask(REQUEST.format("/")).body == b"here"


@pytest.mark.cost(2)
def test_beside_asyncio_and_socket(device):
    """A server of asyncio's and a plain socket's client beside ours, in one program."""
    running = device(
        """
import asyncio, socket
from socket import getaddrinfo

async def echo(reader, writer):
    writer.write(b"asyncio " + await reader.readline())
    await writer.drain()
    writer.close()
    await writer.wait_closed()

async def ours():
    while not done:
        m.poll(0)
        await asyncio.sleep_ms(1)

def handler(c, ev, d):
    if ev == MG_EV_HTTP_MSG:
        c.reply(200, "pymongoose")

async def ask(port, text):
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(text)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer

async def main():
    global done
    server = await asyncio.start_server(echo, "0.0.0.0", 8091)
    task = asyncio.create_task(ours())
    eq(await ask(8091, b"line\\n"), b"asyncio line\\n")
    got = await ask(port_of(listener), b"GET / HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
    eq(got[-10:], b"pymongoose")
    print("BOTH", port_of(listener))
    while not done:
        await asyncio.sleep_ms(10)
        if _poller.poll(0) and not _command():
            done = True
    server.close()
    await task

done = False
m = Manager(handler)
listener = m.listen(url("http"))
asyncio.run(main())
m.close()
"""
    )
    port = running.port("BOTH")
    with Raw(running.reach(8091)) as other, Raw(running.reach(port)) as ours:
        other.send("from outside\n")
        assert ours.ask(REQUEST.format("/")).body == b"pymongoose"
        assert other.recv_all() == b"asyncio from outside\n"


@pytest.mark.cost(10)
def test_beside_ssl(device):
    """MicroPython's own ssl and ours take turns on one Mbed TLS."""
    pair = pki()["ec"]
    running = device(
        """
import socket, ssl
def other():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(socket.getaddrinfo("0.0.0.0", 8444)[0][-1])
    s.listen(1)
    print("OTHER")
    c, _ = s.accept()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PARAMS["cert"], PARAMS["key"])
    t = context.wrap_socket(c, server_side=True)
    t.write(b"micropython " + t.read(5))
    t.close()
    s.close()
"""
        + SERVER,
        cert=pair.cert_der,
        key=pair.key_der,
    )
    running.expect("SERVING")
    for _ in range(2):
        with tls(running.reach(8443)) as raw:
            assert raw.ask(REQUEST.format("/")).body == b"here"
        running.until("len(m.connections) == 2")
        running._write("exec 'other()'")
        running.expect("OTHER")
        with tls(running.reach(8444)) as raw:
            raw.send("hello")
            assert raw.recv_exactly(17) == b"micropython hello"
        running._answer(seconds())


# Takes all memory but so much, and gives it back a while later without needing any.
HOG = """
hold = []
def release():
    hold.clear()
    print("RELEASED")
def hog(left):
    gc.collect()
    m.timer_add(3000, release)
    for size in (16384, 4096, 1024, 256, 64):
        try:
            while gc.mem_free() > left + 2 * size:
                hold.append(bytearray(size))
        except MemoryError:
            pass
"""


@pytest.mark.cost(15)
def test_exhausted_heap(device):
    """Python code takes all memory while serving: clients may be lost, the board is not."""
    running = device(HOG + SERVER)
    running.expect("SERVING")
    address = running.reach(8090)

    def free():
        with Raw(address) as raw:
            assert len(raw.ask(REQUEST.format("/big")).body) == 8192
        running.until("len(m.connections) == 1", 30)
        return running.eval("free()")

    before, blocks = free(), running.eval("live()")
    for left in (2000, 4000, 8000):
        running.exec(f"hog({left})")
        threads = [threading.Thread(target=attempt, args=[address], daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(seconds(40))
            assert not thread.is_alive(), "a client that is never answered"
        running.expect("RELEASED", 30)
        running.until("len(m.connections) == 1", 30)
    after = free()
    # What a connection leaves behind for the next one is in both figures.
    assert before - after < 256, (before, after)
    assert running.eval("live()") == blocks


def attempt(address):
    try:
        with Raw(address) as raw:
            raw.ask(REQUEST.format("/big"))
    except (OSError, EOFError, h11.RemoteProtocolError):
        pass  # refused for want of memory


def test_large_buffers_are_given_back(device):
    """One heap for all: what a large reply took is Python's again once it was sent."""
    running = device(SERVER)
    running.expect("SERVING")
    free = []
    for uri, size in (("/", 4), ("/big", 8192), ("/", 4)):
        with Raw(running.reach(8090)) as raw:
            assert len(raw.ask(REQUEST.format(uri)).body) == size
        running.until("len(m.connections) == 1", 30)
        free.append(running.eval("free()"))
    assert max(free) - min(free) < 2500, free


def test_collection_inside_an_allocation(device):
    """The engine asks for memory, the collector runs, a finalizer gives the engine's memory back."""
    pair = pki()["ec"]
    running = device(
        HOG
        + """
m = Manager()
c = m.connect(peer("tcp", 9))
piece = bytearray(1000)
hog(12000)
blocks = live()[3]
for _ in range(2):
    opts = TlsOpts(cert=PARAMS["cert"], key=PARAMS["key"])
opts = None
made = live()[3]
assert made > blocks, (blocks, made)
try:
    for _ in range(40):
        c.send(piece)
except MemoryError:
    print("FULL")
assert live()[3] < made, (made, live())
hold.clear()
m.close()
print("FINE")
""",
        cert=pair.cert_der,
        key=pair.key_der,
    )
    running.expect("FINE")


INTERRUPTED = """
def handler(c, ev, d):
    if ev == MG_EV_HTTP_MSG:
        if d.uri == "/loop":
            print("IN")
            while True:
                pass
        c.reply(200, "here")
m = Manager(handler)
m.listen(url("http", 8090))
try:
    print("POLLING")
    while True:
        m.poll(60000)
except KeyboardInterrupt:
    print("CAUGHT")
serve(m)
"""


@pytest.mark.parametrize("where", ["poll", "handler"])
def test_ctrl_c(device, where):
    """It ends a wait and a handler that never returns; the server can go on."""
    running = device(INTERRUPTED)
    running.expect("POLLING")
    address = running.reach(8090)
    with Raw(address) as raw:
        if where == "handler":
            raw.send(REQUEST.format("/loop"))
            running.expect("IN")
        else:
            assert raw.ask(REQUEST.format("/")).body == b"here"
        running.interrupt()
        running.expect("CAUGHT")
        running.expect("SERVING")
    with Raw(address) as raw:
        assert raw.ask(REQUEST.format("/")).body == b"here"
    running.until("len(m.connections) == 1", 30)


@pytest.mark.cost(10)
def test_a_board_without_wifi(target):
    """`make test TARGET= WIFI_SSID=` says so, by the script that joins elsewhere."""
    if target.in_use:
        target.in_use.retire()
    target.start("", {}).finish()
    target._enter()
    if b"True" in target._transport.exec("import network; print(hasattr(network, 'WLAN'))"):
        pytest.skip("it has Wi-Fi")
    with pytest.raises(board_network.NetworkError, match="this board has no Wi-Fi"):
        board_network.find_address(target._transport, board_network.Wifi("nowhere", "none"))


# Pin 2 is not connected: its pulls move it.
WAKERS = """
from machine import Pin, Timer

# Some ports have soft timers, others so many of the chip's.
def new_timer(**how):
    try:
        return Timer(**how)
    except (TypeError, ValueError):
        return Timer(0, **how)

def handler(c, ev, data):
    if ev == MG_EV_WAKEUP:
        got.append(data)

def wait_for(n):
    start = ticks_ms()
    while len(got) < n and ticks_diff(ticks_ms(), start) < 20000:
        m.poll(10000)
    assert ticks_diff(ticks_ms(), start) < 9000, "the wait was not ended"

def fall(_=None):
    pin.init(Pin.IN, Pin.PULL_UP)
    time.sleep_us(10)
    pin.init(Pin.IN, Pin.PULL_DOWN)

got = []
m = Manager(handler)
number = m.listen(url("tcp")).id
pin = Pin(2, Pin.IN, Pin.PULL_UP)
told = bytearray(2)  # how often wakeup() said False, True
data = b"from a pin"

def on_fall(p):
    told[m.wakeup(number, data)] += 1

"""


def test_wakeup_from_a_timer(device):
    """The callback of a machine.Timer, which the scheduler runs, ends the wait."""
    running = device(
        WAKERS
        + """
timer = new_timer(mode=Timer.ONE_SHOT, period=100, callback=lambda t: m.wakeup(number, "x" * 100))
wait_for(1)
eq(got, [b"x" * 100])
timer = new_timer(mode=Timer.PERIODIC, period=5, callback=lambda t: m.wakeup(number, "again"))
wait_for(30)
timer.deinit()
m.close()
print("FINE")
"""
    )
    running.expect("FINE", 30)


@pytest.mark.parametrize(
    "how", [{}, pytest.param({"hard": True}, marks=pytest.mark.needs("hard-interrupts"))]
)
def test_wakeup_from_a_pin(device, how):
    """An interrupt's handler, soft or hard, ends the wait and delivers its data."""
    running = device(
        WAKERS
        + """
pin.irq(on_fall, Pin.IRQ_FALLING, **PARAMS["how"])
timer = new_timer(mode=Timer.ONE_SHOT, period=100, callback=fall)
wait_for(1)
pin.irq(None)
m.poll(0)
eq(set(got), {data})
eq(told[0], 0)
m.close()
eq(live(), (0, 0, 0, 0))
print("FINE")
""",
        how=how,
    )
    running.expect("FINE", 30)


@pytest.mark.needs("hard-interrupts")
def test_wakeups_of_hard_interrupts_are_bounded(device):
    """Without memory there is room for eight, then the answer is False; nothing is half queued."""
    running = device(
        WAKERS
        + """
pin.irq(on_fall, Pin.IRQ_FALLING, hard=True)
for turn in range(3):
    told[0] = told[1] = 0
    got.clear()
    for _ in range(20):
        fall()
    eq(told[1], 8)
    assert told[0] >= 12, told
    wait_for(8)
    eq(got, [data] * 8)
data = b"more than a slot holds"
told[0] = told[1] = 0
fall()
eq(told[1], 0)
assert told[0]
number, told[0] = 0, 0  # only ends a wait
fall()
eq(told[0], 0)
got.clear()
m.poll(0)
eq(got, [])
pin.irq(None)
m.close()
print("FINE")
"""
    )
    running.expect("FINE", 30)


@pytest.mark.cost(5)
def test_flash_write_while_serving(device):
    """Erasing and programming flash stops all interrupts; no byte of a transfer is lost."""
    running = device(
        """
import os
def handler(c, ev, d):
    if ev == MG_EV_HTTP_MSG and d.method == "POST":
        with open("/upload.tmp", "ab") as f:
            f.write(d.body_bytes)
        c.reply(200, "%d" % os.stat("/upload.tmp")[6])
    elif ev == MG_EV_HTTP_MSG:
        c.serve_file(d, "/upload.tmp")
m = Manager(handler)
m.listen(url("http", 8090))
serve(m)
"""
    )
    running.expect("SERVING")
    address = running.reach(8090)
    data = os.urandom(40000)
    with Raw(address) as raw:
        for start in range(0, len(data), 4000):
            piece = data[start : start + 4000].decode("latin-1")
            head = f"POST / HTTP/1.1\r\nHost: b\r\nContent-Length: {len(piece)}\r\n\r\n"
            assert raw.ask(head + piece, "POST").body == b"%d" % (start + 4000)
        got = raw.ask(REQUEST.format("/")).body
    running.exec("os.remove('/upload.tmp')")
    assert hashlib.sha256(got).digest() == hashlib.sha256(data).digest()


@pytest.mark.cost(10)
def test_retransmission_without_a_network(device):
    """On 127.0.0.1, no link since power-on: who finds the listener's queue full comes in later, as
    lwIP's timers repeat the request."""
    running = device(
        """
import __main__, os
if hasattr(__main__, "ppp"):
    os.rename("/boot.py", "/boot.off")
    print("LINK PPP")
    serve()
else:
    print("LINK other")
"""
    )
    if running.expect("LINK") == "other":
        pytest.skip("its network is not PPP, which boot.py brings up")
    running.reset()
    running = device(
        """
import os
os.rename("/boot.off", "/boot.py")
up = []
m, other = Manager(lambda c, ev, d: up.append(c.id) if ev == MG_EV_CONNECT else None), Manager()
port = port_of(other.listen("tcp://127.0.0.1:0"))
for _ in range(10):
    m.connect("tcp://127.0.0.1:%d" % port)
poll_until(m, lambda: len(up) == 8)
start = ticks_ms()
while len(up) < 10 and ticks_diff(ticks_ms(), start) < 12000:
    m.poll(100)
    other.poll(0)
print("UP", len(up))
m.close()
other.close()
"""
    )
    assert running.expect("UP", 30) == "10"


@pytest.mark.cost(4)
def test_flash_is_what_was_written(device, target):
    """What `make flash` asks a board for at the end."""
    if (firmware := getattr(target, "firmware", None)) is None:
        pytest.skip("nobody says here which file the board was given")
    start, held = rp2.contents(firmware.read_bytes())
    running = device(rp2.HASH.format(start=start, size=len(held)))
    digest = hashlib.sha256(held).hexdigest()
    assert "pymongoose" in running.expect(digest, 30)
