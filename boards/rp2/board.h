// SPDX-License-Identifier: GPL-2.0-only
//
// What all RP2 boards share, after MicroPython's own definition of the board.
#ifndef PMG_RP2_BOARD_H
#define PMG_RP2_BOARD_H

// net_board.c delivers packets that the board sends to itself, in the same context as any other.
#define MICROPY_BOARD_PENDSV_ENTRIES PENDSV_DISPATCH_LOOPBACK,

#endif
