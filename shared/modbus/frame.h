// SPDX-License-Identifier: GPL-2.0-only
//
// Modbus frames: functions over bytes. A frame is transaction (2 bytes), protocol (2, zero), length
// of the rest (2), unit (1), then the PDU: a function code and what belongs to it. All numbers are
// big-endian.
#ifndef PMG_MODBUS_FRAME_H
#define PMG_MODBUS_FRAME_H

#include "../base/base.h"
#include "modbus.h"

#if PMG_HAS_MODBUS

enum {
    PMG_MODBUS_HEAD = 7, // up to and with the unit
    PMG_MODBUS_FRAME_MAX = 260,
    PMG_MODBUS_FAILED = 0x80, // in the function code of an answer
    PMG_MODBUS_COIL_ON = 0xff00
};

bool pmg_modbus_is_bits(int func); // coils or discrete inputs, else registers
bool pmg_modbus_is_read(int func);
bool pmg_modbus_is_single(int func); // writes one value
bool pmg_modbus_is_known(int func);
unsigned pmg_modbus_max_count(int func);
size_t pmg_modbus_data_len(int func, unsigned count);

// The length of the frame at p, 0: bytes are missing, -1: it is none, *why says how.
long pmg_modbus_frame_len(const uint8_t *p, size_t have, const char **why);
// Puts the head before a PDU of `len` bytes at frame + PMG_MODBUS_HEAD. The frame's length.
size_t pmg_modbus_wrap(uint8_t *frame, size_t len, unsigned transaction, uint8_t unit);

// Reads a request's PDU behind its function, which is msg->func. 0, or the exception to answer with.
int pmg_modbus_parse_request(pmg_modbus_msg_t *msg, const uint8_t *pdu, size_t len);

// What was asked for, of a request and of a client's call.
typedef struct {
    uint16_t transaction, address, count, value;
    uint8_t unit, func;
} pmg_modbus_asked_t;
// True: the answer fits what was asked.
bool pmg_modbus_parse_response(pmg_modbus_msg_t *msg, const pmg_modbus_asked_t *asked,
    const uint8_t *pdu, size_t len);

#endif
#endif
