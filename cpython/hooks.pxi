# SPDX-License-Identifier: GPL-2.0-only
# What the core calls. No exception leaves these functions: a hook that fails says so by its result.

cdef pmg_hooks_t HOOKS
HOOKS.open = on_open
HOOKS.event = on_event
HOOKS.free = on_free
HOOKS.timer = on_timer
HOOKS.timer_free = on_timer_free


ctypedef int (*open_t)(mg_connection *, mg_connection *, void *) noexcept
ctypedef int (*bury_t)(Manager, object) noexcept
ctypedef int (*data_t)(mg_connection *, int, void *, PyObject **, pmg_py_view_t **) noexcept


cdef int on_open(mg_connection *c, mg_connection *listener, void *arg) noexcept:
    if (<open_t>make_connection)(c, listener, arg) < 0:
        PyErr_Clear()
        return -ENOMEM
    return 0


cdef int make_connection(mg_connection *c, mg_connection *listener, void *arg) except -1:
    m = <Manager>pmg_mgr_owner(pmg_conn_mgr(c))
    cdef Connection conn = Connection.__new__(Connection)
    cdef void *parent
    conn.id = c.id
    if arg != NULL:
        conn._handler = <object>arg
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
    cdef int kind = PMG_DATA_NONE
    args[0] = NULL
    args[1] = conn
    args[3] = Py_None
    if 0 <= ev < PMG_EV_END:
        kind = pmg_py_event_data[ev]
        args[2] = pmg_py_event_numbers[ev]
        incref(args[2])
    else:
        args[2] = PyLong_FromLong(ev)
    if kind == PMG_DATA_NONE:
        incref(Py_None)
    elif (<data_t>event_data)(c, kind, data, &args[3], &view) < 0:
        args[3] = NULL
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
        return (<Manager>m).report()
    decref(result)
    return 0


# *data is a new reference; *view is set for what must be invalidated after the call.
cdef int event_data(
    mg_connection *c, int kind, void *raw, PyObject **data, pmg_py_view_t **view
) except -1:
    cdef HttpMessage hm
    cdef WsMessage wm
    cdef ModbusRequest request
    cdef ModbusResponse response
    cdef MqttMessage mm
    cdef MdnsRequest question
    cdef MdnsResponse answer
    cdef object result
    if kind == PMG_DATA_HTTP:
        hm = HttpMessage.__new__(HttpMessage)
        view[0] = &hm.view
        result = hm
    elif kind == PMG_DATA_WS:
        wm = WsMessage.__new__(WsMessage)
        view[0] = &wm.view
        result = wm
    elif kind == PMG_DATA_COUNT:
        result = (<size_t *>raw)[0]
    elif kind == PMG_DATA_TEXT:
        result = text(<const char *>raw)
    elif kind == PMG_DATA_MQTT:
        mm = MqttMessage.__new__(MqttMessage)
        view[0] = &mm.view
        result = mm
    elif kind == PMG_DATA_CODE:
        result = (<int *>raw)[0]
    elif kind == PMG_DATA_UPTIME:
        result = (<uint64_t *>raw)[0]
    elif kind == PMG_DATA_MDNS_REQ:
        question = MdnsRequest.__new__(MdnsRequest)
        view[0] = &question.view
        result = question
    elif kind == PMG_DATA_MDNS_RESP:
        answer = MdnsResponse.__new__(MdnsResponse)
        view[0] = &answer.view
        result = answer
    elif kind == PMG_DATA_MODBUS_REQ:
        request = ModbusRequest.__new__(ModbusRequest)
        view[0] = &request.view
        result = request
    elif kind == PMG_DATA_MODBUS_RESP:
        response = ModbusResponse.__new__(ModbusResponse)
        view[0] = &response.view
        result = response
    else:
        result = pmg_py_bytes((<mg_str *>raw)[0])
    if view[0] != NULL:
        view[0].msg = raw
        view[0].c = c
    Py_INCREF(result)
    data[0] = <PyObject *>result


cdef int on_timer(pmg_timer_t *t) noexcept:
    if t.arg == NULL:
        return 0
    m = <Manager>pmg_mgr_owner(t.mgr)
    callback = (<Timer>t.arg).callback
    cdef PyObject *result = PyObject_CallNoArgs(<PyObject *>callback)
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
