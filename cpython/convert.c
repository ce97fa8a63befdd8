// SPDX-License-Identifier: GPL-2.0-only
//
// Arguments in, text and exceptions out.

#include "convert.h"
#include "port/pages.h"

static PyObject *error_class, *decode_class;

#if PY_VERSION_HEX < 0x030D0000
#define Py_BEGIN_CRITICAL_SECTION(o) {
#define Py_END_CRITICAL_SECTION() }
#endif

// ---------------------------------------------------------------------------------------------
// Exceptions

void pmg_py_error_class(PyObject *type, PyObject *decode_type) {
    Py_INCREF(type);
    Py_INCREF(decode_type);
    error_class = type;
    decode_class = decode_type;
}

int pmg_py_raise(int err, const char *text) {
    if (err == -ENOMEM) {
        PyErr_SetString(PyExc_MemoryError, text);
        return -1;
    }
    PyObject *message = PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
    if (message == NULL) {
        return -1;
    }
    if (err == -EINVAL || err == -EILSEQ) {
        PyErr_SetObject(err == -EILSEQ ? decode_class : PyExc_ValueError, message);
        Py_DECREF(message);
        return -1;
    }
    PyObject *exc = PyObject_CallOneArg(error_class, message);
    Py_DECREF(message);
    PyObject *number = exc != NULL ? PyLong_FromLong(-err) : NULL;
    if (number != NULL && PyObject_SetAttrString(exc, "errno", number) == 0) {
        PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
    }
    Py_XDECREF(number);
    Py_XDECREF(exc);
    return -1;
}

int pmg_py_fail(pmg_mgr_t *m, int err) {
    return err == PMG_PY_RAISED ? -1 : pmg_py_raise(err, pmg_error_text(m, err));
}

// Without the module, as MicroPython names its types.
static const char *type_name(PyObject *o) {
    const char *dot = strrchr(Py_TYPE(o)->tp_name, '.');
    return dot != NULL ? dot + 1 : Py_TYPE(o)->tp_name;
}

int pmg_py_bad_type(const char *format, const char *name, PyObject *got) {
    PyErr_Format(PyExc_TypeError, format, name, type_name(got));
    return -1;
}

int pmg_py_bad_message(PyObject *got) {
    PyErr_Format(PyExc_TypeError, PMG_MSG_MESSAGE, type_name(got));
    return -1;
}

int pmg_py_bad_roots(PyObject *got) {
    PyErr_Format(PyExc_TypeError, PMG_MSG_ROOTS, type_name(got));
    return -1;
}

int pmg_py_done(struct mg_connection *c, int rc, pmg_py_data_t *data) {
    if (c == NULL) {
        rc = pmg_py_raise(-EBADF, PMG_MSG_CONN_CLOSED);
    } else if (rc < 0) {
        rc = pmg_py_fail(pmg_conn_mgr(c), rc);
    } else {
        rc = 0;
    }
    if (data != NULL) {
        pmg_py_release(data);
    }
    return rc;
}

// ---------------------------------------------------------------------------------------------
// Arguments

int pmg_py_data(PyObject *o, const char *name, pmg_py_data_t *out) {
    Py_ssize_t len = 0;
    out->view.obj = NULL;
    if (PyBytes_CheckExact(o)) {
        out->s.buf = PyBytes_AS_STRING(o);
        out->s.len = (size_t)PyBytes_GET_SIZE(o);
        return 0;
    }
    if (PyUnicode_Check(o)) {
        out->s.buf = (char *)PyUnicode_AsUTF8AndSize(o, &len);
        out->s.len = (size_t)len;
        return out->s.buf != NULL ? 0 : -1;
    }
    if (!PyObject_CheckBuffer(o)) {
        return pmg_py_bad_type(PMG_MSG_STR_OR_BYTES, name, o);
    }
    if (PyObject_GetBuffer(o, &out->view, PyBUF_SIMPLE) < 0) {
        return -1;
    }
    out->s.buf = out->view.buf;
    out->s.len = (size_t)out->view.len;
    return 0;
}

int pmg_py_buffer(PyObject *o, const char *name, Py_buffer *out) {
    if (PyObject_GetBuffer(o, out, PyBUF_WRITABLE) == 0) {
        return 0;
    }
    if (PyErr_ExceptionMatches(PyExc_BufferError) || PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyErr_Clear(); // read-only, not in one piece, or no buffer at all
        return pmg_py_bad_type(PMG_MSG_BUFFER, name, o);
    }
    return -1;
}

void pmg_py_none(pmg_py_data_t *out) {
    memset(out, 0, sizeof(*out));
}

void pmg_py_release(pmg_py_data_t *data) {
    if (data->view.obj != NULL) {
        PyBuffer_Release(&data->view);
    }
}

int pmg_py_str(PyObject *o, const char *name, struct mg_str *out) {
    Py_ssize_t len = 0;
    if (!PyUnicode_Check(o)) {
        return pmg_py_bad_type(PMG_MSG_STR, name, o);
    }
    out->buf = (char *)PyUnicode_AsUTF8AndSize(o, &len);
    out->len = (size_t)len;
    return out->buf != NULL ? 0 : -1;
}

int pmg_py_cstr(PyObject *o, const char *name, const char **out) {
    struct mg_str s;
    if (pmg_py_str(o, name, &s) < 0) {
        return -1;
    }
    if (strlen(s.buf) != s.len) {
        PyErr_Format(PyExc_ValueError, PMG_MSG_NUL, name);
        return -1;
    }
    *out = s.buf;
    return 0;
}

int pmg_py_int(PyObject *o, const char *name, long long *out) {
    int overflow = 0;
    if (!PyLong_Check(o)) {
        return pmg_py_bad_type(PMG_MSG_INT, name, o);
    }
    *out = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (overflow != 0) {
        *out = overflow > 0 ? LLONG_MAX : LLONG_MIN;
    }
    return 0;
}

