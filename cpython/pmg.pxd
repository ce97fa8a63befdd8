# SPDX-License-Identifier: GPL-2.0-only
# What is C and not ours to define here: the core's part of pmg.h, our C files, and CPython's own API.
# What a protocol has of its own is declared in its file.

from cpython.object cimport PyObject
from cpython.weakref cimport PyWeakref_NewRef
from libc.errno cimport EBADF, EBUSY, ECHILD, EILSEQ, EINVAL, ENOMEM
from libc.limits cimport INT_MAX, INT_MIN
from libc.string cimport memcpy
from libc.stdint cimport SIZE_MAX, uint8_t, uint32_t, uint64_t


cdef extern from "stdbool.h":
    ctypedef bint c_bool "bool"


cdef extern from "mongoose.h" nogil:
    cdef struct mg_str:
        char *buf
        size_t len

    cdef struct mg_connection:
        unsigned long id

    int MG_EV_USER


cdef extern from "pmg_version.h":
    const char *PMG_VERSION


cdef extern from "pmg_messages.h":
    const char *PMG_MSG_MGR_CLOSED
    const char *PMG_MSG_POLL_IN_HANDLER
    const char *PMG_MSG_WRONG_THREAD
    const char *PMG_MSG_NOT_MADE_BY_HAND
    const char *PMG_MSG_LIMIT_UNKNOWN
    const char *PMG_MSG_EVENTS
    const char *PMG_MSG_FD_SHARED
    const char *PMG_MSG_BUFFER_EMPTY
    const char *PMG_MSG_BODY_TWICE
    const char *PMG_MSG_NO_EVENT


cdef extern from "pmg.h":
    ctypedef struct pmg_mgr_t:
        pass
    ctypedef struct pmg_limits_t:
        pass
    ctypedef struct pmg_timer_t:
        pmg_mgr_t *mgr
        void *arg
    ctypedef struct pmg_hooks_t:
        int (*open)(mg_connection *, mg_connection *, void *) noexcept
        int (*event)(mg_connection *, int, void *) noexcept
        void (*free)(mg_connection *) noexcept
        int (*timer)(pmg_timer_t *) noexcept
        void (*timer_free)(pmg_timer_t *) noexcept
        int (*watch)(pmg_mgr_t *, int fd, int mask) noexcept
    ctypedef struct pmg_copy_t:
        pass
    ctypedef struct pmg_live_t:
        size_t managers, connections, timers, blocks
    ctypedef struct pmg_addr_t:
        char *host
        int port
        bint is_ip6

    int PMG_RAISED, PMG_STOP, PMG_CLIENT_FAULT, PMG_EV_END
    ctypedef struct pmg_protocol_t:
        pass
    const pmg_protocol_t pmg_raw, pmg_http

    void pmg_limits_default(pmg_limits_t *)
    int pmg_mgr_new(pmg_mgr_t **, const pmg_hooks_t *, const pmg_limits_t *, void *)
    void pmg_mgr_free(pmg_mgr_t *, bint silent)
    int pmg_mgr_poll(pmg_mgr_t *, int ms)
    int pmg_mgr_wakeup(pmg_mgr_t *, unsigned long, const void *, size_t)
    int pmg_dns_server(pmg_mgr_t *, const char *)
    void *pmg_mgr_owner(pmg_mgr_t *)
    int pmg_mgr_fd(pmg_mgr_t *)
    int pmg_mgr_timeout(pmg_mgr_t *, long *)
    int pmg_mgr_watch(pmg_mgr_t *)
    void pmg_conn_failed(mg_connection *, bint client)
    void pmg_conn_pause(mg_connection *, bint)
    bint pmg_mgr_in_hook(pmg_mgr_t *)
    void pmg_mgr_events(pmg_mgr_t *, uint32_t, bint)
    void pmg_live(pmg_live_t *)
    const char *pmg_event_name(int)
    uint32_t pmg_event_bit(long)
    uint32_t PMG_EVENTS_GIVEN

    int pmg_timer_add(pmg_mgr_t *, uint64_t, bint repeat, bint run_now, void *, pmg_timer_t **)
    bint pmg_timer_again(pmg_timer_t *, uint64_t ms)
    bint pmg_timer_restart(pmg_timer_t *, uint64_t ms)
    bint pmg_timer_active(const pmg_timer_t *)
    void pmg_timer_cancel(pmg_timer_t *)

    int pmg_listen(
        pmg_mgr_t *, const char *, const pmg_protocol_t *, int fd, void *, mg_connection **
    )
    void pmg_open_broadcast(pmg_mgr_t *)
    int pmg_connect(
        pmg_mgr_t *, const char *, const pmg_protocol_t *, const void *, void *, mg_connection **
    )
    const pmg_protocol_t *pmg_url_speaks(const char *)
    pmg_mgr_t *pmg_conn_mgr(mg_connection *)
    void **pmg_conn_obj(mg_connection *)
    void pmg_conn_events(mg_connection *, uint32_t, bint)
    bint pmg_conn_is_listening(mg_connection *)
    bint pmg_conn_is_udp(mg_connection *)
    bint pmg_conn_is_unix(mg_connection *)
    void pmg_conn_local_addr(mg_connection *, pmg_addr_t *)
    void pmg_conn_remote_addr(mg_connection *, pmg_addr_t *)
    int pmg_send(mg_connection *, const void *, size_t)
    mg_str pmg_recv_peek(mg_connection *)
    mg_str pmg_send_peek(mg_connection *)
    int pmg_recv_consume(mg_connection *, size_t)
    void pmg_drain(mg_connection *)
    void pmg_close(mg_connection *)
    int pmg_error(mg_connection *, const char *)


