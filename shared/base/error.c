// SPDX-License-Identifier: GPL-2.0-only
//
// What went wrong, in one line; and how many objects live.

#include "record.h"

static size_t live_managers, live_connections, live_timers;

int pmg_fail(pmg_mgr_t *m, int err, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    pmg_vsnprintf(m->err_text, sizeof(m->err_text), fmt, &ap);
    va_end(ap);
    for (char *p = m->err_text; *p != '\0'; p++) { // one line, so that no argument can forge a log
        if ((unsigned char)*p < ' ' || *p == 0x7f) {
            *p = '?';
        }
    }
    m->err = err;
    return err;
}

int pmg_nested(pmg_mgr_t *m) {
    return m->depth < PMG_NESTING_MAX
               ? 0
               : pmg_fail(m, -ELOOP,
                     "handlers are nested %d deep: go on in a timer, or by wakeup()",
                     PMG_NESTING_MAX);
}

const char *pmg_error_text(pmg_mgr_t *m, int err) {
    if (m != NULL && m->err == err && m->err_text[0] != '\0') {
        return m->err_text;
    }
    return strerror(-err);
}

void pmg_live_add(int managers, int connections, int timers) {
    __atomic_add_fetch(&live_managers, (size_t)managers, __ATOMIC_RELAXED);
    __atomic_add_fetch(&live_connections, (size_t)connections, __ATOMIC_RELAXED);
    __atomic_add_fetch(&live_timers, (size_t)timers, __ATOMIC_RELAXED);
}

void pmg_live(pmg_live_t *out) {
    out->managers = __atomic_load_n(&live_managers, __ATOMIC_RELAXED);
    out->connections = __atomic_load_n(&live_connections, __ATOMIC_RELAXED);
    out->timers = __atomic_load_n(&live_timers, __ATOMIC_RELAXED);
    out->blocks = pmg_mem_blocks();
}
