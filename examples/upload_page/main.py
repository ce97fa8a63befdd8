# SPDX-License-Identifier: GPL-2.0-only
"""Files by HTTP, with a page that shows how an upload goes: main.py [FOLDER [PORT]]

curl -T firmware.bin http://127.0.0.1:8000/
curl -O http://127.0.0.1:8000/firmware.bin
"""

import os
import sys

from pymongoose import MG_EV_ERROR, MG_EV_HTTP_HDRS, MG_EV_HTTP_MSG, Manager

ARGS = getattr(sys, "argv", [""])[1:]  # a board has none: write them here

ROOT = ARGS[0] if ARGS else "uploads"
PORT = ARGS[1] if len(ARGS) > 1 else "8000"
MAX_SIZE = 1000 * 1000 * 1000
PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Files</title>
<main><h1>Files</h1><ul>%s</ul>
<p><label>Upload <input type="file" id="file"></label> <button id="stop" hidden>Stop</button></p>
<p><progress id="bar" max="1" value="0" aria-label="Upload"></progress> <output id="said"></output></p></main>
<script>
const [file, stop, bar, said] = ["file", "stop", "bar", "said"].map((id) => document.getElementById(id));
file.onchange = () => {
  const chosen = file.files[0], request = new XMLHttpRequest();
  if (!chosen) return;
  const begun = performance.now();
  const end = (text) => { said.value = text; stop.hidden = true; file.value = ""; };
  request.upload.onprogress = (event) => {
    bar.value = event.loaded / event.total;
    const speed = event.loaded / (performance.now() - begun) / 1000;
    said.value = Math.round(100 * bar.value) + " %%, " + speed.toFixed(1) + " MB/s";
  };
  request.onload = () => {
    end(request.responseText);
    if (request.status !== 201) return;
    const link = Object.assign(document.createElement("a"), { href: chosen.name, textContent: chosen.name });
    const row = document.createElement("li");
    row.append(link);
    document.querySelector("ul").append(row);
  };
  request.onerror = () => end("the connection was lost");
  request.onabort = () => end("stopped");
  stop.onclick = () => request.abort();
  stop.hidden = false;
  request.open("PUT", encodeURIComponent(chosen.name));
  request.send(chosen);
};
</script>"""


def file_name(uri):
    """The name that a path asks for, or None: no folders, no dot in front, nothing odd."""
    name = uri[1:]
    if 0 < len(name) <= 64 and name[0] != "." and all(ch in PLAIN for ch in name):
        return name


def handler(conn, ev, data):
    if ev == MG_EV_HTTP_HDRS and data.method == "PUT":
        name = file_name(data.uri)
        if name:
            conn.http_stream_body(ROOT + "/" + name, max_size=MAX_SIZE)
        else:
            conn.reply(400, "a plain file name, please\n")
    elif ev == MG_EV_HTTP_MSG:
        if data.method == "PUT":
            conn.reply(201, "stored " + data.uri + "\n")
        elif data.uri == "/":
            # file_name() lets none in that would have to be escaped.
            names = sorted([name for name in os.listdir(ROOT) if file_name("/" + name)])
            rows = "".join(['<li><a href="%s">%s</a></li>' % (name, name) for name in names])
            conn.reply(200, PAGE % rows, {"Content-Type": "text/html; charset=utf-8"})
        else:
            conn.serve_dir(data, ROOT, "Content-Disposition: attachment\r\n", listing=False)
    elif ev == MG_EV_ERROR:
        print("not stored:", data)


try:
    os.mkdir(ROOT)
except OSError:
    pass  # it is there

manager = Manager(handler, events=(MG_EV_HTTP_HDRS, MG_EV_HTTP_MSG, MG_EV_ERROR))
listener = manager.listen("http://127.0.0.1:" + PORT)
print("files of %s at http://127.0.0.1:%d" % (ROOT, listener.local_addr[1]))
manager.run()
