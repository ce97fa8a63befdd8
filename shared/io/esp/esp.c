// SPDX-License-Identifier: GPL-2.0-only
//
// How the socket backend waits on ESP-IDF: select(), with the runtime's lock released.
//
// A wake-up gives the semaphore that lwIP's select() waits for, as ESP-IDF's own select() does for
// descriptors that are no sockets. It costs none of the few sockets, and comes from another task,
// the other core or an interrupt. The semaphore is the task's own and serves all of its calls: one
// that were left given would end the next call before its time. So each wait is woken once at most,
// and takes what was given before it goes on.

#if defined(PMG_IO_ESP) || (defined(ESP_PLATFORM) && !defined(NO_QSTR))

#include "../sock/sock.h"

// No header of ESP-IDF's has it: who calls it declares it, as the IDF's own select() does. Not 0: a
// task of higher priority can go on.
int sys_sem_signal_isr(sys_sem_t *sem);

int pmg_io_init(pmg_mgr_t *m) {
    memset(pmg_io_of(m), 0, sizeof(pmg_io_mgr_t));
    portMUX_INITIALIZE(&pmg_io_of(m)->lock);
    return 0;
}

void pmg_io_fini(pmg_mgr_t *m) {
    (void)m;
}

int pmg_io_check(pmg_mgr_t *m) {
    (void)m;
    return 0;
}

// What it guards takes a few instructions and no memory. Interrupts are off meanwhile, and may be
// what asks for it.
void pmg_io_lock(pmg_mgr_t *m) {
    portENTER_CRITICAL_SAFE(&pmg_io_of(m)->lock);
}

void pmg_io_unlock(pmg_mgr_t *m) {
    portEXIT_CRITICAL_SAFE(&pmg_io_of(m)->lock);
}

void pmg_io_wake(pmg_mgr_t *m) {
    pmg_io_lock(m);
    sys_sem_t *waker = pmg_io_of(m)->waker;
    pmg_io_of(m)->woken = true;
    pmg_io_of(m)->waker = NULL;
    pmg_io_of(m)->giving = waker != NULL || pmg_io_of(m)->giving;
    pmg_io_unlock(m);
    if (waker == NULL) {
        return;
    }
    // Outside of the lock, where FreeRTOS may switch tasks.
    if (!xPortInIsrContext()) {
        sys_sem_signal(waker);
    } else if (sys_sem_signal_isr(waker)) {
        portYIELD_FROM_ISR();
    }
    __atomic_store_n(&pmg_io_of(m)->giving, false, __ATOMIC_RELEASE);
}

// False: a wake-up came already. Without memory for its semaphore a task has no `waker`, and its
// wait is not ended before its time.
static bool arm(pmg_mgr_t *m, sys_sem_t *waker) {
    pmg_io_lock(m);
    bool idle = !pmg_io_of(m)->woken;
    pmg_io_of(m)->waker = idle ? waker : NULL;
    pmg_io_unlock(m);
    return idle;
}

static void disarm(pmg_mgr_t *m, sys_sem_t *waker) {
    pmg_io_lock(m);
    bool used = pmg_io_of(m)->waker == NULL;
    pmg_io_of(m)->waker = NULL;
    pmg_io_unlock(m);
    if (used && waker != NULL) {
        while (__atomic_load_n(&pmg_io_of(m)->giving, __ATOMIC_ACQUIRE)) {
            vTaskDelay(1); // who gives may be a task of less priority
        }
        (void)xSemaphoreTake(*waker, 0);
    }
}

// lwIP's accept() takes a peer, and drops it if it finds no socket for it then.
int pmg_sock_may_accept(int fd) {
    struct timeval none = {0};
    fd_set reads, others[2];
    memset(&reads, 0, sizeof(reads));
    memset(others, 0, sizeof(others));
    FD_SET(fd, &reads);
    int n = select(fd + 1, &reads, &others[0], &others[1], &none);
    if (n <= 0) {
        return n == 0 ? -EAGAIN : -errno;
    }
    int trial = pmg_sock_new(AF_INET, SOCK_DGRAM);
    if (trial < 0) {
        return trial;
    }
    close(trial);
    return 0;
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

void pmg_sock_closed(pmg_mgr_t *m, int fd) {
    sets_t *s = pmg_io_of(m)->sets;
    if (s != NULL) {
        FD_CLR(fd, &s->reads);
        FD_CLR(fd, &s->writes);
        FD_CLR(fd, &s->errors);
    }
}

// One select(), while others run. Its result, or a negative errno.
static int look(pmg_mgr_t *m, sets_t *s, int ms) {
    struct timeval time = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};
    void *state = NULL;
    sys_sem_t *waker = ms != 0 ? sys_thread_sem_get() : NULL;
    fill(m, s);
    m->waiting = ms != 0;
    if (ms != 0) {
        pmg_port_wait_begin(&state);
        if (!arm(m, waker)) {
            time = (struct timeval) {0};
        }
    }
    int r = select(s->end, &s->reads, &s->writes, &s->errors, &time);
    int err = errno;
    if (ms != 0) {
        disarm(m, waker);
        pmg_port_wait_end(&state);
    }
    m->waiting = false;
    return r >= 0 ? r : err == EINTR ? 0 : -err;
}

// It has descriptors, but none that a wake-up makes readable.
int pmg_io_fd(pmg_mgr_t *m) {
    (void)m;
    return -ENOTSUP;
}

int pmg_io_wake_fd(pmg_mgr_t *m) {
    (void)m;
    return -ENOTSUP;
}

int pmg_io_conn_fd(struct mg_connection *c) {
    return fd_of(c);
}

int pmg_io_look_again(pmg_mgr_t *m) {
    (void)m;
    return -1;
}

bool pmg_io_ready(pmg_mgr_t *m) {
    bool waiting = m->waiting;
    sets_t s;
    int r = look(m, &s, 0);
    m->waiting = waiting;
    return r != 0 || pmg_io_of(m)->woken;
}

int pmg_io_wait(pmg_mgr_t *m, int ms) {
    uint64_t end = ms > 0 ? pmg_port_millis() + (uint64_t)ms : 0;
    sets_t s;
    int r;
    for (;;) {
        r = look(m, &s, ms < 0 ? INT_MAX : ms);
        if (r != 0 || pmg_io_of(m)->woken) {
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
    pmg_io_of(m)->woken = false;
    m->now = pmg_port_millis();
    if (r <= 0) {
        return r;
    }
    // Hooks make connections, whose descriptors are in no set, and free none.
    pmg_io_of(m)->sets = &s;
    for (struct mg_connection *c = m->first; c != NULL && !m->stop; c = pmg_x(c)->next) {
        int fd = fd_of(c), want = pmg_x(c)->io_mask;
        if (fd < 0 || fd >= s.end || !pmg_x(c)->watched) {
            continue;
        }
        bool error = FD_ISSET(fd, &s.errors);
        int mask = (FD_ISSET(fd, &s.reads) || (error && (want & PMG_IO_READ)) ? PMG_IO_READ : 0) |
                   (FD_ISSET(fd, &s.writes) || (error && (want & PMG_IO_WRITE)) ? PMG_IO_WRITE : 0);
        if (mask != 0 || error) {
            pmg_ready(c, mask, error);
        }
    }
    pmg_io_of(m)->sets = NULL;
    return r;
}

#endif
