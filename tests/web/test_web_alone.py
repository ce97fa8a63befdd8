# SPDX-License-Identifier: GPL-2.0-only
"""pymongoose.web without a client of the host's: test_client(), registration, templates."""

from textwrap import dedent

IN_FOLDER = """
import os

folder = PARAMS["folder"]
if PARAMS["make"]:
    try:
        os.mkdir(folder)
    except OSError:
        pass
"""


def in_folder(device, folder, text):
    """Runs a script whose `folder` is there."""
    device(IN_FOLDER + dedent(text), folder=folder[0], make=folder[1]).finish()


# ---- Without sockets --------------------------------------------------------------------------------


def test_test_client(device):
    device(
        dedent("""
        from pymongoose.web import App, Response

        app = App(secret_key="k")

        @app.get("/")
        def index(request):
            return "hello"

        @app.post("/sum/<int:n>")
        def add(request, n):
            request.session["n"] = request.session.get("n", 0) + n
            return {"n": request.session["n"], "json": request.json if n == 2 else None, "form": request.form.get("a")}

        @app.get("/raise")
        def fails(request):
            raise ValueError("x")

        @app.ws("/ws")
        def ws(request, ws):
            ws.on_message = ws.send

        c = app.test_client()
        r = c.get("/")
        eq((r.status_code, r.text), (200, "hello"))
        eq(c.post("/sum/2", json=[1]).json, {"n": 2, "json": [1], "form": None})
        eq(c.post("/sum/3", data={"a": "b c"}).json["n"], 5)
        eq(c.get("/none").status_code, 404)
        eq(c.get("/sum/2").headers["allow"], "POST, OPTIONS")
        r = c.get("/raise")
        eq((r.status_code, type(r.exception)), (500, ValueError))
        w = c.ws("/ws")
        w.send("x")
        eq(w.receive(), "x")
        w.close()
        """)
    ).finish()


def test_headers(device):
    device(
        dedent("""
        from pymongoose.web import App, Response

        app = App()

        @app.get("/")
        def index(request):
            h = request.headers
            eq(h["x-a"], "1")
            eq((h.get("X-A"), h.get("X-None"), h.get("X-None", "d")), ("1", None, "d"))
            eq((h.getlist("x-b"), h["X-B"], "X-b" in h, "x-c" in h), (["1", "2"], "1", True, False))
            eq([pair for pair in h if pair[0] == "X-B"], [("X-B", "1"), ("X-B", "2")])
            eq((h(), h.items(), list(h)), (request.message.headers(),) * 3)
            eq([name for name in h.keys() if name == "X-A"], ["X-A"])
            eq(dict(h)["X-A"], "1")
            try:
                h["X-None"]
            except KeyError as e:
                eq(e.args, ("X-None",))
            else:
                raise AssertionError("it is there")
            response = Response("x", headers={"X-C": "1"})
            r = response.headers
            r["x-c"] = "2"
            r.append(("X-D", "1"))
            r += [("X-D", "2")]
            r.setdefault("x-d", "3")
            r.setdefault("X-E", "4")
            r.update({"X-F": "5"})
            r["X-G"] = "6"
            del r["x-g"]
            eq((r.pop("X-F"), r.pop("X-F", None)), ("5", None))
            eq((r[0][0], len(r), bool(r)), ("Content-Type", 5, True))
            eq(r == r.pairs and r == list(r) and r != [], True)
            try:
                del r["X-G"]
            except KeyError:
                return response

        @app.get("/own")
        def own(request):
            response = Response("x", 201)
            response.headers = {"X-Own": "1"}
            return response

        @app.get("/list/<int:status>")
        def of_list(request, status):
            response = Response("x", status, {"X-A": "1", "X-B": "2"})
            response.headers = [pair for pair in response.headers if pair[0] != "X-A"]
            response.set_header("X-C", "3")
            response.set_cookie("c", "4")
            return response

        @app.get("/pieces")
        def pieces(request):
            response = Response((piece for piece in ("a", "b")))
            response.headers = {"X-Own": "1"}
            return response

        @app.after_request
        def after(request, response):
            response.headers["X-After"] = request.headers.get("X-A", "nobody")

        c = app.test_client()
        r = c.get("/", headers=[("X-A", "1"), ("X-B", "1"), ("X-B", "2")])
        eq((r.status_code, r.exception), (200, None))
        eq(r.headers.items()[1:], [("x-c", "2"), ("X-D", "1"), ("X-D", "2"), ("X-E", "4"), ("X-After", "1")])
        eq((r.headers["X-C"], r.headers.getlist("x-d"), r.header("x-after")), ("2", ["1", "2"], "1"))
        eq(c.get("/own").headers["X-After"], "nobody")
        for status in 200, 204, 304:
            r = c.get("/list/%d" % status)
            eq(
                (r.status_code, r.headers.get("X-A"), r.headers["X-B"], r.headers["X-C"], "Set-Cookie" in r.headers),
                (status, None, "2", "3", True),
            )
        r = c.get("/pieces")
        eq((r.text, r.headers["X-Own"], r.headers["Transfer-Encoding"]), ("ab", "1", "chunked"))
        """)
    ).finish()


