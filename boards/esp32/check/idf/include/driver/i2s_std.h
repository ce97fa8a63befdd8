// SPDX-License-Identifier: GPL-2.0-only
//
// A stand-in for a header of ESP-IDF: what MicroPython's headers and pymongoose name of it.
#ifndef PMG_CHECK_DRIVER_I2S_STD_H
#define PMG_CHECK_DRIVER_I2S_STD_H

#include "esp_err.h"

#endif
