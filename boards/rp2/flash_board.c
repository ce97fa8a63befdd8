// SPDX-License-Identifier: GPL-2.0-only
//
// How far the firmware may reach, as a symbol of the linked file: flash_fits.py reads it there.

#include "py/mpconfig.h"

// As rp2_flash.c has it.
#ifndef MICROPY_HW_FLASH_STORAGE_BASE
#define MICROPY_HW_FLASH_STORAGE_BASE (PICO_FLASH_SIZE_BYTES - MICROPY_HW_FLASH_STORAGE_BYTES)
#endif

void pmg_flash_layout(void);

// Never called, nor linked.
void pmg_flash_layout(void) {
    __asm__(".globl pmg_flash_room\n.set pmg_flash_room, %c0"
        :
        : "i"(MICROPY_HW_FLASH_STORAGE_BASE - MICROPY_HW_ROMFS_BYTES));
}
