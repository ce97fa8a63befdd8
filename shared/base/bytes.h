// SPDX-License-Identifier: GPL-2.0-only
//
// Numbers in network byte order.
#ifndef PMG_BYTES_H
#define PMG_BYTES_H

#include <stdint.h>

static inline uint16_t pmg_get16(const uint8_t *p) {
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint8_t *pmg_put16(uint8_t *p, unsigned v) {
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
    return p + 2;
}

#endif
