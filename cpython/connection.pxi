# SPDX-License-Identifier: GPL-2.0-only
# A connection, listeners included. The Manager's table keeps it alive from the open hook to the
# free hook; after that only the program does.
#
# Arguments are converted before `state.c` is read: an iterator or a buffer may run Python, which
# may poll, which may free the connection.


@cython.final
cdef class Connection:
    """One network connection, made by a Manager; `data` arguments take str (UTF-8) or bytes."""

    cdef pmg_py_conn_t state
    cdef PyObject *manager  # borrowed, valid while state.c is set
    cdef readonly unsigned long id
    cdef object _handler
    cdef public object userdata
    cdef object __weakref__

    def __init__(self, *args, **kwargs):
        raise TypeError(text(PMG_MSG_NOT_MADE_BY_HAND))

    def __dealloc__(self):
        if self.state.c != NULL:  # torn out of its Manager by the garbage collector
            pmg_conn_obj(self.state.c)[0] = NULL
        Py_XDECREF(self.state.addrs)

    def __repr__(self):
        cdef mg_connection *c = self.state.c
        if c == NULL:
            return f"<Connection {self.id} closed>"
        host, port, is_ip6 = self.local_addr if pmg_conn_is_listening(c) else self.remote_addr
        if not host:
            host, port, is_ip6 = self.local_addr
        if not host:
            return f"<Connection {self.id}>"
        if pmg_conn_is_unix(c):
            return f"<Connection {self.id} {host}>"
        return f"<Connection {self.id} {f'[{host}]' if is_ip6 else host}:{port}>"

    @property
    def handler(self):
        return self._handler

    @handler.setter
    def handler(self, handler):
        pmg_py_callable(handler, "handler")
        self._handler = handler

    def set_handler(self, handler):
        """Sets this connection's own handler; None: the Manager's."""
        alive(self)
        pmg_py_callable(handler, "handler")
        self._handler = handler

    # Raw data

    def send(self, data):
        """Queues bytes to the peer."""
        cdef pmg_py_data_t d
        ours(self)
        pmg_py_data(data, "data", &d)
        cdef mg_connection *c = self.state.c
        if c != NULL and pmg_conn_is_udp(c):
            send_datagram(self, &d)
        else:
            pmg_py_done(c, 0 if c == NULL else pmg_send(c, d.s.buf, d.s.len), &d)

    def recv(self, n=-1):
        """Takes up to `n` received bytes out of the buffer, all of them if negative."""
        cdef long long length = int_arg(n, "n")
        cdef mg_connection *c = alive(self)
        result = pmg_py_bytes(head(pmg_recv_peek(c), length))
        pmg_py_done(c, pmg_recv_consume(c, len(<bytes>result)), NULL)
        return result

    def recv_data(self, length=-1):
        """The first `length` received bytes, which stay in the buffer."""
        cdef long long n = int_arg(length, "length")
        return pmg_py_bytes(head(pmg_recv_peek(alive(self)), n))

    def send_data(self, length=-1):
        """The first `length` bytes that wait to be sent."""
        cdef long long n = int_arg(length, "length")
        return pmg_py_bytes(head(pmg_send_peek(alive(self)), n))

    # HTTP

    def reply(self, status_code, body=b"", headers=None):
        """Answers a request: status, body, headers as a dict or pairs."""
        reply(self, status_code, body, headers, False)

    def reply_json(self, data, status_code=200, headers=None):
        """Answers a request with `data` as JSON."""
        global json_dumps
        if json_dumps is None:
            from json import dumps as json_dumps
        reply(self, status_code, json_dumps(data), headers, True)

    def http_chunk(self, data):
        """Sends a chunk of a chunked reply; an empty one ends it."""
        cdef pmg_py_data_t d
        ours(self)
        pmg_py_data(data, "data", &d)
        cdef mg_connection *c = self.state.c
        pmg_py_done(c, 0 if c == NULL else pmg_http_chunk(c, d.s.buf, d.s.len), &d)

    def http_sse(self, event_type, data):
        """Sends a server-sent event."""
        cdef pmg_py_data_t d
        cdef mg_str kind
        ours(self)
        pmg_py_str(event_type, "event_type", &kind)
        pmg_py_data(data, "data", &d)
        cdef mg_connection *c = self.state.c
        pmg_py_done(c, 0 if c == NULL else pmg_http_sse(c, kind, d.s), &d)

    def http_request(self, method, uri, body=b"", headers=None):
        """Sends a request: method, path with its query, body, headers as a dict or pairs."""
        cdef pmg_head_t h
        cdef pmg_py_data_t d
        cdef mg_str verb, target
        cdef c_bool typed
        ours(self)
        pmg_py_str(method, "method", &verb)
        pmg_py_str(uri, "uri", &target)
        if headers is not None:
            headers = pmg_py_headers(headers)
        pmg_py_data(body, "body", &d)
        cdef mg_connection *c = self.state.c
        cdef int rc = 0
        if c != NULL:
            rc = pmg_request_begin(&h, c, verb, target)
            if rc >= 0 and headers is not None:
                rc = pmg_py_head_headers(&h, headers, &typed)
            if rc >= 0:
                rc = pmg_request_end(&h, d.s)
        pmg_py_done(c, rc, &d)

    def http_basic_auth(self, username, password):
        """Gives the next request sent on this client connection an Authorization header."""
        cdef mg_str user, word
        ours(self)
        pmg_py_str(username, "username", &user)
        pmg_py_str(password, "password", &word)
        cdef mg_connection *c = self.state.c
        pmg_py_done(c, 0 if c == NULL else pmg_http_basic_auth(c, user, word), NULL)

    def http_stream_body(self, path=None, *, max_size):
        """In MG_EV_HTTP_HDRS: has the body arrive in pieces, or go into a file."""
        cdef const char *file = NULL
        cdef unsigned long long limit
        ours(self)
        if path is not None:
            pmg_py_cstr(path, "path", &file)
        pmg_py_size(max_size, "max_size", &limit)
        cdef mg_connection *c = self.state.c
        pmg_py_done(c, 0 if c == NULL else pmg_http_stream_body(c, file, <size_t>limit), NULL)

    def serve_dir(
        self, message, root_dir, extra_headers="", mime_types="", page404="", *, listing=True,
        dotfiles=False
    ):
        """Answers a request from the files under a folder."""
        cdef pmg_serve_t opts
        opts.no_listing = not listing
        opts.dotfiles = bool(dotfiles)
        cdef const char *page
        pmg_py_cstr(root_dir, "root_dir", &opts.root)
        pmg_py_str(extra_headers, "extra_headers", &opts.headers)
        pmg_py_str(mime_types, "mime_types", &opts.mime_types)
        pmg_py_cstr(page404, "page404", &page)
        opts.page404 = page if page[0] else NULL
        serve(self, message, &opts, pmg_serve_dir)

    def serve_file(self, message, path, extra_headers="", mime_types=""):
        """Answers a request with one file."""
        cdef pmg_serve_t opts
        pmg_py_cstr(path, "path", &opts.root)
        pmg_py_str(extra_headers, "extra_headers", &opts.headers)
        pmg_py_str(mime_types, "mime_types", &opts.mime_types)
        opts.page404 = NULL
        opts.no_listing = opts.dotfiles = False
        serve(self, message, &opts, pmg_serve_file)

    # WebSocket

    def ws_upgrade(self, message, extra_headers=None):
        """Answers a WebSocket handshake; MG_EV_WS_OPEN comes before this returns."""
        cdef pmg_head_t h
        cdef c_bool typed
        if extra_headers is not None:
            extra_headers = pmg_py_headers(extra_headers)
        m = manager(self)
        cdef int rc
        cdef bint held = hold(m)
        try:
            rc = pmg_ws_upgrade_begin(&h, alive(self), message_arg(self, message))
            if rc >= 0 and extra_headers is not None:
                rc = pmg_py_head_headers(&h, extra_headers, &typed)
            if rc >= 0:
                rc = pmg_ws_upgrade_end(&h)
            settle(m, rc)
        finally:
            if held:
                m.holder = 0

    # WEBSOCKET_OP_TEXT, as a number: inspect reads the default from the signature's text.
    def ws_send(self, data, op=1):
        """Sends a WebSocket message or control frame."""
        cdef pmg_py_data_t d
        ours(self)
        cdef int opcode = small_int_arg(op, "op")
        pmg_py_data(data, "data", &d)
        cdef mg_connection *c = self.state.c
        cdef int rc = 0
        if c != NULL:
            if opcode == 1 and isinstance(data, str):
                rc = pmg_ws_send_text(c, d.s.buf, d.s.len)
            else:
                rc = pmg_ws_send(c, d.s.buf, d.s.len, opcode)
        pmg_py_done(c, rc, &d)

    # MQTT

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
        if (<MqttMessage>message).view.c != self.state.c:
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

    # TLS

    def tls_init(self, opts):
        """Gives this connection, or all that this listener accepts, TLS."""
        ours(self)
        if not isinstance(opts, TlsOpts):
            pmg_py_bad_type(PMG_MSG_TLS_OPTS, "opts", opts)
        cdef mg_connection *c = self.state.c
        pmg_py_done(c, 0 if c == NULL else pmg_tls_init(c, (<TlsOpts>opts).conf), NULL)

    def tls_free(self):
        """Ends TLS on this connection; what follows is plain text."""
        cdef mg_connection *c = alive(self)
        pmg_py_done(c, pmg_tls_free(c), NULL)

    # Modbus

    def modbus_reply(self, values=(), error=0):
        """Answers the Modbus request that waits: with values, or with an exception code."""
        modbus_reply(self, values, error)

    def modbus_read(self, func, address, count=1, unit=1):
        """Asks a Modbus server for values; returns the transaction's number."""
        return modbus_read(self, func, address, count, unit)

    def modbus_write(self, func, address, values, unit=1):
        """Has a Modbus server set values; returns the transaction's number."""
        return modbus_write(self, func, address, values, unit)

    # Names and time

    def resolve(self, url):
        """Looks up a host; MG_EV_RESOLVE comes, then the connection goes there."""
        cdef const char *line
        ours(self)
        pmg_py_cstr(url, "url", &line)
        cdef mg_connection *c = self.state.c
        pmg_py_done(c, 0 if c == NULL else pmg_resolve(c, line), NULL)

    def resolve_cancel(self):
        """Ends a name lookup; no event comes of it."""
        cdef mg_connection *c = alive(self)
        pmg_resolve_cancel(c)

    def sntp_request(self):
        """Asks the time server that this connection leads to for the time."""
        m = manager(self)
        cdef bint held = hold(m)
        cdef mg_connection *c = alive(self)
        cdef int rc = pmg_sntp_request(c)
        if held:
            m.holder = 0
        settle(m, rc)

    # mDNS

    # MG_DNS_RTYPE_PTR, as a number: inspect reads the default from the signature's text.
    def mdns_query(self, name, type=12):
        """Asks for records of a name by multicast DNS."""
        cdef mg_str s
        ours(self)
        cdef int number = small_int_arg(type, "type")
        pmg_py_str(name, "name", &s)
        cdef mg_connection *c = self.state.c
        pmg_py_done(c, 0 if c == NULL else pmg_mdns_query(c, s, number), NULL)

    # The end

    def error(self, message):
        """Fires MG_EV_ERROR with this text, then closes the connection."""
        cdef const char *line
        pmg_py_cstr(message, "message", &line)
        m = manager(self)
        cdef bint held = hold(m)
        try:
            pmg_error(alive(self), line)
            settle(m, 0)
        finally:
            if held:
                m.holder = 0

    def drain(self):
        """Sends what is queued, then closes."""
        cdef mg_connection *c = ours(self)
        if c != NULL:
            pmg_drain(c)

    def close(self):
        """Closes without sending what is queued."""
        cdef mg_connection *c = ours(self)
        if c != NULL:
            pmg_close(c)


