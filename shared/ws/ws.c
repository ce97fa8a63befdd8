// SPDX-License-Identifier: GPL-2.0-only
//
// WebSocket frames (RFC 6455), strictly. Python sees whole messages and valid text. Of a message in
// one frame the payload is handed on where it was received; of fragments it is gathered at the
// start of the receive buffer, and text is checked as it arrives.

#include "../base/record.h"

enum {
    CLOSE_NORMAL = 1000,
    CLOSE_PROTOCOL = 1002,
    CLOSE_NO_STATUS = 1005,
    CLOSE_DATA = 1007,
    CLOSE_TOO_BIG = 1009
};

#define CONTROL_MAX 125
#define FIN 0x80

bool pmg_ws_room(struct mg_connection *c) {
    (void)c; // an oversized message is refused by its header
    return true;
}

// ---------------------------------------------------------------------------------------------
// Sending

static void unmask(uint8_t *p, size_t len, const uint8_t mask[4], uint32_t pos) {
    uint8_t m[8];
    for (int i = 0; i < 8; i++) {
        m[i] = mask[(pos + (uint32_t)i) & 3];
    }
    uint64_t key, word;
    memcpy(&key, m, 8);
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        memcpy(&word, p + i, 8);
        word ^= key;
        memcpy(p + i, &word, 8);
    }
    for (; i < len; i++) {
        p[i] ^= m[i & 7];
    }
}

size_t pmg_ws_head(uint8_t *head, size_t len, int op) {
    size_t n = 2;
    head[0] = (uint8_t)(FIN | op);
    if (len < 126) {
        head[1] = (uint8_t)len;
    } else if (len < 65536) {
        head[1] = 126;
        head[n++] = (uint8_t)(len >> 8);
        head[n++] = (uint8_t)len;
    } else {
        head[1] = 127;
        for (int shift = 56; shift >= 0; shift -= 8) {
            head[n++] = (uint8_t)((uint64_t)len >> shift);
        }
    }
    return n;
}

static bool send_frame(struct mg_connection *c, const void *buf, size_t len, int op) {
    uint8_t head[14];
    size_t n = pmg_ws_head(head, len, op);
    if (c->is_client) {
        head[1] |= 0x80;
        pmg_random(pmg_m(c), head + n, 4);
        n += 4;
    }
    size_t before = pmg_conn_send_len(c);
    if (!pmg_out(c, head, n) || !pmg_out(c, buf, len)) {
        c->send.len = pmg_x(c)->send_off + before; // no half frame
        return false;
    }
    if (c->is_client) {
        unmask(c->send.buf + c->send.len - len, len, head + n - 4, 0);
    }
    pmg_work(c);
    return true;
}

// May stand in a close frame (section 7.4).
static bool close_code_ok(unsigned code) {
    return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
           (code >= 3000 && code <= 4999);
}

static bool close_payload_ok(const uint8_t *p, size_t len) {
    return len == 0 || (len >= 2 && close_code_ok((unsigned)p[0] << 8 | p[1]) &&
                           pmg_utf8_valid(p + 2, len - 2));
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
            if (len <= CONTROL_MAX && !close_payload_ok(buf, len)) {
                return pmg_fail(m, -EINVAL,
                    "a close frame holds nothing, or a two-byte code (1000, 3000 ...) and UTF-8 "
                    "text");
            }
            // fall through
        case WEBSOCKET_OP_PING:
        case WEBSOCKET_OP_PONG:
            if (len > CONTROL_MAX) {
                return pmg_fail(m, -EINVAL, "a control frame holds at most 125 bytes, not %zu",
                    len);
            }
            break;
        default: return pmg_fail(m, -EINVAL, "unknown WebSocket opcode %d", op);
    }
    return 0;
}

static int ws_send(struct mg_connection *c, const void *buf, size_t len, int op, bool checked) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_ws_t *w = &pmg_x(c)->u.ws;
    if (!c->is_websocket) {
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
    if (!send_frame(c, buf, len, op)) {
        return pmg_fail(m, -ENOMEM, "no memory to send %zu bytes", len);
    }
    if (op == WEBSOCKET_OP_CLOSE) {
        w->close_sent = 1;
        pmg_deadline(c, PMG_DL_CLOSE, m->limits.drain_timeout);
    }
    return 0;
}

int pmg_ws_send(struct mg_connection *c, const void *buf, size_t len, int op) {
    return ws_send(c, buf, len, op, false);
}

int pmg_ws_send_text(struct mg_connection *c, const void *buf, size_t len) {
    return ws_send(c, buf, len, WEBSOCKET_OP_TEXT, true);
}

void pmg_ws_timeout(struct mg_connection *c) { // the peer never answered our close frame
    pmg_close(c);
}

static void send_close(struct mg_connection *c, unsigned code) {
    uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};
    pmg_ws_t *w = &pmg_x(c)->u.ws;
    if (!w->close_sent) {
        (void)send_frame(c, payload, code == CLOSE_NO_STATUS ? 0 : 2, WEBSOCKET_OP_CLOSE);
        w->close_sent = 1;
    }
}

