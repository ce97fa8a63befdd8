// SPDX-License-Identifier: GPL-2.0-only
//
// Which ciphers are offered and taken: authenticated encryption and forward secrecy alone, in this
// order. What a build lacks, ChaCha20 on an RP2040, is passed over. docs/tls.md has the list, too.

#include "../base/names.h"
#if PMG_HAS_TLS && !defined(NO_QSTR)

#include "tls_int.h"

#include "mbedtls/ssl_ciphersuites.h"

#define SUITES                                                                                   \
    MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256, MBEDTLS_TLS1_3_AES_256_GCM_SHA384,                  \
        MBEDTLS_TLS1_3_AES_128_GCM_SHA256, MBEDTLS_TLS1_3_AES_128_CCM_SHA256,                    \
        MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,                                   \
        MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,                                     \
        MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,                                         \
        MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_CCM, \
        MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,                                         \
        MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM

#ifdef PMG_BOARD
#define LEGACY // not compiled there
#else
// Of gear that knows nothing better: behind all else, and a client's alone.
#define LEGACY                                                                                    \
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384,                                              \
        MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384,                                            \
        MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, \
        MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,                                          \
        MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,                                            \
        MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, \
        MBEDTLS_TLS_RSA_WITH_AES_256_GCM_SHA384, MBEDTLS_TLS_RSA_WITH_AES_128_GCM_SHA256,         \
        MBEDTLS_TLS_RSA_WITH_AES_256_CBC_SHA256, MBEDTLS_TLS_RSA_WITH_AES_256_CBC_SHA,            \
        MBEDTLS_TLS_RSA_WITH_AES_128_CBC_SHA256, MBEDTLS_TLS_RSA_WITH_AES_128_CBC_SHA,
#endif

static const int all[] = {SUITES, LEGACY};
enum { ALL = sizeof(all) / sizeof(all[0]), MODERN = sizeof((int[]) {SUITES}) / sizeof(int) };

// mbedTLS takes a list for what it knows, and ends a handshake over one that it does not.
static void keep_known(int *out, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (mbedtls_ssl_ciphersuite_from_id(all[i]) != NULL) {
            *out++ = all[i];
        }
    }
    *out = 0;
}

const int *pmg_tls_suites(bool legacy) {
    static int modern[MODERN + 1], old[ALL + 1];
    if (modern[0] == 0) { // the lock is held
        keep_known(modern, MODERN);
        keep_known(old, ALL);
    }
    return !legacy ? modern : (int)ALL > (int)MODERN ? old : NULL;
}

#endif
