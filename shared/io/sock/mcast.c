// SPDX-License-Identifier: GPL-2.0-only
//
// Multicast over BSD sockets: one socket for all interfaces, which says of each datagram where it came
// in and is told of each where it goes out. On Linux that is a socket of IPv6 which does IPv4, too.

#if !defined(PMG_IO_LWIP)

#include "sock.h"

#if PMG_MULTICAST

#define TTL 255 // RFC 6762, section 11
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

static void set(int fd, int level, int option, int value) {
    (void)setsockopt(fd, level, option, &value, sizeof(value));
}

static void set_byte(int fd, int option, unsigned char value) {
    (void)setsockopt(fd, IPPROTO_IP, option, &value, sizeof(value));
}

static void set_options(int fd, bool shared) {
    if (shared) { // the system may have a responder of its own on this port
        set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
#ifdef SO_REUSEPORT
        set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
#endif
    }
    set_byte(fd, IP_MULTICAST_TTL, TTL);
    set_byte(fd, IP_MULTICAST_LOOP, 1);
#ifdef IP_PKTINFO
#ifdef IP_RECVPKTINFO
    set(fd, IPPROTO_IP, IP_RECVPKTINFO, 1);
#else
    set(fd, IPPROTO_IP, IP_PKTINFO, 1);
#endif
#endif
#ifdef IP_MULTICAST_ALL // of the groups that were joined here, not of those that others have joined
    set(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
#endif
}

static int bound(int fd, const void *addr, socklen_t len) {
    if (bind(fd, addr, len) < 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    return fd;
}

#if PMG_MULTICAST6
#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29 // Linux 4.20
#endif

static int open_both(uint16_t port) {
    struct sockaddr_in6 s = {.sin6_family = AF_INET6, .sin6_port = port};
    int fd = pmg_sock_new(AF_INET6, SOCK_DGRAM);
    if (fd < 0) {
        return fd;
    }
    set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    set_options(fd, port != 0);
    set(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, TTL);
    set(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, TTL);
    set(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1);
    set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    set(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);
    return bound(fd, &s, sizeof(s));
}
#endif

static int open_ip4(uint16_t port) {
    struct sockaddr_in s = {.sin_family = AF_INET, .sin_port = port};
    int fd = pmg_sock_new(AF_INET, SOCK_DGRAM);
    if (fd < 0) {
        return fd;
    }
    set_options(fd, port != 0);
    return bound(fd, &s, sizeof(s));
}

int pmg_io_mcast_open(struct mg_connection *c) {
    struct sockaddr_storage s;
    socklen_t len = sizeof(s);
    int fd = -EAFNOSUPPORT;
#if PMG_MULTICAST6
    fd = open_both(c->loc.port);
#endif
    if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL) { // the system has no IPv6
        fd = open_ip4(c->loc.port);
    }
    if (fd < 0) {
        return fd;
    }
    if (getsockname(fd, (struct sockaddr *)&s, &len) == 0) { // both have it in the same place
        c->loc.port = ((const struct sockaddr_in *)(const void *)&s)->sin_port;
    }
    c->fd = (void *)(ssize_t)fd;
    pmg_x(c)->multicast = 1;
    return 0;
}

int pmg_io_mcast_join(struct mg_connection *c, const struct mg_addr *group,
    const pmg_io_iface_t *i) {
    struct ip_mreq mreq;
#if PMG_MULTICAST6
    if (group->is_ip6) {
        struct ipv6_mreq mreq6 = {.ipv6mr_interface = i->index};
        memcpy(&mreq6.ipv6mr_multiaddr, group->addr.ip, 16);
        return setsockopt(fd_of(c), IPPROTO_IPV6, IPV6_JOIN_GROUP, &mreq6, sizeof(mreq6)) == 0
                   ? 0
                   : -errno;
    }
#endif
    mreq.imr_multiaddr.s_addr = group->addr.ip4;
    mreq.imr_interface.s_addr = i->ip;
    return setsockopt(fd_of(c), IPPROTO_IP, IP_ADD_MEMBERSHIP, &mreq, sizeof(mreq)) == 0 ? 0
                                                                                         : -errno;
}

typedef union {
    struct sockaddr sa;
    struct sockaddr_in in;
#if PMG_MULTICAST6
    struct sockaddr_in6 in6;
#endif
} peer_t;

#ifdef IP_PKTINFO
// A datagram with room for its interface, of which a system may tell for both families.
typedef struct {
    struct msghdr msg;
    struct iovec iov;
    union {
        struct cmsghdr head;
#if PMG_MULTICAST6
        char space[CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(struct in6_pktinfo))];
#else
        char space[CMSG_SPACE(sizeof(struct in_pktinfo))];
#endif
    } control;
} datagram_t;

static void datagram(datagram_t *d, peer_t *peer, socklen_t peer_len, const void *buf, size_t len) {
    memset(d, 0, sizeof(*d));
    d->iov.iov_base = (void *)(size_t)buf;
    d->iov.iov_len = len;
    d->msg.msg_name = peer;
    d->msg.msg_namelen = peer_len;
    d->msg.msg_iov = &d->iov;
    d->msg.msg_iovlen = 1;
    d->msg.msg_control = d->control.space;
    d->msg.msg_controllen = sizeof(d->control.space);
}

static void put_control(datagram_t *d, int level, int type, const void *info, size_t len) {
    struct cmsghdr *head = CMSG_FIRSTHDR(&d->msg);
    head->cmsg_level = level;
    head->cmsg_type = type;
    head->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(head), info, len);
    d->msg.msg_controllen = CMSG_SPACE(len);
}

