# SPDX-License-Identifier: GPL-2.0-only
# Names of hosts: the methods of Connection.


cdef extern from "pmg.h":
    int pmg_resolve(mg_connection *, const char *)
    void pmg_resolve_cancel(mg_connection *)


@cython.internal
cdef class DnsConnection(Connection):
    def resolve(self, url):
        """Looks up a host; MG_EV_RESOLVE comes, then the connection goes there."""
        cdef const char *line
        ours(self)
        pmg_py_cstr(url, "url", &line)
        cdef mg_connection *c = self.state.c
        pmg_py_done(c, 0 if c == NULL else pmg_resolve(c, line), NULL)

    def resolve_cancel(self):
        """Ends a name lookup; no event comes of it."""
        cdef mg_connection *c = alive(self)
        pmg_resolve_cancel(c)


pmg_py_add_methods(Connection, DnsConnection)
