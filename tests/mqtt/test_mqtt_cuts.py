# SPDX-License-Identifier: GPL-2.0-only
"""MqttSession behind a proxy that cuts the link at random bytes of either direction.

An independent subscriber judges: QoS 1 loses nothing, QoS 2 neither loses nor doubles, both ways. The
cuts are seeded; which packet they hit depends on the machine, too.
"""

from collections import Counter

import pytest
from peers.mqtt_peers import Broker, Client, Cutter

SCRIPT = """
from pymongoose.mqtt import MqttSession

got = {}
sessions = []
told = []

def message(d):
    key = (d.topic, d.text)
    got[key] = got.get(key, 0) + 1

def start(port, **kwargs):
    s = MqttSession(m, peer("mqtt", port), "dev", message, queue_max=500, retry_min=5, retry_max=40,
        on_delivery=lambda *a: told.append(a), **kwargs)
    s.subscribe("in/#", 2)
    sessions.append(s)
    return s

def feed():
    # A few at a time, so that the cuts fall all over.
    if fed[0] < fed[1] and s.queued < 30:
        n = fed[0]
        if s.publish("out/1", str(n), 1) and s.publish("out/2", str(n), 2):
            fed[0] += 1

def reset():
    for s in sessions:
        s.close()
    for t in timers:
        t.cancel()
    settle()
    timers.clear()
    sessions.clear()
    told.clear()
    got.clear()

timers = []
m = Manager()
serve(m)
"""


@pytest.fixture
def script(shared):
    device = shared(SCRIPT)
    yield device
    device.eval("reset()")


def run(script, folder, seed, version, cuts, count):
    more = f"persistence true\npersistence_location {folder}/\nmax_queued_messages 0"
    broker = Broker(folder, more=more)
    cutter = Cutter(broker.port, seed, cuts)
    with Client(("127.0.0.1", broker.port), client_id="judge", clean_session=False) as judge:
        try:
            judge.listen("out/#", 2)
            script.exec(f"s = start({cutter.port}, version={version}); fed = [0, {count}]")
            script.until("s.connected and s._core.count(0) == 0", 60)
            script.exec("timers.append(m.timer_add(2, feed, repeat=True))")
            for n in range(count):
                for qos in (1, 2):
                    judge.publish(f"in/{qos}", str(n), qos)
            script.until(f"fed[0] == {count} and s.queued == 0", 100)
            script.until(f"len(got) == {2 * count}", 60)
            seen = Counter()
            while len(seen) < 2 * count:
                topic, payload, _, _ = judge.next()
                seen[topic, payload.decode()] += 1
            judge.publish("out/end", "", 2)
            while (last := judge.next())[0] != "out/end":
                seen[last[0], last[1].decode()] += 1
        finally:
            cutter.close()
            broker.stop()
    assert cutter.done == cuts or cutter.done > cuts // 2, cutter.done
    wanted = {(f"out/{qos}", str(n)) for qos in (1, 2) for n in range(count)}
    assert set(seen) == wanted
    assert {key for key in seen if key[0] == "out/2" and seen[key] != 1} == set()
    got = script.eval("got")
    assert set(got) == {(topic.replace("out", "in"), text) for topic, text in wanted}
    assert {key for key in got if key[0] == "in/2" and got[key] != 1} == set()
    told = script.eval("sorted(told)")
    assert told == [(token, "acknowledged", 0) for token in range(1, 2 * count + 1)]


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("seed", [1, 2])
def test_cuts(script, tmp_path, seed, version):
    run(script, tmp_path, seed, version, 30, 150)


@pytest.mark.long
@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("seed", range(10, 15))
def test_many_cuts(script, tmp_path, seed, version):
    run(script, tmp_path, seed, version, 120, 700)
