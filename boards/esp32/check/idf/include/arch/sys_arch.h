// SPDX-License-Identifier: GPL-2.0-only
//
// A stand-in for a header of ESP-IDF: what MicroPython's headers and pymongoose name of it.
#ifndef PMG_CHECK_ARCH_SYS_ARCH_H
#define PMG_CHECK_ARCH_SYS_ARCH_H

#include "freertos/FreeRTOS.h"
#include "freertos/queue.h"
#include "freertos/semphr.h"
#include "freertos/task.h"
typedef SemaphoreHandle_t sys_sem_t;
typedef SemaphoreHandle_t sys_mutex_t;
typedef TaskHandle_t sys_thread_t;
typedef struct sys_mbox_s *sys_mbox_t;
sys_sem_t *sys_thread_sem_get(void);

#endif
