// SPDX-License-Identifier: GPL-2.0-only
//
// Modbus over TCP ("MODBUS Application Protocol Specification" V1.1b3, "MODBUS Messaging on TCP/IP"
// V1.0b). A frame is transaction (2 bytes), protocol (2, zero), length of the rest (2), unit (1),
// then the PDU: a function code and what belongs to it. All numbers are big-endian.
//
// A server handles one request of a connection at a time, in the order of their arrival: the next
// one waits until the last is answered. A client may have several under way and tells the answers
// apart by their transaction.

#include "../base/record.h"

#if PMG_HAS_MODBUS

enum {
    HEAD = 7, // up to and with the unit
    FRAME_MAX = 260,
    LENGTH_MIN = 2, // of unit and PDU
    LENGTH_MAX = FRAME_MAX - 6,
    FAILED = 0x80, // in the function code of an answer
    COIL_ON = 0xff00,
    READ_BITS_MAX = 2000,
    READ_REGS_MAX = 125,
    WRITE_BITS_MAX = 1968,
    WRITE_REGS_MAX = 123
};

// Whole frames that wait behind a request that is not answered yet.
#define RECV_MAX (8 * FRAME_MAX)

// Requests that a client has under way; the specification has a server take up to 16.
#define CALLS_MAX 16

typedef struct pmg_modbus_call {
    struct pmg_modbus_call *next;
    uint64_t deadline; // UINT64_MAX before there is a connection
    uint16_t transaction, address, count, value;
    uint8_t unit, func;
} call_t;

static uint16_t get16(const uint8_t *p) {
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint8_t *put16(uint8_t *p, unsigned v) {
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
    return p + 2;
}

// ---------------------------------------------------------------------------------------------
// Functions

static bool is_bits(int func) {
    return func == MG_MODBUS_FUNC_READ_COILS || func == MG_MODBUS_FUNC_READ_DISCRETE_INPUTS ||
           func == MG_MODBUS_FUNC_WRITE_SINGLE_COIL || func == MG_MODBUS_FUNC_WRITE_MULTIPLE_COILS;
}

static bool is_read(int func) {
    return func >= MG_MODBUS_FUNC_READ_COILS && func <= MG_MODBUS_FUNC_READ_INPUT_REGISTERS;
}

static bool is_single(int func) {
    return func == MG_MODBUS_FUNC_WRITE_SINGLE_COIL || func == MG_MODBUS_FUNC_WRITE_SINGLE_REGISTER;
}

static bool is_known(int func) {
    return is_read(func) || is_single(func) || func == MG_MODBUS_FUNC_WRITE_MULTIPLE_COILS ||
           func == MG_MODBUS_FUNC_WRITE_MULTIPLE_REGISTERS;
}

static unsigned max_count(int func) {
    if (is_single(func)) {
        return 1;
    }
    if (is_read(func)) {
        return is_bits(func) ? READ_BITS_MAX : READ_REGS_MAX;
    }
    return is_bits(func) ? WRITE_BITS_MAX : WRITE_REGS_MAX;
}

static size_t data_len(int func, unsigned count) {
    return is_bits(func) ? (count + 7) / 8 : 2 * count;
}

unsigned pmg_modbus_value(const pmg_modbus_msg_t *msg, int i) {
    const uint8_t *p = msg->data;
    return msg->bits ? p[i / 8] >> (i & 7) & 1u : get16(p + 2 * i);
}

// ---------------------------------------------------------------------------------------------
// Values of a program

void pmg_modbus_values(pmg_modbus_values_t *v, int func) {
    v->count = 0;
    v->bits = is_bits(func);
    v->max = (uint16_t)(is_known(func) ? max_count(func) : 0);
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
        put16(v->data + 2 * v->count, (unsigned)value);
    }
    v->count++;
    return NULL;
}

// ---------------------------------------------------------------------------------------------
// Frames out

// The PDU of `len` bytes stands at frame + HEAD.
static bool send_frame(struct mg_connection *c, uint8_t *frame, size_t len, unsigned transaction,
    uint8_t unit) {
    uint8_t *p = put16(frame, transaction);
    p = put16(p, 0);
    p = put16(p, (unsigned)len + 1);
    *p = unit;
    if (!pmg_out(c, frame, HEAD + len)) {
        return false;
    }
    pmg_work(c);
    return true;
}

