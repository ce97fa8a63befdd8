// SPDX-License-Identifier: GPL-2.0-only
//
// What a connection has received and what it is to send.

#include "core_int.h"

int pmg_can_send(struct mg_connection *c) {
    pmg_mgr_t *m = pmg_m(c);
    if (c->is_listening && !c->is_udp) {
        return pmg_fail(m, -EINVAL, "a listener cannot send: use the accepted connection");
    }
    int err = pmg_conn_alive(c);
    if (err < 0) {
        return err;
    }
    size_t max = m->limits.max_send, len = pmg_send_len(c);
    if (max > 0 && len >= max) {
        return pmg_fail(m, -ENOBUFS, "send buffer holds %zu bytes, the limit max_send is %zu", len,
            max);
    }
    return 0;
}

// A board has no memory to spare for bytes that are gone; elsewhere a large rest is not moved for a
// small gap.
#ifdef PMG_BOARD
#define COMPACT_FIRST true
#else
#define COMPACT_FIRST false
#endif

static void compact(struct mg_connection *c) {
    struct mg_iobuf *b = &c->send;
    size_t off = pmg_x(c)->send_off;
    memmove(b->buf, b->buf + off, b->len - off);
    b->len -= off;
    pmg_x(c)->send_off = 0;
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
    if (off > 0 && (off >= b->len / 2 || COMPACT_FIRST)) { // compacting is cheaper than growing
        compact(c);
    }
    if (pmg_grow(c, b, len)) {
        return true;
    }
    // No memory to grow: what has left already is room, too.
    if (pmg_x(c)->send_off > 0) {
        compact(c);
        return pmg_grow(c, b, len);
    }
    return false;
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

#if PMG_LARGE_MAX > 0

bool pmg_out_direct(struct mg_connection *c, const void *buf, size_t len) {
    pmg_conn_t *x = pmg_x(c);
    struct mg_iobuf *b = &c->send;
    // Elsewhere programs send much, piece by piece, and go by what is queued.
    if (!x->in_read || !pmg_may_flush(c) || x->layer != NULL || x->source != NULL ||
        (x->io_mask & PMG_IO_WRITE)) {
        return pmg_out(c, buf, len);
    }
    // Room first, for what begins to leave is ended.
    if (b->size - b->len < len && !pmg_out_room(c, len)) {
        return false;
    }
    size_t queued = pmg_send_len(c);
    long n = pmg_io_write_both(c, b->buf + x->send_off, queued, buf, len);
    if (n <= 0) { // an error is told by the flush
        return pmg_out(c, buf, len);
    }
    size_t left = (size_t)n, old = left < queued ? left : queued;
    x->taken += (uint32_t)left;
    x->ahead += left;
    x->send_off += old;
    left -= old;
    if (left < len) {
        return pmg_out(c, (const char *)buf + left, len - left);
    }
    pmg_sent_all(c);
    return true;
}

#endif

static int send_datagram(struct mg_connection *c, const void *buf, size_t len) {
    if (c->rem.port == 0) {
        return pmg_fail(pmg_m(c), -EDESTADDRREQ, "no datagram was received yet: nobody to send to");
    }
    int err = pmg_nested(pmg_m(c));
    if (err < 0) {
        return err;
    }
    long n = pmg_io_write(c, buf, len);
    if (n < 0) {
        return pmg_fail(pmg_m(c), (int)n, "datagram of %zu bytes: %s", len, strerror((int)-n));
    }
    size_t count = (size_t)n;
    pmg_call(c, MG_EV_WRITE, &count);
    return 0;
}

#if PMG_LARGE_MAX > 0
// What a program sends piece by piece leaves by one system call. One that begins with as much as this
// has it leave at once; what follows is queued, for it may go by what is.
#define PLAIN_DIRECT_MIN 32768
#define AT_ONCE(c, len) ((len) >= PLAIN_DIRECT_MIN && pmg_x(c)->ahead == 0)
#else
#define AT_ONCE(c, len) false
#endif

int pmg_send_plain(struct mg_connection *c, const void *buf, size_t len) {
    bool sent = AT_ONCE(c, len) ? pmg_out_end(c, buf, len) : pmg_out(c, buf, len);
    if (!sent) {
        return pmg_fail(pmg_m(c), -ENOMEM, "no memory to send %zu bytes", len);
    }
    pmg_work(c);
    return 0;
}

int pmg_send(struct mg_connection *c, const void *buf, size_t len) {
    int err = pmg_can_send(c);
    if (err < 0) {
        return err;
    }
    if (c->is_udp) {
        return send_datagram(c, buf, len);
    }
    const pmg_protocol_t *speaks = pmg_x(c)->speaks;
    return speaks->send != NULL ? speaks->send(c, buf, len) : pmg_send_plain(c, buf, len);
}

struct mg_str pmg_recv_peek(struct mg_connection *c) {
    size_t off = pmg_x(c)->recv_off;
    return mg_str_n(c->recv.len > off ? (char *)c->recv.buf + off : NULL, c->recv.len - off);
}

struct mg_str pmg_send_peek(struct mg_connection *c) {
    size_t off = pmg_x(c)->send_off;
    return mg_str_n(c->send.len > off ? (char *)c->send.buf + off : NULL, c->send.len - off);
}

void pmg_conn_pause(struct mg_connection *c, bool on) {
    pmg_conn_t *x = pmg_x(c);
    x->paused = on;
    if (!on && x->speaks->read != NULL && c->recv.len > 0) {
        x->reparse = 1;
    }
    if (!c->is_closing) {
        pmg_work(c);
    }
}

int pmg_recv_consume(struct mg_connection *c, size_t len) {
    pmg_conn_t *x = pmg_x(c);
    if (!c->is_udp && x->speaks->read != NULL) {
        return pmg_fail(pmg_m(c), -EINVAL,
            "%s framing owns this connection's input: use recv_data() to look at it",
            x->speaks->name);
    }
    size_t have = c->recv.len - x->recv_off;
    x->recv_off += len < have ? len : have;
    if (x->recv_off == c->recv.len) {
        x->recv_off = c->recv.len = 0;
        if (c->recv.buf != pmg_m(c)->scratch) {
            pmg_buf_give(pmg_m(c), &c->recv);
            pmg_budget_note(c);
        }
    } else if (x->recv_off > c->recv.len / 2) {
        memmove(c->recv.buf, c->recv.buf + x->recv_off, c->recv.len - x->recv_off);
        c->recv.len -= x->recv_off;
        x->recv_off = 0;
    }
    if (c->is_full && !x->ousted && c->recv.len - x->recv_off < pmg_m(c)->limits.max_recv) {
        c->is_full = 0;
        pmg_wants(c);
    }
    return 0;
}
