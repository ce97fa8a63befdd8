// SPDX-License-Identifier: GPL-2.0-only
//
// Data between a socket and its connection, both ways.

#include "core_int.h"

// Datagrams of one connection before others have their turn.
#define DATAGRAM_BURST 32
#define READ_MIN 256 // less room than this in a buffer is not worth a system call

// ---------------------------------------------------------------------------------------------
// Writing

#if PMG_LARGE_MAX > 0

static size_t take_ahead(pmg_conn_t *x) {
    size_t n = x->ahead;
    x->ahead = 0;
    return n;
}

#else
#define take_ahead(x) 0
#endif

void pmg_flush(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    if (!pmg_may_flush(c)) {
        return;
    }
    size_t ahead = take_ahead(x), total = ahead;
    for (;;) {
        if (x->source != NULL) {
            x->source->more(c);
        }
        size_t len = pmg_send_len(c);
        if (len == 0) {
            break;
        }
        const unsigned char *rest = c->send.buf + x->send_off;
        long n = x->layer != NULL ? x->layer->write(c, rest, len) : pmg_io_write(c, rest, len);
        if (n <= 0) {
            if (n != -EAGAIN) {
                pmg_fatal(c, strerror((int)-n));
            }
            break;
        }
        total += (size_t)n;
        x->send_off += (size_t)n;
        if (x->send_off == c->send.len) {
            pmg_sent_all(c);
        }
        // A large file must not keep the others waiting: level triggering brings us back.
        if ((size_t)n < len || (x->source != NULL && total >= 8 * PMG_READ_SIZE)) {
            break;
        }
    }
    if (x->backlog && pmg_send_len(c) <= PMG_PIPELINE_MAX / 2) {
        x->backlog = 0;
        x->reparse = 1;
        c->is_full = 0;
    }
    x->taken += (uint32_t)(total - ahead);
    if (pmg_send_len(c) > 0 || x->watch != NULL) {
        pmg_watch_sending(c);
    }
    if (total > 0) {
        if (x->late == pmg_drain_late) { // the peer still takes data
            pmg_drain_deadline(c);
        }
        pmg_call(c, MG_EV_WRITE, &total);
    }
}

long pmg_flush_plain(struct mg_connection *c, size_t len) {
    pmg_conn_t *x = pmg_x(c);
    long n = pmg_io_write(c, c->send.buf + x->send_off, len);
    if (n > 0) {
        x->send_off += (size_t)n;
        x->taken += (uint32_t)n;
        if (x->send_off == c->send.len) {
            pmg_sent_all(c);
        }
    }
    return n != 0 ? n : -EAGAIN;
}

// After the last reply: a close with unread bytes makes the kernel reset the connection, and the
// peer may never read what we answered. So say that we are done and read on until it is, too.
#define LINGER_MS 2000

static void linger_late(struct mg_connection *c) {
    pmg_close(c);
}

static void finish_drain(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    if (x->layer != NULL) {
        x->layer->goodbye(c);
    }
    if (x->linger && !x->eof && x->connected && !c->is_udp) {
        x->lingering = 1;
        c->is_full = 0;
        pmg_io_shutdown(c);
        pmg_deadline(c, linger_late, LINGER_MS);
    } else {
        c->is_closing = 1;
    }
}

void pmg_update(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    if (!c->is_closing) {
        pmg_flush(c);
    }
    if (!c->is_closing && c->is_draining && !x->lingering && pmg_send_len(c) == 0 &&
        x->source == NULL && !c->is_connecting && !c->is_resolving) {
        finish_drain(c);
    }
    if (!c->is_closing) {
        pmg_wants(c);
    }
    if (c->is_closing || x->reparse ||
        (x->connected && pmg_send_len(c) == 0 && x->source != NULL)) {
        pmg_work(c);
    }
}

// ---------------------------------------------------------------------------------------------
// Reading

static void read_protocol(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    if (x->speaks->read != NULL) {
        x->in_read = 1;
        x->speaks->read(c);
        x->in_read = 0;
    }
}

// It holds the most itself, or nobody holds more; or there is no memory at all.
static void no_room(struct mg_connection *c) {
    if (!pmg_m(c)->short_of_budget) {
        pmg_fatal(c, "no memory for received data");
    } else if (c->is_accepted) {
        pmg_buf_free(&c->recv);
        pmg_x(c)->recv_off = 0;
        pmg_budget_note(c);
        pmg_x(c)->ousted = PMG_OUSTED_IN;
        pmg_budget_tell(c);
    } else {
        pmg_fatal(c, pmg_no_budget);
    }
}

// What a message is known to need is reserved at once, beyond RESERVE_MAX when a part has come: who
// says much and sends little gets little.
#define RESERVE_MAX PMG_LARGE_MAX
#define RESERVE_SHARE 16

