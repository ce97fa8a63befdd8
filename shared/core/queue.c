// SPDX-License-Identifier: GPL-2.0-only
//
// The work queue, what the backend is asked to watch, and what a peer owes.

#include "core_int.h"

void pmg_work(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    pmg_mgr_t *m = pmg_m(c);
    if (x->in_work || x->in_read) { // its read event ends with an update anyway
        return;
    }
    x->in_work = 1;
    x->work_next = NULL;
    m->work_len++;
    if (m->work_last != NULL) {
        pmg_x(m->work_last)->work_next = c;
    } else {
        m->work_first = c;
    }
    m->work_last = c;
    if (m->waiting) { // another thread queued it while we sleep
        pmg_wake(m);
    }
}

// Nothing would ever be heard of one that the system does not watch.
static void watch(struct mg_connection *c, int mask) {
    pmg_conn_t *x = pmg_x(c);
    if (mask == x->io_mask) {
        return;
    }
    if (pmg_io_watch(c, mask) == 0) {
        x->io_mask = (uint8_t)mask;
    } else {
        x->deaf = 1;
        pmg_work(c);
    }
}

void pmg_wants(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    int mask = 0;
    if (c->is_tls_hs && x->connected) {
        watch(c, x->layer->wants_write(c) ? PMG_IO_WRITE : PMG_IO_READ);
        return;
    }
    if (c->is_listening || (x->connected && !c->is_full && !x->eof && !x->paused)) {
        mask |= PMG_IO_READ;
    }
    if (c->is_connecting || (x->connected && pmg_send_len(c) > 0 && !x->hold)) {
        mask |= PMG_IO_WRITE;
    }
    watch(c, mask);
    if ((mask & PMG_IO_READ) && x->layer != NULL &&
        x->layer->pending(c)) { // the socket will not say so
        pmg_work(c);
    }
}

void pmg_owed(struct mg_connection *c, pmg_owed_t *o) {
    pmg_conn_t *x = pmg_x(c);
    memset(o, 0, sizeof(*o));
    if (c->is_closing || x->lingering || !x->connected || c->is_udp) {
        return;
    }
    if (c->is_tls_hs) {
        o->unfinished = x->layer != NULL;
        o->said = x->layer != NULL ? x->layer->heard(c) : 0;
        return;
    }
    if (x->speaks->owes != NULL) {
        x->speaks->owes(c, o);
    }
    if (x->paused) { // it may have said all
        o->unfinished = o->saying = false;
    }
    o->untaken = pmg_send_len(c) > 0 && !x->hold;
    o->taking = o->taking && o->untaken;
}
