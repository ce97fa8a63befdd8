# SPDX-License-Identifier: GPL-2.0-only
"""List the services of the local network: main.py [TYPE [INTERFACE]]

TYPE is _http._tcp unless given, INTERFACE an IPv4 address of this host. The program announces itself,
too, as a service of that type, so that there is at least one; Ctrl-C stops it.
"""

import sys

from pymongoose import MG_DNS_RTYPE_PTR, MG_EV_HTTP_MSG, MG_EV_MDNS_RESP, Manager

ARGS = getattr(sys, "argv", [""])[1:]  # a board has none: write them here

kind = ARGS[0] if ARGS else "_http._tcp"
interface = ARGS[1] if len(ARGS) > 1 else None
known = {}


def web(conn, ev, data):
    if ev == MG_EV_HTTP_MSG:
        conn.reply(200, "This is the finder\n")


def found(conn, ev, data):
    if ev != MG_EV_MDNS_RESP or data.type != MG_DNS_RTYPE_PTR or data.name != kind + ".local":
        return
    if data.ttl == 0:
        if known.pop(data.instance, None):
            print("gone:", data.instance)
    elif data.port and data.instance not in known:
        known[data.instance] = True
        print("%s at %s (%s), port %d" % (data.instance, data.host, data.address, data.port))
        for key, value in sorted(data.txt.items()):
            print("   ", key, value)


def ask(wait):
    # At first often, for messages get lost, then less and less.
    mdns.mdns_query(kind)
    manager.timer_add(wait, lambda: ask(min(2 * wait, 60000)))


manager = Manager()
port = manager.listen("http://0.0.0.0:0", web, events=(MG_EV_HTTP_MSG,)).local_addr[1]
services = [(kind, port, {"path": "/"})]
responder = manager.mdns_listen(name="find-services", services=services, interface=interface)
mdns = manager.mdns_listen(found, interface=interface, events=(MG_EV_MDNS_RESP,))
ask(1000)
print("Looking for %s (Ctrl-C stops)" % kind)
manager.run()
