// SPDX-License-Identifier: GPL-2.0-only
//
// A stand-in for a header of ESP-IDF: what MicroPython's headers and pymongoose name of it.
#ifndef PMG_CHECK_DRIVER_SPI_MASTER_H
#define PMG_CHECK_DRIVER_SPI_MASTER_H

typedef int spi_host_device_t;

#endif
