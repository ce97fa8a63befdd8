// SPDX-License-Identifier: GPL-2.0-only
//
// The I/O backend in memory (io/io.h). All addresses are this machine's, ports alone tell them apart.

#include "net_int.h"

size_t net_step, net_window = 1 << 20;
bool net_refuses;
static net_end_t *ends;
static datagram_t *sent;
static uint16_t next_port = 40000;

static void *must(void *p) {
    if (p == NULL) {
        abort();
    }
    return p;
}

static net_end_t *new_end(void) {
    net_end_t *e = must(calloc(1, sizeof(*e)));
    e->next = ends;
    ends = e;
    return e;
}

static void drop_datagrams(datagram_t **list) {
    while (*list != NULL) {
        datagram_t *next = (*list)->next;
        free(*list);
        *list = next;
    }
}

static datagram_t *datagram(uint16_t from, uint16_t to, const void *data, size_t len) {
    datagram_t *d = must(malloc(sizeof(*d) + len));
    d->next = NULL;
    d->from = from;
    d->to = to;
    d->len = len;
    if (len > 0) {
        memcpy(d->data, data, len);
    }
    return d;
}

static void append(net_end_t *e, const void *data, size_t len) {
    if (len > e->size - e->len) {
        e->size = (e->len + len) * 2;
        e->in = must(realloc(e->in, e->size));
    }
    if (len > 0) {
        memcpy(e->in + e->len, data, len);
        e->len += len;
    }
}

static void pair(net_end_t *a, net_end_t *b) {
    a->peer = b;
    b->peer = a;
}

static net_end_t *find(uint16_t port, bool udp) {
    for (net_end_t *e = ends; e != NULL; e = e->next) {
        if (e->c != NULL && e->port == port && (udp ? e->udp : e->listener)) {
            return e;
        }
    }
    return NULL;
}

static void let_go(net_end_t *e, bool reset) {
    if (e->peer != NULL) {
        e->peer->eof = true;
        e->peer->reset = e->peer->reset || reset;
        e->peer->peer = NULL;
        e->peer = NULL;
    }
    e->gone = true;
}

// ---------------------------------------------------------------------------------------------
// The driver's side

void net_end(void) {
    while (ends != NULL) {
        net_end_t *next = ends->next;
        drop_datagrams(&ends->first);
        free(ends->in);
        free(ends);
        ends = next;
    }
    drop_datagrams(&sent);
    net_step = 0;
    net_window = 1 << 20;
    net_refuses = false;
    next_port = 40000;
}

static void queue(net_end_t *listener, net_end_t *e) {
    net_end_t **last = &listener->waits;
    while (*last != NULL) {
        last = &(*last)->waits;
    }
    *last = e;
}

net_end_t *net_dial(uint16_t port) {
    net_end_t *listener = find(port, false);
    if (listener == NULL) {
        return NULL;
    }
    net_end_t *ours = new_end(), *theirs = new_end();
    theirs->port = port;
    ours->port = theirs->to = next_port++;
    ours->told = true;
    pair(ours, theirs);
    queue(listener, theirs);
    return ours;
}

net_end_t *net_arrived(void) {
    for (net_end_t *e = ends; e != NULL; e = e->next) {
        if (e->c == NULL && !e->told && e->peer != NULL && e->peer->c != NULL) {
            e->told = true;
            return e;
        }
    }
    return NULL;
}

void net_put(net_end_t *e, const void *data, size_t len) {
    if (e->peer != NULL) {
        append(e->peer, data, len);
    }
}

struct mg_str net_got(net_end_t *e) {
    return mg_str_n((char *)e->in, e->len);
}

void net_take(net_end_t *e) {
    e->len = 0;
}

bool net_is_over(net_end_t *e) {
    return e->eof;
}

bool net_waits(net_end_t *e) {
    return e->peer != NULL && e->peer->c == NULL;
}

bool net_somebody_waits(void) {
    for (net_end_t *e = ends; e != NULL; e = e->next) {
        if (e->waits != NULL && e->listener) {
            return true;
        }
    }
    return false;
}

void net_close(net_end_t *e) {
    if (e->peer != NULL) {
        e->peer->eof = true;
    }
}

void net_reset(net_end_t *e) {
    let_go(e, true);
}

bool net_datagram(uint16_t port, uint16_t from, const void *data, size_t len) {
    net_end_t *e = find(port, true);
    if (e == NULL) {
        return false;
    }
    datagram_t **last = &e->first;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = datagram(from, port, data, len);
    return true;
}

