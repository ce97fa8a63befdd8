// SPDX-License-Identifier: GPL-2.0-only
//
// The interfaces of a desktop that can multicast, as the system lists them: by their addresses.

#if !defined(PMG_IO_LWIP)

#include "sock.h"

#if PMG_MULTICAST && !defined(ESP_PLATFORM)

#include <ifaddrs.h>
#include <net/if.h>

static bool fits(const struct ifaddrs *p, int family, bool loopback, bool any) {
    if (p->ifa_addr == NULL || p->ifa_addr->sa_family != family || !(p->ifa_flags & IFF_UP)) {
        return false;
    }
    bool is_loopback = (p->ifa_flags & IFF_LOOPBACK) != 0;
    return any || (loopback ? is_loopback : !is_loopback && (p->ifa_flags & IFF_MULTICAST));
}

static int list4(pmg_io_iface_t *out, int max, const struct ifaddrs *all, bool loopback,
    const struct mg_addr *only, unsigned only_index) {
    int n = 0;
    for (const struct ifaddrs *p = all; p != NULL && n < max; p = p->ifa_next) {
        if (!fits(p, AF_INET, loopback, only != NULL) || p->ifa_netmask == NULL) {
            continue;
        }
        uint32_t ip = ((const struct sockaddr_in *)(const void *)p->ifa_addr)->sin_addr.s_addr;
        unsigned index = if_nametoindex(p->ifa_name);
        if (only == NULL || (only->is_ip6 ? index == only_index : ip == only->addr.ip4)) {
            memset(&out[n], 0, sizeof(*out));
            out[n].ip = ip;
            out[n].mask =
                ((const struct sockaddr_in *)(const void *)p->ifa_netmask)->sin_addr.s_addr;
            out[n++].index = index;
        }
    }
    return n;
}

#if PMG_MULTICAST6
static const struct in6_addr *link_local(const struct ifaddrs *p) {
    const struct in6_addr *ip =
        &((const struct sockaddr_in6 *)(const void *)p->ifa_addr)->sin6_addr;
    return IN6_IS_ADDR_LINKLOCAL(ip) ? ip : NULL;
}

// Not before the system knows that no neighbor has it (RFC 4862, 5.4): until then nothing leaves from it.
static bool is_tried(const struct in6_addr *ip, unsigned index) {
    struct sockaddr_in6 s = {.sin6_family = AF_INET6, .sin6_addr = *ip, .sin6_scope_id = index};
    int fd = pmg_sock_new(AF_INET6, SOCK_DGRAM);
    if (fd < 0) {
        return true;
    }
    bool ok = bind(fd, (const struct sockaddr *)(const void *)&s, sizeof(s)) == 0;
    close(fd);
    return ok;
}

static bool is_meant(const struct in6_addr *ip, unsigned index, const struct mg_addr *a) {
    uint8_t wanted[16];
    uint32_t zone = pmg_addr_zone(a, wanted);
    return memcmp(ip, wanted, 16) == 0 && (zone == 0 || zone == index);
}

// Those of IPv6 behind the `n` of IPv4; both know the other's address. Their number in all.
static int list6(pmg_io_iface_t *out, int n, int max, const struct ifaddrs *all, bool loopback,
    const struct mg_addr *only) {
    int count = n;
    for (const struct ifaddrs *p = all; p != NULL && count < max; p = p->ifa_next) {
        const struct in6_addr *ip;
        if (!fits(p, AF_INET6, loopback, only != NULL) || (ip = link_local(p)) == NULL) {
            continue;
        }
        unsigned index = if_nametoindex(p->ifa_name);
        int known = -1;
        bool more = false; // another address of an interface that stands there
        for (int k = 0; k < count; k++) {
            more |= out[k].index == index && out[k].is_ip6;
            known = known < 0 && out[k].index == index ? k : known;
        }
        if (only != NULL) {
            more |= only->is_ip6 ? !is_meant(ip, index, only) : known < 0;
        }
        if (more || !is_tried(ip, index)) {
            continue;
        }
        for (int k = 0; k < n; k++) {
            if (out[k].index == index) {
                memcpy(out[k].ip6, ip, 16);
            }
        }
        memset(&out[count], 0, sizeof(*out));
        if (known >= 0) {
            out[count] = out[known];
        }
        out[count].index = index;
        out[count].is_ip6 = true;
        memcpy(out[count++].ip6, ip, 16);
    }
    return count;
}

// Of the interface that has this link-local address, or 0.
static unsigned index_of(const struct ifaddrs *all, const struct mg_addr *a) {
    for (const struct ifaddrs *p = all; p != NULL; p = p->ifa_next) {
        const struct in6_addr *ip = fits(p, AF_INET6, false, true) ? link_local(p) : NULL;
        unsigned index = ip != NULL ? if_nametoindex(p->ifa_name) : 0;
        if (ip != NULL && is_meant(ip, index, a)) {
            return index;
        }
    }
    return 0;
}
#endif

int pmg_io_ifaces(pmg_io_iface_t *out, int max, const struct mg_addr *only) {
    struct ifaddrs *all = NULL;
    int n = 0;
    unsigned only_index = 0;
    if (getifaddrs(&all) < 0) {
        return -errno;
    }
#if PMG_MULTICAST6
    only_index = only != NULL && only->is_ip6 ? index_of(all, only) : 0;
#endif
    // Loopback serves where there is nothing else, or if it is meant.
    for (int loopback = 0; loopback < 2 && n == 0; loopback++) {
        n = list4(out, max, all, loopback > 0, only, only_index);
#if PMG_MULTICAST6
        n = list6(out, n, max, all, loopback > 0, only);
#endif
    }
    freeifaddrs(all);
    return n;
}

#endif
#endif // !PMG_IO_LWIP
