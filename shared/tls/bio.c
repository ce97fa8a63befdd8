// SPDX-License-Identifier: GPL-2.0-only
//
// The bytes between mbedTLS and the socket.

#include "../base/names.h"
#if PMG_HAS_TLS && !defined(NO_QSTR)

#include "tls_int.h"

#define READS_MAX 4 // of PMG_TLS_AHEAD

int pmg_tls_send(void *ctx, const unsigned char *buf, size_t len) {
    pmg_tls_t *t = ctx;
    long n = pmg_io_write(t->c, buf, len);
    pmg_tls_note_alert(t, buf, len);
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

// ---------------------------------------------------------------------------------------------
// What was read and not yet taken by mbedTLS

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
#else
#define ahead_of(m) NULL
#endif

void pmg_tls_ahead_free(pmg_tls_t *t) {
    if (t->ahead != NULL && t->ahead != ahead_of(pmg_m(t->c))) {
        pmg_free(t->ahead);
    }
    t->ahead = NULL;
}

int pmg_tls_early(pmg_tls_t *t, const void *buf, size_t len) {
    if (len > 0) {
        t->ahead = pmg_alloc(len);
        if (t->ahead == NULL) {
            return -ENOMEM;
        }
        memcpy(t->ahead, buf, len);
        t->ahead_pos = 0;
        t->ahead_len = len;
        t->early = true;
    }
    return 0;
}

void pmg_tls_give_back(pmg_tls_t *t) {
    struct mg_connection *c = t->c;
    struct mg_iobuf *b = &c->recv;
    if (!t->early || t->begun || t->ahead == NULL || b->len > 0) {
        return;
    }
    if (b->buf != NULL) { // its read event goes on, in the buffer where they lay
        memcpy(b->buf, t->ahead, t->ahead_len);
        pmg_tls_ahead_free(t);
    } else {
        b->buf = t->ahead;
        b->size = t->ahead_len;
        t->ahead = NULL;
    }
    b->len = t->ahead_len;
    pmg_x(c)->recv_off = 0;
}

static long take_ahead(pmg_tls_t *t, unsigned char *buf, size_t len) {
    size_t left = t->ahead_len - t->ahead_pos;
    len = len < left ? len : left;
    memcpy(buf, t->ahead + t->ahead_pos, len);
    t->ahead_pos += len;
    if (len == left) {
        pmg_tls_ahead_free(t);
    }
    return (long)len;
}

static long read_ahead(pmg_tls_t *t, unsigned char *buf, size_t len) {
    if (t->ahead != NULL) {
        return take_ahead(t, buf, len);
    }
#if PMG_TLS_AHEAD > 0
    pmg_mgr_t *m = pmg_m(t->c);
    if (t->drained) {
        return -EAGAIN; // if more has come meanwhile, the socket will say so
    }
    unsigned char *ahead = ahead_of(m);
    if (ahead == NULL) {
        ahead = new_ahead(m);
    }
    if (t->reading && ahead != NULL) {
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
#endif
    return pmg_io_read(t->c, buf, len);
}

// The buffer is another connection's next: what is left gets a block of its own.
bool pmg_tls_ahead_keep(pmg_tls_t *t) {
    t->reading = t->drained = false;
#if PMG_TLS_AHEAD > 0
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
#endif
    return true;
}

// ---------------------------------------------------------------------------------------------
// Receiving

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

int pmg_tls_recv(void *ctx, unsigned char *buf, size_t len) {
    pmg_tls_t *t = ctx;
    long n = read_ahead(t, buf, len);
    if (n > 0) {
        t->moved += (uint32_t)n;
        if (!t->heard && !t->was_plain && is_http(buf, (size_t)n)) {
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
        t->dry = true;
        return MBEDTLS_ERR_SSL_WANT_READ;
    }
    t->io_err = (int)n;
    return PMG_TLS_IO_FAILED;
}

#endif
