# SPDX-License-Identifier: GPL-2.0-only
"""App.run(): how it says where it serves, and how it ends."""

import os
import signal
from textwrap import dedent

import httpx
import pytest
from peers.clients import free_port, seconds

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
