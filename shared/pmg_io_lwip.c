// SPDX-License-Identifier: GPL-2.0-only
//
// The I/O backend over raw lwIP, for boards where MicroPython runs lwIP without BSD sockets.
//
// lwIP calls us from an interrupt (PendSV), from the scheduler, or synchronously inside our own
// calls. A callback therefore only queues: it touches the fixed fields of a sock_t and links it into
// the manager's ready list, with the lwIP lock held. No allocation, no Python, no Mongoose. All else
// runs in thread mode below pmg_mgr_poll(), and takes the lock round each lwIP call, pbuf_free() too.
//
// A peer that connects needs a sock_t before Python saw it: a listener keeps a few ready.

#if defined(PMG_IO_LWIP)

#include "pmg_int.h"
#include "pmg_port_lwip.h" // PMG_LWIP_ENTER, PMG_LWIP_EXIT, pmg_port_idle(): the runtime's

#include "lwip/dns.h"
#include "lwip/netif.h"
#include "lwip/pbuf.h"
#include "lwip/tcp.h"
#include "lwip/udp.h"

// Peers that may wait for accept(), per listener: each costs a sock_t. lwIP refuses more.
#ifndef PMG_LWIP_BACKLOG
#define PMG_LWIP_BACKLOG 4
#endif
// Datagrams that may wait for the program, per connection; later ones are dropped, as UDP may.
#ifndef PMG_LWIP_DATAGRAMS
#define PMG_LWIP_DATAGRAMS 4
#endif
// A close that found no memory is tried again from tcp_poll, every 2 s, then the peer gets a reset.
#define CLOSE_TRIES 5
#define POLL_INTERVAL 4 // in half seconds

typedef struct sock {
    struct sock *ready_next;
    pmg_mgr_t *m;
    struct mg_connection *c; // NULL while it waits to be accepted
    union {
        struct tcp_pcb *tcp;
        struct udp_pcb *udp;
    } pcb;
    struct pbuf *rx;              // TCP: received and not consumed, a chain
    u16_t rx_off;                 // consumed of the first pbuf
    struct sock *parent;          // the listener of one that waits
    struct sock *next;            // in its listener's list: spare, then waiting
    struct sock *spare, *waiting; // of a listener
    struct {
        struct pbuf *p;
        ip_addr_t addr;
        u16_t port;
    } dgram[PMG_LWIP_DATAGRAMS];
    u8_t dgram_first, dgram_count;
    volatile bool in_ready, eof, connected;
    bool is_udp, is_listener;
    volatile err_t err;
} sock_t;

static sock_t *sock_of(struct mg_connection *c) {
    return c->fd == (void *)(size_t)-1 ? NULL : c->fd;
}

static int to_errno(err_t err) {
    switch (err) {
        case ERR_OK: return 0;
        case ERR_MEM:
        case ERR_BUF: return -ENOMEM;
        case ERR_TIMEOUT: return -ETIMEDOUT;
        case ERR_RTE: return -EHOSTUNREACH;
        case ERR_INPROGRESS: return -EINPROGRESS;
        case ERR_VAL:
        case ERR_ARG: return -EINVAL;
        case ERR_WOULDBLOCK: return -EAGAIN;
        case ERR_USE: return -EADDRINUSE;
        case ERR_ISCONN: return -EISCONN;
        case ERR_CONN: return -ENOTCONN;
        case ERR_ABRT: return -ECONNABORTED;
        case ERR_RST: return -ECONNRESET;
        case ERR_CLSD: return -ENOTCONN;
        default: return -EIO;
    }
}

static void to_ip(const struct mg_addr *a, ip_addr_t *ip) {
#if LWIP_IPV6
    if (a->is_ip6) {
        u32_t w[4];
        memcpy(w, a->addr.ip, 16);
        IP_ADDR6(ip, w[0], w[1], w[2], w[3]);
        return;
    }
#endif
    ip_addr_set_ip4_u32(ip, a->addr.ip4);
}

static void from_ip(const ip_addr_t *ip, u16_t port, struct mg_addr *a) {
    memset(a, 0, sizeof(*a));
    a->port = mg_htons(port);
#if LWIP_IPV6
    if (IP_IS_V6(ip)) {
        a->is_ip6 = true;
        memcpy(a->addr.ip, ip_2_ip6(ip)->addr, 16);
        return;
    }
#endif
    a->addr.ip4 = ip_addr_get_ip4_u32(ip);
}

