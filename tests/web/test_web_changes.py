# SPDX-License-Identifier: GPL-2.0-only
"""An App that changes while it serves: its routes, its attributes."""

from textwrap import dedent

import pytest
from peers.clients import Raw

APP = """
from pymongoose.web import App

top, apps = App(), {}

def more():
    # Ahead of all that is there, so that all have other numbers.
    top.get("/new%d" % len(top.routes))(lambda request: "new")

def make(name):
    app = App(templates=name)

    @app.errorhandler(Exception)
    def on_error(request, e):
        return name + " " + type(e).__name__, 400

    @app.get("/raise/<int:n>")
    def raises_(request, n):
        more()
        raise KeyError(n)

    @app.get("/wrong")
    def wrong(request):
        more()
        return 5

    @app.get("/route")
    def route(request):
        more()
        return request.route.text

    @app.get("/template")
    def template(request):
        more()
        return render("x")

    @app.post("/form", upload=True)
    def form(request):
        return name + " " + request.form["a"]

    top.mount("/" + name, app)
    return app

from pymongoose.web import render, template
template.render_text = lambda path, folder, **values: folder

for name in ("a", "b", "c"):
    apps[name] = make(name)
"""


def test_a_route_that_comes_while_a_handler_runs(device):
    """The request goes the way that it has begun, with the hooks of its own App."""
    device(
        APP
        + dedent("""
        c = top.test_client()

        def asked(path):
            r = c.get(path)
            return r.status_code, r.text

        for name in ("c", "a", "b"):
            eq(asked("/%s/raise/1" % name), (400, name + " KeyError"))
            eq(asked("/%s/wrong" % name), (400, name + " TypeError"))
            eq(asked("/%s/route" % name), (200, "/%s/route" % name))
            eq(asked("/%s/template" % name), (200, name))
        eq(len([1 for _, text, _ in top.routes if text.startswith("/new")]), 12)

        @top.before_request
        def hook(request):
            if request.uri == "/late" and "/late" not in [text for _, text, _ in top.routes]:
                top.get("/late")(lambda request: "late")

        eq([asked("/late") for _ in range(2)], [(404, "Not Found\\n"), (200, "late")])
        """)
    ).finish()


def test_a_route_that_comes_while_an_async_handler_waits(device):
    device(
        APP
        + dedent("""
        import asyncio

        b = apps["b"]

        @b.get("/later")
        async def later(request):
            await asyncio.sleep(0)
            more()
            return request.route.text

        @b.get("/nothing")
        async def nothing(request):
            await asyncio.sleep(0)
            more()

        c = top.test_client()
        eq(c.get("/b/later").text, "/b/later")
        r = c.get("/b/nothing")
        eq((r.status_code, r.text), (400, "b TypeError"))
        """)
    ).finish()


def test_a_route_that_comes_while_a_form_does(device):
    """Each connection goes on with the routes that its request came to."""
    server = device(
        APP
        + dedent("""
        @top.get("/more")
        def add(request):
            more()
            return "more"

        m = Manager()
        announce("PORT", top.attach(m, url("http")))
        serve(m)
        """)
    )
    body = b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\nvalue\r\n--B--\r\n'
    head = (
        "POST /b/form HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=B\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    address = server.reach(server.port())
    with Raw(address) as raw, Raw(address) as other:
        raw.send(head.encode() + body[:30])
        for _ in range(5):
            other.send(b"GET /more HTTP/1.1\r\nHost: x\r\n\r\n")
            assert other.recv_until(b"more").startswith(b"HTTP/1.1 200 ")
        raw.send(body[30:])
        assert raw.recv_until(b"b value").startswith(b"HTTP/1.1 200 ")


def test_attributes_count_from_then_on(device):
    device(
        dedent("""
        from pymongoose.web import App

        app = App()

        @app.get("/text")
        def text(request):
            return "text"

        @app.get("/pair")
        def pair(request):
            return "text", 201

        @app.get("/pieces")
        def pieces(request):
            return iter(["text"])

        @app.get("/count")
        def count(request):
            request.session["n"] = request.session.get("n", 0) + 1
            return str(request.session["n"])

        @app.ws("/ws")
        def ws(request, ws):
            pass

        def kinds(app):
            c = app.test_client()
            return {c.get(path).header("Content-Type") for path in ("/text", "/pair", "/pieces")}

        eq(kinds(app), {"text/html; charset=utf-8"})
        for kind in (None, "text/x-a", "", "text/x-b"):
            app.content_type = kind
            eq(app.content_type, kind)
            eq(kinds(app), {kind or None}, kind)  # (It is a server that says text/plain.)
        raises(TypeError, lambda: setattr(app, "content_type", 5), text="a content_type is")
        raises(TypeError, lambda: App(content_type=b"text/plain"), text="a content_type is")
        eq(kinds(app), {"text/x-b"})

        def joins(origin):
            got = app.test_client().ws("/ws", headers={"Origin": origin})
            if hasattr(got, "status_code"):
                return False
            got.close()
            return True

        eq(joins("https://a.example"), False)
        app.origins = "https://A.example"
        eq(app.origins, ("https://a.example",))
        eq([joins("https://" + host) for host in ("a.example", "a", "b.example")], [True, False, False])
        app.origins = ["https://b.example"]
        eq([joins("https://" + host) for host in ("a.example", "b.example")], [False, True])
        app.origins = "*"
        eq(joins("https://c.example"), True)
        raises(ValueError, lambda: setattr(app, "origins", "a.example"), text="an origin is")
        eq(app.origins, "*")

        c = app.test_client()
        eq(c.get("/count").status_code, 500)
        app.secret_keys = "key"
        eq(app.secret_keys, ("key",))
        eq([c.get("/count").text for _ in range(2)], ["1", "2"])
        app.secret_keys = ["new", "key"]  # the first signs, all verify
        eq(c.get("/count").text, "3")
        app.secret_keys = [b"new"]
        eq(c.get("/count").text, "4")
        app.secret_keys = "k"  # not what begins like a key
        eq(c.get("/count").text, "1")
        app.secret_keys = None
        eq((app.secret_keys, c.get("/count").status_code), ((), 500))
        """)
    ).finish()


@pytest.mark.parametrize("first", ["None", "lambda e: old.append(str(e))"])
def test_error_handler_of_a_running_server(device, first):
    device(
        dedent(f"""
        import asyncio
        from pymongoose import aio
        from pymongoose.web import App

        old, new = [], []
        app = App(error_handler={first})

        @app.get("/sync")
        def sync(request):
            raise ValueError("sync")

        @app.get("/async")
        async def later(request):
            await asyncio.sleep(0)
            raise ValueError("async")

        async def main():
            task = asyncio.create_task(app.serve(HOST, 0))
            while not app._attached:
                await asyncio.sleep(0.002)
            app.error_handler = lambda e: new.append(str(e))
            for path in ("/sync", "/async"):
                async with aio.request("GET", url("http", port_of(app._attached[0])) + path) as r:
                    eq(r.status, 500)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                pass
            eq((old, new), ([], ["sync", "async"]))

        async def nothing():
            await asyncio.sleep(0)

        asyncio.run(main())
        asyncio.run(nothing())  # MicroPython's collector takes what is left on the stack for pointers
        """)
    ).finish()
