// SPDX-License-Identifier: GPL-2.0-only
//
// The I/O backend over BSD sockets: epoll on Linux, poll() elsewhere (define PMG_IO_POLL to have it
// on Linux too). No signal handlers, no SIGPIPE, no descriptor that survives exec.

#if !defined(PMG_IO_LWIP)

#ifndef _GNU_SOURCE
#define _GNU_SOURCE // accept4, pipe2
#endif
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#if defined(__linux__) && !defined(PMG_IO_POLL)
#define USE_EPOLL 1
#include <sys/epoll.h>
#include <sys/eventfd.h>
#else
#define USE_EPOLL 0
#endif

#include "pmg_int.h"

#define BACKLOG 1024 // the kernel cuts it to its own limit
#define EVENTS_PER_WAIT 256
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 // macOS: SO_NOSIGPIPE instead
#endif

static int fd_of(struct mg_connection *c) {
    return (int)(ssize_t)c->fd;
}

static void set_fd(struct mg_connection *c, int fd) {
    c->fd = (void *)(ssize_t)fd;
}

// ---------------------------------------------------------------------------------------------
// Addresses

typedef union {
    struct sockaddr sa;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
    struct sockaddr_storage storage;
} addr_t;

static socklen_t to_sock(const struct mg_addr *a, addr_t *s) {
    memset(s, 0, sizeof(*s));
    if (a->is_ip6) {
        s->in6.sin6_family = AF_INET6;
        s->in6.sin6_port = a->port;
        s->in6.sin6_scope_id = a->scope_id;
        memcpy(&s->in6.sin6_addr, a->addr.ip, 16);
        return sizeof(s->in6);
    }
    s->in.sin_family = AF_INET;
    s->in.sin_port = a->port;
    memcpy(&s->in.sin_addr, a->addr.ip, 4);
    return sizeof(s->in);
}

static void from_sock(const addr_t *s, struct mg_addr *a) {
    memset(a, 0, sizeof(*a));
    if (s->sa.sa_family == AF_INET6) {
        a->is_ip6 = true;
        a->port = s->in6.sin6_port;
        a->scope_id = (uint8_t)s->in6.sin6_scope_id;
        memcpy(a->addr.ip, &s->in6.sin6_addr, 16);
    } else if (s->sa.sa_family == AF_INET) {
        a->port = s->in.sin_port;
        memcpy(a->addr.ip, &s->in.sin_addr, 4);
    }
}

static socklen_t unix_sock(const char *path, addr_t *s) {
    memset(s, 0, sizeof(*s));
    s->un.sun_family = AF_UNIX;
    strncpy(s->un.sun_path, path, sizeof(s->un.sun_path) - 1);
    return sizeof(s->un);
}

static void read_local(struct mg_connection *c) {
    addr_t s;
    socklen_t len = sizeof(s);
    memset(&s, 0, sizeof(s));
    if (getsockname(fd_of(c), &s.sa, &len) == 0 && s.sa.sa_family != AF_UNIX) {
        from_sock(&s, &c->loc);
    }
}

static void set_flags(int fd) {
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static int new_socket(int family, int type) {
#if defined(SOCK_CLOEXEC) && defined(SOCK_NONBLOCK)
    int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
#else
    int fd = socket(family, type, 0);
    if (fd >= 0) {
        set_flags(fd);
    }
#endif
    return fd >= 0 ? fd : -errno;
}

static void tune(int fd, bool is_unix) {
    int on = 1;
    if (!is_unix) { // replies are written whole: Nagle would only delay their last piece
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
#ifdef SO_NOSIGPIPE
    (void)setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on));
#endif
}

// ---------------------------------------------------------------------------------------------
// The manager's part

static unsigned fork_generation;

static void forked(void) {
    fork_generation++;
}

static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void watch_forks(void) {
    (void)pthread_atfork(NULL, NULL, forked);
}

#if USE_EPOLL
static int open_waker(pmg_mgr_t *m) {
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
    m->io.poll_fd = epoll_create1(EPOLL_CLOEXEC);
    m->io.wake_fd[0] = m->io.wake_fd[1] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (m->io.poll_fd < 0 || m->io.wake_fd[0] < 0 ||
        epoll_ctl(m->io.poll_fd, EPOLL_CTL_ADD, m->io.wake_fd[0], &ev) < 0) {
        return -errno;
    }
    return 0;
}
#else
static int open_waker(pmg_mgr_t *m) {
    if (pipe(m->io.wake_fd) < 0) {
        return -errno;
    }
    set_flags(m->io.wake_fd[0]);
    set_flags(m->io.wake_fd[1]);
    return 0;
}
#endif

