// SPDX-License-Identifier: GPL-2.0-only
#ifndef PMG_UNIX_FREERTOS_TASK_H
#define PMG_UNIX_FREERTOS_TASK_H

#include <unistd.h>

#define vTaskDelay(ticks) ((void)usleep((ticks) * 1000))

#endif
