# SPDX-License-Identifier: GPL-2.0-only
# What the core calls. No exception leaves these functions: a hook that fails says so by its result.

cdef pmg_hooks_t HOOKS
HOOKS.open = on_open
HOOKS.event = on_event
HOOKS.free = on_free
HOOKS.timer = on_timer
HOOKS.timer_free = on_timer_free
HOOKS.watch = on_watch


cdef extern from "convert.h":
    int pmg_py_unrun(PyObject *) noexcept


ctypedef int (*open_t)(mg_connection *, mg_connection *, void *) noexcept
ctypedef int (*bury_t)(Manager, object) noexcept
ctypedef int (*watch_t)(Manager, int, int) noexcept


cdef int on_open(mg_connection *c, mg_connection *listener, void *arg) noexcept:
    if (<open_t>make_connection)(c, listener, arg) < 0:
        PyErr_Clear()
        return -ENOMEM
    return 0


cdef int make_connection(mg_connection *c, mg_connection *listener, void *arg) except -1:
    m = <Manager>pmg_mgr_owner(pmg_conn_mgr(c))
    cdef Connection conn = Connection.__new__(Connection)
    cdef void *parent
    cdef open_arg_t *given = <open_arg_t *>arg
    conn.id = c.id
    if given != NULL:
        conn._handler = <object>given.handler
        pmg_conn_events(c, given.events, conn._handler is not None)
    elif listener != NULL:
        parent = pmg_conn_obj(listener)[0]
        if parent != NULL:
            conn._handler = (<Connection>parent)._handler
    m.conns[conn.id] = conn
    conn.state.c = c
    conn.manager = <PyObject *>m
    pmg_conn_obj(c)[0] = <void *>conn


cdef void on_free(mg_connection *c) noexcept:
    cdef void *obj = pmg_conn_obj(c)[0]
    if obj == NULL:
        return
    conn = <Connection>obj
    pmg_conn_obj(c)[0] = NULL
    pmg_py_conn_end(&conn.state)
    if (<bury_t>bury_connection)(<Manager>conn.manager, conn) < 0:
        PyErr_Clear()  # without memory the table keeps a closed connection


cdef int bury_connection(Manager m, object conn) except -1:
    m.dead.append(conn)
    m.conns.pop((<Connection>conn).id, None)


# Borrowed references all but the handler, which the handler may replace: the Manager's table holds
# the connection, and the call that led here the Manager.
cdef int on_event(mg_connection *c, int ev, void *data) noexcept:
    cdef PyObject *conn = <PyObject *>pmg_conn_obj(c)[0]
    if conn == NULL:
        return 0
    cdef PyObject *m = (<Connection>conn).manager
    cdef PyObject *handler = <PyObject *>(<Connection>conn)._handler
    if handler == Py_None:
        handler = <PyObject *>(<Manager>m).handler
        if handler == Py_None:
            return 0
    cdef PyObject *args[4]
    cdef PyObject *result = NULL
    cdef pmg_py_view_t *view = NULL
    args[0] = NULL
    args[1] = conn
    if 0 <= ev < PMG_EV_END:
        args[2] = pmg_py_event_numbers[ev]
        incref(args[2])
    else:
        args[2] = PyLong_FromLong(ev)
    args[3] = pmg_py_event_data(c, ev, data, &view)
    if args[2] != NULL and args[3] != NULL:
        incref(handler)
        if (<Connection>conn).busy:
            result = put_off(<Manager>m, args + 1, view)
        else:
            result = PyObject_Vectorcall(
                handler, args + 1, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL
            )
        decref(handler)
    if result != NULL and result != Py_None:
        result = take_coroutine(<Manager>m, args + 1, result, view)
    if view != NULL and view.copy == NULL:
        view.msg = NULL
    Py_XDECREF(args[2])
    Py_XDECREF(args[3])
    if result == NULL:
        if PyErr_ExceptionMatches(DECODE_ERROR) and pmg_http_client_fault(c, ev):
            PyErr_Clear()
            return PMG_CLIENT_FAULT
        return (<Manager>m).report()
    decref(result)
    return 0


cdef int on_timer(pmg_timer_t *t) noexcept:
    if t.arg == NULL:
        return 0
    m = <Manager>pmg_mgr_owner(t.mgr)
    callback = (<Timer>t.arg).callback
    cdef PyObject *result = PyObject_CallNoArgs(<PyObject *>callback)
    if result != NULL and result != Py_None:
        result = take_coroutine(m, NULL, result, NULL)
    if result == NULL:
        return m.report()
    decref(result)
    return 0


cdef void on_timer_free(pmg_timer_t *t) noexcept:
    if t.arg == NULL:
        return
    timer = <Timer>t.arg
    timer.t = NULL
    if (<bury_t>bury_timer)(<Manager>pmg_mgr_owner(t.mgr), timer) < 0:
        PyErr_Clear()


cdef int bury_timer(Manager m, object timer) except -1:
    m.dead.append(timer)
    m.timers.discard(timer)


cdef int on_watch(pmg_mgr_t *core, int fd, int mask) noexcept:
    m = <Manager>pmg_mgr_owner(core)
    if (<watch_t>call_watch)(m, fd, mask) < 0:
        return m.report()
    return 0


cdef int call_watch(Manager m, int fd, int mask) except -1:
    m.watch(fd, mask)
