// SPDX-License-Identifier: GPL-2.0-only
//
// A stand-in for a header of ESP-IDF: what MicroPython's headers and pymongoose name of it.
#ifndef PMG_CHECK_FREERTOS_TASK_H
#define PMG_CHECK_FREERTOS_TASK_H

#include "freertos/FreeRTOS.h"
typedef struct tskTaskControlBlock *TaskHandle_t;
uint32_t ulTaskNotifyTake(BaseType_t clear, TickType_t ticks);
void vTaskDelay(TickType_t ticks);

#endif
