// SPDX-License-Identifier: GPL-2.0-only
//
// Sockets as they begin, and those that outlive their connection; errors and addresses of lwIP.

#if defined(PMG_IO_LWIP)

#include "lwip_int.h"

// A connection that the program has closed ends by itself when the peer has taken what was sent. One
// that does not is looked at every 2 s, and reset after 20 s; it gives way to new ones before.
#define ORPHAN_POLLS 10

#define POLL_INTERVAL 4 // in half seconds

pmg_lwip_sock_t *pmg_lwip_new(pmg_mgr_t *m, u8_t datagrams) {
    size_t size = sizeof(pmg_lwip_sock_t) + datagrams * sizeof(pmg_lwip_dgram_t);
    pmg_lwip_sock_t *s = pmg_alloc(size);
    if (s != NULL) {
        memset(s, 0, size);
        s->m = m;
        s->is_udp = datagrams > 0;
        s->dgram_max = datagrams;
    }
    return s;
}

// Of lwIP's pool, from which everything is received, so much may wait for programs that hear multicast:
// anybody near can send it.
#define HELD_MAX (PBUF_POOL_SIZE * 3 / 4)
static u16_t held;

static u16_t pool_of(const pmg_lwip_sock_t *s, const struct pbuf *p) {
    return s->dgram_max > PMG_LWIP_DATAGRAMS ? pbuf_clen(p) : 0;
}

bool pmg_lwip_may_hold(const pmg_lwip_sock_t *s, const struct pbuf *p) {
    u16_t n = pool_of(s, p);
    bool may = n == 0 || held + n <= HELD_MAX;
    held = (u16_t)(held + (may ? n : 0));
    return may;
}

struct pbuf *pmg_lwip_dgram_take(pmg_lwip_sock_t *s) {
    struct pbuf *p = s->dgram[s->dgram_first].p;
    held = (u16_t)(held - pool_of(s, p));
    s->dgram_first = (u8_t)((s->dgram_first + 1) % s->dgram_max);
    s->dgram_count--;
    return p;
}

int pmg_lwip_errno(err_t err) {
    switch (err) {
        case ERR_OK: return 0;
        case ERR_MEM:
        case ERR_BUF: return -ENOMEM;
        case ERR_ABRT: // lwIP gave up repeating
        case ERR_TIMEOUT: return -ETIMEDOUT;
        case ERR_RTE: return -EHOSTUNREACH;
        case ERR_INPROGRESS: return -EINPROGRESS;
        case ERR_VAL:
        case ERR_ARG: return -EINVAL;
        case ERR_WOULDBLOCK: return -EAGAIN;
        case ERR_USE: return -EADDRINUSE;
        case ERR_ISCONN: return -EISCONN;
        case ERR_RST: return -ECONNRESET;
        case ERR_CONN:
        case ERR_CLSD: return -ENOTCONN;
        default: return -EIO;
    }
}

void pmg_lwip_to_ip(const struct mg_addr *a, ip_addr_t *ip) {
#if LWIP_IPV6
    if (a->is_ip6) {
        u32_t w[4];
        uint32_t zone = pmg_addr_zone(a, (uint8_t *)w);
        (void)zone;
        IP_ADDR6(ip, w[0], w[1], w[2], w[3]);
#if LWIP_IPV6_SCOPES
        ip6_addr_set_zone(ip_2_ip6(ip), (u8_t)zone);
#endif
        return;
    }
#endif
    ip_addr_set_ip4_u32(ip, a->addr.ip4);
}

void pmg_lwip_from_ip(const ip_addr_t *ip, u16_t port, struct mg_addr *a) {
    memset(a, 0, sizeof(*a));
    a->port = mg_htons(port);
#if LWIP_IPV6
    if (IP_IS_V6(ip)) {
        a->is_ip6 = true;
        memcpy(a->addr.ip, ip_2_ip6(ip)->addr, 16);
#if LWIP_IPV6_SCOPES
        (void)pmg_addr_set_zone(a, ip6_addr_zone(ip_2_ip6(ip)));
#endif
        return;
    }
#endif
    a->addr.ip4 = ip_addr_get_ip4_u32(ip);
}

static err_t orphan_poll(void *arg, struct tcp_pcb *pcb) {
    size_t polls = (size_t)arg + 1;
    if (polls >= ORPHAN_POLLS) {
        tcp_abort(pcb);
        return ERR_ABRT;
    }
    tcp_arg(pcb, (void *)polls);
    return ERR_OK;
}

void pmg_lwip_orphan(struct tcp_pcb *pcb) {
    tcp_arg(pcb, NULL);
    tcp_recv(pcb, NULL); // lwIP then takes what comes, and closes at the end
    tcp_sent(pcb, NULL);
    tcp_err(pcb, NULL);
    tcp_poll(pcb, orphan_poll, POLL_INTERVAL);
    tcp_setprio(pcb, TCP_PRIO_MIN);
}

#endif // PMG_IO_LWIP
