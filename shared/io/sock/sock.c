// SPDX-License-Identifier: GPL-2.0-only
//
// The I/O backend over BSD sockets: making them, moving bytes. No signal handlers, no SIGPIPE, no
// descriptor that survives exec.

#if !defined(PMG_IO_LWIP)

#include "sock.h"

#if !defined(PMG_IO_ESP)
#include <net/if.h>
#endif

#define BACKLOG 1024 // the kernel cuts it to its own limit
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 // macOS: SO_NOSIGPIPE instead
#endif

static void set_fd(struct mg_connection *c, int fd) {
    c->fd = (void *)(ssize_t)fd;
}

// ---------------------------------------------------------------------------------------------
// Addresses

typedef union {
    struct sockaddr sa;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
#if HAS_UNIX_SOCKETS
    struct sockaddr_un un;
#endif
    struct sockaddr_storage storage;
} any_addr_t;

static socklen_t to_sock(const struct mg_addr *a, any_addr_t *s) {
    memset(s, 0, sizeof(*s));
    if (a->is_ip6) {
        s->in6.sin6_family = AF_INET6;
        s->in6.sin6_port = a->port;
        s->in6.sin6_scope_id = pmg_addr_zone(a, (uint8_t *)&s->in6.sin6_addr);
        return sizeof(s->in6);
    }
    s->in.sin_family = AF_INET;
    s->in.sin_port = a->port;
    memcpy(&s->in.sin_addr, a->addr.ip, 4);
    return sizeof(s->in);
}

static void from_sock(const any_addr_t *s, struct mg_addr *a) {
    memset(a, 0, sizeof(*a));
    if (s->sa.sa_family == AF_INET6) {
        a->is_ip6 = true;
        a->port = s->in6.sin6_port;
        memcpy(a->addr.ip, &s->in6.sin6_addr, 16);
        (void)pmg_addr_set_zone(a, s->in6.sin6_scope_id);
    } else if (s->sa.sa_family == AF_INET) {
        a->port = s->in.sin_port;
        memcpy(a->addr.ip, &s->in.sin_addr, 4);
    }
}

#if HAS_UNIX_SOCKETS
static socklen_t unix_sock(const char *path, any_addr_t *s) {
    memset(s, 0, sizeof(*s));
    s->un.sun_family = AF_UNIX;
    strncpy(s->un.sun_path, path, sizeof(s->un.sun_path) - 1);
    return sizeof(s->un);
}
#define IS_UNIX(family) ((family) == AF_UNIX)
#else
#define unix_sock(path, s) ((s)->sa.sa_family = AF_UNSPEC, (socklen_t)0) // no socket() takes it
#define IS_UNIX(family) false
#endif

int pmg_io_zone(const char *name) {
    uint64_t n = 0;
    const char *p = name;
    while (*p >= '0' && *p <= '9' && n <= INT_MAX) {
        n = n * 10 + (uint64_t)(*p++ - '0');
    }
#if defined(PMG_IO_ESP) // names are ESP-IDF's own, and not to be asked for by any thread
    n = *p == '\0' && n < 250 ? n : 0; // and so the 25 of "%251" is a percent sign
#else
    char found[IF_NAMESIZE];
    if (*p != '\0') {
        n = if_nametoindex(name);
    } else if (n > INT_MAX || if_indextoname((unsigned)n, found) == NULL) {
        n = 0;
    }
#endif
    return n > 0 ? (int)n : -ENODEV;
}

