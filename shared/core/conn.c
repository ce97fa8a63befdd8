// SPDX-License-Identifier: GPL-2.0-only
//
// Connections: the table that knows which are alive, their events, properties and buffers.

#include "../base/record.h"

// ---------------------------------------------------------------------------------------------
// The table

static struct mg_connection **bucket(pmg_mgr_t *m, unsigned long id) {
    return &m->hash[id & (m->hash_size - 1)];
}

static void hash_grow(pmg_mgr_t *m) {
    size_t size = m->hash_size * 2;
    struct mg_connection **hash = pmg_alloc(size * sizeof(*hash));
    if (hash == NULL) {
        return; // longer chains, nothing worse
    }
    memset(hash, 0, size * sizeof(*hash));
    pmg_free(m->hash);
    m->hash = hash;
    m->hash_size = size;
    for (struct mg_connection *c = m->first; c != NULL; c = pmg_x(c)->next) {
        struct mg_connection **b = bucket(m, c->id);
        pmg_x(c)->hash_next = *b;
        *b = c;
    }
}

static void deadline_fired(pmg_timer_t *t);

static void enlist(pmg_mgr_t *m, struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    x->registered = 1;
    x->timer.mgr = m;
    x->timer.arg = c;
    x->timer.fn = deadline_fired;
    x->prev = m->last;
    if (m->last != NULL) {
        pmg_x(m->last)->next = c;
    } else {
        m->first = c;
    }
    m->last = c;
    struct mg_connection **b = bucket(m, c->id);
    x->hash_next = *b;
    *b = c;
    if (++m->count > m->hash_size) {
        hash_grow(m);
    }
    pmg_live_add(1, 0);
}

static void delist(pmg_mgr_t *m, struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    *(x->prev != NULL ? &pmg_x(x->prev)->next : &m->first) = x->next;
    *(x->next != NULL ? &pmg_x(x->next)->prev : &m->last) = x->prev;
    struct mg_connection **b = bucket(m, c->id);
    while (*b != c) {
        b = &pmg_x(*b)->hash_next;
    }
    *b = x->hash_next;
    m->count--;
    m->evicted -= x->evicted;
    if (x->inner) {
        m->inner--;
    } else {
        pmg_live_add(-1, 0);
    }
}

struct mg_connection *pmg_conn_new(pmg_mgr_t *m) {
    if (!pmg_heap_reserve(m, m->count + m->timers + 1)) {
        return NULL;
    }
    struct mg_connection *c = mg_alloc_conn(&m->mg);
    if (c != NULL) {
        c->fd = (void *)(size_t)-1;
        c->fn = pmg_user_fn;
        enlist(m, c);
    }
    return c;
}

struct mg_connection *pmg_conn_new_inner(pmg_mgr_t *m) {
    struct mg_connection *c = pmg_conn_new(m);
    if (c != NULL) {
        pmg_x(c)->internal = pmg_x(c)->inner = 1;
        m->inner++;
        pmg_live_add(-1, 0);
    }
    return c;
}

struct mg_connection *pmg_conn_find(pmg_mgr_t *m, unsigned long id) {
    struct mg_connection *c = *bucket(m, id);
    while (c != NULL && c->id != id) {
        c = pmg_x(c)->hash_next;
    }
    return c;
}

void pmg_conn_free(struct mg_connection *c) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_conn_t *x = pmg_x(c);
    c->is_closing = 1;
    pmg_heap_remove(&x->timer);
    pmg_stream_abort(c); // no unfinished file is left when the handler hears of it
    if (!m->silent) {
        mg_call(c, MG_EV_CLOSE, NULL);
    }
    pmg_heap_remove(&x->timer);  // a handler of MG_EV_CLOSE may have set one
    c->fn = NULL, c->pfn = NULL; // what follows is silent
    if (x->in_work) {            // the handler queued it again, or the manager is closing
        struct mg_connection **p = &m->work_first, *last = NULL;
        while (*p != c) {
            last = *p;
            p = &pmg_x(*p)->work_next;
        }
        *p = x->work_next;
        m->work_len--;
        if (m->work_last == c) {
            m->work_last = last;
        }
    }
    delist(m, c);
    if (!x->internal) {
        m->hooks.free(c);
    }
    if (x->inner) {
        pmg_dns_closed(c);
    }
    pmg_dns_forget(c);
    pmg_file_close(c);
    pmg_tls_end(c);