// ---------------------------------------------------------------------------------------------
// Callbacks: the lock is held, nothing may be allocated

static void make_ready(sock_t *s) {
    if (!s->in_ready) {
        s->in_ready = true;
        s->ready_next = s->m->io.ready;
        s->m->io.ready = s;
    }
}

static err_t on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err) {
    sock_t *s = arg;
    (void)pcb, (void)err;
    if (p == NULL) {
        s->eof = true;
    } else if (s->rx == NULL) {
        s->rx = p;
        s->rx_off = 0;
    } else {
        pbuf_cat(s->rx, p);
    }
    make_ready(s->parent != NULL ? s->parent : s);
    return ERR_OK;
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t len) {
    (void)pcb, (void)len;
    make_ready(arg);
    return ERR_OK;
}

static void on_err(void *arg, err_t err) {
    sock_t *s = arg;
    s->pcb.tcp = NULL; // lwIP freed it
    s->err = err;
    make_ready(s->parent != NULL ? s->parent : s);
}

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t err) {
    sock_t *s = arg;
    (void)pcb, (void)err;
    s->connected = true;
    make_ready(s);
    return ERR_OK;
}

static void hook(sock_t *s) {
    tcp_arg(s->pcb.tcp, s);
    tcp_recv(s->pcb.tcp, on_recv);
    tcp_sent(s->pcb.tcp, on_sent);
    tcp_err(s->pcb.tcp, on_err);
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err) {
    sock_t *l = arg, *s = l->spare;
    if (err != ERR_OK || pcb == NULL) {
        return ERR_OK;
    }
    if (s == NULL) {
        return ERR_MEM; // lwIP resets the peer
    }
    l->spare = s->next;
    s->next = NULL;
    s->pcb.tcp = pcb;
    s->connected = true;
    hook(s);
    sock_t **tail = &l->waiting;
    while (*tail != NULL) {
        tail = &(*tail)->next;
    }
    *tail = s;
    make_ready(l);
    return ERR_OK;
}

static void on_datagram(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *addr,
    u16_t port) {
    sock_t *s = arg;
    (void)pcb;
    if (s->dgram_count == PMG_LWIP_DATAGRAMS) {
        pbuf_free(p);
        return;
    }
    unsigned i = (s->dgram_first + s->dgram_count++) % PMG_LWIP_DATAGRAMS;
    s->dgram[i].p = p;
    s->dgram[i].addr = *addr;
    s->dgram[i].port = port;
    make_ready(s);
}

// A pcb whose close found no memory has no sock_t any more; its argument counts the tries.
static err_t close_again(void *arg, struct tcp_pcb *pcb) {
    size_t tries = (size_t)arg + 1;
    if (tcp_close(pcb) == ERR_OK) {
        return ERR_OK;
    }
    if (tries >= CLOSE_TRIES) {
        tcp_abort(pcb);
        return ERR_ABRT;
    }
    tcp_arg(pcb, (void *)tries);
    return ERR_OK;
}

// ---------------------------------------------------------------------------------------------
// Thread mode

static sock_t *new_sock(pmg_mgr_t *m) {
    sock_t *s = pmg_alloc(sizeof(*s));
    if (s != NULL) {
        memset(s, 0, sizeof(*s));
        s->m = m;
    }
    return s;
}

// With the lock held. The memory is the caller's to free, after it was released.
static void shut(sock_t *s) {
    if (s->is_udp) {
        if (s->pcb.udp != NULL) {
            udp_remove(s->pcb.udp);
        }
        while (s->dgram_count > 0) {
            pbuf_free(s->dgram[s->dgram_first].p);
            s->dgram_first = (u8_t)((s->dgram_first + 1) % PMG_LWIP_DATAGRAMS);
            s->dgram_count--;
        }
    } else if (s->pcb.tcp != NULL && s->is_listener) {
        tcp_arg(s->pcb.tcp, NULL);
        tcp_accept(s->pcb.tcp, NULL);
        tcp_close(s->pcb.tcp); // of a listener it cannot fail
    } else if (s->pcb.tcp != NULL) {
        bool unread = s->rx != NULL;
        tcp_arg(s->pcb.tcp, NULL);
        tcp_recv(s->pcb.tcp, NULL);
        tcp_sent(s->pcb.tcp, NULL);
        tcp_err(s->pcb.tcp, NULL);
        if (s->m->silent || unread) {
            tcp_abort(s->pcb
                    .tcp); // at a soft reset the link may be gone; unread data is a reset anyway
        } else if (tcp_close(s->pcb.tcp) != ERR_OK) {
            tcp_poll(s->pcb.tcp, close_again, POLL_INTERVAL);
        }
    }
    if (s->rx != NULL) {
        pbuf_free(s->rx);
    }
    s->pcb.tcp = NULL;
    s->rx = NULL;
    if (s->in_ready) {
        sock_t **p = (sock_t **)&s->m->io.ready;
        while (*p != s) {
            p = &(*p)->ready_next;
        }
        *p = s->ready_next;
        s->in_ready = false;
    }
}

