// SPDX-License-Identifier: GPL-2.0-only
//
// The I/O backend over raw lwIP: how connections open and close. See lwip_int.h for the rules.

#if defined(PMG_IO_LWIP)

#include "lwip_int.h"

#include "lwip/dns.h"
#include "lwip/netif.h"

// ---------------------------------------------------------------------------------------------
// Callbacks: the lock is held, nothing may be allocated

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t err) {
    pmg_lwip_sock_t *s = arg;
    (void)pcb, (void)err;
    s->connected = true;
    pmg_lwip_ready(s);
    return ERR_OK;
}

static void hook(pmg_lwip_sock_t *s) {
    tcp_arg(s->pcb.tcp, s);
    tcp_recv(s->pcb.tcp, pmg_lwip_on_recv);
    tcp_sent(s->pcb.tcp, pmg_lwip_on_sent);
    tcp_err(s->pcb.tcp, pmg_lwip_on_err);
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err) {
    pmg_lwip_sock_t *l = arg;
    if (err != ERR_OK || pcb == NULL) {
        return ERR_OK;
    }
    pmg_lwip_sock_t *s = l->spare;
    if (s == NULL) {
        return ERR_MEM; // lwIP resets the peer
    }
    l->spare = s->next;
    s->next = NULL;
    s->pcb.tcp = pcb;
    s->connected = true;
    hook(s);
    tcp_backlog_delayed(pcb); // it counts until it is taken: lwIP keeps others waiting
    pmg_lwip_sock_t **tail = &l->waiting;
    while (*tail != NULL) {
        tail = &(*tail)->next;
    }
    *tail = s;
    pmg_lwip_ready(l);
    return ERR_OK;
}

// ---------------------------------------------------------------------------------------------
// Making and ending

static pmg_lwip_sock_t *new_sock(struct mg_connection *c) {
    return pmg_lwip_new(pmg_m(c), c->is_udp ? PMG_LWIP_DATAGRAMS : 0);
}

static void free_sock(pmg_lwip_sock_t *s) {
    pmg_free(s->kept);
    pmg_free(s);
}

static void shut_tcp(pmg_lwip_sock_t *s) {
    struct tcp_pcb *pcb = s->pcb.tcp;
    if (s->is_listener) {
        tcp_arg(pcb, NULL);
        tcp_accept(pcb, NULL);
        tcp_close(pcb); // of a listener it cannot fail
        return;
    }
    if (s->parent != NULL) {
        tcp_backlog_accepted(pcb);
    }
    pmg_lwip_orphan(pcb);
    // At a soft reset nothing stays behind. And a close with unread data is a reset, as elsewhere.
    if (s->m->silent || s->rx != NULL || s->kept_len > s->kept_off || tcp_close(pcb) != ERR_OK) {
        tcp_abort(pcb);
    }
}

// With the lock held. The memory is the caller's to free, after it was released.
static void shut(pmg_lwip_sock_t *s) {
    if (s->is_udp) {
        if (s->pcb.udp != NULL) {
#if PMG_MULTICAST
            pmg_lwip_leave(s);
#endif
            udp_remove(s->pcb.udp);
        }
        while (s->dgram_count > 0) {
            pbuf_free(pmg_lwip_dgram_take(s));
        }
    } else if (s->pcb.tcp != NULL) {
        shut_tcp(s);
    }
    s->pcb.tcp = NULL;
    if (s->rx != NULL) {
        pbuf_free(s->rx);
        s->rx = NULL;
    }
    pmg_lwip_unready(s);
}

static void add_spare(pmg_lwip_sock_t *l) {
    pmg_lwip_sock_t *s = pmg_lwip_new(l->m, 0);
    if (s == NULL) {
        return; // one peer less may wait until memory comes back
    }
    s->parent = l;
    PMG_LWIP_ENTER
    s->next = l->spare;
    l->spare = s;
    PMG_LWIP_EXIT
}

size_t pmg_io_unsent(struct mg_connection *c) {
    pmg_lwip_sock_t *s = pmg_lwip_sock(c);
    size_t n = 0;
    PMG_LWIP_ENTER
    if (s != NULL && !s->is_udp && s->pcb.tcp != NULL) {
        n = (size_t)(TCP_SND_BUF - tcp_sndbuf(s->pcb.tcp));
    }
    PMG_LWIP_EXIT
    return n;
}

