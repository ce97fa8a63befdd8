# SPDX-License-Identifier: GPL-2.0-only
# Messages of Modbus, and the values that a program gives. Plain numbers come from tables.c.


@cython.final
cdef class ModbusRequest:
    """A client's request, readable until the handler that received it returns."""

    cdef pmg_py_view_t view

    def __init__(self):
        raise TypeError("cannot create 'ModbusRequest' instances")

    def __bool__(self):
        return self.view.msg != NULL

    @property
    def values(self):
        return modbus_values(&self.view)


@cython.final
cdef class ModbusResponse:
    """What became of a request, readable until the handler that received it returns."""

    cdef pmg_py_view_t view

    def __init__(self):
        raise TypeError("cannot create 'ModbusResponse' instances")

    def __bool__(self):
        return self.view.msg != NULL

    @property
    def values(self):
        return modbus_values(&self.view)


cdef tuple modbus_values(const pmg_py_view_t *view):
    cdef const pmg_modbus_msg_t *msg = <const pmg_modbus_msg_t *>pmg_py_view_msg(view)
    cdef int i
    if msg.bits:
        return tuple([pmg_modbus_value(msg, i) != 0 for i in range(msg.num_values)])
    return tuple([pmg_modbus_value(msg, i) for i in range(msg.num_values)])


# Runs the iterator that the program gave: nothing of the connection is known after it.
cdef int modbus_put(pmg_modbus_values_t *v, int func, object values) except -1:
    cdef const char *why
    cdef long long number
    pmg_modbus_values(v, func)
    if isinstance(values, int):
        values = (values,)
    for value in values:
        pmg_py_int(value, "a value", &number)
        why = pmg_modbus_put(v, number)
        if why != NULL:
            pmg_py_raise(-EINVAL, why)
    return 0


cdef int modbus_reply(Connection self, object values, object error) except -1:
    cdef pmg_modbus_values_t v
    cdef int code = small_int_arg(error, "error")
    cdef mg_connection *c = alive(self)
    cdef int func = pmg_modbus_asked(c)
    if func < 0:
        pmg_py_done(c, func, NULL)
    modbus_put(&v, func, values)
    c = alive(self)
    return pmg_py_done(c, pmg_modbus_reply(c, &v, code), NULL)


cdef int modbus_read(
    Connection self, object func, object address, object count, object unit
) except -1:
    cdef int f = small_int_arg(func, "func")
    cdef int a = small_int_arg(address, "address")
    cdef int n = small_int_arg(count, "count")
    cdef int u = small_int_arg(unit, "unit")
    cdef mg_connection *c = alive(self)
    cdef int rc = pmg_modbus_read(c, f, a, n, u)
    pmg_py_done(c, rc, NULL)
    return rc


cdef int modbus_write(
    Connection self, object func, object address, object values, object unit
) except -1:
    cdef pmg_modbus_values_t v
    cdef int f = small_int_arg(func, "func")
    cdef int a = small_int_arg(address, "address")
    cdef int u = small_int_arg(unit, "unit")
    alive(self)
    modbus_put(&v, f, values)
    cdef mg_connection *c = alive(self)
    cdef int rc = pmg_modbus_write(c, f, a, &v, u)
    pmg_py_done(c, rc, NULL)
    return rc
