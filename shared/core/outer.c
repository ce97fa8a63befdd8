// SPDX-License-Identifier: GPL-2.0-only
//
// Somebody else's loop waits for us: on a descriptor, on many of them, or by asking; and for so long
// as pmg_mgr_timeout() says. From then on `waiting` holds between two polls, too, so that whatever
// queues work there wakes that loop as it would wake our own.

#include "core_int.h"

static bool pending(pmg_mgr_t *m) {
    return m->work_first != NULL || __atomic_load_n(&m->wake_first, __ATOMIC_ACQUIRE) != NULL;
}

// From now on.
static void begin(pmg_mgr_t *m) {
    if (!m->outer) {
        m->outer = true;
        m->told_due = UINT64_MAX;
        if (!m->polling) {
            pmg_outer_polled(m);
        }
    }
}

void pmg_outer_polled(pmg_mgr_t *m) {
    m->told_due = UINT64_MAX;
    m->waiting = true;
    if (pending(m)) {
        pmg_wake(m);
    }
}

int pmg_mgr_fd(pmg_mgr_t *m) {
    int err = pmg_io_check(m);
    int fd = err < 0 ? err : pmg_io_fd(m);
    if (fd == -ENOTSUP) {
        return pmg_fail(m, fd,
            "there is no one descriptor here: give Manager(watch=f) a function, "
            "or register the Manager itself with select.poll()");
    }
    if (fd >= 0) {
        begin(m);
    }
    return fd;
}

int pmg_mgr_timeout(pmg_mgr_t *m, long *ms) {
    int err = pmg_io_check(m);
    *ms = -1;
    if (err < 0) {
        return err;
    }
    begin(m);
    m->told_due = 0; // nothing in here is news
    uint64_t due = pmg_heap_due_exactly(m), now = pmg_port_millis();
    int look = pmg_io_look_again(m);
    if (look >= 0 && due > now + (uint64_t)look) {
        due = now + (uint64_t)look;
    }
    if (pending(m)) {
        due = now;
    }
    m->told_due = due;
    if (due != UINT64_MAX) {
        uint64_t left = due > now ? due - now : 0;
        *ms = left < INT_MAX ? (long)left : INT_MAX;
    }
    return 0;
}

bool pmg_mgr_ready(pmg_mgr_t *m) {
    long ms;
    return pmg_mgr_timeout(m, &ms) < 0 || ms == 0 || pmg_io_ready(m);
}

// ---------------------------------------------------------------------------------------------
// Many descriptors

static void tell(pmg_mgr_t *m, int fd, int mask) {
    if (!m->silent) {
        m->depth++;
        if (m->hooks.watch(m, fd, mask) == PMG_STOP) {
            m->stop = true;
        }
        m->depth--;
    }
}

int pmg_mgr_watch(pmg_mgr_t *m) {
    int one = pmg_io_fd(m), fd = one >= 0 ? one : pmg_io_wake_fd(m);
    if (fd < 0) {
        return pmg_fail(m, -ENOTSUP,
            "there are no descriptors here: register the Manager itself with select.poll()");
    }
    m->tells = true;
    m->tells_each = one < 0;
    begin(m);
    tell(m, fd, PMG_IO_READ);
    return 0;
}

void pmg_outer_tell(pmg_mgr_t *m) {
    struct mg_connection *c = m->tells_each ? m->first : NULL;
    for (; c != NULL; c = pmg_x(c)->next) {
        pmg_conn_t *x = pmg_x(c);
        int mask = x->watched ? x->io_mask : 0, fd = mask != x->told ? pmg_io_conn_fd(c) : -1;
        if (fd >= 0) {
            x->told = (uint8_t)mask;
            tell(m, fd, mask);
        }
    }
}

void pmg_outer_forget(struct mg_connection *c) {
    if (pmg_x(c)->told != 0) {
        pmg_x(c)->told = 0;
        tell(pmg_m(c), pmg_io_conn_fd(c), 0);
    }
}

void pmg_outer_end(pmg_mgr_t *m) {
    if (m->tells) {
        int one = pmg_io_fd(m);
        tell(m, one >= 0 ? one : pmg_io_wake_fd(m), 0);
    }
}
