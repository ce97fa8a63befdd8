// SPDX-License-Identifier: GPL-2.0-only
//
// A build includes this, by -include, ahead of MicroPython's modtls_mbedtls.c and nothing else.
//
// TLS 1.3 is there for pymongoose. MicroPython's `ssl` is written for TLS 1.2, the only version of
// its own configuration: a program that chooses ciphers by their TLS 1.2 names would find no peer.
#ifndef PMG_SSL_TLS12_H
#define PMG_SSL_TLS12_H

#include "mbedtls/ssl.h"

static inline int pmg_ssl_config_defaults(mbedtls_ssl_config *conf, int endpoint, int transport,
    int preset) {
    int r = mbedtls_ssl_config_defaults(conf, endpoint, transport, preset);
    mbedtls_ssl_conf_max_tls_version(conf, MBEDTLS_SSL_VERSION_TLS1_2);
    return r;
}
#define mbedtls_ssl_config_defaults pmg_ssl_config_defaults
// TLS 1.2 does without PSA, whose tables would lie in a heap that ends with a soft reset.
#define psa_crypto_init() ((void)0)

#endif
