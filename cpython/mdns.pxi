# SPDX-License-Identifier: GPL-2.0-only
# Multicast DNS: the messages, and the methods of Connection and Manager.


cdef extern from "pmg.h":
    ctypedef struct pmg_mdns_resp_t:
        mg_str txt

    const pmg_protocol_t pmg_mdns
    ctypedef struct pmg_mdns_draft_t:
        pass
    int pmg_mdns_draft(pmg_mgr_t *, mg_str, mg_str, pmg_mdns_draft_t *)
    int pmg_mdns_draft_service(pmg_mgr_t *, pmg_mdns_draft_t *, mg_str, long, mg_str)
    int pmg_mdns_draft_txt(pmg_mgr_t *, pmg_mdns_draft_t *, mg_str, mg_str)
    void pmg_mdns_draft_free(pmg_mdns_draft_t *)
    int pmg_listen_for(pmg_mgr_t *, const pmg_protocol_t *, void *, void *, mg_connection **)
    int pmg_mdns_query(mg_connection *, mg_str, int)
    bint pmg_mdns_txt_next(mg_str *, mg_str *, mg_str *)


cdef extern from "pmg_messages.h":
    const char *PMG_MSG_DICT
    const char *PMG_MSG_SERVICE


@cython.final
cdef class MdnsRequest:
    """A question of another host, readable until the handler that received it returns."""

    cdef pmg_py_view_t view

    def __init__(self):
        raise TypeError("cannot create 'MdnsRequest' instances")

    def __bool__(self):
        return self.view.msg != NULL


@cython.final
cdef class MdnsResponse:
    """What another host says, readable until the handler that received it returns."""

    cdef pmg_py_view_t view

    def __init__(self):
        raise TypeError("cannot create 'MdnsResponse' instances")

    def __bool__(self):
        return self.view.msg != NULL

    @property
    def txt(self):
        cdef mg_str rest = (<const pmg_mdns_resp_t *>pmg_py_view_msg(&self.view)).txt
        cdef mg_str key, value
        found = {}
        while pmg_mdns_txt_next(&rest, &key, &value):
            word = pmg_py_body_text(key)
            if word not in found:  # of a key that comes twice the first counts (RFC 6763, 6.4)
                found[word] = None if value.buf == NULL else pmg_py_bytes(value)
        return found


cdef mg_str optional_str(object o, const char *name) except *:
    cdef mg_str s
    s.buf = NULL
    s.len = 0
    if o is not None:
        pmg_py_str(o, name, &s)
    return s


# Runs Python of the program's, which may close the manager.
cdef int mdns_service(Manager m, pmg_mdns_draft_t *draft, object service) except -1:
    cdef mg_str key
    cdef pmg_py_data_t value
    cdef int rc
    fields = service if isinstance(service, (tuple, list)) else ()
    if not 2 <= len(fields) <= 4:
        raise ValueError(text(PMG_MSG_SERVICE))
    kind, port = fields[:2]
    txt = fields[2] if len(fields) > 2 else None
    name = fields[3] if len(fields) > 3 else None
    cdef mg_str k = optional_str(kind, "type")
    cdef mg_str n = optional_str(name, "name")
    cdef int p = small_int_arg(port, "port")
    if kind is None:
        raise ValueError(text(PMG_MSG_SERVICE))
    settle(m, pmg_mdns_draft_service(m.core(), draft, k, p, n))
    if txt is not None and not isinstance(txt, dict):
        pmg_py_bad_type(PMG_MSG_DICT, "txt", txt)
    for word, data in dict(txt or {}).items():
        pmg_py_str(word, "a key", &key)
        pmg_py_none(&value)
        if data is not None:
            pmg_py_data(data, "a value", &value)
        rc = -EBADF
        if m.m != NULL:
            rc = pmg_mdns_draft_txt(m.m, draft, key, value.s)
        pmg_py_release(&value)
        m.core()
        settle(m, rc)
    return 0


@cython.internal
cdef class MdnsConnection(Connection):
    # MG_DNS_RTYPE_PTR, as a number: inspect reads the default from the signature's text.
    def mdns_query(self, name, type=12):
        """Asks for records of a name by multicast DNS."""
        cdef mg_str s
        ours(self)
        cdef int number = small_int_arg(type, "type")
        pmg_py_str(name, "name", &s)
        cdef mg_connection *c = self.state.c
        pmg_py_done(c, 0 if c == NULL else pmg_mdns_query(c, s, number), NULL)


pmg_py_add_methods(Connection, MdnsConnection)


@cython.internal
cdef class MdnsManager(Manager):
    def mdns_listen(self, handler=None, name=None, services=(), *, interface=None, events=None):
        """Joins multicast DNS, announces a name and services, and returns the Connection."""
        cdef mg_connection *c = NULL
        cdef pmg_mdns_draft_t draft
        cdef open_arg_t arg = open_arg(handler, events)
        cdef bint held = False
        cdef mg_str host = optional_str(name, "name")
        cdef mg_str iface = optional_str(interface, "interface")
        settle(self, pmg_mdns_draft(self.core(), host, iface, &draft))
        try:
            for service in services:
                mdns_service(self, &draft, service)
            self.core()
            held = hold(self)
            settle(self, pmg_listen_for(self.core(), &pmg_mdns, &draft, &arg, &c))
            return <Connection>pmg_conn_obj(c)[0]
        finally:
            pmg_mdns_draft_free(&draft)
            if held:
                self.holder = 0


pmg_py_add_methods(Manager, MdnsManager)
