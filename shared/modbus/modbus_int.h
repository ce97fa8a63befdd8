// SPDX-License-Identifier: GPL-2.0-only
//
// What the files of Modbus share: frame.c (nothing but bytes), send.c, client.c, server.c, and
// above them modbus.c (a connection's input).
#ifndef PMG_MODBUS_INT_H
#define PMG_MODBUS_INT_H

#include "../base/bytes.h"
#include "../core/core_int.h"
#include "frame.h"

#if PMG_HAS_MODBUS

typedef struct {
    pmg_modbus_asked_t asked; // the request that c->is_resp says is waiting
    uint8_t processing;       // the input is being read
    uint8_t calls;            // requests of a client under way
    uint16_t transaction;     // of a client: the last one that was used
    struct pmg_modbus_call *first;
} pmg_modbus_t;
PMG_FITS(pmg_modbus_t, PMG_STATE_SIZE);

static inline pmg_modbus_t *pmg_modbus_of(struct mg_connection *c) {
    return pmg_state(c);
}

// send.c
extern const char pmg_modbus_name[]; // this very text is the name of one protocol alone
static inline bool pmg_is_modbus(struct mg_connection *c) {
    return pmg_x(c)->speaks->name == pmg_modbus_name;
}
// The PDU of `len` bytes stands at frame + PMG_MODBUS_HEAD. False: no memory.
bool pmg_modbus_send_frame(struct mg_connection *c, uint8_t *frame, size_t len,
    unsigned transaction, uint8_t unit);

// client.c
void pmg_modbus_start_clock(struct mg_connection *c); // there is a connection
void pmg_modbus_arm_client(struct mg_connection *c);
void pmg_modbus_answered(struct mg_connection *c, const uint8_t *frame, size_t len);
void pmg_modbus_calls_late(struct mg_connection *c);
void pmg_modbus_calls_free(struct mg_connection *c);

// server.c
void pmg_modbus_serve(struct mg_connection *c, const uint8_t *frame, size_t len);
void pmg_modbus_fail_request(struct mg_connection *c, int error);

#endif
#endif
