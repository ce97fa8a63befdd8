// SPDX-License-Identifier: GPL-2.0-only
//
// The I/O backend over raw lwIP: readiness, bytes, waiting. See lwip_int.h for the rules.

#if defined(PMG_IO_LWIP)

#include "lwip_int.h"

// When lwIP has no memory for what is to be sent, nothing tells when it has some again: it is
// asked so often.
#define STARVED_MS 10

// ---------------------------------------------------------------------------------------------
// The ready list and lwIP's callbacks: the lock is held, nothing may be allocated

void pmg_lwip_ready(pmg_lwip_sock_t *s) {
    pmg_io_mgr_t *io = pmg_io_of(s->m);
    if (!s->in_ready) {
        s->in_ready = true;
        s->ready_next = NULL;
        if (io->ready != NULL) {
            io->ready_last->ready_next = s;
        } else {
            io->ready = s;
        }
        io->ready_last = s;
        io->ready_len++;
    }
}

void pmg_lwip_unready(pmg_lwip_sock_t *s) {
    pmg_io_mgr_t *io = pmg_io_of(s->m);
    if (s->in_ready) {
        pmg_lwip_sock_t *before = NULL, *p = io->ready;
        while (p != s) {
            before = p;
            p = p->ready_next;
        }
        if (before != NULL) {
            before->ready_next = s->ready_next;
        } else {
            io->ready = s->ready_next;
        }
        if (io->ready_last == s) {
            io->ready_last = before;
        }
        io->ready_len--;
        s->in_ready = false;
    }
}

static void ready(pmg_lwip_sock_t *s) {
    pmg_lwip_ready(s->parent != NULL ? s->parent : s);
}

err_t pmg_lwip_on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err) {
    pmg_lwip_sock_t *s = arg;
    (void)err;
    if (p == NULL) {
        s->eof = true;
        // Both directions are closed: lwIP frees this pcb later and will not tell.
        if (pcb->state == TIME_WAIT || pcb->state == CLOSING) {
            pmg_lwip_orphan(pcb);
            s->pcb.tcp = NULL;
        }
    } else if (s->rx == NULL) {
        s->rx = p;
        s->rx_off = 0;
    } else {
        pbuf_cat(s->rx, p);
    }
    ready(s);
    return ERR_OK;
}

err_t pmg_lwip_on_sent(void *arg, struct tcp_pcb *pcb, u16_t len) {
    (void)pcb, (void)len;
    pmg_lwip_ready(arg);
    return ERR_OK;
}

void pmg_lwip_on_err(void *arg, err_t err) {
    pmg_lwip_sock_t *s = arg;
    s->pcb.tcp = NULL; // lwIP freed it
    if (err == ERR_CLSD) {
        s->eof = true; // the regular end of a connection that we closed in our direction
    } else {
        s->err = err;
    }
    ready(s);
}

void pmg_lwip_on_datagram(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *addr,
    u16_t port) {
    pmg_lwip_sock_t *s = arg;
    (void)pcb;
    if (s->dgram_count == s->dgram_max || !pmg_lwip_may_hold(s, p)) {
        pbuf_free(p);
        return;
    }
    unsigned i = (unsigned)(s->dgram_first + s->dgram_count++) % s->dgram_max;
    s->dgram[i].p = p;
    s->dgram[i].addr = *addr;
    s->dgram[i].port = port;
    s->dgram[i].iface = netif_get_index(ip_current_input_netif());
    pmg_lwip_ready(s);
}

// It may be asked without the lock, too: so each pointer is read once.
static struct tcp_pcb *tcp_of(pmg_lwip_sock_t *s) {
    return *(struct tcp_pcb *volatile *)&s->pcb.tcp;
}

int pmg_lwip_readiness(pmg_lwip_sock_t *s, int want) {
    bool gone = s->err != ERR_OK;
    int mask = 0;
    if (s->is_listener) {
        mask = s->waiting != NULL ? PMG_IO_READ : 0;
    } else if (s->is_udp) {
        mask = (s->dgram_count > 0 ? PMG_IO_READ : 0) | PMG_IO_WRITE;
    } else {
        mask = s->kept_len > s->kept_off || s->rx != NULL || s->eof || gone ? PMG_IO_READ : 0;
        struct tcp_pcb *pcb = tcp_of(s);
        if (gone || (s->connected && (pcb == NULL || (tcp_sndbuf(pcb) > 0 && !s->starved)))) {
            mask |= PMG_IO_WRITE;
        }
    }
    return mask & want;
}

