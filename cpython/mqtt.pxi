# SPDX-License-Identifier: GPL-2.0-only
# MQTT: MqttMessage, the methods of Connection and Manager, mqtt_match(), and the properties that a
# program gives.


cdef extern from "mongoose.h":
    int MQTT_PROP_TYPE_STRING, MQTT_PROP_TYPE_STRING_PAIR, MQTT_PROP_TYPE_BINARY_DATA


cdef extern from "pmg.h":
    ctypedef struct pmg_mqtt_msg_t:
        pass
    ctypedef struct pmg_mqtt_prop_t:
        uint8_t id
        int type
        uint32_t iv
        mg_str key, val
    ctypedef struct pmg_mqtt_login_t:
        mg_str client_id, username, password, will_topic, will_message, props, will_props
        int version, keepalive, will_qos
        bint clean_session, will_retain, has_username

    const pmg_protocol_t pmg_mqtt
    size_t pmg_mqtt_next_prop(const pmg_mqtt_msg_t *, size_t, pmg_mqtt_prop_t *)
    int pmg_mqtt_prop_type(int)
    size_t pmg_mqtt_prop_encode(const pmg_mqtt_prop_t *, uint8_t *)
    size_t pmg_mqtt_next_topic(const pmg_mqtt_msg_t *, size_t, mg_str *, int *)
    bint pmg_mqtt_match(mg_str, mg_str)
    int pmg_mqtt_pub(mg_connection *, mg_str, mg_str, int qos, bint retain, int id, mg_str props)
    int pmg_mqtt_sub(mg_connection *, mg_str, int qos, int options, mg_str props)
    int pmg_mqtt_unsub(mg_connection *, mg_str)
    int pmg_mqtt_ping(mg_connection *)
    int pmg_mqtt_pong(mg_connection *)
    int pmg_mqtt_disconnect(mg_connection *, int reason)
    int pmg_mqtt_ack(
        mg_connection *, const pmg_mqtt_msg_t *, const uint8_t *, size_t, bint, mg_str props
    )


cdef extern from "pmg_messages.h":
    const char *PMG_MSG_MQTT_MESSAGE
    const char *PMG_MSG_PROPERTIES
    const char *PMG_MSG_PROPERTY


@cython.final
@cython.freelist(8)
cdef class MqttMessage:
    """An MQTT packet, readable until the handler that received it returns."""

    cdef pmg_py_view_t view

    def __init__(self):
        raise TypeError("cannot create 'MqttMessage' instances")

    def __dealloc__(self):
        pmg_py_view_free(&self.view)

    def __bool__(self):
        return self.view.msg != NULL

    def copy(self):
        """The same message, to be kept: it stays valid when the handler has returned."""
        cdef MqttMessage twin = MqttMessage.__new__(MqttMessage)
        pmg_py_view_copy(&self.view, MqttMessage, &twin.view)
        return twin

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


@cython.internal
cdef class MqttConnection(Connection):
    def mqtt_pub(self, topic, message, qos=0, retain=False, *, id=0, properties=None):
        """Publishes a message; returns its packet id, 0 with QoS 0."""
        cdef pmg_py_data_t d
        cdef mg_str name
        ours(self)
        cdef int level = small_int_arg(qos, "qos")
        cdef int number = small_int_arg(id, "id")
        cdef bint keep = retain
        cdef bytes props = encode_properties(properties, "properties")
        pmg_py_str(topic, "topic", &name)
        pmg_py_data(message, "message", &d)
        cdef mg_connection *c = self.state.c
        cdef int rc = 0
        if c != NULL:
            rc = pmg_mqtt_pub(c, name, d.s, level, keep, number, bytes_str(props))
        pmg_py_done(c, rc, &d)
        return rc

    def mqtt_sub(self, topic, qos=0, *, options=0, properties=None):
        """Subscribes to a topic filter; returns the packet id."""
        cdef mg_str name
        ours(self)
        cdef int level = small_int_arg(qos, "qos")
        cdef int bits = small_int_arg(options, "options")
        cdef bytes props = encode_properties(properties, "properties")
        pmg_py_str(topic, "topic", &name)
        cdef mg_connection *c = self.state.c
        cdef int rc = 0
        if c != NULL:
            rc = pmg_mqtt_sub(c, name, level, bits, bytes_str(props))
        pmg_py_done(c, rc, NULL)
        return rc

    def mqtt_unsub(self, topic):
        """Ends a subscription; returns the packet id."""
        cdef mg_str name
        cdef mg_connection *c = ours(self)
        pmg_py_str(topic, "topic", &name)
        cdef int rc = 0 if c == NULL else pmg_mqtt_unsub(c, name)
        pmg_py_done(c, rc, NULL)
        return rc

    def mqtt_ack(self, message, code=0, *, session_present=False, properties=None):
        """A server's own answer to CONNECT, SUBSCRIBE or UNSUBSCRIBE."""
        cdef pmg_py_data_t d
        cdef uint8_t one
        cdef const uint8_t *codes = &one
        cdef size_t count = 1
        cdef bint present = session_present
        cdef int number
        ours(self)
        cdef bytes props = encode_properties(properties, "properties")
        if not isinstance(message, MqttMessage):
            pmg_py_bad_type(PMG_MSG_MQTT_MESSAGE, "message", message)
        cdef const pmg_mqtt_msg_t *msg = mqtt_msg(&(<MqttMessage>message).view)
        if not pmg_py_view_is_of(&(<MqttMessage>message).view, self.state.c):
            pmg_py_bad_type(PMG_MSG_MQTT_MESSAGE, "message", message)
        pmg_py_none(&d)
        if isinstance(code, bytes):
            pmg_py_data(code, "code", &d)
            codes = <const uint8_t *>d.s.buf
            count = d.s.len
        else:
            number = small_int_arg(code, "code")
            if not 0 <= number <= 255:
                raise ValueError("code must be 0 to 255")
            one = number
        cdef mg_connection *c = self.state.c
        pmg_py_done(c, pmg_mqtt_ack(c, msg, codes, count, present, bytes_str(props)), &d)

    def mqtt_ping(self):
        """Sends a client's ping."""
        cdef mg_connection *c = alive(self)
        pmg_py_done(c, pmg_mqtt_ping(c), NULL)

    def mqtt_pong(self):
        """Sends a server's answer to a ping."""
        cdef mg_connection *c = alive(self)
        pmg_py_done(c, pmg_mqtt_pong(c), NULL)

    def mqtt_disconnect(self, reason=0):
        """Sends DISCONNECT after what is queued, then closes."""
        cdef int number = small_int_arg(reason, "reason")
        cdef mg_connection *c = alive(self)
        pmg_py_done(c, pmg_mqtt_disconnect(c, number), NULL)


