// SPDX-License-Identifier: GPL-2.0-only
//
// How the socket backend waits: epoll on Linux, poll() elsewhere (define PMG_IO_POLL to have it on
// Linux too). io/esp/ is its counterpart on ESP-IDF.

#if !defined(PMG_IO_LWIP) && !defined(PMG_IO_ESP) && !defined(ESP_PLATFORM)

#include "sock.h"

#include <poll.h>

#if defined(__linux__) && !defined(PMG_IO_POLL)
#define USE_EPOLL 1
#include <sys/epoll.h>
#include <sys/eventfd.h>
#else
#define USE_EPOLL 0
#endif

#define EVENTS_PER_WAIT 256

// ---------------------------------------------------------------------------------------------
// The manager's part

unsigned pmg_io_forks;

static void forked(void) {
    pmg_io_forks++;
}

static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void watch_forks(void) {
    (void)pthread_atfork(NULL, NULL, forked);
}

#if USE_EPOLL
static int open_waker(pmg_mgr_t *m) {
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
    pmg_io_of(m)->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    pmg_io_of(m)->wake_fd[0] = pmg_io_of(m)->wake_fd[1] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (pmg_io_of(m)->poll_fd < 0 || pmg_io_of(m)->wake_fd[0] < 0 ||
        epoll_ctl(pmg_io_of(m)->poll_fd, EPOLL_CTL_ADD, pmg_io_of(m)->wake_fd[0], &ev) < 0) {
        return -errno;
    }
    return 0;
}
#else
static int open_waker(pmg_mgr_t *m) {
    if (pipe(pmg_io_of(m)->wake_fd) < 0) {
        return -errno;
    }
    for (int i = 0; i < 2; i++) {
        (void)fcntl(pmg_io_of(m)->wake_fd[i], F_SETFL, O_NONBLOCK);
        (void)fcntl(pmg_io_of(m)->wake_fd[i], F_SETFD, FD_CLOEXEC);
    }
    return 0;
}
#endif

int pmg_io_init(pmg_mgr_t *m) {
    pmg_io_of(m)->poll_fd = pmg_io_of(m)->wake_fd[0] = pmg_io_of(m)->wake_fd[1] = -1;
    (void)pthread_once(&fork_once, watch_forks);
    pmg_io_of(m)->fork_generation = pmg_io_forks;
    int err = open_waker(m);
    if (err < 0) {
        if (pmg_io_of(m)->poll_fd >= 0) {
            close(pmg_io_of(m)->poll_fd);
        }
        if (pmg_io_of(m)->wake_fd[0] >= 0) {
            close(pmg_io_of(m)->wake_fd[0]);
        }
        return err;
    }
    (void)pthread_mutex_init(&pmg_io_of(m)->lock, NULL);
    return 0;
}

void pmg_io_fini(pmg_mgr_t *m) {
    if (pmg_io_of(m)->poll_fd >= 0) {
        close(pmg_io_of(m)->poll_fd);
    }
    close(pmg_io_of(m)->wake_fd[0]);
    if (pmg_io_of(m)->wake_fd[1] != pmg_io_of(m)->wake_fd[0]) {
        close(pmg_io_of(m)->wake_fd[1]);
    }
    pmg_free(pmg_io_of(m)->fds);
    (void)pthread_mutex_destroy(&pmg_io_of(m)->lock);
}

int pmg_io_check(pmg_mgr_t *m) {
    if (pmg_io_of(m)->fork_generation != pmg_io_forks) {
        return pmg_fail(m, -ECHILD,
            "this Manager belongs to the parent process: make one after fork()");
    }
    return 0;
}

void pmg_io_lock(pmg_mgr_t *m) {
    (void)pthread_mutex_lock(&pmg_io_of(m)->lock);
}

void pmg_io_unlock(pmg_mgr_t *m) {
    (void)pthread_mutex_unlock(&pmg_io_of(m)->lock);
}