size_t pmg_io_max_conns(void) {
    return 0; // the board's default fits
}

void pmg_io_shutdown(struct mg_connection *c) {
    pmg_lwip_sock_t *s = pmg_lwip_sock(c);
    PMG_LWIP_ENTER
    if (s->pcb.tcp != NULL) {
        (void)tcp_shutdown(s->pcb.tcp, 0, 1); // lwIP itself repeats what finds no memory
    }
    PMG_LWIP_EXIT
}

void pmg_io_close(struct mg_connection *c) {
    pmg_lwip_sock_t *s = pmg_lwip_sock(c);
    if (s == NULL) {
        return;
    }
    PMG_LWIP_ENTER
    shut(s);
    pmg_lwip_sock_t *waiting = s->waiting, *spare = s->spare;
    for (pmg_lwip_sock_t *w = waiting; w != NULL; w = w->next) {
        shut(w);
    }
    PMG_LWIP_EXIT
    while (waiting != NULL || spare != NULL) {
        pmg_lwip_sock_t **list = waiting != NULL ? &waiting : &spare, *next = (*list)->next;
        free_sock(*list);
        *list = next;
    }
    free_sock(s);
    c->fd = (void *)(size_t)-1;
}

// ---------------------------------------------------------------------------------------------
// Listening

// lwIP gives the ports of UDP in turn, which a forger of DNS or SNTP answers could count along.
static err_t bind_anywhere(struct udp_pcb *pcb, const u16_t *ports, size_t count) {
    err_t err = ERR_USE;
    for (size_t i = 0; i < count && err == ERR_USE; i++) {
        err = udp_bind(pcb, IP_ANY_TYPE, (u16_t)(0xc000 | ports[i]));
    }
    return err;
}

static int open_udp(pmg_lwip_sock_t *s, const struct mg_addr *a, bool connect, bool broadcast) {
    ip_addr_t ip;
    err_t err = ERR_MEM;
    u16_t ports[4];
    pmg_lwip_to_ip(a, &ip);
    if (!pmg_random(s->m, ports, sizeof(ports))) {
        return -EIO;
    }
    PMG_LWIP_ENTER
    s->pcb.udp = udp_new_ip_type(IP_GET_TYPE(&ip));
    if (s->pcb.udp != NULL) {
        udp_recv(s->pcb.udp, pmg_lwip_on_datagram, s);
        err = connect ? bind_anywhere(s->pcb.udp, ports, LWIP_ARRAYSIZE(ports))
                      : udp_bind(s->pcb.udp, &ip, mg_ntohs(a->port));
        if (broadcast) {
            ip_set_option(s->pcb.udp, SOF_BROADCAST);
        }
        if (connect && !broadcast && err == ERR_OK) { // else it hears whoever answers
            err = udp_connect(s->pcb.udp, &ip, mg_ntohs(a->port));
        }
    }
    if (err != ERR_OK && s->pcb.udp != NULL) {
        udp_remove(s->pcb.udp);
        s->pcb.udp = NULL;
    }
    PMG_LWIP_EXIT
    return pmg_lwip_errno(err);
}

static int listen_tcp(pmg_lwip_sock_t *s, struct mg_addr *loc) {
    ip_addr_t ip;
    err_t err = ERR_MEM;
    pmg_lwip_to_ip(loc, &ip);
    PMG_LWIP_ENTER
    struct tcp_pcb *pcb = tcp_new_ip_type(IP_GET_TYPE(&ip)), *lpcb = NULL;
    if (pcb != NULL) {
        ip_set_option(pcb, SOF_REUSEADDR); // past connections in TIME_WAIT do not hinder
        err = tcp_bind(pcb, &ip, mg_ntohs(loc->port));
        if (err == ERR_OK) {
            lpcb = tcp_listen_with_backlog_and_err(pcb, PMG_LWIP_BACKLOG, &err);
        }
        if (lpcb == NULL) {
            tcp_abort(pcb);
        } else {
            s->pcb.tcp = lpcb;
            tcp_arg(lpcb, s);
            tcp_accept(lpcb, on_accept);
            loc->port = mg_htons(lpcb->local_port);
        }
    }
    PMG_LWIP_EXIT
    return lpcb != NULL ? 0 : pmg_lwip_errno(err);
}

