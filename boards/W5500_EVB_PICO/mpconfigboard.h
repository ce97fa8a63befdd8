// SPDX-License-Identifier: GPL-2.0-only
//
// MicroPython's own leaves 640 KiB of the flash to the firmware.
#include "boards/W5500_EVB_PICO/mpconfigboard.h"

#undef MICROPY_HW_FLASH_STORAGE_BYTES
#define MICROPY_HW_FLASH_STORAGE_BYTES (1024 * 1024)

#include "../rp2/board.h"
