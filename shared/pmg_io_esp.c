// SPDX-License-Identifier: GPL-2.0-only
//
// How the socket backend waits on ESP-IDF: select() in slices, with the runtime's lock released.
//
// A wake-up is a flag that is looked at between two slices. It costs none of the few sockets, and
// may come from another task, the other core or an interrupt; it is seen after SLICE_MS at most.

#if defined(PMG_IO_ESP) || (defined(ESP_PLATFORM) && !defined(NO_QSTR))

#include "pmg_io_sock.h"

#define SLICE_MS 20

int pmg_io_init(pmg_mgr_t *m) {
    portMUX_INITIALIZE(&m->io.lock);
    m->io.woken = false;
    return 0;
}

void pmg_io_fini(pmg_mgr_t *m) {
    (void)m;
}

int pmg_io_check(pmg_mgr_t *m) {
    (void)m;
    return 0;
}

// What it guards takes a few instructions and no memory.
void pmg_io_lock(pmg_mgr_t *m) {
    portENTER_CRITICAL(&m->io.lock);
}

void pmg_io_unlock(pmg_mgr_t *m) {
    portEXIT_CRITICAL(&m->io.lock);
}

void pmg_io_wake(pmg_mgr_t *m) {
    m->io.woken = true;
}

int pmg_io_watch(struct mg_connection *c, int mask) {
    (void)mask; // the sets are built anew for each wait
    pmg_x(c)->watched = 1;
    return 0;
}

void pmg_io_unwatch(struct mg_connection *c) {
    pmg_x(c)->watched = 0;
}

typedef struct {
    fd_set reads, writes, errors;
    int end; // the highest descriptor and one
} sets_t;

static void fill(pmg_mgr_t *m, sets_t *s) {
    memset(s, 0, sizeof(*s));
    for (struct mg_connection *c = m->first; c != NULL; c = pmg_x(c)->next) {
        int fd = fd_of(c), mask = pmg_x(c)->io_mask;
        if (fd < 0 || !pmg_x(c)->watched) {
            continue;
        }
        if (mask & PMG_IO_READ) {
            FD_SET(fd, &s->reads);
        }
        if (mask & PMG_IO_WRITE) {
            FD_SET(fd, &s->writes);
        }
        FD_SET(fd, &s->errors);
        s->end = fd >= s->end ? fd + 1 : s->end;
    }
}

// One select(), while others run. Its result, or a negative errno.
static int look(pmg_mgr_t *m, sets_t *s, int ms) {
    struct timeval time = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};
    void *state = NULL;
    fill(m, s);
    m->waiting = ms != 0;
    if (ms != 0) {
        pmg_port_wait_begin(&state);
    }
    int r = select(s->end, &s->reads, &s->writes, &s->errors, &time);
    int err = errno;
    if (ms != 0) {
        pmg_port_wait_end(&state);
    }
    m->waiting = false;
    return r >= 0 ? r : err == EINTR ? 0 : -err;
}

int pmg_io_wait(pmg_mgr_t *m, int ms) {
    uint64_t end = ms > 0 ? pmg_port_millis() + (uint64_t)ms : 0;
    sets_t s;
    int r;
    for (;;) {
        int slice = m->io.woken ? 0 : ms >= 0 && ms < SLICE_MS ? ms : SLICE_MS;
        r = look(m, &s, slice);
        if (r != 0 || m->io.woken) {
            break;
        }
        if (ms >= 0) {
            uint64_t now = ms > 0 ? pmg_port_millis() : end;
            if (now >= end) {
                break;
            }
            ms = (int)(end - now);
        }
    }
    m->io.woken = false;
    m->now = pmg_port_millis();
    if (r <= 0) {
        return r;
    }
    // Hooks make connections, whose descriptors are others, and free none.
    for (struct mg_connection *c = m->first; c != NULL && !m->stop; c = pmg_x(c)->next) {
        int fd = fd_of(c), want = pmg_x(c)->io_mask;
        if (fd < 0 || fd >= s.end || !pmg_x(c)->watched) {
            continue;
        }
        bool error = FD_ISSET(fd, &s.errors);
        int mask = (FD_ISSET(fd, &s.reads) || (error && (want & PMG_IO_READ)) ? PMG_IO_READ : 0) |
                   (FD_ISSET(fd, &s.writes) || (error && (want & PMG_IO_WRITE)) ? PMG_IO_WRITE : 0);
        if (mask != 0 || error) {
            pmg_io_ready(c, mask, error);
        }
    }
    return r;
}

#endif
