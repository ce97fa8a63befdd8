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

// (Used where py/objtuple.h is included; 1.26 has it there.)
#if MICROPY_VERSION < MICROPY_MAKE_VERSION(1, 26, 0)
#define mp_obj_is_tuple_compatible(o) \
    (MP_OBJ_TYPE_GET_SLOT_OR_NULL(mp_obj_get_type(o), iter) == mp_obj_tuple_getiter)
#endif

// From 1.26 on the rp2 port runs lwIP's timers only as long as a network has a link or TCP connections
// are open, and starts them when a link comes up; 1.25 runs them always. Since 1.28 there is
// MICROPY_PY_LWIP_POLL_HOOK to start them for 127.0.0.1, too: without it port_lwip.c says that the
// loopback's link came up.
#if defined(PICO_BUILD) && MICROPY_VERSION >= MICROPY_MAKE_VERSION(1, 26, 0)
#define MPY_LWIP_TIMERS_STOP (1)
#endif

#endif