// The first server of resolv.conf.
static void find_dns(pmg_mgr_t *m) {
    char line[128], ip[48];
    FILE *f = fopen("/etc/resolv.conf", "re");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        if (sscanf(line, "nameserver %46s", ip) == 1) {
            bool six = strchr(ip, ':') != NULL;
            mg_snprintf(m->dns_url, sizeof(m->dns_url), six ? "udp://[%s]:53" : "udp://%s:53", ip);
            m->mg.dns4.url = m->dns_url;
            break;
        }
    }
    if (f != NULL) {
        fclose(f);
    }
}

int pmg_io_init(pmg_mgr_t *m) {
    m->io.poll_fd = m->io.wake_fd[0] = m->io.wake_fd[1] = -1;
    (void)pthread_once(&fork_once, watch_forks);
    m->io.fork_generation = fork_generation;
    int err = open_waker(m);
    if (err < 0) {
        if (m->io.poll_fd >= 0) {
            close(m->io.poll_fd);
        }
        if (m->io.wake_fd[0] >= 0) {
            close(m->io.wake_fd[0]);
        }
        return err;
    }
    find_dns(m);
    (void)pthread_mutex_init(&m->io.lock, NULL);
    return 0;
}

void pmg_io_fini(pmg_mgr_t *m) {
    if (m->io.poll_fd >= 0) {
        close(m->io.poll_fd);
    }
    close(m->io.wake_fd[0]);
    if (m->io.wake_fd[1] != m->io.wake_fd[0]) {
        close(m->io.wake_fd[1]);
    }
    pmg_free(m->io.fds);
    (void)pthread_mutex_destroy(&m->io.lock);
}

int pmg_io_check(pmg_mgr_t *m) {
    if (m->io.fork_generation != fork_generation) {
        return pmg_fail(m, -ECHILD,
            "this Manager belongs to the parent process: make one after fork()");
    }
    return 0;
}

void pmg_io_lock(pmg_mgr_t *m) {
    (void)pthread_mutex_lock(&m->io.lock);
}

void pmg_io_unlock(pmg_mgr_t *m) {
    (void)pthread_mutex_unlock(&m->io.lock);
}

void pmg_io_wake(pmg_mgr_t *m) {
    if (m->io.fork_generation != fork_generation) {
        return; // the waker is the parent's as well
    }
    uint64_t one = 1; // an eventfd takes eight bytes, a pipe any number; a full one wakes as well
    ssize_t n = write(m->io.wake_fd[1], &one, sizeof(one));
    (void)n;
}

static void drain_waker(pmg_mgr_t *m) {
    char buf[256];
    while (read(m->io.wake_fd[0], buf, sizeof(buf)) == (ssize_t)sizeof(buf)) {}
}

// ---------------------------------------------------------------------------------------------
// Opening and closing

static int unix_path_free(const addr_t *s, socklen_t len) {
    struct stat st;
    if (lstat(s->un.sun_path, &st) != 0) {
        return 0;
    }
    if (!S_ISSOCK(st.st_mode)) {
        return -EEXIST;
    }
    // A socket file without a listener is what a killed program left behind.
    int fd = new_socket(AF_UNIX, SOCK_STREAM);
    if (fd < 0) {
        return fd;
    }
    int err = connect(fd, &s->sa, len) == 0 || errno == EAGAIN ? -EADDRINUSE : -errno;
    close(fd);
    if (err == -ECONNREFUSED) {
        err = unlink(s->un.sun_path) == 0 ? 0 : -errno;
    }
    return err;
}

static int adopt(struct mg_connection *c, int fd) {
    int type = 0, listening = 0;
    socklen_t len = sizeof(int);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0) {
        return -errno;
    }
    len = sizeof(int);
    if (type != (c->is_udp ? SOCK_DGRAM : SOCK_STREAM)) {
        return -EPROTOTYPE;
    }
#ifdef SO_ACCEPTCONN
    if (!c->is_udp && getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 &&
        !listening) {
        return -EINVAL;
    }
#endif
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0); // the program keeps, and closes, its own
    if (copy < 0) {
        return -errno;
    }
    set_flags(copy);
    set_fd(c, copy);
    read_local(c);
    return 0;
}

