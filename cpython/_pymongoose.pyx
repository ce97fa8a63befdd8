# SPDX-License-Identifier: GPL-2.0-only
# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# cython: binding=False, embedsignature=True, embedsignature.format=clinic, auto_pickle=False
"""The engine of pymongoose on CPython; programs import it as `pymongoose`.

What a class or function does is written in pymongoose's stub, `__init__.pyi`. The names come from
shared/base/names.h: constants and the properties that C answers alone are generated from there.
"""

cimport cython

from pmg cimport *


class Error(RuntimeError):
    """A network operation failed, or an object was used after its end; errno says why."""

    __module__ = "pymongoose"  # as tracebacks should name it
    errno = 0


class DecodeError(ValueError):
    """Bytes that came from elsewhere are not what they should be."""

    __module__ = "pymongoose"


pmg_py_error_class(Error, DecodeError)
cdef object DECODE_ERROR = DecodeError

include "connection.pxi"
include "timer.pxi"
include "manager.pxi"
include "coroutine.pxi"
include "hooks.pxi"

# A protocol is one file, which adds its methods to Connection and to Manager.
include "http.pxi"
include "ws.pxi"
include "mqtt.pxi"
include "mqtt_session.pxi"
include "sntp.pxi"
include "dns.pxi"
include "tls.pxi"
include "modbus.pxi"
include "mdns.pxi"

include "util.pxi"
include "request.pxi"
include "module.pxi"
