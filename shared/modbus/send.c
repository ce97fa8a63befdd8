// SPDX-License-Identifier: GPL-2.0-only
//
// What both ends of a Modbus connection need: to know it as theirs, and to send.

#include "modbus_int.h"

#if PMG_HAS_MODBUS

const char pmg_modbus_name[] = "Modbus";

bool pmg_modbus_send_frame(struct mg_connection *c, uint8_t *frame, size_t len,
    unsigned transaction, uint8_t unit) {
    if (!pmg_out(c, frame, pmg_modbus_wrap(frame, len, transaction, unit))) {
        return false;
    }
    pmg_work(c);
    return true;
}

#endif
