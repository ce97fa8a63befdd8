# SPDX-License-Identifier: GPL-2.0-only
"""App.run(): how it says where it serves, and how it ends."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from textwrap import dedent

import httpx
import pytest
from peers.clients import free_port, seconds
from websockets.sync.client import connect

APP = dedent("""
    from pymongoose.web import App

    app = App()

    @app.get("/")
    def index(request):
        return "served"

    @app.get("/late")
    async def late(request):
        import asyncio
        await asyncio.sleep(0)
        return "late"
    """)


@pytest.mark.needs("process")
@pytest.mark.parametrize("aio", [False, True], ids=["plain", "asyncio"])
def test_ctrl_c_gives_the_port_back(device, aio):
    running = device(
        APP
        + dedent("""
        for i in range(2):
            app.run(port=PARAMS["port"], aio=PARAMS["aio"])
            print("ENDED")
        eq(app.test_client().get("/late").text, "late")
        """),
        aio=aio,
        port=free_port(),
    )
    for _ in range(2):
        url = running.expect("Serving").split()[1]
        assert httpx.get(url, timeout=seconds()).text == "served"
        running.interrupt()
        running.expect("ENDED")
    running.finish()


@pytest.mark.needs("process", "fork")
def test_workers_end_with_their_parent(device):
    running = device(
        APP
        + dedent("""
        import os

        @app.get("/pid")
        def pid(request):
            return str(os.getpid())
        """)
        + "app.run(port=PARAMS['port'], workers=3)\n",
        port=free_port(),
    )
    url = running.expect("Serving").split()[1]
    pids = set()
    while len(pids) < 2:
        pids.add(int(httpx.get(url + "/pid", timeout=seconds()).text))
    assert running.pid not in pids
    running.signal(signal.SIGTERM)
    assert running.exit_code() == 128 + signal.SIGTERM
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.needs("process", "fork")
def test_workers_with_async_handlers(device):
    running = device(
        APP
        + dedent("""
        import asyncio
        import os

        both = asyncio.Event()
        waiting = 0

        @app.get("/pid")
        async def pid(request):
            await asyncio.sleep(0)
            return str(os.getpid())

        @app.get("/both")
        async def meet(request):
            global waiting
            waiting += 1
            if waiting == 2:
                both.set()
            await both.wait()
            return str(os.getpid())

        @app.get("/fails")
        async def fails(request):
            await asyncio.sleep(0)
            raise RuntimeError("of a worker")

        @app.ws("/echo")
        async def echo(request, ws):
            async for data in ws:
                await ws.send("%d %s" % (os.getpid(), data))
        """)
        + "app.run(port=PARAMS['port'], workers=2)\nprint('ENDED')\n",
        port=free_port(),
    )
    url = running.expect("Serving").split()[1]
    kept = {}  # by worker: connections to it
    while len(kept) < 2 or min(len(each) for each in kept.values()) < 2:
        c = httpx.Client(base_url=url, timeout=seconds())
        kept.setdefault(int(c.get("/pid").text), []).append(c)
    for pid, clients in kept.items():  # two requests wait for each other in one worker
        with ThreadPoolExecutor(2) as pool:
            assert {r.text for r in pool.map(lambda c: c.get("/both"), clients[:2])} == {str(pid)}
        assert clients[0].get("/fails").status_code == 500
        assert clients[0].get("/").text == "served"
    for each in kept.values():
        for c in each:
            c.close()
    with connect(url.replace("http", "ws") + "/echo") as ws:
        ws.send("hi")
        pid, text = ws.recv(seconds()).split()
        assert (int(pid) in kept, text) == (True, "hi")
    running.interrupt()
    running.expect("ENDED")
    for pid in kept:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert "of a worker" in running.console
