// SPDX-License-Identifier: GPL-2.0-only
//
// A stand-in for a header of ESP-IDF: what MicroPython's headers and pymongoose name of it.
#ifndef PMG_CHECK_FREERTOS_FREERTOS_H
#define PMG_CHECK_FREERTOS_FREERTOS_H

#include <stdint.h>
#include "sdkconfig.h"
typedef int BaseType_t;
typedef unsigned UBaseType_t;
typedef uint32_t TickType_t;
typedef struct {
    uint32_t owner, count;
} portMUX_TYPE;
#define portMUX_INITIALIZER_UNLOCKED {0xB33FFFFF, 0}
#define pdFALSE 0
#define pdTRUE 1
void spinlock_initialize(portMUX_TYPE *mux);
void vPortEnterCritical(portMUX_TYPE *mux);
void vPortExitCritical(portMUX_TYPE *mux);
#define portMUX_INITIALIZE(mux) spinlock_initialize(mux)
BaseType_t xPortInIsrContext(void);
void vPortYieldFromISR(void);
#define portENTER_CRITICAL(mux) vPortEnterCritical(mux)
#define portEXIT_CRITICAL(mux) vPortExitCritical(mux)
#define portENTER_CRITICAL_ISR(mux) vPortEnterCritical(mux)
#define portEXIT_CRITICAL_ISR(mux) vPortExitCritical(mux)
#define portENTER_CRITICAL_SAFE(mux) \
    (xPortInIsrContext() ? portENTER_CRITICAL_ISR(mux) : portENTER_CRITICAL(mux))
#define portEXIT_CRITICAL_SAFE(mux) \
    (xPortInIsrContext() ? portEXIT_CRITICAL_ISR(mux) : portEXIT_CRITICAL(mux))
#define portYIELD_FROM_ISR() vPortYieldFromISR()

#endif
