// SPDX-License-Identifier: GPL-2.0-only
//
// Who is refused hears why (RFC 8446, section 6.2): mbedTLS says it in many cases, here is the rest.
// The program hears it as MG_EV_ERROR.

#include "../base/names.h"
#if PMG_HAS_TLS && !defined(NO_QSTR)

#include "tls_int.h"

static const struct {
    int err;
    uint8_t alert;
} alerts[] = {
    {0, MBEDTLS_SSL_ALERT_MSG_USER_CANCELED},
    {MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE, MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE},
    {MBEDTLS_ERR_SSL_INVALID_MAC, MBEDTLS_SSL_ALERT_MSG_BAD_RECORD_MAC},
    {MBEDTLS_ERR_SSL_INVALID_RECORD, MBEDTLS_SSL_ALERT_MSG_DECODE_ERROR},
    {MBEDTLS_ERR_SSL_DECODE_ERROR, MBEDTLS_SSL_ALERT_MSG_DECODE_ERROR},
    {MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER, MBEDTLS_SSL_ALERT_MSG_ILLEGAL_PARAMETER},
    {MBEDTLS_ERR_ERROR_CORRUPTION_DETECTED, MBEDTLS_SSL_ALERT_MSG_ILLEGAL_PARAMETER},
    {MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL, MBEDTLS_SSL_ALERT_MSG_ILLEGAL_PARAMETER},
    {MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION, MBEDTLS_SSL_ALERT_MSG_PROTOCOL_VERSION},
    {MBEDTLS_ERR_SSL_BAD_CERTIFICATE, MBEDTLS_SSL_ALERT_MSG_BAD_CERT},
    {MBEDTLS_ERR_SSL_UNSUPPORTED_EXTENSION, MBEDTLS_SSL_ALERT_MSG_UNSUPPORTED_EXT},
    {MBEDTLS_ERR_SSL_UNRECOGNIZED_NAME, MBEDTLS_SSL_ALERT_MSG_UNRECOGNIZED_NAME},
    {MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL, MBEDTLS_SSL_ALERT_MSG_NO_APPLICATION_PROTOCOL},
    {MBEDTLS_ERR_SSL_ALLOC_FAILED, MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR},
    {MBEDTLS_ERR_X509_ALLOC_FAILED, MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR},
    {MBEDTLS_ERR_PK_ALLOC_FAILED, MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR},
};

// Of a handshake that ends for this error; 0: we end it by ourselves.
void pmg_tls_alert(pmg_tls_t *t, int err) {
    uint8_t alert = MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE;
    if (t->alerted || t->plain_http || t->io_err != 0 || t->eof ||
        err == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE || err == MBEDTLS_ERR_SSL_CONN_EOF) {
        return; // who has left, or has the last word, hears nothing
    }
    for (size_t i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++) {
        if (alerts[i].err == err) {
            alert = alerts[i].alert;
        }
    }
    (void)mbedtls_ssl_send_alert_message(&t->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL, alert);
}

// Is what mbedTLS sends an alert? In a handshake of TLS 1.3 nothing else is that short: two bytes, the
// kind, a tag of 16.
#define SEALED_ALERT (2 + 1 + 16)
void pmg_tls_note_alert(pmg_tls_t *t, const unsigned char *record, size_t len) {
    t->alerted |=
        len >= 5 && (record[0] == MBEDTLS_SSL_MSG_ALERT ||
                        (t->c->is_tls_hs && record[0] == MBEDTLS_SSL_MSG_APPLICATION_DATA &&
                            record[3] == 0 && record[4] == SEALED_ALERT));
}

// A server of TLS 1.3 that has sent its Finished goes on with the keys of the application (RFC 8446,
// appendix A.2). mbedTLS does so once it has the client's, and what it says before, that a certificate is
// refused, reads as a damaged record.
void pmg_tls_application_keys(pmg_tls_t *t) {
#if defined(MBEDTLS_SSL_PROTO_TLS1_3)
    mbedtls_ssl_context *ssl = &t->ssl;
    if (!t->c->is_client && ssl->transform_application != NULL && ssl->out_left == 0 &&
        ssl->transform_out != ssl->transform_application) {
        ssl->transform_out = ssl->transform_application;
        memset(ssl->cur_out_ctr, 0, sizeof(ssl->cur_out_ctr));
    }
#else
    (void)t;
#endif
}

void pmg_tls_give_up(struct mg_connection *c, int err) {
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
                                 "Content-Type: text/plain\r\nContent-Length: 24\r\n\r\n"
                                 "This port speaks HTTPS.\n";
    pmg_tls_t *t = pmg_x(c)->layer_state;
    char text[200];
    if (t->plain_http && !c->is_client) {
        (void)pmg_io_write(c, answer, sizeof(answer) - 1);
    }
    pmg_tls_explain(t, err, text, sizeof(text));
    pmg_tls_alert(t, err);
    t->closed = true; // no goodbye behind an alert
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

#endif
