// SPDX-License-Identifier: GPL-2.0-only
//
// Mbed TLS of RP2 boards: the port's own configuration, which `ssl` is written for, and what
// pymongoose adds.
#ifndef PMG_RP2_MBEDTLS_CONFIG_H
#define PMG_RP2_MBEDTLS_CONFIG_H

#include "ports/rp2/mbedtls/mbedtls_config_port.h"
#include "../../shared/tls/mbedtls_micropython.h"

#define MBEDTLS_PSA_KEY_SLOT_COUNT 2 // of keys in storage, which there are none of

#endif