static void add_spare(sock_t *l) {
    sock_t *s = new_sock(l->m);
    if (s == NULL) {
        return; // one peer less may wait until memory comes back
    }
    s->parent = l;
    PMG_LWIP_ENTER
    s->next = l->spare;
    l->spare = s;
    PMG_LWIP_EXIT
}

int pmg_io_init(pmg_mgr_t *m) {
    m->io.ready = NULL;
    m->io.woken = false;
    return 0;
}

void pmg_io_fini(pmg_mgr_t *m) {
    (void)m;
}

int pmg_io_check(pmg_mgr_t *m) {
    (void)m;
    return 0;
}

void pmg_io_lock(pmg_mgr_t *m) {
    (void)m;
    pmg_port_lock();
}

void pmg_io_unlock(pmg_mgr_t *m) {
    (void)m;
    pmg_port_unlock();
}

void pmg_io_wake(pmg_mgr_t *m) {
    m->io.woken = true;
    pmg_port_wake();
}

// lwIP gives the ports of UDP in turn, which a forger of DNS or SNTP answers could count along.
static err_t bind_anywhere(struct udp_pcb *pcb, const u16_t *ports, size_t count) {
    err_t err = ERR_USE;
    for (size_t i = 0; i < count && err == ERR_USE; i++) {
        err = udp_bind(pcb, IP_ANY_TYPE, (u16_t)(0xc000 | ports[i]));
    }
    return err;
}

static int open_udp(sock_t *s, const struct mg_addr *a, bool connect) {
    ip_addr_t ip;
    err_t err = ERR_MEM;
    u16_t ports[4];
    to_ip(a, &ip);
    pmg_random(s->m, ports, sizeof(ports));
    PMG_LWIP_ENTER
    s->pcb.udp = udp_new_ip_type(IP_GET_TYPE(&ip));
    if (s->pcb.udp != NULL) {
        udp_recv(s->pcb.udp, on_datagram, s);
        err = connect ? bind_anywhere(s->pcb.udp, ports, LWIP_ARRAYSIZE(ports))
                      : udp_bind(s->pcb.udp, &ip, mg_ntohs(a->port));
        if (connect && err == ERR_OK) {
            err = udp_connect(s->pcb.udp, &ip, mg_ntohs(a->port));
        }
    }
    if (err != ERR_OK && s->pcb.udp != NULL) {
        udp_remove(s->pcb.udp);
        s->pcb.udp = NULL;
    }
    PMG_LWIP_EXIT
    return to_errno(err);
}

int pmg_io_listen(struct mg_connection *c, const char *path, int fd) {
    pmg_mgr_t *m = pmg_m(c);
    if (path != NULL || fd >= 0) {
        return -EOPNOTSUPP; // no such sockets here
    }
    sock_t *s = new_sock(m);
    if (s == NULL) {
        return -ENOMEM;
    }
    s->c = c;
    s->is_udp = c->is_udp;
    s->is_listener = !c->is_udp;
    if (c->is_udp) {
        int result = open_udp(s, &c->loc, false);
        if (result < 0) {
            pmg_free(s);
            return result;
        }
        c->loc.port = mg_htons(s->pcb.udp->local_port);
        c->fd = s;
        return 0;
    }
    ip_addr_t ip;
    err_t err = ERR_MEM;
    to_ip(&c->loc, &ip);
    PMG_LWIP_ENTER
    struct tcp_pcb *pcb = tcp_new_ip_type(IP_GET_TYPE(&ip)), *lpcb = NULL;
    if (pcb != NULL) {
        ip_set_option(pcb, SOF_REUSEADDR);
        err = tcp_bind(pcb, &ip, mg_ntohs(c->loc.port));
        if (err == ERR_OK) {
            lpcb = tcp_listen_with_backlog_and_err(pcb, PMG_LWIP_BACKLOG, &err);
        }
        if (lpcb == NULL) {
            tcp_abort(pcb);
        } else {
            s->pcb.tcp = lpcb;
            tcp_arg(lpcb, s);
            tcp_accept(lpcb, on_accept);
            c->loc.port = mg_htons(lpcb->local_port);
        }
    }
    PMG_LWIP_EXIT
    if (lpcb == NULL) {
        pmg_free(s);
        return to_errno(err);
    }
    c->fd = s;
    for (int i = 0; i < PMG_LWIP_BACKLOG; i++) {
        add_spare(s);
    }
    return 0;
}

