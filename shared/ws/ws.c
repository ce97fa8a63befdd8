// SPDX-License-Identifier: GPL-2.0-only
//
// WebSocket frames (RFC 6455), strictly. Python sees whole messages and valid text. Of a message in
// one frame the payload is handed on where it was received; of fragments it is gathered at the
// start of the receive buffer, or behind the first one's head, and text is checked as it arrives.

#include "ws_int.h"

bool pmg_conn_is_websocket(struct mg_connection *c) {
    return pmg_x(c)->speaks == &pmg_ws && pmg_ws_of(c)->handshake == PMG_WS_OPEN;
}

const char *pmg_conn_ws_protocol(struct mg_connection *c) {
    return pmg_conn_is_websocket(c) && pmg_ws_of(c)->words != NULL ? pmg_ws_of(c)->words->protocol
                                                                   : NULL;
}

// ---------------------------------------------------------------------------------------------
// Sending

// 0; -ENOMEM or -EIO with its text: nothing is queued.
static int send_frame(struct mg_connection *c, const void *buf, size_t len, int op) {
    uint8_t head[PMG_WS_HEAD_MAX + 4];
    size_t n = pmg_ws_head(head, len, op);
    if (c->is_client) {
        head[1] |= 0x80;
        if (!pmg_random(pmg_m(c), head + n, 4)) {
            return pmg_fail(pmg_m(c), -EIO, PMG_NO_RANDOM);
        }
        n += 4;
    }
    size_t before = pmg_send_len(c);
    bool ok = pmg_out(c, head, n);
    ok = ok && (c->is_client ? pmg_out(c, buf, len) : pmg_out_end(c, buf, len));
    if (!ok) {
        c->send.len = pmg_x(c)->send_off + before; // no half frame
        return pmg_fail(pmg_m(c), -ENOMEM, "no memory to send %zu bytes", len);
    }
    if (c->is_client) {
        pmg_ws_mask(c->send.buf + c->send.len - len, len, head + n - 4, 0);
    }
    pmg_work(c);
    return 0;
}

int pmg_ws_check(pmg_mgr_t *m, const void *buf, size_t len, int op, bool checked) {
    switch (op) {
        case WEBSOCKET_OP_TEXT:
            if (!checked && !pmg_utf8_valid(buf, len)) {
                return pmg_fail(m, -EINVAL,
                    "a text message must be UTF-8: send bytes with WEBSOCKET_OP_BINARY");
            }
            break;
        case WEBSOCKET_OP_BINARY: break;
        case WEBSOCKET_OP_CLOSE:
            if (len <= PMG_WS_CONTROL_MAX && !pmg_ws_close_payload_ok(buf, len)) {
                return pmg_fail(m, -EINVAL,
                    "a close frame holds nothing, or a two-byte code (1000, 3000 ...) and UTF-8 "
                    "text");
            }
            // fall through
        case WEBSOCKET_OP_PING:
        case WEBSOCKET_OP_PONG:
            if (len > PMG_WS_CONTROL_MAX) {
                return pmg_fail(m, -EINVAL, "a control frame holds at most 125 bytes, not %zu",
                    len);
            }
            break;
        default: return pmg_fail(m, -EINVAL, "unknown WebSocket opcode %d", op);
    }
    return 0;
}

static void close_late(struct mg_connection *c) { // the peer never answered our close frame
    pmg_close(c);
}

static int ws_send(struct mg_connection *c, const void *buf, size_t len, int op, bool checked) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_ws_t *w = pmg_ws_of(c);
    if (!pmg_conn_is_websocket(c)) {
        return pmg_fail(m, -EINVAL,
            "this connection is no WebSocket: ws_send() works after MG_EV_WS_OPEN");
    }
    int err = pmg_can_send(c);
    if (err < 0) {
        return err;
    }
    if (w->close_sent) {
        return pmg_fail(m, -EPIPE, "a close frame was sent: nothing may follow it");
    }
    err = pmg_ws_check(m, buf, len, op, checked);
    if (err < 0) {
        return err;
    }
    err = send_frame(c, buf, len, op);
    if (err < 0) {
        return err;
    }
    if (op == WEBSOCKET_OP_CLOSE) {
        w->close_sent = 1;
        pmg_deadline(c, close_late, m->limits.drain_timeout);
    }
    return 0;
}

int pmg_ws_send(struct mg_connection *c, const void *buf, size_t len, int op) {
    return ws_send(c, buf, len, op, false);
}

