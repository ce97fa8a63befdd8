// SPDX-License-Identifier: GPL-2.0-only
//
// Modbus frames and values: functions over bytes.

#include "frame.h"

#include "../base/bytes.h"

#if PMG_HAS_MODBUS

enum {
    LENGTH_MIN = 2, // of unit and PDU
    LENGTH_MAX = PMG_MODBUS_FRAME_MAX - 6,
    READ_BITS_MAX = 2000,
    READ_REGS_MAX = 125,
    WRITE_BITS_MAX = 1968,
    WRITE_REGS_MAX = 123
};

bool pmg_modbus_is_bits(int func) {
    return func == MG_MODBUS_FUNC_READ_COILS || func == MG_MODBUS_FUNC_READ_DISCRETE_INPUTS ||
           func == MG_MODBUS_FUNC_WRITE_SINGLE_COIL || func == MG_MODBUS_FUNC_WRITE_MULTIPLE_COILS;
}

bool pmg_modbus_is_read(int func) {
    return func >= MG_MODBUS_FUNC_READ_COILS && func <= MG_MODBUS_FUNC_READ_INPUT_REGISTERS;
}

bool pmg_modbus_is_single(int func) {
    return func == MG_MODBUS_FUNC_WRITE_SINGLE_COIL || func == MG_MODBUS_FUNC_WRITE_SINGLE_REGISTER;
}

bool pmg_modbus_is_known(int func) {
    return pmg_modbus_is_read(func) || pmg_modbus_is_single(func) ||
           func == MG_MODBUS_FUNC_WRITE_MULTIPLE_COILS ||
           func == MG_MODBUS_FUNC_WRITE_MULTIPLE_REGISTERS;
}

unsigned pmg_modbus_max_count(int func) {
    if (pmg_modbus_is_single(func)) {
        return 1;
    }
    if (pmg_modbus_is_read(func)) {
        return pmg_modbus_is_bits(func) ? READ_BITS_MAX : READ_REGS_MAX;
    }
    return pmg_modbus_is_bits(func) ? WRITE_BITS_MAX : WRITE_REGS_MAX;
}

size_t pmg_modbus_data_len(int func, unsigned count) {
    return pmg_modbus_is_bits(func) ? (count + 7) / 8 : 2 * count;
}

// ---------------------------------------------------------------------------------------------
// Values of a program

unsigned pmg_modbus_value(const pmg_modbus_msg_t *msg, int i) {
    const uint8_t *p = msg->data;
    return msg->bits ? p[i / 8] >> (i & 7) & 1u : pmg_get16(p + 2 * i);
}

void pmg_modbus_values(pmg_modbus_values_t *v, int func) {
    v->count = 0;
    v->bits = pmg_modbus_is_bits(func);
    v->max = (uint16_t)(pmg_modbus_is_known(func) ? pmg_modbus_max_count(func) : 0);
    memset(v->data, 0, sizeof(v->data));
}

const char *pmg_modbus_put(pmg_modbus_values_t *v, long long value) {
    if (v->count >= v->max) {
        return "more values than this function takes";
    }
    if (value < 0 || value > (v->bits ? 1 : 65535)) {
        return v->bits ? "a coil or discrete input is True or False" : "a register is 0 to 65535";
    }
    if (v->bits) {
        v->data[v->count / 8] |= (uint8_t)(value << (v->count & 7));
    } else {
        pmg_put16(v->data + 2 * v->count, (unsigned)value);
    }
    v->count++;
    return NULL;
}

// ---------------------------------------------------------------------------------------------
// Frames

long pmg_modbus_frame_len(const uint8_t *p, size_t have, const char **why) {
    if (have >= 4 && pmg_get16(p + 2) != 0) {
        *why = "this is not Modbus: a frame's protocol is not 0";
        return -1;
    }
    if (have < 6) {
        return 0;
    }
    size_t len = pmg_get16(p + 4);
    if (len < LENGTH_MIN || len > LENGTH_MAX) {
        *why = "Modbus: a frame's length is not 2 to 254";
        return -1;
    }
    return have < 6 + len ? 0 : (long)(6 + len);
}

size_t pmg_modbus_wrap(uint8_t *frame, size_t len, unsigned transaction, uint8_t unit) {
    uint8_t *p = pmg_put16(frame, transaction);
    p = pmg_put16(p, 0);
    p = pmg_put16(p, (unsigned)len + 1);
    *p = unit;
    return PMG_MODBUS_HEAD + len;
}

int pmg_modbus_parse_request(pmg_modbus_msg_t *msg, const uint8_t *pdu, size_t len) {
    int func = msg->func;
    if (!pmg_modbus_is_known(func)) {
        return MG_MODBUS_ERR_ILLEGAL_FUNCTION;
    }
    if (len < 5) {
        return MG_MODBUS_ERR_ILLEGAL_VALUE;
    }
    msg->address = pmg_get16(pdu + 1);
    msg->count = pmg_modbus_is_single(func) ? 1 : pmg_get16(pdu + 3);
    msg->bits = pmg_modbus_is_bits(func);
    if (msg->count < 1 || msg->count > (int)pmg_modbus_max_count(func)) {
        return MG_MODBUS_ERR_ILLEGAL_VALUE;
    }
    size_t bytes = pmg_modbus_data_len(func, (unsigned)msg->count);
    if (pmg_modbus_is_read(func) || pmg_modbus_is_single(func)) {
        if (len != 5 || (func == MG_MODBUS_FUNC_WRITE_SINGLE_COIL && pmg_get16(pdu + 3) != 0 &&
                            pmg_get16(pdu + 3) != PMG_MODBUS_COIL_ON)) {
            return MG_MODBUS_ERR_ILLEGAL_VALUE;
        }
        msg->data = pdu + 3; // a coil's 0xff00 begins with a one
    } else {
        if (len != 6 + bytes || pdu[5] != bytes) {
            return MG_MODBUS_ERR_ILLEGAL_VALUE;
        }
        msg->data = pdu + 6;
    }
    msg->num_values = pmg_modbus_is_read(func) ? 0 : msg->count;
    return msg->address + msg->count > 0x10000 ? MG_MODBUS_ERR_ILLEGAL_ADDRESS : 0;
}

bool pmg_modbus_parse_response(pmg_modbus_msg_t *msg, const pmg_modbus_asked_t *asked,
    const uint8_t *pdu, size_t len) {
    if (pdu[0] == (asked->func | PMG_MODBUS_FAILED)) {
        msg->error = len == 2 ? pdu[1] : 0;
        return msg->error != 0;
    }
    if (pdu[0] != asked->func) {
        return false;
    }
    if (!pmg_modbus_is_read(asked->func)) {
        return len == 5 && pmg_get16(pdu + 1) == asked->address &&
               pmg_get16(pdu + 3) == asked->value;
    }
    size_t bytes = pmg_modbus_data_len(asked->func, asked->count);
    msg->bits = pmg_modbus_is_bits(asked->func);
    msg->data = pdu + 2;
    msg->num_values = asked->count;
    return len == 2 + bytes && pdu[1] == bytes;
}

#endif
