// SPDX-License-Identifier: GPL-2.0-only
//
// TLS between a connection and its socket: its beginning and end, and the handshake, which readiness
// drives, one step at a time, while what was queued waits. Then the loop reads and writes by data.c.
//
// MG_EV_CONNECT comes after TCP's connect, MG_EV_TLS_HS when both sides are sure of each other.

#include "../base/names.h"
#if PMG_HAS_TLS && !defined(NO_QSTR)

#include "tls_int.h"

// Handshake steps that take no time share a turn; a step of cryptography ends it.
#define STEP_MS 1

// ---------------------------------------------------------------------------------------------
// Beginning and end

static void drop(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    pmg_tls_t *t = pmg_tls_of(c);
    if (t != NULL) {
        x->layer = NULL;
        x->layer_state = NULL;
        pmg_tls_count(t, false);
        pmg_tls_ahead_free(t);
        pmg_tls_cert_free(t->peer);
        pmg_free(t->peer_der);
        mbedtls_ssl_free(&t->ssl); // which looks at its configuration, so that goes after it
        pmg_tls_sni_unref(t->sni);
        pmg_tls_conf_unref(t->conf);
        pmg_free(t);
    }
    c->is_tls_hs = 0;
}

static void goodbye(struct mg_connection *c) {
    pmg_tls_t *t = pmg_x(c)->layer_state;
    if (!t->closed && !c->is_tls_hs && t->pending_write == 0) {
        t->closed = true;
        (void)mbedtls_ssl_close_notify(&t->ssl);
    }
}

static void end(struct mg_connection *c) {
    pmg_tls_t *t = pmg_x(c)->layer_state;
    // Only who got everything is told that this was the end.
    if (pmg_send_len(c) == 0 && !t->eof) {
        goodbye(c);
    }
    if (c->is_tls_hs && t->begun && !t->eof && !t->closed) { // by the program, or it took too long
        pmg_tls_alert(t, 0);
    }
    drop(c);
}

// What a listener holds for those that it accepts.
typedef struct {
    pmg_tls_conf_t *conf;
    pmg_tls_sni_t *sni;
} held_t;

static bool never(struct mg_connection *c) {
    (void)c;
    return false;
}

static void end_listener(struct mg_connection *c) {
    held_t *held = pmg_x(c)->layer_state;
    pmg_tls_conf_unref(held->conf);
    pmg_tls_sni_unref(held->sni);
    pmg_free(held);
    pmg_x(c)->layer = NULL;
    pmg_x(c)->layer_state = NULL;
}

static const pmg_layer_t listener_layer = {.pending = never, .end = end_listener};

static void handshake_late(struct mg_connection *c) {
    pmg_fatal(c, "TLS: the handshake timed out");
}

int pmg_tls_free(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    if (pmg_tls_of(c) != NULL) {
        pmg_tls_give_back(pmg_tls_of(c));
    }
    if (x->layer != NULL) {
        x->layer->end(c);
    }
    x->insecure = 0; // so the program wants it
    c->is_tls = x->url_tls && (c->is_listening || !x->connected);
    if (x->late == handshake_late) {
        pmg_no_deadline(c);
    }
    if (x->connected && !c->is_closing) {
        pmg_work(c);
    }
    return 0;
}

// A second call before the handshake changes the options, not where TLS begins.
static void inherit(pmg_tls_t *t, pmg_tls_t *old) {
    if (old != NULL) {
        t->was_plain = old->was_plain;
        t->clear = old->clear;
        t->early = old->early;
        t->ahead = old->ahead;
        t->ahead_pos = old->ahead_pos;
        t->ahead_len = old->ahead_len;
        old->ahead = NULL;
    }
}

// What a handshake takes besides, until it is over: its keys, the numbers of its cryptography and the
// certificates as they are read. Measured at most, with RSA keys of 2048 bits on both sides.
#define TLS_HANDSHAKE 8192
// Its own record and mbedTLS's two buffers.
#define TLS_HELD (sizeof(pmg_tls_t) + MBEDTLS_SSL_IN_CONTENT_LEN + MBEDTLS_SSL_OUT_CONTENT_LEN)