// ---------------------------------------------------------------------------------------------
// Reading

static long read_datagram(pmg_lwip_sock_t *s, struct mg_connection *c, void *buf, size_t len) {
    PMG_LWIP_ENTER
    pmg_lwip_dgram_t *d = s->dgram_count > 0 ? &s->dgram[s->dgram_first] : NULL;
    long n = -EAGAIN;
    if (d != NULL) {
        n = pbuf_copy_partial(d->p, buf, (u16_t)(len < 0xffff ? len : 0xffff), 0);
        if (c->is_listening || pmg_x(c)->everyone != NULL || pmg_x(c)->multicast) {
            pmg_lwip_from_ip(&d->addr, d->port, &c->rem);
        }
        pmg_io_of(s->m)->iface = d->iface;
        pbuf_free(pmg_lwip_dgram_take(s));
    }
    PMG_LWIP_EXIT
    return n;
}

static size_t read_rx(pmg_lwip_sock_t *s, char *buf, size_t len) {
    size_t n = 0;
    while (s->rx != NULL && n < len) {
        size_t have = (size_t)s->rx->len - s->rx_off, k = have < len - n ? have : len - n;
        memcpy(buf + n, (char *)s->rx->payload + s->rx_off, k);
        n += k;
        s->rx_off = (u16_t)(s->rx_off + k);
        if (s->rx_off == s->rx->len) {
            struct pbuf *next = s->rx->next;
            if (next != NULL) {
                pbuf_ref(next); // of a chain made by pbuf_cat() each holds the next one
            }
            pbuf_free(s->rx);
            s->rx = next;
            s->rx_off = 0;
        }
    }
    return n;
}

static size_t read_kept(pmg_lwip_sock_t *s, char *buf, size_t len) {
    size_t n = s->kept_len - s->kept_off;
    n = n < len ? n : len;
    if (n > 0) {
        memcpy(buf, s->kept + s->kept_off, n);
        s->kept_off += n;
        if (s->kept_off == s->kept_len) {
            pmg_free(s->kept);
            s->kept = NULL;
            s->kept_len = s->kept_off = 0;
        }
    }
    return n;
}

// What arrives lies in a pool that all connections share, a small segment in as large a block as a
// full one. While the program does not read a connection, its bytes move to Python's heap: else a
// few such peers would stop all traffic. The window stays closed by as much, so it is bounded.
static void keep(pmg_lwip_sock_t *s) {
    PMG_LWIP_ENTER
    struct pbuf *p = s->rx;
    u16_t off = s->rx_off;
    s->rx = NULL;
    s->rx_off = 0;
    PMG_LWIP_EXIT
    if (p == NULL) {
        return;
    }
    size_t rest = s->kept_len - s->kept_off, more = (size_t)p->tot_len - off;
    unsigned char *buf = pmg_alloc(rest + more);
    if (buf != NULL && rest > 0) {
        memcpy(buf, s->kept + s->kept_off, rest);
    }
    PMG_LWIP_ENTER
    if (buf != NULL) {
        pbuf_copy_partial(p, buf + rest, (u16_t)more, off);
        pbuf_free(p);
    } else { // it stays where it is, ahead of what came meanwhile
        if (s->rx != NULL) {
            pbuf_cat(p, s->rx);
        }
        s->rx = p;
        s->rx_off = off;
    }
    PMG_LWIP_EXIT
    if (buf != NULL) {
        pmg_free(s->kept);
        s->kept = buf;
        s->kept_len = rest + more;
        s->kept_off = 0;
    }
}

