// SPDX-License-Identifier: GPL-2.0-only
//
// What certificates say, for a program to read.

#include "../base/names.h"
#if PMG_HAS_TLS && !defined(NO_QSTR)

#include "tls_int.h"

#include "mbedtls/sha256.h"

#define NAMES_MAX 64
#define DN_MAX 2048
#define NAME_MAX_LEN 253

// Days from 1970-01-01 of a date of the Gregorian calendar, whose years begin in March here.
static int64_t days(int year, int month, int day) {
    int64_t y = year + 400 - (month < 3), era = y / 400 - 1, of_era = y % 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

int64_t pmg_tls_millis(const mbedtls_x509_time *t) {
    int64_t seconds = days(t->year, t->mon, t->day) * 86400;
    return (seconds + t->hour * 3600 + t->min * 60 + t->sec) * 1000;
}

static void hex(char *out, const unsigned char *p, size_t len, const char *digits) {
    for (size_t i = 0; i < len; i++) {
        *out++ = digits[p[i] >> 4];
        *out++ = digits[p[i] & 15];
    }
    *out = '\0';
}

void pmg_tls_name_text(char *out, size_t size, const unsigned char *p, size_t len) {
    len = len < size ? len : size - 1;
    for (size_t i = 0; i < len; i++) {
        out[i] = (char)(p[i] > ' ' && p[i] < 0x7f ? p[i] : '?');
    }
    out[len] = '\0';
}

// A name as text, in `out` if there is room for it: its length, 0 for kinds that are not given.
static size_t name_text(const mbedtls_x509_sequence *s, char *out) {
    int tag = s->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK;
    size_t len = s->buf.len;
    if (tag == MBEDTLS_X509_SAN_IP_ADDRESS && (len == 4 || len == 16)) {
        struct mg_addr a;
        pmg_addr_t text = {0};
        memset(&a, 0, sizeof(a));
        a.is_ip6 = len == 16;
        memcpy(a.addr.ip, s->buf.p, len);
        pmg_addr_text(&a, &text);
        return pmg_snprintf(out, NAME_MAX_LEN + 1, "%s", text.host);
    }
    if (tag != MBEDTLS_X509_SAN_DNS_NAME || len > NAME_MAX_LEN) {
        return 0;
    }
    pmg_tls_name_text(out, NAME_MAX_LEN + 1, s->buf.p, len);
    return len;
}

// Space for one: subject and issuer, of which mbedTLS tells no length ahead, then all the rest.
typedef struct {
    pmg_tls_cert_t cert;
    const char *names[NAMES_MAX];
    char serial[2 * 64 + 1], sha256[2 * 32 + 1];
} block_t;

static char *dn_text(const mbedtls_x509_name *dn) {
    char *room = pmg_alloc(DN_MAX), *text = NULL;
    if (room != NULL) {
        int n = mbedtls_x509_dn_gets(room, DN_MAX, dn);
        text =
            pmg_strndup(room, n > 0 ? (size_t)n : 0); // a longer one is no name that anybody reads
        pmg_free(room);
    }
    return text;
}

size_t pmg_tls_cert_size(const pmg_tls_cert_t *cert) {
    if (cert == NULL) {
        return 0;
    }
    size_t size = sizeof(block_t) + strlen(cert->subject) + strlen(cert->issuer) + 2;
    for (size_t i = 0; i < cert->names_len; i++) {
        size += strlen(cert->names[i]) + 1;
    }
    return size;
}

void pmg_tls_cert_free(pmg_tls_cert_t *cert) {
    if (cert != NULL) {
        pmg_free((void *)(size_t)cert->subject);
        pmg_free((void *)(size_t)cert->issuer);
        for (size_t i = 0; i < cert->names_len; i++) {
            pmg_free((void *)(size_t)cert->names[i]);
        }
        pmg_free(cert);
    }
}

static int fill(block_t *b, const mbedtls_x509_crt *crt) {
    pmg_tls_cert_t *cert = &b->cert;
    unsigned char hash[32];
    char name[NAME_MAX_LEN + 1];
    cert->names = b->names;
    cert->serial = b->serial;
    cert->sha256 = b->sha256;
    cert->not_before = pmg_tls_millis(&crt->valid_from);
    cert->not_after = pmg_tls_millis(&crt->valid_to);
    hex(b->serial, crt->serial.p, crt->serial.len < 64 ? crt->serial.len : 64, "0123456789ABCDEF");
    if (mbedtls_sha256(crt->raw.p, crt->raw.len, hash, 0) != 0) {
        return -ENOMEM;
    }
    hex(b->sha256, hash, sizeof(hash), "0123456789abcdef");
    cert->subject = dn_text(&crt->subject);
    cert->issuer = dn_text(&crt->issuer);
    if (cert->subject == NULL || cert->issuer == NULL) {
        return -ENOMEM;
    }
    for (const mbedtls_x509_sequence *s = &crt->subject_alt_names;
        s != NULL && cert->names_len < NAMES_MAX; s = s->next) {
        size_t len = s->buf.p != NULL ? name_text(s, name) : 0;
        if (len > 0 && (b->names[cert->names_len] = pmg_strndup(name, len)) == NULL) {
            return -ENOMEM;
        }
        cert->names_len += len > 0;
    }
    return 0;
}

pmg_tls_cert_t *pmg_tls_cert_read(const mbedtls_x509_crt *crt) {
    block_t *b = pmg_alloc(sizeof(*b));
    if (b == NULL) {
        return NULL;
    }
    memset(b, 0, sizeof(*b));
    if (fill(b, crt) < 0) {
        pmg_tls_cert_free(&b->cert);
        return NULL;
    }
    return &b->cert;
}

size_t pmg_tls_peer_size(const pmg_tls_t *t) {
    size_t size = 0;
#ifdef MBEDTLS_SSL_KEEP_PEER_CERTIFICATE
    const mbedtls_x509_crt *crt = mbedtls_ssl_get_peer_cert(&t->ssl);
    if (t->c->is_tls_hs) { // counted as the handshake's
        crt = NULL;
    }
    for (; crt != NULL && crt->raw.p != NULL; crt = crt->next) {
        size += sizeof(*crt) + crt->raw.len;
    }
#else
    (void)t;
#endif
    return size;
}

#endif