static bool send_error(struct mg_connection *c, const pmg_modbus_t *mb, int error) {
    uint8_t frame[HEAD + 2];
    frame[HEAD] = mb->func | FAILED;
    frame[HEAD + 1] = (uint8_t)error;
    return send_frame(c, frame, 2, mb->transaction, mb->unit);
}

static void no_memory(struct mg_connection *c) {
    pmg_fatal(c, "no memory for a Modbus frame");
}

// ---------------------------------------------------------------------------------------------
// Server

// 0, or the exception to answer with.
static int parse_request(pmg_modbus_msg_t *msg, const uint8_t *pdu, size_t len) {
    int func = msg->func;
    if (!is_known(func)) {
        return MG_MODBUS_ERR_ILLEGAL_FUNCTION;
    }
    if (len < 5) {
        return MG_MODBUS_ERR_ILLEGAL_VALUE;
    }
    msg->address = get16(pdu + 1);
    msg->count = is_single(func) ? 1 : get16(pdu + 3);
    msg->bits = is_bits(func);
    if (msg->count < 1 || msg->count > (int)max_count(func)) {
        return MG_MODBUS_ERR_ILLEGAL_VALUE;
    }
    size_t bytes = data_len(func, (unsigned)msg->count);
    if (is_read(func) || is_single(func)) {
        if (len != 5 || (func == MG_MODBUS_FUNC_WRITE_SINGLE_COIL && get16(pdu + 3) != 0 &&
                            get16(pdu + 3) != COIL_ON)) {
            return MG_MODBUS_ERR_ILLEGAL_VALUE;
        }
        msg->data = pdu + 3; // a coil's 0xff00 begins with a one
    } else {
        if (len != 6 + bytes || pdu[5] != bytes) {
            return MG_MODBUS_ERR_ILLEGAL_VALUE;
        }
        msg->data = pdu + 6;
    }
    msg->num_values = is_read(func) ? 0 : msg->count;
    return msg->address + msg->count > 0x10000 ? MG_MODBUS_ERR_ILLEGAL_ADDRESS : 0;
}

static void fail_request(struct mg_connection *c, int error) {
    pmg_modbus_t *mb = &pmg_x(c)->u.modbus;
    if (c->is_draining || c->is_closing) {
        return;
    }
    c->is_resp = 0;
    if (!send_error(c, mb, error)) {
        no_memory(c);
    }
}

static void serve(struct mg_connection *c, const uint8_t *frame, size_t len) {
    pmg_conn_t *x = pmg_x(c);
    pmg_modbus_t *mb = &x->u.modbus;
    pmg_modbus_msg_t msg = {
        .transaction = get16(frame),
        .unit = frame[6],
        .func = frame[7],
    };
    mb->transaction = (uint16_t)msg.transaction;
    mb->unit = frame[6];
    mb->func = frame[7];
    int error = parse_request(&msg, frame + HEAD, len - HEAD);
    if (error != 0) {
        fail_request(c, error);
        return;
    }
    mb->address = (uint16_t)msg.address;
    mb->count = (uint16_t)msg.count;
    mb->value = is_single(msg.func) ? get16(msg.data) : 0;
    c->is_resp = 1;
    x->handler_failed = 0;
    mg_call(c, MG_EV_MODBUS_REQ, &msg);
    if (c->is_resp && x->handler_failed) {
        fail_request(c, MG_MODBUS_ERR_DEVICE_FAILURE);
    }
}

int pmg_modbus_asked(struct mg_connection *c) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_conn_t *x = pmg_x(c);
    if (x->proto != PMG_MODBUS || c->is_client || c->is_listening) {
        return pmg_fail(m, -EINVAL,
            "modbus_reply() answers on a connection that modbus_listen() accepted");
    }
    int err = pmg_can_send(c);
    if (err == 0 && !c->is_resp) {
        err = pmg_fail(m, -EALREADY, "there is no Modbus request to answer, or it was answered");
    }
    return err < 0 ? err : x->u.modbus.func;
}

