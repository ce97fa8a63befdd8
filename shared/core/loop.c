// SPDX-License-Identifier: GPL-2.0-only
//
// The event loop. One turn waits for readiness, then touches only connections that are ready, due
// or queued; idle ones cost nothing.
//
// The order within a turn: I/O that is ready, wake-ups, timers and deadlines, then the work queue.
// A connection gets into the work queue when something was queued to send outside its own read
// event, when it is to close, or when received bytes wait for their protocol. Connections are
// freed by the work queue alone, so that no code above a hook ever holds a dead pointer.

#include "../base/record.h"

// Datagrams of one connection before others have their turn.
#define DATAGRAM_BURST 32
#define READ_MIN 256 // less room than this in a buffer is not worth a system call
#define WORK_PASSES 4

// ---------------------------------------------------------------------------------------------
// The work queue

void pmg_work(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    pmg_mgr_t *m = pmg_m(c);
    if (x->in_work || x->in_read) { // its read event ends with an update anyway
        return;
    }
    x->in_work = 1;
    x->work_next = NULL;
    m->work_len++;
    if (m->work_last != NULL) {
        pmg_x(m->work_last)->work_next = c;
    } else {
        m->work_first = c;
    }
    m->work_last = c;
    if (m->waiting) { // another thread queued it while we sleep
        pmg_io_wake(m);
    }
}

void pmg_wants(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    int mask = 0;
    if (c->is_tls_hs && x->connected) {
        mask = pmg_tls_wants_write(c) ? PMG_IO_WRITE : PMG_IO_READ;
        if (mask != x->io_mask && pmg_io_watch(c, mask) == 0) {
            x->io_mask = (uint8_t)mask;
        }
        return;
    }
    if (c->is_listening || (x->connected && !c->is_full && !x->eof)) {
        mask |= PMG_IO_READ;
    }
    if (c->is_connecting || (x->connected && pmg_conn_send_len(c) > 0 && !x->hold)) {
        mask |= PMG_IO_WRITE;
    }
    if (mask != x->io_mask && pmg_io_watch(c, mask) == 0) {
        x->io_mask = (uint8_t)mask;
    }
    if ((mask & PMG_IO_READ) && pmg_tls_pending(c)) { // the socket will not say so
        pmg_work(c);
    }
}

// ---------------------------------------------------------------------------------------------
// Writing

static void sent_all(struct mg_connection *c) {
    pmg_mgr_t *m = pmg_m(c);
    struct mg_iobuf *b = &c->send;
    if (m->spare == NULL && b->size <= PMG_SPARE_MAX) {
        m->spare = b->buf;
        m->spare_size = b->size;
        b->buf = NULL;
        b->size = b->len = 0;
    } else {
        pmg_buf_free(b);
    }
    pmg_x(c)->send_off = 0;
}

void pmg_flush(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    size_t total = 0;
    if (!x->connected || x->hold || c->is_closing || x->lingering || c->is_tls_hs) {
        return;
    }
    for (;;) {
        if (x->file != NULL) {
            pmg_file_more(c);
        }
        size_t len = c->send.len - x->send_off;
        if (len == 0) {
            break;
        }
        const unsigned char *rest = c->send.buf + x->send_off;
        long n = PMG_IS_TLS(c) ? pmg_tls_write(c, rest, len) : pmg_io_write(c, rest, len);
        if (n <= 0) {
            if (n != -EAGAIN) {
                pmg_fatal(c, strerror((int)-n));
            }
            break;
        }
        total += (size_t)n;
        x->send_off += (size_t)n;
        if (x->send_off == c->send.len) {
            sent_all(c);
        }
        // A large file must not keep the others waiting: level triggering brings us back.
        if ((size_t)n < len || (x->file != NULL && total >= 8 * PMG_READ_SIZE)) {
            break;
        }
    }
    if (x->backlog && pmg_conn_send_len(c) <= PMG_PIPELINE_MAX / 2) {
        x->backlog = 0;
        x->reparse = 1;
        c->is_full = 0;
    }
    if (total > 0) {
        if (x->deadline_kind == PMG_DL_DRAIN) { // the peer still takes data
            pmg_deadline(c, PMG_DL_DRAIN, pmg_m(c)->limits.drain_timeout);
        }
        mg_call(c, MG_EV_WRITE, &total);
    }
}

