// SPDX-License-Identifier: GPL-2.0-only
//
// pymongoose.version: the fields of PMG_VERSION_FIELDS, in their order, as a named tuple.

#include "convert.h"
#if PMG_HAS_TLS
#include "mbedtls/version.h"
#else
#define MBEDTLS_VERSION_STRING ""
#endif

static PyStructSequence_Field fields[] = {
#define X(name) {#name, NULL},
    PMG_VERSION_FIELDS(X)
#undef X
        {NULL, NULL},
};

PyObject *pmg_py_version(void) {
    PyStructSequence_Desc desc = {
        "pymongoose.version",
        "What runs here.",
        fields,
        sizeof(fields) / sizeof(fields[0]) - 1,
    };
    PyTypeObject *type = PyStructSequence_NewType(&desc);
    PyObject *tuple = type != NULL ? PyStructSequence_New(type) : NULL;
    const char *python = Py_GetVersion(); // "3.11.2 (main, ...) [GCC ...]"
    PyObject *number = PyUnicode_FromStringAndSize(python, (Py_ssize_t)strcspn(python, " "));
    PyObject *values[] = {
        PyUnicode_FromString(PMG_VERSION),
        PyUnicode_FromString(MG_VERSION),
        PyUnicode_FromString(MBEDTLS_VERSION_STRING),
        number != NULL ? PyUnicode_FromFormat("CPython %U", number) : NULL,
        PyUnicode_FromString(Py_GetPlatform()),
        NULL,
    };
    Py_XDECREF(number);
    bool whole = values[0] != NULL && values[1] != NULL && values[2] != NULL && values[3] != NULL &&
                 values[4] != NULL;
    values[5] = !whole ? NULL
                       : PyUnicode_FromFormat("pymongoose %U on %U, %U; Mongoose %U, Mbed TLS %U",
                             values[0], values[3], values[4], values[1], values[2]);
    Py_XDECREF(type);
    for (int i = 0; i < 6; i++) {
        if (tuple == NULL || values[i] == NULL) {
            Py_XDECREF(values[i]);
            Py_CLEAR(tuple);
            continue;
        }
        PyStructSequence_SetItem(tuple, i, values[i]);
    }
    return tuple;
}