struct mg_str net_datagram_sent(uint16_t *from, uint16_t *to) {
    static unsigned char last[65536];
    struct mg_str out = {NULL, 0};
    if (sent != NULL) {
        datagram_t *d = sent;
        sent = d->next;
        out = mg_str_n((char *)last, d->len < sizeof(last) ? d->len : sizeof(last));
        memcpy(last, d->data, out.len);
        *from = d->from;
        *to = d->to;
        free(d);
    }
    return out;
}

// ---------------------------------------------------------------------------------------------
// The core's side

int net_failure(int kind, int usual) {
    return fails(kind) ? -(fail[kind].err != 0 ? fail[kind].err : usual) : 0;
}

static void set_addr(struct mg_addr *a, uint16_t port) {
    memset(a, 0, sizeof(*a));
    a->port = mg_htons(port);
    a->addr.ip4 = mg_htonl(0x7f000001);
}

int pmg_io_init(pmg_mgr_t *m) {
    (void)m;
    return net_failure(FAIL_LISTEN, EMFILE);
}

void pmg_io_fini(pmg_mgr_t *m) {
    (void)m;
}

int pmg_io_check(pmg_mgr_t *m) {
    (void)m;
    return 0;
}

net_end_t *net_open(struct mg_connection *c, uint16_t port) {
    net_end_t *e = new_end();
    e->c = c;
    e->udp = c->is_udp;
    e->port = port != 0 ? port : next_port++;
    c->fd = e;
    set_addr(&c->loc, e->port);
    return e;
}

int pmg_io_listen(struct mg_connection *c, const char *path, int fd) {
    int err = path != NULL || fd >= 0 ? -EOPNOTSUPP : net_failure(FAIL_LISTEN, EADDRINUSE);
    if (err == 0) {
        net_open(c, mg_ntohs(c->loc.port))->listener = !c->is_udp;
    }
    return err;
}

static net_end_t *take(struct mg_connection *listener, int *err) {
    net_end_t *l = of(listener), *e = l->waits;
    if (e == NULL) {
        *err = -EAGAIN;
        return NULL;
    }
    if ((*err = net_failure(FAIL_ACCEPT, EMFILE)) < 0) {
        return NULL;
    }
    l->waits = e->waits;
    e->waits = NULL;
    return e;
}

int pmg_io_accept(struct mg_connection *listener, struct mg_connection *c) {
    int err;
    net_end_t *e = take(listener, &err);
    if (e == NULL) {
        return err;
    }
    e->c = c;
    c->fd = e;
    c->loc = listener->loc;
    set_addr(&c->rem, e->to);
    err = pmg_io_watch(c, PMG_IO_READ);
    pmg_x(c)->io_mask = PMG_IO_READ;
    return err;
}

int pmg_io_refuse(struct mg_connection *listener, const char *text) {
    int err;
    net_end_t *e = take(listener, &err);
    if (e != NULL) {
        if (text != NULL && e->peer != NULL) {
            append(e->peer, text, strlen(text));
        }
        let_go(e, false);
    }
    return e != NULL ? 0 : err;
}

int pmg_io_connect(struct mg_connection *c, const char *path) {
    int err = path != NULL ? -EOPNOTSUPP : net_failure(FAIL_CONNECT, ECONNREFUSED);
    if (err < 0) {
        return err;
    }
    net_end_t *e = net_open(c, 0);
    e->to = mg_ntohs(c->rem.port);
    pmg_x(c)->io_mask = PMG_IO_WRITE;
    err = pmg_io_watch(c, PMG_IO_WRITE);
    if (err < 0 || c->is_udp) {
        return err;
    }
    net_end_t *listener = find(e->to, false);
    e->connecting = true;
    if (listener == NULL && net_refuses) {
        e->refused = true;
        return -EINPROGRESS;
    }
    net_end_t *other = new_end();
    other->port = e->to;
    other->to = e->port;
    pair(e, other);
    if (listener != NULL) {
        other->told = true;
        queue(listener, other);
    }
    return -EINPROGRESS;
}

int pmg_io_connect_result(struct mg_connection *c) {
    net_end_t *e = of(c);
    e->connecting = false;
    return e->refused ? -ECONNREFUSED : e->reset ? -ECONNRESET : 0;
}

