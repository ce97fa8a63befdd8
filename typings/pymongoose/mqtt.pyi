# SPDX-License-Identifier: GPL-2.0-only
"""A lasting MQTT session: it reconnects, subscribes again and sends again what was not acknowledged."""

from collections.abc import Callable, Iterable
from typing import Literal

from pymongoose import Manager, MqttMessage, TlsOpts

_Data = str | bytes | bytearray | memoryview
_Property = tuple[int, int | str | bytes | tuple[str, str]]
_Properties = dict[int, int | str | bytes | tuple[str, str]] | Iterable[_Property]

class MqttSession:
    """Messages with QoS 1 and 2 wait in a queue of `queue_max`, and of `queue_bytes` of memory (0: 64
    KB on a board, 16 MB elsewhere), until the server has them. Messages with QoS 0 are not kept.

    `url` may be several, of which the next is tried when one has failed. `on_message(message)` is
    given each message; if it raises, the message is not acknowledged and comes again.
    `on_state(up, text)` hears of every change, with the reason of an end.
    `on_delivery(token, state, reason)` hears once what became of each message with QoS 1 or 2,
    `on_subscribed(topic_filter, qos, reason)` of each answer to a subscription. After a failure the
    next try comes after `retry_min` milliseconds, doubled each time up to `retry_max`, of which a
    random part of up to a half is taken off. What follows `queue_bytes` goes to
    Manager.mqtt_connect().

    Raises ValueError without a `client_id`, and as Manager.mqtt_connect().
    """

    on_message: Callable[[MqttMessage], object] | None
    """Given each message."""
    on_state: Callable[[bool, str], object] | None
    """Given each change."""
    on_delivery: Callable[[int, str, int], object] | None
    """Given what became of a message: its token, and MQTT's code or 0."""
    on_subscribed: Callable[[str, int, int], object] | None
    """Given an answer: the filter, the QoS as granted (as asked for if refused), 0 or the code."""
    connected: bool
    """The server has accepted the connection."""
    retry_in: int
    """Milliseconds of the wait for the next try, 0 if there is none."""

    def __init__(
        self,
        manager: Manager,
        url: str | Iterable[str],
        client_id: str,
        on_message: Callable[[MqttMessage], object] | None = None,
        *,
        on_state: Callable[[bool, str], object] | None = None,
        tls: TlsOpts | None = None,
        queue_max: int = 100,
        retry_min: int = 1000,
        retry_max: int = 60000,
        clean_session: bool = False,
        on_delivery: Callable[[int, str, int], object] | None = None,
        on_subscribed: Callable[[str, int, int], object] | None = None,
        queue_policy: Literal["refuse", "drop_oldest", "drop_newest"] = "refuse",
        queue_bytes: int = 0,
        # Of Manager.mqtt_connect():
        username: str | None = ...,
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
    @property
    def dropped(self) -> int:
        """Messages given up: by the queue's policy, for a limit of the server's, by close()."""
    @property
    def rejected(self) -> int:
        """Messages with QoS 1 and 2 that were not taken: no room, or the session had ended."""
    @property
    def expired(self) -> int:
        """Messages that were not sent within their time."""
    @property
    def skipped(self) -> int:
        """Messages of the server that were larger than max_message."""
    def publish(
        self,
        topic: str,
        message: _Data,
        qos: int = 0,
        retain: bool = False,
        *,
        expiry: int = 0,
        properties: _Properties | None = None,
    ) -> int:
        """A token, 1 or more: it was sent (QoS 0) or is kept until the server has it. 0: not taken.

        `expiry` are seconds that it may wait. Raises ValueError for what MQTT forbids, and
        Error(EBUSY) in another thread while the Manager polls."""
    def subscribe(self, topic: str, qos: int = 0, *, options: int = 0) -> None:
        """Subscribes, now and after each reconnect."""
    def unsubscribe(self, topic: str) -> None:
        """Ends a subscription."""
    def close(self) -> None:
        """Says goodbye to the server and ends; what is still queued is dropped."""
