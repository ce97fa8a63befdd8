# SPDX-License-Identifier: GPL-2.0-only
# Routes: which record of an application's table a request means.

from cpython.unicode cimport PyUnicode_FromStringAndSize
from libc.errno cimport ENOENT, EOPNOTSUPP


cdef extern from "pmg.h":
    enum: PMG_ROUTE_PARAMS
    ctypedef struct pmg_route_value_t:
        mg_str name, raw
        char kind
    ctypedef struct pmg_route_t:
        int num
        pmg_route_value_t values[PMG_ROUTE_PARAMS]
        char allow[64]
    int pmg_route_find(mg_str, mg_str, mg_str, int, pmg_route_t *)


cdef extern from "pmg_messages.h":
    const char *PMG_MSG_ROUTES


cdef extern from *:
    """
    static inline struct mg_str pmg_py_msg_method(const pmg_http_msg_t *hm) { return hm->method; }
    static inline struct mg_str pmg_py_msg_uri(const pmg_http_msg_t *hm) { return hm->uri; }
    """
    mg_str pmg_py_msg_method(const pmg_http_msg_t *)
    mg_str pmg_py_msg_uri(const pmg_http_msg_t *)


cdef object route_value(const pmg_route_value_t *value):
    cdef object text = percent_decoded(value.raw, False)
    if value.kind == c'i':
        return int(text)
    return float(text) if value.kind == c'f' else text


def http_route(table, message, first=0):
    """The record of a table of routes that a request means."""
    cdef _Data records
    cdef pmg_route_t found
    cdef mg_str method, path, names
    cdef int start = small_int_arg(first, "first")
    if type(message) is HttpMessage:
        hm = http_msg(&(<HttpMessage>message).view)
        method = pmg_py_msg_method(hm)
        path = pmg_py_msg_uri(hm)
    else:  # the copy of a message, or a test's stand-in
        verb, uri = message.method, message.uri
        pmg_py_str(verb, "message.method", &method)
        pmg_py_str(uri, "message.uri", &path)
    if type(table) is bytes:
        names.buf = PyBytes_AS_STRING(table)
        names.len = len(<bytes>table)
    else:
        records = _Data(table, b"table")
        names = records.s
    cdef int rc = pmg_route_find(names, method, path, start, &found)
    if rc < 0:
        if rc == -ENOENT:
            return None
        if rc == -EOPNOTSUPP:
            return text(found.allow)
        pmg_py_raise(rc, PMG_MSG_ROUTES)
    if found.num == 0:
        return rc
    values = {}
    for i in range(found.num):
        key = PyUnicode_FromStringAndSize(found.values[i].name.buf, found.values[i].name.len)
        values[key] = route_value(&found.values[i])
    return (rc, values)
