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

    cdef const pmg_http_msg_t *msg(self) except NULL:
        if self.view.msg == NULL:
            pmg_py_view_expired()
        return <const pmg_http_msg_t *>self.view.msg

    def header(self, name, default=None):
        """The value of a header, or `default`."""
        cdef mg_str key, value
        pmg_py_str(name, "name", &key)
        value = pmg_http_header(self.msg(), key)
        return default if value.buf == NULL else pmg_py_text(value)

    def headers(self):
        """All headers as a list of (name, value) pairs, in their order."""
        cdef const pmg_http_msg_t *hm = self.msg()
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
        value = pmg_http_query_var(self.msg(), key)
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
        cdef int status = self.msg().status
        return status if status != 0 else None

    def header_var(self, header_name, var_name):
        """A parameter of a header's value (charset of Content-Type), or None."""
        cdef mg_str header, var, value
        pmg_py_str(header_name, "header_name", &header)
        pmg_py_str(var_name, "var_name", &var)
        value = pmg_http_header_var(self.msg(), header, var)
        return None if value.buf == NULL else pmg_py_text(value)


@cython.final
@cython.freelist(8)
cdef class WsMessage:
    """A WebSocket message, readable until the handler that received it returns."""

    cdef pmg_py_view_t view

    def __init__(self):
        raise TypeError("cannot create 'WsMessage' instances")

    def __bool__(self):
        return self.view.msg != NULL