// After the last reply: a close with unread bytes makes the kernel reset the connection, and the
// peer may never read what we answered. So say that we are done and read on until it is, too.
#define LINGER_MS 2000

static void finish_drain(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    pmg_tls_goodbye(c);
    if (x->linger && !x->eof && x->connected && !c->is_udp) {
        x->lingering = 1;
        c->is_full = 0;
        pmg_io_shutdown(c);
        pmg_deadline(c, PMG_DL_LINGER, LINGER_MS);
    } else {
        c->is_closing = 1;
    }
}

void pmg_update(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    if (!c->is_closing) {
        pmg_flush(c);
    }
    if (!c->is_closing && c->is_draining && !x->lingering && pmg_conn_send_len(c) == 0 &&
        x->file == NULL && !c->is_connecting && !c->is_resolving) {
        finish_drain(c);
    }
    if (!c->is_closing) {
        pmg_wants(c);
    }
    if (c->is_closing || x->reparse ||
        (x->connected && pmg_conn_send_len(c) == 0 && x->file != NULL)) {
        pmg_work(c);
    }
}

// Has the protocol look at its input again; Python hears nothing of it.
static void protocol_poll(struct mg_connection *c) {
    if (c->pfn != NULL) {
        pmg_x(c)->in_read = 1;
        c->pfn(c, MG_EV_POLL, NULL);
        pmg_x(c)->in_read = 0;
    }
}

static void read_stream(struct mg_connection *c);
static void peer_closed(struct mg_connection *c);

static void work(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    if (c->is_tls_hs && x->connected && !c->is_closing) {
        pmg_tls_handshake(c);
    } else if (!c->is_closing && !c->is_full && !x->eof && !x->lingering && pmg_tls_pending(c)) {
        read_stream(c);
    }
    if (!c->is_closing && x->reparse) {
        x->reparse = 0;
        protocol_poll(c);
        if (x->eof && c->is_client && !x->reparse && !c->is_closing) {
            peer_closed(c);
        }
    }
    pmg_update(c);
}

static void work_run(pmg_mgr_t *m) {
    for (int pass = 0; pass < WORK_PASSES && !m->stop; pass++) {
        // What is queued meanwhile waits for the next pass.
        for (size_t n = m->work_len; n > 0 && m->work_first != NULL && !m->stop; n--) {
            struct mg_connection *c = m->work_first;
            m->work_first = pmg_x(c)->work_next;
            if (m->work_first == NULL) {
                m->work_last = NULL;
            }
            m->work_len--;
            pmg_x(c)->in_work = 0;
            m->done++;
            if (!c->is_closing) {
                work(c);
            }
            if (c->is_closing) {
                pmg_conn_free(c);
            }
        }
    }
}

// ---------------------------------------------------------------------------------------------
// Reading