// How much more room a buffer of so many bytes gets that needs `more`.
static size_t reserve(struct mg_connection *c, size_t len, size_t more) {
#if PMG_LARGE_MAX > 0
    size_t all = pmg_x(c)->expects, rest = all > len ? all - len : 0;
    size_t most = len >= all / RESERVE_SHARE ? rest : RESERVE_MAX;
    size_t budget = pmg_m(c)->limits.max_memory;
    rest = rest < most ? rest : most;
    if (budget > 0 && (pmg_m(c)->held > budget / 2 || rest > budget / 2 - pmg_m(c)->held)) {
        return more; // nobody else goes for what may never come
    }
    return rest > more ? rest + READ_MIN : more; // room to the end, and none that looks too small
#else
    (void)c, (void)len;
    return more;
#endif
}

// A connection whose handler left bytes in the borrowed buffer gets one of its own.
static void return_scratch(struct mg_connection *c) {
    pmg_mgr_t *m = pmg_m(c);
    struct mg_iobuf *b = &c->recv;
    if (b->buf != m->scratch) {
        if (b->len == 0 && b->buf != NULL) {
            pmg_buf_give(m, b);
            pmg_budget_note(c);
            pmg_x(c)->recv_off = 0;
        }
        return;
    }
    m->scratch_lent = false;
    size_t off = pmg_x(c)->recv_off, len = b->len - off;
    const unsigned char *rest = m->scratch + off;
    b->buf = NULL;
    b->len = b->size = 0;
    pmg_x(c)->recv_off = 0;
    if (len > 0 && !c->is_closing) {
        size_t room = len + reserve(c, len, 0);
        if (pmg_grow(c, b, room) || (room > len && pmg_grow(c, b, len))) {
            memcpy(b->buf, rest, len);
            b->len = len;
        } else {
            no_room(c);
        }
    }
}

// The protocol first, then the program.
static void read_done(struct mg_connection *c, size_t n) {
    pmg_conn_t *x = pmg_x(c);
    x->in_read = x->has_read = 1;
    if (x->speaks->read != NULL) {
        x->speaks->read(c);
    }
    if (!c->is_tls_hs) { // else the rest is the handshake's, which has begun behind what was read
        pmg_call(c, MG_EV_READ, &n);
    }
    x->in_read = 0;
}

static void peer_closed(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    x->eof = 1;
    // What is queued for a half-closed peer is sent first. A reply that is still to come is waited
    // for, but not for long: who hung up on a long poll looks the same.
    bool busy = c->is_resp || pmg_send_len(c) > 0 || x->source != NULL;
    if (x->speaks->eof != NULL && x->speaks->eof(c)) {
        read_protocol(c);
        if (c->is_closing || x->reparse) { // or an exception has left poll(): it comes back here
            pmg_work(c);
            return;
        }
    }
    if (x->lingering || !busy) {
        if (x->speaks->gone != NULL && !x->lingering) {
            x->speaks->gone(c);
        }
        pmg_close(c);
    } else if (x->speaks->finishes && (x->source != NULL || c->is_resp)) {
        pmg_drain_deadline(c);
        pmg_wants(c);
    } else {
        pmg_drain(c);
        pmg_wants(c); // one that drains already would be told of the end for ever
    }
}

// What comes while a connection drains is for nobody; but the end of it counts.
static void discard(struct mg_connection *c) {
    long n = pmg_io_read(c, pmg_m(c)->scratch, PMG_READ_SIZE);
    if (n == 0) {
        peer_closed(c);
    } else if (n < 0 && n != -EAGAIN) {
        pmg_close(c);
    }
}

static void read_failed(struct mg_connection *c, int err) {
    pmg_x(c)->eof = 1;
    if (c->is_draining) { // the peer left before it took all: nobody to tell
        pmg_close(c);
    } else {
        pmg_fatal(c, strerror(-err));
    }
}

static bool more_room(struct mg_connection *c, size_t more) {
    size_t room = reserve(c, c->recv.len, more);
    return pmg_grow(c, &c->recv, room) || (room > more && pmg_grow(c, &c->recv, more));
}

// Who sent much last time gets a buffer that it need not be moved to; not where it would take the memory
// that a small message, or its answer, needs.
#define OWN_SHARE 8

static bool own_buffer(struct mg_connection *c) {
#if PMG_LARGE_MAX > 0
    size_t large = pmg_x(c)->large, budget = pmg_m(c)->limits.max_memory;
    return large > 0 && large <= PMG_LARGE_MAX && (budget == 0 || large <= budget / OWN_SHARE) &&
           pmg_grow(c, &c->recv, large);
#else
    (void)c;
    return false;
#endif
}

// It keeps that claim while what comes first is no small part of it.
static inline void begun_with(struct mg_connection *c, size_t n) {
#if PMG_LARGE_MAX > 0
    if (n < pmg_x(c)->large / 8) {
        pmg_x(c)->large = 0;
    }
#else
    (void)c, (void)n;
#endif
}