#if PMG_HAS_MDNS
    if (x->proto == PMG_MDNS) {
        pmg_mdns_end(c);
    }
#endif
    pmg_io_close(c);
#if PMG_HAS_MODBUS
    if (x->proto == PMG_MODBUS) {
        pmg_modbus_end(c);
    }
#endif
    if (x->proto == PMG_MQTT) {
        pmg_mqtt_free(c);
    }
    pmg_free(x->auth);
    pmg_free(x->request);
    pmg_free(x->host);
    pmg_free(x->target);
    if (c->recv.buf == m->scratch) {
        m->scratch_lent = false;
        c->recv.buf = NULL;
    }
    pmg_buf_free(&c->recv);
    pmg_buf_free(&c->send);
    c->next = m->mg.conns; // so that Mongoose finds at the head of its list what it takes out
    m->mg.conns = c;
    mg_close_conn(c);
}

// ---------------------------------------------------------------------------------------------
// Events

void pmg_fire(struct mg_connection *c, int ev, void *data) {
    pmg_mgr_t *m = pmg_m(c);
    if (m->silent || pmg_x(c)->internal) {
        return;
    }
    if (c->is_closing && ev != MG_EV_CLOSE && ev != MG_EV_ERROR) {
        return; // who closed a connection is done with it
    }
    if (c->is_closing && ev == MG_EV_ERROR) {
        if (pmg_x(c)->errored) {
            return; // one is enough
        }
        pmg_x(c)->errored = 1;
    }
    m->depth++;
    int r = m->hooks.event(c, ev, data);
    m->depth--;
    if (r < 0) {
        pmg_x(c)->handler_failed = 1;
        if (r == PMG_STOP) {
            m->stop = true;
        }
    }
}

void pmg_user_fn(struct mg_connection *c, int ev, void *data) {
    pmg_fire(c, ev, data);
    if (c->is_closing || c->is_draining) { // Mongoose's mg_error() sets the flag and no more
        pmg_work(c);
    }
}

void pmg_fatal(struct mg_connection *c, const char *text) {
    if (!c->is_closing) {
        c->is_closing = 1;
        pmg_work(c);
        mg_call(c, MG_EV_ERROR, (void *)(size_t)text);
    }
}

void pmg_error(struct mg_connection *c, const char *text) {
    pmg_fatal(c, text);
}

void pmg_drain(struct mg_connection *c) {
    if (c->is_draining || c->is_closing) {
        return;
    }
    if (c->is_websocket) {
        pmg_ws_goodbye(c);
    } else if (pmg_x(c)->proto == PMG_MQTT) {
        pmg_mqtt_goodbye(c);
    }
    c->is_draining = 1;
    c->is_resp = 0;
    pmg_x(c)->hold = 0;
    if (c->is_listening) {
        c->is_closing = 1;
    } else {
        pmg_deadline(c, PMG_DL_DRAIN, pmg_m(c)->limits.drain_timeout);
    }
    pmg_work(c);
}

void pmg_close(struct mg_connection *c) {
    c->is_closing = 1;
    pmg_work(c);
}

// ---------------------------------------------------------------------------------------------
// Deadlines

void pmg_deadline(struct mg_connection *c, int kind, uint64_t ms) {
    pmg_conn_t *x = pmg_x(c);
    if (ms == 0) {
        x->deadline_kind = PMG_DL_NONE; // the entry, if any, comes up in vain and goes
        return;
    }
    pmg_mgr_t *m = pmg_m(c);
    x->deadline_kind = (uint8_t)kind;
    x->deadline = (m->polling ? m->now : pmg_port_millis()) + ms;
    if (x->timer.heap_pos == 0 || x->timer.due > x->deadline) {
        pmg_heap_set(&x->timer, x->deadline);
    }
}