// On failure there is no TLS: the caller closes the connection.
static int set_up(struct mg_connection *c, pmg_tls_conf_t *conf, pmg_tls_sni_t *sni) {
    pmg_conn_t *x = pmg_x(c);
    pmg_mgr_t *m = pmg_m(c);
    int err = c->is_client ? pmg_tls_conf_client(conf) : 0;
    if (err == -ENOENT) {
        return pmg_fail(m, -EINVAL,
            "no CA to verify the server with: give TlsOpts(ca=...), or skip_verification=True");
    }
    if (conf->has_13 && !PMG_TLS_MAY_13) {
        return pmg_fail(m, -EINVAL, "TlsOpts of the first core: make others for this one");
    }
    pmg_tls_t *t = pmg_budget(c, TLS_HELD + TLS_HANDSHAKE, false) ? pmg_alloc(sizeof(*t)) : NULL;
    if (t == NULL) {
        return pmg_fail(m, -ENOMEM, "no memory for TLS: a connection takes %u bytes",
            (unsigned)TLS_HELD);
    }
    memset(t, 0, sizeof(*t));
    mbedtls_ssl_init(&t->ssl);
    t->c = c;
    t->conf = conf;
    t->sni = sni;
    pmg_tls_conf_ref(conf);
    pmg_tls_sni_ref(sni);
    inherit(t, pmg_tls_of(c));
    drop(c);
    x->layer = &pmg_tls_layer;
    x->layer_state = t;
    const mbedtls_ssl_config *which = c->is_client  ? &conf->client
                                      : sni != NULL ? pmg_tls_sni_config(sni)
                                                    : &conf->server;
    err = mbedtls_ssl_setup(&t->ssl, which) == 0 ? 0 : -ENOMEM;
    if (err == 0 && c->is_client) {
        err = pmg_tls_set_name(c, t);
    }
    if (err < 0) {
        drop(c);
        return err == -EDESTADDRREQ
                   ? pmg_fail(m, -EINVAL, "no server name to verify: give TlsOpts(name=...)")
                   : pmg_fail(m, err, "no memory for TLS: a connection takes %u bytes",
                         (unsigned)TLS_HELD);
    }
    pmg_budget_note(c);
    mbedtls_ssl_set_user_data_p(&t->ssl, t);
    mbedtls_ssl_set_bio(&t->ssl, t, pmg_tls_send, pmg_tls_recv, NULL);
    mbedtls_ssl_set_verify(&t->ssl, pmg_tls_verify, t);
    c->is_tls = c->is_tls_hs = 1;
    return 0;
}

// Connected, and told how: the handshake begins.
static void begin(struct mg_connection *c) {
    pmg_tls_t *t = pmg_tls_of(c);
    if (c->is_client) {
        pmg_tls_session_resume(t);
    }
    t->want_write = pmg_x(c)->in_read; // it is not queued then: the socket brings us back
    pmg_deadline(c, handshake_late, pmg_m(c)->limits.handshake_timeout);
    if (c->is_accepted) {
        pmg_tls_count(t, true);
        pmg_watch(c);
    }
    pmg_work(c);
}

// A second call before that may change what the first one said.
static bool has_begun(struct mg_connection *c) {
    const pmg_tls_t *t = pmg_tls_of(c);
    return t != NULL && (t->begun || !c->is_tls_hs);
}

void pmg_tls_failed(struct mg_connection *c, const char *why) {
    pmg_conn_t *x = pmg_x(c);
    if (c->is_listening && !c->is_udp) {
        x->insecure = x->layer == NULL;
    } else if (!has_begun(c)) {
        pmg_fatal(c, why);
    }
}

// What was in the clear becomes TLS. What is queued leaves as it is; what came and was not read was
// sent by who knows whom, ahead of any key: it is the beginning of TLS, or it is refused.
static int upgrade(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    pmg_tls_t *t = pmg_tls_of(c);
    t->was_plain = true;
    t->clear = pmg_send_len(c);
    if (x->speaks->read == NULL) { // of what has a framing the handshake takes the rest
        struct mg_str rest = pmg_recv_peek(c);
        if (pmg_tls_early(t, rest.buf, rest.len) < 0) {
            return pmg_fail(pmg_m(c), -ENOMEM, "no memory for TLS");
        }
        (void)pmg_recv_consume(c, rest.len);
    }
    if (c->is_client && !x->is_unix && t->conf->name != NULL) { // beyond a proxy, for example
        char *host = pmg_strndup(t->conf->name, strlen(t->conf->name));
        if (host == NULL) {
            return pmg_fail(pmg_m(c), -ENOMEM, "no memory for TLS");
        }
        pmg_free(x->host);
        x->host = host;
    }
    return 0;
}

static int give_listener(struct mg_connection *c, pmg_tls_conf_t *conf, pmg_tls_sni_t *sni) {
    pmg_conn_t *x = pmg_x(c);
    held_t *held = pmg_alloc(sizeof(*held));
    if (held == NULL) {
        return pmg_fail(pmg_m(c), -ENOMEM, "no memory for TLS");
    }
    if (x->layer != NULL) {
        x->layer->end(c);
    }
    held->conf = conf;
    held->sni = sni;
    pmg_tls_conf_ref(conf);
    pmg_tls_sni_ref(sni);
    x->layer = &listener_layer;
    x->layer_state = held;
    x->insecure = 0;
    c->is_tls = 1;
    return 0;
}

