# SPDX-License-Identifier: GPL-2.0-only
"""The ends of an MqttSession: Ctrl-C, close() in every handler, garbage, two of one client id."""

import pytest
from peers.mqtt_peers import Broker

START = """
from pymongoose.mqtt import MqttSession

ends = []
told = []

def start(m, **kwargs):
    options = {"on_state": lambda up, text: ends.append(up), "on_delivery": lambda *a: told.append(a)}
    options.update(kwargs)
    return MqttSession(m, peer("mqtt", PARAMS["port"]), "dev", retry_min=20, retry_max=100, **options)
"""

RUN = (
    START
    + """
m = Manager()
s = start(m)
assert s.publish("t", "x", 1)
t = m.timer_add(5, lambda: print("RUNS") if s.connected and not s.queued and not t.cancel() else None, repeat=True)
m.run()
assert s.publish("t", "x", 1) == 0 and s.publish("t", "x") == 0, "after the end"
assert not s.connected and s.queued == 0
s.close()
print("ENDS", ends, told)
"""
)


@pytest.fixture
def broker(tmp_path):
    broker = Broker(tmp_path)
    yield broker
    broker.stop()


def test_ctrl_c(device, broker):
    """run() returns, and what the session has left is told: no traceback, once."""
    script = device(RUN, port=broker.port)
    script.expect("RUNS", 20)
    script.interrupt()
    assert script.expect("ENDS", 20) == "[True, False] [(1, 'acknowledged', 0)]"
    assert script.finish() == [0, 0, 0, 0]
    assert "Traceback" not in script.console


@pytest.mark.parametrize("what", ["m.close()", "s.close()", "gone()"])
@pytest.mark.parametrize("where", ["message", "state", "delivery", "subscribed", "timer"])
def test_the_end_in_a_handler(device, broker, what, where):
    script = device(START + "\nserve()", port=broker.port)
    script.expect("SERVING")
    script.exec(
        f"""
m = Manager()
done = []

def gone():
    global s
    s = None
    gc.collect()

def end(*a):
    if s and not done:
        done.append(1)
        {what}

s = None
s = start(m, **{{"on_" + {where!r}: end}}) if {where!r} != "timer" else start(m)
if {where!r} == "timer":
    m.timer_add(1, lambda: s and s.connected and end(), repeat=True)
s.subscribe("t", 1)
s.publish("t", "x", 1)
t = m.timer_add(20, lambda: s and s.publish("t", "x", 1), repeat=True)
start_ms = ticks_ms()
while not done and ticks_diff(ticks_ms(), start_ms) < 20000:
    m.poll(5)
"""
    )
    assert script.eval("len(done)") == 1
    script.exec("m.close(); s = m = t = None; gc.collect()")


def test_two_sessions_of_one_client_id(device, broker):
    """Each puts the other out: they do so ever more seldom, and no message is blamed for it."""
    script = device(START + "\nserve()", port=broker.port)
    script.expect("SERVING")
    script.exec(
        """
m = Manager()
both = [start(m), start(m)]
start_ms = ticks_ms()
n = 0
while len(ends) < 24 and ticks_diff(ticks_ms(), start_ms) < 20000:
    m.poll(5)
    for s in both:
        if s.queued < 2:
            n += bool(s.publish("t", str(n), 1))
for s in both:
    s.close()
m.close()
"""
    )
    assert script.eval("len(ends) >= 24")
    assert script.eval("set(t[1] for t in told) - {'acknowledged', 'dropped'}") == set()
    script.exec("both = s = m = None; gc.collect()")


def test_sessions_of_one_manager(device, broker):
    """Several, each with its own id: what one publishes the others get once."""
    script = device(START + "\nserve()", port=broker.port)
    script.expect("SERVING")
    script.exec(
        f"""
m = Manager()
got = []
all = [MqttSession(m, peer("mqtt", {broker.port}), "dev%d" % n, lambda d: got.append(d.text), version=4 + n % 2)
    for n in range(3)]
for s in all:
    s.subscribe("many/#", 2)
def until(condition):
    start_ms = ticks_ms()
    while not condition() and ticks_diff(ticks_ms(), start_ms) < 20000:
        m.poll(5)
    return condition()
ok = until(lambda: [s.connected for s in all] == [True] * 3)
turn = [0]
def again():
    # Until the last one's subscription is there, a message may pass it by.
    turn[0] += 1
    all[0].publish("many/probe", "probe", 1)
t = m.timer_add(50, again, repeat=True)
ok = ok and until(lambda: got.count("probe") >= 3 * 2)
t.cancel()
for n in range(10):
    all[n % 3].publish("many/x", str(n), 2)
ok = ok and until(lambda: len([1 for x in got if x != "probe"]) == 30)
m.close()
"""
    )
    assert script.eval("ok")
    assert script.eval("sorted(x for x in got if x != 'probe')") == sorted(
        [str(n) for n in range(10)] * 3
    )
    script.exec("all = s = m = t = got = None; gc.collect()")