static void read_local(struct mg_connection *c) {
    any_addr_t s;
    socklen_t len = sizeof(s);
    memset(&s, 0, sizeof(s));
    if (getsockname(fd_of(c), &s.sa, &len) == 0 && !IS_UNIX(s.sa.sa_family)) {
        from_sock(&s, &c->loc);
    }
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
// Opening and closing

#if HAS_UNIX_SOCKETS
static int unix_path_free(const any_addr_t *s, socklen_t len) {
    struct stat st;
    if (lstat(s->un.sun_path, &st) != 0) {
        return 0;
    }
    if (!S_ISSOCK(st.st_mode)) {
        return -EEXIST;
    }
    // A socket file without a listener is what a killed program left behind.
    int fd = pmg_sock_new(AF_UNIX, SOCK_STREAM);
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

#else
#define unix_path_free(s, len) 0
#endif

#if !HAS_PROCESSES
static int adopt(struct mg_connection *c, int fd) {
    (void)c, (void)fd;
    return -EOPNOTSUPP;
}
#else
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
    pmg_sock_flags(copy);
    set_fd(c, copy);
    read_local(c);
    return 0;
}
#endif

static int share_port(int fd) {
#ifdef SO_REUSEPORT
    int on = 1;
    return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
#else
    (void)fd;
    return -1;
#endif
}

int pmg_io_listen(struct mg_connection *c, const char *path, int fd) {
    any_addr_t s;
    socklen_t len = path != NULL ? unix_sock(path, &s) : to_sock(&c->loc, &s);
    int on = 1, err;
    bool shared = fd == PMG_IO_SHARED;
    if (fd >= 0) {
        return adopt(c, fd);
    }
    if (shared && path != NULL) {
        return -ENOTSUP;
    }
    if (path != NULL && (err = unix_path_free(&s, len)) < 0) {
        return err;
    }
    fd = pmg_sock_new(s.sa.sa_family, c->is_udp ? SOCK_DGRAM : SOCK_STREAM);
    if (fd < 0) {
        return fd;
    }
    if (!c->is_udp && path == NULL) { // take a port whose last connections are in TIME_WAIT
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    }
    if (shared && share_port(fd) < 0) {
        close(fd);
        return -ENOTSUP;
    }
    if (pmg_x(c)->broadcast) {
        (void)setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
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

// Without a descriptor left, accept() fails even if there is nobody to accept.
static bool nobody_waits(struct mg_connection *listener) {
#if HAS_PROCESSES
    struct pollfd p = {fd_of(listener), POLLIN, 0};
    return poll(&p, 1, 0) == 0;
#else
    (void)listener;
    return false;
#endif
}

static int take(struct mg_connection *listener, any_addr_t *s) {
    socklen_t len = sizeof(*s);
    int fd = pmg_sock_may_accept(fd_of(listener));
    if (fd < 0) {
        return fd;
    }
    memset(s, 0, sizeof(*s));
    do {
#if defined(SOCK_CLOEXEC) && defined(SOCK_NONBLOCK)
        fd = accept4(fd_of(listener), &s->sa, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
#else
        fd = accept(fd_of(listener), &s->sa, &len);
#endif
    } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED || errno == EPROTO));
    if (fd < 0) {
        int err = errno;
        bool full = err == EMFILE || err == ENFILE;
        return err == EWOULDBLOCK || (full && nobody_waits(listener)) ? -EAGAIN : -err;
    }
#if !defined(SOCK_CLOEXEC) || !defined(SOCK_NONBLOCK)
    pmg_sock_flags(fd);
#endif
    return pmg_sock_checked(fd);
}

int pmg_io_accept(struct mg_connection *listener, struct mg_connection *c) {
    any_addr_t s;
    int fd = take(listener, &s);
    if (fd < 0) {
        return fd;
    }
    set_fd(c, fd);
    from_sock(&s, &c->rem);
    tune(fd, IS_UNIX(s.sa.sa_family));
    c->loc = listener->loc;
    if (!(listener->loc.is_ip6 || listener->loc.addr.ip4 != 0) || listener->loc.is_ip6) {
        read_local(c); // the listener stands for many addresses
    }
    int err = pmg_io_watch(c, PMG_IO_READ);
    pmg_x(c)->io_mask = PMG_IO_READ;
    return err;
}

int pmg_io_refuse(struct mg_connection *listener, const char *text) {
    any_addr_t s;
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
    any_addr_t s;
    socklen_t len = path != NULL ? unix_sock(path, &s) : to_sock(&c->rem, &s);
    int fd = pmg_sock_new(s.sa.sa_family, c->is_udp ? SOCK_DGRAM : SOCK_STREAM);
    if (fd < 0) {
        return fd;
    }
    set_fd(c, fd);
    if (!c->is_udp) {
        tune(fd, path != NULL);
    }
    if (pmg_x(c)->everyone != NULL) { // who is connected hears only that address, and nobody has it
        int on = 1;
        any_addr_t any;
        memset(&any, 0, sizeof(any));
        any.sa.sa_family = s.sa.sa_family;
        int bad = setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)) < 0 ||
                  bind(fd, &any.sa, len) < 0;
        int watch = bad ? -errno : pmg_io_watch(c, PMG_IO_READ);
        pmg_x(c)->io_mask = PMG_IO_READ;
        read_local(c);
        return watch;
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
#if defined(PMG_IO_ESP) // lwIP's words for a refusal and for no answer
    err = err == ECONNRESET ? ECONNREFUSED : err == ECONNABORTED ? ETIMEDOUT : err;
#endif
    return -err;
}

int pmg_io_give(struct mg_connection *from, struct mg_connection *to) {
    pmg_io_unwatch(from);
    pmg_x(from)->io_mask = 0;
    to->loc = from->loc;
    set_fd(to, fd_of(from));
    set_fd(from, -1);
    pmg_x(to)->io_mask = PMG_IO_WRITE;
    int err = pmg_io_watch(to, PMG_IO_WRITE);
    if (err < 0) { // the next attempt's would stand over it, and nobody close it
        set_fd(from, fd_of(to));
        set_fd(to, -1);
    }
    return err;
}

size_t pmg_io_unsent(struct mg_connection *c) {
    int n = 0;
#if defined(SIOCOUTQ)
    if (ioctl(fd_of(c), SIOCOUTQ, &n) < 0) {
        return 0;
    }
#elif defined(SO_NWRITE)
    socklen_t size = sizeof(n);
    if (getsockopt(fd_of(c), SOL_SOCKET, SO_NWRITE, &n, &size) < 0) {
        return 0;
    }
#else
    (void)c;
#endif
    return n > 0 ? (size_t)n : 0;
}

// A sixteenth of the descriptors, and a few, are the program's.
#define FDS_LEFT 16

size_t pmg_io_max_conns(void) {
#if HAS_PROCESSES
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur != RLIM_INFINITY) {
        size_t n = r.rlim_cur < INT_MAX ? (size_t)r.rlim_cur : INT_MAX;
        return n > 2 * FDS_LEFT ? n - n / 16 - FDS_LEFT : 1;
    }
#elif defined(PMG_IO_ESP)
    // One is for who comes at the limit, be it to be refused, and one for a name's look-up.
    return CONFIG_LWIP_MAX_SOCKETS > 3 ? (size_t)CONFIG_LWIP_MAX_SOCKETS - 2 : 1;
#endif
    return 0;
}

