# SPDX-License-Identifier: GPL-2.0-only
"""Rules that an App keeps by itself: methods of a path, answers without a body, whose WebSockets."""

from textwrap import dedent

import httpx
from peers.clients import seconds


def test_expressions_that_do_not_fit_are_no_path(device):
    device(
        dedent("""
        from pymongoose.web import App

        app = App()

        @app.get("/a/<re:[a-c]+:x>")
        def get(request, x):
            return "get " + x

        @app.post("/a/<re:[a-c]+:x>")
        def post(request, x):
            return "post " + x

        @app.post("/a/<re:[0-5]+:n>")
        def low(request, n):
            return "low " + n

        @app.get("/a/<int:n>")
        def number(request, n):
            return "number %d" % n

        @app.route("/b/<re:[x-z]:x>", ["PUT", "DELETE"])
        def other(request, x):
            return x

        c = app.test_client()

        def ask(method, path):
            r = c.request(method, path)
            return r.text if r.status_code == 200 else (r.status_code, r.header("Allow"))

        for method, path, wanted in (
            ("GET", "/a/ab", "get ab"),
            ("POST", "/a/ab", "post ab"),
            ("POST", "/a/45", "low 45"),
            ("GET", "/a/45", "number 45"),
            ("HEAD", "/a/45", ""),
            ("POST", "/a/78", (405, "GET, HEAD, OPTIONS")),
            ("PUT", "/a/45", (405, "POST, GET, HEAD, OPTIONS")),
            ("OPTIONS", "/a/45", (204, "POST, GET, HEAD, OPTIONS")),
            ("PUT", "/a/ab", (405, "GET, HEAD, POST, OPTIONS")),
            ("GET", "/a/xyz", (404, None)),
            ("PUT", "/a/xyz", (404, None)),
            ("OPTIONS", "/a/xyz", (404, None)),
            ("GET", "/b/a", (404, None)),
            ("PUT", "/b/a", (404, None)),
            ("GET", "/b/y", (405, "PUT, DELETE, OPTIONS")),
            ("DELETE", "/b/y", "y"),
            ("GET", "/a/ab%0A", (404, None)),
            ("GET", "/a/a%0Ab", (404, None)),
        ):
            eq(ask(method, path), wanted, (method, path))
        """)
    ).finish()


BODILESS = """
from pymongoose.web import App, Response

app = App()
ended = []

def pieces():
    try:
        yield "x"
    finally:
        ended.append(1)

answers = {
    "str": ("gone", 204), "dict": ({"a": 1}, 204), "empty": ("", 204), "none": (None, 204),
    "headers": (b"x", 304, {"ETag": '"1"', "Content-Length": "1"}),
}

@app.get("/<name>")
def index(request, name):
    if name == "response":
        return Response("x", 205)
    return (pieces(), 204) if name == "generator" else answers[name]

m = Manager()
announce("PORT", app.attach(m, url("http")))
serve(m)
"""


def test_routes_that_come_while_a_request_runs(device):
    device(
        dedent("""
        from _pymongoose import _Routes
        from pymongoose.web import App

        app = App()

        @app.before_request
        def once(request):
            if request.uri == "/new" and len(app.routes) == 1:
                app.get("/late")(lambda request: "late")

        @app.get("/")
        def index(request):
            return "index"

        c = app.test_client()
        eq([c.get(path).status_code for path in ("/", "/new", "/late", "/none")], [200, 404, 200, 404])
        raises((TypeError, ValueError), lambda: _Routes(app).set(b"", [], None, True))
        """)
    ).finish()


def test_statuses_that_have_no_body(device):
    server = device(BODILESS)
    wanted = [204, 304, 204, 204, 205, 204, 204]
    names = "str headers dict empty response generator none".split()
    with httpx.Client(
        base_url="http://{}:{}".format(*server.reach(server.port())), timeout=seconds(60)
    ) as c:
        for name, status in zip(names * 2, wanted * 2, strict=True):  # on one connection
            r = c.get("/" + name)
            assert (r.status_code, r.content, r.headers.get("Content-Type")) == (status, b"", None)
            assert r.headers.get("ETag") == ('"1"' if status == 304 else None)
            assert r.headers.get("Content-Length", "0") == "0"


def test_debug_tells_of_a_body_that_is_left_out(device):
    running = device(
        dedent("""
        from pymongoose.web import App

        app = App(debug=True)

        @app.get("/gone")
        def gone(request):
            return "text", 204

        @app.get("/empty")
        def empty(request):
            return "", 204

        c = app.test_client()
        eq(c.get("/empty").status_code, 204)
        eq(c.get("/gone").status_code, 204)
        """)
    )
    running.finish()
    assert "the body of /gone is left out, a 204 has none" in running.console
    assert "/empty" not in running.console