static int give(struct mg_connection *c, pmg_tls_conf_t *conf, pmg_tls_sni_t *sni) {
    pmg_conn_t *x = pmg_x(c);
    pmg_mgr_t *m = pmg_m(c);
    if (c->is_udp) {
        return pmg_fail(m, -EINVAL, "TLS needs a stream: UDP has none");
    }
    int err = pmg_conn_alive(c);
    if (err < 0) {
        return err;
    }
    // What a listener accepts may bring its own; but one that it has is not lost by mistake.
    const held_t *had = c->is_listening ? x->layer_state : NULL;
    if (!c->is_client && !conf->has_cert &&
        (!c->is_listening || (had != NULL && had->conf->has_cert))) {
        return pmg_fail(m, -EINVAL, "TlsOpts has no cert: a TLS server needs cert and key");
    }
    if (c->is_client && sni != NULL) {
        return pmg_fail(m, -EINVAL, "sni is a server's: a client says TlsOpts(name=...)");
    }
    if (sni != NULL) {
        pmg_tls_sni_bind(sni, conf);
    }
    if (c->is_listening) {
        return give_listener(c, conf, sni);
    }
    if (has_begun(c)) {
        return pmg_fail(m, -EALREADY, "TLS has begun on this connection already");
    }
    bool plain = x->connected && !c->is_tls;
    if (plain && (x->source != NULL || x->hold)) {
        return pmg_fail(m, -EBUSY, "what is being sent is not complete: tls_init() comes after it");
    }
    if (plain && x->has_read && x->speaks->read != NULL &&
        (x->speaks->upgrades == NULL || !x->speaks->upgrades(c))) {
        return pmg_fail(m, -EINVAL, "%s has begun in the clear: give it TLS before it begins",
            x->speaks->name);
    }
    err = set_up(c, conf, sni);
    if (err == 0 && plain) {
        err = upgrade(c);
    }
    if (err == 0 && x->connected) {
        begin(c);
    }
    return err;
}

int pmg_tls_init(struct mg_connection *c, pmg_tls_conf_t *conf, pmg_tls_sni_t *sni) {
    int err = give(c, conf, sni);
    if (err < 0) {
        char why[sizeof(pmg_m(c)->err_text)]; // a handler of MG_EV_ERROR may fail at other things
        pmg_snprintf(why, sizeof(why), "%s", pmg_m(c)->err_text);
        pmg_tls_failed(c, why);
        return pmg_fail(pmg_m(c), err, "%s", why);
    }
    return 0;
}

void pmg_tls_accepted(struct mg_connection *listener, struct mg_connection *c) {
    pmg_conn_t *lx = pmg_x(listener);
    const held_t *held = lx->layer_state;
    if (c->is_closing || pmg_x(c)->layer != NULL || !(lx->url_tls || held != NULL)) {
        return;
    }
    if (held == NULL || !held->conf->has_cert) {
        pmg_fatal(c, "TLS: no certificate: call tls_init() on the listener, or in MG_EV_ACCEPT");
    } else if (set_up(c, held->conf, held->sni) < 0) {
        pmg_fatal(c, pmg_m(c)->err_text);
    } else {
        begin(c);
    }
}

void pmg_tls_connected(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    if (c->is_closing) {
        return;
    }
    if (x->layer == NULL && x->url_tls) {
        pmg_tls_conf_t *conf = pmg_tls_conf_default();
        if (conf == NULL || set_up(c, conf, NULL) < 0) {
            pmg_fatal(c, conf != NULL ? pmg_m(c)->err_text : "no memory for TLS");
        }
        pmg_tls_conf_unref(conf); // the connection has its own reference
    }
    if (x->layer != NULL && c->is_tls_hs && !c->is_closing) {
        begin(c);
    }
}

const char *pmg_conn_alpn(struct mg_connection *c) {
#ifdef MBEDTLS_SSL_ALPN
    pmg_tls_t *t = pmg_tls_of(c);
    return t != NULL && !c->is_tls_hs ? mbedtls_ssl_get_alpn_protocol(&t->ssl) : NULL;
#else
    return NULL;
#endif
}

// ---------------------------------------------------------------------------------------------
// The handshake

static void finished(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    c->is_tls_hs = 0;
    pmg_tls_count(x->layer_state, false);
    pmg_budget_note(c);
    if (x->late == handshake_late) {
        pmg_no_deadline(c);
    }
    if (x->speaks->opened != NULL) {
        x->speaks->opened(c);
    }
    if (c->is_closing) {
        return;
    }
    pmg_call(c, MG_EV_TLS_HS, NULL);
    pmg_update(c);
}

