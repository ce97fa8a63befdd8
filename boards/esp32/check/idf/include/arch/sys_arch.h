// SPDX-License-Identifier: GPL-2.0-only
//
// A stand-in for a header of ESP-IDF: what MicroPython's headers and pymongoose name of it.
#ifndef PMG_CHECK_ARCH_SYS_ARCH_H
#define PMG_CHECK_ARCH_SYS_ARCH_H

#include "freertos/semphr.h"
typedef SemaphoreHandle_t sys_sem_t;
typedef void *sys_mutex_t;
typedef void *sys_mbox_t;
typedef void *sys_thread_t;
typedef int sys_prot_t;
sys_sem_t *sys_thread_sem_get(void);
int sys_sem_signal_isr(sys_sem_t *sem);

#endif