int pmg_io_give(struct mg_connection *from, struct mg_connection *to) {
    net_end_t *e = of(from);
    pmg_x(from)->watched = pmg_x(from)->io_mask = 0;
    to->loc = from->loc;
    to->fd = e;
    e->c = to;
    from->fd = (void *)(ssize_t)-1;
    pmg_x(to)->io_mask = PMG_IO_WRITE;
    return pmg_io_watch(to, PMG_IO_WRITE);
}

static size_t part(size_t len) {
    return net_step > 0 && len > net_step ? net_step : len;
}

static long read_datagram(struct mg_connection *c, net_end_t *e, void *buf, size_t len) {
    datagram_t *d = e->first;
    if (d == NULL) {
        return -EAGAIN;
    }
    size_t n = d->len < len ? d->len : len;
    memcpy(buf, d->data, n);
    if (c->is_listening || pmg_x(c)->everyone != NULL || e->multicast) {
        set_addr(&c->rem, d->from);
    }
    e->first = d->next;
    free(d);
    return (long)n;
}

long pmg_io_read(struct mg_connection *c, void *buf, size_t len) {
    net_end_t *e = of(c);
    int err = net_failure(FAIL_READ, ECONNRESET);
    if (err < 0 || e->udp) {
        return err < 0 ? err : read_datagram(c, e, buf, len);
    }
    size_t n = part(len < e->len ? len : e->len);
    if (n == 0) {
        return e->reset ? -ECONNRESET : e->eof ? 0 : -EAGAIN;
    }
    memcpy(buf, e->in, n);
    memmove(e->in, e->in + n, e->len - n);
    e->len -= n;
    return (long)n;
}

size_t net_window_left(const net_end_t *e) {
    const net_end_t *p = e->peer;
    size_t most = p != NULL && p->c != NULL ? 1 << 16 : net_window;
    return p == NULL || p->len >= most ? 0 : most - p->len;
}

long net_send_datagram(net_end_t *e, uint16_t to, const void *buf, size_t len) {
    if (!net_datagram(to, e->port, buf, len)) {
        datagram_t *d = datagram(e->port, to, buf, len);
        d->next = sent;
        sent = d;
    }
    return (long)len;
}

long pmg_io_write(struct mg_connection *c, const void *buf, size_t len) {
    net_end_t *e = of(c);
    int err = net_failure(FAIL_WRITE, EPIPE);
    if (err < 0 || e->udp) {
        return err < 0 ? err : net_send_datagram(e, mg_ntohs(c->rem.port), buf, len);
    }
    if (e->reset || e->peer == NULL) {
        return -EPIPE;
    }
    size_t n = part(len < net_window_left(e) ? len : net_window_left(e));
    append(e->peer, buf, n);
    return n > 0 ? (long)n : -EAGAIN;
}

#ifndef PMG_BOARD
long pmg_io_write_both(struct mg_connection *c, void *first, size_t first_len, const void *second,
    size_t second_len) {
    long n = first_len > 0 ? pmg_io_write(c, first, first_len) : 0;
    if (n < 0 || (size_t)n < first_len) {
        return n;
    }
    long more = pmg_io_write(c, second, second_len);
    return more >= 0 ? n + more : n > 0 ? n : more;
}
#endif

int pmg_io_zone(const char *name) {
    return strcmp(name, "eth0") == 0 ? 1 : -ENODEV;
}

int pmg_io_route(pmg_mgr_t *m, const struct mg_addr *a) {
    (void)m;
    return a->is_ip6 ? -ENETUNREACH : 0;
}

int pmg_io_dns_servers(struct mg_addr *out, int max) {
    (void)max;
    set_addr(out, 53);
    return 1;
}

size_t pmg_io_unsent(struct mg_connection *c) {
    (void)c;
    return 0;
}

size_t pmg_io_max_conns(void) {
    return 0;
}

void pmg_io_shutdown(struct mg_connection *c) {
    net_end_t *e = of(c);
    if (e->peer != NULL) {
        e->peer->eof = true;
    }
}

void pmg_io_close(struct mg_connection *c) {
    net_end_t *e = of(c);
    if (e == NULL) {
        return;
    }
    while (e->waits != NULL) { // of a listener
        net_end_t *next = e->waits->waits;
        let_go(e->waits, true);
        e->waits->waits = NULL;
        e->waits = next;
    }
    let_go(e, e->len > 0);
    e->c = NULL;
    c->fd = (void *)(ssize_t)-1;
}
