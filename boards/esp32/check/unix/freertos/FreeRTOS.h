// SPDX-License-Identifier: GPL-2.0-only
//
// FreeRTOS's spinlock on a desktop, for the unix port with the sockets of an ESP32.
#ifndef PMG_UNIX_FREERTOS_H
#define PMG_UNIX_FREERTOS_H

#include <pthread.h>

typedef pthread_mutex_t portMUX_TYPE;
#define portMUX_INITIALIZE(mux) ((void)pthread_mutex_init(mux, NULL))
#define portENTER_CRITICAL(mux) ((void)pthread_mutex_lock(mux))
#define portEXIT_CRITICAL(mux) ((void)pthread_mutex_unlock(mux))

#endif
