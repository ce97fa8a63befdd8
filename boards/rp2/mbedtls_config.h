// SPDX-License-Identifier: GPL-2.0-only
//
// Mbed TLS of RP2 boards: the port's own configuration, which `ssl` is written for, and what
// pymongoose adds.
#ifndef PMG_RP2_MBEDTLS_CONFIG_H
#define PMG_RP2_MBEDTLS_CONFIG_H

#include "ports/rp2/mbedtls/mbedtls_config_port.h"

#define MBEDTLS_BASE64_C
#define MBEDTLS_PEM_PARSE_C

#define MBEDTLS_SSL_ALL_ALERT_MESSAGES
#define MBEDTLS_SSL_ALPN
#define MBEDTLS_SSL_EXTENDED_MASTER_SECRET
#define MBEDTLS_SSL_KEEP_PEER_CERTIFICATE
#define MBEDTLS_SSL_MAX_FRAGMENT_LENGTH
#define MBEDTLS_SSL_SESSION_TICKETS
#define MBEDTLS_SSL_TICKET_C

#endif
