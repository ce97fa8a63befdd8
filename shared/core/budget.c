// SPDX-License-Identifier: GPL-2.0-only
//
// The memory of a manager: what its connections hold, against max_memory. It is counted where a
// buffer grows and where a watch looks, never per read or write. A count may be high by what was
// freed since; so before anybody is turned away all are counted anew.
//
// When it is short, the accepted connection that holds the most of an unfinished message ends: what
// has come of it is freed at once, and the work queue tells it so, since no Python may run here.

#include "core_int.h"

// This share of it is for heads and for what is said in few bytes: pongs, acknowledgments, refusals.
#define KEPT_SHARE 16

const char pmg_no_budget[] = "no memory left of what max_memory allows";

static size_t own_input(struct mg_connection *c) {
    return c->recv.buf != pmg_m(c)->scratch ? c->recv.size : 0;
}

void pmg_budget_note(struct mg_connection *c) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_conn_t *x = pmg_x(c);
    size_t n = own_input(c) + (x->ousted == PMG_OUSTED_OUT ? 0 : c->send.size);
    if (x->layer != NULL && x->layer->held != NULL) {
        n += x->layer->held(c);
    }
    if (x->speaks->held != NULL) {
        n += x->speaks->held(c);
    }
    m->held += n - x->held;
    x->held = n;
}

void pmg_budget_forget(struct mg_connection *c) {
    pmg_m(c)->held -= pmg_x(c)->held;
    pmg_x(c)->held = 0;
}

// What it holds of a message that its peer has not sent, or not taken, to the end.
static size_t unfinished(struct mg_connection *c, bool *in) {
    pmg_conn_t *x = pmg_x(c);
    pmg_owed_t o;
    *in = false;
    if (!c->is_accepted || c->is_closing || c->is_draining || c->is_udp || c->is_tls_hs ||
        x->in_read || x->in_hook > 0 || x->ousted) {
        return 0;
    }
    pmg_owed(c, &o);
    *in = pmg_recv_len(c) > 0 && !c->is_full && !x->paused && !x->reparse &&
          (x->speaks->owes == NULL || o.unfinished);
    return (*in ? own_input(c) : 0) + (o.taking ? c->send.size : 0);
}

static struct mg_connection *hog(pmg_mgr_t *m, size_t *most) {
    struct mg_connection *found = NULL;
    bool in;
    *most = 0;
    for (struct mg_connection *c = m->first; c != NULL; c = pmg_x(c)->next) {
        size_t n = unfinished(c, &in);
        if (n > *most) {
            *most = n;
            found = c;
        }
    }
    return found;
}

static void oust(struct mg_connection *c) {
    bool in;
    (void)unfinished(c, &in);
    pmg_x(c)->ousted = in ? PMG_OUSTED_IN : PMG_OUSTED_OUT;
    if (in) {
        pmg_buf_free(&c->recv);
        pmg_x(c)->recv_off = 0;
        c->is_full = 1; // nothing is read until it was told
    }
    pmg_work(c);
    pmg_budget_note(c);
}

void pmg_budget_tell(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    bool in = x->ousted == PMG_OUSTED_IN;
    x->ousted = 0;
    c->is_full = 0;
    if (c->is_closing || c->is_draining) {
        return;
    }
    if (in && x->speaks->oversized != NULL) {
        x->speaks->oversized(c);
    } else {
        pmg_fatal(c, pmg_no_budget);
    }
}

// What waits to wake the loop up belongs to no connection and comes from any thread.
static size_t used(const pmg_mgr_t *m) {
    return m->held + __atomic_load_n(&m->wake_bytes, __ATOMIC_RELAXED);
}

static bool fits(const pmg_mgr_t *m, size_t more, size_t most) {
    return more <= most && used(m) <= most - more;
}

