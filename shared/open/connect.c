// SPDX-License-Identifier: GPL-2.0-only
//
// How connections begin: listeners, accepted peers, outbound connections.

#include "../base/record.h"

// Peers accepted in one go before others have their turn.
#define ACCEPT_BURST 64
// How long a listener looks away when descriptors or memory ran out.
#define ACCEPT_PAUSE_MS 100

static void set_protocol(struct mg_connection *c) {
    switch (pmg_x(c)->proto) {
        case PMG_HTTP: c->pfn = pmg_http_pfn; break;
#if PMG_HAS_MODBUS
        case PMG_MODBUS: c->pfn = pmg_modbus_pfn; break;
#endif
        default: break;
    }
}

static void accepted(struct mg_connection *listener, struct mg_connection *c) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_conn_t *x = pmg_x(c), *lx = pmg_x(listener);
    c->is_accepted = 1;
    x->connected = 1;
    x->proto = lx->proto;
    x->is_unix = lx->is_unix;
    if (x->is_unix && lx->host != NULL) {
        x->host = pmg_strndup(lx->host, strlen(lx->host));
    }
    if (m->hooks.open(c, listener, NULL) < 0) {
        c->is_closing = 1;
        pmg_work(c);
        return;
    }
    set_protocol(c);
    if (x->proto == PMG_HTTP) {
        pmg_deadline(c, PMG_DL_IDLE, m->limits.idle_timeout);
    } else if (x->proto == PMG_MQTT && pmg_mqtt_start(c) < 0) {
        c->is_closing = 1;
    }
    c->is_tls = listener->is_tls;
    mg_call(c, MG_EV_OPEN, NULL);
    mg_call(c, MG_EV_ACCEPT, NULL);
    pmg_tls_accepted(listener, c);
    pmg_update(c);
}

// A keep-alive connection between two requests.
static bool idle(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    return c->is_accepted && c->pfn == pmg_http_pfn && !c->is_closing && !c->is_draining &&
           !c->is_resp && !c->is_tls_hs && !c->is_full && !x->eof && x->file == NULL &&
           c->recv.len == 0 && pmg_conn_send_len(c) == 0 && pmg_http_idle(c);
}

// Of an idle connection, or of one that is closing: it gives room.
static void leaves(struct mg_connection *c) {
    if (!pmg_x(c)->evicted && !pmg_x(c)->inner) {
        pmg_x(c)->evicted = 1;
        pmg_m(c)->evicted++;
    }
}

// The idle HTTP connection that was idle for the longest time, or NULL. Counts those that are
// closing already, which stay in the table until the work queue has its turn.
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

// Is there room for another connection? If *victim is set, then by closing that one: browsers keep
// theirs open for a minute and more, and do not mind.
static bool table_has_room(pmg_mgr_t *m, struct mg_connection **victim) {
    size_t max = m->limits.max_conns;
    *victim = NULL;
    for (int i = 0; max > 0 && m->count - m->inner - m->evicted >= max; i++) {
        struct mg_connection *found = idle_longest(m);
        if (m->count - m->inner - m->evicted < max) {
            break;
        }
        if (found == NULL || i == EVICT_TRIES || m->stop) {
            return false;
        }
        uint64_t before = pmg_x(found)->deadline;
        // A request may wait in the socket: then this one is not idle.
        if (m->polling && m->depth == 0 && !m->scratch_lent) {
            pmg_io_ready(found, PMG_IO_READ, false);
        }
        if (idle(found) && pmg_x(found)->deadline == before) {
            *victim = found;
            break;
        }
    }
    return true;
}

static void evict(struct mg_connection *victim) {
    if (victim != NULL) {
        leaves(victim);
        pmg_close(victim);
    }
}

void pmg_accept_ready(struct mg_connection *listener) {
    static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
                               "Retry-After: 1\r\nContent-Length: 0\r\n\r\n";
    pmg_mgr_t *m = pmg_m(listener);
    for (int i = 0; i < ACCEPT_BURST && !listener->is_closing && !m->stop; i++) {
        int err;
        struct mg_connection *victim;
        if (!table_has_room(m, &victim)) {
            err = pmg_io_refuse(listener,
                pmg_x(listener)->proto == PMG_HTTP && !listener->is_tls ? busy : NULL);
        } else {
            struct mg_connection *c = pmg_conn_new(m);
            err = c != NULL ? pmg_io_accept(listener, c) : -ENOMEM;
            if (err >= 0) {
                evict(victim); // only now: nobody may have been waiting
                accepted(listener, c);
            } else if (c != NULL) {
                pmg_x(c)->internal = 1; // never seen by anyone: no events, no hooks
                pmg_conn_free(c);
            }
        }
        if (err == -EAGAIN) {
            return;
        }
        if (err == -EMFILE || err == -ENFILE || err == -ENOMEM || err == -ENOBUFS) {
            // The peer stays in the backlog, readiness would spin: look away for a while.
            pmg_io_watch(listener, 0);
            pmg_x(listener)->io_mask = 0;
            pmg_deadline(listener, PMG_DL_ACCEPT, ACCEPT_PAUSE_MS);
            return;
        }
    }
}

