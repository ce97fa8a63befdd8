# SPDX-License-Identifier: GPL-2.0-only
"""A device script that has sessions of MqttSession and notes what they tell, and servers made by hand."""

import pytest
from peers.clients import Server
from peers.mqtt_peers import CONNACK, CONNECT, PUBLISH, number, packet, read_packet

NEW, KEPT = packet(CONNACK, b"\0\0"), packet(CONNACK, b"\1\0")

SCRIPT = """
from pymongoose.mqtt import MqttSession

got = []      # (topic, payload)
count = {}    # of the same, as text
states = []
sessions = []
told = []
answers = []

def message(d):
    got.append((d.topic, d.data))

def counted(d):
    key = (d.topic, d.text)
    count[key] = count.get(key, 0) + 1

def start(port, on_message=message, **kwargs):
    options = dict(retry_min=20, retry_max=160, on_delivery=lambda *a: told.append(a),
        on_subscribed=lambda *a: answers.append(a), on_state=lambda up, text: states.append((up, text)))
    options.update(kwargs)
    s = MqttSession(m, peer("mqtt", port), "dev", on_message, **options)
    sessions.append(s)
    return s

def start_counting(port, **kwargs):
    s = start(port, counted, retry_min=5, **kwargs)
    s.subscribe("in/#", 2)
    return s

def reset():
    for s in sessions:
        s.close()
    for t in timers:
        t.cancel()
    settle()
    for l in (sessions, got, states, told, answers, count, timers):
        l.clear()

def fails(what):
    try:
        what()
    except Exception as e:
        return type(e).__name__

timers = []
m = Manager(error_handler=lambda e: None) if PARAMS.get("quiet") else Manager()
serve(m)
"""


@pytest.fixture
def script(shared):
    device = shared(SCRIPT)
    yield device
    device.eval("reset()")


def conversation(script, talks, statements, until, **kwargs):
    """Lets the session talk to servers made by hand, one connection each."""
    rest = iter(talks)

    def talk(raw):
        assert read_packet(raw)[0] == CONNECT
        return next(rest)(raw)

    arguments = ", ".join(f"{k}={v!r}" for k, v in kwargs.items())
    with Server(talk, count=len(talks)) as host:
        script.exec(f"s = start({host.port}, {arguments}); {statements}")
        script.until(until)
        script.exec("s.close()")
    return host.results


def connack(props=b"", present=False, code=0):
    return packet(CONNACK, bytes([present, code]) + number(len(props)) + props)


def mid(got):
    """The packet id of a PUBLISH of ours to topic t, or of any other packet."""
    body = got[2]
    return int.from_bytes(body[3:5] if got[0] == PUBLISH else body[:2], "big")


def payload(got, version=4):
    return got[2][5 if version == 4 else 6 :]
