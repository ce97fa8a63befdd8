# SPDX-License-Identifier: GPL-2.0-only
"""What only a board has: resets, one heap for all, flash, MicroPython's own network modules."""

import hashlib
import os
import ssl
import threading
import time

import h11
import pytest
from clients import Raw, seconds
from pki import pki

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


@pytest.mark.cost(300)
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("resets", [5, pytest.param(50, marks=pytest.mark.long)])
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


@pytest.mark.cost(20)
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


@pytest.mark.cost(20)
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


@pytest.mark.cost(90)
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


@pytest.mark.cost(40)
def test_exhausted_heap(device):
    """Python code takes all memory while serving: clients may be lost, the board is not."""
    running = device(SERVER)
    running.expect("SERVING")
    address = running.reach(8090)
    before = running.eval("free()")
    for left in (2000, 4000, 8000):  # the harness itself needs some
        running.exec(
            f"""
hold = []
for size in (16384, 4096, 1024, 256, 64):
    try:
        while gc.mem_free() > {left} + 2 * size:
            hold.append(bytearray(size))
    except MemoryError:
        pass
"""
        )
        threads = [threading.Thread(target=attempt, args=[address], daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + 2 * running.slowness
        while any(t.is_alive() for t in threads) and time.monotonic() < end:
            time.sleep(0.05)
        running.exec("hold = None")
        for thread in threads:
            thread.join(30 * running.slowness)
            assert not thread.is_alive(), "a client that is never answered"
    running.until("len(m.connections) == 1", 30)
    with Raw(address) as raw:
        assert len(raw.ask(REQUEST.format("/big")).body) == 8192
    running.until("len(m.connections) == 1", 30)
    assert before - running.eval("free()") < 1024


def attempt(address):
    try:
        with Raw(address) as raw:
            raw.ask(REQUEST.format("/big"))
    except (OSError, EOFError, h11.RemoteProtocolError):
        pass  # refused for want of memory


@pytest.mark.cost(30)
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
