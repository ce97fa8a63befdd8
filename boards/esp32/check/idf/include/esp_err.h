// SPDX-License-Identifier: GPL-2.0-only
//
// A stand-in for a header of ESP-IDF: what MicroPython's headers and pymongoose name of it.
#ifndef PMG_CHECK_ESP_ERR_H
#define PMG_CHECK_ESP_ERR_H

typedef int esp_err_t;
#define ESP_OK 0

#endif
