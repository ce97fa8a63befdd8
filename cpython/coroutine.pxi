# SPDX-License-Identifier: GPL-2.0-only
# Coroutines that handlers return. pymongoose.aio runs them, by two functions that it gives a Manager:
# start(conn, ev, coroutine) runs one up to where it suspends, and says whether it has; later(conn, ev,
# data) is told of an event of a connection whose coroutine has not ended.


# What a handler returned, to which this takes the reference. None; or NULL with an exception set.
cdef PyObject *take_coroutine(
    Manager m, PyObject **args, PyObject *result, pmg_py_view_t *view
) noexcept:
    cdef PyObject *told
    if m.start is None or not PyCoro_CheckExact(result):
        if pmg_py_unrun(result) < 0:
            return NULL
        return result
    cdef PyObject *given[3]
    given[0] = Py_None if args == NULL else args[0]
    given[1] = Py_None if args == NULL else args[1]
    given[2] = result
    if args != NULL:
        (<Connection>args[0]).busy = True
    told = PyObject_Vectorcall(<PyObject *>m.start, given, 3, NULL)
    decref(result)
    if told == Py_True:
        if view != NULL and pmg_py_view_own(args[2], view) < 0:
            decref(told)
            return NULL
    elif args != NULL and told != NULL:  # who raises has said whose turn it is
        (<Connection>args[0]).busy = False
    return told


# The event waits for its turn.
cdef PyObject *put_off(Manager m, PyObject **args, pmg_py_view_t *view) noexcept:
    if view != NULL and pmg_py_view_own(args[2], view) < 0:
        return NULL
    return PyObject_Vectorcall(<PyObject *>m.later, args, 3, NULL)


def _run_coroutines(Manager manager, start, later):
    """For pymongoose.aio."""
    manager.start = start
    manager.later = later


def _coroutine_ended(Connection conn, bint more):
    """For pymongoose.aio: is there another one, whose turn it is?"""
    conn.busy = more


def _coroutine_failed(Connection conn, ev, exc):
    """For pymongoose.aio: it raised after it had suspended. Answers for it; is it to be reported?"""
    cdef mg_connection *c = conn.state.c
    if c == NULL:
        return True
    m = manager(conn)
    cdef bint fault = isinstance(exc, DECODE_ERROR) and pmg_http_client_fault(c, ev)
    cdef bint held = hold(m)
    pmg_conn_failed(c, fault)
    if held:
        m.holder = 0
    settle(m, 0)
    return not fault


def _pause(Connection conn, bint on):
    """For pymongoose.aio: messages wait to be taken, or no more."""
    cdef mg_connection *c = ours(conn)
    if c != NULL:
        pmg_conn_pause(c, on)