void pmg_io_wake(pmg_mgr_t *m) {
    if (pmg_io_of(m)->fork_generation != pmg_io_forks) {
        return; // the waker is the parent's as well
    }
    uint64_t one = 1; // an eventfd takes eight bytes, a pipe any number; a full one wakes as well
    ssize_t n = write(pmg_io_of(m)->wake_fd[1], &one, sizeof(one));
    (void)n;
}

int pmg_io_fd(pmg_mgr_t *m) {
    return pmg_io_of(m)->poll_fd >= 0 ? pmg_io_of(m)->poll_fd : -ENOTSUP;
}

int pmg_io_wake_fd(pmg_mgr_t *m) {
    return pmg_io_of(m)->wake_fd[0];
}

static void drain_waker(pmg_mgr_t *m) {
    char buf[256];
    while (read(pmg_io_of(m)->wake_fd[0], buf, sizeof(buf)) == (ssize_t)sizeof(buf)) {}
}

// ---------------------------------------------------------------------------------------------
// Waiting

#if USE_EPOLL

int pmg_io_watch(struct mg_connection *c, int mask) {
    int fd = fd_of(c), poll_fd = pmg_io_of(pmg_m(c))->poll_fd;
    int err = pmg_io_check(pmg_m(c));
    if (err < 0) {
        return err; // the set is the parent's as well: it would be told of what is ours
    }
    struct epoll_event ev = {.data.ptr = c};
    ev.events = ((mask & PMG_IO_READ) ? EPOLLIN : 0u) | ((mask & PMG_IO_WRITE) ? EPOLLOUT : 0u);
    if (epoll_ctl(poll_fd, pmg_x(c)->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev) < 0) {
        return -errno;
    }
    pmg_x(c)->watched = 1;
    return 0;
}

void pmg_io_unwatch(struct mg_connection *c) {
    if (pmg_x(c)->watched && pmg_io_check(pmg_m(c)) == 0) {
        (void)epoll_ctl(pmg_io_of(pmg_m(c))->poll_fd, EPOLL_CTL_DEL, fd_of(c), NULL);
        pmg_x(c)->watched = 0;
    }
}

static int wait(pmg_mgr_t *m, int ms) {
    struct epoll_event evs[EVENTS_PER_WAIT];
    void *state = NULL;
    int n;
    if (ms != 0) {
        m->waiting = true;
        pmg_port_wait_begin(&state);
        n = epoll_wait(pmg_io_of(m)->poll_fd, evs, EVENTS_PER_WAIT, ms);
        int err = errno;
        pmg_port_wait_end(&state);
        m->waiting = false;
        errno = err;
    } else {
        n = epoll_wait(pmg_io_of(m)->poll_fd, evs, EVENTS_PER_WAIT, 0);
    }
    if (n < 0) {
        n = errno == EINTR ? 0 : -errno;
    }
    m->now = pmg_port_millis();
    for (int i = 0; i < n && !m->stop; i++) {
        struct mg_connection *c = evs[i].data.ptr;
        unsigned e = evs[i].events;
        if (c == NULL) {
            drain_waker(m);
            continue;
        }
        bool error = (e & (EPOLLERR | EPOLLHUP)) != 0;
        int mask =
            ((e & EPOLLIN) || (error && (pmg_x(c)->io_mask & PMG_IO_READ)) ? PMG_IO_READ : 0) |
            ((e & EPOLLOUT) || (error && (pmg_x(c)->io_mask & PMG_IO_WRITE)) ? PMG_IO_WRITE : 0);
        pmg_ready(c, mask, error);
    }
    return n;
}

bool pmg_io_ready(pmg_mgr_t *m) {
    struct pollfd all = {.fd = pmg_io_of(m)->poll_fd, .events = POLLIN};
    return poll(&all, 1, 0) > 0;
}

#else