int pmg_modbus_reply(struct mg_connection *c, const pmg_modbus_values_t *v, int error) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_conn_t *x = pmg_x(c);
    pmg_modbus_t *mb = &x->u.modbus;
    int func = pmg_modbus_asked(c);
    if (func < 0) {
        return func;
    }
    unsigned count = is_read(func) && error == 0 ? mb->count : 0;
    if (error < 0 || error > 255) {
        return pmg_fail(m, -EINVAL, "a Modbus exception code is 1 to 255, not %d", error);
    }
    if (v->count != count || (count > 0 && v->bits != is_bits(func))) {
        return pmg_fail(m, -EINVAL, "%u values were given, this answer takes %u",
            (unsigned)v->count, count);
    }
    bool ok;
    if (error != 0) {
        ok = send_error(c, mb, error);
    } else {
        uint8_t frame[FRAME_MAX], *pdu = frame + HEAD;
        size_t len = 5;
        pdu[0] = (uint8_t)func;
        if (is_read(func)) {
            size_t bytes = data_len(func, count);
            pdu[1] = (uint8_t)bytes;
            memcpy(pdu + 2, v->data, bytes);
            len = 2 + bytes;
        } else {
            put16(put16(pdu + 1, mb->address), is_single(func) ? mb->value : mb->count);
        }
        ok = send_frame(c, frame, len, mb->transaction, mb->unit);
    }
    if (!ok) {
        return pmg_fail(m, -ENOMEM, "no memory for a Modbus frame");
    }
    c->is_resp = 0;
    if (!mb->processing) { // answered later: others may wait
        x->reparse = 1;
        pmg_deadline(c, PMG_DL_NONE, 0);
        pmg_work(c);
    }
    return 0;
}

// ---------------------------------------------------------------------------------------------
// Client

static bool is_ready(struct mg_connection *c) {
    return pmg_x(c)->connected && !c->is_tls_hs && !c->is_draining && !c->is_closing;
}

static void arm_client(struct mg_connection *c) {
    call_t *first = pmg_x(c)->u.modbus.first; // all wait for the same time: it is due first
    pmg_mgr_t *m = pmg_m(c);
    if (!is_ready(c)) {
        return;
    }
    if (first == NULL || first->deadline == UINT64_MAX) {
        pmg_deadline(c, PMG_DL_NONE, 0);
        return;
    }
    uint64_t now = m->polling ? m->now : pmg_port_millis();
    pmg_deadline(c, PMG_DL_MODBUS, first->deadline > now ? first->deadline - now : 1);
}

static uint64_t call_deadline(struct mg_connection *c) {
    pmg_mgr_t *m = pmg_m(c);
    size_t timeout = m->limits.modbus_timeout;
    return timeout > 0 ? (m->polling ? m->now : pmg_port_millis()) + timeout : UINT64_MAX;
}

// What was asked for before there was a connection waits from now on.
static void start_clock(struct mg_connection *c) {
    for (call_t *call = pmg_x(c)->u.modbus.first; call != NULL; call = call->next) {
        call->deadline = call_deadline(c);
    }
    arm_client(c);
}

static int check_call(struct mg_connection *c, int func, int address, int count, int unit) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_modbus_t *mb = &pmg_x(c)->u.modbus;
    if (pmg_x(c)->proto != PMG_MODBUS || !c->is_client) {
        return pmg_fail(m, -EINVAL, "this connection is not from modbus_connect()");
    }
    if (count < 1 || count > (int)max_count(func)) {
        return pmg_fail(m, -EINVAL, "function %d is for 1 to %u values, not %d", func,
            max_count(func), count);
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
        while (call != NULL && call->transaction != mb->transaction) {
            call = call->next;
        }
        if (call == NULL) {
            return mb->transaction;
        }
    }
}

static int start_call(struct mg_connection *c, uint8_t *frame, size_t len, int count, int unit) {
    pmg_modbus_t *mb = &pmg_x(c)->u.modbus;
    const uint8_t *pdu = frame + HEAD;
    call_t *call = pmg_alloc(sizeof(*call));
    if (call == NULL) {
        return pmg_fail(pmg_m(c), -ENOMEM, "no memory for a Modbus request");
    }
    *call = (call_t) {
        .transaction = new_transaction(mb),
        .address = get16(pdu + 1),
        .value = get16(pdu + 3),
        .count = (uint16_t)count,
        .unit = (uint8_t)unit,
        .func = pdu[0],
        .deadline = is_ready(c) ? call_deadline(c) : UINT64_MAX,
    };
    if (!send_frame(c, frame, len, call->transaction, call->unit)) {
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
        arm_client(c);
    }
    return call->transaction;
}

