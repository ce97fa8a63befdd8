# SPDX-License-Identifier: GPL-2.0-only
# mypy: ignore-errors
"""aio.MqttSession: a lasting MQTT session for tasks."""

from errno import EIO, ENOBUFS, ENOTCONN

from pymongoose import MG_EV_CLOSE
from pymongoose.aio.wait import Waits, failure
from pymongoose.mqtt import MqttSession as _Session

_WAITING = 16  # messages that may wait to be taken: then reading pauses


class MqttSession(Waits):
    """`async with` opens it, `async for` gives its messages, each of which stays valid.

    Arguments are those of pymongoose.mqtt.MqttSession without its manager and callbacks.
    """

    _what = "MQTT session"

    def __init__(self, url, client_id, **options):
        self._args = url, client_id
        self._options = options
        self._session = None

    async def __aenter__(self):
        if self._session is not None:
            raise failure(ENOTCONN, "this MqttSession is open already")
        Waits.__init__(self)
        self._messages = []
        self._results = {}  # token: None, or (state, reason)
        self._granted = {}  # topic filter: None, or (qos, reason)
        try:
            self._session = _Session(
                self._held.manager,
                self._args[0],
                self._args[1],
                self._heard,
                on_state=self._stated,
                on_delivery=self._delivered,
                on_subscribed=self._subscribed,
                **self._options,
            )
        except BaseException:
            self._release()
            raise
        return self

    async def __aexit__(self, kind, exc, traceback):
        await self.close()

    def _heard(self, message):
        self._messages.append(message.copy())
        self._paused = False  # by a connection from before, perhaps
        if len(self._messages) >= _WAITING:
            self._conn = self._session._conn
            self._pause(True)
        self._changed.set()

    def _stated(self, up, text):
        self._error = None if up else text
        self._paused = False
        self._changed.set()

    def _delivered(self, token, state, reason):
        if token in self._results:
            self._results[token] = state, reason
        self._changed.set()

    def _subscribed(self, topic, qos, reason):
        if topic in self._granted:
            self._granted[topic] = qos, reason
        self._changed.set()

    @property
    def connected(self):
        return self._session is not None and self._session.connected

    def _check(self):
        if self._session is None or self._closed:
            raise failure(ENOTCONN, "MQTT session is closed: use it with `async with`")
        return self._session

    async def wait_connected(self, *, timeout=None):
        """Waits until the server has accepted the connection."""
        session = self._check()
        await self._until(lambda: session.connected or self._closed, timeout, "MQTT connect")
        self._check()

    async def publish(self, topic, message, qos=0, retain=False, *, timeout=None, **options):
        """Returns when the server has acknowledged it; with QoS 0 when it was queued to leave.

        While the session's queue is full it waits for room.
        """
        session = self._check()
        if qos == 0:
            await self.wait_connected(timeout=timeout)
        while True:
            token = session.publish(topic, message, qos, retain, **options)
            if token or qos == 0:
                break
            was = session.queued
            await self._until(
                lambda was=was: session.queued < was or self._closed, timeout, "MQTT queue"
            )
            self._check()
        if qos == 0:
            if not token:
                raise failure(
                    ENOBUFS, "MQTT: not sent, too much is queued or there is no connection"
                )
            return
        self._results[token] = None
        try:
            await self._until(
                lambda: self._results[token] or self._closed, timeout, "MQTT acknowledgement"
            )
            result = self._results[token]
        finally:
            del self._results[token]
        if result is None:
            self._check()
        if result[0] != "acknowledged":
            raise failure(EIO, "MQTT: the message was %s (%d)" % result)

    async def subscribe(self, topic, qos=0, *, options=0, timeout=None):
        """Returns the granted QoS when the server has answered."""
        session = self._check()
        self._granted[topic] = None
        try:
            session.subscribe(topic, qos, options=options)
            await self._until(
                lambda: self._granted[topic] or self._closed, timeout, "MQTT subscription"
            )
            result = self._granted[topic]
        finally:
            self._granted.pop(topic, None)
        if result is None:
            self._check()
        if result[1] >= 0x80:
            raise failure(EIO, "MQTT: the subscription was refused (%d)" % result[1])
        return result[0]

    def unsubscribe(self, topic):
        self._check().unsubscribe(topic)

    async def recv(self, *, timeout=None):
        """The next message."""
        self._check()
        await self._until(lambda: self._messages or self._closed, timeout, "recv")
        if not self._messages:
            self._check()
        message = self._messages.pop(0)
        if self._paused and len(self._messages) < _WAITING // 2:
            self._pause(False)
        return message

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self._messages and self._closed:
            raise StopAsyncIteration
        return await self.recv()

    def abort(self):
        if self._session is not None and not self._closed:
            self._closed = True
            self._session.close()
            self._release()
            self._changed.set()

    async def close(self):
        """Says goodbye to the server; what is still queued is dropped."""
        if self._session is None or self._closed:
            return
        conn, gone = self._session._conn, []
        up = self._session.connected
        self._closed = True
        self._session.close()
        try:
            if conn is not None and up:  # its last words are on their way

                def ended(conn, ev, data):
                    if ev == MG_EV_CLOSE:
                        gone.append(1)
                        self._changed.set()

                conn.set_handler(ended)
                await self._until(lambda: gone, 10, "MQTT goodbye")
        finally:
            self._release()