int pmg_io_listen(struct mg_connection *c, const char *path, int fd) {
    if (path != NULL || fd != PMG_IO_OWN) {
        return -EOPNOTSUPP; // no such sockets here
    }
    pmg_lwip_sock_t *s = new_sock(c);
    if (s == NULL) {
        return -ENOMEM;
    }
    s->c = c;
    s->is_listener = !c->is_udp;
    int result =
        c->is_udp ? open_udp(s, &c->loc, false, pmg_x(c)->broadcast) : listen_tcp(s, &c->loc);
    if (result < 0) {
        free_sock(s);
        return result;
    }
    c->fd = s;
    if (c->is_udp) {
        c->loc.port = mg_htons(s->pcb.udp->local_port);
    } else {
        for (int i = 0; i < PMG_LWIP_BACKLOG; i++) {
            add_spare(s);
        }
    }
    return 0;
}

// The next peer that waits; one that has given up meanwhile was never there.
static pmg_lwip_sock_t *take(pmg_lwip_sock_t *l) {
    for (;;) {
        PMG_LWIP_ENTER
        pmg_lwip_sock_t *s = l->waiting;
        bool gone = false;
        if (s != NULL) {
            l->waiting = s->next;
            s->next = s->parent = NULL;
            gone = s->err != ERR_OK;
            if (s->pcb.tcp != NULL) {
                tcp_backlog_accepted(s->pcb.tcp);
            }
            if (gone) {
                shut(s);
            }
        }
        PMG_LWIP_EXIT
        if (s != NULL) {
            add_spare(l);
        }
        if (!gone) {
            return s;
        }
        free_sock(s);
    }
}

int pmg_io_accept(struct mg_connection *listener, struct mg_connection *c) {
    pmg_lwip_sock_t *s = take(pmg_lwip_sock(listener));
    if (s == NULL) {
        return -EAGAIN;
    }
    c->fd = s;
    s->c = c;
    PMG_LWIP_ENTER
    if (s->pcb.tcp != NULL) {
        tcp_nagle_disable(s->pcb.tcp);
        pmg_lwip_from_ip(&s->pcb.tcp->local_ip, s->pcb.tcp->local_port, &c->loc);
        pmg_lwip_from_ip(&s->pcb.tcp->remote_ip, s->pcb.tcp->remote_port, &c->rem);
    }
    if (pmg_lwip_readiness(s, PMG_IO_READ)) { // it came before we looked
        pmg_lwip_ready(s);
    }
    PMG_LWIP_EXIT
    pmg_x(c)->io_mask = PMG_IO_READ;
    return 0;
}

int pmg_io_refuse(struct mg_connection *listener, const char *text) {
    pmg_lwip_sock_t *s = take(pmg_lwip_sock(listener));
    if (s == NULL) {
        return -EAGAIN;
    }
    PMG_LWIP_ENTER
    struct tcp_pcb *pcb = s->pcb.tcp;
    if (pcb != NULL && text != NULL &&
        tcp_write(pcb, text, (u16_t)strlen(text), TCP_WRITE_FLAG_COPY) == ERR_OK) {
        // The peer's request may be under way, and a reset would take our answer from it: so only
        // our direction is closed here, and what comes is thrown away.
        if (s->rx != NULL) {
            tcp_recved(pcb, s->rx->tot_len);
        }
        pmg_lwip_orphan(pcb);
        (void)tcp_shutdown(pcb, 0, 1);
        s->pcb.tcp = NULL;
    }
    shut(s);
    PMG_LWIP_EXIT
    free_sock(s);
    return 0;
}

// ---------------------------------------------------------------------------------------------
// Connecting

static int connect_udp(pmg_lwip_sock_t *s, struct mg_connection *c) {
    int result = open_udp(s, &c->rem, true, pmg_x(c)->everyone != NULL);
    if (result == 0) {
        PMG_LWIP_ENTER
        struct udp_pcb *pcb = s->pcb.udp;
        const ip_addr_t *local = &pcb->local_ip;
        struct netif *netif = ip_route(local, &pcb->remote_ip);
        const ip_addr_t *from =
            netif != NULL ? ip_netif_get_local_ip(netif, &pcb->remote_ip) : NULL;
        pmg_lwip_from_ip(from != NULL ? from : local, pcb->local_port, &c->loc);
        PMG_LWIP_EXIT
    }
    return result;
}