static sock_t *take(sock_t *l) {
    PMG_LWIP_ENTER
    sock_t *s = l->waiting;
    if (s != NULL) {
        l->waiting = s->next;
        s->next = NULL;
        s->parent = NULL;
        if (s->pcb.tcp != NULL) {
            tcp_backlog_accepted(s->pcb.tcp);
        }
    }
    PMG_LWIP_EXIT
    if (s != NULL) {
        add_spare(l);
    }
    return s;
}

int pmg_io_accept(struct mg_connection *listener, struct mg_connection *c) {
    sock_t *s = take(sock_of(listener));
    if (s == NULL) {
        return -EAGAIN;
    }
    c->fd = s;
    s->c = c;
    PMG_LWIP_ENTER
    if (s->pcb.tcp != NULL) {
        tcp_nagle_disable(s->pcb.tcp);
        from_ip(&s->pcb.tcp->local_ip, s->pcb.tcp->local_port, &c->loc);
        from_ip(&s->pcb.tcp->remote_ip, s->pcb.tcp->remote_port, &c->rem);
    }
    if (s->rx != NULL || s->eof || s->pcb.tcp == NULL) { // it came before we looked
        make_ready(s);
    }
    PMG_LWIP_EXIT
    pmg_x(c)->io_mask = PMG_IO_READ;
    return 0;
}

int pmg_io_refuse(struct mg_connection *listener, const char *text) {
    sock_t *s = take(sock_of(listener));
    if (s == NULL) {
        return -EAGAIN;
    }
    PMG_LWIP_ENTER
    if (s->pcb.tcp != NULL && text != NULL) {
        (void)tcp_write(s->pcb.tcp, text, (u16_t)strlen(text), TCP_WRITE_FLAG_COPY);
    }
    if (s->rx != NULL && s->pcb.tcp != NULL) { // taken, so that closing does not reset
        tcp_recved(s->pcb.tcp, s->rx->tot_len);
        pbuf_free(s->rx);
        s->rx = NULL;
    }
    shut(s);
    PMG_LWIP_EXIT
    pmg_free(s);
    return 0;
}

int pmg_io_connect(struct mg_connection *c, const char *path) {
    pmg_mgr_t *m = pmg_m(c);
    if (path != NULL) {
        return -EOPNOTSUPP;
    }
    sock_t *s = new_sock(m);
    if (s == NULL) {
        return -ENOMEM;
    }
    s->c = c;
    s->is_udp = c->is_udp;
    int result;
    if (c->is_udp) {
        result = open_udp(s, &c->rem, true);
        if (result == 0) {
            from_ip(&s->pcb.udp->local_ip, s->pcb.udp->local_port, &c->loc);
        }
    } else {
        ip_addr_t ip;
        err_t err = ERR_MEM;
        to_ip(&c->rem, &ip);
        PMG_LWIP_ENTER
        s->pcb.tcp = tcp_new_ip_type(IP_GET_TYPE(&ip));
        if (s->pcb.tcp != NULL) {
            hook(s);
            tcp_nagle_disable(s->pcb.tcp);
            err = tcp_connect(s->pcb.tcp, &ip, mg_ntohs(c->rem.port), on_connected);
            if (err != ERR_OK) {
                shut(s);
            } else {
                from_ip(&s->pcb.tcp->local_ip, s->pcb.tcp->local_port, &c->loc);
            }
        }
        PMG_LWIP_EXIT
        result = err == ERR_OK ? -EINPROGRESS : to_errno(err);
    }
    if (result < 0 && result != -EINPROGRESS) {
        pmg_free(s);
        return result;
    }
    c->fd = s;
    pmg_x(c)->io_mask = PMG_IO_WRITE;
    return result;
}