int pmg_ws_send_text(struct mg_connection *c, const void *buf, size_t len) {
    return ws_send(c, buf, len, WEBSOCKET_OP_TEXT, true);
}

static void send_close(struct mg_connection *c, unsigned code) {
    uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};
    pmg_ws_t *w = pmg_ws_of(c);
    if (!w->close_sent) {
        (void)send_frame(c, payload, code == PMG_WS_NO_STATUS ? 0 : 2, WEBSOCKET_OP_CLOSE);
        w->close_sent = 1;
    }
}

// ---------------------------------------------------------------------------------------------
// Pings. Each ws_ping_interval there is one look: silent since the last one, a peer gets a ping;
// silent again, it is gone. A peer that takes data, however slowly, is not.

static const char ping[] = "pymongoose"; // its pong is for us alone

// So many looks find that a peer took none of what is queued ahead of the ping. Not one, because the
// system takes more from us in large steps.
#define PATIENCE 4

static void look(struct mg_connection *c);

static void watch(struct mg_connection *c) {
    pmg_ws_of(c)->queued = 0;
    pmg_deadline(c, look, pmg_m(c)->limits.ws_ping_interval);
}

static void look(struct mg_connection *c) {
    pmg_ws_t *w = pmg_ws_of(c);
    size_t queued = pmg_send_len(c);
    if (w->heard || queued < w->queued || pmg_x(c)->paused) { // whose pongs are not read
        w->pinged = 0;
    } else if (w->pinged == 0) { // without memory for it there is a next time
        w->pinged = send_frame(c, ping, sizeof(ping) - 1, WEBSOCKET_OP_PING) == 0;
    } else if (queued == 0 || w->pinged++ == PATIENCE) {
        pmg_fatal(c, "WebSocket peer does not answer a ping");
        return;
    }
    w->heard = 0;
    w->queued = queued;
    pmg_deadline(c, look, pmg_m(c)->limits.ws_ping_interval);
}

// ---------------------------------------------------------------------------------------------
// The handshake was the last of HTTP

static void is_open(struct mg_connection *c, const pmg_http_msg_t *hm) {
    pmg_ws_of(c)->handshake = PMG_WS_OPEN;
    watch(c);
    pmg_call(c, MG_EV_WS_OPEN, (void *)(size_t)hm);
}

int pmg_ws_upgrade_end(pmg_head_t *h) {
    struct mg_connection *c = h->c;
    if (h->refused != 0) {
        return pmg_ws_upgrade_refuse(h);
    }
    char *protocol;
    int err = pmg_ws_upgrade_finish(h, &protocol);
    if (err < 0) {
        return err;
    }
    pmg_work(c);
    pmg_conn_speak(c, &pmg_ws);
    c->is_resp = 0;
    if (protocol != NULL && pmg_ws_words(c) != NULL) {
        pmg_ws_of(c)->words->protocol = protocol;
    } else {
        pmg_free(protocol);
    }
    is_open(c, h->hm);
    return 0;
}

// ---------------------------------------------------------------------------------------------
// Receiving

// The peer broke the protocol: tell it the code, tell the program the reason.
static void fail(struct mg_connection *c, unsigned code, const char *why) {
    send_close(c, code);
    pmg_refuse(c, why);
}

// ---------------------------------------------------------------------------------------------
// Receiving

static void deliver(struct mg_connection *c, int ev, uint8_t *p, size_t len, int op) {
    pmg_ws_msg_t msg = {mg_str_n((char *)p, len), op};
    pmg_call(c, ev, &msg);
}

// Behind more than this a peer that takes slowly still gets its pongs, one that pings and never reads
// gets so many.
#define PONGS_FREE PMG_PIPELINE_MAX
#define PONGS_MAX 32

static void pong(struct mg_connection *c, const uint8_t *p, size_t len) {
    pmg_ws_t *w = pmg_ws_of(c);
    uint32_t taken = pmg_x(c)->taken;
    if (pmg_send_len(c) <= PONGS_FREE || (int32_t)(taken - w->pong_at) >= 0) {
        w->pongs = 0; // the last one has left
    }
    // Without memory for it there is none.
    if (w->pongs < PONGS_MAX && send_frame(c, p, len, WEBSOCKET_OP_PONG) == 0) {
        w->pongs++;
        w->pong_at = taken + (uint32_t)pmg_send_len(c);
    }
}