int pmg_modbus_read(struct mg_connection *c, int func, int address, int count, int unit) {
    if (!is_read(func)) {
        return pmg_fail(pmg_m(c), -EINVAL, "modbus_read() has the functions 1 to 4, not %d", func);
    }
    int err = check_call(c, func, address, count, unit);
    if (err < 0) {
        return err;
    }
    uint8_t frame[HEAD + 5];
    frame[HEAD] = (uint8_t)func;
    put16(put16(frame + HEAD + 1, (unsigned)address), (unsigned)count);
    return start_call(c, frame, 5, count, unit);
}

int pmg_modbus_write(struct mg_connection *c, int func, int address, const pmg_modbus_values_t *v,
    int unit) {
    if (!is_known(func) || is_read(func)) {
        return pmg_fail(pmg_m(c), -EINVAL,
            "modbus_write() has the functions 5, 6, 15 and 16, not %d", func);
    }
    int err = check_call(c, func, address, v->count, unit);
    if (err < 0) {
        return err;
    }
    uint8_t frame[FRAME_MAX], *pdu = frame + HEAD;
    size_t bytes = data_len(func, v->count);
    pdu[0] = (uint8_t)func;
    put16(pdu + 1, (unsigned)address);
    if (func == MG_MODBUS_FUNC_WRITE_SINGLE_COIL) {
        put16(pdu + 3, v->data[0] ? COIL_ON : 0);
    } else if (func == MG_MODBUS_FUNC_WRITE_SINGLE_REGISTER) {
        memcpy(pdu + 3, v->data, 2);
    } else {
        put16(pdu + 3, v->count);
        pdu[5] = (uint8_t)bytes;
        memcpy(pdu + 6, v->data, bytes);
        return start_call(c, frame, 6 + bytes, v->count, unit);
    }
    return start_call(c, frame, 5, 1, unit);
}

static void end_call(struct mg_connection *c, call_t **at, pmg_modbus_msg_t *msg) {
    pmg_modbus_t *mb = &pmg_x(c)->u.modbus;
    call_t *call = *at;
    msg->transaction = call->transaction;
    msg->unit = call->unit;
    msg->func = call->func;
    msg->address = call->address;
    msg->count = call->count;
    *at = call->next;
    mb->calls--;
    pmg_free(call);
    mg_call(c, MG_EV_MODBUS_RESP, msg);
}

// True: the answer fits what was asked.
static bool parse_response(pmg_modbus_msg_t *msg, const call_t *call, const uint8_t *pdu,
    size_t len) {
    if (pdu[0] == (call->func | FAILED)) {
        msg->error = len == 2 ? pdu[1] : 0;
        return msg->error != 0;
    }
    if (pdu[0] != call->func) {
        return false;
    }
    if (!is_read(call->func)) {
        return len == 5 && get16(pdu + 1) == call->address && get16(pdu + 3) == call->value;
    }
    size_t bytes = data_len(call->func, call->count);
    msg->bits = is_bits(call->func);
    msg->data = pdu + 2;
    msg->num_values = call->count;
    return len == 2 + bytes && pdu[1] == bytes;
}

static void answered(struct mg_connection *c, const uint8_t *frame, size_t len) {
    pmg_modbus_t *mb = &pmg_x(c)->u.modbus;
    pmg_modbus_msg_t msg = {0};
    call_t **at = &mb->first;
    while (*at != NULL && (*at)->transaction != get16(frame)) {
        at = &(*at)->next;
    }
    if (*at == NULL) {
        return; // it came too late
    }
    if (frame[6] != (*at)->unit || !parse_response(&msg, *at, frame + HEAD, len - HEAD)) {
        pmg_fatal(c, "Modbus: the answer does not fit the request");
        return;
    }
    end_call(c, at, &msg);
}

