# SPDX-License-Identifier: GPL-2.0-only
# mqtt_paho.py PORT KIND COUNT: as mqtt_client.c.
import sys

import paho.mqtt.client as mqtt

WINDOW = 16
TEXT = "x" * 64
TOPIC = "bench/topic"
receive = sys.argv[2] == "receive"
qos = 0 if receive else int(sys.argv[2])
count = int(sys.argv[3])
opened = False
done = 0


def on_connect(client, userdata, flags, reason, properties):
    global opened
    opened = True
    if receive:
        client.subscribe(TOPIC)


def on_message(client, userdata, message):
    global done
    done += 1


def on_publish(client, userdata, mid, reason, properties):
    global done
    done += 1


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "bench")
client.on_connect = on_connect
client.on_message = on_message
client.on_publish = on_publish
client.connect("127.0.0.1", int(sys.argv[1]))


def run(client, qos):
    sent = 0
    while done < count:
        if opened and not receive and sent == done:
            for _ in range(WINDOW):
                client.publish(TOPIC, TEXT, qos)
            sent += WINDOW
        client.loop(0.1)


run(client, qos)
