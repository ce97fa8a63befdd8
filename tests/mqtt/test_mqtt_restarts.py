# SPDX-License-Identifier: GPL-2.0-only
"""MqttSession and a server that restarts under load, judged on the wire and by a subscriber.

What the server saved decides. Ended in order (SIGTERM) mosquitto saves all: nothing is lost, and QoS 2
comes once. Killed, it goes on with what it had saved before: the session still sends nothing again that
the server had confirmed, and handles nothing twice that is marked as a repetition.
"""

import random
import signal
from collections import Counter

import pytest
import soak_mqtt
from peers.clients import Raw
from peers.mqtt_peers import CONNECT, PUBCOMP, PUBLISH, PUBREL, Broker, Client
from peers.mqtt_proxies import Wire
from session_script import script  # noqa: F401


@pytest.mark.cost(25)
def test_restarts_that_save(target):
    """20 restarts with messages on their way in both directions."""
    restarts = 5 if target.short_runs else 20
    soak_mqtt.run(target, restarts, 16 * restarts, retry=50)


# ---- On the wire ---------------------------------------------------------------------------------


def content(body, qos):
    """(topic, packet id, payload) of a PUBLISH of MQTT 3.1.1."""
    size = int.from_bytes(body[:2], "big")
    topic, rest = body[2 : 2 + size].decode(), body[2 + size :]
    return (topic, int.from_bytes(rest[:2], "big"), rest[2:]) if qos else (topic, 0, rest)


@pytest.mark.cost(15)
def test_a_server_that_is_killed(script, target, tmp_path):  # noqa: F811
    """Between two kills it saves once, in order, so that it comes back with a state of long ago."""
    keep = f"persistence true\npersistence_location {tmp_path}/\nmax_queued_messages 0"
    broker = Broker(tmp_path, more=keep)
    wire = Wire(broker.port)
    rnd = random.Random(5)
    rounds, count = target.size(8, 4), 8
    try:
        script.exec(f"s = start_counting({wire.port})")
        script.until("answers")
        for turn in range(rounds):
            with Client(("127.0.0.1", broker.port)) as feeder:
                for n in range(turn * count, (turn + 1) * count):
                    script.exec(f"s.publish('out/', '{n}', 2); s.publish('one/', '{n}', 1)")
                    feeder.publish("in/", str(n), 2)
                feeder.send("in/", f"end{turn}", 2)
            if rnd.randrange(2):
                script.until(f"('in/', 'end{turn}') in count")
            broker.stop(signal.SIGKILL if turn % 3 else signal.SIGTERM)
            broker.start()
            script.until("s.connected", 30)
        script.until("s.queued == 0", 30)
        got = script.eval("count")
        told = script.eval("sorted(told)")
        script.exec("s.close()")
    finally:
        wire.close()
        broker.stop()
    assert told == [(token, "acknowledged", 0) for token in range(1, 2 * rounds * count + 1)]
    confirmed, live, fresh = set(), {}, Counter()
    for _, ours, cmd, flags, body in wire.packets:
        if cmd == PUBLISH and ours and flags & 6 == 4:
            topic, mid, payload = content(body, 2)
            assert payload not in confirmed, f"{payload} was confirmed and is sent again"
            live[mid] = payload
        elif cmd == PUBREL and ours:
            confirmed.add(live[int.from_bytes(body[:2], "big")])
        elif cmd == PUBLISH and not ours and not flags & 8:
            topic, mid, payload = content(body, flags & 6)
            fresh[topic, payload.decode()] += 1
    assert len(confirmed) == rounds * count
    # What the server forgot having sent comes as new. A repetition counts once, where a link has taken the
    # first copy with it.
    assert {key: n for key, n in got.items() if n > max(fresh[key], 1)} == {}


