# SPDX-License-Identifier: GPL-2.0-only
# HTTP: HttpMessage and the methods of Connection.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.limits cimport LLONG_MAX


cdef extern from "pmg.h":
    ctypedef struct pmg_header_t:
        mg_str name, value
    ctypedef struct pmg_http_msg_t:
        mg_str query, body
        int status
        int num_headers
        const pmg_header_t *headers
    ctypedef struct pmg_head_t:
        pass
    ctypedef struct pmg_serve_root_t:
        mg_str prefix, folder
    ctypedef struct pmg_serve_t:
        const char *root
        const pmg_serve_root_t *roots
        size_t num_roots
        mg_str headers, mime_types
        const char *page404
        bint no_listing, dotfiles

    mg_str pmg_http_header(const pmg_http_msg_t *, mg_str)
    size_t pmg_http_header_joined(const pmg_http_msg_t *, mg_str, char *)
    mg_str pmg_http_header_var(const pmg_http_msg_t *, mg_str, mg_str)
    mg_str pmg_http_query_var(const pmg_http_msg_t *, mg_str)
    mg_str pmg_http_cookie(const pmg_http_msg_t *, mg_str)
    bint pmg_http_client_fault(mg_connection *, int)
    bint pmg_form_next(mg_str *, mg_str *, mg_str *)
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
    int pmg_http_stream_form(mg_connection *, size_t, size_t)
    int pmg_http_part_save(mg_connection *, const char *)
    int pmg_serve_dir(mg_connection *, const pmg_http_msg_t *, const pmg_serve_t *)
    int pmg_serve_file(mg_connection *, const pmg_http_msg_t *, const pmg_serve_t *)


cdef extern from "convert.h":
    object pmg_py_headers(object)
    int pmg_py_head_headers(pmg_head_t *, object, c_bool *)
    int pmg_py_bad_message(object) except -1
    int pmg_py_bad_roots(object) except -1


cdef extern from "pmg_messages.h":
    const char *PMG_MSG_BAD_ESCAPE
    const char *PMG_MSG_ROOTS


@cython.final
@cython.freelist(8)
cdef class HttpMessage:
    """A request or response, readable until the handler that received it returns."""

    cdef pmg_py_view_t view

    def __init__(self):
        raise TypeError("cannot create 'HttpMessage' instances")

    def __dealloc__(self):
        pmg_py_view_free(&self.view)

    def __bool__(self):
        return self.view.msg != NULL

    def copy(self):
        """The same message, to be kept: it stays valid when the handler has returned."""
        cdef HttpMessage twin = HttpMessage.__new__(HttpMessage)
        pmg_py_view_copy(&self.view, HttpMessage, &twin.view)
        return twin

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
        pmg_py_str(name, "name", &key)
        value = pmg_http_query_var(http_msg(&self.view), key)
        return None if value.buf == NULL else decoded(value)

    def query_vars(self):
        """All parameters of the query string, decoded, as (name, value) pairs in their order."""
        cdef mg_str rest = http_msg(&self.view).query
        cdef mg_str key, value
        pairs = []
        while pmg_form_next(&rest, &key, &value):
            pairs.append((decoded(key), decoded(value)))
        return pairs

    def cookie(self, name):
        """The value of a cookie, as it was sent, or None."""
        cdef mg_str key, value
        pmg_py_str(name, "name", &key)
        value = pmg_http_cookie(http_msg(&self.view), key)
        return None if value.buf == NULL else pmg_py_text(value)

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


@cython.final
@cython.freelist(8)
cdef class FormPart:
    """The beginning of a form's part, readable until the handler that received it returns."""

    cdef pmg_py_view_t view

    def __init__(self):
        raise TypeError("cannot create 'FormPart' instances")

    def __bool__(self):
        return self.view.msg != NULL

    def save(self, path):
        """Has the content go into a file, which appears when it is whole."""
        cdef const char *file
        pmg_py_view_msg(&self.view)
        pmg_py_cstr(path, "path", &file)
        pmg_py_view_msg(&self.view)
        cdef mg_connection *c = self.view.c
        ours(<Connection>pmg_conn_obj(c)[0])
        pmg_py_done(c, pmg_http_part_save(c, file), NULL)


cdef inline const pmg_http_msg_t *http_msg(const pmg_py_view_t *view) except NULL:
    return <const pmg_http_msg_t *>pmg_py_view_msg(view)