# ---- Registration -----------------------------------------------------------------------------------


def test_routes_that_cannot_be(device):
    device(
        dedent("""
        from pymongoose.web import App, CORS, HTTPError, RateLimit, Response, redirect

        app = App()
        handler = lambda request, **values: "x"

        def add(pattern, kind=ValueError, text="", methods=["GET"], f=handler):
            raises(kind, lambda: app.route(pattern, methods)(f), text=text)

        app.get("/a/<int:x>")(handler)
        add("/a/<int:y>", text="is taken")
        app.get("/a/<y>")(handler)  # less specific: looked at later
        app.route("/a/<int:y>", ["POST"])(handler)
        for pattern, text in (
            ("x", "begins with /"), ("", "begins with /"), ("/<a", "has no >"), ("/<a>-<b>", "two parameters"),
            ("/<path:p>/x", "follow"), ("/a?b", "stands in no path"), ("/a#", "stands in no path"),
            ("/<no:x>", "no converter no"), ("/<int:1x>", "no name"), ("/<>", "no name"), ("/<a>/<a>", "two"),
            ("/<re:x>", "is written"), ("/<re:(:x>", "no expression"), ("/../x", "take .. out"), ("/a b", "stands in no path"),
            ("/" + "/".join(["<a%d>" % i for i in range(9)]), "more than 8"),
        ):
            add(pattern, text=text)
        add(5, TypeError)
        add("/m", TypeError, "list", methods="GET")
        add("/m", text="method", methods=[])
        add("/m", text="no method", methods=["G T"])
        add("/m", TypeError, "function", f=5)
        raises(TypeError, app.before_request, None)
        raises(TypeError, app.errorhandler, "404")
        raises(ValueError, app.mount, "api", App())
        raises(TypeError, app.mount, "/api", 5)
        raises(ValueError, app.mount, "/x", app)
        sub = App()
        sub.get("/<int:z>")(handler)
        raises(ValueError, app.mount, "/a", sub, text="is taken")
        app.mount("/b", sub)
        raises(ValueError, app.mount, "/c", sub, text="mounted already")
        app.get("/b/later")(handler)
        raises(ValueError, lambda: sub.get("/later")(handler), text="is taken")
        raises(ValueError, CORS, app, "*", credentials=True)
        raises(ValueError, RateLimit, 0)
        raises(ValueError, HTTPError, 200)
        raises(ValueError, redirect, "/", 200)
        raises(ValueError, redirect, "/\\r\\nX: 1")
        raises(ValueError, Response().set_cookie, "", "x")
        raises(ValueError, Response().set_cookie, "a b", "x")
        raises(ValueError, Response().set_cookie, "a", "x", samesite="None")
        eq([r[:2] for r in app.routes], [
            (("GET",), "/b/later"), (("GET",), "/a/<int:x>"), (("POST",), "/a/<int:y>"),
            (("GET",), "/b/<int:z>"), (("GET",), "/a/<y>"),
        ])
        """)
    ).finish()


def test_templates(device, folder):
    in_folder(
        device,
        folder,
        """
        from pymongoose.web import App, raw, render, render_text
        from pymongoose.web.template import substitute

        eq(substitute("$a ${b}c $$5", {"a": "<x>", "b": 2}), "&lt;x&gt; 2c $5")
        eq(substitute("$a", {"a": raw("<x>")}), "<x>")
        raises(KeyError, substitute, "$a", {})
        for bad in ("$", "$ x", "${a", "$1"):
            raises(ValueError, substitute, bad, {"a": 1})
        with open(folder + "/t.html", "w") as f:
            f.write("<p>$name")
        r = render("t.html", folder=folder, name="A & B")
        eq((r.status, r.body, r.header("content-type")), (200, "<p>A &amp; B", "text/html; charset=utf-8"))
        raises(KeyError, render, "t.html", folder=folder, text="asks for name")
        raises(ValueError, render, "../t.html", folder=folder)

        app, part, other = App(templates=folder), App(), App(templates="/nowhere")

        @app.get("/")
        def index(request):
            return render("t.html", name="<you>")

        @app.get("/status")
        def status(request):
            return render("t.html", name=raw("<b>")), 201, {"X-A": "b"}

        @app.get("/missing")
        def missing(request):
            return render("t.html")

        @part.get("/")
        def in_part(request):
            return render("t.html", 202, name="part")

        @part.after_request
        def after(request, response):
            response.set_header("X-Length", str(len(response.body)))

        @other.get("/")
        def in_other(request):
            return render("t.html", name="other")

        app.mount("/part", part)
        app.mount("/other", other)
        c = app.test_client()
        r = c.get("/")
        eq((r.status_code, r.text, r.header("content-type")), (200, "<p>&lt;you&gt;", "text/html; charset=utf-8"))
        r = c.get("/status")
        eq((r.status_code, r.text, r.header("x-a")), (201, "<p><b>", "b"))
        r = c.get("/part/")
        eq((r.status_code, r.text, r.header("x-length")), (202, "<p>part", "7"))
        r = c.get("/missing")
        eq((r.status_code, type(r.exception)), (500, KeyError))
        r = c.get("/other/")
        eq((r.status_code, type(r.exception)), (500, FileNotFoundError if not MICROPYTHON else OSError))
        """,
    )