int pmg_io_watch(struct mg_connection *c, int mask) {
    pmg_mgr_t *m = pmg_m(c);
    (void)mask; // the set is built anew for each wait
    pmg_x(c)->watched = 1;
    if (m->waiting) { // with an older set, or an outer loop by what it was told
        m->waiting = false;
        pmg_io_wake(m);
    }
    return 0;
}

void pmg_io_unwatch(struct mg_connection *c) {
    pmg_x(c)->watched = 0;
}

// Fills the set. How many there are, or -ENOMEM.
static int fill(pmg_mgr_t *m, struct pollfd **set, struct mg_connection ***of) {
    size_t need = m->count + 1, n = 0;
    size_t row = sizeof(struct pollfd) + sizeof(struct mg_connection *);
    if (pmg_io_of(m)->fds_size < need) {
        void *p = pmg_alloc(need * 2 * row);
        if (p == NULL) {
            return pmg_fail(m, -ENOMEM, "no memory to wait for %zu connections", need);
        }
        pmg_free(pmg_io_of(m)->fds);
        pmg_io_of(m)->fds = p;
        pmg_io_of(m)->fds_size = need * 2;
    }
    struct mg_connection **conns = pmg_io_of(m)->fds;
    struct pollfd *fds = (struct pollfd *)(void *)(conns + pmg_io_of(m)->fds_size);
    fds[n].fd = pmg_io_of(m)->wake_fd[0];
    fds[n].events = POLLIN;
    conns[n++] = NULL;
    for (struct mg_connection *c = m->first; c != NULL; c = pmg_x(c)->next) {
        if (fd_of(c) >= 0 && pmg_x(c)->watched) {
            int mask = pmg_x(c)->io_mask;
            fds[n].fd = fd_of(c);
            fds[n].events = (short)(((mask & PMG_IO_READ) ? POLLIN : 0) |
                                    ((mask & PMG_IO_WRITE) ? POLLOUT : 0));
            conns[n++] = c;
        }
    }
    *set = fds;
    *of = conns;
    return (int)n;
}

bool pmg_io_ready(pmg_mgr_t *m) {
    struct pollfd *fds;
    struct mg_connection **conns;
    int n = fill(m, &fds, &conns);
    return n < 0 || poll(fds, (nfds_t)n, 0) > 0;
}

static int wait(pmg_mgr_t *m, int ms) {
    struct pollfd *fds;
    struct mg_connection **conns;
    int n = fill(m, &fds, &conns);
    if (n < 0) {
        return n;
    }
    void *state = NULL;
    m->waiting = ms != 0;
    if (ms != 0) {
        pmg_port_wait_begin(&state);
    }
    int r = poll(fds, (nfds_t)n, ms);
    int err = errno;
    if (ms != 0) {
        pmg_port_wait_end(&state);
    }
    m->waiting = false;
    m->now = pmg_port_millis();
    if (r < 0) {
        return err == EINTR ? 0 : -err;
    }
    // A hook may reallocate nothing here: the arrays grow only above. Connections are not freed.
    for (int i = 0; i < n && !m->stop; i++) {
        short e = fds[i].revents;
        if (e == 0) {
            continue;
        }
        if (conns[i] == NULL) {
            drain_waker(m);
            continue;
        }
        bool error = (e & (POLLERR | POLLHUP | POLLNVAL)) != 0;
        int want = pmg_x(conns[i])->io_mask;
        int mask = ((e & POLLIN) || (error && (want & PMG_IO_READ)) ? PMG_IO_READ : 0) |
                   ((e & POLLOUT) || (error && (want & PMG_IO_WRITE)) ? PMG_IO_WRITE : 0);
        pmg_ready(conns[i], mask, error);
    }
    return r;
}

#endif

int pmg_io_wait(pmg_mgr_t *m, int ms) {
    return wait(m, ms);
}

int pmg_io_conn_fd(struct mg_connection *c) {
    return fd_of(c);
}

int pmg_io_look_again(pmg_mgr_t *m) {
    (void)m;
    return -1;
}

#endif // !PMG_IO_LWIP && !PMG_IO_ESP
