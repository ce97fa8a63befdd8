// SPDX-License-Identifier: GPL-2.0-only
//
// A handshake costs a server thousands of times what it costs the peer: how many there are at a
// time, and how much of their cryptography has its place in one turn of the loop, so that those who
// are in already wait for a few steps and not for a flood.

#include "../base/names.h"
#if PMG_HAS_TLS && !defined(NO_QSTR)

#include "tls_int.h"

// Goes of handshakes in a turn of the loop, a step of cryptography or so each.
#ifdef PMG_BOARD
#define PMG_TLS_STEPS 1
#else
#define PMG_TLS_STEPS 4
#endif
// A peer that says nothing in its handshake for longer gives its place to one that waits.
#define HANDSHAKE_STILL_MS 1000

bool pmg_tls_may_step(pmg_mgr_t *m) {
    if (m->handshake_turn != m->turn) {
        m->handshake_turn = m->turn;
        m->handshake_steps = 0;
    }
    return m->handshake_steps < PMG_TLS_STEPS;
}

void pmg_tls_count(pmg_tls_t *t, bool on) {
    if (t->counted != on) {
        t->counted = on;
        pmg_m(t->c)->handshakes += on ? 1 : (size_t)-1;
    }
}

static struct mg_connection *stillest(pmg_mgr_t *m) {
    struct mg_connection *found = NULL;
    long longest = HANDSHAKE_STILL_MS;
    for (struct mg_connection *c = m->first; c != NULL; c = pmg_x(c)->next) {
        const pmg_tls_t *t = c->is_tls_hs && !c->is_closing ? pmg_x(c)->layer_state : NULL;
        if (t != NULL && t->counted && t->waiting && !pmg_x(c)->in_work) {
            long still = pmg_watch_still(c);
            if (still > longest) {
                longest = still;
                found = c;
            }
        }
    }
    return found;
}

bool pmg_tls_room(pmg_mgr_t *m, struct mg_connection **victim) {
    size_t max = m->limits.max_handshakes;
    *victim = NULL;
    if (max > 0 && m->handshakes >= max) {
        *victim = stillest(m);
        return *victim != NULL;
    }
    return true;
}

#endif