def test_jinja2(device, folder):
    in_folder(
        device,
        folder,
        """
        from pymongoose.web import App, render

        with open(folder + "/page.html.j2", "w") as f:
            f.write("<p>{{ name }}{% for x in xs %}<i>{{ x }}</i>{% endfor %}")
        app = App(templates=folder)

        @app.get("/<name>")
        def index(request, name):
            return render(name, 201, name="<you>", xs=[1, 2])

        c = app.test_client()
        r = c.get("/page.html.j2")
        if MICROPYTHON:
            eq((r.status_code, type(r.exception)), (500, RuntimeError))
            assert "needs Jinja2" in str(r.exception)
        else:
            eq((r.status_code, r.text), (201, "<p>&lt;you&gt;<i>1</i><i>2</i>"))
            eq(c.get("/none.j2").status_code, 500)
        """,
    )


def test_upload_is_saved_on_another_file_system(device, folder):
    in_folder(
        device,
        folder,
        """

        form = __import__("pymongoose.web.form", None, None, ["File"])
        came, kept = folder + "/came.bin", folder + "/saved.bin"
        data = b"0123456789" * 500
        with open(came, "wb") as f:
            f.write(data)
        rename, refused = form._rename, []

        def elsewhere(path, to):
            if path == came:
                refused.append(1)
                raise OSError(18)  # EXDEV
            rename(path, to)

        form._rename = elsewhere
        file = form.File("f", "came.bin", "", None, came)
        raises(OSError, file.save, folder + "/there/is/none")
        eq(file.kept, False)
        file.save(kept)
        eq((len(refused), file.kept, file.path, file.size, file.read() == data), (2, True, kept, 5000, True))
        eq([name for name in os.listdir(folder) if name.startswith(("came", "saved"))], ["saved.bin"])
        """,
    )


def test_an_app_without_hooks(device, folder):
    in_folder(
        device,
        folder,
        """
        from pymongoose.web import App, Response, send_file

        with open(folder + "/plain.txt", "w") as f:
            f.write("content")
        app, part = App(), App()
        app.static("/static", folder)
        part.static("/files", folder)
        app.mount("/part", part)

        @app.get("/route/<int:n>")
        def route(request, n):
            return request.route.text

        @app.get("/file")
        def file(request):
            return send_file(folder + "/plain.txt", headers={"X-Said": request.args["said"]})

        @app.get("/expires")
        def expires(request):
            response = Response("x")
            response.set_cookie("a", "b", expires=request.args["at"])
            return response

        c = app.test_client()
        for path in ("/static/plain.txt", "/part/files/plain.txt"):
            r = c.get(path)
            eq((r.status_code, r.text), (200, "content"), path)
        eq(c.get("/route/7").text, "/route/<int:n>")
        eq(c.get("/file", params={"said": "a b"}).header("X-Said"), "a b")
        for path, params in (
            ("/file", {"said": "a\\r\\nX-Evil: 1"}),
            ("/file", {"said": "a\\nX-Evil: 1"}),
            ("/expires", {"at": "x; Domain=evil"}),
        ):
            r = c.get(path, params=params)
            eq((r.status_code, r.header("X-Evil"), r.header("Set-Cookie")), (500, None, None))
            eq(type(r.exception), ValueError)

        @app.get("/object")
        def keeps(request):
            request.session["it"] = object()
            return "x"

        @app.get("/numbers")
        def numbers(request):
            return (n for n in (1, 2))

        app.secret_keys = ["k"]
        r = c.get("/object")
        eq((r.status_code, r.header("Set-Cookie"), type(r.exception)), (500, None, TypeError))
        eq(type(c.get("/numbers").exception), TypeError)

        m = Manager()
        app.attach(m, url("http"))
        m.close()
        app.get("/later")(route)  # its listeners may be gone
        """,
    )
