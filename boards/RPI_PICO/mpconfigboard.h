// SPDX-License-Identifier: GPL-2.0-only
//
// MicroPython's own Pico has no network. This one has lwIP over PPP on a UART (a cellular modem, a
// link to a computer, the emulator) and loopback, so the file system makes room in the flash.
#include "boards/RPI_PICO/mpconfigboard.h"

#undef MICROPY_HW_FLASH_STORAGE_BYTES
#define MICROPY_HW_FLASH_STORAGE_BYTES (1024 * 1024)

#define MICROPY_PY_NETWORK (1)
#define MICROPY_PY_NETWORK_HOSTNAME_DEFAULT "Pico"
#ifndef MICROPY_PY_NETWORK_PPP_LWIP
#define MICROPY_PY_NETWORK_PPP_LWIP (1)
#endif

#include "../rp2/board.h"