static void deadline_fired(pmg_timer_t *t) {
    struct mg_connection *c = t->arg;
    pmg_mgr_t *m = t->mgr;
    pmg_conn_t *x = pmg_x(c);
    int kind = x->deadline_kind;
    if (kind != PMG_DL_NONE && x->deadline > m->now) {
        pmg_heap_set(t, x->deadline);
        return;
    }
    pmg_heap_remove(t);
    x->deadline_kind = PMG_DL_NONE;
    if (c->is_closing) {
        return;
    }
    switch (kind) {
        case PMG_DL_CONNECT:
            if (c->is_resolving || !pmg_connect_next(c)) {
                pmg_fatal(c, c->is_resolving ? "name lookup timed out" : "connect timed out");
            }
            break;
        case PMG_DL_RETRY: (void)pmg_connect_next(c); break;
        case PMG_DL_HEAD:
        case PMG_DL_BODY:
        case PMG_DL_IDLE: pmg_http_timeout(c, kind); break;
        case PMG_DL_CLOSE: pmg_ws_timeout(c); break;
        case PMG_DL_PING: pmg_ws_look(c); break;
        case PMG_DL_ACCEPT: // descriptors were short
            pmg_wants(c);
            pmg_work(c);
            break;
        case PMG_DL_SNTP: pmg_sntp_timeout(c); break;
        case PMG_DL_MQTT: pmg_mqtt_timeout(c); break;
        case PMG_DL_TLS: pmg_fatal(c, "TLS: the handshake timed out"); break;
#if PMG_HAS_MODBUS
        case PMG_DL_MODBUS: pmg_modbus_timeout(c); break;
#endif
#if PMG_HAS_MDNS
        case PMG_DL_MDNS: pmg_mdns_timeout(c); break;
#endif
        case PMG_DL_DRAIN:
        case PMG_DL_LINGER: pmg_close(c); break;
        default: break;
    }
}

// ---------------------------------------------------------------------------------------------
// Properties

pmg_mgr_t *pmg_conn_mgr(struct mg_connection *c) {
    return pmg_m(c);
}
void **pmg_conn_obj(struct mg_connection *c) {
    return &pmg_x(c)->obj;
}
bool pmg_conn_is_listening(struct mg_connection *c) {
    return c->is_listening;
}
bool pmg_conn_is_client(struct mg_connection *c) {
    return c->is_client;
}
bool pmg_conn_is_tls(struct mg_connection *c) {
    return c->is_tls;
}
bool pmg_conn_is_udp(struct mg_connection *c) {
    return c->is_udp;
}
bool pmg_conn_is_websocket(struct mg_connection *c) {
    return c->is_websocket;
}
bool pmg_conn_is_readable(struct mg_connection *c) {
    return pmg_conn_recv_len(c) > 0 || c->is_readable || pmg_tls_pending(c);
}
bool pmg_conn_is_writable(struct mg_connection *c) {
    return pmg_x(c)->connected && !c->is_closing && !c->is_tls_hs && pmg_conn_send_len(c) == 0;
}
bool pmg_conn_is_closing(struct mg_connection *c) {
    return c->is_closing;
}
bool pmg_conn_is_full(struct mg_connection *c) {
    return c->is_full;
}
bool pmg_conn_is_draining(struct mg_connection *c) {
    return c->is_draining;
}
size_t pmg_conn_recv_len(struct mg_connection *c) {
    return c->recv.len - pmg_x(c)->recv_off;
}
size_t pmg_conn_send_len(struct mg_connection *c) {
    return c->send.len - pmg_x(c)->send_off;
}
size_t pmg_conn_recv_size(struct mg_connection *c) {
    return c->recv.size;
}
size_t pmg_conn_send_size(struct mg_connection *c) {
    return c->send.size;
}
bool pmg_conn_is_unix(struct mg_connection *c) {
    return pmg_x(c)->is_unix;
}

