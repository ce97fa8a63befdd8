// SPDX-License-Identifier: GPL-2.0-only
//
// base/names.h expanded: constants, limits, what events carry, and the properties that C answers
// alone.

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

// One without a getter is the class's own.
static int add_props(PyTypeObject *type, PyGetSetDef *defs) {
    for (PyGetSetDef *def = defs; def->name != NULL; def++) {
        if (def->get == NULL) {
            continue;
        }
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

// A descriptor that `type` can have of a method's own: the derived class is never an object's, and
// its C functions find in one of `type` what they look for.
int pmg_py_add_methods(PyTypeObject *type, PyTypeObject *part) {
    if (part->tp_base != type || part->tp_basicsize != type->tp_basicsize) {
        PyErr_Format(PyExc_SystemError, "%s has fields of its own", part->tp_name);
        return -1;
    }
    for (PyMethodDef *def = part->tp_methods; def != NULL && def->ml_name != NULL; def++) {
        PyObject *descr = PyDescr_NewMethod(type, def);
        if (descr == NULL || PyDict_SetItemString(type->tp_dict, def->ml_name, descr) < 0) {
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
    s->is_client = pmg_conn_is_client(c);
    s->is_udp = pmg_conn_is_udp(c);
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
#define GET_KEPT(name) PyBool_FromLong(s->c != NULL ? pmg_conn_##name(s->c) : s->name)
#define GET_INT(name) PyLong_FromSize_t(s->c != NULL ? pmg_conn_##name(s->c) : 0)
#define GET_ADDR(name) live_addr(s, pmg_conn_##name)
#define GET_OPT_TEXT(name) text(s->c != NULL ? pmg_conn_##name(s->c) : NULL)
#define GET_CERT(name) cert(s, pmg_conn_##name)

#if PMG_HAS_TLS
static PyObject *text(const char *s) {
    if (s == NULL) {
        Py_RETURN_NONE;
    }
    return PyUnicode_FromString(s);
}

// What may collect garbage, and so run a program's code, which may end the connection, comes ahead of
// what reads the certificate.
static PyObject *cert(pmg_py_conn_t *s,
    int (*get)(struct mg_connection *, const pmg_tls_cert_t **)) {
    static const char *const keys[] = {"subject", "issuer", "serial", "sha256"};
    const pmg_tls_cert_t *found = NULL;
    if (s->c != NULL && get(s->c, &found) < 0) {
        return PyErr_NoMemory();
    }
    if (found == NULL) {
        Py_RETURN_NONE;
    }
    PyObject *names = PyTuple_New((Py_ssize_t)found->names_len), *dict = PyDict_New();
    bool alive = s->c != NULL && get(s->c, &found) == 0 && found != NULL;
    PyObject *values[] = {names, NULL, NULL, NULL, NULL, NULL, NULL};
    bool ok = names != NULL && dict != NULL && alive;
    for (size_t i = 0; ok && i < found->names_len; i++) {
        PyObject *name = pmg_py_text(mg_str(found->names[i]));
        PyTuple_SET_ITEM(names, (Py_ssize_t)i, name);
        ok = name != NULL;
    }
    if (ok) {
        const char *texts[] = {found->subject, found->issuer, found->serial, found->sha256};
        int64_t times[] = {found->not_before, found->not_after};
        for (int i = 0; i < 4; i++) {
            values[1 + i] = pmg_py_text(mg_str(texts[i]));
        }
        values[5] = PyLong_FromLongLong(times[0]);
        values[6] = PyLong_FromLongLong(times[1]);
    }
    for (int i = 0; i < 7; i++) {
        const char *key = i == 0   ? "names"
                          : i < 5  ? keys[i - 1]
                          : i == 5 ? "not_before"
                                   : "not_after";
        ok = ok && values[i] != NULL && PyDict_SetItemString(dict, key, values[i]) == 0;
        Py_XDECREF(values[i]);
    }
    if (!ok) {
        Py_CLEAR(dict);
        if (!alive && !PyErr_Occurred()) {
            Py_RETURN_NONE;
        }
    }
    return dict;
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
    type->tp_flags &= ~Py_TPFLAGS_BASETYPE; // all parts are there: nothing else derives from it
    return add_props(type, conn_props);
}

// ---------------------------------------------------------------------------------------------
// Messages

// As Cython lays a message's class out.
typedef struct {
    PyObject_HEAD pmg_py_view_t view;
} object_t;

// The field of a message, or NULL with an exception set.
static const void *field(PyObject *self, void *offset) {
    const char *msg = pmg_py_view_msg(&((object_t *)(void *)self)->view);
    return msg != NULL ? msg + (size_t)offset : NULL;
}

#define GETTER(kind, type, make)                                \
    static PyObject *get_##kind(PyObject *self, void *offset) { \
        const type *value = field(self, offset);                \
        return value != NULL ? make(*value) : NULL;             \
    }
GETTER(HEAD, struct mg_str, pmg_py_text)
GETTER(TEXT, struct mg_str, pmg_py_body_text)
GETTER(WS_TEXT, struct mg_str, pmg_py_body_text)
GETTER(BYTES, struct mg_str, pmg_py_bytes)
GETTER(INT, int, PyLong_FromLong)
GETTER(BOOL, bool, PyBool_FromLong)
#define get_OBJECT NULL

#define ROW(name, kind, field) {#name, get_##kind, NULL, NULL, (void *)offsetof(msg_t, field)},
#define X(class, type)                                             \
    static PyGetSetDef *class##_props(void) {                      \
        typedef type msg_t;                                        \
        static PyGetSetDef props[] = {                             \
            PMG_PROPS_##class(ROW) {NULL, NULL, NULL, NULL, NULL}, \
        };                                                         \
        return props;                                              \
    }
PMG_MESSAGES(X)
#undef X

enum {
#define X(class, type) CLASS_##class,
    PMG_MESSAGES(X)
#undef X
        CLASSES
};

static PyTypeObject *classes[CLASSES];
static PyObject *no_args;

static int add_class(PyTypeObject **class, PyObject *names, const char *name, PyGetSetDef *props) {
    *class = (PyTypeObject *)(void *)PyDict_GetItemString(names, name);
    if (*class == NULL || (*class)->tp_basicsize != sizeof(object_t)) {
        PyErr_Format(PyExc_SystemError, "%s is no class of objects that are a view alone", name);
        return -1;
    }
    return add_props(*class, props);
}

int pmg_py_messages(PyObject *names) {
    no_args = PyTuple_New(0);
    if (no_args == NULL) {
        return -1;
    }
#define X(class, type)                                                            \
    if (add_class(&classes[CLASS_##class], names, #class, class##_props()) < 0) { \
        return -1;                                                                \
    }
    PMG_MESSAGES(X)
#undef X
    return 0;
}

const void *pmg_py_view_msg(const pmg_py_view_t *v) {
    if (v->msg == NULL) {
        pmg_py_raise(-EBADF, PMG_MSG_VIEW_EXPIRED);
    }
    return v->msg;
}

int pmg_py_view_copy(const pmg_py_view_t *view, PyTypeObject *type, pmg_py_view_t *to) {
    const void *msg = pmg_py_view_msg(view);
    pmg_copy_t *copy = NULL;
    if (msg == NULL) {
        return -1;
    }
    pmg_mgr_t *m = view->copy != NULL ? view->copy->m : pmg_conn_mgr(view->c);
    unsigned long id = view->copy != NULL ? view->copy->id : view->c->id;
#define X(class, function)                \
    if (type == classes[CLASS_##class]) { \
        copy = function(m, id, msg);      \
    }
    PMG_COPIES(X)
#undef X
    if (copy == NULL) {
        return pmg_py_raise(-ENOMEM, PMG_MSG_NO_COPY);
    }
    to->copy = copy;
    to->msg = copy->msg;
    to->c = NULL;
    return 0;
}

static bool copies(const PyTypeObject *type) {
#define X(class, function)                \
    if (type == classes[CLASS_##class]) { \
        return true;                      \
    }
    PMG_COPIES(X)
#undef X
    return false;
}

int pmg_py_view_own(PyObject *message, pmg_py_view_t *view) {
    PyTypeObject *type = Py_TYPE(message);
    return copies(type) ? pmg_py_view_copy(view, type, view) : 0;
}

// ---------------------------------------------------------------------------------------------
// Events

static PyObject *new_view(PyTypeObject *class, const void *msg, struct mg_connection *c,
    pmg_py_view_t **view) {
    PyObject *self = class->tp_new(class, no_args, NULL);
    if (self != NULL) {
        *view = &((object_t *)(void *)self)->view;
        (*view)->msg = msg;
        (*view)->c = c;
    }
    return self;
}

static PyObject *error_text(const char *text) {
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
}

#define DATA_TEXT(data, class) error_text(data)
#define DATA_COUNT(data, class) PyLong_FromSize_t(*(const size_t *)(data))
#define DATA_UPTIME(data, class) PyLong_FromUnsignedLongLong(*(const uint64_t *)(data))
#define DATA_CODE(data, class) PyLong_FromLong(*(const int *)(data))
// Into the program's buffer as it is now.
static PyObject *piece(struct mg_connection *c, struct mg_str s) {
    PyObject *self = *pmg_conn_obj(c), *into = conn(self)->into;
    if (into == NULL) {
        return pmg_py_bytes(s);
    }
    Py_buffer view;
    Py_INCREF(into);
    int rc = pmg_py_buffer(into, "into", &view);
    Py_DECREF(into);
    if (rc < 0) {
        return NULL;
    }
    bool fits = (size_t)view.len >= s.len;
    if (fits) {
        memcpy(view.buf, s.buf, s.len);
    } else {
        PyErr_SetString(PyExc_ValueError, PMG_MSG_BUFFER_SHRUNK);
    }
    PyBuffer_Release(&view);
    return fits ? PyLong_FromSize_t(s.len) : NULL;
}

#define DATA_PIECE(data, class) piece(c, *(const struct mg_str *)(data))
#define DATA_BYTES(data, class) pmg_py_bytes(*(const struct mg_str *)(data))
#define DATA_VIEW(data, class) new_view(classes[CLASS_##class], data, c, view)

PyObject *pmg_py_event_data(struct mg_connection *c, int ev, void *data, pmg_py_view_t **view) {
    switch (ev) {
#define X(event, kind, class) \
    case event: return DATA_##kind(data, class);
        PMG_EVENT_DATA(X)
#undef X
        default: Py_RETURN_NONE;
    }
}