// A connection whose handler left bytes in the borrowed buffer gets one of its own.
static void return_scratch(struct mg_connection *c) {
    pmg_mgr_t *m = pmg_m(c);
    struct mg_iobuf *b = &c->recv;
    if (b->buf != m->scratch) {
        if (b->len == 0 && b->buf != NULL) {
            pmg_buf_free(b);
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
        if (pmg_buf_reserve(b, len)) {
            memcpy(b->buf, rest, len);
            b->len = len;
        } else {
            pmg_fatal(c, "no memory for received data");
        }
    }
}

static void read_done(struct mg_connection *c, size_t n) {
    pmg_x(c)->in_read = 1;
    mg_call(c, MG_EV_READ, &n);
    pmg_x(c)->in_read = 0;
}

static void peer_closed(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    x->eof = 1;
    // What is queued for a half-closed peer is sent first. A reply that is still to come is waited
    // for, but not for long: who hung up on a long poll looks the same.
    bool busy = c->is_resp || pmg_conn_send_len(c) > 0 || x->file != NULL;
    if (x->proto == PMG_HTTP && c->pfn != NULL &&
        (c->is_client || x->u.http.sink == PMG_BODY_STREAM)) {
        protocol_poll(c);                  // a body may end with the connection, or be cut by it
        if (c->is_closing || x->reparse) { // or an exception has left poll(): work() comes back
            pmg_work(c);
            return;
        }
    }
    if (x->lingering || !busy) {
        if (x->proto == PMG_WS && x->u.ws.handshake && !x->lingering) {
            pmg_fatal(c, "connection closed during the WebSocket handshake");
        } else if (x->proto == PMG_MQTT && !x->lingering) {
            pmg_mqtt_eof(c);
        }
        pmg_close(c);
    } else if (x->proto == PMG_HTTP && (x->file != NULL || c->is_resp)) {
        pmg_deadline(c, PMG_DL_DRAIN, pmg_m(c)->limits.drain_timeout);
        pmg_wants(c);
    } else {
        pmg_drain(c);
        pmg_wants(c); // one that drains already would be told of the end for ever
    }
}

static bool room(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    if (x->proto == PMG_HTTP) {
        return pmg_http_room(c);
    }
    if (x->proto == PMG_WS) {
        return pmg_ws_room(c);
    }
#if PMG_HAS_MODBUS
    if (x->proto == PMG_MODBUS) {
        return pmg_modbus_room(c);
    }
#endif
    if (x->proto == PMG_MQTT) {
        return pmg_mqtt_room(c);
    }
    size_t max = pmg_m(c)->limits.max_recv;
    return max == 0 || pmg_conn_recv_len(c) < max ||
           x->proto == PMG_INNER; // which bounds it itself
}

static void read_stream(struct mg_connection *c) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_conn_t *x = pmg_x(c);
    struct mg_iobuf *b = &c->recv;
    size_t want = PMG_READ_SIZE;
    if (c->is_draining) { // what comes now is for nobody; but the end of it counts
        long n = pmg_io_read(c, m->scratch, PMG_READ_SIZE);
        if (n == 0) {
            peer_closed(c);
        } else if (n < 0 && n != -EAGAIN) {
            pmg_close(c);
        }
        return;
    }
    if (!room(c)) {
        c->is_full = 1;
        pmg_wants(c);
        return;
    }
    if (x->proto == PMG_RAW && m->limits.max_recv > 0 &&
        m->limits.max_recv - pmg_conn_recv_len(c) < want) {
        want = m->limits.max_recv - pmg_conn_recv_len(c);
    }
    if (b->buf == NULL) {
        b->buf = m->scratch;
        b->size = PMG_READ_SIZE;
        m->scratch_lent = true;
    } else if (b->size - b->len < READ_MIN &&
               !pmg_buf_reserve(b, b->len < want ? b->len + READ_MIN : want)) {
        pmg_fatal(c, "no memory for received data");
        return;
    }
    if (b->size - b->len < want) {
        want = b->size - b->len;
    }
    unsigned char *end = b->buf + b->len;
    long n = PMG_IS_TLS(c) ? pmg_tls_read(c, end, want) : pmg_io_read(c, end, want);
    if (n > 0) {
        b->len += (size_t)n;
        c->is_full = x->proto == PMG_RAW && !room(c); // so that this event can already see it
        read_done(c, (size_t)n);
        if (!c->is_closing && !room(c)) {
            c->is_full = 1;
        }
        return_scratch(c);
        pmg_update(c);
        return;
    }
    return_scratch(c);
    if (n == 0) {
        peer_closed(c);
    } else if (n != -EAGAIN) {
        x->eof = 1;
        if (c->is_draining) { // the peer left before it took all: nobody to tell
            pmg_close(c);
        } else {
            pmg_fatal(c, strerror((int)-n));
        }
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
// The turn

void pmg_io_ready(struct mg_connection *c, int mask, bool error) {
    pmg_conn_t *x = pmg_x(c);
    pmg_mgr_t *m = pmg_m(c);
    if (c->is_closing) {
        return;
    }
    m->done++;
    if (c->is_listening && !c->is_udp) {
        pmg_accept_ready(c);
        return;
    }
    if (c->is_connecting) {
        int err = pmg_io_connect_result(c);
        if (err == 0) {
            pmg_connected(c);
        } else if (err != -EINPROGRESS) {
            pmg_connect_failed(c, err);
        }
        return;
    }
    if (c->is_tls_hs) {
        pmg_tls_handshake(c);
        return;
    }
    if (mask & PMG_IO_READ) {
        if (c->is_udp) {
            read_datagrams(c);
        } else {
            read_stream(c);
        }
    } else if (error && !(x->io_mask & PMG_IO_READ)) {
        // Reading is paused, so that the reason would not be found by reading.
        int err = pmg_io_connect_result(c);
        if (err == 0 && c->is_full && !x->eof) { // a unix peer closed: what it sent is still there
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
        return;
    }
    if ((mask & PMG_IO_WRITE) && !c->is_closing && !m->stop) {
        pmg_update(c);
    }
}

static int wait_time(pmg_mgr_t *m, int ms) {
    if (m->work_first != NULL || __atomic_load_n(&m->wake_first, __ATOMIC_ACQUIRE) != NULL) {
        return 0;
    }
    uint64_t due = pmg_heap_due(m);
    if (due == UINT64_MAX || ms == 0) {
        return ms;
    }
    m->now = pmg_port_millis();
    uint64_t left = due > m->now ? due - m->now : 0;
    return ms < 0 || left < (uint64_t)ms ? (int)(left < INT_MAX ? left : INT_MAX) : ms;
}

int pmg_mgr_poll(pmg_mgr_t *m, int ms) {
    if (m->polling || m->depth > 0) {
        return pmg_fail(m, -EBUSY, "poll() is running already");
    }
    int err = pmg_io_check(m);
    if (err < 0) {
        return err;
    }
    m->stop = false;
    m->done = 0;
    m->turn++;
    PMG_LOG_CHECK(m);
    int timeout = wait_time(m, ms);
    m->polling = true;
    m->now = pmg_port_millis();
    err = pmg_io_wait(m, timeout);
    if (!m->stop) {
        pmg_wakeups_run(m);
    }
    if (!m->stop) {
        pmg_timers_run(m);
    }
    if (m->poll_events) {
        struct mg_connection *c = m->first;
        while (c != NULL && !m->stop) {
            struct mg_connection *next = pmg_x(c)->next;
            pmg_fire(c, MG_EV_POLL, &m->now);
            c = next;
        }
    }
    work_run(m);
    m->polling = false;
    return err < 0 ? err : (int)(m->done < INT_MAX ? m->done : INT_MAX);
}

// ---------------------------------------------------------------------------------------------
// What Mongoose expects of an I/O layer

void mg_mgr_poll(struct mg_mgr *mgr, int ms) {
    (void)pmg_mgr_poll((pmg_mgr_t *)(void *)mgr, ms);
}

void mg_connect_resolved(struct mg_connection *c) {
    c->is_closing = 1; // names are looked up by dns/dns.c
}

bool mg_open_listener(struct mg_connection *c, const char *url) {
    (void)c, (void)url;
    return false; // listeners are opened by pmg_listen()
}

bool mg_send(struct mg_connection *c, const void *buf, size_t len) {
    if (c->is_udp) {
        return pmg_io_write(c, buf, len) >= 0;
    }
    bool ok = pmg_out(c, buf, len);
    pmg_work(c);
    return ok;
}

void mg_getlocaddr(struct mg_connection *c, struct mg_addr *to, struct mg_addr *from) {
    (void)to;
    *from = c->loc;
}

void mg_multicast_add(struct mg_connection *c, char *ip) {
    (void)c, (void)ip;
}

bool mg_wakeup_init(struct mg_mgr *mgr) {
    (void)mgr;
    return true;
}

bool mg_wakeup(struct mg_mgr *mgr, unsigned long id, const void *buf, size_t len) {
    return pmg_mgr_wakeup((pmg_mgr_t *)(void *)mgr, id, buf, len) == 0;
}
