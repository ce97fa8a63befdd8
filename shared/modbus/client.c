// SPDX-License-Identifier: GPL-2.0-only
//
// Requests of a Modbus client, which may have several under way: it tells the answers apart by their
// transaction.

#include "modbus_int.h"

#if PMG_HAS_MODBUS

// Requests that a client has under way; the specification has a server take up to 16.
#define CALLS_MAX 16

typedef struct pmg_modbus_call {
    struct pmg_modbus_call *next;
    uint64_t deadline; // UINT64_MAX before there is a connection
    pmg_modbus_asked_t asked;
} call_t;

static bool is_ready(struct mg_connection *c) {
    return pmg_x(c)->connected && !c->is_tls_hs && !c->is_draining && !c->is_closing;
}

void pmg_modbus_arm_client(struct mg_connection *c) {
    call_t *first = pmg_modbus_of(c)->first; // all wait for the same time: it is due first
    if (!is_ready(c)) {
        return;
    }
    if (first == NULL || first->deadline == UINT64_MAX) {
        pmg_no_deadline(c);
        return;
    }
    uint64_t now = pmg_now(pmg_m(c));
    pmg_deadline(c, pmg_modbus_calls_late, first->deadline > now ? first->deadline - now : 1);
}

static uint64_t call_deadline(struct mg_connection *c) {
    pmg_mgr_t *m = pmg_m(c);
    size_t timeout = m->limits.modbus_timeout;
    return timeout > 0 ? pmg_now(m) + timeout : UINT64_MAX;
}

// What was asked for before there was a connection waits from now on.
void pmg_modbus_start_clock(struct mg_connection *c) {
    for (call_t *call = pmg_modbus_of(c)->first; call != NULL; call = call->next) {
        call->deadline = call_deadline(c);
    }
    pmg_modbus_arm_client(c);
}

static int check_call(struct mg_connection *c, int func, int address, int count, int unit) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_modbus_t *mb = pmg_modbus_of(c);
    if (!pmg_is_modbus(c) || !c->is_client) {
        return pmg_fail(m, -EINVAL, "this connection is not from modbus_connect()");
    }
    if (count < 1 || count > (int)pmg_modbus_max_count(func)) {
        return pmg_fail(m, -EINVAL, "function %d is for 1 to %u values, not %d", func,
            pmg_modbus_max_count(func), count);
    }
    if (address < 0 || address > 65535 || address + count > 0x10000) {
        return pmg_fail(m, -EINVAL, "addresses go from 0 to 65535");
    }
    if (unit < 0 || unit > 255) {
        return pmg_fail(m, -EINVAL, "a unit is 0 to 255, not %d", unit);
    }
    int err = pmg_can_send(c);
    if (err == 0 && mb->calls >= CALLS_MAX) {
        err = pmg_fail(m, -ENOBUFS, "%d Modbus requests wait for their answers", CALLS_MAX);
    }
    return err;
}

static uint16_t new_transaction(pmg_modbus_t *mb) {
    for (;;) {
        const call_t *call = mb->first;
        mb->transaction++;
        while (call != NULL && call->asked.transaction != mb->transaction) {
            call = call->next;
        }
        if (call == NULL) {
            return mb->transaction;
        }
    }
}

static int start_call(struct mg_connection *c, uint8_t *frame, size_t len, int count, int unit) {
    pmg_modbus_t *mb = pmg_modbus_of(c);
    const uint8_t *pdu = frame + PMG_MODBUS_HEAD;
    call_t *call = pmg_alloc(sizeof(*call));
    if (call == NULL) {
        return pmg_fail(pmg_m(c), -ENOMEM, "no memory for a Modbus request");
    }
    *call = (call_t) {
        .asked =
            {
                .transaction = new_transaction(mb),
                .address = pmg_get16(pdu + 1),
                .value = pmg_get16(pdu + 3),
                .count = (uint16_t)count,
                .unit = (uint8_t)unit,
                .func = pdu[0],
            },
        .deadline = is_ready(c) ? call_deadline(c) : UINT64_MAX,
    };
    if (!pmg_modbus_send_frame(c, frame, len, call->asked.transaction, call->asked.unit)) {
        pmg_free(call);
        return pmg_fail(pmg_m(c), -ENOMEM, "no memory for a Modbus request");
    }
    call_t **end = &mb->first;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = call;
    mb->calls++;
    if (mb->first == call) {
        pmg_modbus_arm_client(c);
    }
    return call->asked.transaction;
}

