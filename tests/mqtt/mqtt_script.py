# SPDX-License-Identifier: GPL-2.0-only
"""A device script that is an MQTT server and clients, and notes what happened."""

SCRIPT = r"""
log = []       # (role, event, ...)
errors = []    # what handlers raised
clients = {}

def handler(c, ev, d):
    who = "client" if c.is_client else "server"
    if ev == MG_EV_MQTT_OPEN:
        log.append((who, "OPEN", d))
    elif ev == MG_EV_MQTT_MSG:
        log.append((who, "MSG", d.topic, d.data, d.qos, d.retain, d.dup))
        if d.topic.startswith("do/"):
            DO[d.topic[3:]](c, d)
    elif ev == MG_EV_MQTT_CMD:
        log.append((who, "CMD", d.cmd, d.id, d.ack))
        if not c.is_client and d.cmd in (MQTT_CMD_CONNECT, MQTT_CMD_SUBSCRIBE, MQTT_CMD_UNSUBSCRIBE):
            serve_packet(c, d)
    elif ev == MG_EV_ERROR:
        log.append((who, "ERROR", d))
    elif ev == MG_EV_CLOSE and not c.is_listening:
        log.append((who, "CLOSE"))

def serve_packet(c, d):
    name = d.client_id or c.userdata
    if d.cmd == MQTT_CMD_CONNECT:
        c.userdata = name
    log.append(("server", "ASKED", name, d.topics(), d.properties()))
    if name.startswith("do-"):
        DO[name[3:]](c, d)

def fail(c, d):
    raise ValueError("on purpose")

def echo(c, d):
    c.mqtt_pub("echo", d.data, d.qos, d.retain)

DO = {"raise": fail, "echo": echo, "close": lambda c, d: c.close(), "drain": lambda c, d: c.drain()}

def start(name, port, scheme="mqtt", **kwargs):
    clients[name] = m.mqtt_connect(peer(scheme, port), None, name, **kwargs)

def told(who, event):
    return [e[2:] for e in log if e[:2] == (who, event)]

def acked(cmd, who="client"):
    return [e[1] for e in told(who, "CMD") if e[0] == cmd]

def reset():
    for c in m.connections + small.connections:
        if not c.is_listening:
            c.close()
    settle()
    log.clear()
    errors.clear()
    clients.clear()

m = Manager(handler, error_handler=errors.append)
small = Manager(handler, error_handler=errors.append, max_message=1000, head_timeout=1000, connect_timeout=1000)
announce("PORT", m.mqtt_listen(url("mqtt")))
announce("SMALL", small.mqtt_listen(url("mqtt")))
serve(m, small)
"""
