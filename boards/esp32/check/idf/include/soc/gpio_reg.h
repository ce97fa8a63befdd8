// SPDX-License-Identifier: GPL-2.0-only
//
// A stand-in for a header of ESP-IDF: what MicroPython's headers and pymongoose name of it.
#ifndef PMG_CHECK_SOC_GPIO_REG_H
#define PMG_CHECK_SOC_GPIO_REG_H

#define GPIO_OUT_REG 0x60004004

#endif
