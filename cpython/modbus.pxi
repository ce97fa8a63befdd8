# SPDX-License-Identifier: GPL-2.0-only
# Modbus: the messages, the values that a program gives, and the methods of Connection and Manager.


cdef extern from "pmg.h":
    ctypedef struct pmg_modbus_msg_t:
        int num_values
        bint bits
    ctypedef struct pmg_modbus_values_t:
        pass

    const pmg_protocol_t pmg_modbus
    unsigned pmg_modbus_value(const pmg_modbus_msg_t *, int)
    void pmg_modbus_values(pmg_modbus_values_t *, int)
    const char *pmg_modbus_put(pmg_modbus_values_t *, long long)
    int pmg_modbus_asked(mg_connection *)
    int pmg_modbus_reply(mg_connection *, const pmg_modbus_values_t *, int)
    int pmg_modbus_read(mg_connection *, int, int, int, int)
    int pmg_modbus_write(mg_connection *, int, int, const pmg_modbus_values_t *, int)


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


@cython.internal
cdef class ModbusConnection(Connection):
    def modbus_reply(self, values=(), error=0):
        """Answers the Modbus request that waits: with values, or with an exception code."""
        cdef pmg_modbus_values_t v
        cdef int code = small_int_arg(error, "error")
        cdef mg_connection *c = alive(self)
        cdef int func = pmg_modbus_asked(c)
        if func < 0:
            pmg_py_done(c, func, NULL)
        modbus_put(&v, func, values)
        c = alive(self)
        pmg_py_done(c, pmg_modbus_reply(c, &v, code), NULL)

    def modbus_read(self, func, address, count=1, unit=1):
        """Asks a Modbus server for values; returns the transaction's number."""
        cdef int f = small_int_arg(func, "func")
        cdef int a = small_int_arg(address, "address")
        cdef int n = small_int_arg(count, "count")
        cdef int u = small_int_arg(unit, "unit")
        cdef mg_connection *c = alive(self)
        cdef int rc = pmg_modbus_read(c, f, a, n, u)
        pmg_py_done(c, rc, NULL)
        return rc

    def modbus_write(self, func, address, values, unit=1):
        """Has a Modbus server set values; returns the transaction's number."""
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


pmg_py_add_methods(Connection, ModbusConnection)


@cython.internal
cdef class ModbusManager(Manager):
    def modbus_listen(self, url, handler=None, *, events=None):
        """Listens for Modbus clients and returns the listener's Connection."""
        return self.open(url, handler, events, None, True, -1, &pmg_modbus)

    def modbus_connect(self, url, handler=None, *, events=None):
        """Starts a connection to a Modbus server and returns it at once."""
        return self.open(url, handler, events, None, False, -1, &pmg_modbus)


pmg_py_add_methods(Manager, ModbusManager)
