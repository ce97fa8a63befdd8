// SPDX-License-Identifier: GPL-2.0-only
//
// Between Python objects and C values: arguments in, text and exceptions out.
//
// A function that returns int gives 0, or -1 with a Python exception set. A string that comes out
// of an object lives as long as the object does.
#ifndef PMG_CONVERT_H
#define PMG_CONVERT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "pmg.h"
#include "pmg_messages.h"

// In place of a negative errno: the Python exception is set already.
#define PMG_PY_RAISED INT_MIN

// Says which class is pymongoose.Error; it is held for good.
void pmg_py_error_class(PyObject *type, PyObject *decode_type);

// Raises what `err`, a negative errno, stands for. Always -1.
int pmg_py_raise(int err, const char *text);
// The same with the core's own text for its last negative result; takes PMG_PY_RAISED too.
int pmg_py_fail(pmg_mgr_t *m, int err);
// TypeError by one of the texts of pmg_messages.h with the argument's name and the object's type.
int pmg_py_bad_type(const char *format, const char *name, PyObject *got);
int pmg_py_bad_message(PyObject *got);
int pmg_py_bad_roots(PyObject *got); // the same, of a `message` argument

// The bytes of a str (as UTF-8) or of any object with a buffer.
typedef struct {
    struct mg_str s;
    Py_buffer view; // view.obj NULL: nothing to release
} pmg_py_data_t;
int pmg_py_data(PyObject *o, const char *name, pmg_py_data_t *out);
// A buffer to write to; released by PyBuffer_Release().
int pmg_py_buffer(PyObject *o, const char *name, Py_buffer *out);
void pmg_py_none(pmg_py_data_t *out); // nothing was given: s.buf is NULL
void pmg_py_release(pmg_py_data_t *data);

// The end of a call on connection c, NULL if it is closed, that gave `rc`: raises or not, and
// releases `data` (may be NULL).
int pmg_py_done(struct mg_connection *c, int rc, pmg_py_data_t *data);

int pmg_py_str(PyObject *o, const char *name, struct mg_str *out);
int pmg_py_cstr(PyObject *o, const char *name, const char **out); // ValueError for a NUL in it
// An int, cut to what fits.
int pmg_py_int(PyObject *o, const char *name, long long *out);
// ValueError below 0. What no size_t holds becomes the largest: on 32 bits 2**32 is not 0, which says
// "no limit" in most places.
int pmg_py_size(PyObject *o, const char *name, size_t *out);
int pmg_py_millis(PyObject *o, const char *name, uint64_t *out);
int pmg_py_callable(PyObject *o, const char *name);

// What a handler returned: a coroutine or generator would never run. 0; or -1 with a TypeError set,
// and the reference is taken.
int pmg_py_unrun(PyObject *result);

// As PyUnicode_DecodeUTF8() does it, and faster where there is much.
PyObject *pmg_py_decode(struct mg_str s, const char *errors);
// Text of a head (UTF-8, else ISO 8859-1), of a body (U+FFFD where it is not UTF-8), plain bytes.
PyObject *pmg_py_text(struct mg_str s);
PyObject *pmg_py_body_text(struct mg_str s);
PyObject *pmg_py_bytes(struct mg_str s);
PyObject *pmg_py_addr(const pmg_addr_t *a); // (host, port, is_ipv6)

// What runs here, as the attribute `version` of the module.
PyObject *pmg_py_version(void);

// What pmg_py_head_headers() reads: a dict or a list of pairs. Runs the iterator that the
// program gave, so call it before anything of the connection is looked at.
PyObject *pmg_py_headers(PyObject *headers);
// Adds them to a head that was begun; runs no Python. *typed tells whether a Content-Type was among
// them. 0, a negative errno or PMG_PY_RAISED; on failure the head is aborted.
int pmg_py_head_headers(pmg_head_t *h, PyObject *headers, bool *typed);

#endif
