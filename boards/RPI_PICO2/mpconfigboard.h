// SPDX-License-Identifier: GPL-2.0-only
//
// As RPI_PICO: MicroPython's own Pico 2 has no network, this one has lwIP over PPP on a UART, and
// loopback. The flash is twice as large, and so is what MicroPython leaves to the firmware.
#include "boards/RPI_PICO2/mpconfigboard.h"

#define MICROPY_PY_NETWORK (1)
#define MICROPY_PY_NETWORK_HOSTNAME_DEFAULT "Pico2"
#define MICROPY_PY_NETWORK_PPP_LWIP (1)

#include "../rp2/board.h"
