// SPDX-License-Identifier: GPL-2.0-only
//
// Properties of MdnsRequest and MdnsResponse.

#include "tables.h"

static Py_ssize_t offsets[2];

// The field of a view's message, or NULL with an exception set.
static const void *field_of(PyObject *self, bool response, void *field) {
    const pmg_py_view_t *v = (const void *)((const char *)self + offsets[response]);
    if (v->msg == NULL) {
        pmg_py_view_expired();
        return NULL;
    }
    return (const char *)v->msg + (size_t)field;
}

static PyObject *make_TEXT(const void *field) {
    return pmg_py_body_text(*(const struct mg_str *)field);
}

static PyObject *make_INT(const void *field) {
    return PyLong_FromLong(*(const int *)field);
}

static PyObject *make_BOOL(const void *field) {
    return PyBool_FromLong(*(const bool *)field);
}

static PyObject *make_DICT(const void *field) {
    struct mg_str rest = *(const struct mg_str *)field, key, value;
    PyObject *dict = PyDict_New();
    while (dict != NULL && pmg_mdns_txt_next(&rest, &key, &value)) {
        PyObject *k = pmg_py_body_text(key);
        PyObject *v = value.buf != NULL ? pmg_py_bytes(value) : Py_NewRef(Py_None);
        // Of a key that comes twice the first counts (RFC 6763, section 6.4).
        if (k == NULL || v == NULL || PyDict_SetDefault(dict, k, v) == NULL) {
            Py_CLEAR(dict);
        }
        Py_XDECREF(k);
        Py_XDECREF(v);
    }
    return dict;
}

#define X(name, kind, field)                                         \
    static PyObject *request_##name(PyObject *self, void *closure) { \
        const void *p = field_of(self, false, closure);              \
        return p != NULL ? make_##kind(p) : NULL;                    \
    }
PMG_MDNS_REQ_PROPS(X)
#undef X
#define X(name, kind, field)                                          \
    static PyObject *response_##name(PyObject *self, void *closure) { \
        const void *p = field_of(self, true, closure);                \
        return p != NULL ? make_##kind(p) : NULL;                     \
    }
PMG_MDNS_RESP_PROPS(X)
#undef X

static PyGetSetDef request_props[] = {
#define X(name, kind, field) \
    {#name, request_##name, NULL, NULL, (void *)offsetof(pmg_mdns_req_t, field)},
    PMG_MDNS_REQ_PROPS(X)
#undef X
        {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef response_props[] = {
#define X(name, kind, field) \
    {#name, response_##name, NULL, NULL, (void *)offsetof(pmg_mdns_resp_t, field)},
    PMG_MDNS_RESP_PROPS(X)
#undef X
        {NULL, NULL, NULL, NULL, NULL},
};

int pmg_py_mdns_props(PyTypeObject *type, Py_ssize_t offset, bool response) {
    offsets[response] = offset;
    return pmg_py_add_props(type, response ? response_props : request_props);
}
