// SPDX-License-Identifier: GPL-2.0-only
//
// Why a TLS connection failed, said so that a person can mend it.

#include "../base/names.h"
#if PMG_HAS_TLS && !defined(NO_QSTR)

#include "tls_int.h"

#include "mbedtls/asn1.h"
#include "mbedtls/bignum.h"
#include "mbedtls/cipher.h"
#include "mbedtls/ecp.h"
#include "mbedtls/md.h"
#include "mbedtls/pem.h"

bool pmg_tls_no_memory(int err) {
    switch (-err & 0x7f) { // of the lower of two
        case -MBEDTLS_ERR_ASN1_ALLOC_FAILED:
        case -MBEDTLS_ERR_MPI_ALLOC_FAILED: return true;
        default: break;
    }
    switch (-err & ~0x7f) {
        case -MBEDTLS_ERR_SSL_ALLOC_FAILED:
        case -MBEDTLS_ERR_X509_ALLOC_FAILED:
        case -MBEDTLS_ERR_PK_ALLOC_FAILED:
        case -MBEDTLS_ERR_PEM_ALLOC_FAILED:
        case -MBEDTLS_ERR_ECP_ALLOC_FAILED:
        case -MBEDTLS_ERR_CIPHER_ALLOC_FAILED:
        case -MBEDTLS_ERR_MD_ALLOC_FAILED: return true;
        default: return false;
    }
}

static int clock_year(void) {
#ifdef MBEDTLS_HAVE_TIME_DATE
    mbedtls_time_t now = mbedtls_time(NULL);
    struct tm tm;
    if (mbedtls_platform_gmtime_r(&now, &tm) != NULL) {
        return tm.tm_year + 1900;
    }
#endif
    return 0;
}

static void verification(const pmg_tls_t *t, uint32_t flags, char *buf, size_t size) {
    const mbedtls_x509_time *when = &t->bad_time;
    const char *whose = t->c->is_client ? "server's" : "client's";
    if (flags & MBEDTLS_X509_BADCERT_MISSING) {
        pmg_snprintf(buf, size, "TLS: the %s certificate is missing", whose);
    } else if (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) {
        pmg_snprintf(buf, size, "TLS: the %s certificate is %s", whose,
            t->self_signed ? "self-signed and of no known CA" : "signed by an unknown CA");
    } else if (flags & MBEDTLS_X509_BADCERT_EXPIRED) {
        pmg_snprintf(buf, size,
            "TLS: the %s certificate expired on %d-%02d-%02d: the clock says %d", whose, when->year,
            when->mon, when->day, clock_year());
    } else if (flags & MBEDTLS_X509_BADCERT_FUTURE) {
        pmg_snprintf(buf, size,
            "TLS: the %s certificate is not yet valid, but from %d-%02d-%02d: the clock says %d",
            whose, when->year, when->mon, when->day, clock_year());
    } else if (flags & MBEDTLS_X509_BADCERT_CN_MISMATCH) {
        pmg_snprintf(buf, size, "TLS: the %s certificate is for another name: wanted %s, got %s",
            whose, t->wanted, t->named);
    } else if (flags & (MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE |
                           MBEDTLS_X509_BADCERT_NS_CERT_TYPE)) {
        pmg_snprintf(buf, size, "TLS: the %s certificate is made for another use", whose);
    } else if (flags & (MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK |
                           MBEDTLS_X509_BADCERT_BAD_KEY)) {
        pmg_snprintf(buf, size, "TLS: the %s certificate uses an algorithm or key that is too weak",
            whose);
    } else {
        pmg_snprintf(buf, size, "TLS: the %s certificate is refused (flags 0x%x)", whose,
            (unsigned)flags);
    }
}

#define KEY_UPDATE 24 // RFC 8446, section 4

