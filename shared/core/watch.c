// SPDX-License-Identifier: GPL-2.0-only
//
// Looks after a peer that is the one to move: it has begun to say something and not ended, or does
// not take what is queued for it. Such a connection gets a timer of its own until the peer has done
// its part; all others cost nothing. Nothing is counted per read: what has moved is the difference
// of two counts that the owner of the data keeps anyway.

#include "core_int.h"

// Between two looks, at most. Shorter where a limit is short.
#define LOOK_MS 1000
#define LOOKS 8 // a limit is no shorter than so many of them
#define LOOK_MIN_MS 10

// One direction.
typedef struct {
    uint32_t count;     // at the last look
    uint32_t moved;     // since the one before
    uint32_t bytes, ms; // of the time that min_rate is held against
    bool on;            // it was the peer's turn at the last look, and is since
} flow_t;

struct pmg_watch {
    pmg_timer_t timer;
    uint64_t at;    // of the last look
    flow_t in, out; // as we see it: what it sends, what it takes
    uint32_t still; // ms without a byte in either direction
    uint32_t stuck; // ms that it took nothing
};

static uint32_t period(const pmg_limits_t *l) {
    size_t ms = LOOK_MS;
    if (l->send_timeout > 0 && l->send_timeout / LOOKS < ms) {
        ms = l->send_timeout / LOOKS;
    }
    if (l->min_rate > 0 && l->rate_time / LOOKS < ms) {
        ms = l->rate_time / LOOKS;
    }
    return ms > LOOK_MIN_MS ? (uint32_t)ms : LOOK_MIN_MS;
}

// What the peer's side has confirmed, where the system tells; modulo 2^32.
static uint32_t taken(struct mg_connection *c) {
    return pmg_x(c)->taken - (uint32_t)pmg_io_unsent(c);
}

static void count(flow_t *f, uint32_t now) {
    f->moved = now - f->count;
    f->count = now;
}

// Held against min_rate over rate_time, while it is the peer's turn.
static bool too_slow(const pmg_limits_t *l, flow_t *f, bool turn, uint32_t ms) {
    if (!turn || !f->on || l->min_rate == 0) {
        f->on = turn;
        f->bytes = f->ms = 0;
        return false;
    }
    f->bytes += f->moved <= INT32_MAX ? f->moved : 0;
    f->ms += ms;
    if (f->ms < l->rate_time) {
        return false;
    }
    bool slow = (uint64_t)f->bytes * 1000 < (uint64_t)l->min_rate * f->ms;
    f->bytes = f->ms = 0;
    return slow;
}

static void look(pmg_timer_t *t) {
    struct mg_connection *c = t->arg;
    pmg_watch_t *w = pmg_x(c)->watch;
    const pmg_limits_t *l = &t->mgr->limits;
    uint32_t step = period(l);
    pmg_owed_t o;
    pmg_owed(c, &o);
    pmg_budget_note(c);
    if (!o.unfinished && !o.untaken) {
        pmg_watch_end(c);
        return;
    }
    // While a handler kept the loop, the peer could do nothing.
    uint64_t since = t->mgr->now - w->at;
    uint32_t ms = since < 2 * step ? (uint32_t)since : 2 * step;
    w->at = t->mgr->now;
    pmg_heap_set(t, w->at + step);
    count(&w->in, o.said);
    count(&w->out, taken(c));
    w->still = w->in.moved != 0 || w->out.moved != 0 ? 0 : w->still + ms;
    w->stuck = w->out.moved != 0 || !o.untaken ? 0 : w->stuck + ms;
    bool slow_in = too_slow(l, &w->in, o.saying, ms);
    bool slow_out = too_slow(l, &w->out, o.taking, ms);
    if (l->send_timeout > 0 && w->stuck >= l->send_timeout && !c->is_draining) {
        pmg_fatal(c, "the peer takes nothing of what is sent to it: send_timeout");
    } else if (slow_out) {
        pmg_fatal(c, "the peer takes what is sent to it more slowly than min_rate");
    } else if (slow_in) {
        pmg_x(c)->speaks->slow(c);
    }
}

void pmg_watch(struct mg_connection *c) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_conn_t *x = pmg_x(c);
    pmg_owed_t o;
    if (x->watch != NULL) {
        x->watch->in.on = false;
        return;
    }
    pmg_watch_t *w = pmg_alloc(sizeof(*w));
    if (w == NULL || !pmg_heap_reserve(m)) {
        pmg_free(w);
        pmg_fatal(c, "no memory for a deadline");
        return;
    }
    memset(w, 0, sizeof(*w));
    m->watches++;
    x->watch = w;
    w->timer.mgr = m;
    w->timer.arg = c;
    w->timer.fn = look;
    w->at = pmg_now(m);
    pmg_owed(c, &o);
    w->in.count = o.said;
    w->in.on = o.saying;
    w->out.count = taken(c);
    w->out.on = o.taking;
    pmg_heap_set(&w->timer, w->at + period(&m->limits));
}

void pmg_watch_sending(struct mg_connection *c) {
    pmg_watch_t *w = pmg_x(c)->watch;
    if (w == NULL && !c->is_closing && !c->is_udp) {
        pmg_watch(c);
    } else if (w != NULL && pmg_send_len(c) == 0) {
        w->out.on = false;
    }
}

void pmg_watch_end(struct mg_connection *c) {
    pmg_watch_t *w = pmg_x(c)->watch;
    if (w != NULL) {
        pmg_x(c)->watch = NULL;
        pmg_m(c)->watches--;
        pmg_heap_remove(&w->timer);
        pmg_free(w);
    }
}

long pmg_watch_still(struct mg_connection *c) {
    pmg_mgr_t *m = pmg_m(c);
    const pmg_watch_t *w = pmg_x(c)->watch;
    pmg_owed_t o;
    pmg_owed(c, &o);
    if (w == NULL || (!o.unfinished && !o.untaken)) {
        return -1;
    }
    if (o.said != w->in.count || taken(c) != w->out.count) {
        return 0;
    }
    uint64_t since = pmg_now(m) - w->at, most = 2 * period(&m->limits);
    return (long)(w->still + (since < most ? since : most));
}
