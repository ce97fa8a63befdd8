# SPDX-License-Identifier: GPL-2.0-only
"""MqttSession behind a proxy that cuts the link at random bytes of either direction.

An independent subscriber judges: QoS 1 loses nothing, QoS 2 neither loses nor doubles, both ways. The
cuts are seeded; which packet they hit depends on the machine, too. In between the server stands still
for a while, and a device's allocations fail.
"""

import signal
from collections import Counter

import pytest
from peers.faults import faulty  # noqa: F401
from peers.mqtt_peers import Broker, Client, Ejabberd
from peers.mqtt_proxies import Cutter
from session_script import SCRIPT as SESSIONS

FEED = """
def begin(port, version):
    global s
    s = start_counting(port, version=version, queue_max=500, retry_max=40, username="dev",
        password="secret", keepalive=1)

def feed():
    # A few at a time, so that the cuts fall all over.
    if fed[0] < fed[1] and s.queued < 30:
        n = fed[0]
        if s.publish("out/1", str(n), 1) and s.publish("out/2", str(n), 2):
            fed[0] += 1

"""
SCRIPT = SESSIONS.replace("timers = []", FEED + "timers = []")

# Handlers of the test allocate too: what raises is a message that comes again.
DROUGHT = """
def dry():
    for n in range(60):
        fault(1 + n % 7)
        try:
            m.poll(5)
        except MemoryError:
            pass
        fault()
        m.poll(5)

"""


@pytest.fixture
def script(shared):
    device = shared(SCRIPT, quiet=True)
    yield device
    device.eval("reset()")


@pytest.fixture(scope="module")
def ejabberd(tmp_path_factory):
    broker = Ejabberd(tmp_path_factory.mktemp("ejabberd"))
    yield broker
    broker.stop()


@pytest.fixture
def mosquitto(tmp_path):
    broker = Broker(tmp_path, more="max_queued_messages 0", users=("dev", "judge"))
    yield broker
    broker.stop()


def run(script, broker, seed, version, cuts, count, between=lambda cutter: None, **how):
    cutter = Cutter(broker.port, seed, cuts, **how)
    # The name is part of a session's, and the server of a module may have one from before.
    name = f"judge{seed}-{version}-{count}"
    judge = Client(("127.0.0.1", broker.port), client_id=name, clean_session=False, connect=False)
    judge.username_pw_set("judge", "secret")
    judge.open()
    with judge:
        try:
            assert judge.listen("out/#", 2) == [2]
            script.exec(f"begin({cutter.port}, {version}); fed = [0, {count}]")
            script.until("answers", 60)
            script.exec("timers.append(m.timer_add(2, feed, repeat=True))")
            for n in range(count):
                for qos in (1, 2):
                    judge.publish(f"in/{qos}", str(n), qos)
            between(cutter)
            script.until(f"fed[0] == {count} and s.queued == 0", 100)
            script.until(f"len(count) == {2 * count}", 60)
            seen = Counter()
            while len(seen) < 2 * count:
                topic, payload, _, _ = judge.next()
                seen[topic, payload.decode()] += 1
            judge.publish("out/end", "", 2)
            while (last := judge.next())[0] != "out/end":
                seen[last[0], last[1].decode()] += 1
            judge.unsubscribe("out/#")
            judge.subscribed.get()
        finally:
            cutter.close()
    assert cutter.done == cuts or cutter.done > cuts // 2, cutter.done
    wanted = {(f"out/{qos}", str(n)) for qos in (1, 2) for n in range(count)}
    assert set(seen) == wanted
    assert {key for key in seen if key[0] == "out/2" and seen[key] != 1} == set()
    missing = f"[n for n in range({count}) if ('in/1', str(n)) not in count or ('in/2', str(n)) not in count]"
    assert script.eval(missing) == [] and script.eval("len(count)") == 2 * count
    assert script.eval("[k for k in count if k[0] == 'in/2' and count[k] != 1]") == []
    assert script.eval("set(t[1:] for t in told)") == {("acknowledged", 0)}
    tokens = script.eval("len(told)")
    assert script.eval("len(set(t[0] for t in told)), max(t[0] for t in told)") == (tokens, tokens)
    # A publish() may have raised between the two: that token has been told of, too.
    assert tokens == 2 * count or (between.__name__ == "droughts" and tokens > 2 * count)


def some(target):
    """Cuts, and messages of each direction and QoS."""
    return (20, 60) if target.short_runs else (30, 150)


@pytest.mark.cost(12)
@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("seed", [1, 2])
def test_cuts(script, mosquitto, target, seed, version):
    run(script, mosquitto, seed, version, *some(target))


@pytest.mark.cost(15)
@pytest.mark.needs("ejabberd")
@pytest.mark.parametrize("version", [4, 5])
def test_cuts_before_another_server(script, ejabberd, target, version):
    run(script, ejabberd, 3, version, *some(target), most=700)


@pytest.mark.cost(15)
@pytest.mark.parametrize("seed", [7, 8])
def test_cuts_in_order(script, mosquitto, target, seed):
    """As some proxies cut, soon and by FIN alone: that sets no message aside."""
    cuts, count = some(target)
    run(script, mosquitto, seed, 4, 3 * cuts, count // 2, most=300, resets=0)


@pytest.mark.cost(15)
def test_cuts_and_pauses(script, mosquitto):
    """The server does nothing for longer than the keep-alive time, three times."""

    def pauses(cutter):
        for n in range(3):
            script.until(f"fed[0] >= {5 + 10 * n}", 60)
            mosquitto.process.send_signal(signal.SIGSTOP)
            try:
                script.until("not s.connected", 60)
            finally:
                mosquitto.process.send_signal(signal.SIGCONT)

    run(script, mosquitto, 4, 4, 20, 60, pauses)


@pytest.mark.needs("native-speed")
def test_cuts_without_memory(faulty, mosquitto):  # noqa: F811
    """Every so often the next allocations fail, the program's own and the library's."""
    device = faulty(SCRIPT.replace("serve(m)", DROUGHT + "serve(m)"), quiet=True)
    device.expect("SERVING")

    def droughts(cutter):
        device.exec("dry()")

    run(device, mosquitto, 6, 4, 20, 80, droughts, most=700)
    assert device.eval("failures()") > 0
    device.eval("reset()")


@pytest.mark.long
@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("seed", range(10, 15))
def test_many_cuts(script, mosquitto, seed, version):
    run(script, mosquitto, seed, version, 120, 700)


@pytest.mark.long
@pytest.mark.needs("ejabberd")
@pytest.mark.parametrize("version", [4, 5])
def test_many_cuts_before_another_server(script, ejabberd, version):
    run(script, ejabberd, 20, version, 120, 700)
