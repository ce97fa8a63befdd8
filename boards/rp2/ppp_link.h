// SPDX-License-Identifier: GPL-2.0-only
#ifndef PMG_RP2_PPP_LINK_H
#define PMG_RP2_PPP_LINK_H

#include <stddef.h>
#include "netif/ppp/ppp.h"

// Bytes of the line.
void pmg_ppp_input(ppp_pcb *ppp, const u8_t *data, size_t len);
// Sends the packets of a link that pppos_create() made.
void pmg_ppp_hook(ppp_pcb *ppp);

#endif
