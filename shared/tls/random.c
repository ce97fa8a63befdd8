// SPDX-License-Identifier: GPL-2.0-only
//
// mbedTLS's random numbers: the port's.

#include "../base/names.h"

// Where a firmware has mbedTLS for MicroPython's `ssl` alone, its PSA asks us all the same.
#if (PMG_HAS_TLS || defined(MBEDTLS_CONFIG_FILE)) && !defined(NO_QSTR)

#include "../port/port.h"

#include "mbedtls/ssl.h"

#if PMG_HAS_TLS
#include "tls_int.h"

int pmg_tls_rng(void *ctx, unsigned char *buf, size_t len) {
    (void)ctx;
    return pmg_port_random(buf, len) ? 0 : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}
#endif

#ifdef MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG
#include "psa/crypto.h"

psa_status_t mbedtls_psa_external_get_random(mbedtls_psa_external_random_context_t *context,
    uint8_t *out, size_t size, size_t *len) {
    (void)context;
    *len = size;
    return pmg_port_random(out, size) ? PSA_SUCCESS : PSA_ERROR_INSUFFICIENT_ENTROPY;
}
#endif

#endif