#if PMG_MULTICAST6
// No router forwards what has such a source or destination (RFC 4291, sections 2.5.3, 2.5.6 and 2.7).
static bool stays_near(const struct in6_addr *ip) {
    return IN6_IS_ADDR_LINKLOCAL(ip) || IN6_IS_ADDR_MC_LINKLOCAL(ip) || IN6_IS_ADDR_LOOPBACK(ip);
}
#endif

static void came_by(pmg_io_mgr_t *io, const peer_t *peer, datagram_t *d) {
    io->iface = 0;
#if PMG_MULTICAST6
    io->is_near = false;
#else
    (void)peer;
#endif
    for (struct cmsghdr *p = CMSG_FIRSTHDR(&d->msg); p != NULL; p = CMSG_NXTHDR(&d->msg, p)) {
        if (p->cmsg_level == IPPROTO_IP && p->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(p), sizeof(info));
            io->iface = (unsigned)info.ipi_ifindex;
        }
#if PMG_MULTICAST6
        if (p->cmsg_level == IPPROTO_IPV6 && p->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(p), sizeof(info));
            io->iface = info.ipi6_ifindex;
            io->is_near = stays_near(&info.ipi6_addr) || stays_near(&peer->in6.sin6_addr);
        }
#endif
    }
}
#endif

#if PMG_MULTICAST6
static ssize_t send6(struct mg_connection *c, const pmg_io_iface_t *i, const void *buf,
    size_t len) {
    peer_t s = {
        .in6 = {.sin6_family = AF_INET6, .sin6_port = c->rem.port, .sin6_scope_id = i->index}};
    struct in6_pktinfo info = {.ipi6_ifindex = (int)i->index};
    datagram_t d;
    (void)pmg_addr_zone(&c->rem, (uint8_t *)&s.in6.sin6_addr);
    memcpy(&info.ipi6_addr, i->ip6, 16);
    datagram(&d, &s, sizeof(s.in6), buf, len);
    put_control(&d, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
    return sendmsg(fd_of(c), &d.msg, MSG_NOSIGNAL);
}
#endif

static ssize_t send4(struct mg_connection *c, const pmg_io_iface_t *i, const void *buf,
    size_t len) {
    peer_t s = {.in = {.sin_family = AF_INET, .sin_port = c->rem.port}};
    s.in.sin_addr.s_addr = c->rem.addr.ip4;
#ifdef IP_PKTINFO
    struct in_pktinfo info = {.ipi_ifindex = (int)i->index};
    datagram_t d;
    info.ipi_spec_dst.s_addr = i->ip;
    datagram(&d, &s, sizeof(s.in), buf, len);
    put_control(&d, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
    return sendmsg(fd_of(c), &d.msg, MSG_NOSIGNAL);
#else
    struct in_addr from = {.s_addr = i->ip};
    (void)setsockopt(fd_of(c), IPPROTO_IP, IP_MULTICAST_IF, &from, sizeof(from));
    return sendto(fd_of(c), buf, len, MSG_NOSIGNAL, &s.sa, sizeof(s.in));
#endif
}

long pmg_io_mcast_send(struct mg_connection *c, const pmg_io_iface_t *i, const void *buf,
    size_t len) {
    ssize_t n;
    do {
#if PMG_MULTICAST6
        n = i->is_ip6 ? send6(c, i, buf, len) : send4(c, i, buf, len);
#else
        n = send4(c, i, buf, len);
#endif
    } while (n < 0 && errno == EINTR);
    return n >= 0 ? (long)n : (errno == EWOULDBLOCK ? -EAGAIN : -errno);
}

static void from_peer(const peer_t *s, struct mg_addr *a) {
    memset(a, 0, sizeof(*a));
#if PMG_MULTICAST6
    if (s->sa.sa_family == AF_INET6) {
        const uint8_t *ip = (const uint8_t *)&s->in6.sin6_addr;
        a->port = s->in6.sin6_port;
        if (IN6_IS_ADDR_V4MAPPED(&s->in6.sin6_addr)) {
            memcpy(a->addr.ip, ip + 12, 4);
        } else {
            a->is_ip6 = true;
            memcpy(a->addr.ip, ip, 16);
            (void)pmg_addr_set_zone(a, s->in6.sin6_scope_id);
        }
        return;
    }
#endif
    a->port = s->in.sin_port;
    a->addr.ip4 = s->in.sin_addr.s_addr;
}

long pmg_io_mcast_read(struct mg_connection *c, void *buf, size_t len) {
    peer_t s;
    ssize_t n;
    memset(&s, 0, sizeof(s));
    do {
#ifdef IP_PKTINFO
        datagram_t d;
        datagram(&d, &s, sizeof(s), buf, len);
        n = recvmsg(fd_of(c), &d.msg, 0);
        if (n >= 0) {
            came_by(pmg_io_of(pmg_m(c)), &s, &d);
        }
#else
        socklen_t slen = sizeof(s);
        n = recvfrom(fd_of(c), buf, len, 0, &s.sa, &slen);
#endif
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    }
    from_peer(&s, &c->rem);
    return (long)n;
}

unsigned pmg_io_mcast_iface(struct pmg_mgr *m) {
    return pmg_io_of(m)->iface;
}

#if PMG_MULTICAST6
bool pmg_io_mcast_is_near6(struct pmg_mgr *m) {
    return pmg_io_of(m)->is_near;
}
#endif

#endif // PMG_MULTICAST
#endif // !PMG_IO_LWIP
