// SPDX-License-Identifier: GPL-2.0-only
//
// Timers and the deadlines of connections: one binary heap by due time. A deadline that only moves
// later leaves its entry where it is; the entry is moved when it comes up early. So a keep-alive
// connection pushes its idle deadline forward at every request at the price of one store.

#include "core_int.h"

// The manager's own entries: m->large_timer.
#define HEAP_OWN (PMG_LARGE_MAX > 0)

static void put(pmg_mgr_t *m, size_t i, pmg_timer_t *t) {
    m->heap[i] = t;
    t->heap_pos = i + 1; // 0 means: not in the heap
}

static void sift_up(pmg_mgr_t *m, size_t i, pmg_timer_t *t) {
    while (i > 0 && m->heap[(i - 1) / 2]->due > t->due) {
        put(m, i, m->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    put(m, i, t);
}

static void sift_down(pmg_mgr_t *m, size_t i, pmg_timer_t *t) {
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= m->heap_len) {
            break;
        }
        if (child + 1 < m->heap_len && m->heap[child + 1]->due < m->heap[child]->due) {
            child++;
        }
        if (m->heap[child]->due >= t->due) {
            break;
        }
        put(m, i, m->heap[child]);
        i = child;
    }
    put(m, i, t);
}

bool pmg_heap_reserve(pmg_mgr_t *m) {
    size_t n = m->count + m->timers + m->watches + HEAP_OWN + 1;
    if (n <= m->heap_size) {
        return true;
    }
    size_t size = m->heap_size * 2 > n ? m->heap_size * 2 : n + 8;
    pmg_timer_t **heap = pmg_alloc(size * sizeof(*heap));
    if (heap == NULL) {
        return false;
    }
    if (m->heap_len > 0) {
        memcpy(heap, m->heap, m->heap_len * sizeof(*heap));
    }
    pmg_free(m->heap);
    m->heap = heap;
    m->heap_size = size;
    return true;
}

void pmg_heap_set(pmg_timer_t *t, uint64_t due) {
    pmg_mgr_t *m = t->mgr;
    if (m->waiting && due < m->told_due) {
        pmg_wake(m);
    }
    if (t->heap_pos == 0) {
        t->due = due;
        sift_up(m, m->heap_len++, t);
        return;
    }
    bool later = due > t->due;
    t->due = due;
    if (later) {
        sift_down(m, t->heap_pos - 1, t);
    } else {
        sift_up(m, t->heap_pos - 1, t);
    }
}

void pmg_heap_remove(pmg_timer_t *t) {
    pmg_mgr_t *m = t->mgr;
    if (t->heap_pos == 0) {
        return;
    }
    size_t i = t->heap_pos - 1;
    pmg_timer_t *last = m->heap[--m->heap_len];
    t->heap_pos = 0;
    if (last != t) {
        if (i > 0 && m->heap[(i - 1) / 2]->due > last->due) {
            sift_up(m, i, last);
        } else {
            sift_down(m, i, last);
        }
    }
}

uint64_t pmg_heap_due(pmg_mgr_t *m) {
    return m->heap_len > 0 ? m->heap[0]->due : UINT64_MAX;
}

static void destroy(pmg_timer_t *t) {
    pmg_mgr_t *m = t->mgr;
    pmg_heap_remove(t);
    m->timers--;
    pmg_live_add(0, 0, -1);
    m->hooks.timer_free(t);
    pmg_free(t);
}

static void fire(pmg_timer_t *t) {
    pmg_mgr_t *m = t->mgr;
    if (t->period > 0) {
        uint64_t next = t->due + t->period;
        if (next <= m->now) { // turns that were missed are not made up for
            next = m->now + t->period - (m->now - t->due) % t->period;
        }
        pmg_heap_set(t, next);
    } else {
        pmg_heap_remove(t);
    }
    m->firing = t;
    m->firing_canceled = false;
    m->depth++;
    int r = m->hooks.timer(t);
    m->depth--;
    m->firing = NULL;
    if (r == PMG_STOP) {
        m->stop = true;
    }
    if (m->firing_canceled || t->heap_pos == 0) {
        destroy(t);
    }
}

static uint64_t from_now(pmg_mgr_t *m, uint64_t ms) {
    uint64_t now = m->polling ? pmg_port_millis() : pmg_now(m); // not the turn's, which may be long
    return ms < UINT64_MAX - now ? now + ms : UINT64_MAX - 1;
}