void pmg_ws_goodbye(struct mg_connection *c) {
    send_close(c, CLOSE_NORMAL);
}

// ---------------------------------------------------------------------------------------------
// Pings. Each ws_ping_interval there is one look: silent since the last one, a peer gets a ping;
// silent again, it is gone. A peer that takes data, however slowly, is not.

static const char ping[] = "pymongoose"; // its pong is for us alone

// So many looks find that a peer took none of what is queued ahead of the ping. Not one, because the
// system takes more from us in large steps.
#define PATIENCE 4

void pmg_ws_watch(struct mg_connection *c) {
    pmg_x(c)->u.ws.u.queued = 0;
    pmg_deadline(c, PMG_DL_PING, pmg_m(c)->limits.ws_ping_interval);
}

void pmg_ws_look(struct mg_connection *c) {
    pmg_ws_t *w = &pmg_x(c)->u.ws;
    size_t queued = pmg_conn_send_len(c);
    if (w->heard || queued < w->u.queued) {
        w->pinged = 0;
    } else if (w->pinged == 0) { // without memory for it there is a next time
        w->pinged = send_frame(c, ping, sizeof(ping) - 1, WEBSOCKET_OP_PING);
    } else if (queued == 0 || w->pinged++ == PATIENCE) {
        pmg_fatal(c, "WebSocket peer does not answer a ping");
        return;
    }
    w->heard = 0;
    w->u.queued = queued;
    pmg_deadline(c, PMG_DL_PING, pmg_m(c)->limits.ws_ping_interval);
}

// The peer broke the protocol: tell it the code, tell the program the reason.
static void fail(struct mg_connection *c, unsigned code, const char *why) {
    send_close(c, code);
    mg_call(c, MG_EV_ERROR, (void *)(size_t)why);
    pmg_x(c)->linger = 1;
    pmg_drain(c);
}

// ---------------------------------------------------------------------------------------------
// Receiving

typedef struct {
    size_t head_len, len;
    uint8_t op, flags, masked;
    uint8_t mask[4];
} frame_t;

// 1: a frame header stands at p, 0: bytes are missing, -code: refused.
static int frame_head(struct mg_connection *c, const uint8_t *p, size_t have, frame_t *f,
    const char **why) {
    pmg_ws_t *w = &pmg_x(c)->u.ws;
    size_t n = 2, max = pmg_m(c)->limits.max_message;
    if (have < 1) {
        return 0;
    }
    f->flags = p[0];
    f->op = p[0] & 15;
    bool control = f->op >= 8;
    *why = NULL;
    if (p[0] & 0x70) {
        *why = "WebSocket frame with a reserved bit set";
    } else if (f->op > 10 || (f->op > 2 && f->op < 8)) {
        *why = "WebSocket frame with an unknown opcode";
    } else if (control && !(p[0] & FIN)) {
        *why = "fragmented WebSocket control frame";
    } else if (!control && (f->op == 0) != (w->msg_op != 0)) {
        *why = f->op == 0 ? "WebSocket continuation of nothing"
                          : "WebSocket message inside a fragmented one";
    } else if (have >= 2 && ((p[1] & 0x80) != 0) == (c->is_client != 0)) {
        *why = c->is_client ? "masked WebSocket frame from a server"
                            : "WebSocket frame that is not masked";
    } else if (have >= 2 && control && (p[1] & 127) > CONTROL_MAX) {
        *why = "WebSocket control frame over 125 bytes";
    }
    if (*why != NULL) {
        return -CLOSE_PROTOCOL;
    }
    if (have < 2) {
        return 0;
    }
    uint64_t len = p[1] & 127;
    if (len > 125) {
        size_t bytes = len == 126 ? 2 : 8;
        if (have < n + bytes) {
            return 0;
        }
        for (len = 0; bytes > 0; bytes--) {
            len = len << 8 | p[n++];
        }
        if (len < 126 || (n == 10 && len < 65536) || len >> 63) {
            *why = "WebSocket frame length in a longer form than needed";
            return -CLOSE_PROTOCOL;
        }
    }
    f->masked = p[1] >> 7;
    if (have < n + 4u * f->masked) {
        return 0;
    }
    if (f->masked) {
        memcpy(f->mask, p + n, 4);
        n += 4;
    }
    if (!control && ((max > 0 && (len > max || w->len + len > max)) || len > SIZE_MAX / 4)) {
        *why = "WebSocket message is larger than the limit max_message";
        return -CLOSE_TOO_BIG;
    }
    f->head_len = n;
    f->len = (size_t)len;
    return 1;
}

static void deliver(struct mg_connection *c, int ev, uint8_t *p, size_t len, int op) {
    pmg_ws_msg_t msg = {mg_str_n((char *)p, len), op};
    mg_call(c, ev, &msg);
}

