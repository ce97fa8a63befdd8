// SPDX-License-Identifier: GPL-2.0-only
//
// What becomes of an exception that a handler raised. In C, not in Cython: an `except` there needs
// memory for a traceback, and one without memory is just what may arrive here.
#ifndef PMG_REPORT_H
#define PMG_REPORT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

// Takes the exception that is set and gives it to `error_handler` (None: prints it); sys.exc_info()
// tells of it meanwhile. What is no Exception (KeyboardInterrupt) is kept in *pending, unless that
// holds one already, to leave the API call that fired the event. PMG_RAISED, or PMG_STOP if kept.
int pmg_py_report(PyObject *error_handler, PyObject **pending);

#endif
