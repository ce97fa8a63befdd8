// SPDX-License-Identifier: GPL-2.0-only
//
// Errors and addresses of lwIP, and sockets that outlive their connection.

#if defined(PMG_IO_LWIP)

#include "lwip_int.h"

// A connection that the program has closed ends by itself when the peer has taken what was sent. One
// that does not is looked at every 2 s, and reset after 20 s; it gives way to new ones before.
#define ORPHAN_POLLS 10

#define POLL_INTERVAL 4 // in half seconds

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
