# SPDX-License-Identifier: GPL-2.0-only
"""A plain <form> of a browser, with a file, up to the program: what is read is what a person put in."""

import hashlib

import pytest
from peers import browser as browsers
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.file_detector import UselessFileDetector

SCRIPT = """
PAGE = (
    "<!doctype html><meta charset=utf-8><link rel=icon href=data:,>"
    "<form method=post action=%s enctype=multipart/form-data>"
    "<input name='a&quot;b' id=text><textarea name='back\\\\slash' id=area></textarea>"
    "<input type=file name=f id=file multiple><button id=send>Send</button></form>"
)
parts, errors = [], []

def sha(data):
    import hashlib
    return hashlib.sha256(data).digest()

def handler(c, ev, data):
    if ev == MG_EV_HTTP_HDRS and (data.method, data.uri) == ("POST", "/pieces"):
        c.http_stream_form(max_size=200000)
    elif ev == MG_EV_HTTP_PART:
        parts.append([data.name, data.filename, data.content_type, b""])
    elif ev == MG_EV_HTTP_BODY:
        parts[-1][3] += data
    elif ev == MG_EV_ERROR:
        errors.append(data)
    elif ev == MG_EV_HTTP_MSG:
        if data.method == "GET":
            c.reply(200, PAGE % data.uri, {"Content-Type": "text/html"})
            return
        body, offset = data.body_bytes, 0
        while data.uri == "/whole":
            offset, part = http_parse_multipart(body, offset)
            if part is None:
                break
            parts.append([part["name"], part["filename"], part["content_type"], part["body"]])
        c.reply(200, "<p id=done>done", {"Content-Type": "text/html"})

m = Manager(handler, error_handler=errors.append)
announce("PORT", m.listen(url("http")))
serve(m)
"""

#: What file systems of a desktop allow, and what safe_filename() leaves of it.
NAMES = {
    'qu"ote.bin': "quote.bin",
    "back\\slash %2f.bin": "slash %2f.bin",
    "Zo\xeb \u20ac.txt": None,
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", ["pieces", "whole"])
def test_a_browser_fills_in_a_form(device, target, tmp_path, how):
    running = device(SCRIPT)
    running.expect("SERVING")
    data = bytes(range(256)) * target.size(200, 8)
    digest = hashlib.sha256(data).digest()
    for name in NAMES:
        (tmp_path / name).write_bytes(data)
    host, port = running.reach(running.port())
    with browsers.started(tmp_path / "browser") as browser:
        browser.get(f"http://{host}:{port}/{how}")
        browser.find_element(By.ID, "text").send_keys('say "x\\"')
        browser.find_element(By.ID, "area").send_keys("two\nlines \xe4")
        browser.file_detector = UselessFileDetector()  # they lie on this computer
        files = "\n".join(str(tmp_path / name) for name in NAMES)
        browser.find_element(By.ID, "file").send_keys(files)
        browser.find_element(By.ID, "send").click()
        browser.until(lambda: browser.find_elements(By.ID, "done"), "the form was taken")
    parts = running.eval("[(n, f, t, d if not f else sha(d)) for n, f, t, d in parts]")
    assert running.eval("errors") == []
    assert parts[0] == ('a"b', "", "", b'say "x\\"')
    assert parts[1] == ("back\\slash", "", "", "two\r\nlines \xe4".encode())
    assert len(parts) == 2 + len(NAMES)
    for part, (name, safe) in zip(parts[2:], NAMES.items(), strict=True):
        assert part[0] == "f" and part[3] == digest
        assert part[1] == (safe or name if how == "pieces" else name), name
