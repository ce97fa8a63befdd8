# SPDX-License-Identifier: GPL-2.0-only
# Views of messages. A view points into the core's memory until the hook that made it ends.
# Properties that are plain slices come from tables.c.

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc


@cython.final
@cython.freelist(8)
cdef class HttpMessage:
    """A request or response, readable until the handler that received it returns."""

    cdef pmg_py_view_t view

    def __init__(self):
        raise TypeError("cannot create 'HttpMessage' instances")

    def __bool__(self):
        return self.view.msg != NULL

    def header(self, name, default=None):
        """The value of a header, or `default`."""
        cdef mg_str key, value
        pmg_py_str(name, "name", &key)
        value = pmg_http_header(http_msg(&self.view), key)
        return default if value.buf == NULL else pmg_py_text(value)

    def headers(self):
        """All headers as a list of (name, value) pairs, in their order."""
        cdef const pmg_http_msg_t *hm = http_msg(&self.view)
        cdef int i
        return [
            (pmg_py_text(hm.headers[i].name), pmg_py_text(hm.headers[i].value))
            for i in range(hm.num_headers)
        ]

    def query_var(self, name):
        """A parameter of the query string, decoded, or None."""
        cdef mg_str key, value
        cdef int length
        pmg_py_str(name, "name", &key)
        value = pmg_http_query_var(http_msg(&self.view), key)
        if value.buf == NULL:
            return None
        cdef char *buf = <char *>PyMem_Malloc(value.len + 1)
        if buf == NULL:
            raise MemoryError
        try:
            length = pmg_url_decode(value, buf)
            if length < 0:
                pmg_py_raise(length, PMG_MSG_BAD_ESCAPE)
            value.buf = buf
            value.len = length
            return pmg_py_text(value)
        finally:
            PyMem_Free(buf)

    def status(self):
        """The status code of a response; None for a request."""
        cdef int status = http_msg(&self.view).status
        return status if status != 0 else None

    def header_var(self, header_name, var_name):
        """A parameter of a header's value (charset of Content-Type), or None."""
        cdef mg_str header, var, value
        pmg_py_str(header_name, "header_name", &header)
        pmg_py_str(var_name, "var_name", &var)
        value = pmg_http_header_var(http_msg(&self.view), header, var)
        return None if value.buf == NULL else pmg_py_text(value)


cdef inline const pmg_http_msg_t *http_msg(const pmg_py_view_t *view) except NULL:
    return <const pmg_http_msg_t *>pmg_py_view_msg(view)


@cython.final
@cython.freelist(8)
cdef class WsMessage:
    """A WebSocket message, readable until the handler that received it returns."""

    cdef pmg_py_view_t view

    def __init__(self):
        raise TypeError("cannot create 'WsMessage' instances")

    def __bool__(self):
        return self.view.msg != NULL


@cython.final
@cython.freelist(8)
cdef class MqttMessage:
    """An MQTT packet, readable until the handler that received it returns."""

    cdef pmg_py_view_t view

    def __init__(self):
        raise TypeError("cannot create 'MqttMessage' instances")

    def __bool__(self):
        return self.view.msg != NULL

    def properties(self):
        """The properties of MQTT 5, each a dict of id, iv, key and val."""
        cdef const pmg_mqtt_msg_t *msg = mqtt_msg(&self.view)
        cdef pmg_mqtt_prop_t p
        cdef size_t ofs = pmg_mqtt_next_prop(msg, 0, &p)
        found = []
        while ofs > 0:
            binary = p.type == MQTT_PROP_TYPE_BINARY_DATA
            val = pmg_py_bytes(p.val) if binary else pmg_py_text(p.val)
            found.append({"id": p.id, "iv": p.iv, "key": pmg_py_text(p.key), "val": val})
            ofs = pmg_mqtt_next_prop(msg, ofs, &p)
        return found

    def topics(self):
        """Of SUBSCRIBE and UNSUBSCRIBE: (topic filter, options) pairs."""
        cdef const pmg_mqtt_msg_t *msg = mqtt_msg(&self.view)
        cdef mg_str topic
        cdef int options
        cdef size_t ofs = pmg_mqtt_next_topic(msg, 0, &topic, &options)
        found = []
        while ofs > 0:
            found.append((pmg_py_text(topic), options))
            ofs = pmg_mqtt_next_topic(msg, ofs, &topic, &options)
        return found


cdef inline const pmg_mqtt_msg_t *mqtt_msg(const pmg_py_view_t *view) except NULL:
    return <const pmg_mqtt_msg_t *>pmg_py_view_msg(view)


# The properties of MQTT 5 that a program gives, as the wire has them.
cdef bytes encode_properties(object properties, const char *name):
    cdef pmg_mqtt_prop_t p
    cdef pmg_py_data_t d
    cdef size_t length
    if properties is None:
        return b""
    if not isinstance(properties, (dict, list, tuple)) and not hasattr(properties, "__iter__"):
        pmg_py_bad_type(PMG_MSG_PROPERTIES, name, properties)
    encoded = bytearray()
    for pair in properties.items() if isinstance(properties, dict) else properties:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            pmg_py_bad_type(PMG_MSG_PROPERTIES, name, pair)
        number, value = pair
        kind = pmg_mqtt_prop_type(number) if isinstance(number, int) and 0 < number < 256 else -1
        if kind < 0:
            raise ValueError(text(PMG_MSG_PROPERTY))
        p.id = number
        p.iv = 0
        p.key.len = p.val.len = 0
        pmg_py_none(&d)
        if kind == MQTT_PROP_TYPE_STRING_PAIR:
            if not isinstance(value, (tuple, list)) or len(value) != 2:
                raise ValueError(text(PMG_MSG_PROPERTY))
            pmg_py_str(value[0], "key", &p.key)
            pmg_py_str(value[1], "value", &p.val)
        elif kind == MQTT_PROP_TYPE_STRING:
            pmg_py_str(value, "value", &p.val)
        elif kind == MQTT_PROP_TYPE_BINARY_DATA:
            pmg_py_data(value, "value", &d)
            p.val = d.s
        elif not isinstance(value, int) or not 0 <= value < 1 << 32:
            raise ValueError(text(PMG_MSG_PROPERTY))
        else:
            p.iv = value
        try:
            length = pmg_mqtt_prop_encode(&p, NULL)
            if length == 0:
                raise ValueError(text(PMG_MSG_PROPERTY))
            piece = bytes(length)
            pmg_mqtt_prop_encode(&p, <uint8_t *><const char *>piece)
            encoded += piece
        finally:
            pmg_py_release(&d)
    return bytes(encoded)


cdef inline mg_str bytes_str(bytes b) noexcept:
    cdef mg_str s
    s.buf = b
    s.len = len(b)
    return s
