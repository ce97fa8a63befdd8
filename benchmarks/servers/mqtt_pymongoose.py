# SPDX-License-Identifier: GPL-2.0-only
# mqtt_pymongoose.py PORT KIND COUNT [session]: as mqtt_client.c. Runs on CPython and on MicroPython.
# KIND "queue" and a number: publish() of a session without a connection that has so many waiting.
import sys

from pymongoose import (
    MG_EV_MQTT_CMD,
    MG_EV_MQTT_MSG,
    MG_EV_MQTT_OPEN,
    MQTT_CMD_PUBACK,
    MQTT_CMD_PUBCOMP,
    Manager,
)

WINDOW = 16
TEXT = "x" * 64
TOPIC = "bench/topic"
kind = sys.argv[2]
url = "mqtt://127.0.0.1:" + sys.argv[1]
receive = kind == "receive"
qos = int(kind) if len(kind) == 1 else 0
count = int(sys.argv[3])
opened = False
done = 0


def handler(c, ev, data):
    global opened, done
    if ev == MG_EV_MQTT_MSG:
        done += 1
    elif ev == MG_EV_MQTT_CMD:
        if data.cmd == MQTT_CMD_PUBACK or data.cmd == MQTT_CMD_PUBCOMP:
            done += 1
    elif ev == MG_EV_MQTT_OPEN:
        opened = True
        if receive:
            c.mqtt_sub(TOPIC)


def message(data):
    global done
    done += 1


def delivery(token, state, reason):
    global done
    done += 1


manager = Manager()
if len(sys.argv) > 4:
    from pymongoose.mqtt import MqttSession
if kind.startswith("queue"):
    size = int(kind[5:])
    session = MqttSession(manager, url, "bench", queue_max=size, queue_policy="drop_oldest")

    def fill(publish, count):
        for _ in range(count):
            publish(TOPIC, TEXT, 1)

    fill(session.publish, size + count)
    manager.close()
    sys.exit()
if len(sys.argv) > 4:
    session = MqttSession(manager, url, "bench", message, on_delivery=delivery, keepalive=60)
    while not session.connected:
        manager.poll(100)
    opened = True
    client = manager.connections[0]
    if receive:
        session.subscribe(TOPIC)
    publish = session.publish
else:
    client = manager.mqtt_connect(url, handler, "bench")
    publish = client.mqtt_pub


def run(publish, qos, manager):
    global done
    sent = 0
    while done < count:
        if opened and not receive and sent == done:
            for _ in range(WINDOW):
                publish(TOPIC, TEXT, qos)
            sent += WINDOW
        manager.poll(100)
        if qos == 0 and not receive and client.send_len == 0:
            done = sent


run(publish, qos, manager)
