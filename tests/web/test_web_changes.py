# SPDX-License-Identifier: GPL-2.0-only
"""An App that changes while it serves: its routes, its attributes."""

from textwrap import dedent

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