pmg_py_add_methods(Connection, MqttConnection)


@cython.internal
cdef class MqttManager(Manager):
    def mqtt_connect(
        self,
        url,
        handler=None,
        client_id="",
        username=None,
        password="",
        clean_session=True,
        keepalive=60,
        *,
        will_topic="",
        will_message=b"",
        will_qos=0,
        will_retain=False,
        version=4,
        properties=None,
        will_properties=None,
        events=None,
    ):
        """Starts a connection to an MQTT server and returns it at once."""
        cdef open_arg_t arg = open_arg(handler, events)
        cdef pmg_mqtt_login_t login
        cdef pmg_py_data_t will, secret
        cdef const char *line
        cdef mg_connection *c = NULL
        cdef int rc
        pmg_py_cstr(url, "url", &line)
        cdef bytes props = encode_properties(properties, "properties")
        cdef bytes will_props = encode_properties(will_properties, "will_properties")
        login.props = bytes_str(props)
        login.will_props = bytes_str(will_props)
        pmg_py_str(client_id, "client_id", &login.client_id)
        login.has_username = username is not None
        pmg_py_str("" if username is None else username, "username", &login.username)
        pmg_py_str(will_topic, "will_topic", &login.will_topic)
        login.clean_session = bool(clean_session)
        login.will_retain = bool(will_retain)
        login.keepalive = small_int_arg(keepalive, "keepalive")
        login.will_qos = small_int_arg(will_qos, "will_qos")
        login.version = small_int_arg(version, "version")
        pmg_py_none(&secret)
        pmg_py_none(&will)
        cdef bint held = hold(self)
        try:
            pmg_py_data(password, "password", &secret)
            pmg_py_data(will_message, "will_message", &will)
            login.password = secret.s
            login.will_message = will.s
            rc = pmg_connect(self.core(), line, &pmg_mqtt, &login, &arg, &c)
            settle(self, rc)
            return <Connection>pmg_conn_obj(c)[0]
        finally:
            pmg_py_release(&secret)
            pmg_py_release(&will)
            if held:
                self.holder = 0

    def mqtt_listen(self, url, handler=None, *, events=None):
        """Listens for MQTT clients and returns the listener's Connection."""
        return self.open(url, handler, events, None, True, -1, &pmg_mqtt)


pmg_py_add_methods(Manager, MqttManager)


def mqtt_match(topic_filter, topic):
    """Does a topic filter of MQTT, + and # in it, match a topic?"""
    cdef mg_str f, t
    pmg_py_str(topic_filter, "topic_filter", &f)
    pmg_py_str(topic, "topic", &t)
    return bool(pmg_mqtt_match(f, t))


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
        words = tuple(pair) if isinstance(pair, (tuple, list)) else ()
        if len(words) != 2:
            pmg_py_bad_type(PMG_MSG_PROPERTIES, name, pair)
        number, value = words
        kind = pmg_mqtt_prop_type(number) if isinstance(number, int) and 0 < number < 256 else -1
        if kind < 0:
            raise ValueError(text(PMG_MSG_PROPERTY))
        p.id = number
        p.iv = 0
        p.key.len = p.val.len = 0
        pmg_py_none(&d)
        if kind == MQTT_PROP_TYPE_STRING_PAIR:
            # Held until they are encoded: a subclass may make them up.
            words = tuple(value) if isinstance(value, (tuple, list)) else ()
            if len(words) != 2:
                raise ValueError(text(PMG_MSG_PROPERTY))
            pmg_py_str(words[0], "key", &p.key)
            pmg_py_str(words[1], "value", &p.val)
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