void pmg_io_shutdown(struct mg_connection *c) {
    (void)shutdown(fd_of(c), SHUT_WR);
}

void pmg_io_close(struct mg_connection *c) {
    int fd = fd_of(c);
    if (fd < 0) {
        return;
    }
#if HAS_PROCESSES
    pmg_mgr_t *m = pmg_m(c);
    bool ours = pmg_io_of(m)->fork_generation == pmg_io_forks;
#if USE_EPOLL
    // close() alone leaves it in the set while a forked process holds a copy, and a later event
    // would carry a pointer to freed memory.
    if (ours) {
        (void)epoll_ctl(pmg_io_of(m)->poll_fd, EPOLL_CTL_DEL, fd, NULL);
    }
#endif
    if (ours && pmg_x(c)->unlink_path && pmg_x(c)->host != NULL) {
        (void)unlink(pmg_x(c)->host);
    }
#endif
    close(fd);
    pmg_sock_closed(pmg_m(c), fd);
    set_fd(c, -1);
}

int pmg_io_route(pmg_mgr_t *m, const struct mg_addr *a) {
    any_addr_t s;
    socklen_t len = to_sock(a, &s);
    (void)m;
#if defined(ESP_PLATFORM) // its own IPv6 addresses alone say that there is a way
    if (a->is_ip6 && !pmg_io_esp_has_ip6()) {
        return -EAFNOSUPPORT;
    }
#endif
    int fd = pmg_sock_new(s.sa.sa_family, SOCK_DGRAM);
    if (fd < 0) {
        return fd;
    }
    s.in.sin_port = mg_htons(9); // of both kinds; nothing is sent
    int err = connect(fd, &s.sa, len) == 0 ? 0 : -errno;
    close(fd);
    return err;
}

// ---------------------------------------------------------------------------------------------
// Data

long pmg_io_read(struct mg_connection *c, void *buf, size_t len) {
    any_addr_t s;
    ssize_t n;
#if PMG_MULTICAST
    if (pmg_x(c)->multicast) {
        return pmg_io_mcast_read(c, buf, len);
    }
#endif
    do {
        if (c->is_udp) {
            socklen_t slen = sizeof(s);
            memset(&s, 0, sizeof(s.in6));
            n = recvfrom(fd_of(c), buf, len, 0, &s.sa, &slen);
            if (n >= 0 && (c->is_listening || pmg_x(c)->everyone != NULL)) {
                from_sock(&s, &c->rem);
            }
        } else {
            n = recv(fd_of(c), buf, len, 0);
        }
    } while (n < 0 && errno == EINTR);
    return n >= 0 ? (long)n : (errno == EWOULDBLOCK ? -EAGAIN : -errno);
}

#ifndef PMG_BOARD
long pmg_io_write_both(struct mg_connection *c, void *first, size_t first_len, const void *second,
    size_t second_len) {
    struct iovec pieces[] = {{first, first_len}, {(void *)(size_t)second, second_len}};
    struct msghdr msg = {0};
    bool both = first_len > 0;
    msg.msg_iov = both ? pieces : pieces + 1;
    msg.msg_iovlen = both ? 2 : 1;
    ssize_t n;
    do {
        n = sendmsg(fd_of(c), &msg, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n >= 0 ? (long)n : (errno == EWOULDBLOCK ? -EAGAIN : -errno);
}
#endif

long pmg_io_write(struct mg_connection *c, const void *buf, size_t len) {
    any_addr_t s;
    ssize_t n;
    do {
        const struct mg_addr *all = pmg_x(c)->everyone;
        if (c->is_udp && (c->is_listening || all != NULL)) {
            socklen_t slen = to_sock(all != NULL ? all : &c->rem, &s);
            n = sendto(fd_of(c), buf, len, MSG_NOSIGNAL, &s.sa, slen);
        } else {
            n = send(fd_of(c), buf, len, MSG_NOSIGNAL);
        }
    } while (n < 0 && errno == EINTR);
    return n >= 0 ? (long)n : (errno == EWOULDBLOCK ? -EAGAIN : -errno);
}

#endif // !PMG_IO_LWIP