int pmg_py_millis(PyObject *o, const char *name, uint64_t *out) {
    long long n;
    if (pmg_py_int(o, name, &n) < 0) {
        return -1;
    }
    if (n < 0) {
        PyErr_Format(PyExc_ValueError, PMG_MSG_NEGATIVE, name);
        return -1;
    }
    *out = (uint64_t)n;
    return 0;
}

int pmg_py_size(PyObject *o, const char *name, size_t *out) {
    uint64_t n;
    if (pmg_py_millis(o, name, &n) < 0) {
        return -1;
    }
    *out = n < SIZE_MAX ? (size_t)n : SIZE_MAX;
    return 0;
}

int pmg_py_callable(PyObject *o, const char *name) {
    if (o != Py_None && !PyCallable_Check(o)) {
        return pmg_py_bad_type(PMG_MSG_CALLABLE, name, o);
    }
    return 0;
}

int pmg_py_unrun(PyObject *result) {
    if (!PyCoro_CheckExact(result) && !PyGen_CheckExact(result) && !PyAsyncGen_CheckExact(result)) {
        return 0;
    }
    if (PyCoro_CheckExact(result)) { // or Python would warn that nobody awaited it
        PyObject *closed = PyObject_CallMethod(result, "close", NULL);
        Py_XDECREF(closed);
        PyErr_Clear();
    }
    PyErr_Format(PyExc_TypeError, PMG_MSG_UNRUN, type_name(result));
    Py_DECREF(result);
    return -1;
}

// ---------------------------------------------------------------------------------------------
// Headers

static int bad_headers(PyObject *got) {
    PyErr_Format(PyExc_TypeError, PMG_MSG_HEADERS, type_name(got));
    return PMG_PY_RAISED;
}

PyObject *pmg_py_headers(PyObject *headers) {
    if (PyDict_CheckExact(headers)) {
        Py_INCREF(headers);
        return headers;
    }
    if (PyDict_Check(headers)) {
        return PyMapping_Items(headers);
    }
    PyObject *iterator = PyObject_GetIter(headers);
    if (iterator == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Clear();
            bad_headers(headers);
        }
        return NULL;
    }
    PyObject *list = PySequence_List(iterator);
    Py_DECREF(iterator);
    return list;
}

static int head_header(pmg_head_t *h, PyObject *name, PyObject *value, bool *typed) {
    struct mg_str n, v;
    PyObject *number = NULL;
    int rc = PMG_PY_RAISED;
    if (!PyUnicode_Check(name)) {
        return bad_headers(name);
    }
    if (PyLong_Check(value) && !PyBool_Check(value)) {
        value = number = PyNumber_ToBase(value, 10);
    } else if (!PyUnicode_Check(value)) {
        return bad_headers(value);
    }
    if (value != NULL && pmg_py_str(name, "name", &n) == 0 && pmg_py_str(value, "value", &v) == 0) {
        *typed |= mg_strcasecmp(n, mg_str("content-type")) == 0;
        rc = pmg_head_header(h, n, v);
    }
    Py_XDECREF(number);
    return rc;
}

static int head_pair(pmg_head_t *h, PyObject *pair, bool *typed) {
    if (PyTuple_Check(pair) && PyTuple_GET_SIZE(pair) == 2) {
        return head_header(h, PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1), typed);
    }
    if (PyList_Check(pair) && PyList_GET_SIZE(pair) == 2) {
        return head_header(h, PyList_GET_ITEM(pair, 0), PyList_GET_ITEM(pair, 1), typed);
    }
    return bad_headers(pair);
}

int pmg_py_head_headers(pmg_head_t *h, PyObject *headers, bool *typed) {
    int rc = 0;
    *typed = false;
    if (PyDict_Check(headers)) {
        PyObject *name, *value;
        Py_ssize_t pos = 0;
        Py_BEGIN_CRITICAL_SECTION(headers);
        while (rc >= 0 && PyDict_Next(headers, &pos, &name, &value)) {
            rc = head_header(h, name, value, typed);
        }
        Py_END_CRITICAL_SECTION();
    } else {
        for (Py_ssize_t i = 0; rc >= 0 && i < PyList_GET_SIZE(headers); i++) {
            rc = head_pair(h, PyList_GET_ITEM(headers, i), typed);
        }
    }
    if (rc < 0) {
        pmg_head_abort(h);
    }
    return rc;
}

// ---------------------------------------------------------------------------------------------
// Text

PyObject *pmg_py_text(struct mg_str s) {
    PyObject *text = pmg_py_decode(s, NULL);
    if (text == NULL && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        PyErr_Clear();
        text = PyUnicode_DecodeLatin1(s.buf, (Py_ssize_t)s.len, NULL);
    }
    return text;
}

PyObject *pmg_py_body_text(struct mg_str s) {
    return pmg_py_decode(s, "replace");
}

PyObject *pmg_py_bytes(struct mg_str s) {
    if (s.len < PMG_PAGES_MIN) {
        return PyBytes_FromStringAndSize(s.buf, (Py_ssize_t)s.len);
    }
    PyObject *data = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)s.len);
    if (data != NULL) {
        pmg_pages(PyBytes_AS_STRING(data), s.len);
        memcpy(PyBytes_AS_STRING(data), s.buf, s.len);
    }
    return data;
}

PyObject *pmg_py_addr(const pmg_addr_t *a) {
    PyObject *host = pmg_py_text(mg_str(a->host));
    return host != NULL ? Py_BuildValue("(NiO)", host, (int)a->port, a->is_ip6 ? Py_True : Py_False)
                        : NULL;
}