int pmg_io_connect_result(struct mg_connection *c) {
    sock_t *s = sock_of(c);
    if (s->err != ERR_OK) {
        return s->err == ERR_RST && c->is_connecting ? -ECONNREFUSED : to_errno(s->err);
    }
    return s->connected ? 0 : -EINPROGRESS;
}

static long read_datagram(sock_t *s, struct mg_connection *c, void *buf, size_t len) {
    PMG_LWIP_ENTER
    struct pbuf *p = s->dgram_count > 0 ? s->dgram[s->dgram_first].p : NULL;
    long n = -EAGAIN;
    if (p != NULL) {
        n = pbuf_copy_partial(p, buf, (u16_t)(len < 65535 ? len : 65535), 0);
        if (c->is_listening) {
            from_ip(&s->dgram[s->dgram_first].addr, s->dgram[s->dgram_first].port, &c->rem);
        }
        s->dgram_first = (u8_t)((s->dgram_first + 1) % PMG_LWIP_DATAGRAMS);
        s->dgram_count--;
        pbuf_free(p);
    }
    PMG_LWIP_EXIT
    return n;
}

long pmg_io_read(struct mg_connection *c, void *buf, size_t len) {
    sock_t *s = sock_of(c);
    if (s->is_udp) {
        return read_datagram(s, c, buf, len);
    }
    size_t n = 0;
    PMG_LWIP_ENTER
    while (s->rx != NULL && n < len) {
        size_t have = (size_t)s->rx->len - s->rx_off, k = have < len - n ? have : len - n;
        memcpy((char *)buf + n, (char *)s->rx->payload + s->rx_off, k);
        n += k;
        s->rx_off = (u16_t)(s->rx_off + k);
        if (s->rx_off == s->rx->len) {
            struct pbuf *next = pbuf_dechain(s->rx);
            pbuf_free(s->rx);
            s->rx = next;
            s->rx_off = 0;
        }
    }
    for (size_t left = n; left > 0 && s->pcb.tcp != NULL;) { // opens the window by what was taken
        u16_t k = (u16_t)(left < 0xffff ? left : 0xffff);
        tcp_recved(s->pcb.tcp, k);
        left -= k;
    }
    bool eof = s->eof;
    err_t err = s->err;
    PMG_LWIP_EXIT
    return n > 0 ? (long)n : (eof ? 0 : (err != ERR_OK ? to_errno(err) : -EAGAIN));
}

static long write_datagram(sock_t *s, struct mg_connection *c, const void *buf, size_t len) {
    err_t err = ERR_MEM;
    if (len > 65507) {
        return -EMSGSIZE;
    }
    PMG_LWIP_ENTER
    struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)len, PBUF_RAM);
    if (p != NULL) {
        (void)pbuf_take(p, buf, (u16_t)len);
        if (c->is_listening) {
            ip_addr_t ip;
            to_ip(&c->rem, &ip);
            err = udp_sendto(s->pcb.udp, p, &ip, mg_ntohs(c->rem.port));
        } else {
            err = udp_send(s->pcb.udp, p);
        }
        pbuf_free(p);
    }
    PMG_LWIP_EXIT
    return err == ERR_OK ? (long)len : to_errno(err);
}

long pmg_io_write(struct mg_connection *c, const void *buf, size_t len) {
    sock_t *s = sock_of(c);
    if (s->is_udp) {
        return write_datagram(s, c, buf, len);
    }
    long result = -EAGAIN;
    PMG_LWIP_ENTER
    if (s->pcb.tcp == NULL) {
        result = s->err != ERR_OK ? to_errno(s->err) : -EPIPE;
    } else {
        size_t n = tcp_sndbuf(s->pcb.tcp);
        n = n < len ? n : len;
        err_t err = ERR_MEM;
        // Segments or memory may be short though the window is open: try with less, then wait for
        // what is under way to be acknowledged.
        while (n > 0 &&
               (err = tcp_write(s->pcb.tcp, buf, (u16_t)n, TCP_WRITE_FLAG_COPY)) == ERR_MEM) {
            n /= 2;
        }
        if (n > 0 && err == ERR_OK) {
            (void)tcp_output(s->pcb.tcp);
            result = (long)n;
        } else if (err != ERR_OK && err != ERR_MEM) {
            result = to_errno(err);
        }
    }
    PMG_LWIP_EXIT
    return result;
}

