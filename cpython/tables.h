// SPDX-License-Identifier: GPL-2.0-only
//
// The lists of base/names.h as tables that the module's start walks through.
#ifndef PMG_TABLES_H
#define PMG_TABLES_H

#include "convert.h"

typedef struct {
    const char *name;
    long value;
} pmg_py_constant_t;
extern const pmg_py_constant_t pmg_py_constants[]; // ends with a NULL name

typedef struct {
    const char *name;
    size_t offset; // in pmg_limits_t
} pmg_py_limit_t;
extern const pmg_py_limit_t pmg_py_limits[]; // ends with a NULL name

extern PyObject *pmg_py_event_numbers[PMG_EV_END]; // as ints, made once
int pmg_py_events(void);                           // makes them

// The C part of a Connection: what its generated properties read.
typedef struct {
    struct mg_connection *c; // NULL once closed
    struct mg_addr loc, rem; // kept for after the close
    PyObject *addrs;         // (local, remote) of a closed unix socket, else NULL
    PyObject *into;          // the buffer for pieces of a body, or NULL
    bool has_loc, has_rem;
    bool is_client, is_udp;
} pmg_py_conn_t;
void pmg_py_conn_end(pmg_py_conn_t *s); // in the free hook: keeps what stays readable

// The C part of a message view.
typedef struct {
    const void *msg; // pmg_http_msg_t, pmg_ws_msg_t ...; NULL once its handler returned
    struct mg_connection *c;
    pmg_copy_t *copy; // its own, so that it stays valid, and `c` counts no more; or NULL
} pmg_py_view_t;
// A message of `type` of its own into `to`, which may be `view` itself. -1 with an exception set, too,
// where it has no copy().
int pmg_py_view_copy(const pmg_py_view_t *view, PyTypeObject *type, pmg_py_view_t *to);
static inline void pmg_py_view_free(pmg_py_view_t *view) {
    if (view->copy != NULL) {
        pmg_copy_free(view->copy);
        view->copy = NULL;
    }
}
// The view of `message` becomes a copy, if its class has one. -1 with an exception set.
int pmg_py_view_own(PyObject *message, pmg_py_view_t *view);
// Has it come in on this connection?
static inline bool pmg_py_view_is_of(const pmg_py_view_t *view, struct mg_connection *c) {
    return view->copy == NULL
               ? view->c == c
               : c != NULL && view->copy->id == c->id && view->copy->m == pmg_conn_mgr(c);
}
const void *pmg_py_view_msg(const pmg_py_view_t *v); // NULL with an exception set: expired

// What a handler gets with an event: a new reference, or NULL with an exception set. *view stays as
// it is, or becomes what to invalidate once the handler has returned.
PyObject *pmg_py_event_data(struct mg_connection *c, int ev, void *data, pmg_py_view_t **view);

// Gives `type` the methods of `part`, a class derived from it without fields of its own: a protocol's
// file cannot open the class again, whose body is one in Cython.
int pmg_py_add_methods(PyTypeObject *type, PyTypeObject *part);

// Give the classes their properties. Connection's C part lies at `offset` in the object; `names` is
// the module's, with the classes of messages, whose objects are a view and nothing else.
int pmg_py_conn_props(PyTypeObject *type, Py_ssize_t offset);
int pmg_py_messages(PyObject *names);

#endif
