// SPDX-License-Identifier: GPL-2.0-only
//
// A stand-in for a header of ESP-IDF: what MicroPython's headers and pymongoose name of it.
#ifndef PMG_CHECK_FREERTOS_SEMPHR_H
#define PMG_CHECK_FREERTOS_SEMPHR_H

#include "freertos/FreeRTOS.h"
typedef struct QueueDefinition *SemaphoreHandle_t;
typedef struct {
    void *data[20];
} StaticSemaphore_t;
BaseType_t xQueueSemaphoreTake(SemaphoreHandle_t semaphore, TickType_t ticks);
#define xSemaphoreTake(semaphore, ticks) xQueueSemaphoreTake(semaphore, ticks)

#endif
