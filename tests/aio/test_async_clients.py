# SPDX-License-Identifier: GPL-2.0-only
"""aio.connect(), ws_connect(), resolve(), modbus, MqttSession against servers in the same program."""

import pytest
from async_script import BEGIN

SCRIPT = (
    BEGIN
    + r"""
SIZE = PARAMS["size"]


def echo(c, ev, data):
    if ev == MG_EV_READ and not c.is_client:
        c.send(c.recv())


async def served(handler, body, scheme="tcp", listen="listen"):
    # body(port) with a server beside it; at the end nothing is left.
    async with aio.AsyncManager(handler) as am:
        await body(port_of(getattr(am, listen)(url(scheme))))
    nothing_left()


def case_a_stream():
    async def body(port):
        async with aio.connect(url("tcp", port)) as s:
            await s.send("one\ntwo\nthree")
            eq(await s.readline(), b"one\n")
            eq(await s.recv(2), b"tw")
            eq(await s.readline(), b"o\n")
            eq(await s.readexactly(5), b"three")
            eq(s.remote_addr[1], port)
            e = await fails(Error, s.recv(timeout=0.02), "recv: timed out")
            eq(e.errno, 110)
            await s.send(b"again")
            eq(await s.recv(), b"again")
        eq(s.closed, True)
        s = await aio.connect(url("tcp", port))
        await s.send("x")
        await s.close()
        await fails(Error, s.send("y"), "closed")
        s = await aio.connect(url("tcp", port))
        reads = asyncio.create_task(s.recv())
        await asyncio.sleep(0.01)
        s.abort()
        eq((s.closed, await reads, await s.recv(timeout=1), await s.readline(timeout=1)), (True, b"", b"", b""))
        await fails(Error, s.send("y", timeout=1), "closed")
        await s.close(timeout=1)
    run(served(echo, body))


def case_the_end_of_a_stream():
    def handler(c, ev, data):
        if ev == MG_EV_ACCEPT:
            c.send("first\nlast")
            c.drain()
    async def body(port):
        lines = []
        async with aio.connect(url("tcp", port)) as s:
            async for line in s:
                lines.append(line)
            eq(await s.recv(), b"")
            await fails(Error, s.readexactly(1), "closed")
        eq(lines, [b"first\n", b"last"])
    run(served(handler, body))


def case_much_both_ways():
    async def body(port):
        async with aio.connect(url("tcp", port)) as s:
            got = [0]
            async def read():
                while got[0] < SIZE:
                    got[0] += len(await s.recv())
            reader = asyncio.create_task(read())
            sent = 0
            while sent < SIZE:
                await s.send(b"x" * min(4000, SIZE - sent))
                sent += min(4000, SIZE - sent)
            await reader
            eq(got[0], SIZE)
    run(served(echo, body))


def case_nobody_takes_it():
    # send() waits, and is canceled; then nothing is left.
    def handler(c, ev, data):
        pass
    async def body(port):
        s = await aio.connect(url("tcp", port))
        async def flood():
            while True:
                await s.send(b"x" * 4000)
        task = asyncio.create_task(flood())
        await asyncio.sleep(0.3)
        assert not task.done()
        assert s._conn.send_len <= 200000, s._conn.send_len
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
        s.abort()
        await until(lambda: s.closed)
    run(served(handler, body))


def case_a_refused_connection():
    async def main():
        probe = Manager()
        listener = probe.listen(url("tcp"))
        port = port_of(listener)
        probe.close()
        await fails(Error, aio_open(aio.connect(url("tcp", port))), "refused")
        nothing_left()
        await fails(ValueError, aio_open(aio.connect("nonsense")), "")
        await fails(ValueError, aio_open(aio.ws_connect("http:///")), "")
        nothing_left()
    run(main())


async def aio_open(opening):
    return await opening


def case_a_websocket():
    def handler(c, ev, data):
        if ev == MG_EV_HTTP_MSG and data.uri == "/no":
            c.reply(403, "no")
        elif ev == MG_EV_HTTP_MSG:
            c.ws_upgrade(data, protocol="b" if data.header("Sec-WebSocket-Protocol") else None)
        elif ev == MG_EV_WS_MSG and data.text == "close":
            c.ws_send(b"\x0f\xa1why", WEBSOCKET_OP_CLOSE)
        elif ev == MG_EV_WS_MSG:
            c.ws_send(data.data, data.flags)
    async def body(port):
        async with aio.ws_connect(url("ws", port), protocols=["a", "b"]) as ws:
            eq(ws.protocol, "b")
            await ws.send("text \u20ac")
            await ws.send(b"\x00\x01")
            eq([await ws.recv(), await ws.recv()], ["text \u20ac", b"\x00\x01"])
            await fails(Error, ws.recv(timeout=0.02), "recv: timed out")
            await ws.send("close")
            got = await drain(ws)
            eq((got, ws.close_code, ws.close_reason), ([], 4001, "why"))
            await fails(Error, ws.send("x"), "4001")
            await fails(Error, ws.recv(), "why")
        ws = await aio.ws_connect(url("ws", port))
        await ws.close(1001, "bye")
        eq(ws.closed, True)
        await fails(Error, aio_open(aio.ws_connect(url("ws", port, "/no"))), "403")
    async def drain(ws):
        got = []
        async for message in ws:
            got.append(message)
        return got
    run(served(handler, body, "http"))


def case_messages_wait_for_who_takes_them():
    # The server sends many: what is not taken is not read, and nothing is lost.
    count = PARAMS["messages"]
    def handler(c, ev, data):
        if ev == MG_EV_HTTP_MSG:
            c.ws_upgrade(data)
        elif ev == MG_EV_WS_MSG:
            more(c)
        elif ev == MG_EV_WRITE and c.is_websocket:
            more(c)
    sent = [0]
    def more(c):
        while sent[0] < count and c.send_len < 2000:
            sent[0] += 1
            c.ws_send("%d" % sent[0] + " " * 200)
    async def body(port):
        async with aio.ws_connect(url("ws", port)) as ws:
            await ws.send("go")
            await asyncio.sleep(0.2)
            assert len(ws._messages) <= 16, len(ws._messages)
            for n in range(1, count + 1):
                eq(int(await ws.recv()), n)
    run(served(handler, body, "http"))


def case_the_server_dies():
    def handler(c, ev, data):
        if ev == MG_EV_HTTP_MSG and data.uri == "/handshake":
            c.close()
        elif ev == MG_EV_HTTP_MSG:
            c.ws_upgrade(data)
        elif ev == MG_EV_WS_MSG:
            c.close()
    async def body(port):
        await fails(Error, aio_open(aio.ws_connect(url("ws", port, "/handshake"))), "")
        ws = await aio.ws_connect(url("ws", port))
        await ws.send("x")
        await fails(Error, ws.recv(), "closed")
        eq(ws.close_code, 1006)
    run(served(handler, body, "http"))


def case_timeouts_name_the_phase():
    def silent(c, ev, data):
        pass
    async def body(port):
        await fails(Error, aio_open(aio.ws_connect(url("ws", port), timeout=0.05)), "WebSocket handshake: timed out")
    run(served(silent, body))


def case_cancellation_leaves_nothing():
    # At every await, alone in the loop: so that its own Manager goes, too.
    server = Manager(lambda c, ev, data: c.recv() if ev == MG_EV_READ else None)
    port = port_of(server.listen(url("tcp")))
    mqtt = port_of(server.listen(url("tcp")))
    clock = port_of(server.listen(url("udp")))
    async def stream_recv():
        async with aio.connect(url("tcp", port)) as s:
            started.append(1)
            await s.recv()
    async def stream_line():
        s = await aio.connect(url("tcp", port))
        try:
            started.append(1)
            await s.readline()
        finally:
            s.abort()
    async def ws_open():
        started.append(1)
        await aio.ws_connect(url("ws", port))
    async def connecting():
        started.append(1)
        s = await aio.connect(url("tcp", port))
        try:
            await asyncio.sleep(10)
        finally:
            s.abort()
    async def modbus_read():
        async with aio.modbus.connect(url("modbus", port)) as c:
            started.append(1)
            await c.read(3, 0)
    async def session():
        async with aio.MqttSession(url("mqtt", mqtt), "me") as s:
            started.append(1)
            await s.wait_connected()
    async def published():
        async with aio.MqttSession(url("mqtt", mqtt), "me") as s:
            started.append(1)
            await s.publish("a", "b", 1)
    async def received():
        async with aio.MqttSession(url("mqtt", mqtt), "me") as s:
            started.append(1)
            await s.recv()
    async def asking():
        started.append(1)
        await aio.time("%s:%d" % (HOST, clock))
    def left():
        managers, _, timers = live()[:3]
        return managers, timers
    before = left()
    async def main():
        for what in (stream_recv, stream_line, ws_open, connecting, modbus_read, session, published, received, asking):
            for turns in (0, 1, 5):
                del started[:]
                task = asyncio.create_task(what())
                for _ in range(400):
                    server.poll(0)
                    await asyncio.sleep(0.001)
                    if started or task.done():
                        break
                for _ in range(turns):
                    server.poll(0)
                    await asyncio.sleep(0)
                assert started, what
                task.cancel()
                try:
                    await task
                except asyncio.CancelledError:
                    pass
                try:
                    await until(lambda: left() == before)  # a drained connection
                except AssertionError:
                    eq(left(), before, what)
    started = []
    run(main(), 60)
    server.close()
    nothing_left()


def case_resolve():
    async def main():
        eq(await aio.resolve(HOST), HOST)
        await fails(ValueError, aio.resolve("a b"), "")
        nothing_left()
    run(main())


def case_modbus():
    registers = {0: 7, 1: 8, 2: 9}
    def device(c, ev, data):
        if ev == MG_EV_MODBUS_REQ:
            if data.address > 10:
                c.modbus_reply(error=2)
            elif data.func == 3:
                c.modbus_reply([registers[data.address + n] for n in range(data.count)])
            else:
                for n, value in enumerate(data.values):
                    registers[data.address + n] = value
                c.modbus_reply()
    async def body(port):
        async with aio.modbus.connect(url("modbus", port)) as c:
            eq(await c.read(3, 0, 3), (7, 8, 9))
            await c.write(16, 0, [1, 2])
            eq(await asyncio.gather(c.read(3, 0), c.read(3, 1)), [(1,), (2,)])
            await fails(Error, c.read(3, 100), "illegal address")
            await fails(ValueError, c.read(77, 0), "")
    run(served(device, body, "modbus", "modbus_listen"))


def case_mqtt():
    topics, got = {}, []
    def broker(c, ev, data):
        if ev == MG_EV_MQTT_CMD and data.cmd == MQTT_CMD_SUBSCRIBE:
            topics[c] = [topic for topic, _ in data.topics()]
        elif ev == MG_EV_MQTT_MSG:
            got.append(data.topic)
            for each in topics:
                if any(mqtt_match(topic, data.topic) for topic in topics[each]):
                    each.mqtt_pub(data.topic, data.data, 1)
    async def body(port):
        async with aio.MqttSession(url("mqtt", port), "me", retry_min=10) as s:
            eq(await s.subscribe("a/#", 1), 1)
            eq(s.connected, True)
            await s.publish("b", "acknowledged", 1)
            eq(got, ["b"])
            await s.publish("a/0", "none")
            for n in range(3):
                await s.publish("a/%d" % n, "m%d" % n, 2 if n else 1)
            seen = []
            async for message in s:
                seen.append((message.topic, message.text))
                if len(seen) == 4:
                    break
            eq(seen, [("a/0", "none"), ("a/0", "m0"), ("a/1", "m1"), ("a/2", "m2")])
            await fails(Error, s.recv(timeout=0.02), "timed out")
        await fails(Error, s.publish("x", "y"), "closed")
    run(served(broker, body, "mqtt", "mqtt_listen"))


def case_beside_other_tasks():
    # A blinking light beside a server and its clients.
    ticks = []
    async def blink():
        while True:
            ticks.append(1)
            await asyncio.sleep(0.01)
    async def handler(c, ev, data):
        if ev == MG_EV_READ and not c.is_client:
            text = c.recv()
            await asyncio.sleep(0.02)
            c.send(text)
    async def body(port):
        light = asyncio.create_task(blink())
        async def client(n):
            async with aio.connect(url("tcp", port)) as s:
                for _ in range(5):
                    await s.send("%d" % n)
                    eq(await s.recv(), b"%d" % n if not MICROPYTHON else str(n).encode())
        await asyncio.gather(client(1), client(2))
        assert len(ticks) > 5, ticks
        light.cancel()
    run(served(handler, body))


serve()
"""
)

CASES = [line[4:].split("(")[0] for line in SCRIPT.splitlines() if line.startswith("def case_")]


@pytest.mark.parametrize("case", CASES)
def test_async_clients(shared, target, case):
    script = shared(SCRIPT, size=target.size(400000, 20000), messages=target.size(500, 60))
    script.eval(f"{case}()", timeout=80)
