# SPDX-License-Identifier: GPL-2.0-only
"""The application that the tests of pymongoose.web ask, as source text of a device."""

APP = r"""
import os
from pymongoose.web import (
    App, BasicAuth, BearerAuth, CORS, CSRF, HTTPError, RateLimit, Response, abort, redirect, send_file,
)

errors = []
log = []
app = App(secret_key=["new key", "old key"], uploads=FOLDER)

@app.get("/")
def index(request):
    return "hello"

@app.get("/users/<int:id>")
def user(request, id):
    return {"id": id, "type": type(id).__name__}

@app.get("/pairs/<a>/<float:b>")
def pairs(request, b, a):  # in another order
    return [a, b]

@app.get("/files/<path:rest>")
def files(request, rest):
    return rest

@app.get("/code/<re:[a-c]+:code>.txt")
def code(request, code):
    return code

@app.get("/code/<other>.txt")
def other_code(request, other):
    return "other " + other

@app.route("/any", methods=["GET", "post"])
def either(request):
    return request.method + " " + request.path

@app.put("/thing")
def put(request):
    return "put", 201

@app.delete("/thing")
def delete(request):
    return "", 204

@app.patch("/thing")
def patch(request):
    return b"\x00\xff", {"X-Kind": "patch"}

@app.get("/m\u00fc")
def umlaut(request):
    return "m\u00fc"

@app.post("/json")
def json_(request):
    return {"got": request.json}

@app.get("/args")
def args(request):
    a = request.args
    return {"one": a.get("a"), "all": a.getlist("a"), "n": a.get("n", 7, type=int), "names": a.keys(),
            "has": "a" in a, "client": request.client[0] != "", "app": request.app is app}

@app.get("/need")
def need(request):
    return request.args["wanted"]

@app.post("/form")
def form(request):
    return {"fields": request.form.items(),
            "files": [[n, f.filename, f.size, f.read().decode()] for n, f in request.files.items()]}

@app.post("/upload", upload=True, max_size=300000)
def upload(request):
    f = request.files["f"]
    log.append(f.path)
    if request.form.get("keep"):
        f.save(FOLDER + "/kept.bin")
    return {"size": f.size, "name": f.filename, "note": request.form.get("note")}

@app.get("/cookies")
def cookies(request):
    r = Response(str(sorted(request.cookies.items())))
    r.set_cookie("plain", "1")
    r.set_cookie("long", "2", max_age=60, path="/a", secure=True, samesite="None", httponly=False)
    r.delete_cookie("gone")
    return r

@app.get("/badcookie")
def bad_cookie(request):
    r = Response("x")
    try:
        r.set_cookie("a", request.args["v"])
    except ValueError as e:
        return str(e), 400
    return r

@app.get("/count")
def count(request):
    request.session["n"] = request.session.get("n", 0) + 1
    return str(request.session["n"])

@app.get("/forget")
def forget(request):
    request.session.clear()
    return "forgotten"

@app.get("/redirect")
def moved(request):
    return redirect("/users/1")

@app.get("/abort/<int:status>")
def aborted(request, status):
    abort(status, request.args.get("text"))

@app.get("/raise")
def raises(request):
    raise RuntimeError("secret detail")

@app.get("/value")
def value_error(request):
    int("x")

@app.errorhandler(ValueError)
def on_value(request, e):
    return "value error", 422

@app.errorhandler(410)
def on_gone(request, e):
    return "gone: " + e.message

@app.get("/none")
def none(request):
    pass

@app.get("/object")
def no_answer(request):
    return object()

@app.get("/gen")
def gen(request):
    def pieces():
        for i in range(request.args.get("n", 3, type=int)):
            yield "piece %d\n" % i
        if request.path != "/gen":  # the request lives as long as its answer
            errors.append(ValueError(request.path))
    return pieces()

@app.get("/genfail")
def gen_fail(request):
    def pieces():
        if request_args["at"] == 0:
            raise RuntimeError("at once")
        yield "begun"
        raise RuntimeError("in the middle")
    request_args = {"at": request.args.get("at", 1, type=int)}
    return pieces()

@app.get("/plain")
def plain(request):
    return "text", {"Content-Type": "text/plain"}

@app.get("/badheader")
def bad_header(request):
    return "x", {"X-A": "a\r\nX-B: c"}

@app.get("/bigsession")
def big_session(request):
    request.session["x"] = "y" * 4000
    return "x"

@app.get("/file")
def file(request):
    return send_file(FOLDER + "/web.txt", download="m\u00fc 1.txt")

app.static("/static", FOLDER)

@app.ws("/echo/<name>")
def echo(request, ws, name):
    def on_message(data):
        log.append(("message", data))
        ws.send(data if data != "bye" else {"name": name})
    ws.on_message = on_message
    ws.on_close = lambda code, reason: log.append(("close", code, reason))

@app.sse("/events")
def events(request, stream):
    stream.send("one\ntwo", event="tick", id="1")
    stream.send({"a": 1})
    stream.on_close = lambda: log.append(("gone",))
    log.append(stream)

@app.sse("/ticks")
def ticks(request, events):
    for i in range(2):
        yield "tick", i
    yield "last"

@app.sse("/endless")
def endless(request, events):
    events.on_close = lambda: log.append("left")
    while True:
        yield "x" * 1000

# ---- below /api: hooks -------------------------------------------------------------------------------

api = App()

@api.before_request
def before(request):
    request.who = request.header("X-Who", "nobody")
    if request.who == "stranger":
        return "no strangers", 403

@api.after_request
def after(request, response):
    response.headers.append(("X-After", request.who))

@api.get("/who")
def who(request):
    request.g.seen = 1
    return "%s %d" % (request.who, request.g.seen)

@api.get("/break")
def breaks(request):
    raise KeyError("x")

@api.errorhandler(KeyError)
def on_key(request, e):
    return {"error": "key"}, 409

app.mount("/api", api)

# ---- auth ----------------------------------------------------------------------------------------------

auth = BasicAuth(lambda request, name, password: name == "ada" and password == "p\u00e4ss")
token = BearerAuth(lambda request, token: "user-" + token if token == "t0k" else None)

@app.get("/private")
@auth
def private(request):
    return "for " + request.user

@app.get("/token")
@token
def with_token(request):
    return request.user

@app.get("/limited")
@RateLimit(2, 60)
def limited(request):
    return "ok"

guarded = App(secret_key="k")
csrf = CSRF(guarded)
CORS(guarded, ["https://a.example"], credentials=True, max_age=60)

@guarded.get("/token")
def csrf_token(request):
    return request.csrf_token

@guarded.post("/change")
def change(request):
    return "changed"

@guarded.post("/hook")
@csrf.exempt
def hook(request):
    return "hooked"

with open(FOLDER + "/web.txt", "w") as f:
    f.write("a file\n")
m = Manager(error_handler=errors.append, max_body=20000)
announce("PORT", app.attach(m, url("http")))
announce("GUARDED", guarded.attach(m, url("http")))
"""