static char *dec(char *p, unsigned n) {
    char tmp[8];
    size_t i = 0;
    do {
        tmp[i++] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    while (i > 0) {
        *p++ = tmp[--i];
    }
    return p;
}

// RFC 5952: lower case, no leading zeros, the longest run of zeros (of two or more) as "::".
static char *text6(char *p, const uint8_t *ip) {
    static const char hex[] = "0123456789abcdef";
    int best = -1, best_len = 1;
    for (int i = 0; i < 8; i++) {
        int n = 0;
        while (i + n < 8 && ip[2 * (i + n)] == 0 && ip[2 * (i + n) + 1] == 0) {
            n++;
        }
        if (n > best_len) {
            best = i;
            best_len = n;
        }
        i += n;
    }
    bool mapped = best == 0 && best_len == 5 && ip[10] == 0xff && ip[11] == 0xff;
    for (int i = 0; i < (mapped ? 6 : 8);) {
        if (i == best) {
            *p++ = ':';
            *p++ = ':';
            i += best_len;
            continue;
        }
        unsigned v = (unsigned)ip[2 * i] << 8 | ip[2 * i + 1];
        for (int shift = 12, on = 0; shift >= 0; shift -= 4) {
            on |= (v >> shift) != 0 || shift == 0;
            if (on) {
                *p++ = hex[v >> shift & 15];
            }
        }
        if (++i < (mapped ? 6 : 8) && i != best) {
            *p++ = ':';
        }
    }
    if (mapped) {
        *p++ = ':';
        for (int i = 12; i < 16; i++) {
            p = dec(p, ip[i]);
            if (i < 15) {
                *p++ = '.';
            }
        }
    }
    return p;
}

void pmg_addr_text(const struct mg_addr *a, pmg_addr_t *out) {
    char *p = out->host;
    out->port = mg_ntohs(a->port);
    out->is_ip6 = a->is_ip6;
    bool any = a->port == 0 && !a->is_ip6 && a->addr.ip4 == 0;
    if (a->is_ip6) {
        p = text6(p, a->addr.ip);
    } else if (!any) {
        for (int i = 0; i < 4; i++) {
            p = dec(p, a->addr.ip[i]);
            if (i < 3) {
                *p++ = '.';
            }
        }
    }
    *p = '\0';
}

static void addr(struct mg_connection *c, const struct mg_addr *a, bool local, pmg_addr_t *out) {
    if (!pmg_x(c)->is_unix) {
        pmg_addr_text(a, out);
        return;
    }
    // Who connects has no path of its own; an accepted one was reached by the listener's.
    const char *path = local == !c->is_client ? pmg_x(c)->host : NULL;
    out->port = 0;
    out->is_ip6 = false;
    pmg_snprintf(out->host, sizeof(out->host), "%s", path != NULL ? path : "");
}

void pmg_conn_local_addr(struct mg_connection *c, pmg_addr_t *out) {
    addr(c, &c->loc, true, out);
}

void pmg_conn_remote_addr(struct mg_connection *c, pmg_addr_t *out) {
    addr(c, &c->rem, false, out);
    if (c->is_client && !pmg_x(c)->is_unix && !c->is_connecting && !pmg_x(c)->connected &&
        !c->rem.is_ip6 &&
        c->rem.addr.ip4 == 0) { // a name that is not looked up yet: only its port is known
        out->host[0] = '\0';
        out->port = 0;
    }
}

// ---------------------------------------------------------------------------------------------
// Buffers

int pmg_can_send(struct mg_connection *c) {
    pmg_mgr_t *m = pmg_m(c);
    if (c->is_listening && !c->is_udp) {
        return pmg_fail(m, -EINVAL, "a listener cannot send: use the accepted connection");
    }
    if (c->is_closing || c->is_draining) {
        return pmg_fail(m, -EPIPE, "connection is %s", c->is_closing ? "closing" : "draining");
    }
    size_t max = m->limits.max_send, len = pmg_conn_send_len(c);
    if (max > 0 && len >= max) {
        return pmg_fail(m, -ENOBUFS, "send buffer holds %zu bytes, the limit max_send is %zu", len,
            max);
    }
    return 0;
}

__attribute__((always_inline)) static inline bool room(struct mg_connection *c, size_t len) {
    struct mg_iobuf *b = &c->send;
    pmg_mgr_t *m = pmg_m(c);
    if (b->buf == NULL && m->spare != NULL && m->spare_size >= len) {
        b->buf = m->spare;
        b->size = m->spare_size;
        m->spare = NULL;
        return true;
    }
    size_t off = pmg_x(c)->send_off;
    if (off > 0 && off >= b->len / 2) { // compacting is cheaper than growing
        memmove(b->buf, b->buf + off, b->len - off);
        b->len -= off;
        pmg_x(c)->send_off = 0;
    }
    return pmg_buf_reserve(b, len);
}

bool pmg_out_room(struct mg_connection *c, size_t len) {
    return room(c, len);
}

bool pmg_out_grow(struct mg_connection *c, const void *buf, size_t len) {
    if (len == 0) {
        return true;
    }
    struct mg_iobuf *b = &c->send;
    if (b->size - b->len < len && !room(c, len)) {
        return false;
    }
    memcpy(b->buf + b->len, buf, len);
    b->len += len;
    return true;
}

int pmg_send(struct mg_connection *c, const void *buf, size_t len) {
    int err = pmg_can_send(c);
    if (err < 0) {
        return err;
    }
    if (c->is_udp) {
        if (c->rem.port == 0) {
            return pmg_fail(pmg_m(c), -EDESTADDRREQ,
                "no datagram was received yet: nobody to send to");
        }
        long n = pmg_io_write(c, buf, len);
        if (n < 0) {
            return pmg_fail(pmg_m(c), (int)n, "datagram of %zu bytes: %s", len, strerror((int)-n));
        }
        size_t count = (size_t)n;
        mg_call(c, MG_EV_WRITE, &count);
        return 0;
    }
    if (c->is_resp && pmg_x(c)->proto == PMG_HTTP) {
        pmg_x(c)->u.http.by_hand = 1;
    }
    if (pmg_x(c)->request != NULL) {
        return pmg_request_send(c, buf, len);
    }
    if (!pmg_out(c, buf, len)) {
        return pmg_fail(pmg_m(c), -ENOMEM, "no memory to send %zu bytes", len);
    }
    if (pmg_x(c)->proto == PMG_MQTT) {
        pmg_mqtt_by_hand(c, buf, len);
    }
    pmg_work(c);
    return 0;
}

struct mg_str pmg_recv_peek(struct mg_connection *c) {
    size_t off = pmg_x(c)->recv_off;
    return mg_str_n(c->recv.len > off ? (char *)c->recv.buf + off : NULL, c->recv.len - off);
}

struct mg_str pmg_send_peek(struct mg_connection *c) {
    size_t off = pmg_x(c)->send_off;
    return mg_str_n(c->send.len > off ? (char *)c->send.buf + off : NULL, c->send.len - off);
}

int pmg_recv_consume(struct mg_connection *c, size_t len) {
    pmg_conn_t *x = pmg_x(c);
    if (!c->is_udp && (x->proto != PMG_RAW || c->pfn != NULL)) {
        return pmg_fail(pmg_m(c), -EINVAL,
            "%s framing owns this connection's input: use recv_data() to look at it",
            c->is_websocket          ? "WebSocket"
            : x->proto == PMG_MODBUS ? "Modbus"
            : x->proto == PMG_MQTT   ? "MQTT"
            : x->proto == PMG_MDNS   ? "mDNS"
                                     : "HTTP");
    }
    size_t have = c->recv.len - x->recv_off;
    x->recv_off += len < have ? len : have;
    if (x->recv_off == c->recv.len) {
        x->recv_off = c->recv.len = 0;
        if (c->recv.buf != pmg_m(c)->scratch) {
            pmg_buf_free(&c->recv);
        }
    } else if (x->recv_off > c->recv.len / 2) {
        memmove(c->recv.buf, c->recv.buf + x->recv_off, c->recv.len - x->recv_off);
        c->recv.len -= x->recv_off;
        x->recv_off = 0;
    }
    if (c->is_full && c->recv.len - x->recv_off < pmg_m(c)->limits.max_recv) {
        c->is_full = 0;
        pmg_wants(c);
    }
    return 0;
}
