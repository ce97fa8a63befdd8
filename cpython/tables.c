// SPDX-License-Identifier: GPL-2.0-only
//
// base/names.h expanded: constants, limits, event data, and the properties that C answers alone.

#include "tables.h"

const pmg_py_constant_t pmg_py_constants[] = {
#define X(name) {#name, name},
    PMG_CONSTANTS(X)
#undef X
        {NULL, 0},
};

const pmg_py_limit_t pmg_py_limits[] = {
#define X(name, desktop, board) {#name, offsetof(pmg_limits_t, name)},
    PMG_LIMITS(X)
#undef X
        {NULL, 0},
};

const unsigned char pmg_py_event_data[PMG_EV_END] = {
#define X(event, kind) [event] = PMG_DATA_##kind,
    PMG_EVENT_DATA(X)
#undef X
};

PyObject *pmg_py_event_numbers[PMG_EV_END];

int pmg_py_events(void) {
    for (int ev = 0; ev < PMG_EV_END; ev++) {
        pmg_py_event_numbers[ev] = PyLong_FromLong(ev);
        if (pmg_py_event_numbers[ev] == NULL) {
            return -1;
        }
    }
    return 0;
}

int pmg_py_add_props(PyTypeObject *type, PyGetSetDef *defs) {
    for (PyGetSetDef *def = defs; def->name != NULL; def++) {
        PyObject *descr = PyDescr_NewGetSet(type, def);
        if (descr == NULL || PyDict_SetItemString(type->tp_dict, def->name, descr) < 0) {
            Py_XDECREF(descr);
            return -1;
        }
        Py_DECREF(descr);
    }
    PyType_Modified(type);
    return 0;
}

// ---------------------------------------------------------------------------------------------
// Connection

static Py_ssize_t conn_offset;

static pmg_py_conn_t *conn(PyObject *self) {
    return (pmg_py_conn_t *)(void *)((char *)self + conn_offset);
}

static PyObject *closed_addr(pmg_py_conn_t *s, bool local) {
    pmg_addr_t a = {0};
    if (s->addrs != NULL) {
        PyObject *addr = PyTuple_GET_ITEM(s->addrs, local ? 0 : 1);
        Py_INCREF(addr);
        return addr;
    }
    if (local ? s->has_loc : s->has_rem) {
        pmg_addr_text(local ? &s->loc : &s->rem, &a);
    }
    return pmg_py_addr(&a);
}

void pmg_py_conn_end(pmg_py_conn_t *s) {
    struct mg_connection *c = s->c;
    pmg_addr_t loc, rem;
    pmg_conn_local_addr(c, &loc);
    pmg_conn_remote_addr(c, &rem);
    s->has_loc = loc.host[0] != '\0';
    s->has_rem = rem.host[0] != '\0';
    s->loc = c->loc;
    s->rem = c->rem;
    if (pmg_conn_is_unix(c)) {
        PyObject *local = pmg_py_addr(&loc), *remote = pmg_py_addr(&rem);
        s->addrs = local != NULL && remote != NULL ? PyTuple_Pack(2, local, remote) : NULL;
        Py_XDECREF(local);
        Py_XDECREF(remote);
        PyErr_Clear(); // without memory the address reads as unknown
        s->has_loc = s->has_rem = false;
    }
    s->c = NULL;
}

#define GET_BOOL(name) PyBool_FromLong(s->c != NULL && pmg_conn_##name(s->c))
#define GET_INT(name) PyLong_FromSize_t(s->c != NULL ? pmg_conn_##name(s->c) : 0)
#define GET_ADDR(name) live_addr(s, pmg_conn_##name)
#define GET_OPT_TEXT(name) text(s->c != NULL ? pmg_conn_##name(s->c) : NULL)

#if PMG_HAS_TLS
static PyObject *text(const char *s) {
    if (s == NULL) {
        Py_RETURN_NONE;
    }
    return PyUnicode_FromString(s);
}
#endif

static PyObject *live_addr(pmg_py_conn_t *s, void (*get)(struct mg_connection *, pmg_addr_t *)) {
    pmg_addr_t a;
    if (s->c == NULL) {
        return closed_addr(s, get == pmg_conn_local_addr);
    }
    get(s->c, &a);
    return pmg_py_addr(&a);
}

#define X(name, kind)                                                        \
    static PyObject *conn_##name(PyObject *self, void *Py_UNUSED(closure)) { \
        pmg_py_conn_t *s = conn(self);                                       \
        return GET_##kind(name);                                             \
    }
PMG_CONN_PROPS(X)
#undef X

static PyGetSetDef conn_props[] = {
#define X(name, kind) {#name, conn_##name, NULL, NULL, NULL},
    PMG_CONN_PROPS(X)
#undef X
        {NULL, NULL, NULL, NULL, NULL},
};

int pmg_py_conn_props(PyTypeObject *type, Py_ssize_t offset) {
    conn_offset = offset;
    return pmg_py_add_props(type, conn_props);
}

// ---------------------------------------------------------------------------------------------
// Views

