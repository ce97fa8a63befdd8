// SPDX-License-Identifier: GPL-2.0-only
//
// A stand-in for a header of ESP-IDF: what MicroPython's headers and pymongoose name of it.
#ifndef PMG_CHECK_SDKCONFIG_H
#define PMG_CHECK_SDKCONFIG_H

#define CONFIG_LWIP_MAX_SOCKETS 16
#define CONFIG_FREERTOS_UNICORE 1

#endif
