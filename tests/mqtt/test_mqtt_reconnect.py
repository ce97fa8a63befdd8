# SPDX-License-Identifier: GPL-2.0-only
"""MqttSession: errors while it reconnects, several servers, TLS, and its end."""

import socket
import threading
from errno import EBUSY

import pytest
from peers.clients import free_port, seconds
from peers.mqtt_peers import Broker, publish
from session_script import NEW, conversation, script  # noqa: F401


def test_errors_while_reconnecting_do_not_end_it(script, tmp_path):  # noqa: F811
    """No memory, no descriptor, a handler that raises: the next try comes."""
    script.exec(
        """
class Moody:
    def __init__(self):
        self.n = 0
    def mqtt_connect(self, *args, **kwargs):
        self.n += 1
        if self.n == 2:
            raise MemoryError()
        if self.n == 3:
            raise OSError(24, "no descriptor")
        return m.mqtt_connect(*args, **kwargs)

def raises(up, text):
    states.append((up, text))
    raise ValueError("on purpose")
"""
    )
    port = free_port()
    script.exec(f"s = start({port}); moody = s._manager = Moody(); s.on_state = raises")
    script.until("moody.n >= 5")
    broker = Broker(tmp_path, port)
    try:
        script.until("s.connected", 15)
        script.exec("s.on_state = None; s.close()")
    finally:
        broker.stop()


def test_the_end_with_the_manager(script, tmp_path):  # noqa: F811
    broker = Broker(tmp_path)
    try:
        script.exec(
            f"""
ends = []
def once(up, text):
    ends.append(up)
for wait in (True, False):
    other = Manager()
    whole, m = m, other
    try:
        e = start({broker.port} if wait else {free_port()})
    finally:
        m = whole
    e.on_state = once
    while wait and not e.connected:
        other.poll(20)
    e.publish("t", "x", 1)
    e.publish("t", "y", 1)
    other.close()
    ends.append((e.publish("t", "x"), e.publish("t", "x", 1), e.connected, e.queued))
    e.close()
"""
        )
        assert script.eval("ends") == [True, False, (0, 0, False, 0), False, (0, 0, False, 0)]
        assert script.eval("sorted(told)") == [
            (1, "dropped", 0),
            (1, "dropped", 0),
            (2, "dropped", 0),
            (2, "dropped", 0),
        ]
    finally:
        broker.stop()


@pytest.mark.needs("threads")
def test_publish_in_another_thread_while_polling(script):  # noqa: F811
    """It raises, and nothing is queued."""
    script.exec(
        f"""
import _thread, time
s = start({free_port()}, retry_min=60000, retry_max=60000)
poll_until(m, lambda: states)  # it was refused: nothing ends the wait now
heard = []
def other():
    try:
        while True:  # until the other one is in poll()
            m.poll(0)
            time.sleep(0.001)
    except Error:
        pass
    for what in (lambda: s.publish("t", "x", 1), lambda: s.publish("t", "x"), lambda: s.subscribe("t")):
        try:
            heard.append(what())
        except Error as e:
            heard.append(e.errno)
    heard.append("end")
    m.wakeup(1)
_thread.start_new_thread(other, ())
while "end" not in heard:
    try:
        m.poll(5000)
    except Error:
        pass  # the other one was in poll()
"""
    )
    assert script.eval("heard") == [EBUSY] * 3 + ["end"]
    assert script.eval("s.queued") == 0


def test_close_tells_what_was_not_sent(script):  # noqa: F811
    script.exec(
        f"s = start({free_port()}); s.publish('t', 'x', 1); s.publish('t', 'y', 2); s.close()"
    )
    assert script.eval("told") == [(1, "dropped", 0), (2, "dropped", 0)]


def test_two_devices_of_one_id_do_not_storm(script):  # noqa: F811
    """A session that ends at once, again and again, keeps its back-off though messages came."""

    def talk(raw):
        raw.send(NEW + publish("t", b"x"))

    script.exec("waits = []")
    conversation(
        script,
        [talk] * 6,
        "s.on_state = lambda up, text: up or waits.append(s.retry_in)",
        "len(waits) >= 6",
        retry_max=5000,
    )
    waits = script.eval("waits[:6]")
    assert waits[5] >= 320 and waits[4] >= 160


def test_several_brokers(script, tmp_path):  # noqa: F811
    broker = Broker(tmp_path)
    try:
        script.exec(
            f"s = MqttSession(m, [peer('mqtt', {free_port()}), peer('mqtt', {broker.port})], 'dev', "
            "retry_min=20, retry_max=100); sessions.append(s)"
        )
        script.until("s.connected")
        script.exec("s.close()")
    finally:
        broker.stop()


@pytest.mark.parametrize("when", ["in tls_init", "in the handshake"])
def test_tls_that_fails_sends_nothing_in_the_clear(script, when):  # noqa: F811
    seen = []

    def serve(listener):
        raw, _ = listener.accept()
        raw.settimeout(seconds())
        try:
            seen.append(raw.recv(100))
            raw.sendall(b"no TLS here")
            seen.append(raw.recv(100))
        except OSError:
            pass
        raw.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        tls = "TlsOpts(skip_verification=True)" if when == "in the handshake" else "object()"
        script.exec(
            f"error = fails(lambda: MqttSession(m, peer('mqtt', {port}), 'dev', tls={tls}, "
            "retry_min=60000, on_state=lambda up, t: states.append(t)) and None)"
        )
        if when == "in the handshake":
            script.until("states")
            assert script.eval("error") is None
        else:
            script.eval("settle()")
            assert script.eval("error") == "TypeError"
        listener.close()
    assert not [data for data in seen if data[:1] == b"\x10" or b"MQTT" in data]