cdef extern from "Python.h":
    unsigned long PyThread_get_thread_ident()


cdef extern from "port/port.h":
    uint64_t pmg_port_millis()


cdef extern from "convert.h":
    void pmg_py_error_class(object, object)
    int pmg_py_raise(int, const char *) except -1
    int pmg_py_fail(pmg_mgr_t *, int) except -1
    int pmg_py_bad_type(const char *, const char *, object) except -1

    ctypedef struct pmg_py_data_t:
        mg_str s
    int pmg_py_data(object, const char *, pmg_py_data_t *) except -1
    void pmg_py_none(pmg_py_data_t *)
    void pmg_py_release(pmg_py_data_t *)
    int pmg_py_done(mg_connection *, int, pmg_py_data_t *) except -1
    ctypedef struct Py_buffer:
        void *buf
        Py_ssize_t len
    int pmg_py_buffer(PyObject *, const char *, Py_buffer *) except -1
    void PyBuffer_Release(Py_buffer *)
    int pmg_py_str(object, const char *, mg_str *) except -1
    int pmg_py_cstr(object, const char *, const char **) except -1
    int pmg_py_int(object, const char *, long long *) except -1
    int pmg_py_size(object, const char *, size_t *) except -1
    int pmg_py_millis(object, const char *, uint64_t *) except -1
    int pmg_py_callable(object, const char *) except -1
    object pmg_py_text(mg_str)
    object pmg_py_body_text(mg_str)
    object pmg_py_bytes(mg_str)
    object pmg_py_version()


cdef extern from "report.h":
    int pmg_py_report(PyObject *, PyObject **)


cdef extern from "tables.h":
    ctypedef struct pmg_py_constant_t:
        const char *name
        long value
    const pmg_py_constant_t pmg_py_constants[1]

    ctypedef struct pmg_py_limit_t:
        const char *name
        size_t offset
    const pmg_py_limit_t pmg_py_limits[1]

    PyObject **pmg_py_event_numbers
    int pmg_py_events() except -1

    ctypedef struct pmg_py_conn_t:
        mg_connection *c
        PyObject *addrs
        PyObject *into
    void pmg_py_conn_end(pmg_py_conn_t *)

    ctypedef struct pmg_py_view_t:
        const void *msg
        mg_connection *c
        pmg_copy_t *copy
    int pmg_py_view_copy(const pmg_py_view_t *, type, pmg_py_view_t *) except -1
    int pmg_py_view_own(PyObject *, pmg_py_view_t *) noexcept
    void pmg_py_view_free(pmg_py_view_t *)
    bint pmg_py_view_is_of(const pmg_py_view_t *, mg_connection *)
    const void *pmg_py_view_msg(const pmg_py_view_t *) except NULL
    PyObject *pmg_py_event_data(mg_connection *, int, void *, pmg_py_view_t **) noexcept

    int pmg_py_conn_props(type, Py_ssize_t) except -1
    int pmg_py_messages(dict) except -1
    int pmg_py_add_methods(type, type) except -1


cdef extern from "Python.h":
    # Raw, as borrowed pointers: the event path counts its references itself.
    PyObject *PyObject_Vectorcall(PyObject *, PyObject **, size_t, PyObject *)
    PyObject *PyObject_CallNoArgs(PyObject *)
    size_t PY_VECTORCALL_ARGUMENTS_OFFSET
    PyObject *PyLong_FromLong(long)
    PyObject *Py_None
    PyObject *Py_True
    void incref "Py_INCREF"(PyObject *)
    void decref "Py_DECREF"(PyObject *)
    void Py_XDECREF(PyObject *)
    void Py_XINCREF(PyObject *)
    void Py_INCREF(object)
    int PyErr_CheckSignals() except -1
    void PyErr_Clear()
    bint PyErr_ExceptionMatches(object)
    bint PyCoro_CheckExact(PyObject *)
