// SPDX-License-Identifier: GPL-2.0-only
//
// A stand-in for a header of ESP-IDF: what MicroPython's headers and pymongoose name of it.
#ifndef PMG_CHECK_FREERTOS_QUEUE_H
#define PMG_CHECK_FREERTOS_QUEUE_H

#include "freertos/FreeRTOS.h"
typedef struct QueueDefinition *QueueHandle_t;

#endif
