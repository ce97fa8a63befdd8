# SPDX-License-Identifier: GPL-2.0-only
"""pymongoose.web under asyncio, without a client of the host's."""

from textwrap import dedent

# ---- Without a server -------------------------------------------------------------------------------


def test_without_asyncio_it_is_an_error(device):
    device(
        dedent("""
        import asyncio
        from pymongoose.web import App

        app = App()

        @app.get("/now")
        async def now(request):
            return "x"

        @app.get("/late")
        async def late(request):
            await asyncio.sleep(0)
            return "x"

        @app.get("/sync")
        def sync(request):
            return "sync"

        @app.sse("/events")
        async def events(request, events):
            await events.send("x")

        errors, answers = [], []

        def client(c, ev, data):
            if ev == MG_EV_HTTP_MSG:
                answers.append((data.status(), data.body_text))
            elif ev == MG_EV_CLOSE:
                answers.append("closed")

        m = Manager(error_handler=errors.append)
        port = port_of(app.attach(m, url("http")))
        for path in ("/now", "/late", "/sync", "/events"):
            c = m.connect(url("http", port), client)
            c.http_request("GET", path)
            poll_until(m, lambda: answers)
            c.close()
            poll_until(m, lambda: "closed" in answers)
            eq(answers[0], (200, "sync") if path == "/sync" else
                "closed" if path == "/events" and MICROPYTHON else (500, "Internal Server Error\\n"), path)
            del answers[:]
        eq([type(e) for e in errors], [TypeError] * 3)
        eq(["under asyncio" in str(e) for e in errors[:2]], [True] * 2)
        """)
    ).finish()


def test_serve_until_canceled(device):
    device(
        dedent("""
        import asyncio
        from pymongoose import aio
        from pymongoose.web import App

        app = App()
        hits = []

        @app.get("/")
        async def index(request):
            hits.append(1)
            await asyncio.sleep(60)

        async def main():
            task = asyncio.create_task(app.serve(HOST, 0))
            while not app._attached:
                await asyncio.sleep(0.002)
            port = port_of(app._attached[0])

            async def ask():
                try:
                    await aio.request("GET", url("http", port))
                except Error:
                    return
                raise AssertionError("an answer")

            asking = asyncio.create_task(ask())
            while not hits:
                await asyncio.sleep(0.002)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                hits.append(2)
            await asking
            eq(hits, [1, 2])
            eq(app._attached, [])

        async def nothing():
            await asyncio.sleep(0)

        asyncio.run(main())
        asyncio.run(nothing())  # MicroPython's collector takes what is left on the stack for pointers
        """)
    ).finish()


def test_test_client(device):
    device(
        dedent("""
        import asyncio
        from pymongoose.web import App

        app = App()

        @app.get("/late/<int:n>")
        async def late(request, n):
            await asyncio.sleep(0.001)
            return {"n": n}

        @app.get("/raise")
        async def fails(request):
            await asyncio.sleep(0)
            raise ValueError("x")

        @app.get("/pieces")
        async def pieces(request):
            yield "a"
            await asyncio.sleep(0)
            yield "b"

        @app.sse("/ticks")
        def ticks(request, events):
            yield "tick", 1
            yield "tick", 2

        @app.sse("/pushed")
        async def pushed(request, events):
            await events.send(1, event="tick")
            await asyncio.sleep(0)
            await events.send(2, event="tick")

        @app.ws("/ws")
        async def ws(request, ws):
            async for data in ws:
                await asyncio.sleep(0.002)
                if data == "raise":
                    raise ValueError("x")
                await ws.send(data)

        c = app.test_client()
        eq(c.get("/late/3").json, {"n": 3})
        r = c.get("/raise")
        eq((r.status_code, type(r.exception)), (500, ValueError))
        eq(c.get("/pieces").text, "ab")
        for path in ("/ticks", "/pushed"):
            r = c.get(path)
            eq((r.status_code, r.text, r.exception), (200, "event: tick\\ndata: 1\\n\\nevent: tick\\ndata: 2\\n\\n", None), path)
        w = c.ws("/ws")
        w.send("x")
        w.send("y")
        eq([w.receive(), w.receive()], ["x", "y"])
        w.send("raise")
        raises(ValueError, w.receive)
        eq(w.close_code, 1011)
        w.close()
        eq(c.get("/late/4").json, {"n": 4})
        """)
    ).finish()