static void control(struct mg_connection *c, uint8_t *p, const pmg_ws_frame_t *f) {
    pmg_ws_t *w = pmg_ws_of(c);
    if (f->op == WEBSOCKET_OP_PING && !w->close_sent) {
        pong(c, p, f->len);
    }
    if (f->op == WEBSOCKET_OP_PONG && w->pinged && f->len == sizeof(ping) - 1 &&
        memcmp(p, ping, f->len) == 0) {
        return;
    }
    if (f->op != WEBSOCKET_OP_CLOSE) {
        deliver(c, MG_EV_WS_CTL, p, f->len, f->op);
        return;
    }
    if (!pmg_ws_close_payload_ok(p, f->len)) {
        bool text = f->len >= 2 && pmg_ws_close_code_ok((unsigned)p[0] << 8 | p[1]);
        fail(c, text ? PMG_WS_DATA : PMG_WS_PROTOCOL,
            "WebSocket close frame with an invalid code or reason");
        return;
    }
    w->close_rcvd = 1;
    deliver(c, MG_EV_WS_CTL, p, f->len, f->op);
    if (!w->close_sent) {
        (void)send_frame(c, p, f->len < 2 ? 0 : 2, WEBSOCKET_OP_CLOSE);
        w->close_sent = 1;
    }
    pmg_drain(c);
}

// Where in the buffer the message begins that is gathered: behind the head of its first frame, if that
// came first. A board has short messages, and moves them.
#if PMG_LARGE_MAX > 0
static inline size_t begin(const pmg_ws_t *w) {
    return w->at;
}
static inline void stay(pmg_ws_t *w, size_t at) {
    w->at = (uint8_t)at;
}
#else
#define begin(w) ((void)(w), (size_t)0)
#define stay(w, at) ((void)(w), (void)(at))
#endif

// Payload bytes of an open frame: gathers them at w->len, checks text. `*pos` moves on.
static bool gather(struct mg_connection *c, size_t *pos) {
    pmg_ws_t *w = pmg_ws_of(c);
    uint8_t *buf = c->recv.buf;
    size_t have = c->recv.len - *pos, n = have < w->frame_left ? have : w->frame_left;
    uint8_t *to = buf + begin(w) + w->len;
    if (to != buf + *pos) {
        memmove(to, buf + *pos, n);
    }
    if (w->masked) {
        pmg_ws_mask(to, n, w->mask, w->mask_pos);
        w->mask_pos += (uint32_t)n;
    }
    *pos += n;
    w->len += n;
    w->frame_left -= n;
    return w->msg_op != WEBSOCKET_OP_TEXT || pmg_utf8_feed(&w->utf8, to, n);
}

static const char not_utf8[] = "WebSocket text that is not UTF-8";

// Goes on with the open frame. False: bytes are missing, or the peer was refused.
static bool gather_frame(struct mg_connection *c, size_t *pos) {
    pmg_ws_t *w = pmg_ws_of(c);
    if (!gather(c, pos)) {
        fail(c, PMG_WS_DATA, not_utf8);
        return false;
    }
    if (w->frame_left > 0) {
        return false;
    }
    w->frame_open = 0;
    pmg_expect(c, 0);
    if (w->frame_fin) {
        int op = w->msg_op;
        size_t len = w->len, at = begin(w);
        if (w->utf8.state != 0) {
            fail(c, PMG_WS_DATA, not_utf8);
            return false;
        }
        w->msg_op = 0;
        w->len = 0;
        stay(w, 0);
        if (!w->close_rcvd) {
            deliver(c, MG_EV_WS_MSG, (uint8_t *)c->recv.buf + at, len, op);
        }
    }
    return true;
}

// `pos` is where its payload begins.
static void open_frame(struct mg_connection *c, const pmg_ws_frame_t *f, size_t pos) {
    pmg_ws_t *w = pmg_ws_of(c);
    if (f->op != 0) {
        stay(w, pos == f->head_len ? pos : 0); // at the start of the buffer it need not be moved
        w->msg_op = f->op;
        w->utf8.state = 0;
    }
    w->frame_open = 1;
    w->frame_fin = f->flags >> 7;
    w->masked = f->masked;
    w->mask_pos = 0;
    memcpy(w->mask, f->mask, sizeof(w->mask));
    w->frame_left = f->len;
    pmg_expect(c, begin(w) + w->len + f->len);
}

// A frame that is handled where it was received: of control, or a whole message.
static void whole_frame(struct mg_connection *c, uint8_t *p, const pmg_ws_frame_t *f) {
    if (f->masked) {
        pmg_ws_mask(p, f->len, f->mask, 0);
    }
    if (f->op >= 8) {
        control(c, p, f);
    } else if (f->op == WEBSOCKET_OP_TEXT && !pmg_utf8_valid(p, f->len)) {
        fail(c, PMG_WS_DATA, not_utf8);
    } else {
        deliver(c, MG_EV_WS_MSG, p, f->len, f->op);
    }
}

