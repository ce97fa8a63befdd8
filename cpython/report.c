// SPDX-License-Identifier: GPL-2.0-only
//
// Exceptions of handlers.

#include "report.h"

#include "pmg.h"

static PyObject *take(void) {
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *exc, *traceback;
    PyErr_Fetch(&type, &exc, &traceback);
    PyErr_NormalizeException(&type, &exc, &traceback);
    if (traceback != NULL) {
        PyException_SetTraceback(exc, traceback);
    }
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return exc;
#endif
}

static void show(PyObject *exc) {
    PyObject *traceback = PyException_GetTraceback(exc);
    PyErr_Display((PyObject *)Py_TYPE(exc), exc, traceback);
    Py_XDECREF(traceback);
}

static bool keep(PyObject *exc, PyObject **pending) {
    if (PyErr_GivenExceptionMatches(exc, PyExc_Exception)) {
        return false;
    }
    if (*pending == NULL) {
        Py_INCREF(exc);
        *pending = exc;
    }
    return true;
}

int pmg_py_report(PyObject *error_handler, PyObject **pending) {
    PyObject *exc = take(), *type, *value, *traceback;
    int result = PMG_RAISED;
    if (keep(exc, pending)) {
        Py_DECREF(exc);
        return PMG_STOP;
    }
    if (error_handler == Py_None) {
        show(exc);
        Py_DECREF(exc);
        return PMG_RAISED;
    }
    PyErr_GetExcInfo(&type, &value, &traceback);
    Py_INCREF(Py_TYPE(exc));
    Py_INCREF(exc);
    PyErr_SetExcInfo((PyObject *)Py_TYPE(exc), exc, PyException_GetTraceback(exc));
    Py_INCREF(error_handler);
    PyObject *returned = PyObject_CallOneArg(error_handler, exc);
    Py_DECREF(error_handler);
    Py_DECREF(exc);
    Py_XDECREF(returned);
    if (returned == NULL) {
        PyObject *second = take(); // tells of the first in its context
        if (keep(second, pending)) {
            result = PMG_STOP;
        } else {
            show(second);
        }
        Py_DECREF(second);
    }
    PyErr_SetExcInfo(type, value, traceback);
    return result;
}
