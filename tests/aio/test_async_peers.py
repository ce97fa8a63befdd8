# SPDX-License-Identifier: GPL-2.0-only
"""Async handlers asked by httpx, aiohttp and websockets; async clients against websockets and mosquitto."""

import asyncio
import threading

import aiohttp
import httpx
from async_script import BEGIN
from peers.mqtt_peers import Broker
from websockets.sync.client import connect
from websockets.sync.server import serve

SERVER = (
    BEGIN
    + r"""
async def handler(c, ev, data):
    if ev == MG_EV_HTTP_MSG:
        await asyncio.sleep(0.005)
        if data.uri == "/ws":
            c.ws_upgrade(data)
        elif data.uri == "/stop":
            c.reply(200)
            stop.append(1)
        else:
            c.reply(200, data.method + " " + data.uri + " " + data.body_text)
    elif ev == MG_EV_WS_MSG:
        await asyncio.sleep(0)
        c.ws_send(data.data, data.flags)


async def main():
    async with aio.AsyncManager(handler) as am:
        announce("PORT", am.listen(url("http")))
        await until(lambda: stop, 60000)
        await asyncio.sleep(0.05)


stop = []
asyncio.run(main())
"""
)


def test_a_server(device, target):
    server = device(SERVER)
    host, port = server.reach(server.port())
    base = f"http://{host}:{port}"
    with httpx.Client(base_url=base) as client:
        for n in range(5):
            answer = client.post(f"/h{n}", content=f"body {n}")
            assert (answer.status_code, answer.text) == (200, f"POST /h{n} body {n}")

    async def by_aiohttp():
        async with aiohttp.ClientSession() as session:
            for n in range(3):
                async with session.put(f"{base}/a{n}", data="x") as answer:
                    assert await answer.text() == f"PUT /a{n} x"
            async with session.ws_connect(f"ws://{host}:{port}/ws") as ws:
                await ws.send_str("from aiohttp")
                assert (await ws.receive()).data == "from aiohttp"

    asyncio.run(by_aiohttp())
    with connect(f"ws://{host}:{port}/ws") as ws:
        for word in ("one", "two", b"\x00\x03"):
            ws.send(word)
        assert [ws.recv(), ws.recv(), ws.recv()] == ["one", "two", b"\x00\x03"]
    httpx.get(f"{base}/stop")


CLIENT = (
    BEGIN
    + r"""
def websocket(port):
    async def main():
        got = []
        async with aio.ws_connect(peer("ws", port), protocols=["chat"]) as ws:
            for word in ("one", "two"):
                await ws.send(word)
                got.append(await ws.recv())
            await ws.send("end")
            async for message in ws:
                got.append(message)
        return got, ws.protocol, ws.close_code, ws.close_reason
    result = run(main())
    nothing_left()
    return result


def mosquitto(port):
    async def main():
        got = []
        async with aio.MqttSession(peer("mqtt", port), "aio-" + TARGET, clean_session=True) as s:
            await s.subscribe("t/#", 2)
            for qos in range(3):
                await s.publish("t/%d" % qos, "message %d" % qos, qos)
            async for message in s:
                got.append((message.topic, message.text, message.qos))
                if len(got) == 3:
                    break
        return got
    result = run(main())
    nothing_left()
    return result


serve()
"""
)


def test_a_websocket_of_the_library(shared):
    def talk(ws):
        for message in ws:
            if message == "end":
                ws.send("last")
                ws.close(4000, "over")
            else:
                ws.send(message)

    with serve(talk, "127.0.0.1", 0, subprotocols=["chat"]) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        port = server.socket.getsockname()[1]
        result = shared(CLIENT).eval(f"websocket({port})", timeout=40)
        server.shutdown()
    assert result == (["one", "two", "last"], "chat", 4000, "over")


def test_a_session_with_mosquitto(shared, tmp_path):
    broker = Broker(tmp_path)
    try:
        got = shared(CLIENT).eval(f"mosquitto({broker.port})", timeout=40)
    finally:
        broker.stop()
    assert got == [(f"t/{qos}", f"message {qos}", qos) for qos in range(3)]