long pmg_io_read(struct mg_connection *c, void *buf, size_t len) {
    pmg_lwip_sock_t *s = pmg_lwip_sock(c);
    if (s->is_udp) {
        return read_datagram(s, c, buf, len);
    }
    size_t n = read_kept(s, buf, len);
    PMG_LWIP_ENTER
    n += read_rx(s, (char *)buf + n, len - n);
    for (size_t left = n; left > 0 && s->pcb.tcp != NULL;) { // opens the window by what was taken
        u16_t k = (u16_t)(left < 0xffff ? left : 0xffff);
        tcp_recved(s->pcb.tcp, k);
        left -= k;
    }
    bool eof = s->eof;
    err_t err = s->err;
    PMG_LWIP_EXIT
    return n > 0 ? (long)n : (eof ? 0 : (err != ERR_OK ? pmg_lwip_errno(err) : -EAGAIN));
}

// ---------------------------------------------------------------------------------------------
// Writing

static long write_datagram(pmg_lwip_sock_t *s, struct mg_connection *c, const void *buf,
    size_t len) {
    err_t err = ERR_MEM;
    if (len > 65507) {
        return -EMSGSIZE;
    }
    PMG_LWIP_ENTER
    struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)len, PBUF_RAM);
    if (p != NULL) {
        (void)pbuf_take(p, buf, (u16_t)len);
        const struct mg_addr *all = pmg_x(c)->everyone, *to = all != NULL ? all : &c->rem;
        if (c->is_listening || all != NULL) {
            ip_addr_t ip;
            pmg_lwip_to_ip(to, &ip);
            err = udp_sendto(s->pcb.udp, p, &ip, mg_ntohs(to->port));
        } else {
            err = udp_send(s->pcb.udp, p);
        }
        pbuf_free(p);
    }
    PMG_LWIP_EXIT
    return err == ERR_OK ? (long)len : (err == ERR_MEM ? -ENOBUFS : pmg_lwip_errno(err));
}

// With the lock held. Bytes that lwIP took, or its error.
static long write_tcp(pmg_lwip_sock_t *s, const void *buf, size_t len) {
    size_t n = tcp_sndbuf(s->pcb.tcp);
    n = n < len ? n : len;
    if (n == 0) {
        return -EAGAIN; // on_sent() comes
    }
    // Segments or memory may be short though the window is open: less of it may do.
    err_t err = ERR_MEM;
    while (n > 0) {
        err = tcp_write(s->pcb.tcp, buf, (u16_t)n, TCP_WRITE_FLAG_COPY);
        if (err != ERR_MEM) {
            break;
        }
        n /= 2;
    }
    if (err == ERR_OK) {
        (void)tcp_output(s->pcb.tcp); // what finds no memory here goes out with lwIP's timer
        return (long)n;
    }
    if (err == ERR_MEM) {
        s->starved = pmg_io_of(s->m)->starved = true;
        return -EAGAIN;
    }
    return pmg_lwip_errno(err);
}

long pmg_io_write(struct mg_connection *c, const void *buf, size_t len) {
    pmg_lwip_sock_t *s = pmg_lwip_sock(c);
    if (s->is_udp) {
        return write_datagram(s, c, buf, len);
    }
    long result;
    PMG_LWIP_ENTER
    if (s->pcb.tcp == NULL) {
        result = s->err != ERR_OK ? pmg_lwip_errno(s->err) : -EPIPE;
    } else {
        result = write_tcp(s, buf, len);
    }
    PMG_LWIP_EXIT
    return result;
}

// ---------------------------------------------------------------------------------------------
// Waiting

int pmg_io_init(pmg_mgr_t *m) {
    memset(pmg_io_of(m), 0, sizeof(pmg_io_mgr_t));
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
    pmg_io_of(m)->woken = true;
    pmg_port_wake();
}

int pmg_io_watch(struct mg_connection *c, int mask) {
    pmg_lwip_sock_t *s = pmg_lwip_sock(c);
    PMG_LWIP_ENTER
    if (pmg_lwip_readiness(s, mask) != 0) {
        pmg_lwip_ready(s);
    }
    PMG_LWIP_EXIT
    return 0;
}

void pmg_io_unwatch(struct mg_connection *c) {
    (void)c; // nothing is reported twice here
}

static void feed_starved(pmg_mgr_t *m) {
    pmg_io_of(m)->starved = false;
    for (struct mg_connection *c = m->first; c != NULL; c = pmg_x(c)->next) {
        pmg_lwip_sock_t *s = pmg_lwip_sock(c);
        if (s != NULL && s->starved) {
            s->starved = false;
            PMG_LWIP_ENTER
            pmg_lwip_ready(s);
            PMG_LWIP_EXIT
        }
    }
}

