// SPDX-License-Identifier: GPL-2.0-only
//
// Multicast over BSD sockets, IPv4: one socket for all interfaces, which says of each datagram where
// it came in and is told of each where it goes out.

#if !defined(PMG_IO_LWIP)

#include "sock.h"

#if !defined(ESP_PLATFORM)
#include <ifaddrs.h>
#include <net/if.h>
#endif

#if PMG_MULTICAST

#define TTL 255 // RFC 6762, section 11
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

#if !defined(ESP_PLATFORM)
int pmg_io_ifaces(pmg_io_iface_t *out, int max, uint32_t only) {
    struct ifaddrs *all = NULL;
    int n = 0;
    if (getifaddrs(&all) < 0) {
        return -errno;
    }
    // Loopback serves where there is nothing else, or if it is meant.
    for (int loopback = 0; loopback < 2 && n == 0; loopback++) {
        for (const struct ifaddrs *p = all; p != NULL && n < max; p = p->ifa_next) {
            if (p->ifa_addr == NULL || p->ifa_addr->sa_family != AF_INET ||
                p->ifa_netmask == NULL || !(p->ifa_flags & IFF_UP)) {
                continue;
            }
            const struct sockaddr_in *a = (const void *)p->ifa_addr;
            const struct sockaddr_in *mask = (const void *)p->ifa_netmask;
            uint32_t ip = a->sin_addr.s_addr;
            bool fits = loopback ? (p->ifa_flags & IFF_LOOPBACK) != 0
                                 : (p->ifa_flags & IFF_MULTICAST) && !(p->ifa_flags & IFF_LOOPBACK);
            if (only != 0 ? ip == only : fits) {
                out[n].ip = ip;
                out[n].mask = mask->sin_addr.s_addr;
                out[n++].index = if_nametoindex(p->ifa_name);
            }
        }
    }
    freeifaddrs(all);
    return n;
}
#endif

int pmg_io_mcast_open(struct mg_connection *c) {
    int on = 1;
    unsigned char ttl = TTL;
    struct sockaddr_in s = {.sin_family = AF_INET, .sin_port = c->loc.port};
    socklen_t len = sizeof(s);
    int fd = pmg_sock_new(AF_INET, SOCK_DGRAM);
    if (fd < 0) {
        return fd;
    }
    if (c->loc.port != 0) { // the system may have a responder of its own on this port
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
#ifdef SO_REUSEPORT
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
#endif
    }
    (void)setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof(ttl));
    (void)setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &on, sizeof(unsigned char));
#ifdef IP_PKTINFO
#ifdef IP_RECVPKTINFO
    (void)setsockopt(fd, IPPROTO_IP, IP_RECVPKTINFO, &on, sizeof(on));
#else
    (void)setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
#endif
#endif
#ifdef IP_MULTICAST_ALL
    on = 0; // of the groups that were joined here, not of those that others have joined
    (void)setsockopt(fd, IPPROTO_IP, IP_MULTICAST_ALL, &on, sizeof(on));
#endif
    if (bind(fd, (struct sockaddr *)&s, sizeof(s)) < 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    if (getsockname(fd, (struct sockaddr *)&s, &len) == 0) {
        c->loc.port = s.sin_port;
    }
    c->fd = (void *)(ssize_t)fd;
    pmg_x(c)->multicast = 1;
    return 0;
}

int pmg_io_mcast_join(struct mg_connection *c, uint32_t group, const pmg_io_iface_t *i) {
    struct ip_mreq mreq;
    mreq.imr_multiaddr.s_addr = group;
    mreq.imr_interface.s_addr = i->ip;
    return setsockopt(fd_of(c), IPPROTO_IP, IP_ADD_MEMBERSHIP, &mreq, sizeof(mreq)) == 0 ? 0
                                                                                         : -errno;
}

#ifdef IP_PKTINFO
// A datagram with room for its interface.
typedef struct {
    struct msghdr msg;
    struct iovec iov;
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(struct in_pktinfo))];
    } control;
} datagram_t;

static void datagram(datagram_t *d, struct sockaddr_in *peer, const void *buf, size_t len) {
    memset(d, 0, sizeof(*d));
    d->iov.iov_base = (void *)(size_t)buf;
    d->iov.iov_len = len;
    d->msg.msg_name = peer;
    d->msg.msg_namelen = sizeof(*peer);
    d->msg.msg_iov = &d->iov;
    d->msg.msg_iovlen = 1;
    d->msg.msg_control = d->control.space;
    d->msg.msg_controllen = sizeof(d->control.space);
}
#endif

long pmg_io_mcast_send(struct mg_connection *c, const pmg_io_iface_t *i, const void *buf,
    size_t len) {
    struct sockaddr_in s = {.sin_family = AF_INET, .sin_port = c->rem.port};
    ssize_t n;
    s.sin_addr.s_addr = c->rem.addr.ip4;
    do {
#ifdef IP_PKTINFO
        datagram_t d;
        datagram(&d, &s, buf, len);
        struct in_pktinfo info = {.ipi_ifindex = (int)i->index};
        info.ipi_spec_dst.s_addr = i->ip;
        struct cmsghdr *head = CMSG_FIRSTHDR(&d.msg);
        head->cmsg_level = IPPROTO_IP;
        head->cmsg_type = IP_PKTINFO;
        head->cmsg_len = CMSG_LEN(sizeof(info));
        memcpy(CMSG_DATA(head), &info, sizeof(info));
        n = sendmsg(fd_of(c), &d.msg, MSG_NOSIGNAL);
#else
        struct in_addr from = {.s_addr = i->ip};
        (void)setsockopt(fd_of(c), IPPROTO_IP, IP_MULTICAST_IF, &from, sizeof(from));
        n = sendto(fd_of(c), buf, len, MSG_NOSIGNAL, (struct sockaddr *)&s, sizeof(s));
#endif
    } while (n < 0 && errno == EINTR);
    return n >= 0 ? (long)n : (errno == EWOULDBLOCK ? -EAGAIN : -errno);
}

long pmg_io_mcast_read(struct mg_connection *c, void *buf, size_t len) {
    struct sockaddr_in s = {.sin_family = AF_INET};
    ssize_t n;
    unsigned index = 0;
    do {
#ifdef IP_PKTINFO
        datagram_t d;
        datagram(&d, &s, buf, len);
        n = recvmsg(fd_of(c), &d.msg, 0);
        if (n >= 0) {
            for (struct cmsghdr *p = CMSG_FIRSTHDR(&d.msg); p != NULL; p = CMSG_NXTHDR(&d.msg, p)) {
                struct in_pktinfo info;
                if (p->cmsg_level == IPPROTO_IP && p->cmsg_type == IP_PKTINFO) {
                    memcpy(&info, CMSG_DATA(p), sizeof(info));
                    index = (unsigned)info.ipi_ifindex;
                }
            }
        }
#else
        socklen_t slen = sizeof(s);
        n = recvfrom(fd_of(c), buf, len, 0, (struct sockaddr *)&s, &slen);
#endif
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    }
    memset(&c->rem, 0, sizeof(c->rem));
    c->rem.port = s.sin_port;
    c->rem.addr.ip4 = s.sin_addr.s_addr;
    pmg_io_of(pmg_m(c))->iface = index;
    return (long)n;
}

unsigned pmg_io_mcast_iface(struct pmg_mgr *m) {
    return pmg_io_of(m)->iface;
}

#endif // PMG_MULTICAST
#endif // !PMG_IO_LWIP
