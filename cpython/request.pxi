# SPDX-License-Identifier: GPL-2.0-only
# HttpRequest: what a handler of pymongoose.web gets. It holds what every request needs; of other names
# the message answers, or else its app, in Python.

from cpython.object cimport PyObject_GenericSetAttr
from libc.errno cimport ENOENT


cdef extern from "pmg.h":
    enum: PMG_ROUTE_PARAMS
    int MG_EV_HTTP_MSG
    ctypedef struct pmg_route_value_t:
        mg_str raw
        char kind
    ctypedef struct pmg_route_t:
        int num
        pmg_route_value_t values[PMG_ROUTE_PARAMS]
    int pmg_head_html(pmg_head_t *)
    int pmg_route_find(mg_str, mg_str, mg_str, int, pmg_route_t *)
    long long pmg_route_int(const pmg_route_value_t *)


cdef extern from "pmg_messages.h":
    const char *PMG_MSG_ROUTES


cdef extern from "Python.h":
    object call_vector "PyObject_Vectorcall"(object, PyObject **, size_t, PyObject *)


cdef extern from *:
    """
    static inline struct mg_str pmg_py_msg_method(const pmg_http_msg_t *hm) { return hm->method; }
    static inline struct mg_str pmg_py_msg_uri(const pmg_http_msg_t *hm) { return hm->uri; }
    """
    mg_str pmg_py_msg_method(const pmg_http_msg_t *)
    mg_str pmg_py_msg_uri(const pmg_http_msg_t *)


cdef object route_value(const pmg_route_value_t *value):
    if value.kind == c'i':
        return pmg_route_int(value)
    cdef object text = percent_decoded(value.raw, False)
    return float(text) if value.kind == c'f' else text


@cython.final
@cython.freelist(8)
cdef class HttpRequest:
    """A request, as a handler of pymongoose.web gets it."""

    cdef public object app, conn, message, listed, values, notes
    cdef public int number

    def __init__(self, app, conn, message, table=None):
        self.app = app
        self.conn = conn
        self.message = message
        self.number = -1
        if table is not None:
            find_route(self, table, 0, False)

    def match(self, table, first=0, any_method=False):
        """The number of the record that fits, -1 if none does; `values` has its parameters."""
        find_route(self, table, small_int_arg(first, "first"), any_method)
        return self.number

    def __getattr__(self, name):
        if name == "headers" and self.app is not None:  # more than the message's
            return self.app._more(self, name)
        try:
            return getattr(self.message, name)
        except AttributeError:
            if self.app is None:
                raise AttributeError(name)
        return self.app._more(self, name)

    def __setattr__(self, name, value):
        if name in ("app", "conn", "message", "listed", "number", "values", "notes"):
            PyObject_GenericSetAttr(self, name, value)
        else:
            self.app._more(self, name, value)


# Of a route's tuple (pymongoose.web.routes.Route): what calls it at once.
cdef enum:
    ROUTE_HANDLER
    ROUTE_NAMES
    ROUTE_SPECIAL


@cython.final
cdef class _Routes:
    """The routes of an App as its connections' handler, for pymongoose.web: what a request costs beside
    its own handler. Where there is more to do than to send a str, the App goes on, in Python."""

    cdef object app, headers
    cdef bytes table
    cdef tuple routes
    cdef bint simple

    def __init__(self, app):
        self.app = app
        self.set((b"",), None, False)

    def set(self, tuple routes not None, headers, bint simple):
        """`routes` are what the records of a table mean, behind them the table. `headers`, of a str, may
        be True: HTML. `simple`: a handler is all that there is to a request, no hooks."""
        cdef Py_ssize_t last = len(routes) - 1
        if last < 0 or type(routes[last]) is not bytes:
            raise ValueError(text(PMG_MSG_ROUTES))
        for route in routes[:last]:
            if not isinstance(route, tuple) or len(<tuple>route) <= ROUTE_SPECIAL:
                raise ValueError(text(PMG_MSG_ROUTES))
        self.table = routes[last]
        self.routes = routes
        self.headers = headers
        self.simple = simple

    def handle(self, conn, ev, data):
        """Takes an event."""
        cdef HttpRequest request = HttpRequest.__new__(HttpRequest)
        request.app = self.app
        request.conn = conn
        request.message = data
        request.listed = self.routes  # others may come meanwhile, with other numbers
        request.number = -1
        if <int>ev != MG_EV_HTTP_MSG:
            self.app._event(request, ev)
            return
        find_route(request, self.table, 0, False)
        if 0 <= request.number < len(<tuple>request.listed) - 1 and self.simple:
            route = (<tuple>request.listed)[request.number]
            if (<tuple>route)[ROUTE_SPECIAL] is None:
                answer(request, <tuple>route, self.headers)
                return
        self.app._go(request)


