// SPDX-License-Identifier: GPL-2.0-only
//
// WebSocket frames (RFC 6455), strictly. Python sees whole messages and valid text. Of a message in
// one frame the payload is handed on where it was received; of fragments it is gathered at the
// start of the receive buffer, and text is checked as it arrives.

#include "pmg_int.h"

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

static bool send_frame(struct mg_connection *c, const void *buf, size_t len, int op) {
    uint8_t head[14];
    size_t n = 2;
    uint8_t mask_bit = c->is_client ? 0x80 : 0;
    head[0] = (uint8_t)(FIN | op);
    if (len < 126) {
        head[1] = (uint8_t)(mask_bit | len);
    } else if (len < 65536) {
        head[1] = mask_bit | 126;
        head[n++] = (uint8_t)(len >> 8);
        head[n++] = (uint8_t)len;
    } else {
        head[1] = mask_bit | 127;
        for (int shift = 56; shift >= 0; shift -= 8) {
            head[n++] = (uint8_t)((uint64_t)len >> shift);
        }
    }
    if (c->is_client) {
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
    if (f->op == WEBSOCKET_OP_PING && !w->close_sent) {
        (void)send_frame(c, p, f->len,
            WEBSOCKET_OP_PONG); // without memory for it the ping goes unanswered
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

// ---------------------------------------------------------------------------------------------
// Opening

static void accept_key(struct mg_str key, char out[29]) {
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; // section 1.3
    unsigned char digest[20];
    char text[32];
    mg_sha1_ctx ctx;
    mg_sha1_init(&ctx);
    mg_sha1_update(&ctx, (const unsigned char *)key.buf, key.len);
    mg_sha1_update(&ctx, (const unsigned char *)guid, sizeof(guid) - 1);
    mg_sha1_final(digest, &ctx);
    mg_base64_encode(digest, sizeof(digest), text, sizeof(text));
    memcpy(out, text, 28);
    out[28] = '\0';
}

void pmg_ws_start(struct mg_connection *c, bool client) {
    pmg_conn_t *x = pmg_x(c);
    x->proto = PMG_WS;
    c->pfn = pmg_ws_pfn;
    memset(&x->u.ws, 0, sizeof(x->u.ws));
    x->u.ws.handshake = client;
    if (!client) {
        c->is_websocket = 1;
        c->is_resp = 0;
        pmg_deadline(c, PMG_DL_NONE, 0);
    }
}

static int refuse_upgrade(pmg_head_t *h, int status, const char *name, const char *value,
    const char *text) {
    int err = pmg_reply_begin(h, h->c, status);
    if (err == 0 && name != NULL) {
        err = pmg_head_header(h, mg_str(name), mg_str(value));
    }
    if (err == 0) {
        err = pmg_reply_end(h, mg_str(text));
    }
    h->c = NULL; // tells pmg_ws_upgrade_end and pmg_head_header that all is said
    return err;
}

int pmg_ws_upgrade_begin(pmg_head_t *h, struct mg_connection *c, const pmg_http_msg_t *hm) {
    // The checks of a reply serve here, too.
    int err = pmg_reply_begin(h, c, 200);
    if (err < 0) {
        return err;
    }
    pmg_head_abort(h);
    if (pmg_x(c)->u.http.sink != PMG_BODY_GATHER) {
        return pmg_fail(pmg_m(c), -EINVAL, "a request whose body is streamed is no handshake");
    }
    struct mg_str key = pmg_http_header(hm, mg_str("Sec-WebSocket-Key"));
    struct mg_str version = pmg_http_header(hm, mg_str("Sec-WebSocket-Version"));
    struct mg_str upgrade = pmg_http_header(hm, mg_str("Upgrade"));
    struct mg_str connection = pmg_http_header(hm, mg_str("Connection"));
    if (!pmg_list_has(upgrade, "websocket") || !pmg_list_has(connection, "upgrade")) {
        return refuse_upgrade(h, 426, "Upgrade", "websocket", "WebSocket handshake expected\n");
    }
    if (version.len != 2 || memcmp(version.buf, "13", 2) != 0) {
        return refuse_upgrade(h, 426, "Sec-WebSocket-Version", "13",
            "WebSocket version 13 expected\n");
    }
    char decoded[32];
    if (hm->method.len != 3 || memcmp(hm->method.buf, "GET", 3) != 0 || pmg_x(c)->u.http.http10 ||
        hm->body.len > 0 || key.len != 24 ||
        mg_base64_decode(key.buf, key.len, decoded, sizeof(decoded)) != 16) {
        return refuse_upgrade(h, 400, NULL, NULL, "Bad WebSocket handshake\n");
    }
    char accept[29];
    accept_key(key, accept);
    h->kind = PMG_HEAD_UPGRADE;
    h->hm = hm;
    h->seen = 0;
    if (!pmg_out_str(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
                        "Upgrade\r\nSec-WebSocket-Accept: ") ||
        !pmg_out(c, accept, 28) || !pmg_out(c, "\r\n", 2)) {
        pmg_head_abort(h);
        return pmg_fail(pmg_m(c), -ENOMEM, "no memory for the handshake");
    }
    return 0;
}

int pmg_ws_upgrade_end(pmg_head_t *h) {
    struct mg_connection *c = h->c;
    if (c == NULL) {
        return 0; // the client was refused
    }
    if (!pmg_out(c, "\r\n", 2)) {
        pmg_head_abort(h);
        return pmg_fail(pmg_m(c), -ENOMEM, "no memory for the handshake");
    }
    pmg_work(c);
    pmg_ws_start(c, false);
    mg_call(c, MG_EV_WS_OPEN, (void *)(size_t)h->hm);
    return 0;
}

int pmg_ws_request(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    uint8_t nonce[16];
    char key[32];
    pmg_ws_start(c, true);
    if (!pmg_port_random(nonce, sizeof(nonce))) {
        return -EIO;
    }
    mg_base64_encode(nonce, sizeof(nonce), key, sizeof(key));
    accept_key(mg_str(key), x->u.ws.accept);
    bool path = x->target[0] == '/';
    bool ok = pmg_out_str(c, path ? "GET " : "GET /") && pmg_out_str(c, x->target) &&
              pmg_out_str(c, " HTTP/1.1\r\nHost: ") &&
              pmg_out_str(c, x->is_unix ? "localhost" : x->host) &&
              pmg_out_str(c,
                  "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Key: ") &&
              pmg_out_str(c, key) && pmg_out_str(c, "\r\n") &&
              pmg_out_str(c, x->auth != NULL ? x->auth : "") && pmg_out_str(c, "\r\n");
    pmg_free(x->auth);
    x->auth = NULL;
    pmg_deadline(c, PMG_DL_CONNECT, pmg_m(c)->limits.connect_timeout);
    return ok ? 0 : -ENOMEM;
}

// The server's answer to our handshake. 1: open; 0: not here yet, or refused.
static int read_handshake(struct mg_connection *c) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_ws_t *w = &pmg_x(c)->u.ws;
    const char *p = (const char *)c->recv.buf, *end = NULL;
    for (size_t i = 3; i < c->recv.len && end == NULL; i++) {
        if (memcmp(p + i - 3, "\r\n\r\n", 4) == 0) {
            end = p + i + 1;
        }
    }
    if (end == NULL) {
        if (m->limits.max_head > 0 && c->recv.len > m->limits.max_head) {
            pmg_fatal(c, "WebSocket handshake failed: no end of the answer's head");
        }
        return 0;
    }
    pmg_header_t headers[PMG_MAX_HEADERS];
    pmg_http_msg_t hm;
    pmg_framing_t f;
    char text[80];
    if (pmg_http_parse_head(p, (size_t)(end - p), true, &hm, headers, PMG_MAX_HEADERS, &f) != 0) {
        pmg_fatal(c, "WebSocket handshake failed: invalid HTTP response");
        return 0;
    }
    struct mg_str accept = pmg_http_header(&hm, mg_str("Sec-WebSocket-Accept"));
    if (hm.status != 101) {
        mg_snprintf(text, sizeof(text), "WebSocket handshake failed: the server answered %d",
            hm.status);
        pmg_fatal(c, text);
        return 0;
    }
    if (!pmg_list_has(pmg_http_header(&hm, mg_str("Upgrade")), "websocket") ||
        !pmg_list_has(pmg_http_header(&hm, mg_str("Connection")), "upgrade") || accept.len != 28 ||
        memcmp(accept.buf, w->accept, 28) != 0 ||
        pmg_http_header(&hm, mg_str("Sec-WebSocket-Extensions")).buf != NULL ||
        pmg_http_header(&hm, mg_str("Sec-WebSocket-Protocol")).buf != NULL) { // we asked for none
        pmg_fatal(c, "WebSocket handshake failed: the answer does not fit the request");
        return 0;
    }
    w->handshake = 0;
    c->is_websocket = 1;
    pmg_deadline(c, PMG_DL_NONE, 0);
    mg_call(c, MG_EV_WS_OPEN, &hm);
    size_t n = (size_t)(end - p);
    c->recv.len -= n;
    memmove(c->recv.buf, c->recv.buf + n, c->recv.len);
    return 1;
}

void pmg_ws_pfn(struct mg_connection *c, int ev, void *data) {
    (void)data;
    if (ev != MG_EV_READ && ev != MG_EV_POLL) {
        return;
    }
    if (pmg_x(c)->u.ws.handshake && (c->recv.len == 0 || !read_handshake(c))) {
        return;
    }
    if (c->recv.len > pmg_x(c)->u.ws.len) {
        process(c);
    }
}
