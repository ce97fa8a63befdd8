# SPDX-License-Identifier: GPL-2.0-only
"""Examples between a field device or a sensor and a server."""

import json
import signal
import threading

import httpx
import pytest
from peers.clients import Server, free_port, seconds
from peers.modbus_peers import PymodbusServer
from peers.mqtt_peers import Broker, Client


class Readings:
    """What a subscriber is told, whom the server keeps messages for while he is away: each
    reading, in their order. One may come twice."""

    def __init__(self, broker, topic):
        where = ("127.0.0.1", broker.port)
        self.client = Client(where, client_id="judge", clean_session=False, connect=False)
        self.topic, self.last = topic, 0

    def __enter__(self):
        self.client.open()
        self.client.listen(self.topic, 1)
        return self

    def __exit__(self, *more):
        self.client.__exit__(*more)

    def until(self, n):
        while self.last < n:
            _, payload, qos, _ = self.client.next()
            reading = json.loads(payload)
            if reading["n"] > self.last:
                assert (reading["n"], reading["lost"], qos) == (self.last + 1, 0, 1)
                self.last = reading["n"]


@pytest.mark.cost(14)
def test_mqtt_telemetry(example, target, tmp_path):
    """What was measured without a server comes after it, all of it, in order, ahead of what is new."""
    broker = Broker(tmp_path, more=f"persistence true\npersistence_location {tmp_path}/")
    judge = Readings(broker, "telemetry/node-7")
    try:
        with judge:
            url = f"mqtt://{target.peer}:{broker.port}"
            running = example("mqtt_telemetry", url, "node-7", "100")
            judge.until(3)
        broker.stop(signal.SIGTERM)
        while not running.line("server").startswith("away"):
            pass
        broker.start()
        stored = int(running.line("sent").split()[-1])
        with judge:
            judge.until(3 + stored + 3)
        assert stored >= 1 and "not taken" not in running.console
    finally:
        broker.stop()


@pytest.mark.needs("process")
def test_mqtt_telemetry_keeps_what_it_has(example, tmp_path, wait_for):
    """Ended without a server, and started again with one; half a line at the end is no reading."""
    port = free_port()
    arguments = ("mqtt_telemetry", f"mqtt://127.0.0.1:{port}", "node-8")
    path = tmp_path / "node-8.backlog"
    alone = example(*arguments, "20").running
    wait_for(lambda: path.exists() and path.read_text().count("\n") >= 3)
    alone.interrupt()
    assert alone.exit_code() == 0
    old = path.read_text().splitlines()
    assert [json.loads(line)["n"] for line in old] == list(range(1, len(old) + 1))
    with path.open("a") as file:
        file.write('{"n": 99, "ti')
    broker = Broker(tmp_path, port=port)
    try:
        with Client(("127.0.0.1", port)) as client:
            client.listen("telemetry/node-8", 1)
            running = example(*arguments, "100000")
            assert running.line("stored") == f"before: {len(old)}"
            assert running.line("sent") == f"what was stored: {len(old)}"
            assert [client.next()[1].decode() for _ in old] == old
        wait_for(lambda: not path.exists())
    finally:
        broker.stop()


def answers(client, method, path, **more):
    got = client.request(method, path, **more)
    return got.status_code, got.json().get("values", got.json().get("error"))


@pytest.mark.cost(8)
def test_modbus_gateway(example, target):
    with PymodbusServer() as server:
        where = f"{target.peer}:{server.port}"
        web = httpx.Client(base_url=example("modbus_gateway", where, "{host}:0").url())
        assert answers(web, "GET", "/holding/10?count=3") == (200, [10, 11, 12])
        assert answers(web, "GET", "/input/7") == (200, [7])
        assert answers(web, "GET", "/coils/3?count=4") == (200, [True, False, False, True])
        assert answers(web, "GET", "/discrete/1") == (200, [False])
        assert answers(web, "PUT", "/holding/5000", json=[1, 65535])[0] == 200
        assert answers(web, "GET", "/holding/5000?count=2") == (200, [1, 65535])
        assert answers(web, "PUT", "/coils/5000", json=[True, False])[0] == 200
        assert answers(web, "GET", "/coils/5000?count=2") == (200, [True, False])
        assert answers(web, "GET", "/holding/9000") == (422, "the device says: illegal address")
        wrong = ("/holding", "/holding/x", "/other/1", "/holding/1?count=0", "/holding/70000")
        for path in (*wrong, "/holding/1?count=200"):
            assert answers(web, "GET", path)[0] == 400, path
        for body in ("1", "x", '["a"]', "[70000]", "[]"):
            assert answers(web, "PUT", "/holding/5000", content=body)[0] == 400, body
        assert answers(web, "PUT", "/input/1", json=[1])[0] == 405


@pytest.mark.cost(6)
def test_modbus_gateway_without_a_device(example, target):
    """Nobody there, one that is silent, one that hangs up; and then one that answers."""
    port = free_port()
    where = f"{target.peer}:{port}"
    running = example("modbus_gateway", where, "{host}:0")
    web = httpx.Client(base_url=running.url())

    def gone():
        while not running.line("device").endswith("is gone"):
            pass

    assert answers(web, "GET", "/holding/1")[0] == 502
    gone()
    with PymodbusServer(port):
        assert answers(web, "GET", "/holding/1") == (200, [1])
    gone()
    with Server(lambda raw: raw.recv_exactly(12), port=port):
        told = "there is no connection to the device"
        assert answers(web, "GET", "/holding/1") == (502, told)
    gone()
    asked = threading.Event()
    with Server(lambda raw: raw.recv_exactly(12) and asked.wait(seconds()), port=port):
        assert answers(web, "GET", "/holding/1") == (504, "the device does not answer")
        asked.set()
