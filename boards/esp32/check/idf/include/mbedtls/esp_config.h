// SPDX-License-Identifier: GPL-2.0-only
//
// A stand-in for ESP-IDF's configuration of mbedTLS: TLS 1.2, as MicroPython's sdkconfig has it,
// with what boards/esp32/sdkconfig.pymongoose adds.
#ifndef PMG_CHECK_MBEDTLS_ESP_CONFIG_H
#define PMG_CHECK_MBEDTLS_ESP_CONFIG_H

#include "mbedtls/mbedtls_config.h"

#undef MBEDTLS_SSL_PROTO_TLS1_3
#undef MBEDTLS_PSA_CRYPTO_C
#undef MBEDTLS_PSA_CRYPTO_STORAGE_C
#undef MBEDTLS_PSA_ITS_FILE_C
#undef MBEDTLS_LMS_C
#undef MBEDTLS_NET_C
#undef MBEDTLS_TIMING_C
#undef MBEDTLS_FS_IO
#define MBEDTLS_SSL_IN_CONTENT_LEN 16384
#define MBEDTLS_SSL_OUT_CONTENT_LEN 4096

#endif
