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
                    async with aio.request("GET", url("http", port)) as r:
                        eq(r.status, 500)
                except Error:
                    pass

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
            eq((app._attached, app._runner), ((), None))
            with Manager() as m:
                port = port_of(m.listen(url("tcp")))
                try:
                    await app.serve(HOST, port)
                    raise AssertionError("a port that is taken")
                except Error:
                    pass
            eq((app._attached, app._runner), ((), None))

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
        def fail():  # a handler that is done within send() raises there
            w.send("raise")
            w.receive()
        raises(ValueError, fail)
        eq(w.close_code, 1011)
        w.close()
        eq(c.get("/late/4").json, {"n": 4})
        """)
    ).finish()


def test_outside_of_a_task_it_is_an_error(device):
    device(
        dedent("""
        import sys
        from pymongoose.web import App

        # Before anybody has imported asyncio.
        plain, errors, answers = App(), [], []

        @plain.get("/")
        async def imports(request):
            import asyncio
            await asyncio.sleep(0.01)

        def client(c, ev, data):
            if ev == MG_EV_HTTP_MSG:
                answers.append(data.status())

        m = Manager(error_handler=errors.append)
        port = port_of(plain.attach(m, url("http")))
        m.connect(url("http", port), client).http_request("GET", "/")
        poll_until(m, lambda: answers)
        eq((answers, [type(e) for e in errors]), ([500], [TypeError]))

        import asyncio
        from pymongoose import aio

        # A Manager that a task polls: the task itself must not be queued.
        async def polls():
            m.connect(url("http", port), client).http_request("GET", "/")
            while len(answers) < 2:
                m.poll(0)
                await asyncio.sleep(0.001)
            for _ in range(5):
                await asyncio.sleep(0.005)

        asyncio.run(polls())
        eq(answers, [500, 500])
        m.close()

        app, sockets, found = App(), [], []

        @app.get("/")
        async def index(request):
            await asyncio.sleep(0)
            return "x"

        @app.ws("/ws")
        async def ws(request, ws):
            sockets.append(ws)
            async for data in ws:
                pass

        c = app.test_client()
        opened = c.ws("/ws")
        raises(Error, sockets[0].receive().send, None, text="no event loop runs")
        opened.close()

        async def inside():
            raises(Error, c.get, "/", text="outside of a coroutine")
            raises(Error, lambda: app.run(port=0, aio=True), text="await app.serve()")
            await asyncio.sleep(0.001)
            return "alive"

        eq(asyncio.run(inside()), "alive")
        eq(c.get("/").text, "x")

        # Driven by hand, by a handler that is none.
        async def by_hand():
            await aio.connect("tcp://127.0.0.1:1")

        def handler(c, ev, data):
            if ev == MG_EV_HTTP_MSG:
                made = by_hand()
                try:
                    made.send(None)
                except Error as e:
                    found.append(str(e))
                made.close()
                c.reply(200, "x")

        async def managed():
            async with aio.AsyncManager() as am:
                asked = []
                port = port_of(am.listen(url("http"), handler))
                c = am.connect(url("http", port), lambda c, ev, data: asked.append(ev))
                c.http_request("GET", "/")
                while MG_EV_HTTP_MSG not in asked:
                    await asyncio.sleep(0.002)

        asyncio.run(managed())
        if MICROPYTHON:  # (CPython's tasks know by themselves who is driven.)
            eq(["no event loop runs" in each for each in found], [True])
            asyncio.new_event_loop()
        """)
    ).finish()