// MQTT and Modbus run over any stream that is not spoken for.
static int check_scheme(pmg_mgr_t *m, const char *url, const pmg_url_t *u, int proto) {
    bool fits = u->is_unix || u->proto == proto || (u->proto == PMG_RAW && !u->is_udp);
    if (proto == PMG_MODBUS && !fits) {
        return pmg_fail(m, -EINVAL,
            "URL %.*s: a Modbus URL starts with modbus://, tcp:// or tls://", PMG_CUT(url));
    }
    if (proto == PMG_MQTT && !fits) {
        return pmg_fail(m, -EINVAL,
            "URL %.*s: an MQTT URL starts with mqtt://, mqtts://, tcp:// or tls://", PMG_CUT(url));
    }
    return 0;
}

int pmg_listen(pmg_mgr_t *m, const char *url, int proto, int fd, void *arg,
    struct mg_connection **out) {
    pmg_url_t u;
    *out = NULL;
    int err = m->closing ? pmg_fail(m, -EBADF, "manager is closed") : pmg_io_check(m);
    if (err == 0) {
        err = pmg_url_parse(m, url, true, &u);
    }
    if (err < 0) {
        return err;
    }
    err = check_scheme(m, url, &u, proto);
    if (err < 0) {
        return err;
    }
    struct mg_connection *c = pmg_conn_new(m);
    if (c == NULL) {
        return pmg_fail(m, -ENOMEM, "no memory for a listener");
    }
    pmg_conn_t *x = pmg_x(c);
    c->is_listening = 1;
    c->is_udp = u.is_udp;
    c->loc = u.addr;
    x->proto = (uint8_t)(u.is_udp ? PMG_RAW : proto);
    x->is_unix = u.is_unix;
    x->url_tls = u.is_tls;
    c->is_tls = u.is_tls;
    x->connected = u.is_udp;
    x->internal = 1; // until it stands: no hook hears of a failure
    if (u.is_unix && (x->host = pmg_strndup(u.host.buf, u.host.len)) == NULL) {
        err = -ENOMEM;
    } else {
        err = pmg_io_listen(c, x->host, fd);
    }
    if (err == 0) {
        err = pmg_io_watch(c, PMG_IO_READ);
        x->io_mask = PMG_IO_READ;
    }
    if (err == 0) {
        err = m->hooks.open(c, NULL, arg);
    }
    if (err < 0) {
        pmg_conn_free(c);
        return pmg_fail(m, err, "cannot listen on %.*s: %s", PMG_CUT(url), strerror(-err));
    }
    x->internal = 0;
    mg_call(c, MG_EV_OPEN, NULL);
    *out = c;
    return 0;
}

// Starts to connect to c->rem or, where that fails at once, to the next address of its name.
static void start_connect(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    for (;;) {
        int err = pmg_io_connect(c, x->is_unix ? x->host : NULL);
        if (err == 0 && c->is_udp) {
            pmg_connected(c);
            return;
        }
        if (err == 0 || err == -EINPROGRESS) {
            // A unix socket connects at once: let connect() return before MG_EV_CONNECT.
            c->is_connecting = 1;
            pmg_dns_attempt(c);
            pmg_wants(c);
            return;
        }
        if (!pmg_dns_more(c)) {
            pmg_connect_failed(c, err);
            return;
        }
        pmg_io_close(c);
        x->watched = x->io_mask = 0;
        (void)pmg_dns_next(c);
    }
}

void pmg_connect_resolved(struct mg_connection *c) {
    mg_call(c, MG_EV_RESOLVE, NULL);
    if (!c->is_closing) {
        start_connect(c);
    }
}

bool pmg_connect_next(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    if (!pmg_dns_next(c)) {
        return false;
    }
    c->is_connecting = 0;
    pmg_io_close(c);
    x->watched = x->io_mask = 0;
    start_connect(c);
    return true;
}

void pmg_connect_failed(struct mg_connection *c, int err) {
    if (pmg_dns_more(c)) {
        // Later: the backend may be in the middle of telling of the handle that has to go.
        pmg_io_unwatch(c);
        pmg_x(c)->io_mask = 0;
        pmg_deadline(c, PMG_DL_RETRY, 1);
        return;
    }
    char text[96];
    pmg_snprintf(text, sizeof(text), "connect failed: %s", strerror(-err));
    pmg_fatal(c, text);
}

void pmg_connected(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    c->is_connecting = 0;
    x->connected = 1;
    pmg_dns_forget(c);
    pmg_deadline(c, PMG_DL_NONE, 0);
    set_protocol(c);
    if (x->proto == PMG_MQTT) {
        pmg_mqtt_await(c);
    }
    mg_call(c, MG_EV_CONNECT, NULL);
    pmg_tls_connected(c);
    if (x->proto == PMG_WS && !c->is_closing && !c->is_draining && pmg_ws_request(c) < 0) {
        pmg_fatal(c, "no memory for the WebSocket handshake");
    }
    pmg_update(c);
}

