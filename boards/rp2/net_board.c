// SPDX-License-Identifier: GPL-2.0-only
//
// Loopback: a packet that the board sends to itself waits in its interface's queue until lwIP is
// entered anew, from PendSV, as packets of other interfaces are. And sequence numbers of TCP.

#include "py/mpconfig.h"

#if MICROPY_PY_LWIP

#include <stdbool.h>
#include <string.h>
#include "hardware/structs/rosc.h"
#include "hardware/timer.h"
#include "lwip/netif.h"
#include "pendsv.h"
#include "ppp_output.h"

volatile unsigned char pmg_ppp_output;

static void loopback_dispatch(void) {
    struct netif *netif;
    bool more;
    // What is answered meanwhile is delivered, too: a dispatch asked for in here may get lost.
    do {
        more = false;
        NETIF_FOREACH(netif) {
            if (netif->loop_first != NULL) {
                more = true;
                netif_poll(netif);
            }
        }
    } while (more);
}

err_t pmg_loopback_pending(void (*poll)(struct netif *), struct netif *netif) {
    (void)poll, (void)netif;
    pendsv_schedule_dispatch(PENDSV_DISPATCH_LOOPBACK, loopback_dispatch);
    return ERR_OK;
}

// ---------------------------------------------------------------------------------------------
// RFC 6528: a clock of 4 us and a keyed hash (HalfSipHash-2-4) of who talks to whom

static uint32_t rotl(uint32_t x, int n) {
    return x << n | x >> (32 - n);
}

static void rounds(uint32_t v[4], int n) {
    while (n-- > 0) {
        v[0] += v[1];
        v[1] = rotl(v[1], 5) ^ v[0];
        v[0] = rotl(v[0], 16);
        v[2] += v[3];
        v[3] = rotl(v[3], 8) ^ v[2];
        v[0] += v[3];
        v[3] = rotl(v[3], 7) ^ v[0];
        v[2] += v[1];
        v[1] = rotl(v[1], 13) ^ v[2];
        v[2] = rotl(v[2], 16);
    }
}

static void absorb(uint32_t v[4], uint32_t word) {
    v[3] ^= word;
    rounds(v, 2);
    v[0] ^= word;
}

static void absorb_ip(uint32_t v[4], const ip_addr_t *ip) {
    uint32_t words[sizeof(*ip) / 4];
    memcpy(words, ip, sizeof(words));
    for (size_t i = 0; i < sizeof(words) / 4; i++) {
        absorb(v, words[i]);
    }
}

static uint32_t finish(uint32_t v[4]) {
    v[2] ^= 0xff;
    rounds(v, 4);
    return v[1] ^ v[3];
}

// Of the ring oscillator, without the port's function for it, which is another one since MicroPython
// 1.28. Its bits are biased and like those just before: there are four for each one of the key.
#define KEY_WORDS 8

static void make_key(uint32_t key[2]) {
    uint32_t v[4] = {0, 0, 0x6c796765, 0x74656462};
    for (int i = 0; i < KEY_WORDS; i++) {
        uint32_t word = 0;
        for (int bit = 0; bit < 32; bit++) {
            word = word << 1 | (rosc_hw->randombit & 1);
            busy_wait_us_32(1);
        }
        absorb(v, word);
    }
    absorb(v, time_us_32());
    key[1] = finish(v);
    key[0] = finish(v) | 1;
}

// In the lock, maybe in an interrupt.
unsigned int pmg_tcp_isn(const void *local, unsigned short local_port, const void *remote,
    unsigned short remote_port) {
    static uint32_t key[2];
    if (key[0] == 0) {
        make_key(key);
    }
    uint32_t v[4] = {key[0], key[1], 0x6c796765 ^ key[0], 0x74656462 ^ key[1]};
    absorb_ip(v, local);
    absorb_ip(v, remote);
    absorb(v, (uint32_t)local_port << 16 | remote_port);
    return finish(v) + (unsigned int)(time_us_64() >> 2);
}

#endif
