// SPDX-License-Identifier: GPL-2.0-only
//
// FreeRTOS's spinlock on a desktop, for the unix port with the sockets of an ESP32.
#ifndef PMG_UNIX_FREERTOS_H
#define PMG_UNIX_FREERTOS_H

#include <pthread.h>

typedef pthread_mutex_t portMUX_TYPE;
#define portMUX_INITIALIZE(mux) ((void)pthread_mutex_init(mux, NULL))
#define portENTER_CRITICAL_SAFE(mux) ((void)pthread_mutex_lock(mux))
#define portEXIT_CRITICAL_SAFE(mux) ((void)pthread_mutex_unlock(mux))
#define portYIELD_FROM_ISR() ((void)0)

__attribute__((weak)) unsigned pmg_esp_asked;

// There are no interrupts: every second one who asks is told that it is one.
static inline int xPortInIsrContext(void) {
    return (int)(__atomic_add_fetch(&pmg_esp_asked, 1, __ATOMIC_RELAXED) & 1);
}

#endif
