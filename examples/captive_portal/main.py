# SPDX-License-Identifier: GPL-2.0-only
"""A captive portal that asks for a Wi-Fi: main.py [ADDRESS [HTTP_PORT [DNS_PORT]]]"""

import json
import sys

from pymongoose import MG_EV_HTTP_MSG, MG_EV_READ, Manager, http_var

ARGS = getattr(sys, "argv", [""])[1:]  # a board has none: write them here

ADDRESS = ARGS[0] if ARGS else "192.168.4.1"
PORT = int(ARGS[1]) if len(ARGS) > 1 else 80
DNS_PORT = ARGS[2] if len(ARGS) > 2 else "53"
FILE = "wifi.json"

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Wi-Fi</title>
<main><h1>Which Wi-Fi?</h1><p>%s</p>
<form method="post" action="/">
<p><label>Name <input name="ssid" maxlength="32" required></label></p>
<p><label>Password <input name="key" type="password" maxlength="63"></label></p>
<button>Save</button></form></main>"""


def access_point():
    """On a board with Wi-Fi: whoever joins "board-setup" comes to this page."""
    try:
        import network

        wlan = network.WLAN(network.WLAN.IF_AP)
    except (ImportError, AttributeError):
        return  # a desk, or a board without
    wlan.config(ssid="board-setup", security=0)
    wlan.active(True)
    wlan.ifconfig((ADDRESS, "255.255.255.0", ADDRESS, ADDRESS))


def names(conn, ev, data):
    """A DNS server to which every name is this device (RFC 1035, section 4)."""
    if ev != MG_EV_READ:
        return
    query = conn.recv()
    end = query.find(b"\0", 12) + 5  # the question: a name, its type and class
    if end < 17 or len(query) < end or query[2] & 0x80:
        return
    is_a = query[end - 4 : end - 2] == b"\0\1"  # an IPv4 address is asked for
    head = query[:2] + b"\x85\x80\0\1\0" + (b"\1" if is_a else b"\0") + b"\0\0\0\0"
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x0a\0\4" + bytes([int(n) for n in ADDRESS.split(".")])
    conn.send(head + query[12:end] + (record if is_a else b""))


def page(conn, text, status=200):
    headers = {"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store"}
    conn.reply(status, PAGE % text, headers)


def save(conn, body):
    ssid, key = http_var(body, "ssid") or "", http_var(body, "key") or ""
    if not 1 <= len(ssid.encode()) <= 32:
        return page(conn, "A name has 1 to 32 bytes.", 400)
    if key and not 8 <= len(key) <= 63:
        return page(conn, "A password has 8 to 63 characters.", 400)
    with open(FILE, "w") as f:
        json.dump({"ssid": ssid, "key": key}, f)
    print("saved: %s" % ssid)
    page(conn, "Saved. It counts from the next start on.")


def web(conn, ev, data):
    if ev != MG_EV_HTTP_MSG:
        return
    if data.header("Host", "").split(":")[0] != ADDRESS:
        # What a phone asks to see whether there is the Internet, too: so it shows the page.
        where = "http://%s/" % ADDRESS if own_port == 80 else "http://%s:%d/" % (ADDRESS, own_port)
        conn.reply(302, "", {"Location": where, "Cache-Control": "no-store"})
    elif data.uri != "/":
        conn.reply(404, "only / is here\n")
    elif data.method == "POST":
        save(conn, data.body_bytes)
    else:
        page(conn, "The device has no network yet.")


access_point()
manager = Manager()
dns = manager.listen("udp://0.0.0.0:" + DNS_PORT, names, events=(MG_EV_READ,))
listener = manager.listen("http://0.0.0.0:%d" % PORT, web, events=(MG_EV_HTTP_MSG,))
own_port = listener.local_addr[1]
print("Names at port %d" % dns.local_addr[1])
print("Serving on http://%s:%d" % (ADDRESS, own_port))
manager.run()
