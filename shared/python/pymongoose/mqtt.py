# SPDX-License-Identifier: GPL-2.0-only
"""A lasting MQTT session: it reconnects, subscribes again and sends again what was not acknowledged."""

from os import urandom

from pymongoose import (
    MG_EV_CLOSE,
    MG_EV_ERROR,
    MG_EV_MQTT_CMD,
    MG_EV_MQTT_MSG,
    MQTT_CMD_CONNACK,
    MQTT_CMD_PINGRESP,
    MQTT_CMD_PUBACK,
    MQTT_CMD_PUBCOMP,
    MQTT_CMD_PUBLISH,
    MQTT_CMD_PUBREC,
    MQTT_CMD_PUBREL,
    Error,
)

# A message on its way: [topic, payload, qos, retain, packet id, released]
_TOPIC, _PAYLOAD, _QOS, _RETAIN, _ID, _RELEASED = 0, 1, 2, 3, 4, 5


class MqttSession:
    """Messages with QoS 1 and 2 wait in a queue of `queue_max` until the server has them; when it is
    full, publish() takes no more. Messages with QoS 0 are not kept.

    `on_message(message)` is given each message. `on_state(up, text)` hears of every change, with the
    reason of an end. After a failure the next try comes after `retry_min` milliseconds, doubled each
    time up to `retry_max`, of which a random part of up to a half is taken off. `tls` is TlsOpts.
    `options` are those of Manager.mqtt_connect(), as its will and password.
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
        **options,
    ):
        if not client_id:
            raise ValueError("a session needs a client_id")
        if options.get("version") == 5 and options.get("properties") is None:
            options["properties"] = [(17, 86400)]  # seconds that the server keeps it
        self.on_message = on_message
        self.on_state = on_state
        self.connected = False
        self.retry_in = 0  # milliseconds of the wait that runs, 0 if none does
        self._manager = manager
        self._url = url
        self._tls = tls
        self._queue_max = queue_max
        self._retry = (retry_min, retry_max)
        options["client_id"] = client_id
        options["clean_session"] = clean_session
        self._options = options
        self._queue = []
        self._seen = set()  # ids of messages with QoS 2 that the server has not released
        self._topics = {}
        self._failures = 0
        self._reason = ""
        self._conn = None
        self._timer = None
        self._closed = False
        try:
            self._connect()
        except BaseException:
            self._closed = True  # nobody has it: it must not go on connecting
            raise

    @property
    def queued(self):
        """How many messages the server does not have yet."""
        return len(self._queue)

    def publish(self, topic, message, qos=0, retain=False):
        """True: it was sent (QoS 0) or is kept until the server has it. False: it was not taken."""
        if self._closed:
            return False
        if qos == 0:
            return self.connected and self._send(topic, message, 0, retain, 0) is not None
        if len(self._queue) >= self._queue_max:
            return False
        self._queue.append([topic, message, qos, retain, 0, False])
        self._pump()
        return True

    def subscribe(self, topic, qos=0):
        """Subscribes, now and after each reconnect."""
        self._topics[topic] = qos
        if self._conn and self.connected:
            self._conn.mqtt_sub(topic, qos)

    def unsubscribe(self, topic):
        """Ends a subscription."""
        known = self._topics.pop(topic, None) is not None
        if known and self._conn and self.connected:
            self._conn.mqtt_unsub(topic)

    def close(self):
        """Says goodbye to the server and ends; what is still queued is not sent."""
        self._closed = True
        if self._timer:
            self._timer.cancel()
        if self._conn and self.connected:
            self._conn.mqtt_disconnect()
        elif self._conn:
            self._conn.close()

    # The connection

    def _connect(self):
        self._timer = None
        self.retry_in = 0
        self._conn = None
        try:
            self._conn = self._manager.mqtt_connect(self._url, self._handler, **self._options)
            if self._tls is not None:
                self._conn.tls_init(self._tls)  # if that fails, the connection is closed
        except (Error, MemoryError) as e:  # no descriptor, no memory: the network may recover
            if self._conn is None:
                self._later(str(e))

    def _later(self, reason):
        self._conn = None
        if self._closed:
            return
        low, high = self._retry
        delay = min(high, low << min(self._failures, 16))
        self._failures += 1
        self.retry_in = delay - delay * urandom(1)[0] // 512
        self._reason = reason
        self._timer = self._manager.timer_add(self.retry_in, self._connect)

    def _handler(self, conn, ev, data):
        if conn is not self._conn and self._conn is not None:
            return
        if ev == MG_EV_MQTT_MSG:
            self._message(data)
        elif ev == MG_EV_MQTT_CMD:
            self._command(conn, data)
        elif ev == MG_EV_ERROR:
            self._reason = data
        elif ev == MG_EV_CLOSE:
            up, self.connected = self.connected, False
            reason, self._reason = self._reason or "connection closed", ""
            self._later(reason)
            if up or not self._closed:
                self._tell(False, reason)

    def _tell(self, up, text):
        if self.on_state:
            self.on_state(up, text)

    def _message(self, message):
        if message.qos == 2:
            if message.id in self._seen:
                return
            if self.on_message:
                self.on_message(message)
            self._seen.add(message.id)
        elif self.on_message:
            self.on_message(message)

    def _command(self, conn, packet):
        cmd = packet.cmd
        if cmd == MQTT_CMD_CONNACK and packet.ack == 0:
            self._open(conn, packet.session_present)
        elif cmd == MQTT_CMD_PUBACK or cmd == MQTT_CMD_PUBCOMP:
            self._done(packet.id)
        elif cmd == MQTT_CMD_PUBREC and packet.ack >= 128:
            self._done(packet.id)
        elif cmd == MQTT_CMD_PUBREC:
            for entry in self._queue:
                if entry[_ID] == packet.id:
                    entry[_RELEASED] = True
        elif cmd == MQTT_CMD_PUBREL:
            self._seen.discard(packet.id)
        elif cmd in (MQTT_CMD_PUBLISH, MQTT_CMD_PINGRESP):
            self._failures = 0

    # Sending

    def _open(self, conn, resumed):
        self.connected = True
        if not resumed:
            # The server knows nothing of what was under way; what it had released to us is done.
            self._seen.clear()
            self._queue = [entry for entry in self._queue if not entry[_RELEASED]]
            for entry in self._queue:
                entry[_ID] = 0
        for entry in self._queue:
            number = entry[_ID]
            if entry[_RELEASED]:
                conn.send(bytes((0x62, 2, number >> 8, number & 255)))  # PUBREL
            elif number:
                self._send(*entry[:5])
        if not resumed:
            for topic, qos in self._topics.items():
                conn.mqtt_sub(topic, qos)
        self._pump()
        self._tell(True, "")

    def _send(self, topic, message, qos, retain, number):
        if self._conn is None:
            return None
        try:
            return self._conn.mqtt_pub(topic, message, qos, retain, id=number)
        except Error:  # as much is under way as the server or the send buffer takes
            return None

    def _pump(self):
        for entry in self._queue:
            if not self.connected:
                break
            if not entry[_ID]:
                number = self._send(*entry[:5])
                if number is None:
                    break
                entry[_ID] = number

    def _done(self, number):
        self._failures = 0
        self._queue = [entry for entry in self._queue if entry[_ID] != number]
        self._pump()