cdef object json_dumps = None


# NULL: closed.
cdef inline mg_connection *ours(Connection self) except? NULL:
    if self.state.c != NULL:
        check_thread(<Manager>self.manager)
    return self.state.c


cdef inline mg_connection *alive(Connection self) except NULL:
    cdef mg_connection *c = ours(self)
    if c == NULL:
        pmg_py_done(NULL, 0, NULL)
    return c


# A call that fires events holds its Manager: a handler may drop the program's last reference.
cdef inline Manager manager(Connection self):
    alive(self)
    return <Manager>self.manager


# A datagram leaves at once, and MG_EV_WRITE comes at once.
cdef int send_datagram(Connection self, pmg_py_data_t *d) except -1:
    m = manager(self)
    cdef bint held = hold(m)
    cdef mg_connection *c = self.state.c
    cdef int rc = 0 if c == NULL else pmg_send(c, d.s.buf, d.s.len)
    if held:
        m.holder = 0
    pmg_py_done(c, rc, d)
    settle(m, 0)


ctypedef int (*serve_t)(mg_connection *, const pmg_http_msg_t *, const pmg_serve_t *)


cdef int serve(Connection self, object message, pmg_serve_t *opts, serve_t function) except -1:
    m = manager(self)
    cdef bint held = hold(m)
    try:
        settle(m, function(alive(self), message_arg(self, message), opts))
    finally:
        if held:
            m.holder = 0


