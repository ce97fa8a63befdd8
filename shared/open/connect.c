// SPDX-License-Identifier: GPL-2.0-only
//
// Clients: from the URL to a connection that stands.

#include "open_int.h"

// ---------------------------------------------------------------------------------------------
// Connecting

static void connected(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    c->is_connecting = 0;
    x->connected = 1;
    x->ready = c->is_udp ? pmg_datagram_ready : pmg_stream_ready;
    pmg_search_end(c);
    pmg_no_deadline(c);
    if (x->speaks->opened != NULL) {
        x->speaks->opened(c);
    }
    pmg_call(c, MG_EV_CONNECT, NULL);
    pmg_secure_connected(c);
    if (x->speaks->begin != NULL && !c->is_closing && !c->is_draining) {
        x->speaks->begin(c);
    }
    pmg_update(c);
}

static void connect_failed(struct mg_connection *c, int err) {
    char text[96];
    pmg_snprintf(text, sizeof(text), "connect failed: %s", strerror(-err));
    pmg_fatal(c, text);
}

static void connecting_ready(struct mg_connection *c, int mask, bool error) {
    int err = pmg_io_connect_result(c);
    (void)mask, (void)error;
    if (err == 0) {
        connected(c);
    } else if (err != -EINPROGRESS) {
        connect_failed(c, err);
    }
}

// Starts to connect to c->rem. Of a name's addresses UDP takes the first that there is a way to.
static void start_connect(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    if (!c->is_udp && pmg_search_many(c)) {
        pmg_race_begin(c);
        return;
    }
    for (;;) {
        int err;
        if (x->everyone != NULL) {
            *x->everyone = c->rem;
        }
        do {
            err = pmg_io_connect(c, x->is_unix ? x->host : NULL);
        } while (pmg_no_descriptor(pmg_m(c), err));
        if (err == 0 && c->is_udp) {
            connected(c);
            return;
        }
        if (err == 0 || err == -EINPROGRESS) {
            // A unix socket connects at once: let connect() return before MG_EV_CONNECT.
            c->is_connecting = 1;
            x->ready = connecting_ready;
            pmg_wants(c);
            return;
        }
        pmg_outer_forget(c);
        pmg_io_close(c);
        x->watched = x->io_mask = 0;
        if (!pmg_search_next(c)) {
            connect_failed(c, err);
            return;
        }
    }
}

static void resolved(struct mg_connection *c) {
    pmg_call(c, MG_EV_RESOLVE, NULL);
    if (!c->is_closing) {
        start_connect(c);
    }
}

static void connect_late(struct mg_connection *c) {
    if (c->is_resolving) {
        pmg_fatal(c, "name lookup timed out");
    } else if (!pmg_race_late(c)) {
        pmg_fatal(c, "connect timed out");
    }
}

static const pmg_search_for_t search = {resolved, connect_late, connected, connect_failed};

// A listener stays what it is: it hears of the address, which is its remote address then.
static void told(struct mg_connection *c) {
    pmg_search_end(c);
    pmg_call(c, MG_EV_RESOLVE, NULL);
}

static const pmg_search_for_t telling = {.found = told};

int pmg_resolve(struct mg_connection *c, const char *url) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_conn_t *x = pmg_x(c);
    pmg_url_t u;
    if (x->is_unix) {
        return pmg_fail(m, -EINVAL, "a unix socket looks up no name: resolve() is for a client");
    }
    int err = pmg_conn_alive(c);
    if (err < 0) {
        return err;
    }
    if (!c->is_listening && (x->connected || c->is_connecting)) {
        return pmg_fail(m, -EISCONN,
            "the peer is known already: resolve() in MG_EV_OPEN, or after resolve_cancel()");
    }
    if (x->wait != NULL) {
        return pmg_fail(m, -EALREADY, "a name lookup is under way: resolve_cancel() ends it");
    }
    err = pmg_url_parse_for(m, url, "tcp", 0, &u);
    if (err < 0) {
        return err;
    }
    if (u.is_unix) {
        return pmg_fail(m, -EINVAL, "URL %.*s: a socket path needs no lookup", PMG_CUT(url));
    }
    if (u.has_port) {
        c->rem.port = u.addr.port;
    }
    err = pmg_search_start(c, c->is_listening ? &telling : &search, u.host,
        u.literal ? &u.addr : NULL);
    return err < 0 ? pmg_fail(m, err, "no memory for a name lookup") : 0;
}