int pmg_io_route(pmg_mgr_t *m, const struct mg_addr *a) {
    ip_addr_t ip;
    (void)m;
#if !LWIP_IPV6
    if (a->is_ip6) {
        return -EAFNOSUPPORT;
    }
#endif
    to_ip(a, &ip);
    PMG_LWIP_ENTER
    bool found = ip_route(IP_ADDR_ANY, &ip) != NULL;
    PMG_LWIP_EXIT
    return found ? 0 : -ENETUNREACH;
}

int pmg_io_dns_servers(struct mg_addr *out, int max) {
    int n = 0;
#if LWIP_DNS
    PMG_LWIP_ENTER
    for (u8_t i = 0; i < DNS_MAX_SERVERS && n < max; i++) {
        const ip_addr_t *ip = dns_getserver(i);
        if (!ip_addr_isany(ip)) {
            from_ip(ip, 53, &out[n++]);
        }
    }
    PMG_LWIP_EXIT
#endif
    return n;
}

void pmg_io_shutdown(struct mg_connection *c) {
    sock_t *s = sock_of(c);
    PMG_LWIP_ENTER
    if (s->pcb.tcp != NULL) {
        (void)tcp_shutdown(s->pcb.tcp, 0, 1);
    }
    PMG_LWIP_EXIT
}

void pmg_io_close(struct mg_connection *c) {
    sock_t *s = sock_of(c);
    if (s == NULL) {
        return;
    }
    PMG_LWIP_ENTER
    shut(s);
    sock_t *waiting = s->waiting, *spare = s->spare;
    for (sock_t *w = waiting; w != NULL; w = w->next) {
        shut(w);
    }
    PMG_LWIP_EXIT
    while (waiting != NULL || spare != NULL) {
        sock_t **list = waiting != NULL ? &waiting : &spare, *next = (*list)->next;
        pmg_free(*list);
        *list = next;
    }
    pmg_free(s);
    c->fd = (void *)(size_t)-1;
}

static int readiness(sock_t *s, int want) {
    bool gone = s->err != ERR_OK;
    int mask = 0;
    if (s->is_listener) {
        mask = s->waiting != NULL ? PMG_IO_READ : 0;
    } else if (s->is_udp) {
        mask = (s->dgram_count > 0 ? PMG_IO_READ : 0) | PMG_IO_WRITE;
    } else {
        mask = s->rx != NULL || s->eof || gone ? PMG_IO_READ : 0;
        if (gone || (s->connected && s->pcb.tcp != NULL && tcp_sndbuf(s->pcb.tcp) > 0)) {
            mask |= PMG_IO_WRITE;
        }
    }
    return mask & want;
}

int pmg_io_watch(struct mg_connection *c, int mask) {
    sock_t *s = sock_of(c);
    PMG_LWIP_ENTER
    if (readiness(s, mask) != 0) {
        make_ready(s);
    }
    PMG_LWIP_EXIT
    return 0;
}

void pmg_io_unwatch(struct mg_connection *c) {
    (void)c; // nothing is reported twice here
}

int pmg_io_wait(pmg_mgr_t *m, int ms) {
    if (m->io.ready == NULL && !m->io.woken && ms != 0) {
        m->waiting = true;
        pmg_port_idle(ms); // returns at an interrupt, at the latest after a slice of its own
        m->waiting = false;
    }
    m->io.woken = false;
    PMG_LWIP_ENTER
    sock_t *list = m->io.ready;
    m->io.ready = NULL;
    PMG_LWIP_EXIT
    int n = 0;
    // Connections are freed later in the turn only, so that every member of the list stays valid.
    // It is walked by detaching: a callback may put the member back meanwhile.
    while (list != NULL) {
        sock_t *s = list;
        PMG_LWIP_ENTER
        list = s->ready_next;
        s->in_ready = false;
        int want = s->c != NULL ? pmg_x(s->c)->io_mask : 0;
        int mask = readiness(s, want);
        bool gone = s->err != ERR_OK;
        if (m->stop && s->c != NULL) {
            make_ready(s); // an exception left poll(): next time
        }
        PMG_LWIP_EXIT
        if (s->c == NULL || m->stop || (mask == 0 && !gone)) {
            continue;
        }
        struct mg_connection *c = s->c;
        pmg_io_ready(c, mask, gone);
        n++;
        PMG_LWIP_ENTER
        if (!c->is_closing && readiness(s, pmg_x(c)->io_mask) & PMG_IO_READ) {
            make_ready(s); // level triggered: there is more
        }
        PMG_LWIP_EXIT
    }
    return n;
}

#endif // PMG_IO_LWIP
