# SPDX-License-Identifier: GPL-2.0-only
"""What the thermostat's tests share: the thermostat, warm or cold, and a broker for it."""

import json
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "thermostat"
PORT = 8080


class Thermostat:
    def __init__(self, device):
        self.device = device

    def start(self, **settings):
        if settings:
            self.device.files.put(json.dumps(settings).encode(), "settings.json")
        self.device.run(PROGRAM)
        self.device.wait_for("serving")

    def restart(self):
        """As if its plug were pulled and put back."""
        self.device.reset()
        self.start()

    def measures(self, celsius):
        self.device.pins.feed(26, volts=0.5 + celsius / 100)

    def press(self):
        self.device.pins.set(15, 0)
        self.device.pins.set(15, 1)

    def ask(self, path="/state", method="GET", body=None):
        """The status and what came, from JSON if it is that."""
        data = body.encode() if body is not None else None
        request = urllib.request.Request(self.device.url(PORT, path), data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as e:
            status, text = e.code, e.read().decode()
        return status, json.loads(text) if text.startswith("{") else text


@pytest.fixture
def thermostat(device):
    return Thermostat(device)


class Broker:
    """An MQTT server of this test's own, in a thread: it keeps what it is sent and can publish."""

    def __init__(self):
        self.published = []
        self.news = threading.Condition()
        self._outbox = []
        self._ends = False
        started = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=[started], daemon=True)
        self._thread.start()
        started.wait(10)

    def _serve(self, started):
        from pymongoose import (
            MG_EV_MQTT_CMD,
            MG_EV_MQTT_MSG,
            MQTT_CMD_SUBSCRIBE,
            Manager,
            mqtt_match,
        )

        filters = []

        def handler(conn, ev, data):
            with self.news:
                if ev == MG_EV_MQTT_CMD and data.cmd == MQTT_CMD_SUBSCRIBE:
                    filters.extend((conn, each) for each, _ in data.topics())
                elif ev == MG_EV_MQTT_MSG:
                    self.published.append((data.topic, json.loads(data.text)))
                self.news.notify_all()

        with Manager() as manager:
            self.port = manager.mqtt_listen("mqtt://0.0.0.0:0", handler).local_addr[1]
            started.set()
            while not self._ends:
                manager.poll(10)
                while self._outbox and filters:
                    topic, text = self._outbox.pop(0)
                    for conn, each in filters:
                        if mqtt_match(each, topic) and not conn.is_closing:
                            conn.mqtt_pub(topic, text, qos=1)

    def publish(self, topic, text):
        self._outbox.append((topic, text))

    def wait_for(self, condition, timeout=60):
        """The first message, of the past too, that the condition holds for."""
        with self.news:

            def found():
                return [(t, state) for t, state in self.published if condition(t, state)]

            assert self.news.wait_for(found, timeout), f"not among {self.published}"
            return found()[0]

    def close(self):
        self._ends = True
        self._thread.join()


@pytest.fixture
def broker():
    server = Broker()
    yield server
    server.close()
