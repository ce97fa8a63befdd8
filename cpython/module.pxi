# SPDX-License-Identifier: GPL-2.0-only
# Functions of the module, and its start.


def event_name(ev):
    """The name of an event's number: "MG_EV_READ"."""
    cdef long long number = int_arg(ev, "ev")
    cdef const char *name = pmg_event_name(<int>number) if 0 <= number < PMG_EV_END else NULL
    if number >= MG_EV_USER and name == NULL:
        return f"MG_EV_USER+{ev - MG_EV_USER}"
    return f"MG_EV_UNKNOWN({int(ev)})" if name == NULL else text(name)


def live_objects():
    """How many objects of the core live in this process: {"managers", "connections", ...}."""
    cdef pmg_live_t live
    pmg_live(&live)
    return {
        "managers": live.managers,
        "connections": live.connections,
        "timers": live.timers,
        "blocks": live.blocks,
    }


cdef str text(const char *s):
    return s.decode("utf-8", "replace")


cdef inline long long int_arg(object o, const char *name) except? -1:
    cdef long long value
    pmg_py_int(o, name, &value)
    return value


# For what the core checks: anything beyond an int is as wrong as its ends.
cdef inline int small_int_arg(object o, const char *name) except? -1:
    cdef long long value = int_arg(o, name)
    return <int>max(min(value, <long long>INT_MAX), <long long>INT_MIN)


# Where the C part lies in a Connection only Cython knows.
cdef int add_generated() except -1:
    cdef Connection conn = Connection.__new__(Connection)
    pmg_py_conn_props(Connection, <char *>&conn.state - <char *><PyObject *>conn)
    names = globals()
    pmg_py_messages(names)
    cdef const pmg_py_constant_t *row = pmg_py_constants
    while row.name != NULL:
        names[text(row.name)] = row.value
        row += 1


__version__ = text(PMG_VERSION)
version = pmg_py_version()
pmg_py_events()
add_generated()