@pytest.mark.parametrize("version", [4, 5])
def test_a_filter_of_after_the_last_save(script, tmp_path, version):  # noqa: F811
    """mosquitto knows the session when it is back, but not the filter."""
    broker = Broker(tmp_path, more=f"persistence true\npersistence_location {tmp_path}/")

    def restart(how):
        script.exec("states.clear()")
        broker.stop(how)
        script.until(
            "len([up for up, _ in states if not up]) > 1", 30
        )  # the connection's, and that of a try
        broker.start()
        script.until("s.connected", 30)

    try:
        script.exec(f"s = start_counting({broker.port}, version={version})")
        script.until("answers")
        restart(signal.SIGTERM)
        script.exec("answers.clear(); s.subscribe('late', 1)")
        script.until("('late', 1, 0) in answers")
        restart(signal.SIGKILL)
        script.until("('late', 1, 0) in answers[1:]")
        broker.publish("late", "here")
        script.until("('late', 'here') in count")
        script.exec("s.close()")
    finally:
        broker.stop()


def test_a_killed_server_that_is_back_before_the_first_try(script, tmp_path):  # noqa: F811
    """mosquitto 3.1.1 knows the session, but not the filter, and no try has failed meanwhile."""
    broker = Broker(tmp_path, more=f"persistence true\npersistence_location {tmp_path}/")
    try:
        script.exec(f"s = start_counting({broker.port}, retry_max=60000)")
        script.until("answers")
        broker.stop(signal.SIGTERM)
        broker.start()
        script.until("len([up for up, _ in states if up]) > 1", 30)
        script.exec("answers.clear(); s.subscribe('late', 1)")
        script.until("('late', 1, 0) in answers")
        script.exec("s._retry = (60000, 60000); states.clear()")
        broker.stop(signal.SIGKILL)
        script.until("states and not s.connected", 30)
        broker.start()
        script.exec("answers.clear(); s._later(s._timer, 0)")
        script.until("('late', 1, 0) in answers", 30)
        broker.publish("late", "here")
        script.until("('late', 'here') in count")
        assert script.eval("states") == [(False, "connection closed"), (True, "")]
        script.exec("s.close()")
    finally:
        broker.stop()


def test_what_mosquitto_had_released_comes_again(script, tmp_path):  # noqa: F811
    """Evidence for docs/mqtt.md, and the session's answer to it.

    mosquitto 2.0 has got PUBREC and sent PUBREL for 20 messages when the connection is cut, then another
    connection ends before it could repeat those. On the third one it publishes the messages again.
    """
    count = 20
    lonely = []

    def meddle(wire, ours, cmd, whole):
        if cmd == CONNECT:
            wire.login = whole
        if wire.number > 1 or cmd != PUBCOMP:
            return True
        lonely.append(whole)
        if len(lonely) == count:
            # It finds CONNECT and the end together: its first answer meets a reset, and the next ones fail.
            broker.process.send_signal(signal.SIGSTOP)
            with Raw(("127.0.0.1", wire.to)) as raw:
                raw.send(wire.login)
            broker.process.send_signal(signal.SIGCONT)
            wire.over = True
        return False

    broker = Broker(tmp_path)
    wire = Wire(broker.port, meddle)
    try:
        script.exec(f"s = start_counting({wire.port})")
        script.until("answers")
        with Client(("127.0.0.1", broker.port)) as feeder:
            for n in range(count):
                feeder.send("in/", str(n), 2)
        script.until(f"len(count) == {count}", 30)
        with Client(("127.0.0.1", broker.port)) as feeder:
            feeder.send("in/", "end", 2)
        script.until("('in/', 'end') in count", 30)
        got = script.eval("count")
        script.exec("s.close()")
    finally:
        wire.close()
        broker.stop()
    first = [p for p in wire.packets if p[0] == 1 and not p[1]]
    later = [p for p in wire.packets if p[0] > 1 and not p[1]]
    released = {int.from_bytes(p[4][:2], "big") for p in first if p[2] == PUBREL}
    again = {content(p[4], 2)[1] for p in later if p[2] == PUBLISH and p[3] & 8}
    assert len(released) >= count
    assert again & released, "this mosquitto keeps to 4.3.3: docs/mqtt.md may say so"
    assert set(got.values()) == {1}, got
