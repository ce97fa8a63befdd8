// SPDX-License-Identifier: GPL-2.0-only
//
// What differs between the versions of MicroPython that this module is built with, 1.25 to 1.29: all
// of it stands here, under the names of the newest.
#ifndef MPY_PORT_COMPAT_H
#define MPY_PORT_COMPAT_H

#include "py/mpconfig.h"

// 1.26
#ifndef MP_NORETURN
#define MP_NORETURN NORETURN
#endif

// From 1.26 on the rp2 port runs lwIP's timers only as long as a network has a link or TCP connections
// are open, and starts them when a link comes up. Since 1.28 this hook starts them for 127.0.0.1, too:
// before, telling the port that the loopback's link came up does. 1.25 runs them always.
#if defined(PMG_IO_LWIP) && !defined(MICROPY_PY_LWIP_POLL_HOOK)
#if defined(PICO_BUILD) && MICROPY_VERSION >= MICROPY_MAKE_VERSION(1, 26, 0)
#define MPY_START_LWIP_TIMERS (1) // port_lwip.c
void mpy_start_lwip_timers(void);
#define MICROPY_PY_LWIP_POLL_HOOK mpy_start_lwip_timers();
#else
#define MICROPY_PY_LWIP_POLL_HOOK
#endif
#endif

// 1.28: the rp2 port's own source of random bits, for interrupts, too.
#if defined(PICO_BUILD) && !defined(NO_QSTR)
#if MICROPY_VERSION >= MICROPY_MAKE_VERSION(1, 28, 0)
#include "pico/rand.h"
#define mpy_random_u32 get_rand_32
#else
#define mpy_random_u32 rosc_random_u32
#endif
#endif

#endif
