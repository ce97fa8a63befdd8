// SPDX-License-Identifier: GPL-2.0-only
//
// A build includes this, by -include, ahead of mbedTLS's ssl_tls12_client.c and nothing else.
//
// A client that speaks TLS 1.3 offers RSA-PSS, and a server that chooses TLS 1.2 may take it (RFC
// 8446, section 4.2.3). mbedTLS 3.6 can verify such a key exchange but refuses it by a check that
// knows only the signatures of TLS 1.2: here that check lets through what was offered. Servers of
// OpenSSL that prefer their own order, as those of Python's ssl do, choose RSA-PSS.
#ifndef PMG_TLS12_PSS_H
#define PMG_TLS12_PSS_H

// Before 3.6.3 nothing else makes the library's structures known to ssl_misc.h.
#include "common.h"
#include "ssl_misc.h"

#if defined(MBEDTLS_X509_RSASSA_PSS_SUPPORT) && defined(MBEDTLS_SSL_HANDSHAKE_WITH_CERT_ENABLED)
static inline int pmg_sig_alg_is_supported(const mbedtls_ssl_context *ssl, uint16_t sig_alg) {
    return mbedtls_ssl_sig_alg_is_supported(ssl, sig_alg) ||
           sig_alg == MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA256 ||
           sig_alg == MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA384 ||
           sig_alg == MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA512;
}
#define mbedtls_ssl_sig_alg_is_supported pmg_sig_alg_is_supported
#endif

#endif
