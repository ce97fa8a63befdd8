# SPDX-License-Identifier: GPL-2.0-only
# SNTP: the methods of Connection and Manager.


cdef extern from "pmg.h":
    const pmg_protocol_t pmg_sntp
    int pmg_sntp_request(mg_connection *)


@cython.internal
cdef class SntpConnection(Connection):
    def sntp_request(self):
        """Asks the time server that this connection leads to for the time."""
        m = manager(self)
        cdef bint held = hold(m)
        cdef mg_connection *c = alive(self)
        cdef int rc = pmg_sntp_request(c)
        if held:
            m.holder = 0
        settle(m, rc)


pmg_py_add_methods(Connection, SntpConnection)


@cython.internal
cdef class SntpManager(Manager):
    def sntp_connect(self, url, handler=None, *, events=None):
        """Asks a time server for the time: MG_EV_SNTP_TIME."""
        return self.open(url, handler, events, None, False, -1, &pmg_sntp)


pmg_py_add_methods(Manager, SntpManager)