# Calls the route's handler, and sends the str that it returns.
cdef int answer(HttpRequest self, tuple route, object headers) except -1:
    cdef PyObject *result = (<attempt_t>attempt)(self, route, headers)
    if result == NULL:
        try:
            raise_again()
        except Exception as e:
            failure = e
        # (Not inside of the except: the exception would be that of all that is called.)
        self.app._failed_at(self, failure)
        return 0
    returned = <object>result
    decref(result)
    if returned is not self:
        self.app._returned(self, returned)
    return 0


cdef int raise_again() except -1:
    return -1


ctypedef PyObject *(*attempt_t)(HttpRequest, tuple, object) noexcept


# What the handler returned; the request itself where that has been sent.
cdef object attempt(HttpRequest self, tuple route, object headers):
    cdef PyObject *args[PMG_ROUTE_PARAMS + 1]
    cdef PyObject *names = NULL
    cdef tuple values
    args[0] = <PyObject *>self
    if self.values is not None:
        values = <tuple?>self.values
        known = <tuple?>route[ROUTE_NAMES]
        if len(<tuple>known) != len(values):
            raise ValueError("names and values do not go together")
        names = <PyObject *>known
        for i in range(len(values)):
            args[i + 1] = <PyObject *>values[i]
    result = call_vector(route[ROUTE_HANDLER], args, 1, names)
    if self.notes is not None or type(result) is not str:
        return result
    if not isinstance(self.conn, Connection):  # a test's stand-in
        self.conn.reply(200, result, headers)
    elif headers is True:
        reply_html(<Connection>self.conn, result)
    else:
        reply(<Connection>self.conn, 200, result, headers, False)
    return self


cdef int reply_html(Connection self, object body) except -1:
    cdef pmg_head_t h
    cdef pmg_py_data_t d
    ours(self)
    pmg_py_data(body, "body", &d)
    cdef mg_connection *c = self.state.c
    cdef int rc = 0 if c == NULL else pmg_reply_begin(&h, c, 200)
    if c != NULL and rc >= 0:
        rc = pmg_head_html(&h)
        if rc >= 0:
            rc = pmg_reply_end(&h, d.s)
    return pmg_py_done(c, rc, &d)


cdef int find_route(HttpRequest self, object table, int first, bint any_method) except -1:
    cdef _Data records
    cdef pmg_route_t found
    cdef mg_str method, path, rows
    message = self.message
    if type(message) is HttpMessage:
        hm = http_msg(&(<HttpMessage>message).view)
        method = pmg_py_msg_method(hm)
        path = pmg_py_msg_uri(hm)
    else:  # a copy, or a test's stand-in
        verb, uri = message.method, message.uri
        pmg_py_str(verb, "message.method", &method)
        pmg_py_str(uri, "message.uri", &path)
    if type(table) is bytes:
        rows.buf = PyBytes_AS_STRING(table)
        rows.len = len(<bytes>table)
    else:
        records = _Data(table, b"table")
        rows = records.s
    if any_method:
        method.len = 0
    cdef int rc = pmg_route_find(rows, method, path, first, &found)
    self.values = None
    self.number = -1
    if rc >= 0:
        self.number = rc
        if found.num == 1:
            self.values = (route_value(&found.values[0]),)
        elif found.num > 1:
            self.values = tuple([route_value(&found.values[i]) for i in range(found.num)])
    elif rc != -ENOENT:
        pmg_py_raise(rc, PMG_MSG_ROUTES)
    return 0
