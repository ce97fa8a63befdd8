# SPDX-License-Identifier: GPL-2.0-only
"""A small MQTT server: subscriptions, retained messages, wills: mqtt_server.py [PORT]

Sessions end with their connection, and what a client is too slow to take is lost to it.
"""

import sys

from pymongoose import (
    MG_EV_CLOSE,
    MG_EV_ERROR,
    MG_EV_MQTT_CMD,
    MG_EV_MQTT_MSG,
    MQTT_CMD_CONNECT,
    MQTT_CMD_DISCONNECT,
    MQTT_CMD_SUBSCRIBE,
    MQTT_CMD_UNSUBSCRIBE,
    Error,
    Manager,
    mqtt_match,
)

clients = {}  # client id -> Client
retained = {}  # topic -> (payload, qos)


class Client:
    def __init__(self, conn, connect):
        self.conn = conn
        self.id = connect.client_id
        self.filters = {}  # topic filter -> qos
        self.will = None
        if connect.topic:
            self.will = (connect.topic, connect.data, connect.qos, connect.retain)

    def send(self, topic, payload, qos, retain=False):
        try:
            self.conn.mqtt_pub(topic, payload, qos, retain)
        except Error as e:  # it is too slow, or gone
            print("to %s: %s" % (self.id, e))


def publish(topic, payload, qos, retain):
    if retain and payload:
        retained[topic] = (payload, qos)
    elif retain:
        retained.pop(topic, None)
    for client in list(clients.values()):
        granted = [q for f, q in client.filters.items() if mqtt_match(f, topic)]
        if granted:
            client.send(topic, payload, min(qos, max(granted)))


def subscribe(conn, client, message):
    codes = []
    for topic_filter, options in message.topics():
        shared = topic_filter.startswith("$share/")
        codes.append(128 if shared else options & 3)
        if not shared:
            client.filters[topic_filter] = options & 3
    conn.mqtt_ack(message, bytes(codes))
    for (topic_filter, _), code in zip(message.topics(), codes):  # noqa: B905
        for topic, (payload, qos) in retained.items():
            if code < 3 and mqtt_match(topic_filter, topic):
                client.send(topic, payload, min(qos, code), True)


def command(conn, message):
    client = conn.userdata
    if message.cmd == MQTT_CMD_CONNECT:
        old = clients.pop(message.client_id, None)
        if old:  # the same client once more: the first connection ends
            old.conn.mqtt_disconnect()
        conn.userdata = clients[message.client_id] = Client(conn, message)
    elif message.cmd == MQTT_CMD_SUBSCRIBE:
        subscribe(conn, client, message)
    elif message.cmd == MQTT_CMD_UNSUBSCRIBE:
        for topic_filter, _ in message.topics():
            client.filters.pop(topic_filter, None)
    elif message.cmd == MQTT_CMD_DISCONNECT and message.ack != 4:
        client.will = None


def handler(conn, ev, data):
    if ev == MG_EV_MQTT_CMD:
        command(conn, data)
    elif ev == MG_EV_MQTT_MSG:
        publish(data.topic, data.data, data.qos, data.retain)
    elif ev == MG_EV_ERROR:
        print("%s: %s" % (conn.remote_addr[0], data))
    elif ev == MG_EV_CLOSE and conn.userdata:
        client = conn.userdata
        if clients.get(client.id) is client:
            del clients[client.id]
        if client.will:
            publish(*client.will)


manager = Manager()
listener = manager.mqtt_listen(
    "mqtt://127.0.0.1:" + (sys.argv[1] if len(sys.argv) > 1 else "1883"), handler
)
print("Serving on mqtt://127.0.0.1:%d (Ctrl-C stops)" % listener.local_addr[1])
manager.run()
