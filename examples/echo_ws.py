# SPDX-License-Identifier: GPL-2.0-only
"""A WebSocket server that gives every message to everybody, and a page to try it: echo_ws.py [PORT]"""

import sys

from pymongoose import MG_EV_HTTP_MSG, MG_EV_WS_MSG, WEBSOCKET_OP_TEXT, Manager

PAGE = """<!doctype html>
<meta charset="utf-8"><title>Echo</title>
<form><input autofocus autocomplete="off"> <button>Send</button></form>
<ul></ul>
<script>
const socket = new WebSocket("ws://" + location.host + "/ws");
socket.onmessage = (event) => {
  document.querySelector("ul").append(Object.assign(document.createElement("li"), { textContent: event.data }));
};
document.querySelector("form").onsubmit = (event) => {
  event.preventDefault();
  socket.send(document.querySelector("input").value);
};
</script>
"""


def handler(conn, ev, data):
    if ev == MG_EV_HTTP_MSG:
        if data.uri == "/ws":
            conn.ws_upgrade(data)
        else:
            conn.reply(200, PAGE, {"Content-Type": "text/html; charset=utf-8"})
    elif ev == MG_EV_WS_MSG and data.flags == WEBSOCKET_OP_TEXT:
        for other in manager.connections:
            if other.is_websocket and not other.is_draining:
                other.ws_send(data.text)


manager = Manager(handler, events=(MG_EV_HTTP_MSG, MG_EV_WS_MSG))
listener = manager.listen("http://127.0.0.1:" + (sys.argv[1] if len(sys.argv) > 1 else "8000"))
print("Serving on http://127.0.0.1:%d (Ctrl-C stops)" % listener.local_addr[1])
manager.run()