// With how much held there is still room for that. Of what is kept for small things none takes more
// than half of what is left, so that what is smaller still finds some.
static bool room_for(const pmg_mgr_t *m, size_t more, bool small, size_t *room) {
    size_t max = m->limits.max_memory, most = max - max / KEPT_SHARE;
    if (small && more <= max / 2 && max - 2 * more > (more <= most ? most - more : 0)) {
        *room = max - 2 * more;
        return true;
    }
    *room = more <= most ? most - more : 0;
    return more <= most;
}

// Was no less refused in this turn, and nothing given back since? Then nobody need be counted: who
// sends to thousands would count them all for each.
static bool refused_already(const pmg_mgr_t *m, size_t claim, size_t room) {
    return m->refused.turn == m->turn && m->refused.claim > 0 && claim >= m->refused.claim &&
           room <= m->refused.room && used(m) >= m->refused.held;
}

bool pmg_budget(struct mg_connection *c, size_t more, bool small) {
    pmg_mgr_t *m = pmg_m(c);
    size_t room;
    bool in;
    pmg_budget_note(c);
    if (m->limits.max_memory == 0) {
        return true;
    }
    if (!room_for(m, more, small, &room)) {
        return false; // not if it had all of it
    }
    if (used(m) <= room) {
        return true;
    }
    size_t claim = unfinished(c, &in) + more;
    if (refused_already(m, claim, room)) {
        return false;
    }
    for (struct mg_connection *i = m->first; i != NULL; i = pmg_x(i)->next) {
        pmg_budget_note(i);
    }
    while (used(m) > room) {
        size_t held;
        struct mg_connection *victim = hog(m, &held);
        // Who holds little need not go for one who wants much.
        if (victim == NULL || held < claim / 2) {
            m->refused.turn = m->turn;
            m->refused.claim = claim;
            m->refused.room = room;
            m->refused.held = used(m);
            return false;
        }
        if (victim == c) {
            return false;
        }
        oust(victim);
    }
    return true;
}

#if PMG_LARGE_MAX > 0

#define LARGE (sizeof(((pmg_mgr_t *)NULL)->large) / sizeof(struct mg_iobuf))
// A kept buffer is not for what needs less than this share of it: who takes that slowly would hold all.
#define LARGE_SHARE 8
// Nor is what is larger than another would be, unless this share of max_memory has room for it: what
// a message costs must not hang on those before it.
#define LARGE_MEMORY 8

static bool worth_keeping(const pmg_mgr_t *m, size_t size) {
    size_t max = m->limits.max_memory;
    return size > PMG_SPARE_MAX &&
           (size <= PMG_LARGE_MAX ||
               (size <= PMG_HUGE_MAX && !m->closing && (max == 0 || size <= max / LARGE_MEMORY)));
}

// Frees those that are not in use any more, or all. Was there one?
static bool huge_drop(pmg_mgr_t *m, bool all) {
    bool dropped = false;
    for (size_t i = 0; i < LARGE; i++) {
        if (m->large[i].size > PMG_LARGE_MAX && (all || !m->large_used[i])) {
            pmg_buf_free(&m->large[i]);
            dropped = true;
        }
        m->large_used[i] = false;
    }
    return dropped;
}

static void huge_late(pmg_timer_t *t) {
    const struct mg_iobuf *l = t->mgr->large;
    huge_drop(t->mgr, false);
    if (l[0].size > PMG_LARGE_MAX || l[1].size > PMG_LARGE_MAX) {
        pmg_heap_set(t, t->mgr->now + PMG_HUGE_MS);
    } else {
        pmg_heap_remove(t);
    }
}

static void huge_kept(pmg_mgr_t *m, size_t i) {
    m->large_used[i] = true;
    if (m->large_timer.heap_pos == 0) {
        m->large_timer.mgr = m;
        m->large_timer.fn = huge_late;
        pmg_heap_set(&m->large_timer, pmg_now(m) + PMG_HUGE_MS);
    }
}