static void control(struct mg_connection *c, uint8_t *p, const frame_t *f) {
    pmg_ws_t *w = &pmg_x(c)->u.ws;
    // A peer that pings and never reads gets no more pongs; nor without memory for one.
    if (f->op == WEBSOCKET_OP_PING && !w->close_sent && pmg_conn_send_len(c) <= PMG_PIPELINE_MAX) {
        (void)send_frame(c, p, f->len, WEBSOCKET_OP_PONG);
    }
    if (f->op == WEBSOCKET_OP_PONG && w->pinged && f->len == sizeof(ping) - 1 &&
        memcmp(p, ping, f->len) == 0) {
        return;
    }
    if (f->op != WEBSOCKET_OP_CLOSE) {
        deliver(c, MG_EV_WS_CTL, p, f->len, f->op);
        return;
    }
    if (!close_payload_ok(p, f->len)) {
        bool text = f->len >= 2 && close_code_ok((unsigned)p[0] << 8 | p[1]);
        fail(c, text ? CLOSE_DATA : CLOSE_PROTOCOL,
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

// Payload bytes of an open frame: gathers them at w->len, checks text. `*pos` moves on.
static bool gather(struct mg_connection *c, size_t *pos) {
    pmg_ws_t *w = &pmg_x(c)->u.ws;
    uint8_t *buf = c->recv.buf;
    size_t have = c->recv.len - *pos, n = have < w->frame_left ? have : w->frame_left;
    uint8_t *to = buf + w->len;
    if (to != buf + *pos) {
        memmove(to, buf + *pos, n);
    }
    if (w->masked) {
        unmask(to, n, w->mask, w->mask_pos);
        w->mask_pos += (uint32_t)n;
    }
    *pos += n;
    w->len += n;
    w->frame_left -= n;
    return w->msg_op != WEBSOCKET_OP_TEXT || pmg_utf8_feed(&w->utf8, to, n);
}

// Handles all that is buffered. What is left is: the gathered part of a message, then raw bytes.
static void process(struct mg_connection *c) {
    static const char not_utf8[] = "WebSocket text that is not UTF-8";
    pmg_ws_t *w = &pmg_x(c)->u.ws;
    pmg_mgr_t *m = pmg_m(c);
    size_t pos = w->len;
    w->heard = 1;
    while (!c->is_closing && !c->is_draining && !m->stop) {
        if (w->frame_open) {
            if (!gather(c, &pos)) {
                fail(c, CLOSE_DATA, not_utf8);
                break;
            }
            if (w->frame_left > 0) {
                break;
            }
            w->frame_open = 0;
            if (w->frame_fin) {
                int op = w->msg_op;
                size_t len = w->len;
                if (w->utf8.state != 0) {
                    fail(c, CLOSE_DATA, not_utf8);
                    break;
                }
                w->msg_op = 0;
                w->len = 0;
                if (!w->close_rcvd) {
                    deliver(c, MG_EV_WS_MSG, c->recv.buf, len, op);
                }
            }
            continue;
        }
        frame_t f;
        const char *why;
        uint8_t *p = c->recv.buf + pos;
        size_t have = c->recv.len - pos;
        int r = frame_head(c, p, have, &f, &why);
        if (r < 0) {
            fail(c, (unsigned)-r, why);
            break;
        }
        if (r == 0) {
            break;
        }
        bool whole = have - f.head_len >= f.len;
        if (f.op >= 8) {
            if (!whole) {
                break;
            }
            p += f.head_len;
            if (f.masked) {
                unmask(p, f.len, f.mask, 0);
            }
            pos += f.head_len + f.len;
            control(c, p, &f);
        } else if (whole && w->msg_op == 0 && (f.flags & FIN)) { // the common case: in place
            p += f.head_len;
            if (f.masked) {
                unmask(p, f.len, f.mask, 0);
            }
            pos += f.head_len + f.len;
            if (f.op == WEBSOCKET_OP_TEXT && !pmg_utf8_valid(p, f.len)) {
                fail(c, CLOSE_DATA, not_utf8);
                break;
            }
            deliver(c, MG_EV_WS_MSG, p, f.len, f.op);
        } else {
            if (f.op != 0) {
                w->msg_op = f.op;
                w->utf8.state = 0;
            }
            w->frame_open = 1;
            w->frame_fin = f.flags >> 7;
            w->masked = f.masked;
            w->mask_pos = 0;
            memcpy(w->mask, f.mask, sizeof(w->mask));
            w->frame_left = f.len;
            pos += f.head_len;
        }
    }
    if (c->is_closing || c->is_draining) {
        c->recv.len = 0;
        return;
    }
    size_t rest = c->recv.len - pos;
    if (pos > w->len && rest > 0) {
        memmove(c->recv.buf + w->len, c->recv.buf + pos, rest);
    }
    c->recv.len = w->len + rest;
    if (m->stop && rest > 0) {
        pmg_x(c)->reparse = 1;
    }
}

void pmg_ws_pfn(struct mg_connection *c, int ev, void *data) {
    (void)data;
    if (ev != MG_EV_READ && ev != MG_EV_POLL) {
        return;
    }
    if (pmg_x(c)->u.ws.handshake && (c->recv.len == 0 || !pmg_ws_read_handshake(c))) {
        return;
    }
    if (c->recv.len > pmg_x(c)->u.ws.len) {
        process(c);
    }
}
