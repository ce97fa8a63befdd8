// SPDX-License-Identifier: GPL-2.0-only
//
// Modbus over TCP ("MODBUS Application Protocol Specification" V1.1b3, "MODBUS Messaging on TCP/IP"
// V1.0b): the input of a connection, frame by frame.

#include "modbus_int.h"

#if PMG_HAS_MODBUS

// Whole frames that wait behind a request that is not answered yet.
#define RECV_MAX (8 * PMG_MODBUS_FRAME_MAX)

// Handles what is buffered, frame by frame; returns how many bytes are done with.
static size_t process(struct mg_connection *c) {
    size_t ofs = 0;
    while (ofs < c->recv.len && !c->is_closing && !c->is_draining && !pmg_m(c)->stop &&
           (c->is_client || !c->is_resp)) {
        if (c->is_accepted && pmg_send_len(c) > PMG_PIPELINE_MAX) {
            pmg_x(c)->backlog = 1; // pmg_flush() takes it away
            break;
        }
        const uint8_t *p = c->recv.buf + ofs;
        const char *why;
        long len = pmg_modbus_frame_len(p, c->recv.len - ofs, &why);
        if (len < 0) {
            pmg_fatal(c, why);
        }
        if (len <= 0) {
            break;
        }
        ofs += (size_t)len;
        if (c->is_client) {
            pmg_modbus_answered(c, p, (size_t)len);
        } else {
            pmg_modbus_serve(c, p, (size_t)len);
        }
    }
    return ofs;
}

static void server_late(struct mg_connection *c) {
    if (c->is_resp) {
        pmg_modbus_fail_request(c, MG_MODBUS_ERR_DEVICE_FAILURE);
        pmg_x(c)->reparse = 1;
        pmg_work(c);
    } else {
        pmg_fatal(c, "Modbus: a frame was begun and not finished");
    }
}

static void arm_server(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    if (c->is_draining || c->is_closing) {
        return;
    }
    if (!c->is_resp && (c->recv.len == 0 || x->backlog || x->reparse)) {
        pmg_no_deadline(c);
    } else if (x->late != server_late) { // not renewed by a byte now and then
        pmg_deadline(c, server_late, pmg_m(c)->limits.modbus_timeout);
    }
}

static void opened(struct mg_connection *c) {
    // What was asked for before waits from when it can be sent: behind the handshake of TLS.
    if (c->is_client && (!c->is_tls || (pmg_x(c)->layer != NULL && !c->is_tls_hs))) {
        pmg_modbus_start_clock(c);
    }
}

static void read_input(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    pmg_modbus_of(c)->processing = 1;
    size_t done = process(c);
    pmg_modbus_of(c)->processing = 0;
    if (c->is_draining) {
        done = c->recv.len;
    }
    if (done > 0) {
        c->recv.len -= done;
        memmove(c->recv.buf, c->recv.buf + done, c->recv.len);
        if (!c->is_client && x->late == server_late) {
            pmg_no_deadline(c); // what is set now is for the next frame
        }
    }
    c->is_full = x->backlog || c->recv.len >= RECV_MAX;
    if (pmg_m(c)->stop && !c->is_closing && !c->is_resp && c->recv.len > 0) {
        x->reparse = 1; // an exception left poll(): the rest is handled at the next one
    }
    if (c->is_client) {
        pmg_modbus_arm_client(c);
    } else {
        arm_server(c);
    }
}

const pmg_protocol_t pmg_modbus = {
    .name = pmg_modbus_name,
    .opened = opened,
    .read = read_input,
    .end = pmg_modbus_calls_free,
};

#endif