cdef str decoded(mg_str raw):
    cdef char *buf = <char *>PyMem_Malloc(raw.len + 1)
    if buf == NULL:
        raise MemoryError
    try:
        length = pmg_url_decode(raw, buf)
        if length < 0:
            pmg_py_raise(length, PMG_MSG_BAD_ESCAPE)
        raw.buf = buf
        raw.len = length
        return pmg_py_text(raw)
    finally:
        PyMem_Free(buf)


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
        pieces_into(self, NULL if into is None else <PyObject *>into)

    def http_stream_form(self, *, max_size, max_parts=64):
        """In MG_EV_HTTP_HDRS: has the parts of a multipart form arrive one after the other."""
        cdef size_t limit, parts
        ours(self)
        pmg_py_size(max_size, "max_size", &limit)
        pmg_py_size(max_parts, "max_parts", &parts)
        cdef mg_connection *c = self.state.c
        pmg_py_done(c, 0 if c == NULL else pmg_http_stream_form(c, limit, parts), NULL)
        pieces_into(self, NULL)

    def serve_dir(
        self, message, root_dir, extra_headers="", mime_types="", page404="", *, listing=True,
        dotfiles=False
    ):
        """Answers a request from the files under a folder."""
        cdef pmg_serve_t opts
        opts.no_listing = not listing
        opts.dotfiles = bool(dotfiles)
        cdef const char *page
        cdef tuple room = roots_arg(root_dir, &opts)
        pmg_py_str(extra_headers, "extra_headers", &opts.headers)
        pmg_py_str(mime_types, "mime_types", &opts.mime_types)
        pmg_py_cstr(page404, "page404", &page)
        opts.page404 = page if page[0] else NULL
        serve(self, message, &opts, pmg_serve_dir)

    def serve_file(self, message, path, extra_headers="", mime_types=""):
        """Answers a request with one file."""
        cdef pmg_serve_t opts
        pmg_py_cstr(path, "path", &opts.root)
        opts.roots = NULL
        opts.num_roots = 0
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
    if not pmg_py_view_is_of(&view.view, self.state.c):
        pmg_py_bad_message(message)
    return hm


# Where pieces go; NULL: into bytes of their own, whatever the body before had.
cdef void pieces_into(Connection self, PyObject *into) noexcept:
    cdef PyObject *before = self.state.into
    self.state.into = into
    Py_XINCREF(into)
    Py_XDECREF(before)


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


# What holds the folders while they are used: an iterator's pairs are nobody else's.
cdef tuple roots_arg(root_dir, pmg_serve_t *opts):
    cdef bytes room
    cdef pmg_serve_root_t *roots
    opts.roots = NULL
    opts.num_roots = 0
    if isinstance(root_dir, str):
        pmg_py_cstr(root_dir, "root_dir", &opts.root)
        return ()
    if not hasattr(root_dir, "__iter__") or isinstance(root_dir, (bytes, bytearray)):
        pmg_py_bad_roots(root_dir)
    pairs = [
        tuple(pair) if isinstance(pair, list) else pair
        for pair in (root_dir.items() if isinstance(root_dir, dict) else root_dir)
    ]
    room = PyBytes_FromStringAndSize(NULL, (len(pairs) + 1) * sizeof(pmg_serve_root_t))
    roots = <pmg_serve_root_t *>PyBytes_AS_STRING(room)
    for i, pair in enumerate(pairs):
        if not isinstance(pair, tuple) or len(pair) != 2:
            pmg_py_bad_roots(pair)
        for one in pair:
            if not isinstance(one, str):
                pmg_py_bad_roots(one)
        pmg_py_str(pair[0], "root_dir", &roots[i].prefix)
        pmg_py_str(pair[1], "root_dir", &roots[i].folder)
    opts.root = NULL
    opts.roots = roots
    opts.num_roots = len(pairs)
    return (room, pairs)


ctypedef int (*serve_t)(mg_connection *, const pmg_http_msg_t *, const pmg_serve_t *)


cdef int serve(Connection self, object message, pmg_serve_t *opts, serve_t function) except -1:
    m = manager(self)
    cdef bint held = hold(m)
    try:
        settle(m, function(alive(self), message_arg(self, message), opts))
    finally:
        if held:
            m.holder = 0
