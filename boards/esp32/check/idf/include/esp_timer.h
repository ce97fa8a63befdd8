// SPDX-License-Identifier: GPL-2.0-only
//
// A stand-in for a header of ESP-IDF: what MicroPython's headers and pymongoose name of it.
#ifndef PMG_CHECK_ESP_TIMER_H
#define PMG_CHECK_ESP_TIMER_H

#include <stdint.h>
int64_t esp_timer_get_time(void);

#endif
