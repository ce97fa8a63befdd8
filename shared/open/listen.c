// SPDX-License-Identifier: GPL-2.0-only
//
// Listeners and what they accept.

#include "open_int.h"

// Peers accepted in one go before others have their turn.
#define ACCEPT_BURST 64
// How long a listener looks away when descriptors or memory ran out.
#define ACCEPT_PAUSE_MS 100

// ---------------------------------------------------------------------------------------------
// Accepting

static int begin_protocol(struct mg_connection *c) {
    const pmg_protocol_t *speaks = pmg_x(c)->speaks;
    pmg_opening_t o = {{NULL, 0}, NULL};
    int err = speaks->start != NULL ? speaks->start(c, &o) : 0;
    if (err == 0 && speaks->opened != NULL) {
        speaks->opened(c);
    }
    return err;
}

static void accepted(struct mg_connection *listener, struct mg_connection *c) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_conn_t *x = pmg_x(c), *lx = pmg_x(listener);
    c->is_accepted = 1;
    x->connected = 1;
    x->is_unix = lx->is_unix;
    if (x->is_unix && lx->host != NULL) {
        x->host = pmg_strndup(lx->host, strlen(lx->host));
    }
    pmg_events_set(c, lx->events);
    if (m->hooks.open(c, listener, NULL) < 0) {
        c->is_closing = 1;
        pmg_work(c);
        return;
    }
    x->speaks = lx->speaks;
    if (begin_protocol(c) < 0) {
        c->is_closing = 1;
    }
    c->is_tls = listener->is_tls;
    pmg_call(c, MG_EV_OPEN, NULL);
    pmg_call(c, MG_EV_ACCEPT, NULL);
    pmg_secure_accepted(listener, c);
    pmg_update(c);
}

// One waiting peer. 0; -EAGAIN: there is none; or why none can be taken now.
static int accept_one(struct mg_connection *listener) {
    pmg_mgr_t *m = pmg_m(listener);
    struct mg_connection *victim, *silent = NULL;
    if (pmg_x(listener)->insecure) {
        return pmg_io_refuse(listener, NULL);
    }
    if (listener->is_tls && !pmg_secure_room(m, &silent)) {
        return -ENOBUFS;
    }
    if (pmg_evict_room(m, &victim) < 0) {
        const char *refusal = pmg_x(listener)->speaks->refusal;
        return pmg_io_refuse(listener, listener->is_tls ? NULL : refusal);
    }
    struct mg_connection *c = pmg_conn_new(m);
    int err = c != NULL ? pmg_io_accept(listener, c) : -ENOMEM;
    if (err >= 0) {
        pmg_evict(victim); // only now: nobody may have been waiting
        pmg_evict(silent);
        accepted(listener, c);
    } else if (c != NULL) {
        pmg_hide(c);
        pmg_conn_free(c);
    }
    return err;
}

static void look_again(struct mg_connection *listener) {
    pmg_wants(listener);
    pmg_work(listener);
}

static void accept_ready(struct mg_connection *listener, int mask, bool error) {
    pmg_mgr_t *m = pmg_m(listener);
    (void)mask, (void)error;
    for (int i = 0; i < ACCEPT_BURST && !listener->is_closing && !m->stop; i++) {
        int err = accept_one(listener);
        if (err == -EAGAIN) {
            return;
        }
        if (pmg_no_descriptor(m, err)) {
            continue;
        }
        if (err == -EMFILE || err == -ENFILE || err == -ENOMEM || err == -ENOBUFS) {
            // The peer stays in the backlog, readiness would spin: look away for a while.
            pmg_io_watch(listener, 0);
            pmg_x(listener)->io_mask = 0;
            pmg_deadline(listener, look_again, ACCEPT_PAUSE_MS);
            return;
        }
    }
}

// ---------------------------------------------------------------------------------------------
// Listening

// A listener that no hook has heard of yet, and whom it takes the place of. 0 or why not, with its
// text.
static int new_listener(pmg_mgr_t *m, const pmg_protocol_t *speaks, struct mg_connection **victim,
    struct mg_connection **out) {
    int err = pmg_evict_room(m, victim);
    if (err < 0) {
        return err;
    }
    struct mg_connection *c = pmg_conn_new(m);
    if (c == NULL) {
        return pmg_fail(m, -ENOMEM, "no memory for a listener");
    }
    m->spare_descriptor = pmg_evict_descriptor;
    c->is_listening = 1;
    pmg_hide(c);
    pmg_x(c)->speaks = speaks;
    *out = c;
    return 0;
}

// Its socket is open (err 0) or not. `what` for the text: "on tcp://...", "for mDNS".
static int finish(struct mg_connection *c, int err, const char *what, struct mg_connection *victim,
    void *arg, struct mg_connection **out) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_conn_t *x = pmg_x(c);
    x->connected = c->is_udp;
    x->ready = c->is_udp ? pmg_datagram_ready : accept_ready;
    if (err == 0) {
        err = pmg_io_watch(c, PMG_IO_READ);
        x->io_mask = PMG_IO_READ;
    }
    if (err == 0) {
        err = pmg_show(c, arg);
    }
    if (err < 0) {
        pmg_conn_free(c);
        return pmg_fail(m, err, "cannot listen %s: %s", what, strerror(-err));
    }
    pmg_evict(victim);
    pmg_call(c, MG_EV_OPEN, NULL);
    *out = c;
    return 0;
}

int pmg_listen(pmg_mgr_t *m, const char *url, const pmg_protocol_t *speaks, int fd, void *arg,
    struct mg_connection **out) {
    pmg_url_t u;
    bool broadcast = m->broadcast;
    char what[96];
    struct mg_connection *victim = NULL, *c = NULL;
    *out = NULL;
    m->broadcast = false;
    int err = pmg_mgr_alive(m);
    if (err == 0) {
        err = pmg_url_parse_as(m, url, speaks, true, &u);
    }
    if (err == 0) {
        err = pmg_url_broadcast(m, url, &u, broadcast);
    }
    if (err == 0) {
        err = new_listener(m, u.is_udp ? &pmg_raw : speaks, &victim, &c);
    }
    if (err < 0) {
        return err;
    }
    pmg_conn_t *x = pmg_x(c);
    c->is_udp = u.is_udp;
    c->loc = u.addr;
    x->is_unix = u.is_unix;
    x->broadcast = broadcast;
    x->url_tls = u.is_tls;
    c->is_tls = u.is_tls;
    if (u.is_unix && (x->host = pmg_strndup(u.host.buf, u.host.len)) == NULL) {
        err = -ENOMEM;
    } else {
        do {
            err = pmg_io_listen(c, x->host, fd);
        } while (pmg_no_descriptor(m, err));
    }
    pmg_snprintf(what, sizeof(what), "on %.*s", PMG_CUT(url));
    return finish(c, err, what, victim, arg, out);
}

int pmg_listen_for(pmg_mgr_t *m, const pmg_protocol_t *speaks, void *state, void *arg,
    struct mg_connection **out) {
    char what[24];
    pmg_opening_t o = {{NULL, 0}, state};
    struct mg_connection *victim = NULL, *c = NULL;
    *out = NULL;
    int err = pmg_mgr_alive(m);
    if (err == 0) {
        err = new_listener(m, speaks, &victim, &c);
    }
    if (err < 0) {
        return err;
    }
    pmg_snprintf(what, sizeof(what), "for %s", speaks->name);
    return finish(c, speaks->listens(c, &o), what, victim, arg, out);
}
