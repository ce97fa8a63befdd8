// SPDX-License-Identifier: GPL-2.0-only
//
// mbedTLS of the unix port: the port's own configuration, which `ssl` is written for, and what
// pymongoose adds.
#ifndef PMG_UNIX_MBEDTLS_CONFIG_H
#define PMG_UNIX_MBEDTLS_CONFIG_H

#include "mbedtls/mbedtls_config_port.h"
#include "../../shared/tls/mbedtls_micropython.h"

// A desktop has room: chains of more than 4 KB, and fewer records.
#undef MBEDTLS_SSL_OUT_CONTENT_LEN
#define MBEDTLS_SSL_OUT_CONTENT_LEN (16384)

#define MBEDTLS_AESNI_C
#define MBEDTLS_HAVE_ASM
#define MBEDTLS_CCM_C
#define MBEDTLS_CHACHA20_C
#define MBEDTLS_POLY1305_C
#define MBEDTLS_CHACHAPOLY_C
#define MBEDTLS_ECP_DP_CURVE25519_ENABLED
#define MBEDTLS_ECP_NIST_OPTIM

#endif