void pmg_buf_give(pmg_mgr_t *m, struct mg_iobuf *b) {
    size_t least = 0;
    for (size_t i = 1; i < LARGE; i++) {
        least = m->large[i].size < m->large[least].size ? i : least;
    }
    if (b->buf != NULL && b->size > m->large[least].size && worth_keeping(m, b->size)) {
        if (b->size > PMG_LARGE_MAX) {
            huge_kept(m, least);
        }
        struct mg_iobuf given = *b;
        *b = m->large[least];
        m->large[least] = given;
        m->large[least].len = 0;
    }
    pmg_buf_free(b);
}

// One of those that are kept, for `need` bytes in all. Another would have `size`.
static bool take_large(struct mg_connection *c, struct mg_iobuf *b, size_t need, size_t size,
    size_t most) {
    pmg_mgr_t *m = pmg_m(c);
    for (size_t i = 0; need > PMG_SPARE_MAX && i < LARGE; i++) {
        struct mg_iobuf *l = &m->large[i];
        size_t share = l->size > size ? most / LARGE_MEMORY : most;
        if (l->size >= need && l->size / LARGE_SHARE <= need &&
            (m->limits.max_memory == 0 || fits(m, l->size - b->size, share))) {
            struct mg_iobuf old = *b;
            *b = *l;
            b->len = old.len;
            if (old.len > 0) {
                memcpy(b->buf, old.buf, old.len);
            }
            memset(l, 0, sizeof(*l));
            if (m->spare == NULL && old.buf != NULL && old.size <= PMG_SPARE_MAX) {
                m->spare = old.buf;
                m->spare_size = old.size;
            } else {
                pmg_buf_give(m, &old);
            }
            return true;
        }
    }
    return false;
}

#else

void pmg_buf_give(pmg_mgr_t *m, struct mg_iobuf *b) {
    (void)m;
    pmg_buf_free(b);
}
#define take_large(c, b, need, size, most) false
#define huge_drop(m, all) false

#endif

// Doubles as long as there is room for that, so that a byte is moved a few times at most; then by an
// eighth; and at the end by what is needed.
bool pmg_grow(struct mg_connection *c, struct mg_iobuf *b, size_t more) {
    pmg_mgr_t *m = pmg_m(c);
    size_t max = m->limits.max_memory, most = max - max / KEPT_SHARE, have = b->size;
    if (have - b->len >= more) {
        return true;
    }
    m->short_of_budget = pmg_x(c)->ousted != 0; // it ends, and what it holds counts no more
    if (m->short_of_budget || more > SIZE_MAX / 4 || b->len > SIZE_MAX / 4) {
        return false;
    }
    size_t need = b->len + more, size = have > 0 ? have * 2 : 256;
    size = size < need ? need : size;
    if (take_large(c, b, need, size, most)) {
        pmg_budget_note(c);
        return true;
    }
    if (max > 0 && !fits(m, size - have, most)) {
        size_t eighth = have + have / 8;
        size = eighth > need && fits(m, eighth - have, most) ? eighth : need;
        m->short_of_budget = !pmg_budget(c, size - have, size <= PMG_SPARE_MAX);
        if (m->short_of_budget) {
            return false;
        }
    }
    bool grown = pmg_buf_resize(b, size) || (huge_drop(m, true) && pmg_buf_resize(b, size)) ||
                 (size > need && pmg_buf_resize(b, need));
    pmg_budget_note(c);
    return grown;
}

bool pmg_budget_take(pmg_mgr_t *m, size_t n) {
    size_t max = m->limits.max_memory;
    if (max > 0 && !fits(m, n, max - max / KEPT_SHARE)) {
        for (struct mg_connection *c = m->first; c != NULL; c = pmg_x(c)->next) {
            pmg_budget_note(c);
        }
        if (!fits(m, n, max - max / KEPT_SHARE)) {
            return false;
        }
    }
    m->held += n;
    return true;
}

void pmg_budget_give(pmg_mgr_t *m, size_t n) {
    m->held -= n;
}