int pmg_timer_add(pmg_mgr_t *m, uint64_t ms, bool repeat, bool run_now, void *arg,
    pmg_timer_t **out) {
    *out = NULL;
    if (m->closing) {
        return pmg_fail(m, -EBADF, "manager is closed");
    }
    pmg_timer_t *t = pmg_alloc(sizeof(*t));
    if (t == NULL || !pmg_heap_reserve(m)) {
        pmg_free(t);
        return pmg_fail(m, -ENOMEM, "no memory for a timer");
    }
    memset(t, 0, sizeof(*t));
    t->mgr = m;
    t->arg = arg;
    t->fn = fire;
    t->period = repeat ? (ms > 0 ? ms : 1) : 0; // a period of 0 would starve the network
    m->timers++;
    pmg_live_add(0, 0, 1);
    pmg_heap_set(t, from_now(m, run_now ? 0 : ms));
    *out = t;
    return 0;
}

bool pmg_timer_again(pmg_timer_t *t, uint64_t ms) {
    pmg_mgr_t *m = t->mgr;
    if (m->closing || !pmg_timer_active(t)) {
        return false;
    }
    pmg_heap_set(t, from_now(m, ms));
    return true;
}

bool pmg_timer_restart(pmg_timer_t *t, uint64_t ms) {
    pmg_mgr_t *m = t->mgr;
    if (m->closing) {
        return false;
    }
    if (m->firing == t) {
        m->firing_canceled = false;
    }
    if (t->period > 0) {
        t->period = ms > 0 ? ms : 1;
    }
    // It is counted, so that there is room.
    pmg_heap_set(t, from_now(m, ms));
    return true;
}

void pmg_timer_cancel(pmg_timer_t *t) {
    if (t->mgr->firing == t) {
        t->mgr->firing_canceled = true;
    } else {
        destroy(t);
    }
}

bool pmg_timer_active(const pmg_timer_t *t) {
    return t->heap_pos != 0 && !(t->mgr->firing == t && t->mgr->firing_canceled);
}

void pmg_timers_run(pmg_mgr_t *m) {
    // Entries that a hook adds with delay 0 wait for the next turn: the network comes between.
    size_t budget = m->heap_len + 1;
    while (budget-- > 0 && m->heap_len > 0 && m->heap[0]->due <= m->now && !m->stop) {
        m->heap[0]->fn(m->heap[0]);
        m->done++;
    }
}

void pmg_timers_free(pmg_mgr_t *m) {
    for (size_t i = m->heap_len; i-- > 0;) {
        if (i < m->heap_len && m->heap[i]->fn == fire) {
            destroy(m->heap[i]);
            i = m->heap_len; // destroy() reorders
        }
    }
}

// ---------------------------------------------------------------------------------------------
// Deadlines of connections

void pmg_deadline(struct mg_connection *c, void (*late)(struct mg_connection *c), uint64_t ms) {
    pmg_conn_t *x = pmg_x(c);
    if (ms == 0) {
        pmg_no_deadline(c);
        return;
    }
    x->late = late;
    x->deadline = pmg_now(pmg_m(c)) + ms;
    if (x->timer.heap_pos == 0 || x->timer.due > x->deadline) {
        pmg_heap_set(&x->timer, x->deadline);
    }
}

uint64_t pmg_heap_due_exactly(pmg_mgr_t *m) {
    while (m->heap_len > 0 && m->heap[0]->fn == pmg_deadline_fired) {
        pmg_timer_t *t = m->heap[0];
        pmg_conn_t *x = pmg_x((struct mg_connection *)t->arg);
        if (x->late == NULL) {
            pmg_heap_remove(t);
        } else if (x->deadline > t->due) {
            pmg_heap_set(t, x->deadline);
        } else {
            break;
        }
    }
    return pmg_heap_due(m);
}

void pmg_deadline_fired(pmg_timer_t *t) {
    struct mg_connection *c = t->arg;
    pmg_conn_t *x = pmg_x(c);
    void (*late)(struct mg_connection *) = x->late;
    if (late != NULL && x->deadline > t->mgr->now) {
        pmg_heap_set(t, x->deadline);
        return;
    }
    pmg_heap_remove(t);
    x->late = NULL;
    if (late != NULL && !c->is_closing) {
        late(c);
    }
}