void pmg_modbus_timeout(struct mg_connection *c) {
    pmg_modbus_t *mb = &pmg_x(c)->u.modbus;
    uint64_t now = pmg_m(c)->now;
    if (!c->is_client && c->is_resp) {
        fail_request(c, MG_MODBUS_ERR_DEVICE_FAILURE);
        pmg_x(c)->reparse = 1;
        pmg_work(c);
    } else if (!c->is_client) {
        pmg_fatal(c, "Modbus: a frame was begun and not finished");
    }
    while (mb->first != NULL && mb->first->deadline <= now && is_ready(c) && !pmg_m(c)->stop) {
        pmg_modbus_msg_t msg = {.error = MG_MODBUS_ERR_TIMEOUT};
        end_call(c, &mb->first, &msg);
    }
    if (c->is_client) {
        arm_client(c);
    }
}

void pmg_modbus_end(struct mg_connection *c) {
    pmg_modbus_t *mb = &pmg_x(c)->u.modbus;
    while (mb->first != NULL) {
        call_t *next = mb->first->next;
        pmg_free(mb->first);
        mb->first = next;
    }
}

// ---------------------------------------------------------------------------------------------
// Frames in

bool pmg_modbus_room(struct mg_connection *c) {
    return !pmg_x(c)->backlog && c->recv.len < RECV_MAX;
}

// Handles what is buffered, frame by frame; returns how many bytes are done with.
static size_t process(struct mg_connection *c) {
    size_t ofs = 0;
    while (!c->is_closing && !c->is_draining && !pmg_m(c)->stop && (c->is_client || !c->is_resp)) {
        if (c->is_accepted && pmg_conn_send_len(c) > PMG_PIPELINE_MAX) {
            pmg_x(c)->backlog = 1; // pmg_flush() takes it away
            break;
        }
        const uint8_t *p = c->recv.buf + ofs;
        size_t have = c->recv.len - ofs;
        if (have >= 4 && get16(p + 2) != 0) {
            pmg_fatal(c, "this is not Modbus: a frame's protocol is not 0");
            break;
        }
        if (have < 6) {
            break;
        }
        size_t len = get16(p + 4);
        if (len < LENGTH_MIN || len > LENGTH_MAX) {
            pmg_fatal(c, "Modbus: a frame's length is not 2 to 254");
            break;
        }
        if (have < 6 + len) {
            break;
        }
        ofs += 6 + len;
        if (c->is_client) {
            answered(c, p, 6 + len);
        } else {
            serve(c, p, 6 + len);
        }
    }
    return ofs;
}

static void arm_server(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    if (c->is_draining || c->is_closing) {
        return;
    }
    if (!c->is_resp && (c->recv.len == 0 || x->backlog || x->reparse)) {
        pmg_deadline(c, PMG_DL_NONE, 0);
    } else if (x->deadline_kind != PMG_DL_MODBUS) { // not renewed by a byte now and then
        pmg_deadline(c, PMG_DL_MODBUS, pmg_m(c)->limits.modbus_timeout);
    }
}

void pmg_modbus_pfn(struct mg_connection *c, int ev, void *data) {
    pmg_conn_t *x = pmg_x(c);
    (void)data;
    if (c->is_client && ((ev == MG_EV_CONNECT && !c->is_tls) || ev == MG_EV_TLS_HS)) {
        start_clock(c);
    }
    if (ev != MG_EV_READ && ev != MG_EV_POLL) {
        return;
    }
    x->u.modbus.processing = 1;
    size_t done = process(c);
    x->u.modbus.processing = 0;
    if (c->is_draining) {
        done = c->recv.len;
    }
    if (done > 0) {
        c->recv.len -= done;
        memmove(c->recv.buf, c->recv.buf + done, c->recv.len);
        if (!c->is_client && x->deadline_kind == PMG_DL_MODBUS) {
            pmg_deadline(c, PMG_DL_NONE, 0); // what is set now is for the next frame
        }
    }
    if (c->is_full && pmg_modbus_room(c)) {
        c->is_full = 0;
    }
    if (pmg_m(c)->stop && !c->is_closing && !c->is_resp && c->recv.len > 0) {
        x->reparse = 1; // an exception left poll(): the rest is handled at the next one
    }
    if (c->is_client) {
        arm_client(c);
    } else {
        arm_server(c);
    }
}

#endif