def test_whose_page_opens_a_websocket(device):
    device(
        dedent("""
        from pymongoose.web import App

        def handler(request, ws):
            ws.on_message = ws.send

        def status(app, origin, path="/ws", **headers):
            given = {key.replace("_", "-"): headers[key] for key in headers}
            if origin is not None:
                given["Origin"] = origin
            got = app.test_client().ws(path, headers=given)
            if hasattr(got, "status_code"):
                return got.status_code
            got.close()
            return 101

        plain, named, anyone, proxied = App(), App(origins="https://A.example"), App(), App(proxies=1)
        plain.ws("/ws")(handler)
        named.ws("/ws")(handler)
        named.ws("/one", origins=["https://b.example:8443", "null"])(handler)
        named.ws("/none", origins=())(handler)
        anyone.ws("/ws", origins="*")(handler)
        proxied.ws("/ws")(handler)

        for app, origin, wanted in (
            (plain, None, 101),  # no browser
            (plain, "http://localhost", 101),
            (plain, "https://LOCALHOST", 101),  # a proxy may have ended TLS
            (plain, "http://localhost:8080", 403),
            (plain, "http://localhost.evil.example", 403),
            (plain, "http://evil.example", 403),
            (plain, "null", 403),
            (plain, "", 403),
            (plain, "localhost", 403),
            (named, "https://a.example", 101),
            (named, "http://a.example", 403),
            (named, "http://localhost", 101),
            (anyone, "http://evil.example", 101),
            (anyone, "null", 101),
        ):
            eq(status(app, origin), wanted, origin)
        for path, origin, wanted in (
            ("/one", "https://b.example:8443", 101),
            ("/one", "null", 101),
            ("/one", "https://a.example", 403),
            ("/none", "https://a.example", 403),
            ("/none", "http://localhost", 101),
        ):
            eq(status(named, origin, path), wanted, (path, origin))
        eq(status(plain, "http://x.example:8080", Host="X.example:8080"), 101)
        eq(status(plain, "null", Host="ll"), 403)
        eq(status(plain, "http://shop.example", X_Forwarded_Host="shop.example"), 403)
        eq(status(proxied, "http://shop.example", X_Forwarded_Host="shop.example"), 101)

        part, whole = App(), App(origins=["https://a.example"])
        part.ws("/ws")(handler)
        whole.mount("/part", part)
        eq(status(whole, "https://a.example", "/part/ws"), 101)
        eq(status(whole, "https://c.example", "/part/ws"), 403)
        for bad in ("a.example", "https://a.example/", "//a.example", ["https://"]):
            raises(ValueError, lambda: App(origins=bad), text="an origin is")
            raises(ValueError, lambda: App().ws("/", origins=bad), text="an origin is")
        """)
    ).finish()


def test_error_handlers_keep_what_the_error_says(device):
    device(
        dedent("""
        from pymongoose.web import App, BasicAuth, RateLimit, Response

        app = App()

        @app.get("/")
        def index(request):
            return "x"

        @app.get("/me")
        @BasicAuth(lambda request, name, password: False)
        def me(request):
            return "x"

        @app.get("/few")
        @RateLimit(1)
        def few(request):
            return "x"

        @app.errorhandler(405)
        def on_405(request, e):
            return {"error": e.message}

        @app.errorhandler(429)
        def on_429(request, e):
            return "later", 429, {"Retry-After": "5"}

        @app.errorhandler(Exception)
        def on_any(request, e):
            return "error", getattr(e, "status", 500)

        c = app.test_client()
        r = c.post("/")
        eq((r.status_code, r.json, r.header("Allow")), (405, {"error": "Method Not Allowed"}, "GET, HEAD, OPTIONS"))
        eq(c.get("/me").header("WWW-Authenticate"), 'Basic realm="Login", charset="UTF-8"')
        eq([c.get("/few").status_code for _ in range(2)], [200, 429])
        eq(c.get("/few").header_list.count(("Retry-After", "5")), 1)

        @app.errorhandler(401)
        def on_401(request, e):
            return "", 303, {"Location": "/login"}

        r = c.get("/me")
        eq((r.status_code, r.header("WWW-Authenticate")), (303, None))
        """)
    ).finish()


def test_the_closest_error_handler_answers(device):
    device(
        dedent("""
        from pymongoose.web import App, HTTPError, abort

        def asked(app, path):
            r = app.test_client().get(path)
            return r.status_code, r.text, type(r.exception)

        def make(*kinds):
            app = App()

            @app.get("/<what>")
            def index(request, what):
                if what == "key":
                    {}["x"]
                if what == "zero":
                    1 // 0
                if what == "type":
                    None()
                abort(int(what))

            for n, what in enumerate(kinds):
                app.errorhandler(what)(lambda request, e, n=n: ("%d" % n, 400))
            return app

        none = type(None)
        app = make(Exception, LookupError, 404, KeyError, HTTPError, 500, LookupError)
        for path, wanted in (
            ("/key", "3"), ("/zero", "0"), ("/type", "0"), ("/404", "2"), ("/409", "4"), ("/500", "5"),
        ):
            eq(asked(app, path), (400, wanted, none if path != "/500" else HTTPError), path)
        app = make(LookupError, 500, ArithmeticError, LookupError)
        eq(asked(app, "/key")[1], "3")  # the latest of equals
        eq(asked(app, "/zero")[1], "2")
        eq(asked(app, "/type"), (400, "1", TypeError))  # the client is told, and the log
        eq(asked(app, "/404"), (404, "Not Found\\n", none))
        """)
    ).finish()
