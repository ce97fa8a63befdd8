# SPDX-License-Identifier: GPL-2.0-only
"""A small MQTT server: subscriptions, retained messages, wills: mqtt_server.py [PORT]

MQTT 3.1.1 and 5, of which it has properties of messages, No Local, Retain As Published, Retain Handling
and subscription identifiers; shared subscriptions it refuses. Sessions end with their connection: there is
no queue for who is away, no session expiry and no will delay, and what a client is too slow to take is lost
to it. It is for a bench and a few devices: a fleet wants mosquitto, EMQX or NATS.
"""

import sys
from time import time

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
retained = {}  # topic -> Message

NO_LOCAL, AS_PUBLISHED = 4, 8  # options of a subscription
EXPIRY, SUBSCRIPTION_ID = 2, 11  # properties
FORWARDED = (1, 2, 3, 8, 9, 38)


class Message:
    def __init__(self, packet, properties=()):
        self.topic, self.payload = packet.topic, packet.data
        self.qos, self.retain = packet.qos, packet.retain
        self.properties = []
        self.end = None
        for p in properties:
            if p["id"] == EXPIRY:
                self.end = time() + p["iv"]
            elif p["id"] == 38:
                self.properties.append((38, (p["key"], p["val"])))
            elif p["id"] in FORWARDED:
                self.properties.append((p["id"], p["iv"] if p["id"] == 1 else p["val"]))


class Client:
    def __init__(self, conn, connect):
        self.conn = conn
        self.id = connect.client_id
        self.version = connect.version
        self.filters = {}  # topic filter -> (options, subscription identifier or 0)
        self.will = Message(connect) if connect.topic else None

    def send(self, message, qos, retain, numbers):
        properties = None
        if self.version == 5:
            properties = message.properties + [(SUBSCRIPTION_ID, n) for n in numbers if n]
            if message.end is not None:
                properties.append((EXPIRY, max(int(message.end - time()), 0)))
        try:
            self.conn.mqtt_pub(message.topic, message.payload, qos, retain, properties=properties)
        except Error as e:  # it is too slow, or gone
            print("to %s: %s" % (self.id, e))


def publish(message, sender=None):
    if message.retain and message.payload:
        retained[message.topic] = message
    elif message.retain:
        retained.pop(message.topic, None)
    for client in list(clients.values()):
        found = [
            (options, number)
            for f, (options, number) in client.filters.items()
            if mqtt_match(f, message.topic) and not (options & NO_LOCAL and client is sender)
        ]
        if found:
            qos = min(message.qos, max([options & 3 for options, _ in found]))
            kept = message.retain and any([options & AS_PUBLISHED for options, _ in found])
            client.send(message, qos, kept, [number for _, number in found])


def subscribe(conn, client, packet):
    numbers = [p["iv"] for p in packet.properties() if p["id"] == SUBSCRIPTION_ID]
    number = numbers[0] if numbers else 0
    codes = []
    wanted = []
    for topic_filter, options in packet.topics():
        if topic_filter.startswith("$share/"):
            codes.append(158 if client.version == 5 else 128)
            continue
        handling = options >> 4  # 0: retained messages, 1: to a new subscription, 2: none
        if handling == 0 or (handling == 1 and topic_filter not in client.filters):
            wanted.append((topic_filter, options & 3))
        client.filters[topic_filter] = (options, number)
        codes.append(options & 3)
    conn.mqtt_ack(packet, bytes(codes))
    for topic_filter, qos in wanted:
        for message in list(retained.values()):
            if message.end is not None and message.end <= time():
                del retained[message.topic]
            elif mqtt_match(topic_filter, message.topic):
                client.send(message, min(message.qos, qos), True, [number])


def command(conn, packet):
    client = conn.userdata
    if packet.cmd == MQTT_CMD_CONNECT:
        old = clients.pop(packet.client_id, None)
        if old:  # the same client once more: the first connection ends
            old.conn.drain()
        conn.userdata = clients[packet.client_id] = Client(conn, packet)
        if packet.version == 5:  # sessions end with their connection; no shared subscriptions
            conn.mqtt_ack(packet, properties=[(17, 0), (42, 0)])
    elif packet.cmd == MQTT_CMD_SUBSCRIBE:
        subscribe(conn, client, packet)
    elif packet.cmd == MQTT_CMD_UNSUBSCRIBE:
        for topic_filter, _ in packet.topics():
            client.filters.pop(topic_filter, None)
    elif packet.cmd == MQTT_CMD_DISCONNECT and packet.ack != 4:
        client.will = None


def handler(conn, ev, data):
    if ev == MG_EV_MQTT_CMD:
        command(conn, data)
    elif ev == MG_EV_MQTT_MSG:
        publish(Message(data, data.properties()), conn.userdata)
    elif ev == MG_EV_ERROR:
        print("%s: %s" % (conn.remote_addr[0], data))
    elif ev == MG_EV_CLOSE and conn.userdata:
        client = conn.userdata
        if clients.get(client.id) is client:
            del clients[client.id]
        if client.will:
            publish(client.will)


manager = Manager(handler, events=(MG_EV_MQTT_CMD, MG_EV_MQTT_MSG, MG_EV_ERROR, MG_EV_CLOSE))
listener = manager.mqtt_listen("mqtt://127.0.0.1:" + (sys.argv[1] if len(sys.argv) > 1 else "1883"))
print("Serving on mqtt://127.0.0.1:%d (Ctrl-C stops)" % listener.local_addr[1])
manager.run()
