// SPDX-License-Identifier: GPL-2.0-only
//
// Multicast over raw lwIP, IPv4: lwIP takes it only from an interface that speaks IGMP, and only while
// somebody there is a member of the group.

#if defined(PMG_IO_LWIP)

#include "lwip_int.h"

#if PMG_MULTICAST

#include "lwip/igmp.h"
#include "lwip/netif.h"

#if !LWIP_IGMP
#error "mDNS needs LWIP_IGMP in lwipopts.h; PMG_HAS_MDNS=0 leaves it out"
#endif

#define TTL 255 // RFC 6762, section 11
#define PORTS 4 // of one's own choice that are tried
#define LOOPBACK PP_HTONL(0x7f000001)

// Of all Managers: what one leaves, others may be members of.
static pmg_lwip_sock_t *sockets;

static bool is_up(struct netif *netif) {
    return netif_is_up(netif) && netif_is_link_up(netif) && (netif->flags & NETIF_FLAG_IGMP) &&
           !ip4_addr_isany(netif_ip4_addr(netif));
}

int pmg_io_ifaces(pmg_io_iface_t *out, int max, const struct mg_addr *only) {
    int n = 0;
    PMG_LWIP_ENTER
    // Loopback serves where there is nothing else, or if it is meant.
    for (int loopback = 0; loopback < 2 && n == 0; loopback++) {
        struct netif *netif;
        NETIF_FOREACH(netif) {
            uint32_t ip = ip4_addr_get_u32(netif_ip4_addr(netif));
            if (n < max && is_up(netif) &&
                (only != NULL ? ip == only->addr.ip4 : (ip == LOOPBACK) == (loopback > 0))) {
                out[n].ip = ip;
                out[n].mask = ip4_addr_get_u32(netif_ip4_netmask(netif));
                out[n++].index = netif_get_index(netif);
            }
        }
    }
    PMG_LWIP_EXIT
    return n;
}

static err_t bind_pcb(struct udp_pcb *pcb, u16_t port, const u16_t *others) {
    err_t err = ERR_USE;
    if (port != 0) { // two Managers may listen
        ip_set_option(pcb, SOF_REUSEADDR);
        return udp_bind(pcb, IP4_ADDR_ANY, port);
    }
    for (int i = 0; i < PORTS && err == ERR_USE; i++) {
        err = udp_bind(pcb, IP4_ADDR_ANY, (u16_t)(0xc000 | others[i]));
    }
    return err;
}

int pmg_io_mcast_open(struct mg_connection *c) {
    u16_t ports[PORTS];
    pmg_lwip_sock_t *s = pmg_lwip_new(pmg_m(c), PMG_LWIP_MULTICASTS);
    err_t err = ERR_MEM;
    if (s == NULL) {
        return -ENOMEM;
    }
    if (!pmg_random(s->m, ports, sizeof(ports))) {
        pmg_free(s);
        return -EIO;
    }
    s->c = c;
    PMG_LWIP_ENTER
    struct udp_pcb *pcb = s->pcb.udp = udp_new_ip_type(IPADDR_TYPE_V4);
    if (pcb != NULL) {
        udp_recv(pcb, pmg_lwip_on_datagram, s);
        udp_set_multicast_ttl(pcb, TTL);
        err = bind_pcb(pcb, mg_ntohs(c->loc.port), ports);
        c->loc.port = mg_htons(pcb->local_port);
        if (err != ERR_OK) {
            udp_remove(pcb);
        } else {
            s->next = sockets;
            sockets = s;
        }
    }
    PMG_LWIP_EXIT
    if (err != ERR_OK) {
        pmg_free(s);
        return pmg_lwip_errno(err);
    }
    c->fd = s;
    pmg_x(c)->multicast = 1;
    return 0;
}

