// SPDX-License-Identifier: GPL-2.0-only
//
// The I/O backend in memory: waiting, and multicast.

#include "net_int.h"

int pmg_io_watch(struct mg_connection *c, int mask) {
    (void)mask;
    int err = net_failure(FAIL_WATCH, ENOMEM);
    if (err == 0) {
        pmg_x(c)->watched = 1;
    }
    return err;
}

void pmg_io_unwatch(struct mg_connection *c) {
    pmg_x(c)->watched = 0;
}

static int ready(struct mg_connection *c) {
    const net_end_t *e = of(c);
    bool in = e->listener ? e->waits != NULL
              : e->udp    ? e->first != NULL
                          : e->len > 0 || e->eof || e->reset || e->refused;
    bool out = e->udp || e->reset || e->refused || net_window_left(e) > 0 || (e->eof && e->peer == NULL);
    return ((in ? PMG_IO_READ : 0) | (out ? PMG_IO_WRITE : 0)) & pmg_x(c)->io_mask;
}

int pmg_io_wait(pmg_mgr_t *m, int ms) {
    struct mg_connection *last = m->last;
    int err = net_failure(FAIL_WAIT, EBADF), n = 0;
    if (err < 0) {
        return err;
    }
    for (struct mg_connection *c = m->first; c != NULL && !m->stop; c = pmg_x(c)->next) {
        const net_end_t *e = of(c);
        int mask = e != NULL && pmg_x(c)->watched ? ready(c) : 0;
        bool error = e != NULL && (e->reset || e->refused);
        if (mask != 0 || (error && pmg_x(c)->watched)) {
            pmg_ready(c, mask, error);
            n++;
        }
        if (c == last) {
            break;
        }
    }
    if (n == 0 && ms > 0) {
        port_now += (uint64_t)ms;
    }
    m->now = pmg_port_millis();
    return n;
}

bool pmg_io_ready(pmg_mgr_t *m) {
    for (struct mg_connection *c = m->first; c != NULL; c = pmg_x(c)->next) {
        const net_end_t *e = of(c);
        if (e != NULL && pmg_x(c)->watched && (ready(c) != 0 || e->reset || e->refused)) {
            return true;
        }
    }
    return false;
}

int pmg_io_look_again(pmg_mgr_t *m) {
    (void)m;
    return -1;
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

void pmg_io_wake(pmg_mgr_t *m) {
    (void)m;
}

void pmg_io_lock(pmg_mgr_t *m) {
    (void)m;
}

void pmg_io_unlock(pmg_mgr_t *m) {
    (void)m;
}

#if PMG_MULTICAST
int pmg_io_ifaces(pmg_io_iface_t *out, int max, const struct mg_addr *only) {
    (void)max, (void)only;
    *out = (pmg_io_iface_t){
        .ip = mg_htonl(0x7f000001), .mask = mg_htonl(0xff000000), .index = 1};
#if PMG_MULTICAST6
    out->ip6[0] = 0xfe, out->ip6[1] = 0x80, out->ip6[15] = 1;
#endif
    return 1;
}

int pmg_io_mcast_open(struct mg_connection *c) {
    int err = net_failure(FAIL_LISTEN, EADDRINUSE);
    if (err == 0) {
        c->is_udp = 1;
        net_end_t *e = net_open(c, mg_ntohs(c->loc.port));
        e->udp = e->multicast = true;
    }
    return err;
}

int pmg_io_mcast_join(struct mg_connection *c, const struct mg_addr *group,
    const pmg_io_iface_t *i) {
    (void)c, (void)group, (void)i;
    return 0;
}

long pmg_io_mcast_send(struct mg_connection *c, const pmg_io_iface_t *i, const void *buf,
    size_t len) {
    (void)i;
    int err = net_failure(FAIL_WRITE, ENETUNREACH);
    return err < 0 ? err : net_send_datagram(of(c), 0, buf, len);
}

long pmg_io_mcast_read(struct mg_connection *c, void *buf, size_t len) {
    return pmg_io_read(c, buf, len);
}

unsigned pmg_io_mcast_iface(pmg_mgr_t *m) {
    (void)m;
    return 1;
}

#if PMG_MULTICAST6
bool pmg_io_mcast_is_near6(pmg_mgr_t *m) {
    (void)m;
    return true;
}
#endif
#endif
