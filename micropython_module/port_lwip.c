// SPDX-License-Identifier: GPL-2.0-only
//
// What shared/io/lwip/ asks of a runtime (port/port_lwip.h), for MicroPython's ports with lwIP.

#include "py/mpconfig.h"

#if defined(PMG_IO_LWIP) && !defined(NO_QSTR)

#include "py/mphal.h"
#include "py/mpstate.h"
#include "py/runtime.h"

#include "port/port_lwip.h"
#include "port_compat.h"

#if MPY_LWIP_TIMERS_STOP && !defined(MICROPY_PY_LWIP_POLL_HOOK)
#include "lwip/netif.h"
#endif
#if defined(PICO_BUILD)
void lwip_poll_hook(void); // what the hook calls, in case that no header of ours has it
#include "hardware/sync.h"
#include "hardware/timer.h"
#include "shared/runtime/softtimer.h"

// The port's lock is recursive and excludes the other core, too.
void pmg_port_lwip_lock(void) {
    MICROPY_PY_LWIP_ENTER
}

void pmg_port_lwip_unlock(void) {
    MICROPY_PY_LWIP_EXIT
}

void pmg_port_wake(void) {
    __sev();
}

#else

// Elsewhere the lock is the interrupt priority, kept in a variable that ENTER declares.
static uint32_t outer_state;
static unsigned depth;

void pmg_port_lwip_lock(void) {
    MICROPY_PY_LWIP_ENTER
    if (depth++ == 0) {
        outer_state = atomic_state;
    }
}

void pmg_port_lwip_unlock(void) {
    if (--depth == 0) {
        uint32_t atomic_state = outer_state;
        MICROPY_PY_LWIP_EXIT
    }
}

void pmg_port_wake(void) {} // a wait is short

#endif

void pmg_port_lwip_timers(void) {
#if defined(MICROPY_PY_LWIP_POLL_HOOK)
    MICROPY_PY_LWIP_POLL_HOOK;
#elif MPY_LWIP_TIMERS_STOP && LWIP_HAVE_LOOPIF
    const netif_ext_callback_args_t args = {.link_changed = {.state = 1}};
    pmg_port_lwip_lock();
    netif_invoke_ext_callback(netif_get_loopif(), LWIP_NSC_LINK_CHANGED, &args);
    pmg_port_lwip_unlock();
#endif
}

// All interrupts are off and, where there is one, the other core is shut out, too.
static mp_uint_t lock_states[2];
static uint8_t lock_depth;

void pmg_port_lock(void) {
    mp_uint_t state = MICROPY_BEGIN_ATOMIC_SECTION();
    lock_states[lock_depth++] = state;
}

void pmg_port_unlock(void) {
    MICROPY_END_ATOMIC_SECTION(lock_states[--lock_depth]);
}

unsigned pmg_port_core(void) {
#if defined(PICO_BUILD)
    return get_core_num();
#else
    return 0;
#endif
}

// A callback that was scheduled meanwhile must not wait for the next interrupt.
static bool wanted(void) {
    return MP_STATE_VM(sched_state) == MP_SCHED_PENDING ||
           MP_STATE_MAIN_THREAD(mp_pending_exception) != MP_OBJ_NULL;
}

#if defined(PICO_BUILD)

#define LONGEST_MS 1000

typedef struct {
    soft_timer_entry_t entry; // first
    volatile bool over;
} alarm_t;

static void ring(soft_timer_entry_t *entry) {
    ((alarm_t *)entry)->over = true;
}

// A packet comes by a dozen interrupts, of which the last one matters. One alarm serves the whole
// wait; it may come a part of a millisecond early, and there is no second one to wait for.
void pmg_port_idle(int ms, bool (*done)(void *arg), void *arg) {
    if (wanted()) {
        return;
    }
    uint32_t begun = time_us_32(), most = (uint32_t)(ms < 0 || ms > LONGEST_MS ? LONGEST_MS : ms);
    alarm_t alarm = {.over = false};
    soft_timer_static_init(&alarm.entry, SOFT_TIMER_MODE_ONE_SHOT, 0, ring);
    soft_timer_insert(&alarm.entry, most);
    do {
        // What an interrupt asked for while PendSV's handler ran stays undone until this, and that
        // may be the soft timers' own next alarm.
        MICROPY_PY_PENDSV_ENTER;
        MICROPY_PY_PENDSV_EXIT;
        __wfe();
    } while (!wanted() && !done(arg) && !alarm.over && time_us_32() - begun < most * 1000);
    soft_timer_remove(&alarm.entry);
}

#else

void pmg_port_idle(int ms, bool (*done)(void *arg), void *arg) {
    (void)ms, (void)done, (void)arg;
    if (!wanted()) {
#ifdef MICROPY_INTERNAL_WFE
        MICROPY_INTERNAL_WFE(ms);
#else
        MICROPY_EVENT_POLL_HOOK
#endif
    }
}

#endif

#endif
