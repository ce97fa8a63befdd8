// SPDX-License-Identifier: GPL-2.0-only
//
// Who makes room when all connections are taken: one rule for listeners, clients and peers.

#include "open_int.h"

// A keep-alive connection between two requests.
static bool idle(struct mg_connection *c) {
    const pmg_conn_t *x = pmg_x(c);
    return c->is_accepted && x->speaks->idle != NULL && !c->is_closing && !c->is_draining &&
           !c->is_resp && !c->is_tls_hs && !c->is_full && !x->eof && x->source == NULL &&
           c->recv.len == 0 && pmg_send_len(c) == 0 && x->speaks->idle(c);
}

// Of an idle connection, or of one that is closing: it gives room.
static void leaves(struct mg_connection *c) {
    if (!pmg_x(c)->evicted && !pmg_x(c)->inner) {
        pmg_x(c)->evicted = 1;
        pmg_m(c)->evicted++;
    }
}

// The connection that was idle for the longest time, or NULL. Counts those that are closing
// already, which stay in the table until the work queue has its turn.
static struct mg_connection *idle_longest(pmg_mgr_t *m) {
    struct mg_connection *found = NULL;
    for (struct mg_connection *c = m->first; c != NULL; c = pmg_x(c)->next) {
        if (c->is_closing) {
            leaves(c);
        } else if (idle(c) && (found == NULL || pmg_x(c)->deadline < pmg_x(found)->deadline)) {
            found = c;
        }
    }
    return found;
}

// Tries before a peer is turned away: each may find a request that has just arrived.
#define EVICT_TRIES 4

static size_t in_use(const pmg_mgr_t *m) {
    return m->count - m->inner - m->evicted;
}

// Browsers keep theirs open for a minute and more, and do not mind.
int pmg_evict_room(pmg_mgr_t *m, struct mg_connection **victim) {
    size_t max = m->limits.max_conns;
    *victim = NULL;
    for (int i = 0; max > 0 && in_use(m) >= max; i++) {
        struct mg_connection *found = idle_longest(m);
        if (in_use(m) < max) {
            break;
        }
        if (found == NULL || i == EVICT_TRIES || m->stop) {
            return pmg_fail(m, -ENOBUFS, "%zu connections are open, the limit is max_conns",
                m->count - m->inner);
        }
        uint64_t before = pmg_x(found)->deadline;
        // A request may wait in the socket: then this one is not idle.
        if (m->polling && m->depth == 0 && !m->scratch_lent) {
            pmg_ready(found, PMG_IO_READ, false);
        }
        if (idle(found) && pmg_x(found)->deadline == before) {
            *victim = found;
            break;
        }
    }
    return 0;
}

void pmg_evict(struct mg_connection *victim) {
    if (victim != NULL) {
        leaves(victim);
        pmg_close(victim);
    }
}
