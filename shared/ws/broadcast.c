// SPDX-License-Identifier: GPL-2.0-only
//
// One message to many WebSockets. A peer that does not keep up misses it: what is queued for the
// slow must not use up the memory that the others need.

#include "ws_int.h"

// With more than this unsent a peer is skipped, unless the program says otherwise.
#ifdef PMG_BOARD
#define PMG_BROADCAST_QUEUED 4096
#else
#define PMG_BROADCAST_QUEUED 65536
#endif

int pmg_broadcast_begin(pmg_broadcast_t *b, pmg_mgr_t *m, struct mg_str data, int op, bool is_utf8,
    size_t max_queued) {
    int err = pmg_ws_check(m, data.buf, data.len, op, is_utf8);
    if (err < 0) {
        return err;
    }
    b->m = m;
    b->data = data;
    b->op = op;
    b->max_queued = max_queued != SIZE_MAX ? max_queued : PMG_BROADCAST_QUEUED;
    b->head_len = pmg_ws_head(b->head, data.len, op);
    b->sent = b->skipped = 0;
    return 0;
}

static bool queue(pmg_broadcast_t *b, struct mg_connection *c) {
    if (c->is_client || b->op == WEBSOCKET_OP_CLOSE) { // each has its own mask, or more to do
        return pmg_ws_send(c, b->data.buf, b->data.len, b->op) == 0;
    }
    // All of it or nothing, and in one step: no buffer grows twice.
    size_t len = b->head_len + b->data.len;
    if (c->send.size - c->send.len < len && !pmg_out_room(c, len)) {
        return false;
    }
    (void)pmg_out(c, b->head, b->head_len);
    (void)pmg_out(c, b->data.buf, b->data.len);
    pmg_work(c);
    return true;
}

int pmg_broadcast_one(pmg_broadcast_t *b, struct mg_connection *c) {
    if (pmg_m(c) != b->m) {
        return pmg_fail(b->m, -EINVAL, "a connection of another Manager");
    }
    if (!pmg_conn_is_websocket(c) || c->is_closing || c->is_draining || pmg_ws_of(c)->close_sent) {
        return 0;
    }
    size_t queued = pmg_send_len(c), max = b->m->limits.max_send;
    if (queued > b->max_queued || (max > 0 && queued >= max) || !queue(b, c)) {
        b->skipped++;
    } else {
        b->sent++;
    }
    return 0;
}

void pmg_broadcast_all(pmg_broadcast_t *b) {
    for (struct mg_connection *c = b->m->first; c != NULL; c = pmg_x(c)->next) {
        if (c->is_accepted && pmg_conn_is_websocket(c)) {
            (void)pmg_broadcast_one(b, c);
        }
    }
}