int pmg_io_listen(struct mg_connection *c, const char *path, int fd) {
    addr_t s;
    socklen_t len = path != NULL ? unix_sock(path, &s) : to_sock(&c->loc, &s);
    int on = 1, err;
    if (fd >= 0) {
        return adopt(c, fd);
    }
    if (path != NULL && (err = unix_path_free(&s, len)) < 0) {
        return err;
    }
    fd = new_socket(s.sa.sa_family, c->is_udp ? SOCK_DGRAM : SOCK_STREAM);
    if (fd < 0) {
        return fd;
    }
    if (!c->is_udp && path == NULL) { // take a port whose last connections are in TIME_WAIT
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    }
    if (s.sa.sa_family == AF_INET6) { // [::] and 0.0.0.0 are two listeners, on every system
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    }
    if (bind(fd, &s.sa, len) < 0 || (!c->is_udp && listen(fd, BACKLOG) < 0)) {
        err = -errno;
        close(fd);
        return err;
    }
    set_fd(c, fd);
    pmg_x(c)->unlink_path = path != NULL;
    read_local(c);
    return 0;
}

static int take(struct mg_connection *listener, addr_t *s) {
    socklen_t len = sizeof(*s);
    int fd;
    memset(s, 0, sizeof(*s));
    do {
#if defined(SOCK_CLOEXEC) && defined(SOCK_NONBLOCK)
        fd = accept4(fd_of(listener), &s->sa, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
#else
        fd = accept(fd_of(listener), &s->sa, &len);
#endif
    } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED || errno == EPROTO));
    if (fd < 0) {
        return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    }
#if !defined(SOCK_CLOEXEC) || !defined(SOCK_NONBLOCK)
    set_flags(fd);
#endif
    return fd;
}

int pmg_io_accept(struct mg_connection *listener, struct mg_connection *c) {
    addr_t s;
    int fd = take(listener, &s);
    if (fd < 0) {
        return fd;
    }
    set_fd(c, fd);
    from_sock(&s, &c->rem);
    tune(fd, s.sa.sa_family == AF_UNIX);
    c->loc = listener->loc;
    if (!(listener->loc.is_ip6 || listener->loc.addr.ip4 != 0) || listener->loc.is_ip6) {
        read_local(c); // the listener stands for many addresses
    }
    int err = pmg_io_watch(c, PMG_IO_READ);
    pmg_x(c)->io_mask = PMG_IO_READ;
    return err;
}

int pmg_io_refuse(struct mg_connection *listener, const char *text) {
    addr_t s;
    int fd = take(listener, &s);
    if (fd < 0) {
        return fd;
    }
    if (text != NULL) {
        char junk[512];
        ssize_t n = send(fd, text, strlen(text), MSG_NOSIGNAL);
        (void)shutdown(fd, SHUT_WR);
        n = recv(fd, junk, sizeof(junk), 0); // unread bytes would turn the close into a reset
        (void)n;
    }
    close(fd);
    return 0;
}

int pmg_io_connect(struct mg_connection *c, const char *path) {
    addr_t s;
    socklen_t len = path != NULL ? unix_sock(path, &s) : to_sock(&c->rem, &s);
    int fd = new_socket(s.sa.sa_family, c->is_udp ? SOCK_DGRAM : SOCK_STREAM);
    if (fd < 0) {
        return fd;
    }
    set_fd(c, fd);
    if (!c->is_udp) {
        tune(fd, path != NULL);
    }
    int err = connect(fd, &s.sa, len) == 0 ? 0 : -errno;
    if (err == -EINTR) {
        err = -EINPROGRESS;
    }
    if (err == 0 || err == -EINPROGRESS) {
        read_local(c);
        pmg_x(c)->io_mask = PMG_IO_WRITE;
        int watch = pmg_io_watch(c, PMG_IO_WRITE);
        return watch < 0 ? watch : err;
    }
    return err;
}

int pmg_io_connect_result(struct mg_connection *c) {
    int err = 0;
    socklen_t len = sizeof(err);
    if (getsockopt(fd_of(c), SOL_SOCKET, SO_ERROR, &err, &len) < 0) {
        return -errno;
    }
    if (err == 0 && c->is_connecting) {
        read_local(c);
    }
    return -err;
}

void pmg_io_shutdown(struct mg_connection *c) {
    (void)shutdown(fd_of(c), SHUT_WR);
}