static int connect_tcp(pmg_lwip_sock_t *s, struct mg_connection *c) {
    ip_addr_t ip;
    err_t err = ERR_MEM;
    pmg_lwip_to_ip(&c->rem, &ip);
    PMG_LWIP_ENTER
    s->pcb.tcp = tcp_new_ip_type(IP_GET_TYPE(&ip));
    if (s->pcb.tcp != NULL) {
        hook(s);
        tcp_nagle_disable(s->pcb.tcp);
        err = tcp_connect(s->pcb.tcp, &ip, mg_ntohs(c->rem.port), on_connected);
        if (err != ERR_OK) {
            shut(s);
        } else {
            pmg_lwip_from_ip(&s->pcb.tcp->local_ip, s->pcb.tcp->local_port, &c->loc);
        }
    }
    PMG_LWIP_EXIT
    return err == ERR_OK ? -EINPROGRESS : pmg_lwip_errno(err);
}

int pmg_io_connect(struct mg_connection *c, const char *path) {
    if (path != NULL) {
        return -EOPNOTSUPP;
    }
    pmg_lwip_sock_t *s = new_sock(c);
    if (s == NULL) {
        return -ENOMEM;
    }
    s->c = c;
    int result = c->is_udp ? connect_udp(s, c) : connect_tcp(s, c);
    if (result < 0 && result != -EINPROGRESS) {
        free_sock(s);
        return result;
    }
    c->fd = s;
    pmg_x(c)->io_mask = PMG_IO_WRITE;
    return result;
}

int pmg_io_connect_result(struct mg_connection *c) {
    pmg_lwip_sock_t *s = pmg_lwip_sock(c);
    if (s->err != ERR_OK) {
        return s->err == ERR_RST && c->is_connecting ? -ECONNREFUSED : pmg_lwip_errno(s->err);
    }
    return s->connected ? 0 : -EINPROGRESS;
}

int pmg_io_give(struct mg_connection *from, struct mg_connection *to) {
    pmg_lwip_sock_t *s = pmg_lwip_sock(from);
    to->loc = from->loc;
    to->fd = s;
    s->c = to;
    from->fd = (void *)(size_t)-1;
    pmg_x(from)->io_mask = 0;
    pmg_x(to)->io_mask = PMG_IO_WRITE;
    return pmg_io_watch(to, PMG_IO_WRITE);
}

// ---------------------------------------------------------------------------------------------
// The network

int pmg_io_route(pmg_mgr_t *m, const struct mg_addr *a) {
    ip_addr_t ip;
    (void)m;
#if !LWIP_IPV6
    if (a->is_ip6) {
        return -EAFNOSUPPORT;
    }
#endif
    pmg_lwip_to_ip(a, &ip);
    PMG_LWIP_ENTER
    bool found = ip_route(IP_ADDR_ANY, &ip) != NULL;
    PMG_LWIP_EXIT
    return found ? 0 : -ENETUNREACH;
}

int pmg_io_zone(const char *name) {
    unsigned n = 0;
    const char *p = name;
    while (*p >= '0' && *p <= '9' && n <= UINT8_MAX) {
        n = n * 10 + (unsigned)(*p++ - '0');
    }
    PMG_LWIP_ENTER
    struct netif *found = *p != '\0'       ? netif_find(name)
                          : n <= UINT8_MAX ? netif_get_by_index((u8_t)n)
                                           : NULL;
    n = found != NULL ? netif_get_index(found) : 0;
    PMG_LWIP_EXIT
    return n > 0 ? (int)n : -ENODEV;
}

int pmg_io_dns_servers(struct mg_addr *out, int max) {
    int n = 0;
#if LWIP_DNS
    PMG_LWIP_ENTER
    for (u8_t i = 0; i < DNS_MAX_SERVERS && n < max; i++) {
        const ip_addr_t *ip = dns_getserver(i);
        if (!ip_addr_isany(ip)) {
            pmg_lwip_from_ip(ip, 53, &out[n++]);
        }
    }
    PMG_LWIP_EXIT
#endif
    return n;
}

#endif // PMG_IO_LWIP