// The next frame at *pos. False: bytes are missing, or the peer was refused.
static bool next_frame(struct mg_connection *c, size_t *pos) {
    pmg_ws_t *w = pmg_ws_of(c);
    pmg_ws_reader_t r = {!c->is_client, w->msg_op != 0, w->len, pmg_m(c)->limits.max_message};
    pmg_ws_frame_t f;
    const char *why;
    uint8_t *p = c->recv.buf + *pos;
    size_t have = c->recv.len - *pos;
    int err = pmg_ws_read_head(&r, p, have, &f, &why);
    if (err <= 0) {
        if (err < 0) {
            fail(c, (unsigned)-err, why);
        }
        return false;
    }
    bool whole = have - f.head_len >= f.len;
    if (f.op >= 8 && !whole) {
        return false;
    }
    *pos += f.head_len;
    if (f.op >= 8 || (whole && w->msg_op == 0 && (f.flags & PMG_WS_FIN))) {
        *pos += f.len;
        whole_frame(c, p + f.head_len, &f);
    } else {
        open_frame(c, &f, *pos);
    }
    return true;
}

// Handles all that is buffered. What is left is: the gathered part of a message, then raw bytes.
static void process(struct mg_connection *c) {
    pmg_ws_t *w = pmg_ws_of(c);
    pmg_mgr_t *m = pmg_m(c);
    size_t pos = begin(w) + w->len;
    bool more = true;
    w->heard = 1;
    while (more && !c->is_closing && !c->is_draining && !m->stop && !pmg_x(c)->paused) {
        more = w->frame_open ? gather_frame(c, &pos) : next_frame(c, &pos);
    }
    if (c->is_closing || c->is_draining) {
        c->recv.len = 0;
        return;
    }
    size_t rest = c->recv.len - pos, kept = begin(w) + w->len;
    if (pos > kept && rest > 0) {
        memmove(c->recv.buf + kept, c->recv.buf + pos, rest);
    }
    c->recv.len = kept + rest;
    if (m->stop && rest > 0) {
        pmg_x(c)->reparse = 1;
    }
}

// ---------------------------------------------------------------------------------------------
// What the core calls

static void oversized(struct mg_connection *c) {
    fail(c, PMG_WS_TOO_BIG, pmg_no_budget);
}

static void read_input(struct mg_connection *c) {
    pmg_ws_t *w = pmg_ws_of(c);
    if (w->handshake != PMG_WS_OPEN && (c->recv.len == 0 || !pmg_ws_read_handshake(c, is_open))) {
        return;
    }
    if (c->recv.len > begin(w) + w->len) {
        process(c);
    }
}

static int credentials(struct mg_connection *c, char *line) {
    pmg_ws_t *w = pmg_ws_of(c);
    bool asked = w->handshake != PMG_WS_CONNECTING; // no request follows
    pmg_free(asked ? line : w->words->auth);
    if (!asked) {
        w->words->auth = line;
    }
    return 0;
}

static void gone(struct mg_connection *c) {
    if (pmg_ws_of(c)->handshake != PMG_WS_OPEN) {
        pmg_fatal(c, "connection closed during the WebSocket handshake");
    }
}

static void drain(struct mg_connection *c) {
    if (pmg_ws_of(c)->handshake == PMG_WS_OPEN) {
        send_close(c, PMG_WS_NORMAL);
    }
}

static void end(struct mg_connection *c) {
    pmg_ws_words_free(c);
}

static void describe(int ev, const void *data, struct mg_str words[2], char number[24]) {
    if (ev == MG_EV_WS_MSG || ev == MG_EV_WS_CTL) {
        const pmg_ws_msg_t *msg = data;
        words[0] = mg_str_n(number, pmg_snprintf(number, 24, "%lu", (unsigned long)msg->data.len));
    } else if (ev == MG_EV_WS_OPEN) {
        const pmg_http_msg_t *hm = data;
        words[0] = hm->method;
        words[1] = hm->uri;
    }
}

const pmg_protocol_t pmg_ws = {
    .name = "WebSocket",
    .start = pmg_ws_start,
    .begin = pmg_ws_ask,
    .read = read_input,
    .oversized = oversized,
    .credentials = credentials,
    .gone = gone,
    .drain = drain,
    .end = end,
    .describe = describe,
};
