# SPDX-License-Identifier: GPL-2.0-only
# WebSocket: WsMessage and the methods of Connection and Manager.


cdef extern from "pmg.h":
    ctypedef struct pmg_broadcast_t:
        size_t sent, skipped

    ctypedef struct pmg_ws_ask_t:
        int (*headers)(pmg_head_t *, const void *) noexcept
        const void *arg
        const mg_str *protocols
        size_t num_protocols

    const pmg_protocol_t pmg_ws
    int pmg_ws_upgrade_protocol(pmg_head_t *, mg_str)
    int pmg_ws_upgrade_begin(pmg_head_t *, mg_connection *, const pmg_http_msg_t *)
    int pmg_ws_upgrade_end(pmg_head_t *)
    int pmg_ws_send_text(mg_connection *, const void *, size_t)
    int pmg_ws_send(mg_connection *, const void *, size_t, int)
    int pmg_broadcast_begin(pmg_broadcast_t *, pmg_mgr_t *, mg_str, int op, bint is_utf8, size_t)
    void pmg_broadcast_all(pmg_broadcast_t *)
    int pmg_broadcast_one(pmg_broadcast_t *, mg_connection *)


cdef extern from "pmg_messages.h":
    const char *PMG_MSG_CONNECTIONS
    const char *PMG_MSG_HEADERS_TWICE


@cython.final
@cython.freelist(8)
cdef class WsMessage:
    """A WebSocket message, readable until the handler that received it returns."""

    cdef pmg_py_view_t view

    def __init__(self):
        raise TypeError("cannot create 'WsMessage' instances")

    def __dealloc__(self):
        pmg_py_view_free(&self.view)

    def __bool__(self):
        return self.view.msg != NULL

    def copy(self):
        """The same message, to be kept: it stays valid when the handler has returned."""
        cdef WsMessage twin = WsMessage.__new__(WsMessage)
        pmg_py_view_copy(&self.view, WsMessage, &twin.view)
        return twin


@cython.internal
cdef class WsConnection(Connection):
    def ws_upgrade(self, message, headers=None, *, protocol=None, extra_headers=None):
        """Answers a WebSocket handshake; MG_EV_WS_OPEN comes before this returns."""
        cdef pmg_head_t h
        cdef c_bool typed
        cdef mg_str name
        if extra_headers is not None:
            if headers is not None:
                raise TypeError(text(PMG_MSG_HEADERS_TWICE))
            headers = extra_headers
        if headers is not None:
            headers = pmg_py_headers(headers)
        if protocol is not None:
            pmg_py_str(protocol, "protocol", &name)
        m = manager(self)
        cdef int rc
        cdef bint held = hold(m)
        try:
            rc = pmg_ws_upgrade_begin(&h, alive(self), message_arg(self, message))
            if rc >= 0 and headers is not None:
                rc = pmg_py_head_headers(&h, headers, &typed)
            if rc >= 0 and protocol is not None:
                rc = pmg_ws_upgrade_protocol(&h, name)
                if rc < 0:
                    pmg_head_abort(&h)
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


pmg_py_add_methods(Connection, WsConnection)


cdef int put_headers(pmg_head_t *h, const void *headers) noexcept:
    cdef c_bool typed
    return pmg_py_head_headers(h, <object>headers, &typed)


@cython.internal
cdef class WsManager(Manager):
    def ws_connect(self, url, handler=None, *, protocols=None, headers=None, events=None):
        """Starts a WebSocket connection and returns it at once."""
        cdef open_arg_t arg = open_arg(handler, events)
        cdef pmg_ws_ask_t ask
        cdef const char *line
        cdef mg_connection *c = NULL
        cdef size_t i
        pmg_py_cstr(url, "url", &line)
        ask.headers = NULL
        if headers is not None:
            headers = pmg_py_headers(headers)
            ask.headers = put_headers
        ask.arg = <const void *>headers
        if isinstance(protocols, (str, bytes)):
            pmg_py_bad_type(PMG_MSG_STRS, "protocols", protocols)
        cdef list names = [] if protocols is None else list(protocols)
        cdef mg_str *texts = <mg_str *>PyMem_Malloc((len(names) + 1) * sizeof(mg_str))
        if texts == NULL:
            raise MemoryError
        ask.protocols = texts
        ask.num_protocols = len(names)
        cdef bint held = hold(self)
        try:
            for i in range(ask.num_protocols):
                pmg_py_str(names[i], "protocols", &texts[i])
            settle(self, pmg_connect(self.core(), line, &pmg_ws, &ask, &arg, &c))
            return <Connection>pmg_conn_obj(c)[0]
        finally:
            PyMem_Free(texts)
            if held:
                self.holder = 0

    # WEBSOCKET_OP_TEXT, as a number: inspect reads the default from the signature's text.
    def broadcast(self, data, op=1, *, to=None, max_queued=None):
        """Sends a WebSocket message to all accepted WebSockets, or to those given."""
        cdef pmg_py_data_t d
        cdef pmg_broadcast_t b
        cdef size_t limit = SIZE_MAX
        cdef int rc
        cdef mg_connection *c
        cdef int opcode = small_int_arg(op, "op")
        if max_queued is not None:
            pmg_py_size(max_queued, "max_queued", &limit)
        if to is not None:
            to = list(to)
            for conn in to:
                if not isinstance(conn, Connection):
                    pmg_py_bad_type(PMG_MSG_CONNECTIONS, "to", conn)
        pmg_py_data(data, "data", &d)
        try:
            rc = pmg_broadcast_begin(
                &b, self.core(), d.s, opcode, isinstance(data, str), limit
            )
            if rc >= 0 and to is None:
                pmg_broadcast_all(&b)
            elif rc >= 0:
                for conn in to:
                    c = (<Connection>conn).state.c
                    rc = 0 if c == NULL else pmg_broadcast_one(&b, c)
                    if rc < 0:
                        break
        finally:
            pmg_py_release(&d)
        settle(self, rc)
        return b.sent, b.skipped


pmg_py_add_methods(Manager, WsManager)