// What is ready, and for what.
static pmg_lwip_sock_t *next_ready(pmg_mgr_t *m, int *mask, bool *gone) {
    PMG_LWIP_ENTER
    pmg_lwip_sock_t *s = pmg_io_of(m)->ready;
    if (s != NULL) {
        pmg_lwip_unready(s);
        *mask = s->c != NULL ? pmg_lwip_readiness(s, pmg_x(s->c)->io_mask) : 0;
        *gone = s->err != ERR_OK;
    }
    PMG_LWIP_EXIT
    return s;
}

static bool ack_due(pmg_lwip_sock_t *s) {
    struct tcp_pcb *pcb = s->is_udp || s->is_listener ? NULL : tcp_of(s);
    return pcb != NULL && (pcb->flags & TF_ACK_DELAY);
}

static bool serve(pmg_lwip_sock_t *s, int mask, bool gone) {
    struct mg_connection *c = s->c;
    bool served = mask != 0 || gone;
    if (served) {
        pmg_ready(c, mask, gone);
    }
    if (c->is_closing) {
        return served;
    }
    if (!(pmg_x(c)->io_mask & PMG_IO_READ) && s->rx != NULL) {
        keep(s);
    }
    // A look without the lock: what changes after it is told by a callback, which makes `s` ready.
    // A pcb that was freed meanwhile lies in lwIP's table still.
    if (!pmg_lwip_readiness(s, pmg_x(c)->io_mask) && !ack_due(s)) {
        return served;
    }
    PMG_LWIP_ENTER
    if (pmg_lwip_readiness(s, pmg_x(c)->io_mask)) {
        pmg_lwip_ready(s); // level triggered: there is more
    }
    // lwIP delays an acknowledgment for a reply to carry it. None came: a peer that sends a small
    // packet only when the one before was acknowledged would wait up to 250 ms.
    if (ack_due(s)) {
        tcp_set_flags(s->pcb.tcp, TF_ACK_NOW);
        (void)tcp_output(s->pcb.tcp);
    }
    PMG_LWIP_EXIT
    return served;
}

static bool has_work(void *arg) {
    pmg_io_mgr_t *io = pmg_io_of(arg);
    return *(pmg_lwip_sock_t *volatile *)&io->ready != NULL || *(volatile bool *)&io->woken;
}

int pmg_io_fd(pmg_mgr_t *m) {
    (void)m;
    return -ENOTSUP;
}

int pmg_io_wake_fd(pmg_mgr_t *m) {
    (void)m;
    return -ENOTSUP;
}

int pmg_io_conn_fd(struct mg_connection *c) {
    (void)c;
    return -1;
}

int pmg_io_look_again(pmg_mgr_t *m) {
    return has_work(m) ? 0 : pmg_io_of(m)->starved ? STARVED_MS : -1;
}

bool pmg_io_ready(pmg_mgr_t *m) {
    pmg_port_lwip_timers();
    return has_work(m);
}

int pmg_io_wait(pmg_mgr_t *m, int ms) {
    pmg_port_lwip_timers();
    if (pmg_io_of(m)->ready == NULL && !pmg_io_of(m)->woken && ms != 0) {
        if (pmg_io_of(m)->starved && (ms < 0 || ms > STARVED_MS)) {
            ms = STARVED_MS;
        }
        m->waiting = true;
        pmg_port_idle(ms, has_work, m); // at the latest it returns after a slice of its own
        m->waiting = false;
    }
    m->now = pmg_port_millis();
    pmg_io_of(m)->woken = false;
    if (pmg_io_of(m)->starved) {
        feed_starved(m);
    }
    int n = 0;
    // Each that is ready now once; what becomes ready meanwhile waits for the next turn. After a
    // stop the rest of the list stays where it is.
    for (size_t left = pmg_io_of(m)->ready_len; left > 0 && !m->stop; left--) {
        int mask = 0;
        bool gone = false;
        pmg_lwip_sock_t *s = next_ready(m, &mask, &gone);
        if (s == NULL) {
            break;
        }
        if (s->c != NULL && serve(s, mask, gone)) {
            n++;
        }
    }
    return n;
}

#endif // PMG_IO_LWIP