void pmg_open_broadcast(pmg_mgr_t *m) {
    m->broadcast = true;
}

void pmg_resolve_cancel(struct mg_connection *c) {
    if (c->is_resolving) {
        pmg_search_end(c);
    }
}

// ---------------------------------------------------------------------------------------------
// The beginning

// A client that no hook has heard of yet. 0 or why not, with its text.
static int new_client(pmg_mgr_t *m, const pmg_url_t *u, const pmg_protocol_t *speaks,
    const void *state, struct mg_connection **out) {
    struct mg_connection *c = pmg_conn_new(m);
    if (c == NULL) {
        return pmg_fail(m, -ENOMEM, "no memory for a connection");
    }
    pmg_conn_t *x = pmg_x(c);
    struct mg_str host = u->is_unix ? u->host : u->authority;
    size_t before = u->zone.len > 0 ? (size_t)(u->zone.buf - host.buf) : host.len;
    pmg_opening_t o = {u->target, state};
    c->is_client = 1;
    c->is_udp = u->is_udp;
    c->rem = u->addr;
    c->is_tls = u->is_tls;
    x->is_unix = u->is_unix;
    x->url_tls = u->is_tls;
    pmg_hide(c);
    x->speaks = speaks;
    x->host = pmg_strndup(host.buf, host.len);
    if (x->host != NULL && before < host.len) { // the zone is nobody else's to know
        memmove(x->host + before, x->host + before + u->zone.len,
            host.len - before - u->zone.len + 1);
    }
    int err = x->host == NULL ? -ENOMEM : speaks->start != NULL ? speaks->start(c, &o) : 0;
    if (err < 0) {
        pmg_conn_free(c);
        return err == -ENOMEM ? pmg_fail(m, err, "no memory for a connection") : err;
    }
    *out = c;
    return 0;
}

// Who was told of it knows where it leads: a look-up, or straight to an address.
static void set_out(struct mg_connection *c, const pmg_url_t *u) {
    if (c->is_closing || c->is_draining || pmg_x(c)->wait != NULL) {
        pmg_work(c); // the last: resolve() in the handler decides whom to connect to
    } else if (u->literal || u->is_unix) {
        start_connect(c);
    } else if (pmg_search_start(c, &search, u->host, NULL) < 0) {
        pmg_fatal(c, "no memory for a name lookup");
    }
}

int pmg_connect(pmg_mgr_t *m, const char *url, const pmg_protocol_t *speaks, const void *state,
    void *arg, struct mg_connection **out) {
    pmg_url_t u;
    bool broadcast = m->broadcast;
    struct mg_connection *victim, *c = NULL;
    *out = NULL;
    m->broadcast = false;
    int err = pmg_mgr_alive(m);
    if (err == 0) {
        err = pmg_url_parse_as(m, url, speaks, false, &u);
    }
    if (err == 0 && speaks->only_by != NULL && state == NULL) {
        err = pmg_fail(m, -EINVAL, "URL %.*s: is for %s", PMG_CUT(url), speaks->only_by);
    }
    if (err == 0) {
        err = pmg_url_broadcast(m, url, &u, broadcast);
    }
    if (err == 0) {
        m->depth++; // so that it reads from nobody: a handler might change what `state` points to
        err = pmg_evict_room(m, &victim);
        m->depth--;
    }
    if (err == 0) {
        err = new_client(m, &u, u.is_udp && !speaks->datagrams ? &pmg_raw : speaks, state, &c);
    }
    if (err < 0) {
        return err;
    }
    if (broadcast) {
        pmg_x(c)->broadcast = 1;
        pmg_x(c)->everyone = pmg_alloc(sizeof(struct mg_addr));
    }
    err = broadcast && pmg_x(c)->everyone == NULL ? -ENOMEM : pmg_show(c, arg);
    if (err < 0) {
        pmg_conn_free(c);
        return pmg_fail(m, err, "no memory for a connection");
    }
    *out = c;
    pmg_evict(victim);
    pmg_deadline(c, connect_late, m->limits.connect_timeout);
    pmg_call(c, MG_EV_OPEN, (void *)(size_t)url);
    set_out(c, &u);
    return 0;
}
