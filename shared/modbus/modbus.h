// SPDX-License-Identifier: GPL-2.0-only
//
// Modbus over TCP as a binding uses it.
// May Python run?  In none of these.
#ifndef PMG_MODBUS_H
#define PMG_MODBUS_H

#include "../base/protocol.h"

#if PMG_HAS_MODBUS
extern const pmg_protocol_t pmg_modbus;

// MG_EV_MODBUS_REQ and MG_EV_MODBUS_RESP.
typedef struct {
    int transaction, unit, func, address, count;
    int error;           // of a response: MG_MODBUS_ERR_*, else 0
    int num_values;      // what a write request brings, what a read response brings
    bool bits;           // they are coils or discrete inputs, else registers
    const uint8_t *data; // for pmg_modbus_value()
} pmg_modbus_msg_t;
unsigned pmg_modbus_value(const pmg_modbus_msg_t *msg, int i); // 0 or 1, or a register

// Values of a program on their way out. The result of put() is NULL, or what is wrong.
typedef struct {
    uint16_t count, max;
    bool bits;
    uint8_t data[250];
} pmg_modbus_values_t;
void pmg_modbus_values(pmg_modbus_values_t *v, int func);
const char *pmg_modbus_put(pmg_modbus_values_t *v, long long value);

// The function of the request that waits for its answer. -EALREADY: there is none.
int pmg_modbus_asked(struct mg_connection *c);
// Answers it: a read takes as many values as were asked for, all else none. `error` 1 to 255 is
// an exception instead. -EINVAL, -EALREADY, and as pmg_send().
int pmg_modbus_reply(struct mg_connection *c, const pmg_modbus_values_t *v, int error);
// Requests of a client; the result is the transaction. -ENOBUFS: too many are under way.
int pmg_modbus_read(struct mg_connection *c, int func, int address, int count, int unit);
int pmg_modbus_write(struct mg_connection *c, int func, int address, const pmg_modbus_values_t *v,
    int unit);
#endif

#endif
