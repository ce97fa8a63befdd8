# SPDX-License-Identifier: GPL-2.0-only
"""Names for annotations: what a handler's `data` may be, and what a handler is."""

try:
    from collections.abc import Callable
    from typing import Union

    from pymongoose import (
        Connection,
        HttpMessage,
        MdnsRequest,
        MdnsResponse,
        ModbusRequest,
        ModbusResponse,
        MqttMessage,
        WsMessage,
    )

    EventData = Union[
        str,
        int,
        bytes,
        HttpMessage,
        WsMessage,
        MqttMessage,
        MdnsRequest,
        MdnsResponse,
        ModbusRequest,
        ModbusResponse,
        None,
    ]
    Handler = Callable[[Connection, int, EventData], object]
except ImportError:  # MicroPython does not evaluate annotations: only the names must be there
    EventData = Handler = object
