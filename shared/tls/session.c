// SPDX-License-Identifier: GPL-2.0-only
//
// Sessions that a client may resume: the last one of each host and port, kept in its TlsOpts. A
// resumed TLS 1.2 handshake sends no certificate, so a session serves only who was verified by the
// same options under the same name.
//
// A session is taken out when it is used and comes back when the server confirms it or gives a new
// one: one that the server will not have is gone, and a ticket of TLS 1.3 is used once (RFC 8446,
// appendix C.4).

#include "../base/names.h"
#if PMG_HAS_TLS && !defined(NO_QSTR)

#include "tls_int.h"

#ifdef PMG_BOARD
#define SESSIONS_MAX 1
#define SESSION_SIZE_MAX 3072
#else
#define SESSIONS_MAX 8
#define SESSION_SIZE_MAX 32768
#endif

struct pmg_tls_session {
    struct pmg_tls_session *next;
    uint16_t port;
    size_t host_len, len, cert_len;
    unsigned char data[]; // the host, the session as mbedTLS writes it, then the certificate of 1.3
};

typedef struct pmg_tls_session session_t;

static void release(session_t *s) {
    if (s != NULL) {
        mbedtls_platform_zeroize(s->data + s->host_len, s->len);
        pmg_free(s);
    }
}

// The lock is held.
static session_t *take(pmg_tls_t *t) {
    const char *host = pmg_x(t->c)->host;
    size_t len = strlen(host);
    for (session_t **p = &t->conf->sessions; *p != NULL; p = &(*p)->next) {
        session_t *s = *p;
        if (s->port == t->c->rem.port && s->host_len == len && memcmp(s->data, host, len) == 0) {
            *p = s->next;
            return s;
        }
    }
    return NULL;
}

// In TLS 1.3 mbedTLS's session does not hold the certificate: so who the peer is would be forgotten.
static void keep_cert(pmg_tls_t *t, const session_t *s) {
    if (s->cert_len > 0 && (t->peer_der = pmg_alloc(s->cert_len)) != NULL) {
        memcpy(t->peer_der, s->data + s->host_len + s->len, s->cert_len);
        t->peer_der_len = s->cert_len;
    }
}

static struct mg_str cert_of(pmg_tls_t *t) {
    struct mg_str der = mg_str_n((char *)t->peer_der, t->peer_der_len);
#if defined(MBEDTLS_SSL_KEEP_PEER_CERTIFICATE)
    const mbedtls_x509_crt *crt = mbedtls_ssl_get_peer_cert(&t->ssl);
    if (crt != NULL && crt->raw.p != NULL) {
        der = mg_str_n((char *)crt->raw.p, crt->raw.len);
    }
#endif
    bool needed = mbedtls_ssl_get_version_number(&t->ssl) != MBEDTLS_SSL_VERSION_TLS1_2;
    return needed ? der : mg_str_n(NULL, 0);
}

void pmg_tls_session_resume(pmg_tls_t *t) {
    if (pmg_x(t->c)->host == NULL) {
        return;
    }
    pmg_tls_lock();
    session_t *s = take(t);
    pmg_tls_unlock();
    if (s != NULL) {
        mbedtls_ssl_session session;
        mbedtls_ssl_session_init(&session);
        // If it fails the handshake is a whole one.
        if (mbedtls_ssl_session_load(&session, s->data + s->host_len, s->len) == 0) {
            (void)mbedtls_ssl_set_session(&t->ssl, &session);
            keep_cert(t, s);
        }
        mbedtls_ssl_session_free(&session);
        release(s);
    }
}

void pmg_tls_session_keep(pmg_tls_t *t) {
    const mbedtls_ssl_session *session = t->ssl.session;
    const char *host = pmg_x(t->c)->host;
    size_t len = 0;
    if (host == NULL || session == NULL) {
        return;
    }
    bool resumable = session->id_len > 0;
#ifdef MBEDTLS_SSL_SESSION_TICKETS
    resumable = resumable || session->ticket_len > 0;
#endif
    (void)mbedtls_ssl_session_save(session, NULL, 0, &len); // how much it takes
    if (!resumable || len == 0 || len > SESSION_SIZE_MAX) {
        return;
    }
    size_t host_len = strlen(host);
    struct mg_str cert = cert_of(t);
    session_t *s = pmg_alloc(sizeof(*s) + host_len + len + cert.len);
    if (s == NULL) {
        return;
    }
    s->port = t->c->rem.port;
    s->host_len = host_len;
    s->len = len;
    s->cert_len = cert.len;
    memcpy(s->data, host, host_len);
    if (cert.len > 0) {
        memcpy(s->data + host_len + len, cert.buf, cert.len);
    }
    if (mbedtls_ssl_session_save(session, s->data + host_len, len, &len) != 0) {
        release(s);
        return;
    }
    pmg_tls_lock();
    session_t *old = take(t), **p = &t->conf->sessions;
    s->next = *p;
    *p = s;
    for (int i = 0; i < SESSIONS_MAX && *p != NULL; i++) {
        p = &(*p)->next;
    }
    session_t *oldest = *p; // one at most is too many
    *p = NULL;
    pmg_tls_unlock();
    release(old);
    release(oldest);
}

void pmg_tls_sessions_free(pmg_tls_conf_t *conf) {
    while (conf->sessions != NULL) {
        session_t *s = conf->sessions;
        conf->sessions = s->next;
        release(s);
    }
}

#endif
