// SPDX-License-Identifier: GPL-2.0-only
//
// Which of a name's addresses is tried first: RFC 6724, section 6, as far as it does not need to
// know from which of our own addresses we would send; then the families by turns (RFC 8305,
// section 4), so that one that is broken somewhere on the way costs one attempt and not all.

#include "dns_int.h"

// The precedence of the RFC's default table; what cannot be reached from here comes last.
static int rank(pmg_mgr_t *m, const struct mg_addr *a) {
    static const uint8_t loopback[16] = {[15] = 1};
    const uint8_t *ip = a->addr.ip;
    if (pmg_io_route(m, a) < 0) {
        return 0;
    }
    if (!a->is_ip6) {
        return 35;
    }
    if (memcmp(ip, loopback, 16) == 0) {
        return 50;
    }
    if (ip[0] == 0x20 && ip[1] == 0x02) { // 6to4
        return 30;
    }
    if (ip[0] == 0x20 && ip[1] == 0x01 && ip[2] == 0 && ip[3] == 0) { // Teredo
        return 5;
    }
    if ((ip[0] & 0xfe) == 0xfc) { // local to the site
        return 3;
    }
    if (pmg_addr_is_link_local(a)) { // of a neighbor, whose servers may listen on 0.0.0.0 alone
        return 33;
    }
    return 40;
}

// The first `n` can be reached. Each place in turn is given to the next address of the other family,
// as long as there is one.
static void interleave(struct mg_addr *a, size_t n) {
    for (size_t i = 1; i < n; i++) {
        size_t k = i;
        while (k < n && a[k].is_ip6 == a[i - 1].is_ip6) {
            k++;
        }
        if (k == n) {
            return;
        }
        struct mg_addr other = a[k];
        memmove(&a[i + 1], &a[i], (k - i) * sizeof(*a));
        a[i] = other;
    }
}

void pmg_dns_sort(pmg_mgr_t *m, pmg_dns_addrs_t *addrs) {
    int ranks[PMG_DNS_ADDRS];
    bool mixed = false;
    for (size_t i = 1; i < addrs->count; i++) {
        mixed |= addrs->a[i].is_ip6 != addrs->a[0].is_ip6;
    }
    if (!mixed) { // the server's own order, which may spread load
        return;
    }
    for (size_t i = 0; i < addrs->count; i++) {
        struct mg_addr a = addrs->a[i];
        int r = rank(m, &a);
        size_t k = i;
        for (; k > 0 && ranks[k - 1] < r; k--) {
            ranks[k] = ranks[k - 1];
            addrs->a[k] = addrs->a[k - 1];
        }
        ranks[k] = r;
        addrs->a[k] = a;
    }
    size_t reached = 0;
    while (reached < addrs->count && ranks[reached] > 0) {
        reached++;
    }
    interleave(addrs->a, reached);
}
