// SPDX-License-Identifier: GPL-2.0-only
//
// Properties of ModbusRequest and ModbusResponse.

#include "tables.h"

static Py_ssize_t offsets[2];

static PyObject *get(PyObject *self, size_t field, bool response) {
    const pmg_py_view_t *v = (const void *)((const char *)self + offsets[response]);
    if (v->msg == NULL) {
        pmg_py_view_expired();
        return NULL;
    }
    return PyLong_FromLong(*(const int *)(const void *)((const char *)v->msg + field));
}

static PyObject *request_int(PyObject *self, void *field) {
    return get(self, (size_t)field, false);
}

static PyObject *response_int(PyObject *self, void *field) {
    return get(self, (size_t)field, true);
}

#define FIELD(field) (void *)offsetof(pmg_modbus_msg_t, field)

static PyGetSetDef request_props[] = {
#define X(name, field) {#name, request_int, NULL, NULL, FIELD(field)},
    PMG_MODBUS_INT_PROPS(X)
#undef X
        {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef response_props[] = {
#define X(name, field) {#name, response_int, NULL, NULL, FIELD(field)},
    PMG_MODBUS_INT_PROPS(X) PMG_MODBUS_RESP_INT_PROPS(X)
#undef X
        {NULL, NULL, NULL, NULL, NULL},
};

int pmg_py_modbus_props(PyTypeObject *type, Py_ssize_t offset, bool response) {
    offsets[response] = offset;
    return pmg_py_add_props(type, response ? response_props : request_props);
}
