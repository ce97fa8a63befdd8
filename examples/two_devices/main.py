# SPDX-License-Identifier: GPL-2.0-only
"""A device that finds others of its kind and shows what they measure: main.py [TYPE [INTERFACE]]

Start it twice, on two boards or on two of a computer's terminals; Ctrl-C stops it. TYPE is _reading._tcp
unless given, INTERFACE an address of this host.
"""

import sys

from pymongoose import MG_DNS_RTYPE_PTR, MG_EV_CONNECT, MG_EV_HTTP_MSG, MG_EV_MDNS_RESP, Manager

ARGS = getattr(sys, "argv", [""])[1:]  # a board has none: write them here

kind = ARGS[0] if ARGS else "_reading._tcp"
interface = ARGS[1] if len(ARGS) > 1 else None
others = {}  # what to ask, by the name of the service
value = 20


def web(conn, ev, data):
    global value
    if ev == MG_EV_HTTP_MSG:
        value += 1  # here a sensor would be read
        conn.reply(200, "%d" % value)


def heard(conn, ev, data):
    if ev != MG_EV_MDNS_RESP or data.type != MG_DNS_RTYPE_PTR or data.name != kind + ".local":
        return
    if data.ttl == 0:
        if others.pop(data.instance, None):
            print("gone:", data.instance)
    elif data.port and (data.host, data.port) != (mdns.mdns_name, port):
        others[data.instance] = "http://%s:%d/" % (data.host, data.port)


def ask(instance, url):
    def handler(conn, ev, data):
        if ev == MG_EV_CONNECT:
            conn.send("GET / HTTP/1.1\r\nHost: device\r\nConnection: close\r\n\r\n")
        elif ev == MG_EV_HTTP_MSG:
            print("heard: %s, of %s" % (data.body_text, instance))
            conn.close()

    manager.connect(url, handler)  # by its name: pymongoose looks that up


def look():
    mdns.mdns_query(kind)
    for instance, url in others.items():
        ask(instance, url)


manager = Manager()
port = manager.listen("http://0.0.0.0:0", web, events=(MG_EV_HTTP_MSG,)).local_addr[1]
mdns = manager.mdns_listen(heard, "device", [(kind, port)], interface=interface)
manager.timer_add(2000, look, repeat=True)
print("Looking for others of %s (Ctrl-C stops)" % kind)
manager.run()
