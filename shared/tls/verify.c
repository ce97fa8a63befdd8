// SPDX-License-Identifier: GPL-2.0-only
//
// Who the peer must be, and whether its certificates say that it is.

#include "../base/names.h"
#if PMG_HAS_TLS && !defined(NO_QSTR)

#include "tls_int.h"

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
            pmg_tls_name_text(t->named, sizeof(t->named), s->buf.p, s->buf.len);
            return;
        }
    }
    if (mbedtls_x509_dn_gets(t->named, sizeof(t->named), &crt->subject) < 0) {
        t->named[0] = '\0';
    }
}

// Called from the root down to the peer's own certificate, depth 0.
int pmg_tls_verify(void *ctx, mbedtls_x509_crt *crt, int depth, uint32_t *flags) {
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

// The name that the server must have: of the options, else of the URL.
int pmg_tls_set_name(struct mg_connection *c, pmg_tls_t *t) {
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
    if (s.len > 1 && s.buf[s.len - 1] == '.') { // of no certificate's name, nor of SNI (RFC 6066)
        s.len--;
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

#endif
