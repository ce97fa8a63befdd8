// SPDX-License-Identifier: GPL-2.0-only
//
// Connections: the table that knows which are alive, how one is made and how it ends.

#include "core_int.h"

const pmg_protocol_t pmg_raw = {.name = "raw"};

// ---------------------------------------------------------------------------------------------
// The table

static struct mg_connection **bucket(pmg_mgr_t *m, unsigned long id) {
    return &m->hash[id & (m->hash_size - 1)];
}

static void hash_grow(pmg_mgr_t *m) {
    size_t size = m->hash_size * 2;
    struct mg_connection **hash = pmg_alloc(size * sizeof(*hash));
    if (hash == NULL) {
        return; // longer chains, nothing worse
    }
    memset(hash, 0, size * sizeof(*hash));
    pmg_free(m->hash);
    m->hash = hash;
    m->hash_size = size;
    for (struct mg_connection *c = m->first; c != NULL; c = pmg_x(c)->next) {
        struct mg_connection **b = bucket(m, c->id);
        pmg_x(c)->hash_next = *b;
        *b = c;
    }
}

static void enlist(pmg_mgr_t *m, struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    x->registered = 1;
    x->timer.mgr = m;
    x->timer.arg = c;
    x->timer.fn = pmg_deadline_fired;
    x->speaks = &pmg_raw;
    x->ready = pmg_stream_ready;
    pmg_conn_events(c, 0, false);
    x->prev = m->last;
    if (m->last != NULL) {
        pmg_x(m->last)->next = c;
    } else {
        m->first = c;
    }
    m->last = c;
    struct mg_connection **b = bucket(m, c->id);
    x->hash_next = *b;
    *b = c;
    if (++m->count > m->hash_size) {
        hash_grow(m);
    }
    pmg_live_add(0, 1, 0);
}

static void delist(pmg_mgr_t *m, struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    *(x->prev != NULL ? &pmg_x(x->prev)->next : &m->first) = x->next;
    *(x->next != NULL ? &pmg_x(x->next)->prev : &m->last) = x->prev;
    struct mg_connection **b = bucket(m, c->id);
    while (*b != c) {
        b = &pmg_x(*b)->hash_next;
    }
    *b = x->hash_next;
    m->count--;
    pmg_events_set(c, 0);
    m->evicted -= x->evicted;
    if (x->inner) {
        m->inner--;
    } else {
        pmg_live_add(0, -1, 0);
    }
}

struct mg_connection *pmg_conn_new(pmg_mgr_t *m) {
    if (!pmg_heap_reserve(m)) {
        return NULL;
    }
    struct mg_connection *c = mg_alloc_conn(&m->mg);
    if (c != NULL) {
        c->fd = (void *)(size_t)-1;
        c->fn = pmg_call;
        enlist(m, c);
    }
    return c;
}

struct mg_connection *pmg_conn_new_inner(pmg_mgr_t *m) {
    struct mg_connection *c = pmg_conn_new(m);
    if (c != NULL) {
        pmg_hide(c);
        pmg_x(c)->inner = 1;
        m->inner++;
        pmg_live_add(0, -1, 0);
    }
    return c;
}

struct mg_connection *pmg_conn_find(pmg_mgr_t *m, unsigned long id) {
    struct mg_connection *c = *bucket(m, id);
    while (c != NULL && c->id != id) {
        c = pmg_x(c)->hash_next;
    }
    return c;
}

int pmg_conn_alive(struct mg_connection *c) {
    if (c->is_closing || c->is_draining) {
        return pmg_fail(pmg_m(c), -EPIPE, "connection is %s",
            c->is_closing ? "closing" : "draining");
    }
    return 0;
}

static void end_protocol(struct mg_connection *c) {
    if (pmg_x(c)->speaks->end != NULL) {
        pmg_x(c)->speaks->end(c);
    }
}

void pmg_conn_speak(struct mg_connection *c, const pmg_protocol_t *speaks) {
    bool framed = pmg_x(c)->speaks->read != NULL || speaks->read != NULL;
    end_protocol(c);
    memset(pmg_state(c), 0, PMG_STATE_SIZE);
    pmg_x(c)->speaks = speaks;
    c->is_full &= !framed;                       // whose limit of the input is another now
    if (c->recv.len > 0 && !pmg_x(c)->in_read) { // later than in its read event: it looks by itself
        pmg_x(c)->reparse = 1;
        pmg_work(c);
    }
}

static void leave_work(struct mg_connection *c) {
    pmg_mgr_t *m = pmg_m(c);
    struct mg_connection **p = &m->work_first, *last = NULL;
    while (*p != c) {
        last = *p;
        p = &pmg_x(*p)->work_next;
    }
    *p = pmg_x(c)->work_next;
    m->work_len--;
    if (m->work_last == c) {
        m->work_last = last;
    }
}

void pmg_conn_free(struct mg_connection *c) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_conn_t *x = pmg_x(c);
    c->is_closing = 1;
    pmg_heap_remove(&x->timer);
    if (x->speaks->closing != NULL) {
        x->speaks->closing(c);
    }
    pmg_call(c, MG_EV_CLOSE, NULL);
    pmg_heap_remove(&x->timer); // a handler of MG_EV_CLOSE may have set one
    c->fn = NULL;               // what follows is silent
    if (x->in_work) {           // the handler queued it again, or the manager is closing
        leave_work(c);
    }
    delist(m, c);
    pmg_budget_forget(c);
    if (!x->internal) {
        m->hooks.free(c);
    }
    pmg_watch_end(c);
    if (x->wait != NULL) {
        x->wait->cancel(c);
    }
    if (x->source != NULL) {
        x->source->end(c);
    }
    if (x->layer != NULL) {
        x->layer->end(c);
    }
    end_protocol(c);
    pmg_outer_forget(c);
    pmg_io_close(c);
    pmg_free(x->host);
    pmg_free(x->everyone);
    if (c->recv.buf == m->scratch) {
        m->scratch_lent = false;
        c->recv.buf = NULL;
    }
    pmg_buf_give(m, &c->recv);
    pmg_buf_give(m, &c->send);
    c->next = m->mg.conns; // so that Mongoose finds at the head of its list what it takes out
    m->mg.conns = c;
    mg_close_conn(c);
}
