// SPDX-License-Identifier: GPL-2.0-only
#ifndef PMG_RP2_PPP_OUTPUT_H
#define PMG_RP2_PPP_OUTPUT_H

// Not 0 while lwIP writes to a UART: then nothing may run but interrupts.
extern volatile unsigned char pmg_ppp_output;

#endif
