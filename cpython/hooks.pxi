# SPDX-License-Identifier: GPL-2.0-only
# What the core calls. No exception leaves these functions: a hook that fails says so by its result.

cdef pmg_hooks_t HOOKS
HOOKS.open = on_open
HOOKS.event = on_event
HOOKS.free = on_free
HOOKS.timer = on_timer
HOOKS.timer_free = on_timer_free


cdef int on_open(mg_connection *c, mg_connection *listener, void *arg) noexcept:
    cdef Connection conn
    cdef Manager m
    cdef void *parent
    try:
        m = <Manager>pmg_mgr_owner(pmg_conn_mgr(c))
        conn = Connection.__new__(Connection)
        conn.id = c.id
        if arg != NULL:
            conn._handler = <object>arg
        elif listener != NULL:
            parent = pmg_conn_obj(listener)[0]
            if parent != NULL:
                conn._handler = (<Connection>parent)._handler
        m.conns[conn.id] = conn
    except BaseException:
        return -ENOMEM
    conn.state.c = c
    conn.manager = <PyObject *>m
    pmg_conn_obj(c)[0] = <void *>conn
    return 0


cdef void on_free(mg_connection *c) noexcept:
    cdef void *obj = pmg_conn_obj(c)[0]
    cdef Connection conn
    cdef Manager m
    if obj == NULL:
        return
    conn = <Connection>obj
    pmg_py_conn_end(&conn.state)
    pmg_conn_obj(c)[0] = NULL
    try:
        m = <Manager>conn.manager
        m.dead.append(conn)
        m.conns.pop(conn.id, None)
    except BaseException:
        pass  # without memory the table keeps a closed connection


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
    cdef int kind = PMG_DATA_NONE
    args[0] = NULL
    args[1] = conn
    args[3] = Py_None
    if 0 <= ev < MG_EV_USER:
        kind = pmg_py_event_data[ev]
        args[2] = pmg_py_event_numbers[ev]
        incref(args[2])
    else:
        args[2] = PyLong_FromLong(ev)
    if kind == PMG_DATA_NONE:
        incref(Py_None)
    else:
        args[3] = event_data(c, kind, data, &view)
    if args[2] != NULL and args[3] != NULL:
        incref(handler)
        result = PyObject_Vectorcall(
            handler, args + 1, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL
        )
        decref(handler)
    if view != NULL:
        view.msg = NULL
    Py_XDECREF(args[2])
    Py_XDECREF(args[3])
    if result == NULL:
        return failed(<Manager>m)
    decref(result)
    return 0


# A new reference or NULL; *view is set for what must be invalidated after the call.
cdef PyObject *event_data(mg_connection *c, int kind, void *data, pmg_py_view_t **view) noexcept:
    cdef HttpMessage hm
    cdef WsMessage wm
    cdef object result
    if kind == PMG_DATA_COUNT:
        return PyLong_FromSize_t((<size_t *>data)[0])
    try:
        if kind == PMG_DATA_HTTP:
            hm = HttpMessage.__new__(HttpMessage)
            view[0] = &hm.view
            result = hm
        elif kind == PMG_DATA_WS:
            wm = WsMessage.__new__(WsMessage)
            view[0] = &wm.view
            result = wm
        elif kind == PMG_DATA_TEXT:
            result = text(<const char *>data)
        elif kind == PMG_DATA_UPTIME:
            result = (<uint64_t *>data)[0]
        else:
            result = pmg_py_bytes((<mg_str *>data)[0])
    except BaseException as exc:
        PyErr_SetObject(type(exc), exc)
        return NULL
    if view[0] != NULL:
        view[0].msg = data
        view[0].c = c
    Py_INCREF(result)
    return <PyObject *>result


cdef int on_timer(pmg_timer_t *t) noexcept:
    if t.arg == NULL:
        return 0
    cdef Timer timer = <Timer>t.arg
    cdef Manager m = <Manager>pmg_mgr_owner(t.mgr)
    callback = timer.callback
    cdef PyObject *result = PyObject_CallNoArgs(<PyObject *>callback)
    if result == NULL:
        return failed(m)
    decref(result)
    return 0


cdef void on_timer_free(pmg_timer_t *t) noexcept:
    cdef Timer timer
    cdef Manager m
    if t.arg == NULL:
        return
    timer = <Timer>t.arg
    timer.t = NULL
    try:
        m = <Manager>pmg_mgr_owner(t.mgr)
        m.dead.append(timer)
        m.timers.discard(timer)
    except BaseException:
        pass


cdef int failed(Manager m) noexcept:
    try:
        pmg_py_reraise()
    except BaseException as exc:
        exc.__traceback__ = exc.__traceback__.tb_next  # begins in the program, not here
        return report(m, exc)
    return PMG_RAISED


# What becomes of a handler's exception. KeyboardInterrupt and its like wait in the Manager until
# the call that fired the event returns to Python; all others are the program's to look at.
cdef int report(Manager m, exc) noexcept:
    try:
        if not isinstance(exc, Exception):
            if m.pending is None:
                m.pending = exc
            return PMG_STOP
        try:
            if m.error_handler is not None:
                m.error_handler(exc)
            else:
                show(exc)
        except Exception as second:
            show(second)
    except BaseException as third:
        if isinstance(third, Exception):
            return PMG_RAISED  # not even printing works
        if m.pending is None:
            m.pending = third
        return PMG_STOP
    return PMG_RAISED


cdef int show(exc) except -1:
    import sys
    from traceback import print_exception

    if sys.stderr is not None:
        print_exception(type(exc), exc, exc.__traceback__)
