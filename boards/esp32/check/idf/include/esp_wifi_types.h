// SPDX-License-Identifier: GPL-2.0-only
//
// A stand-in for a header of ESP-IDF: what MicroPython's headers and pymongoose name of it.
#ifndef PMG_CHECK_ESP_WIFI_TYPES_H
#define PMG_CHECK_ESP_WIFI_TYPES_H

#include "esp_err.h"

#endif
