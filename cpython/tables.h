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

// What an event carries, by PMG_EVENT_DATA.
enum {
    PMG_DATA_NONE,
    PMG_DATA_TEXT,
    PMG_DATA_COUNT,
    PMG_DATA_UPTIME,
    PMG_DATA_HTTP,
    PMG_DATA_WS,
    PMG_DATA_BYTES,
    PMG_DATA_MDNS_REQ,
    PMG_DATA_MDNS_RESP,
    PMG_DATA_MODBUS_REQ,
    PMG_DATA_MODBUS_RESP,
    PMG_DATA_MQTT,
    PMG_DATA_CODE
};
extern const unsigned char pmg_py_event_data[PMG_EV_END];
extern PyObject *pmg_py_event_numbers[PMG_EV_END]; // as ints, made once
int pmg_py_events(void);                           // makes them

// The C part of a Connection: what its generated properties read.
typedef struct {
    struct mg_connection *c; // NULL once closed
    struct mg_addr loc, rem; // kept for after the close
    PyObject *addrs;         // (local, remote) of a closed unix socket, else NULL
    bool has_loc, has_rem;
} pmg_py_conn_t;
void pmg_py_conn_end(pmg_py_conn_t *s); // in the free hook: keeps what stays readable

// The C part of a message view.
typedef struct {
    const void *msg; // pmg_http_msg_t, pmg_ws_msg_t ...; NULL once its handler returned
    struct mg_connection *c;
} pmg_py_view_t;
int pmg_py_view_expired(void); // raises

int pmg_py_add_props(PyTypeObject *type, PyGetSetDef *defs);

// Give a type its properties; `offset` is where its C part lies in the object.
int pmg_py_conn_props(PyTypeObject *type, Py_ssize_t offset);
int pmg_py_http_props(PyTypeObject *type, Py_ssize_t offset);
int pmg_py_ws_props(PyTypeObject *type, Py_ssize_t offset);
int pmg_py_mdns_props(PyTypeObject *type, Py_ssize_t offset, bool response);
int pmg_py_modbus_props(PyTypeObject *type, Py_ssize_t offset, bool response);
int pmg_py_mqtt_props(PyTypeObject *type, Py_ssize_t offset);

#endif
