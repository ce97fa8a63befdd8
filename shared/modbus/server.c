// SPDX-License-Identifier: GPL-2.0-only
//
// What a Modbus server is asked and answers: one request of a connection at a time, in the order of
// their arrival. The next one waits until the last is answered.

#include "modbus_int.h"

#if PMG_HAS_MODBUS

static bool send_error(struct mg_connection *c, const pmg_modbus_t *mb, int error) {
    uint8_t frame[PMG_MODBUS_HEAD + 2];
    frame[PMG_MODBUS_HEAD] = mb->asked.func | PMG_MODBUS_FAILED;
    frame[PMG_MODBUS_HEAD + 1] = (uint8_t)error;
    return pmg_modbus_send_frame(c, frame, 2, mb->asked.transaction, mb->asked.unit);
}

void pmg_modbus_fail_request(struct mg_connection *c, int error) {
    pmg_modbus_t *mb = pmg_modbus_of(c);
    if (c->is_draining || c->is_closing) {
        return;
    }
    c->is_resp = 0;
    if (!send_error(c, mb, error)) {
        pmg_fatal(c, "no memory for a Modbus frame");
    }
}

void pmg_modbus_serve(struct mg_connection *c, const uint8_t *frame, size_t len) {
    pmg_conn_t *x = pmg_x(c);
    pmg_modbus_t *mb = pmg_modbus_of(c);
    pmg_modbus_msg_t msg = {
        .transaction = pmg_get16(frame),
        .unit = frame[6],
        .func = frame[7],
    };
    mb->asked = (pmg_modbus_asked_t) {
        .transaction = (uint16_t)msg.transaction, .unit = frame[6], .func = frame[7]};
    int error = pmg_modbus_parse_request(&msg, frame + PMG_MODBUS_HEAD, len - PMG_MODBUS_HEAD);
    if (error != 0) {
        pmg_modbus_fail_request(c, error);
        return;
    }
    mb->asked.address = (uint16_t)msg.address;
    mb->asked.count = (uint16_t)msg.count;
    mb->asked.value = pmg_modbus_is_single(msg.func) ? pmg_get16(msg.data) : 0;
    c->is_resp = 1;
    x->handler_failed = 0;
    pmg_call(c, MG_EV_MODBUS_REQ, &msg);
    if (c->is_resp && x->handler_failed) {
        pmg_modbus_fail_request(c, MG_MODBUS_ERR_DEVICE_FAILURE);
    }
}

int pmg_modbus_asked(struct mg_connection *c) {
    pmg_mgr_t *m = pmg_m(c);
    if (!pmg_is_modbus(c) || c->is_client || c->is_listening) {
        return pmg_fail(m, -EINVAL,
            "modbus_reply() answers on a connection that modbus_listen() accepted");
    }
    int err = pmg_can_send(c);
    if (err == 0 && !c->is_resp) {
        err = pmg_fail(m, -EALREADY, "there is no Modbus request to answer, or it was answered");
    }
    return err < 0 ? err : pmg_modbus_of(c)->asked.func;
}

int pmg_modbus_reply(struct mg_connection *c, const pmg_modbus_values_t *v, int error) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_conn_t *x = pmg_x(c);
    pmg_modbus_t *mb = pmg_modbus_of(c);
    int func = pmg_modbus_asked(c);
    if (func < 0) {
        return func;
    }
    unsigned count = pmg_modbus_is_read(func) && error == 0 ? mb->asked.count : 0;
    if (error < 0 || error > 255) {
        return pmg_fail(m, -EINVAL, "a Modbus exception code is 1 to 255, not %d", error);
    }
    if (v->count != count || (count > 0 && v->bits != pmg_modbus_is_bits(func))) {
        return pmg_fail(m, -EINVAL, "%u values were given, this answer takes %u",
            (unsigned)v->count, count);
    }
    bool ok;
    if (error != 0) {
        ok = send_error(c, mb, error);
    } else {
        uint8_t frame[PMG_MODBUS_FRAME_MAX], *pdu = frame + PMG_MODBUS_HEAD;
        size_t len = 5;
        pdu[0] = (uint8_t)func;
        if (pmg_modbus_is_read(func)) {
            size_t bytes = pmg_modbus_data_len(func, count);
            pdu[1] = (uint8_t)bytes;
            memcpy(pdu + 2, v->data, bytes);
            len = 2 + bytes;
        } else {
            pmg_put16(pmg_put16(pdu + 1, mb->asked.address),
                pmg_modbus_is_single(func) ? mb->asked.value : mb->asked.count);
        }
        ok = pmg_modbus_send_frame(c, frame, len, mb->asked.transaction, mb->asked.unit);
    }
    if (!ok) {
        return pmg_fail(m, -ENOMEM, "no memory for a Modbus frame");
    }
    c->is_resp = 0;
    if (!mb->processing) { // answered later: others may wait
        x->reparse = 1;
        pmg_no_deadline(c);
        pmg_work(c);
    }
    return 0;
}

#endif
