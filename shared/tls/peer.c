// SPDX-License-Identifier: GPL-2.0-only
//
// Whose certificate a connection's peer has shown.

#include "../base/names.h"
#if PMG_HAS_TLS && !defined(NO_QSTR)

#include "tls_int.h"

#ifdef MBEDTLS_SSL_KEEP_PEER_CERTIFICATE
// Read once; it goes with the connection. NULL: no memory.
static const pmg_tls_cert_t *keep(pmg_tls_t *t, const mbedtls_x509_crt *crt) {
    t->peer = pmg_tls_cert_read(crt);
    pmg_budget_note(t->c);
    return t->peer;
}

// As it was when the session that is resumed began.
static const pmg_tls_cert_t *keep_der(pmg_tls_t *t) {
    mbedtls_x509_crt crt;
    mbedtls_x509_crt_init(&crt);
    bool read = mbedtls_x509_crt_parse_der(&crt, t->peer_der, t->peer_der_len) == 0;
    const pmg_tls_cert_t *cert = read ? keep(t, &crt) : NULL;
    mbedtls_x509_crt_free(&crt);
    return cert;
}

int pmg_conn_peer_cert(struct mg_connection *c, const pmg_tls_cert_t **out) {
    pmg_tls_t *t = pmg_tls_of(c);
    *out = NULL;
    if (t == NULL || c->is_tls_hs) {
        return 0;
    }
    const mbedtls_x509_crt *crt = mbedtls_ssl_get_peer_cert(&t->ssl);
    if (t->peer != NULL) {
        *out = t->peer;
    } else if (crt != NULL && crt->raw.p != NULL) {
        *out = keep(t, crt);
    } else if (t->peer_der != NULL) {
        *out = keep_der(t);
    } else {
        return 0;
    }
    return *out != NULL ? 0 : pmg_fail(pmg_m(c), -ENOMEM, "no memory for the peer's certificate");
}
#else
int pmg_conn_peer_cert(struct mg_connection *c, const pmg_tls_cert_t **out) {
    (void)c;
    *out = NULL;
    return 0;
}
#endif

#endif