// RFC 8446, section 6; the words of what usually is behind it.
static const char *alert_text(int alert) {
    static const struct {
        uint8_t alert;
        const char *text;
    } alerts[] = {
        {10, "unexpected message"},
        {20, "bad record"},
        {40, "no common cipher, or it wants a certificate of ours"},
        {42, "it finds our certificate bad, or has none of ours"},
        {43, "it does not support our certificate's kind"},
        {44, "our certificate is revoked"},
        {45, "our certificate is expired"},
        {46, "it does not accept our certificate"},
        {47, "illegal parameter"},
        {48, "it does not know the CA of our certificate"},
        {49, "access denied"},
        {50, "decode error"},
        {51, "decrypt error"},
        {70, "no common protocol version"},
        {71, "it wants stronger security"},
        {80, "its internal error"},
        {90, "it gave up"},
        {112, "it does not know the server's name"},
        {116, "it requires a client certificate"},
        {120, "no common application protocol"},
    };
    for (size_t i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++) {
        if (alerts[i].alert == alert) {
            return alerts[i].text;
        }
    }
    return "no reason we know";
}

// A TLS 1.3 client may not have keys yet for the alert it sends, where the server expects them.
#define RECORD_HEAD 5
static bool plain_alert(const pmg_tls_t *t, int err) {
    const unsigned char *p = t->ssl.in_hdr;
    return err == MBEDTLS_ERR_SSL_INVALID_MAC && t->c->is_tls_hs && p != NULL &&
           p[0] == MBEDTLS_SSL_MSG_ALERT && p[3] == 0 && p[4] == 2;
}

void pmg_tls_explain(const pmg_tls_t *t, int err, char *buf, size_t size) {
    bool hs = t->c->is_tls_hs;
    uint32_t flags = mbedtls_ssl_get_verify_result(&t->ssl);
    const char *fixed = NULL;
    if (t->plain_http) {
        fixed = t->c->is_client ? "the server answers in plain text: this is no TLS port"
                                : "the client speaks plain HTTP on a TLS port";
    } else if (err == PMG_TLS_IO_FAILED) {
        fixed = strerror(-t->io_err);
    } else if ((err == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED ||
                   err == MBEDTLS_ERR_SSL_BAD_CERTIFICATE) &&
               flags != 0 && flags != UINT32_MAX) {
        verification(t, flags, buf, size);
        return;
    } else if (err == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE || plain_alert(t, err)) {
        const unsigned char *p = plain_alert(t, err) ? t->ssl.in_hdr + RECORD_HEAD : t->ssl.in_msg;
        int alert = p[1];
        pmg_snprintf(buf, size, "TLS: the %s refused: %s (alert %d)",
            t->c->is_client ? "server" : "client", alert_text(alert), alert);
        return;
    }
    if (t->unknown_name && err == MBEDTLS_ERR_SSL_UNRECOGNIZED_NAME) {
        fixed = "the client asks for a name that is not in sni";
    }
    if (hs && t->ssl.in_hslen > MBEDTLS_SSL_IN_CONTENT_LEN && fixed == NULL) {
        pmg_snprintf(buf, size,
            "TLS: a handshake message of %u bytes, such as a chain of certificates: %u are taken "
            "here",
            (unsigned)t->ssl.in_hslen, (unsigned)MBEDTLS_SSL_IN_CONTENT_LEN);
        return;
    }
    if (!hs && err == MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE && t->ssl.in_msg[0] == KEY_UPDATE) {
        fixed = "the peer wants new keys (KeyUpdate), which Mbed TLS 3.6 does not know";
    }
    switch (fixed != NULL ? 0 : err) {
        case 0: break;
        case MBEDTLS_ERR_SSL_CONN_EOF:
        case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
            fixed = hs ? "connection closed during the handshake" : "connection closed";
            break;
        case MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION: fixed = "no common protocol version"; break;
        case MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE:
            fixed = "no common cipher, group or signature";
            break;
        case MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL:
            fixed = "no common application protocol (ALPN)";
            break;
        case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE:
            fixed = "the client's certificate is missing";
            break;
        case MBEDTLS_ERR_SSL_INVALID_RECORD:
            if (hs) {
                fixed = t->early ? "bytes that came before tls_init() and were not read are no TLS"
                                 : "the peer does not speak TLS";
            }
            break;
        case MBEDTLS_ERR_SSL_INVALID_MAC: fixed = "a record was damaged on its way"; break;
        default: fixed = pmg_tls_no_memory(err) ? "out of memory" : NULL; break;
    }
    if (fixed != NULL) {
        pmg_snprintf(buf, size, "TLS: %s", fixed);
        return;
    }
    char why[100] = "";
    mbedtls_strerror(err, why, sizeof(why));
    pmg_snprintf(buf, size, "TLS: %s (-0x%04x)", why, (unsigned)-err);
}

#endif
