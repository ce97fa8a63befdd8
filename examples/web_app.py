# SPDX-License-Identifier: GPL-2.0-only
"""A guest book with logins, forms and files: web_app.py [PORT]. Log in as ada, password: lovelace."""

import os
import sys

from pymongoose import base64_encode, compare_digest, sha256
from pymongoose.web import CSRF, App, RateLimit, Response, abort, redirect
from pymongoose.web.template import escape

# A program of its own keeps the key in a file: with a new one at each start all are logged out.
app = App(secret_key=os.urandom(32), content_type="text/html; charset=utf-8")
CSRF(app)
SALT = b"guestbook:"
users = {"ada": sha256(SALT + b"lovelace")}
entries = []
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>%s</title>
<h1>%s</h1>%s"""


def page(request, title, body):
    said = request.session.pop("flash", None)
    note = "<p><b>%s</b></p>" % escape(said) if said else ""
    return PAGE % (escape(title), escape(title), note + body)


def form(request, action, fields, button):
    return (
        '<form method="post" action="%s" enctype="multipart/form-data">'
        '<input type="hidden" name="csrf_token" value="%s">%s<button>%s</button></form>'
    ) % (action, request.csrf_token, fields, button)


def logged_in(f):
    def guarded(request, **values):
        if "user" not in request.session:
            request.session["flash"] = "Log in first."
            return redirect("/login", 303)
        return f(request, **values)

    return guarded


@app.get("/")
def index(request):
    rows = ""
    for i, (user, text, picture) in enumerate(entries):
        link = ' (<a href="/pictures/%d">file</a>)' % i if picture else ""
        rows += "<li>%s: %s%s</li>" % (escape(user), escape(text), link)
    if "user" in request.session:
        fields = '<input name="text" required><input type="file" name="picture">'
        more = form(request, "/entries", fields, "Sign")
        more += form(request, "/logout", "", "Log out " + escape(request.session["user"]))
    else:
        more = '<a href="/login">Log in</a>'
    return page(request, "Guest book", "<ul>%s</ul>%s" % (rows, more))


@app.get("/login")
def login_form(request):
    fields = '<input name="name"><input type="password" name="password">'
    return page(request, "Log in", form(request, "/login", fields, "Log in"))


@app.post("/login")
@RateLimit(10, per=60)
def login(request):
    name = request.form["name"]
    given = sha256(SALT + request.form["password"].encode())
    if not compare_digest(given, users.get(name, bytes(len(given)))):
        request.session["flash"] = "Wrong name or password."
        return redirect("/login", 303)
    request.session["user"] = name
    return redirect("/", 303)


@app.post("/logout")
def logout(request):
    request.session.clear()
    return redirect("/", 303)


@app.post("/entries")
@logged_in
def sign(request):
    picture = request.files.get("picture")
    kept = (picture.filename, picture.read()) if picture else None
    entries.append((request.session["user"], request.form["text"], kept))
    request.session["flash"] = "Thank you."
    return redirect("/", 303)


@app.get("/pictures/<int:i>")
def picture(request, i):
    if not 0 <= i < len(entries) or entries[i][2] is None:
        abort(404)
    name, data = entries[i][2]
    head = 'attachment; filename="%s"' % base64_encode(name.encode()).rstrip("=")
    return Response(data, headers={"Content-Disposition": head})


@app.errorhandler(404)
def missing(request, error):
    return page(request, "Not found", '<a href="/">Home</a>')


if __name__ == "__main__":
    app.run(port=int(sys.argv[1]) if len(sys.argv) > 1 else 8000)
