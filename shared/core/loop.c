// SPDX-License-Identifier: GPL-2.0-only
//
// The event loop. One turn waits for readiness, then touches only connections that are ready, due
// or queued; idle ones cost nothing.
//
// The order within a turn: I/O that is ready, wake-ups, timers and deadlines, then the work queue.
// A connection gets into the work queue when something was queued to send outside its own read
// event, when it is to close, or when received bytes wait for their protocol. Connections are
// freed by the work queue alone, so that no code above a hook ever holds a dead pointer.

#include "core_int.h"

#define WORK_PASSES 4
// Whether something is due within a short wait is told by what the clock said after the last one: a
// busy server is spared a look at it in each turn. Where a turn had something to do and more than FAR_MS
// went by since, a timer that is older than that comes later by a short wait.
#define SHORT_WAIT_MS 250
#define FAR_MS 1000

static void work_run(pmg_mgr_t *m) {
    for (int pass = 0; pass < WORK_PASSES && !m->stop; pass++) {
        // What is queued meanwhile waits for the next pass.
        for (size_t n = m->work_len; n > 0 && m->work_first != NULL && !m->stop; n--) {
            struct mg_connection *c = m->work_first;
            m->work_first = pmg_x(c)->work_next;
            if (m->work_first == NULL) {
                m->work_last = NULL;
            }
            m->work_len--;
            pmg_x(c)->in_work = 0;
            m->done++;
            if (!c->is_closing) {
                pmg_work_on(c);
            }
            if (c->is_closing) {
                pmg_conn_free(c);
            }
        }
    }
}

static int wait_time(pmg_mgr_t *m, int ms, bool busy) {
    if (m->work_first != NULL || __atomic_load_n(&m->wake_first, __ATOMIC_ACQUIRE) != NULL) {
        return 0;
    }
    uint64_t due = pmg_heap_due(m);
    if (due == UINT64_MAX || ms == 0 ||
        (busy && ms > 0 && ms <= SHORT_WAIT_MS && due > m->now + FAR_MS + (unsigned)ms)) {
        return ms;
    }
    m->now = pmg_port_millis();
    uint64_t left = due > m->now ? due - m->now : 0;
    return ms < 0 || left < (uint64_t)ms ? (int)(left < INT_MAX ? left : INT_MAX) : ms;
}

int pmg_mgr_poll(pmg_mgr_t *m, int ms) {
    if (m->polling || m->depth > 0) {
        return pmg_fail(m, -EBUSY, "poll() is running already");
    }
    int err = pmg_io_check(m);
    if (err < 0) {
        return err;
    }
    bool busy = m->done > 0; // in the last turn
    m->stop = false;
    m->done = 0;
    m->turn++;
    pmg_log_check(m);
    int timeout = wait_time(m, ms, busy);
    m->waiting = false;
    m->polling = true;
    err = pmg_io_wait(m, timeout);
    if (!m->stop) {
        pmg_wakeups_run(m);
    }
    if (!m->stop) {
        pmg_timers_run(m);
    }
    if (m->pollers > 0) {
        struct mg_connection *c = m->first;
        while (c != NULL && !m->stop) {
            struct mg_connection *next = pmg_x(c)->next;
            pmg_fire(c, MG_EV_POLL, &m->now);
            c = next;
        }
    }
    work_run(m);
    if (m->tells_each) {
        pmg_outer_tell(m);
    }
    m->polling = false;
    if (m->outer) {
        pmg_outer_polled(m);
    }
    return err < 0 ? err : (int)(m->done < INT_MAX ? m->done : INT_MAX);
}
