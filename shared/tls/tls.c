// SPDX-License-Identifier: GPL-2.0-only
//
// TLS between a connection and its socket. The loop reads and writes through here once the handshake
// is over; until then readiness drives the handshake, one step at a time, and what was queued waits.
//
// MG_EV_CONNECT comes after TCP's connect, MG_EV_TLS_HS when both sides are sure of each other.

#include "../base/names.h"
#if PMG_HAS_TLS && !defined(NO_QSTR)

#include "tls_int.h"

// What one connection may move before the others have their turn.
#define WRITE_BURST (8 * 16384)
#define READS_MAX 4 // of PMG_TLS_AHEAD
// Handshake steps that take no time share a turn; a step of cryptography ends it.
#define STEP_MS 1

// ---------------------------------------------------------------------------------------------
// Failure

static void fail(struct mg_connection *c, int err) {
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
                                 "Content-Type: text/plain\r\nContent-Length: 24\r\n\r\n"
                                 "This port speaks HTTPS.\n";
    pmg_tls_t *t = pmg_x(c)->layer_state;
    char text[200];
    if (t->plain_http && !c->is_client) {
        (void)pmg_io_write(c, answer, sizeof(answer) - 1);
    }
    pmg_tls_explain(t, err, text, sizeof(text));
    t->closed = true; // no goodbye: mbedTLS has sent its alert
    if (c->is_tls_hs && t->io_err == 0) {
        // A close with unread bytes would reset the connection, and the alert be lost.
        char junk[512];
        pmg_io_shutdown(c);
        for (int i = 0; i < 16 && pmg_io_read(c, junk, sizeof(junk)) > 0; i++) {}
    }
    if (c->is_draining && !c->is_tls_hs) { // the peer left before it took all: nobody to tell
        pmg_close(c);
    } else {
        pmg_fatal(c, text);
    }
}

// ---------------------------------------------------------------------------------------------
// What mbedTLS calls

static int bio_send(void *ctx, const unsigned char *buf, size_t len) {
    pmg_tls_t *t = ctx;
    long n = pmg_io_write(t->c, buf, len);
    if (n > 0) {
        t->moved += (uint32_t)n;
        return (int)n;
    }
    if (n == 0 || n == -EAGAIN) {
        return MBEDTLS_ERR_SSL_WANT_WRITE;
    }
    t->io_err = (int)n;
    if (t->c->is_tls_hs) { // its alert may lie there to be read, and says more
        return (int)len;
    }
    return PMG_TLS_IO_FAILED;
}

// The first bytes of a TLS connection are no letters.
static bool is_http(const unsigned char *p, size_t len) {
    static const char starts[][5] = {
        "GET ", "HEAD", "POST", "PUT ", "DELE", "OPTI", "PATC", "CONN", "PRI ", "HTTP"};
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        if (len >= 4 && memcmp(p, starts[i], 4) == 0) {
            return true;
        }
    }
    return false;
}

#if PMG_TLS_AHEAD > 0
// A manager's connections take turns with one buffer.
typedef struct {
    pmg_attached_t attached;
    unsigned char bytes[PMG_TLS_AHEAD];
} ahead_t;

static void free_ahead(pmg_mgr_t *m, pmg_attached_t *a) {
    (void)m;
    pmg_free(a);
}

static unsigned char *ahead_of(pmg_mgr_t *m) {
    ahead_t *a = (ahead_t *)(void *)pmg_attached(m, free_ahead);
    return a != NULL ? a->bytes : NULL;
}

// NULL: there is no memory, reading goes without.
static unsigned char *new_ahead(pmg_mgr_t *m) {
    ahead_t *a = pmg_alloc(sizeof(*a));
    if (a != NULL) {
        a->attached.end = free_ahead;
        pmg_attach(m, &a->attached);
    }
    return a != NULL ? a->bytes : NULL;
}

static long take_ahead(pmg_tls_t *t, unsigned char *buf, size_t len) {
    size_t left = t->ahead_len - t->ahead_pos;
    len = len < left ? len : left;
    memcpy(buf, t->ahead + t->ahead_pos, len);
    t->ahead_pos += len;
    if (len == left) {
        if (t->ahead != ahead_of(pmg_m(t->c))) {
            pmg_free(t->ahead);
        }
        t->ahead = NULL;
    }
    return (long)len;
}