static Py_ssize_t http_offset, ws_offset, mqtt_offset;

int pmg_py_view_expired(void) {
    return pmg_py_raise(-EBADF, PMG_MSG_VIEW_EXPIRED);
}

// The message of a view, or NULL with an exception set.
static const char *message(PyObject *self, Py_ssize_t offset) {
    const pmg_py_view_t *v = (const void *)((const char *)self + offset);
    if (v->msg == NULL) {
        pmg_py_view_expired();
    }
    return v->msg;
}

static PyObject *slice(PyObject *self, Py_ssize_t offset, void *field,
    PyObject *(*make)(struct mg_str)) {
    const char *msg = message(self, offset);
    return msg != NULL ? make(*(const struct mg_str *)(const void *)(msg + (size_t)field)) : NULL;
}

static PyObject *http_text(PyObject *self, void *field) {
    // A body may be cut anywhere and be anything; of a head one wants every byte back.
    bool body = (size_t)field == offsetof(pmg_http_msg_t, body);
    return slice(self, http_offset, field, body ? pmg_py_body_text : pmg_py_text);
}

static PyObject *http_bytes(PyObject *self, void *field) {
    return slice(self, http_offset, field, pmg_py_bytes);
}

static PyObject *ws_text(PyObject *self, void *field) {
    return slice(self, ws_offset, field, pmg_py_body_text);
}

static PyObject *ws_bytes(PyObject *self, void *field) {
    return slice(self, ws_offset, field, pmg_py_bytes);
}

static PyObject *ws_int(PyObject *self, void *field) {
    const char *msg = message(self, ws_offset);
    return msg != NULL ? PyLong_FromLong(*(const int *)(const void *)(msg + (size_t)field)) : NULL;
}

static PyObject *mqtt_text(PyObject *self, void *field) {
    return slice(self, mqtt_offset, field, pmg_py_body_text);
}

static PyObject *mqtt_bytes(PyObject *self, void *field) {
    return slice(self, mqtt_offset, field, pmg_py_bytes);
}

static PyObject *mqtt_int(PyObject *self, void *field) {
    const char *msg = message(self, mqtt_offset);
    return msg != NULL ? PyLong_FromLong(*(const int *)(const void *)(msg + (size_t)field)) : NULL;
}

static PyObject *mqtt_bool(PyObject *self, void *field) {
    const char *msg = message(self, mqtt_offset);
    return msg != NULL ? PyBool_FromLong(*(const bool *)(const void *)(msg + (size_t)field)) : NULL;
}

static PyGetSetDef http_props[] = {
#define X(name, field) {#name, http_text, NULL, NULL, (void *)offsetof(pmg_http_msg_t, field)},
    PMG_HTTP_TEXT_PROPS(X)
#undef X
#define X(name, field) {#name, http_bytes, NULL, NULL, (void *)offsetof(pmg_http_msg_t, field)},
        PMG_HTTP_BYTES_PROPS(X)
#undef X
            {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef ws_props[] = {
#define X(name, field) {#name, ws_text, NULL, NULL, (void *)offsetof(pmg_ws_msg_t, field)},
    PMG_WS_TEXT_PROPS(X)
#undef X
#define X(name, field) {#name, ws_bytes, NULL, NULL, (void *)offsetof(pmg_ws_msg_t, field)},
        PMG_WS_BYTES_PROPS(X)
#undef X
#define X(name, field) {#name, ws_int, NULL, NULL, (void *)offsetof(pmg_ws_msg_t, field)},
            PMG_WS_INT_PROPS(X)
#undef X
                {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef mqtt_props[] = {
#define X(name, field) {#name, mqtt_text, NULL, NULL, (void *)offsetof(pmg_mqtt_msg_t, field)},
    PMG_MQTT_TEXT_PROPS(X)
#undef X
#define X(name, field) {#name, mqtt_bytes, NULL, NULL, (void *)offsetof(pmg_mqtt_msg_t, field)},
        PMG_MQTT_BYTES_PROPS(X)
#undef X
#define X(name, field) {#name, mqtt_int, NULL, NULL, (void *)offsetof(pmg_mqtt_msg_t, field)},
            PMG_MQTT_INT_PROPS(X)
#undef X
#define X(name, field) {#name, mqtt_bool, NULL, NULL, (void *)offsetof(pmg_mqtt_msg_t, field)},
                PMG_MQTT_BOOL_PROPS(X)
#undef X
                    {NULL, NULL, NULL, NULL, NULL},
};

int pmg_py_http_props(PyTypeObject *type, Py_ssize_t offset) {
    http_offset = offset;
    return pmg_py_add_props(type, http_props);
}

int pmg_py_ws_props(PyTypeObject *type, Py_ssize_t offset) {
    ws_offset = offset;
    return pmg_py_add_props(type, ws_props);
}

int pmg_py_mqtt_props(PyTypeObject *type, Py_ssize_t offset) {
    mqtt_offset = offset;
    return pmg_py_add_props(type, mqtt_props);
}
