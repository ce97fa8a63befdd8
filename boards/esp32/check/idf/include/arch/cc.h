// SPDX-License-Identifier: GPL-2.0-only
//
// A stand-in for a header of ESP-IDF: what MicroPython's headers and pymongoose name of it.
#ifndef PMG_CHECK_ARCH_CC_H
#define PMG_CHECK_ARCH_CC_H

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include "sdkconfig.h"
#include "arch/sys_arch.h"
typedef int sys_prot_t;
#define LWIP_PLATFORM_DIAG(x)
#define LWIP_PLATFORM_ASSERT(x)

#endif