static long read_ahead(pmg_tls_t *t, unsigned char *buf, size_t len) {
    pmg_mgr_t *m = pmg_m(t->c);
    if (t->ahead != NULL) {
        return take_ahead(t, buf, len);
    }
    if (t->drained) {
        return -EAGAIN; // if more has come meanwhile, the socket will say so
    }
    unsigned char *ahead = ahead_of(m);
    if (ahead == NULL) {
        ahead = new_ahead(m);
    }
    if (!t->reading || ahead == NULL) {
        return pmg_io_read(t->c, buf, len);
    }
    long n = pmg_io_read(t->c, ahead, PMG_TLS_AHEAD);
    if (n <= 0) {
        return n;
    }
    t->drained = n < PMG_TLS_AHEAD || ++t->reads == READS_MAX;
    t->ahead = ahead;
    t->ahead_pos = 0;
    t->ahead_len = (size_t)n;
    return take_ahead(t, buf, len);
}

// The buffer is another connection's next: what is left gets a block of its own.
static bool keep_ahead(pmg_tls_t *t) {
    t->reading = t->drained = false;
    if (t->ahead == NULL || t->ahead != ahead_of(pmg_m(t->c))) {
        return true;
    }
    size_t left = t->ahead_len - t->ahead_pos;
    t->ahead = pmg_alloc(left);
    if (t->ahead == NULL) {
        return false;
    }
    memcpy(t->ahead, ahead_of(pmg_m(t->c)) + t->ahead_pos, left);
    t->ahead_pos = 0;
    t->ahead_len = left;
    return true;
}
#else
#define read_ahead(t, buf, len) pmg_io_read((t)->c, buf, len)
#define keep_ahead(t) true
#endif

static int bio_recv(void *ctx, unsigned char *buf, size_t len) {
    pmg_tls_t *t = ctx;
    long n = read_ahead(t, buf, len);
    if (n > 0) {
        t->moved += (uint32_t)n;
        if (!t->heard && is_http(buf, (size_t)n)) {
            t->plain_http = true;
            return MBEDTLS_ERR_SSL_INVALID_RECORD;
        }
        t->heard = true;
        return (int)n;
    }
    if (n == 0) {
        t->eof = true;
        return MBEDTLS_ERR_SSL_CONN_EOF;
    }
    if (n == -EAGAIN) {
        return MBEDTLS_ERR_SSL_WANT_READ;
    }
    t->io_err = (int)n;
    return PMG_TLS_IO_FAILED;
}

static bool names_address(const mbedtls_x509_crt *crt, const pmg_tls_t *t) {
    for (const mbedtls_x509_sequence *s = &crt->subject_alt_names; s != NULL; s = s->next) {
        if ((s->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK) == MBEDTLS_X509_SAN_IP_ADDRESS &&
            s->buf.len == t->address_len && memcmp(s->buf.p, t->address, s->buf.len) == 0) {
            return true;
        }
    }
    return false;
}

static void note_name(pmg_tls_t *t, const mbedtls_x509_crt *crt) {
    for (const mbedtls_x509_sequence *s = &crt->subject_alt_names; s != NULL; s = s->next) {
        if ((s->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK) == MBEDTLS_X509_SAN_DNS_NAME) {
            pmg_snprintf(t->named, sizeof(t->named), "%.*s", (int)s->buf.len, (char *)s->buf.p);
            return;
        }
    }
    if (mbedtls_x509_dn_gets(t->named, sizeof(t->named), &crt->subject) < 0) {
        t->named[0] = '\0';
    }
}

// Called from the root down to the peer's own certificate, depth 0.
static int verify(void *ctx, mbedtls_x509_crt *crt, int depth, uint32_t *flags) {
    pmg_tls_t *t = ctx;
    if (*flags & MBEDTLS_X509_BADCERT_EXPIRED) {
        t->bad_time = crt->valid_to;
    } else if (*flags & MBEDTLS_X509_BADCERT_FUTURE) {
        t->bad_time = crt->valid_from;
    }
    if (depth == 0) {
        t->self_signed = crt->issuer_raw.len == crt->subject_raw.len &&
                         memcmp(crt->issuer_raw.p, crt->subject_raw.p, crt->issuer_raw.len) == 0;
        note_name(t, crt);
        if (t->is_address && !names_address(crt, t)) {
            *flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
        }
    }
    return 0;
}

