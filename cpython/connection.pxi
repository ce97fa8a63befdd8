# SPDX-License-Identifier: GPL-2.0-only
# A connection, listeners included. The Manager's table keeps it alive from the open hook to the
# free hook; after that only the program does.
#
# Arguments are converted before `state.c` is read: an iterator or a buffer may run Python, which
# may poll, which may free the connection.


# Not @cython.final: the files of the protocols derive from it what pmg_py_add_methods() brings here.
cdef class Connection:
    """One network connection, made by a Manager; `data` arguments take str (UTF-8) or bytes."""

    cdef pmg_py_conn_t state
    cdef PyObject *manager  # borrowed, valid while state.c is set
    cdef readonly unsigned long id
    cdef object _handler
    cdef bint busy  # a coroutine of its handler has not ended
    cdef public object userdata
    cdef object __weakref__

    def __init__(self, *args, **kwargs):
        raise TypeError(text(PMG_MSG_NOT_MADE_BY_HAND))

    def __dealloc__(self):
        if self.state.c != NULL:  # torn out of its Manager by the garbage collector
            pmg_conn_obj(self.state.c)[0] = NULL
        Py_XDECREF(self.state.addrs)
        Py_XDECREF(self.state.into)

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
        if self.state.c != NULL:
            pmg_conn_events(self.state.c, 0, handler is not None)

    def set_handler(self, handler, *, events=None):
        """Sets this connection's own handler, or the Manager's, and what it hears of."""
        ours(self)
        pmg_py_callable(handler, "handler")
        cdef uint32_t mask = events_arg(events)
        cdef mg_connection *c = alive(self)
        self._handler = handler
        pmg_conn_events(c, mask, handler is not None)

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

    def recv_into(self, buffer):
        """Takes received bytes out of the buffer and into the program's; how many they are."""
        ours(self)
        cdef Py_buffer view
        pmg_py_buffer(<PyObject *>buffer, "buffer", &view)
        cdef mg_connection *c = self.state.c
        cdef mg_str s
        cdef int rc = 0
        s.len = 0
        if c != NULL:
            s = head(pmg_recv_peek(c), view.len)
            rc = pmg_recv_consume(c, 0)  # may it be taken?
            if rc >= 0 and s.len > 0:
                memcpy(view.buf, s.buf, s.len)
                rc = pmg_recv_consume(c, s.len)
        try:
            pmg_py_done(c, rc, NULL)
        finally:
            PyBuffer_Release(&view)
        return s.len

    def recv_data(self, length=-1):
        """The first `length` received bytes, which stay in the buffer."""
        cdef long long n = int_arg(length, "length")
        cdef mg_connection *c = ours(self)
        return b"" if c == NULL else pmg_py_bytes(head(pmg_recv_peek(c), n))

    def send_data(self, length=-1):
        """The first `length` bytes that wait to be sent."""
        cdef long long n = int_arg(length, "length")
        cdef mg_connection *c = ours(self)
        return b"" if c == NULL else pmg_py_bytes(head(pmg_send_peek(c), n))

    # The end

    def error(self, message):
        """Fires MG_EV_ERROR with this text, then closes the connection."""
        cdef const char *line
        pmg_py_cstr(message, "message", &line)
        m = manager(self)
        cdef bint held = hold(m)
        try:
            settle(m, pmg_error(alive(self), line))
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


cdef inline mg_str head(mg_str s, long long length) noexcept:
    if 0 <= length < <long long>s.len:
        s.len = length
    return s
