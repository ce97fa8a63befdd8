# SPDX-License-Identifier: GPL-2.0-only
"""A lasting MQTT session: it reconnects, subscribes again and sends again what was not acknowledged.

What it has promised (the queue, packet ids, subscriptions) is kept by the C core, with which each of its
connections works. Here are the reconnecting and the calls into the program.
"""

from os import urandom

from _pymongoose import _MqttSession

from pymongoose import (
    MG_EV_CLOSE,
    MG_EV_ERROR,
    MG_EV_MQTT_CMD,
    MG_EV_MQTT_MSG,
    MQTT_CMD_CONNACK,
    Error,
)

# What _event() is for.
_EVENTS = (MG_EV_ERROR, MG_EV_CLOSE, MG_EV_MQTT_CMD, MG_EV_MQTT_MSG)
_POLICIES = ("refuse", "drop_oldest", "drop_newest")
# The core's counters.
_QUEUED, _DROPPED, _EXPIRED, _SKIPPED, _REJECTED, _RESULTS = range(6)
_NEVER = 1 << 29  # milliseconds


class MqttSession(_MqttSession):  # type: ignore[misc]  # C, without a stub
    """Messages with QoS 1 and 2 wait in a queue of `queue_max`, and of `queue_bytes` of memory (0: a
    default), until the server has them. Messages with QoS 0 are not kept.

    `on_message(message)` is given each message. `on_state(up, text)` hears of every change, with the
    reason of an end. `on_delivery(token, state, reason)` hears once what became of each message with
    QoS 1 or 2, `on_subscribed(topic_filter, qos, reason)` of each answer to a subscription. After a
    failure the next try comes after `retry_min` milliseconds, doubled each time up to `retry_max`,
    of which a random part of up to a half is taken off. `url` may be several, taken in turn. `tls`
    is TlsOpts. `options` are those of Manager.mqtt_connect(), as its will and password.
    """

    def __init__(
        self,
        manager,
        url,
        client_id,
        on_message=None,
        *,
        on_state=None,
        tls=None,
        queue_max=100,
        retry_min=1000,
        retry_max=60000,
        clean_session=False,
        on_delivery=None,
        on_subscribed=None,
        queue_policy="refuse",
        queue_bytes=0,
        **options,
    ):
        if not client_id:
            raise ValueError("a session needs a client_id")
        if queue_policy not in _POLICIES:
            raise ValueError("queue_policy must be 'refuse', 'drop_oldest' or 'drop_newest'")
        if retry_min < 0 or retry_max < retry_min:
            raise ValueError("retry_min must be 0 or more, retry_max not less than that")
        urls = [url] if isinstance(url, str) else list(url)
        if not urls:
            raise ValueError("url is a URL, or several")
        version = options.get("version", 4)
        if version == 5 and options.get("properties") is None:
            options["properties"] = [(17, 86400)]  # seconds that the server keeps it
        self.on_message = on_message
        self.on_state = on_state
        self.on_delivery = on_delivery
        self.on_subscribed = on_subscribed
        self.connected = False
        self.retry_in = 0  # milliseconds of the wait that runs, 0 if none does
        self._manager = manager
        self._urls = urls
        self._turn = 0
        self._tls = tls
        self._retry = (retry_min, retry_max)
        options["client_id"] = client_id
        options["clean_session"] = clean_session
        self._options = options
        self._handler = self._event  # made once: a reconnect shall need as little memory as may be
        self._failures = 0
        self._skipped = 0
        self._reason = ""
        self._conn = None
        self._closed = False
        tells = on_delivery is not None, on_subscribed is not None
        policy = _POLICIES.index(queue_policy)
        super().__init__(manager, queue_max, queue_bytes, version, policy, *tells)
        # It is only ever put off and back, which needs no memory and cannot fail; and it comes again
        # by itself should a call of it fail.
        self._timer = manager.timer_add(max(retry_max, 1000), self._tick, repeat=True)
        self._teller = None
        try:
            if tells[0] or tells[1]:
                self._teller = manager.timer_add(_NEVER, self._results, repeat=True)
                self._told_by(self._teller)
            self._connect(True)
        except BaseException:
            self.close()
            raise

    @property
    def queued(self):
        """How many messages the server does not have yet."""
        return self._count(_QUEUED)

    @property
    def dropped(self):
        """How many messages were given up: by the queue's policy, for a limit of the server's, by close()."""
        return self._count(_DROPPED)

    @property
    def expired(self):
        """How many messages were not sent within their time."""
        return self._count(_EXPIRED)

    @property
    def skipped(self):
        """How many messages of the server were larger than max_message."""
        return self._count(_SKIPPED)

    @property
    def rejected(self):
        """How many messages with QoS 1 and 2 were not taken: no room, or the session had ended."""
        return self._count(_REJECTED)

    def close(self):
        """Says goodbye to the server and ends; what is still queued is dropped."""
        if self._closed:
            return
        self._closed = True
        self.retry_in = 0
        self._timer.cancel()
        if self._teller:
            self._teller.cancel()
        self._end()
        conn = self._conn
        if conn and self.connected:
            conn.drain()
        elif conn:
            conn.close()
        self._results()

    # The connection

    def _connect(self, first=False):
        conn = None
        self.retry_in = 0
        self._conn = None
        self._reason = ""
        try:
            url = self._urls[self._turn % len(self._urls)]
            conn = self._manager.mqtt_connect(url, self._handler, events=_EVENTS, **self._options)
            self._attach(conn)
            if self._tls is not None:
                conn.tls_init(self._tls)
            self._conn = conn
        except (Error, MemoryError) as e:  # no descriptor, no memory: the network may recover
            if conn:
                conn.close()  # before a byte has left
            if first:  # the program does not know its session yet
                self._retry_later()
            else:
                self._reason = str(e)
                self._lost()
        except BaseException:
            if conn:
                conn.close()
            self._retry_later()
            raise

    def _tick(self):
        """The wait is over; or a look at whether all is well."""
        if self._attached():
            if self.connected:
                self._failures = 0  # it has lasted
                self._pump()
            elif self._conn is None:  # the last one is not quite gone
                self._later(self._timer, 1)
        elif self._conn is not None:  # its end was not heard for want of memory
            self._lost()
        else:
            self._connect()

    def _retry_later(self):
        self._conn = None
        if self._closed:
            return
        low, high = self._retry
        delay = min(high, low << min(self._failures, 16))
        self._failures += 1
        self._turn += 1
        try:
            part = urandom(1)[0]
        except MemoryError:
            part = 128
        self.retry_in = delay - delay * part // 512
        if not self._later(self._timer, self.retry_in):  # the Manager ends
            self.retry_in = 0
            self._closed = True
            self._end()

    def _lost(self):
        self._pump()  # what has expired goes
        up, self.connected = self.connected, False
        told = up or not self._closed
        reason, self._reason = self._reason or "connection closed", ""
        self._retry_later()
        try:
            if told:
                self._changed(False, reason)
        finally:
            self._results()

    def _changed(self, up, text):
        if self.on_state:
            self.on_state(up, text)

    def _event(self, conn, ev, data):
        if conn is not self._conn:
            if ev == MG_EV_ERROR and self._conn is None:
                self._reason = data
        elif ev == MG_EV_MQTT_MSG:
            if self.on_message:
                self.on_message(data)
        elif ev == MG_EV_MQTT_CMD:
            if data.cmd == MQTT_CMD_CONNACK and data.ack == 0:
                self.connected = True
                self._later(self._timer, self._retry[1])
                self._changed(True, "")
        elif ev == MG_EV_ERROR:
            if self._skipped != self.skipped:
                self._skipped = self.skipped
                self._changed(True, data)
            else:
                self._reason = data
        elif ev == MG_EV_CLOSE:
            self._lost()

    def _results(self):
        if self._teller:
            try:
                self._tell(self.on_delivery, self.on_subscribed)
            finally:  # the rest, if the program has raised
                if self._count(_RESULTS):
                    self._later(self._teller, 0)
