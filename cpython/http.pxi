# SPDX-License-Identifier: GPL-2.0-only
# HTTP: HttpMessage and the methods of Connection.

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.limits cimport LLONG_MAX


cdef extern from "pmg.h":
    ctypedef struct pmg_header_t:
        mg_str name, value
    ctypedef struct pmg_http_msg_t:
        mg_str body
        int status
        int num_headers
        const pmg_header_t *headers
    ctypedef struct pmg_head_t:
        pass
    ctypedef struct pmg_serve_t:
        const char *root
        mg_str headers, mime_types
        const char *page404
        bint no_listing, dotfiles

    mg_str pmg_http_header(const pmg_http_msg_t *, mg_str)
    size_t pmg_http_header_joined(const pmg_http_msg_t *, mg_str, char *)
    mg_str pmg_http_header_var(const pmg_http_msg_t *, mg_str, mg_str)
    mg_str pmg_http_query_var(const pmg_http_msg_t *, mg_str)
    int pmg_url_decode(mg_str, char *)
    int pmg_reply_begin(pmg_head_t *, mg_connection *, int)
    int pmg_head_header(pmg_head_t *, mg_str, mg_str)
    int pmg_reply_end(pmg_head_t *, mg_str)
    void pmg_head_abort(pmg_head_t *)
    int pmg_request_begin(pmg_head_t *, mg_connection *, mg_str, mg_str)
    int pmg_request_end(pmg_head_t *, mg_str)
    int pmg_http_chunk(mg_connection *, const void *, size_t)
    int pmg_http_sse(mg_connection *, mg_str, mg_str, mg_str, long long)
    int pmg_http_basic_auth(mg_connection *, mg_str, mg_str)
    int pmg_http_stream_body(mg_connection *, const char *, size_t, size_t)
    int pmg_serve_dir(mg_connection *, const pmg_http_msg_t *, const pmg_serve_t *)
    int pmg_serve_file(mg_connection *, const pmg_http_msg_t *, const pmg_serve_t *)


cdef extern from "convert.h":
    object pmg_py_headers(object)
    int pmg_py_head_headers(pmg_head_t *, object, c_bool *)
    int pmg_py_bad_message(object) except -1


cdef extern from "pmg_messages.h":
    const char *PMG_MSG_BAD_ESCAPE


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
        cdef size_t length
        pmg_py_str(name, "name", &key)
        value = pmg_http_header(http_msg(&self.view), key)
        if value.buf == NULL:
            return default
        length = pmg_http_header_joined(http_msg(&self.view), key, NULL)
        if length == 0:
            return pmg_py_text(value)
        cdef char *buf = <char *>PyMem_Malloc(length)
        if buf == NULL:
            raise MemoryError
        try:
            pmg_http_header_joined(http_msg(&self.view), key, buf)
            value.buf = buf
            value.len = length
            return pmg_py_text(value)
        finally:
            PyMem_Free(buf)

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


cdef mg_str CONTENT_TYPE
cdef mg_str JSON_TYPE
CONTENT_TYPE.buf, CONTENT_TYPE.len = b"Content-Type", 12
JSON_TYPE.buf, JSON_TYPE.len = b"application/json", 16

cdef object json_dumps = None


@cython.internal
cdef class HttpConnection(Connection):
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

    def http_sse(self, event_type, data, *, id=None, retry=None):
        """Sends a server-sent event."""
        cdef pmg_py_data_t d
        cdef mg_str kind, label
        cdef size_t pause = 0
        ours(self)
        pmg_py_str(event_type, "event_type", &kind)
        label.buf, label.len = NULL, 0
        if id is not None:
            pmg_py_str(id, "id", &label)
        if retry is not None:
            pmg_py_size(retry, "retry", &pause)
        cdef long long wait = -1 if retry is None else <long long>min(pause, LLONG_MAX)
        pmg_py_data(data, "data", &d)
        cdef mg_connection *c = self.state.c
        pmg_py_done(c, 0 if c == NULL else pmg_http_sse(c, kind, d.s, label, wait), &d)

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

    def http_stream_body(self, path=None, *, max_size, into=None):
        """In MG_EV_HTTP_HDRS: has the body arrive in pieces, or go into a file."""
        cdef const char *file = NULL
        cdef size_t limit, piece = 0
        cdef Py_buffer view
        ours(self)
        if into is not None:
            if path is not None:
                raise TypeError(text(PMG_MSG_BODY_TWICE))
            pmg_py_buffer(<PyObject *>into, "into", &view)
            piece = view.len
            PyBuffer_Release(&view)
            if piece == 0:
                raise ValueError(text(PMG_MSG_BUFFER_EMPTY) % "into")
        if path is not None:
            pmg_py_cstr(path, "path", &file)
        pmg_py_size(max_size, "max_size", &limit)
        cdef mg_connection *c = self.state.c
        pmg_py_done(c, 0 if c == NULL else pmg_http_stream_body(c, file, limit, piece), NULL)
        cdef PyObject *before = self.state.into
        self.state.into = NULL if into is None else <PyObject *>into
        Py_XINCREF(self.state.into)
        Py_XDECREF(before)

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


pmg_py_add_methods(Connection, HttpConnection)


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


ctypedef int (*serve_t)(mg_connection *, const pmg_http_msg_t *, const pmg_serve_t *)


cdef int serve(Connection self, object message, pmg_serve_t *opts, serve_t function) except -1:
    m = manager(self)
    cdef bint held = hold(m)
    try:
        settle(m, function(alive(self), message_arg(self, message), opts))
    finally:
        if held:
            m.holder = 0