int pmg_connect(pmg_mgr_t *m, const char *url, int proto, void *arg, struct mg_connection **out) {
    pmg_url_t u;
    *out = NULL;
    int err = m->closing ? pmg_fail(m, -EBADF, "manager is closed") : pmg_io_check(m);
    if (err == 0) {
        err = proto == PMG_SNTP ? pmg_url_parse_for(m, url, "udp", 123, &u)
                                : pmg_url_parse(m, url, false, &u);
    }
    if (err < 0) {
        return err;
    }
    if (proto == PMG_SNTP && !u.is_udp) {
        return pmg_fail(m, -EINVAL, "URL %.*s: time is asked for over udp://", PMG_CUT(url));
    }
    if (proto == PMG_WS && u.proto != PMG_HTTP && !u.is_unix) {
        return pmg_fail(m, -EINVAL, "URL %.*s: a WebSocket URL starts with ws://", PMG_CUT(url));
    }
    err = check_scheme(m, url, &u, proto);
    if (err < 0) {
        return err;
    }
#if PMG_HAS_MQTT
    if (proto == PMG_MQTT && m->login == NULL) {
        return pmg_fail(m, -EINVAL, "URL %.*s: is for mqtt_connect()", PMG_CUT(url));
    }
#endif
    struct mg_connection *victim;
    if (!table_has_room(m, &victim)) {
        return pmg_fail(m, -ENOBUFS, "%zu connections are open, the limit is max_conns",
            m->count - m->inner);
    }
    struct mg_connection *c = pmg_conn_new(m);
    if (c == NULL) {
        return pmg_fail(m, -ENOMEM, "no memory for a connection");
    }
    pmg_conn_t *x = pmg_x(c);
    struct mg_str host = u.is_unix ? u.host : u.authority;
    c->is_client = 1;
    c->is_udp = u.is_udp;
    x->proto = (uint8_t)(u.is_udp ? PMG_RAW : proto);
    x->is_unix = u.is_unix;
    x->url_tls = u.is_tls;
    c->is_tls = u.is_tls;
    x->host = pmg_strndup(host.buf, host.len);
    if (proto == PMG_SNTP) {
        pmg_sntp_init(c);
    }
    x->target = proto == PMG_WS ? pmg_strndup(u.target.buf, u.target.len) : NULL;
    c->rem = u.addr;
    x->internal = 1;
    bool ok = x->host != NULL && (proto != PMG_WS || x->target != NULL) &&
              (x->proto != PMG_HTTP || pmg_request_new(c)) &&
              (x->proto != PMG_MQTT || pmg_mqtt_start(c) == 0);
    err = ok ? m->hooks.open(c, NULL, arg) : -ENOMEM;
    if (err < 0) {
        pmg_conn_free(c);
        return pmg_fail(m, err, "no memory for a connection");
    }
    x->internal = 0;
    *out = c;
    evict(victim);
    pmg_deadline(c, PMG_DL_CONNECT, m->limits.connect_timeout);
    mg_call(c, MG_EV_OPEN, (void *)(size_t)url);
    if (c->is_closing || c->is_draining) {
        pmg_work(c);
    } else if (x->waits) { // resolve() in the handler decides whom to connect to
        pmg_work(c);
    } else if (u.literal || u.is_unix) {
        start_connect(c);
    } else if ((err = pmg_dns_start(c, u.host, NULL)) < 0) {
        pmg_fatal(c, "no memory for a name lookup");
    }
    return 0;
}

int pmg_resolve(struct mg_connection *c, const char *url) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_conn_t *x = pmg_x(c);
    pmg_url_t u;
    if (c->is_listening || x->is_unix) {
        return pmg_fail(m, -EINVAL, "%s looks up no name: resolve() is for a client",
            c->is_listening ? "a listener" : "a unix socket");
    }
    if (c->is_closing || c->is_draining) {
        return pmg_fail(m, -EPIPE, "connection is %s", c->is_closing ? "closing" : "draining");
    }
    if (x->connected || c->is_connecting) {
        return pmg_fail(m, -EISCONN,
            "the peer is known already: resolve() in MG_EV_OPEN, or after resolve_cancel()");
    }
    if (x->waits) {
        return pmg_fail(m, -EALREADY, "a name lookup is under way: resolve_cancel() ends it");
    }
    int err = pmg_url_parse_for(m, url, "tcp", 0, &u);
    if (err < 0) {
        return err;
    }
    if (u.is_unix) {
        return pmg_fail(m, -EINVAL, "URL %.*s: a socket path needs no lookup", PMG_CUT(url));
    }
    if (u.has_port) {
        c->rem.port = u.addr.port;
    }
    err = pmg_dns_start(c, u.host, u.literal ? &u.addr : NULL);
    return err < 0 ? pmg_fail(m, err, "no memory for a name lookup") : 0;
}

void pmg_resolve_cancel(struct mg_connection *c) {
    if (c->is_resolving) {
        pmg_dns_forget(c);
    }
}