cdef inline mg_str head(mg_str s, long long length) noexcept:
    if 0 <= length < <long long>s.len:
        s.len = length
    return s


cdef const pmg_http_msg_t *message_arg(Connection self, object message) except NULL:
    if not isinstance(message, HttpMessage):
        pmg_py_bad_message(message)
    cdef HttpMessage view = <HttpMessage>message
    cdef const pmg_http_msg_t *hm = http_msg(&view.view)
    if view.view.c != self.state.c:
        pmg_py_bad_message(message)
    return hm


cdef int reply(Connection self, object status_code, object body, object headers, bint json) except -1:
    cdef pmg_head_t h
    cdef pmg_py_data_t d
    cdef c_bool typed = False
    ours(self)
    cdef int status = small_int_arg(status_code, "status_code")
    if headers is not None:
        headers = pmg_py_headers(headers)
    pmg_py_data(body, "body", &d)
    cdef mg_connection *c = self.state.c
    cdef int rc = 0 if c == NULL else pmg_reply_begin(&h, c, status)
    if c != NULL and rc >= 0:
        if headers is not None:
            rc = pmg_py_head_headers(&h, headers, &typed)
        if json and not typed and rc >= 0:
            rc = pmg_head_header(&h, CONTENT_TYPE, JSON_TYPE)
            if rc < 0:
                pmg_head_abort(&h)
        if rc >= 0:
            rc = pmg_reply_end(&h, d.s)
    return pmg_py_done(c, rc, &d)