static void read_stream(struct mg_connection *c) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_conn_t *x = pmg_x(c);
    struct mg_iobuf *b = &c->recv;
    size_t want = PMG_READ_SIZE;
    size_t max = x->speaks->read == NULL && m->limits.max_recv > 0 ? m->limits.max_recv : SIZE_MAX;
    if (c->is_draining) {
        discard(c);
        return;
    }
    if (pmg_recv_len(c) >= max) {
        c->is_full = 1;
    }
    if (c->is_full || x->paused) {
        pmg_wants(c);
        return;
    }
    if (max - pmg_recv_len(c) < want) {
        want = max - pmg_recv_len(c);
    }
    if (b->buf == NULL && own_buffer(c)) {
        want = b->size;
    } else if (b->buf == NULL) {
        b->buf = m->scratch;
        b->size = PMG_READ_SIZE;
        m->scratch_lent = true;
    } else if (b->size - b->len < READ_MIN &&
               !more_room(c, b->len < want ? b->len + READ_MIN : want)) {
        no_room(c);
        return;
    }
    if (b->size - b->len < want) {
        want = b->size - b->len;
    }
    unsigned char *end = b->buf + b->len;
    long n = x->layer != NULL ? x->layer->read(c, end, want) : pmg_io_read(c, end, want);
    if (n > 0) {
        b->len += (size_t)n;
        if (b->len == (size_t)n) {
            begun_with(c, (size_t)n);
        }
        if (pmg_recv_len(c) >= max) { // so that this event can already see it
            c->is_full = 1;
        }
        read_done(c, (size_t)n);
        return_scratch(c);
        pmg_update(c);
        return;
    }
    return_scratch(c);
    if (n == 0) {
        peer_closed(c);
    } else if (n != -EAGAIN) {
        read_failed(c, (int)n);
    }
}

static void read_datagrams(struct mg_connection *c) {
    pmg_mgr_t *m = pmg_m(c);
    for (int i = 0; i < DATAGRAM_BURST && !c->is_closing && !c->is_draining && !m->stop; i++) {
        c->recv.buf = m->scratch;
        c->recv.size = PMG_READ_SIZE;
        m->scratch_lent = true;
        long n = pmg_io_read(c, m->scratch, PMG_READ_SIZE);
        if (n >= 0) {
            c->recv.len = (size_t)n;
            read_done(c, (size_t)n);
        }
        m->scratch_lent = false;
        c->recv.buf = NULL; // one datagram, one event: what was not taken is gone
        c->recv.len = c->recv.size = 0;
        pmg_x(c)->recv_off = 0;
        if (n == -EAGAIN) {
            break;
        }
        if (n < 0 && !c->is_listening) { // an ICMP error; a listener goes on with other peers
            pmg_fatal(c, strerror((int)-n));
        }
    }
    if (c->is_closing || c->is_draining) {
        pmg_work(c);
    }
}

// ---------------------------------------------------------------------------------------------
// Readiness

// Reading is paused, so that the reason would not be found by reading.
static void failed_unread(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    int err = pmg_io_connect_result(c);
    if (err == 0 && (c->is_full || x->paused) &&
        !x->eof) { // a unix peer closed: what it sent is still there
        pmg_io_unwatch(c);
        x->io_mask = 0;
        return;
    }
    x->eof = 1;
    if (err < 0 && !c->is_draining) {
        pmg_fatal(c, strerror(-err));
    } else {
        pmg_close(c);
    }
}

static inline void data_ready(struct mg_connection *c, int mask, bool error,
    void (*read)(struct mg_connection *c)) {
    if (mask & PMG_IO_READ) {
        read(c);
    } else if (error && !(pmg_x(c)->io_mask & PMG_IO_READ)) {
        failed_unread(c);
        return;
    }
    if ((mask & PMG_IO_WRITE) && !c->is_closing && !pmg_m(c)->stop) {
        pmg_update(c);
    }
}

void pmg_stream_ready(struct mg_connection *c, int mask, bool error) {
    if (c->is_tls_hs) {
        pmg_work(c); // handshakes have their steps in the order in which they asked
    } else {
        data_ready(c, mask, error, read_stream);
    }
}

void pmg_datagram_ready(struct mg_connection *c, int mask, bool error) {
    data_ready(c, mask, error, read_datagrams);
}

void pmg_work_on(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    if (x->deaf) {
        x->deaf = 0;
        pmg_fatal(c, "the system cannot wait for this connection: no memory or no descriptor");
    } else if (x->ousted) {
        pmg_budget_tell(c);
    } else if (c->is_tls_hs && x->connected && !c->is_closing) {
        x->layer->handshake(c);
    } else if (x->layer != NULL && !c->is_closing && !c->is_full && !x->paused && !x->eof &&
               !x->lingering && x->layer->pending(c)) {
        read_stream(c);
    }
    if (!c->is_closing && x->reparse) {
        x->reparse = 0;
        read_protocol(c);
        if (x->eof && c->is_client && !x->reparse && !c->is_closing) {
            peer_closed(c);
        }
    }
    pmg_update(c);
}
