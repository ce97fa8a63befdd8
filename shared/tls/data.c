// SPDX-License-Identifier: GPL-2.0-only
//
// Data over TLS, once the handshake is over: what the loop reads and writes.

#include "../base/names.h"
#if PMG_HAS_TLS && !defined(NO_QSTR)

#include "tls_int.h"

// What one connection may move before the others have their turn.
#define WRITE_BURST (8 * 16384)
// Messages without data, such as tickets, that one read goes past.
#define SKIPPED_MAX 64

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
    pmg_tls_give_up(c, err);
    return -EPROTO;
}

// Up to `len` bytes of data; *result: 0, or why there are no more.
static size_t read_data(pmg_tls_t *t, unsigned char *buf, size_t len, int *result) {
    size_t total = 0;
    int r = t->read_err;
    t->reading = true;
    t->reads = 0;
    int skipped = 0;
    while (r == 0 && total < len) {
        t->dry = false;
        r = mbedtls_ssl_read(&t->ssl, buf + total, len - total);
        if (r > 0) {
            total += (size_t)r;
            r = 0;
        } else if (r == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) {
            pmg_tls_session_keep(t);
            r = 0;
        } else if (r == MBEDTLS_ERR_SSL_WANT_READ && !t->dry && ++skipped < SKIPPED_MAX) {
            r = 0; // so it ends each message that is no data: there may be more
        } else if (r == 0) {
            r = MBEDTLS_ERR_SSL_CONN_EOF;
        }
    }
    if (!pmg_tls_ahead_keep(t)) {
        r = MBEDTLS_ERR_SSL_ALLOC_FAILED;
    }
    *result = r;
    return total;
}

long pmg_tls_read(struct mg_connection *c, void *buf, size_t len) {
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

bool pmg_tls_is_early(struct mg_connection *c) {
    pmg_tls_t *t = pmg_x(c)->layer_state;
    unsigned char byte;
    int r;
    if (c->is_tls_hs || read_data(t, &byte, 1, &r) > 0) {
        return !c->is_tls_hs;
    }
    if (r == MBEDTLS_ERR_SSL_WANT_READ || r == MBEDTLS_ERR_SSL_WANT_WRITE) {
        return r == MBEDTLS_ERR_SSL_WANT_READ && !t->dry; // so much that nobody asked for
    }
    t->read_err = r; // to be told by who reads
    return true;
}

long pmg_tls_write(struct mg_connection *c, const void *buf, size_t len) {
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
            pmg_tls_give_up(c, r);
            return -EPROTO;
        }
    }
    return total > 0 ? (long)total : -EAGAIN;
}

#endif