// ---------------------------------------------------------------------------------------------
// Beginning and end

static void drop(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    pmg_tls_t *t = pmg_tls_of(c);
    if (t != NULL) {
        x->layer = NULL;
        x->layer_state = NULL;
        pmg_tls_count(t, false);
#if PMG_TLS_AHEAD > 0
        if (t->ahead != ahead_of(pmg_m(c))) {
            pmg_free(t->ahead);
        }
#endif
        mbedtls_ssl_free(&t->ssl);
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
    drop(c);
}

// What a listener holds for those that it accepts.
static bool never(struct mg_connection *c) {
    (void)c;
    return false;
}

static void end_listener(struct mg_connection *c) {
    pmg_tls_conf_unref(pmg_x(c)->layer_state);
    pmg_x(c)->layer = NULL;
    pmg_x(c)->layer_state = NULL;
}

static const pmg_layer_t listener_layer = {.pending = never, .end = end_listener};

static void handshake_late(struct mg_connection *c) {
    pmg_fatal(c, "TLS: the handshake timed out");
}

int pmg_tls_free(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
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

// The name that the server must have: of the options, else of the URL.
static int set_name(struct mg_connection *c, pmg_tls_t *t) {
    pmg_conn_t *x = pmg_x(c);
    char host[256];
    struct mg_addr a;
    const char *name = t->conf->name != NULL ? t->conf->name : x->host;
    if (name == NULL || (x->is_unix && t->conf->name == NULL)) {
        return t->conf->skip ? 0 : -EDESTADDRREQ;
    }
    struct mg_str s = mg_str(name);
    if (t->conf->name == NULL) { // host[:port] or [v6]:port
        const char *end = name[0] == '[' ? strchr(name, ']') : strchr(name, ':');
        s.buf += name[0] == '[';
        s.len = end != NULL ? (size_t)(end - s.buf) : strlen(s.buf);
    }
    pmg_snprintf(host, sizeof(host), "%.*s", (int)s.len, s.buf);
    pmg_snprintf(t->wanted, sizeof(t->wanted), "%s", host);
    memset(&a, 0, sizeof(a));
    // An address is no server name (RFC 6066, section 3): it is looked for in the certificate alone.
    // ("localhost" is one to Mongoose, but a name here.)
    bool digits = strspn(host, "0123456789.") == strlen(host) || strchr(host, ':') != NULL;
    t->is_address = digits && mg_aton(mg_str(host), &a);
    if (t->is_address) {
        t->address_len = a.is_ip6 ? 16 : 4;
        memcpy(t->address, a.addr.ip, t->address_len);
    }
    return mbedtls_ssl_set_hostname(&t->ssl, t->is_address ? NULL : host) == 0 ? 0 : -ENOMEM;
}

// Its own record and mbedTLS's two buffers; a handshake's are gone soon.
#define TLS_HELD (sizeof(pmg_tls_t) + MBEDTLS_SSL_IN_CONTENT_LEN + MBEDTLS_SSL_OUT_CONTENT_LEN)

// On failure there is no TLS: the caller closes the connection.
static int set_up(struct mg_connection *c, pmg_tls_conf_t *conf) {
    pmg_conn_t *x = pmg_x(c);
    pmg_mgr_t *m = pmg_m(c);
    int err = c->is_client ? pmg_tls_conf_client(conf) : 0;
    if (err == -ENOENT) {
        return pmg_fail(m, -EINVAL,
            "no CA to verify the server with: give TlsOpts(ca=...), or skip_verification=True");
    }
    pmg_tls_t *t = pmg_budget(c, TLS_HELD, false) ? pmg_alloc(sizeof(*t)) : NULL;
    if (t == NULL) {
        return pmg_fail(m, -ENOMEM, "no memory for TLS: a connection takes %u bytes",
            (unsigned)TLS_HELD);
    }
    memset(t, 0, sizeof(*t));
    mbedtls_ssl_init(&t->ssl);
    t->c = c;
    t->conf = conf;
    pmg_tls_conf_ref(conf);
    drop(c);
    x->layer = &pmg_tls_layer;
    x->layer_state = t;
    err =
        mbedtls_ssl_setup(&t->ssl, c->is_client ? &conf->client : &conf->server) == 0 ? 0 : -ENOMEM;
    if (err == 0 && c->is_client) {
        err = set_name(c, t);
    }
    if (err < 0) {
        drop(c);
        return err == -EDESTADDRREQ
                   ? pmg_fail(m, -EINVAL, "no server name to verify: give TlsOpts(name=...)")
                   : pmg_fail(m, err, "no memory for TLS: a connection takes %u bytes",
                         (unsigned)TLS_HELD);
    }
    pmg_budget_note(c);
    mbedtls_ssl_set_bio(&t->ssl, t, bio_send, bio_recv, NULL);
    mbedtls_ssl_set_verify(&t->ssl, verify, t);
    c->is_tls = c->is_tls_hs = 1;
    return 0;
}

// Connected, and told how: the handshake begins.
static void begin(struct mg_connection *c) {
    if (c->is_client) {
        pmg_tls_session_resume(pmg_tls_of(c));
    }
    pmg_deadline(c, handshake_late, pmg_m(c)->limits.handshake_timeout);
    if (c->is_accepted) {
        pmg_tls_count(pmg_x(c)->layer_state, true);
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

static int give(struct mg_connection *c, pmg_tls_conf_t *conf) {
    pmg_conn_t *x = pmg_x(c);
    pmg_mgr_t *m = pmg_m(c);
    if (c->is_udp) {
        return pmg_fail(m, -EINVAL, "TLS needs a stream: UDP has none");
    }
    int err = pmg_conn_alive(c);
    if (err < 0) {
        return err;
    }
    // What a listener accepts may bring its own.
    if (!c->is_client && !c->is_listening && !conf->has_cert) {
        return pmg_fail(m, -EINVAL, "TlsOpts has no cert: a TLS server needs cert and key");
    }
    if (c->is_listening) {
        pmg_tls_conf_ref(conf);
        pmg_tls_conf_unref(x->layer_state);
        x->layer = &listener_layer;
        x->layer_state = conf;
        x->insecure = 0;
        c->is_tls = 1;
        return 0;
    }
    if (has_begun(c)) {
        return pmg_fail(m, -EALREADY, "TLS has begun on this connection already");
    }
    err = set_up(c, conf);
    if (err == 0 && x->connected) {
        begin(c);
    }
    return err;
}

int pmg_tls_init(struct mg_connection *c, pmg_tls_conf_t *conf) {
    int err = give(c, conf);
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
    if (c->is_closing || pmg_x(c)->layer != NULL || !(lx->url_tls || lx->layer_state != NULL)) {
        return;
    }
    const pmg_tls_conf_t *conf = lx->layer_state;
    if (conf == NULL || !conf->has_cert) {
        pmg_fatal(c, "TLS: no certificate: call tls_init() on the listener, or in MG_EV_ACCEPT");
    } else if (set_up(c, lx->layer_state) < 0) {
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
        if (conf == NULL || set_up(c, conf) < 0) {
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

static void handshake(struct mg_connection *c) {
    pmg_tls_t *t = pmg_x(c)->layer_state;
    pmg_mgr_t *m = pmg_m(c);
    if (t->turn == m->turn || !pmg_tls_may_step(m)) { // it had its step, or all had theirs
        pmg_work(c);
        return;
    }
    uint64_t start = pmg_port_millis();
    unsigned used = 1;
    t->begun = true;
    t->waiting = false;
    for (;;) {
        int r = mbedtls_ssl_handshake_step(&t->ssl);
        if (r == MBEDTLS_ERR_SSL_WANT_READ || r == MBEDTLS_ERR_SSL_WANT_WRITE) {
            t->want_write = r == MBEDTLS_ERR_SSL_WANT_WRITE;
            t->waiting = true;
            pmg_wants(c);
            return;
        }
        m->handshake_steps += used; // none for a look at what has not come
        used = 0;
        if (r != 0) {
            fail(c, r);
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
// Data

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

static long read_end(struct mg_connection *c, int err) {
    pmg_tls_t *t = pmg_x(c)->layer_state;
    if (err == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
        t->eof = true;
        return 0;
    }
    if (err ==
        MBEDTLS_ERR_SSL_CONN_EOF) { // common; whoever frames his data sees if some is missing
        pmg_x(c)->cut = 1;
        return 0;
    }
    fail(c, err);
    return -EPROTO;
}

// Up to `len` bytes of data; *result: 0, or why there are no more.
static size_t read_data(pmg_tls_t *t, unsigned char *buf, size_t len, int *result) {
    size_t total = 0;
    int r = t->read_err;
    t->reading = true;
    t->reads = 0;
    while (r == 0 && total < len) {
        r = mbedtls_ssl_read(&t->ssl, buf + total, len - total);
        if (r > 0) {
            total += (size_t)r;
            r = 0;
        } else if (r == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) {
            pmg_tls_session_keep(t);
            r = 0;
        } else if (r == MBEDTLS_ERR_SSL_WANT_READ && t->ahead != NULL) {
            r = 0; // so it ends each message that is no data: there is more without the socket
        } else if (r == 0) {
            r = MBEDTLS_ERR_SSL_CONN_EOF;
        }
    }
    if (!keep_ahead(t)) {
        r = MBEDTLS_ERR_SSL_ALLOC_FAILED;
    }
    *result = r;
    return total;
}

static long tls_read(struct mg_connection *c, void *buf, size_t len) {
    pmg_tls_t *t = pmg_x(c)->layer_state;
    int r;
    size_t total = read_data(t, buf, len, &r);
    if (r == MBEDTLS_ERR_SSL_WANT_READ || r == MBEDTLS_ERR_SSL_WANT_WRITE) {
        return total > 0 ? (long)total : -EAGAIN;
    }
    if (total > 0) {
        t->read_err = r; // first what came before it
        return (long)total;
    }
    t->read_err = 0;
    return read_end(c, r);
}

static bool early(struct mg_connection *c) {
    pmg_tls_t *t = pmg_x(c)->layer_state;
    unsigned char byte;
    int r;
    if (c->is_tls_hs || read_data(t, &byte, 1, &r) > 0) {
        return !c->is_tls_hs;
    }
    if (r == MBEDTLS_ERR_SSL_WANT_READ || r == MBEDTLS_ERR_SSL_WANT_WRITE) {
        return false;
    }
    t->read_err = r; // to be told by who reads
    return true;
}

static long tls_write(struct mg_connection *c, const void *buf, size_t len) {
    pmg_tls_t *t = pmg_x(c)->layer_state;
    size_t total = 0;
    while (total < len && total < WRITE_BURST) {
        // What mbedTLS has begun it must be given again, no more and no less.
        size_t n = t->pending_write > 0 ? t->pending_write : len - total;
        int r = mbedtls_ssl_write(&t->ssl, (const unsigned char *)buf + total, n);
        if (r > 0) {
            t->pending_write = 0;
            total += (size_t)r;
        } else if (r == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) {
            pmg_tls_session_keep(t); // a read has met its beginning, and the rest comes first
        } else if (r == MBEDTLS_ERR_SSL_WANT_WRITE || r == MBEDTLS_ERR_SSL_WANT_READ) {
            t->pending_write = n;
            break;
        } else {
            unsigned char junk;
            t->pending_write = 0;
            if (r == PMG_TLS_IO_FAILED &&
                mbedtls_ssl_read(&t->ssl, &junk, 1) == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) {
                r = MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE; // why the peer listens no more
            }
            fail(c, r);
            return -EPROTO;
        }
    }
    return total > 0 ? (long)total : -EAGAIN;
}

static size_t held(struct mg_connection *c) {
    const pmg_tls_t *t = pmg_x(c)->layer_state;
    (void)t;
#if PMG_TLS_AHEAD > 0
    return TLS_HELD + (t->ahead != NULL ? t->ahead_len : 0);
#else
    return TLS_HELD;
#endif
}

const pmg_layer_t pmg_tls_layer = {
    .read = tls_read,
    .write = tls_write,
    .early = early,
    .pending = pending,
    .wants_write = wants_write,
    .handshake = handshake,
    .heard = heard,
    .held = held,
    .goodbye = goodbye,
    .end = end,
};

#endif