// An interface that was closed and opened anew, as PPP's, has forgotten its groups.
int pmg_io_mcast_join(struct mg_connection *c, const struct mg_addr *group,
    const pmg_io_iface_t *i) {
    pmg_lwip_sock_t *s = pmg_lwip_sock(c);
    ip4_addr_t ip;
    err_t err = ERR_OK;
    u8_t *mine = NULL;
    ip4_addr_set_u32(&ip, group->addr.ip4);
    s->group = group->addr.ip4;
    PMG_LWIP_ENTER
    struct netif *netif = netif_get_by_index((u8_t)i->index);
    for (int k = 0; k < PMG_LWIP_IFACES && (mine == NULL || *mine != i->index); k++) {
        if (s->joined[k] == i->index || (s->joined[k] == 0 && mine == NULL)) {
            mine = &s->joined[k];
        }
    }
    if (netif == NULL || mine == NULL) {
        err = ERR_MEM;
    } else if (*mine == 0 || igmp_lookfor_group(netif, &ip) == NULL) {
        err = igmp_joingroup_netif(netif, &ip);
        if (err == ERR_OK) {
            *mine = (u8_t)i->index;
        }
    }
    PMG_LWIP_EXIT
    return pmg_lwip_errno(err);
}

static bool is_member(const pmg_lwip_sock_t *s, u8_t index) {
    return memchr(s->joined, index, sizeof(s->joined)) != NULL;
}

// lwIP counts members, but not those that it has forgotten with an interface that came back: the group
// that is gone with this one may be another's.
static void join_for_others(struct netif *netif, const ip4_addr_t *ip) {
    pmg_lwip_sock_t *s = sockets;
    while (s != NULL && !(s->group == ip->addr && is_member(s, netif_get_index(netif)))) {
        s = s->next;
    }
    if (s != NULL && igmp_lookfor_group(netif, ip) == NULL) {
        (void)igmp_joingroup_netif(netif, ip);
    }
}

void pmg_lwip_leave(pmg_lwip_sock_t *s) {
    ip4_addr_t ip;
    ip4_addr_set_u32(&ip, s->group);
    for (pmg_lwip_sock_t **at = &sockets; *at != NULL; at = &(*at)->next) {
        if (*at == s) {
            *at = s->next;
            break;
        }
    }
    for (int k = 0; k < PMG_LWIP_IFACES; k++) {
        struct netif *netif = s->joined[k] != 0 ? netif_get_by_index(s->joined[k]) : NULL;
        s->joined[k] = 0;
        if (netif != NULL && (netif->flags & NETIF_FLAG_IGMP)) {
            (void)igmp_leavegroup_netif(netif, &ip); // one that forgot it says so
            join_for_others(netif, &ip);
        }
    }
}

long pmg_io_mcast_send(struct mg_connection *c, const pmg_io_iface_t *i, const void *buf,
    size_t len) {
    pmg_lwip_sock_t *s = pmg_lwip_sock(c);
    ip_addr_t to;
    err_t err = ERR_MEM;
    pmg_lwip_to_ip(&c->rem, &to);
    PMG_LWIP_ENTER
    struct netif *netif = netif_get_by_index((u8_t)i->index);
    struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)len, PBUF_RAM);
    if (netif == NULL) {
        err = ERR_RTE;
    } else if (p != NULL) {
        (void)pbuf_take(p, buf, (u16_t)len);
        // Others on this board hear it, too; what goes to the loopback comes back anyway.
        if (i->ip == LOOPBACK) {
            udp_clear_flags(s->pcb.udp, UDP_FLAGS_MULTICAST_LOOP);
        } else {
            udp_set_flags(s->pcb.udp, UDP_FLAGS_MULTICAST_LOOP);
        }
        err = udp_sendto_if(s->pcb.udp, p, &to, mg_ntohs(c->rem.port), netif);
    }
    if (p != NULL) {
        pbuf_free(p);
    }
    PMG_LWIP_EXIT
    return err == ERR_OK ? (long)len : (err == ERR_MEM ? -ENOBUFS : pmg_lwip_errno(err));
}

unsigned pmg_io_mcast_iface(pmg_mgr_t *m) {
    return pmg_io_of(m)->iface;
}

#endif // PMG_MULTICAST
#endif // PMG_IO_LWIP