void pmg_io_close(struct mg_connection *c) {
    int fd = fd_of(c);
    pmg_mgr_t *m = pmg_m(c);
    if (fd < 0) {
        return;
    }
    bool ours = m->io.fork_generation == fork_generation;
#if USE_EPOLL
    // close() alone leaves it in the set while a forked process holds a copy, and a later event
    // would carry a pointer to freed memory.
    if (ours) {
        (void)epoll_ctl(m->io.poll_fd, EPOLL_CTL_DEL, fd, NULL);
    }
#endif
    if (ours && pmg_x(c)->unlink_path && pmg_x(c)->host != NULL) {
        (void)unlink(pmg_x(c)->host);
    }
    close(fd);
    set_fd(c, -1);
}

// ---------------------------------------------------------------------------------------------
// Data

long pmg_io_read(struct mg_connection *c, void *buf, size_t len) {
    addr_t s;
    ssize_t n;
    do {
        if (c->is_udp) {
            socklen_t slen = sizeof(s);
            memset(&s, 0, sizeof(s.in6));
            n = recvfrom(fd_of(c), buf, len, 0, &s.sa, &slen);
            if (n >= 0 && c->is_listening) {
                from_sock(&s, &c->rem);
            }
        } else {
            n = recv(fd_of(c), buf, len, 0);
        }
    } while (n < 0 && errno == EINTR);
    return n >= 0 ? (long)n : (errno == EWOULDBLOCK ? -EAGAIN : -errno);
}

long pmg_io_write(struct mg_connection *c, const void *buf, size_t len) {
    addr_t s;
    ssize_t n;
    do {
        if (c->is_udp && c->is_listening) {
            socklen_t slen = to_sock(&c->rem, &s);
            n = sendto(fd_of(c), buf, len, MSG_NOSIGNAL, &s.sa, slen);
        } else {
            n = send(fd_of(c), buf, len, MSG_NOSIGNAL);
        }
    } while (n < 0 && errno == EINTR);
    return n >= 0 ? (long)n : (errno == EWOULDBLOCK ? -EAGAIN : -errno);
}

// ---------------------------------------------------------------------------------------------
// Waiting

#if USE_EPOLL

int pmg_io_watch(struct mg_connection *c, int mask) {
    int fd = fd_of(c), poll_fd = pmg_m(c)->io.poll_fd;
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
        (void)epoll_ctl(pmg_m(c)->io.poll_fd, EPOLL_CTL_DEL, fd_of(c), NULL);
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
        n = epoll_wait(m->io.poll_fd, evs, EVENTS_PER_WAIT, ms);
        int err = errno;
        pmg_port_wait_end(&state);
        m->waiting = false;
        errno = err;
    } else {
        n = epoll_wait(m->io.poll_fd, evs, EVENTS_PER_WAIT, 0);
    }
    if (n < 0) {
        return errno == EINTR ? 0 : -errno;
    }
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
        pmg_io_ready(c, mask, error);
    }
    return n;
}

#else

int pmg_io_watch(struct mg_connection *c, int mask) {
    (void)mask; // the set is built anew for each wait
    pmg_x(c)->watched = 1;
    return 0;
}

void pmg_io_unwatch(struct mg_connection *c) {
    pmg_x(c)->watched = 0;
}

static int wait(pmg_mgr_t *m, int ms) {
    size_t need = m->count + 1, n = 0;
    size_t row = sizeof(struct pollfd) + sizeof(struct mg_connection *);
    if (m->io.fds_size < need) {
        void *p = pmg_alloc(need * 2 * row);
        if (p == NULL) {
            return pmg_fail(m, -ENOMEM, "no memory to wait for %zu connections", need);
        }
        pmg_free(m->io.fds);
        m->io.fds = p;
        m->io.fds_size = need * 2;
    }
    struct mg_connection **conns = m->io.fds;
    struct pollfd *fds = (struct pollfd *)(void *)(conns + m->io.fds_size);
    fds[n].fd = m->io.wake_fd[0];
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
    if (r < 0) {
        return err == EINTR ? 0 : -err;
    }
    // A hook may reallocate nothing here: the arrays grow only above. Connections are not freed.
    for (size_t i = 0; i < n && !m->stop; i++) {
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
        pmg_io_ready(conns[i], mask, error);
    }
    return r;
}

#endif

int pmg_io_wait(pmg_mgr_t *m, int ms) {
    return wait(m, ms);
}

#endif // !PMG_IO_LWIP
