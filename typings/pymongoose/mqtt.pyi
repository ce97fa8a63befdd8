# SPDX-License-Identifier: GPL-2.0-only
"""A lasting MQTT session: it reconnects, subscribes again and sends again what was not acknowledged."""

from collections.abc import Callable, Iterable

from pymongoose import Manager, MqttMessage, TlsOpts

_Data = str | bytes | bytearray | memoryview
_Property = tuple[int, int | str | bytes | tuple[str, str]]
_Properties = dict[int, int | str | bytes | tuple[str, str]] | Iterable[_Property]

class MqttSession:
    """Messages with QoS 1 and 2 wait in a queue of `queue_max` until the server has them; when it is
    full, publish() takes no more. Messages with QoS 0 are not kept.

    `on_message(message)` is given each message; if it raises, the message is not acknowledged and
    comes again. `on_state(up, text)` hears of every change, with the reason of an end. After a
    failure the next try comes after `retry_min` milliseconds, doubled each time up to `retry_max`,
    of which a random part of up to a half is taken off. What follows `clean_session` goes to
    Manager.mqtt_connect().

    Raises ValueError without a `client_id`, and as Manager.mqtt_connect().
    """

    on_message: Callable[[MqttMessage], object] | None
    """Given each message."""
    on_state: Callable[[bool, str], object] | None
    """Given each change."""
    connected: bool
    """The server has accepted the connection."""
    retry_in: int
    """Milliseconds of the wait for the next try, 0 if there is none."""

    def __init__(
        self,
        manager: Manager,
        url: str,
        client_id: str,
        on_message: Callable[[MqttMessage], object] | None = None,
        *,
        on_state: Callable[[bool, str], object] | None = None,
        tls: TlsOpts | None = None,
        queue_max: int = 100,
        retry_min: int = 1000,
        retry_max: int = 60000,
        clean_session: bool = False,
        # Of Manager.mqtt_connect():
        username: str = ...,
        password: _Data = ...,
        keepalive: int = ...,
        will_topic: str = ...,
        will_message: _Data = ...,
        will_qos: int = ...,
        will_retain: bool = ...,
        version: int = ...,
        properties: _Properties | None = ...,
        will_properties: _Properties | None = ...,
    ) -> None: ...
    @property
    def queued(self) -> int:
        """Messages with QoS 1 and 2 that the server does not have yet."""
    def publish(self, topic: str, message: _Data, qos: int = 0, retain: bool = False) -> bool:
        """True: it was sent (QoS 0) or is kept until the server has it. False: it was not taken."""
    def subscribe(self, topic: str, qos: int = 0) -> None:
        """Subscribes, now and after each reconnect."""
    def unsubscribe(self, topic: str) -> None:
        """Ends a subscription."""
    def close(self) -> None:
        """Says goodbye to the server and ends; what is still queued is not sent."""