int pmg_modbus_read(struct mg_connection *c, int func, int address, int count, int unit) {
    if (!pmg_modbus_is_read(func)) {
        return pmg_fail(pmg_m(c), -EINVAL, "modbus_read() has the functions 1 to 4, not %d", func);
    }
    int err = check_call(c, func, address, count, unit);
    if (err < 0) {
        return err;
    }
    uint8_t frame[PMG_MODBUS_HEAD + 5];
    frame[PMG_MODBUS_HEAD] = (uint8_t)func;
    pmg_put16(pmg_put16(frame + PMG_MODBUS_HEAD + 1, (unsigned)address), (unsigned)count);
    return start_call(c, frame, 5, count, unit);
}

int pmg_modbus_write(struct mg_connection *c, int func, int address, const pmg_modbus_values_t *v,
    int unit) {
    if (!pmg_modbus_is_known(func) || pmg_modbus_is_read(func)) {
        return pmg_fail(pmg_m(c), -EINVAL,
            "modbus_write() has the functions 5, 6, 15 and 16, not %d", func);
    }
    int err = check_call(c, func, address, v->count, unit);
    if (err < 0) {
        return err;
    }
    uint8_t frame[PMG_MODBUS_FRAME_MAX], *pdu = frame + PMG_MODBUS_HEAD;
    size_t bytes = pmg_modbus_data_len(func, v->count);
    pdu[0] = (uint8_t)func;
    pmg_put16(pdu + 1, (unsigned)address);
    if (func == MG_MODBUS_FUNC_WRITE_SINGLE_COIL) {
        pmg_put16(pdu + 3, v->data[0] ? PMG_MODBUS_COIL_ON : 0);
    } else if (func == MG_MODBUS_FUNC_WRITE_SINGLE_REGISTER) {
        memcpy(pdu + 3, v->data, 2);
    } else {
        pmg_put16(pdu + 3, v->count);
        pdu[5] = (uint8_t)bytes;
        memcpy(pdu + 6, v->data, bytes);
        return start_call(c, frame, 6 + bytes, v->count, unit);
    }
    return start_call(c, frame, 5, 1, unit);
}

static void end_call(struct mg_connection *c, call_t **at, pmg_modbus_msg_t *msg) {
    pmg_modbus_t *mb = pmg_modbus_of(c);
    call_t *call = *at;
    msg->transaction = call->asked.transaction;
    msg->unit = call->asked.unit;
    msg->func = call->asked.func;
    msg->address = call->asked.address;
    msg->count = call->asked.count;
    *at = call->next;
    mb->calls--;
    pmg_free(call);
    pmg_call(c, MG_EV_MODBUS_RESP, msg);
}

void pmg_modbus_answered(struct mg_connection *c, const uint8_t *frame, size_t len) {
    pmg_modbus_t *mb = pmg_modbus_of(c);
    pmg_modbus_msg_t msg = {0};
    call_t **at = &mb->first;
    while (*at != NULL && (*at)->asked.transaction != pmg_get16(frame)) {
        at = &(*at)->next;
    }
    if (*at == NULL) {
        return; // it came too late
    }
    if (frame[6] != (*at)->asked.unit || !pmg_modbus_parse_response(&msg, &(*at)->asked,
                                             frame + PMG_MODBUS_HEAD, len - PMG_MODBUS_HEAD)) {
        pmg_fatal(c, "Modbus: the answer does not fit the request");
        return;
    }
    end_call(c, at, &msg);
}

void pmg_modbus_calls_late(struct mg_connection *c) {
    pmg_modbus_t *mb = pmg_modbus_of(c);
    uint64_t now = pmg_m(c)->now;
    while (mb->first != NULL && mb->first->deadline <= now && is_ready(c) && !pmg_m(c)->stop) {
        pmg_modbus_msg_t msg = {.error = MG_MODBUS_ERR_TIMEOUT};
        end_call(c, &mb->first, &msg);
    }
    pmg_modbus_arm_client(c);
}

void pmg_modbus_calls_free(struct mg_connection *c) {
    pmg_modbus_t *mb = pmg_modbus_of(c);
    while (mb->first != NULL) {
        call_t *next = mb->first->next;
        pmg_free(mb->first);
        mb->first = next;
    }
}

#endif