// Has what was queued ahead of TLS left? Then what a framing has not taken is the handshake's.
static bool left_the_clear(struct mg_connection *c) {
    pmg_tls_t *t = pmg_x(c)->layer_state;
    while (t->clear > 0) {
        long n = pmg_flush_plain(c, t->clear);
        if (n == -EAGAIN) {
            t->want_write = true;
            pmg_wants(c);
            return false;
        }
        if (n <= 0) {
            t->io_err = (int)n;
            pmg_tls_give_up(c, PMG_TLS_IO_FAILED);
            return false;
        }
        size_t count = (size_t)n;
        t->clear -= count;
        pmg_call(c, MG_EV_WRITE, &count);
        t = pmg_tls_of(c); // Python may have ended it
        if (t == NULL || c->is_closing) {
            return false;
        }
    }
    if (c->recv.len > 0) {
        struct mg_str rest = pmg_recv_peek(c);
        if (pmg_tls_early(t, rest.buf, rest.len) < 0) {
            pmg_tls_give_up(c, MBEDTLS_ERR_SSL_ALLOC_FAILED);
            return false;
        }
        pmg_buf_free(&c->recv);
        pmg_x(c)->recv_off = 0;
        c->is_full = 0;
    }
    return true;
}

static void handshake(struct mg_connection *c) {
    pmg_tls_t *t = pmg_tls_of(c);
    pmg_mgr_t *m = pmg_m(c);
    if (t->turn == m->turn || !pmg_tls_may_step(m)) { // it had its step, or all had theirs
        pmg_work(c);
        return;
    }
    if (t->was_plain && !t->begun) {
        if (!left_the_clear(c)) {
            return;
        }
        t = pmg_tls_of(c);
    }
    uint64_t start = pmg_port_millis();
    unsigned used = 1;
    t->begun = true;
    t->waiting = false;
    for (;;) {
        // What has not left must, before other keys are taken: with output pending, this only sends that.
        int r = t->ssl.out_left > 0
                    ? mbedtls_ssl_send_alert_message(&t->ssl, MBEDTLS_SSL_ALERT_LEVEL_WARNING, 0)
                    : 0;
        if (r == 0) {
            pmg_tls_application_keys(t);
            r = mbedtls_ssl_handshake_step(&t->ssl);
        }
        if (r == MBEDTLS_ERR_SSL_WANT_READ || r == MBEDTLS_ERR_SSL_WANT_WRITE) {
            if (t->ssl.in_hslen > MBEDTLS_SSL_IN_CONTENT_LEN) { // it would wait for all of that
                pmg_tls_give_up(c, MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER);
                return;
            }
            t->want_write = r == MBEDTLS_ERR_SSL_WANT_WRITE;
            t->waiting = true;
            pmg_wants(c);
            return;
        }
        m->handshake_steps += used; // none for a look at what has not come
        used = 0;
        if (r != 0) {
            pmg_tls_give_up(c, r);
            return;
        }
        if (mbedtls_ssl_is_handshake_over(&t->ssl)) {
            if (c->is_client &&
                mbedtls_ssl_get_version_number(&t->ssl) == MBEDTLS_SSL_VERSION_TLS1_2) {
                pmg_tls_session_keep(t); // in TLS 1.3 it comes later
            }
            finished(c);
            return;
        }
        if (pmg_port_millis() - start >= STEP_MS) {
            t->turn = m->turn;
            pmg_work(c);
            return;
        }
    }
}

// ---------------------------------------------------------------------------------------------
// What the loop asks

static uint32_t heard(struct mg_connection *c) {
    const pmg_tls_t *t = pmg_x(c)->layer_state;
    return t->moved;
}

static bool wants_write(struct mg_connection *c) {
    const pmg_tls_t *t = pmg_x(c)->layer_state;
    return t->want_write;
}

static bool pending(struct mg_connection *c) {
    pmg_tls_t *t = pmg_x(c)->layer_state;
    return !c->is_tls_hs && pmg_x(c)->connected && !c->is_draining &&
           (t->read_err != 0 || t->ahead != NULL || mbedtls_ssl_check_pending(&t->ssl) != 0);
}

static size_t held(struct mg_connection *c) {
    const pmg_tls_t *t = pmg_x(c)->layer_state;
    return TLS_HELD + (c->is_tls_hs ? TLS_HANDSHAKE : 0) + t->peer_der_len + pmg_tls_peer_size(t) +
           pmg_tls_cert_size(t->peer) + (t->ahead != NULL ? t->ahead_len : 0);
}

const pmg_layer_t pmg_tls_layer = {
    .read = pmg_tls_read,
    .write = pmg_tls_write,
    .early = pmg_tls_is_early,
    .pending = pending,
    .wants_write = wants_write,
    .handshake = handshake,
    .heard = heard,
    .held = held,
    .goodbye = goodbye,
    .end = end,
};

#endif
