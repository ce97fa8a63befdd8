# SPDX-License-Identifier: GPL-2.0-only
"""A page of an App in Chromium: forms, cookies, a session, an upload, events and WebSockets."""

import hashlib

import pytest
from peers import browser as browsers
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.file_detector import UselessFileDetector

SCRIPT = r"""
import hashlib
import os

FOLDER = PARAMS["folder"]
if PARAMS["make"]:
    try:
        os.mkdir(FOLDER)
    except OSError:
        pass

from pymongoose.web import App, CSRF, Response, redirect
from pymongoose.web.template import escape

PAGE = (
    "<!doctype html><meta charset=utf-8><link rel=icon href=data:,><p id=visits>%d</p><p id=seen>%s</p>"
    "<form method=post action=/note><input type=hidden name=csrf_token value='%s'><input name=text id=text>"
    "<input type=checkbox name=tag value=a checked><input type=checkbox name=tag value='b&amp;c' checked>"
    "<button id=send>Send</button></form><p id=notes>%s</p>"
    "<form method=post action=/photo enctype=multipart/form-data><input name=about value='\u00fc &quot;x&quot;'>"
    "<input type=file name=photo id=photo><input type=file name=other><button id=upload>Upload</button></form>"
    "<p id=ticks></p><p id=said></p><script>"
    "const add = (id, text) => document.getElementById(id).append(text + ';');"
    "const events = new EventSource('/ticks');"
    "events.addEventListener('tick', e => add('ticks', e.lastEventId + '=' + JSON.parse(e.data).n));"
    "const ws = new WebSocket('ws://' + (new URLSearchParams(location.search).get('at') || location.host) + '/echo');"
    "ws.binaryType = 'arraybuffer';"
    "ws.onopen = () => { ws.send('\u00fc'); ws.send(new Uint8Array([0, 255])); };"
    "ws.onmessage = e => add('said', typeof e.data == 'string' ? e.data : new Uint8Array(e.data).join());"
    "ws.onclose = e => add('said', e.code + e.reason);</script>"
)
errors, notes, photos, streams, sockets, resumed = [], [], [], [], [], []
app = App(secret_key="k", uploads=FOLDER)
csrf = CSRF(app)

@app.get("/")
def page(request):
    session = request.session
    session["visits"] = session.get("visits", 0) + 1
    response = Response(PAGE % (
        session["visits"], request.cookies.get("seen", "never"), request.csrf_token, escape(" ".join(notes))))
    response.set_cookie("seen", "before", max_age=60)
    response.set_cookie("open", "1", httponly=False)
    return response

@app.get("/favicon.ico")  # a browser asks for it at some time, where a page names none
def icon(request):
    return Response("", 204)

@app.post("/note")
def note(request):
    notes.append("%s %s" % (request.form["text"], request.form.getlist("tag")))
    return redirect("/", 303)

@app.post("/photo", upload=True)
@csrf.exempt
def photo(request):
    file = request.files["photo"]
    digest = hashlib.sha256(file.read()).digest()
    photos.append((file.filename, file.size, digest, request.form["about"], request.files.getlist("other")))
    return "<link rel=icon href=data:,><p id=done>%d" % file.size

@app.sse("/ticks")
def ticks(request, events):
    resumed.append(request.header("Last-Event-ID"))
    streams.append(events)
    events.send({"n": len(streams)}, event="tick", id=str(len(streams)), retry=50)

@app.ws("/echo")
def echo(request, ws):
    ws.on_message = ws.send
    sockets.append((ws, request.session.get("visits")))

m = Manager(error_handler=errors.append)
announce("PORT", app.attach(m, url("http")))
announce("ELSEWHERE", app.attach(m, url("http")))
serve(m)
"""


@pytest.fixture
def server(device, folder):
    running = device(SCRIPT, folder=folder[0], make=folder[1])
    running.expect("SERVING")
    return running


def text(browser, name):
    """Of an element; in one step, for the page may be about to change."""
    return browser.run(f"document.getElementById('{name}')?.textContent")


@pytest.mark.timeout(600)
def test_a_page_in_a_browser(server, target, tmp_path):
    host, port = server.reach(server.port())
    data = bytes(range(256)) * target.size(1000, 40)
    (tmp_path / "photo 1.bin").write_bytes(data)
    with browsers.started(tmp_path / "browser") as browser:
        browser.get(f"http://{host}:{port}/")
        assert (text(browser, "visits"), text(browser, "seen")) == ("1", "never")
        said = "ü;0,255;"
        browser.until(lambda: text(browser, "said") == said, "the WebSocket answers")
        browser.until(lambda: text(browser, "ticks") == "1=1;", "an event has come")
        # Cookies: a script sees the one that says so, and no page of another site brings them along.
        assert browser.run("document.cookie") == "open=1"
        kept = {each["name"]: each for each in browser.get_cookies()}
        assert sorted(kept) == ["open", "seen", "session"]
        assert {each["sameSite"] for each in kept.values()} == {"Lax"}
        assert [kept[name]["httpOnly"] for name in sorted(kept)] == [False, True, True]
        # The session came along with the handshake.
        assert server.eval("[visits for _, visits in sockets]") == [1]

        # Events: one later, and after its end the stream is taken up where it was.
        server.exec('streams[0].send({"n": 7}, event="tick", id="x")')
        browser.until(lambda: text(browser, "ticks") == "1=1;x=7;", "an event of later")
        server.exec("streams[0].close()")
        browser.until(lambda: text(browser, "ticks") == "1=1;x=7;2=2;", "the stream is back")
        assert server.eval("resumed") == [None, "x"]

        server.exec('sockets[0][0].close(4001, "enough")')
        browser.until(
            lambda: text(browser, "said") == said + "4001enough;", "the WebSocket has ended"
        )

        # A form, with its token.
        browser.find_element(By.ID, "text").send_keys("<i> & ü")
        browser.find_element(By.ID, "send").click()
        browser.until(lambda: text(browser, "visits") == "2", "the form was taken")
        assert text(browser, "seen") == "before"
        assert text(browser, "notes") == "<i> & ü ['a', 'b&c']"
        assert browser.errors() == []
        browser.execute_script("document.querySelector('[name=csrf_token]').value = 'forged'")
        browser.find_element(By.ID, "send").click()
        browser.until(
            lambda: "csrf_token" in (browser.run("document.body?.innerText") or ""), "refused"
        )
        assert len(server.eval("notes")) == 1
        browser.until(browser.errors, "its console tells of the 403")

        # A file, in pieces.
        browser.get(f"http://{host}:{port}/")
        browser.file_detector = UselessFileDetector()  # it lies on this computer
        browser.find_element(By.ID, "photo").send_keys(str(tmp_path / "photo 1.bin"))
        browser.find_element(By.ID, "upload").click()
        browser.until(lambda: text(browser, "done"), "the file was taken")
        digest = hashlib.sha256(data).digest()
        assert server.eval("photos") == [("photo 1.bin", len(data), digest, 'ü "x"', [])]
        assert server.eval("len([n for n in os.listdir(FOLDER) if n.startswith('upload-')])") == 0
        assert browser.errors() == []

        # The page of another site (its port is another) opens no WebSocket here.
        there, other = server.reach(server.port("ELSEWHERE"))
        before = server.eval("len(sockets)")
        browser.get(f"http://{there}:{other}/?at={host}:{port}")
        browser.until(lambda: text(browser, "said") == "1006;", "the WebSocket was refused")
        assert server.eval("len(sockets)") == before
        browser.get("about:blank")
    assert server.eval("[repr(e) for e in errors]") == []
