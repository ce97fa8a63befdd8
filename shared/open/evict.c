// SPDX-License-Identifier: GPL-2.0-only
//
// Who makes room when all connections are taken: one rule for listeners, clients and peers.

#include "open_int.h"

// One whose peer owes us something may be new, slow or dead: after so long it is taken for dead.
#define STILL_MS 5000

// A keep-alive connection between two requests, and not in a handler of its own.
static bool idle(struct mg_connection *c) {
    const pmg_conn_t *x = pmg_x(c);
    return c->is_accepted && x->speaks->idle != NULL && !c->is_closing && !c->is_draining &&
           x->in_hook == 0 && !c->is_resp && !c->is_tls_hs && !c->is_full && !x->eof &&
           x->source == NULL && pmg_send_len(c) == 0 && x->speaks->idle(c);
}

// For how long nothing has moved though the peer owes us something; -1: it does not, or the program
// is at work with it.
static long owing(struct mg_connection *c) {
    const pmg_conn_t *x = pmg_x(c);
    return c->is_accepted && x->speaks->owes != NULL && !c->is_closing && !x->in_read &&
                   x->in_hook == 0
               ? pmg_watch_still(c)
               : -1;
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

// Of those whose peers owe us something, the one that was still for the longest time; when all have
// moved lately, the latest.
static struct mg_connection *owing_longest(pmg_mgr_t *m) {
    struct mg_connection *found = NULL, *latest = NULL;
    long longest = STILL_MS;
    for (struct mg_connection *c = m->first; c != NULL; c = pmg_x(c)->next) {
        long still = owing(c);
        latest = still >= 0 ? c : latest;
        if (still > longest) {
            longest = still;
            found = c;
        }
    }
    return found != NULL ? found : latest;
}

// Tries before a peer is turned away: each may find a request that has just arrived.
#define EVICT_TRIES 4

static size_t in_use(const pmg_mgr_t *m) {
    return m->count - m->inner - m->evicted;
}

// May it go? What it waits for may lie in the socket, then it is neither idle nor still.
static bool goes(struct mg_connection *c) {
    pmg_mgr_t *m = pmg_m(c);
    uint64_t before = pmg_x(c)->deadline;
    bool was_idle = idle(c);
    long still = owing(c);
    if (m->polling && m->depth == 0 && !m->scratch_lent && !c->is_tls_hs &&
        (was_idle || still > STILL_MS)) {
        pmg_ready(c, PMG_IO_READ, false);
    }
    return was_idle ? idle(c) && pmg_x(c)->deadline == before
                    : owing(c) >= 0 && (still <= STILL_MS || owing(c) > STILL_MS);
}

// Browsers keep theirs open for a minute and more, and do not mind; who stalls must.
static struct mg_connection *candidate(pmg_mgr_t *m) {
    struct mg_connection *found = idle_longest(m);
    return found != NULL ? found : owing_longest(m);
}

int pmg_evict_room(pmg_mgr_t *m, struct mg_connection **victim) {
    size_t max = m->limits.max_conns;
    *victim = NULL;
    for (int i = 0; max > 0 && in_use(m) >= max; i++) {
        struct mg_connection *found = candidate(m);
        if (in_use(m) < max) {
            break;
        }
        if (found == NULL || i == EVICT_TRIES || m->stop) {
            return pmg_fail(m, -ENOBUFS, "%zu connections are open, the limit is max_conns",
                m->count - m->inner);
        }
        if (goes(found)) {
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

// Its descriptor is wanted now, and the rest of it ends with this turn.
static void give_descriptor(struct mg_connection *c) {
    const pmg_layer_t *layer = pmg_x(c)->layer;
    if (layer != NULL && layer->goodbye != NULL && pmg_send_len(c) == 0 && !pmg_x(c)->eof) {
        layer->goodbye(c);
    }
    pmg_outer_forget(c);
    pmg_io_close(c);
}

bool pmg_evict_descriptor(pmg_mgr_t *m) {
    for (struct mg_connection *c = m->first; c != NULL; c = pmg_x(c)->next) {
        if (c->is_closing && c->fd != (void *)(size_t)-1) { // nobody need go
            give_descriptor(c);
            return true;
        }
    }
    struct mg_connection *victim = candidate(m);
    pmg_evict(victim);
    if (victim != NULL) {
        give_descriptor(victim);
    }
    return victim != NULL;
}
