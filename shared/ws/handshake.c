// SPDX-License-Identifier: GPL-2.0-only
//
// WebSocket handshakes (RFC 6455, section 4): a server's answer, a client's request.

#include "ws_int.h"

#define KEY_LEN 24 // 16 bytes in Base64

static void accept_key(struct mg_str key, char out[29]) {
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; // section 1.3
    uint8_t digest[20];
    char text[KEY_LEN + sizeof(guid)];
    memcpy(text, key.buf, KEY_LEN);
    memcpy(text + KEY_LEN, guid, sizeof(guid));
    pmg_sha1(mg_str_n(text, KEY_LEN + sizeof(guid) - 1), digest);
    pmg_base64_encode(mg_str_n((char *)digest, sizeof(digest)), out);
    out[28] = '\0';
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
    if (pmg_http_of(c)->sink != PMG_HTTP_BODY_GATHER) {
        return pmg_fail(pmg_m(c), -EINVAL, "a request whose body is streamed is no handshake");
    }
    struct mg_str key = pmg_http_header(hm, mg_str("Sec-WebSocket-Key"));
    struct mg_str version = pmg_http_header(hm, mg_str("Sec-WebSocket-Version"));
    struct mg_str upgrade = pmg_http_header(hm, mg_str("Upgrade"));
    struct mg_str connection = pmg_http_header(hm, mg_str("Connection"));
    if (!pmg_http_list_has(upgrade, "websocket") || !pmg_http_list_has(connection, "upgrade")) {
        return refuse_upgrade(h, 426, "Upgrade", "websocket", "WebSocket handshake expected\n");
    }
    if (!pmg_str_is(version, "13")) {
        return refuse_upgrade(h, 426, "Sec-WebSocket-Version", "13",
            "WebSocket version 13 expected\n");
    }
    char decoded[32];
    // In MG_EV_HTTP_HDRS the body is still to come: it must not be read as frames.
    bool body = hm->body.len > 0 || pmg_http_of(c)->left > 0 ||
                (pmg_http_in_head(c) && pmg_http_of(c)->state != PMG_HTTP_LENGTH);
    if (!pmg_str_is(hm->method, "GET") || pmg_http_of(c)->http10 || body || key.len != KEY_LEN ||
        pmg_base64_decode(key, decoded) != 16) {
        return refuse_upgrade(h, 400, NULL, NULL, "Bad WebSocket handshake\n");
    }
    char accept[29];
    accept_key(key, accept);
    h->kind = PMG_HEAD_UPGRADE;
    h->hm = hm;
    h->seen = 0;
    if (!pmg_http_out_str(c,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
            "Upgrade\r\nSec-WebSocket-Accept: ") ||
        !pmg_out(c, accept, 28) || !pmg_out(c, "\r\n", 2)) {
        pmg_head_abort(h);
        return pmg_fail(pmg_m(c), -ENOMEM, "no memory for the handshake");
    }
    return 0;
}

int pmg_ws_start(struct mg_connection *c, const pmg_opening_t *o) {
    pmg_ws_t *w = pmg_ws_of(c);
    w->u.ask.target = pmg_strndup(o->target.buf, o->target.len);
    w->handshake = PMG_WS_CONNECTING;
    return w->u.ask.target != NULL ? 0 : -ENOMEM;
}

static bool put_request(struct mg_connection *c, const char *target, const char *auth,
    const char *key) {
    pmg_conn_t *x = pmg_x(c);
    return pmg_http_out_str(c, target[0] == '/' ? "GET " : "GET /") &&
           pmg_http_out_str(c, target) && pmg_http_out_str(c, " HTTP/1.1\r\nHost: ") &&
           pmg_http_out_str(c, x->is_unix ? "localhost" : x->host) &&
           pmg_http_out_str(c,
               "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: ") &&
           pmg_http_out_str(c, key) && pmg_http_out_str(c, "\r\n") &&
           pmg_http_out_str(c, auth != NULL ? auth : "") && pmg_http_out_str(c, "\r\n");
}

static void ask_late(struct mg_connection *c) {
    pmg_fatal(c, "connect timed out");
}

void pmg_ws_ask(struct mg_connection *c) {
    pmg_ws_t *w = pmg_ws_of(c);
    uint8_t nonce[16];
    char key[KEY_LEN + 1] = "", *target = w->u.ask.target, *auth = w->u.ask.auth;
    w->handshake = PMG_WS_ASKED;
    const char *why = PMG_NO_RANDOM;
    if (pmg_random(pmg_m(c), nonce, sizeof(nonce))) {
        pmg_base64_encode(mg_str_n((char *)nonce, sizeof(nonce)), key);
        accept_key(mg_str_n(key, KEY_LEN), w->u.accept);
        why = put_request(c, target, auth, key) ? NULL : "no memory for the WebSocket handshake";
    }
    pmg_free(target);
    pmg_free(auth);
    pmg_deadline(c, ask_late, pmg_m(c)->limits.connect_timeout);
    if (why != NULL) {
        pmg_fatal(c, why);
    }
}

bool pmg_ws_read_handshake(struct mg_connection *c,
    void (*is_open)(struct mg_connection *c, const pmg_http_msg_t *hm)) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_ws_t *w = pmg_ws_of(c);
    const char *p = (const char *)c->recv.buf, *end = NULL;
    for (size_t i = w->len > 3 ? w->len : 3; i < c->recv.len && end == NULL; i++) {
        if (memcmp(p + i - 3, "\r\n\r\n", 4) == 0) {
            end = p + i + 1;
        }
    }
    w->len = end == NULL ? c->recv.len : 0; // so far there is no end
    if (end == NULL) {
        if (m->limits.max_head > 0 && c->recv.len > m->limits.max_head) {
            pmg_fatal(c, "WebSocket handshake failed: no end of the answer's head");
        }
        return false;
    }
    pmg_header_t headers[PMG_MAX_HEADERS];
    pmg_http_msg_t hm;
    pmg_http_framing_t f;
    char text[80];
    if (pmg_http_parse_head(p, (size_t)(end - p), true, &hm, headers, PMG_MAX_HEADERS, &f) != 0) {
        pmg_fatal(c, "WebSocket handshake failed: invalid HTTP response");
        return false;
    }
    struct mg_str accept = pmg_http_header(&hm, mg_str("Sec-WebSocket-Accept"));
    if (hm.status != 101) {
        pmg_snprintf(text, sizeof(text), "WebSocket handshake failed: the server answered %d",
            hm.status);
        pmg_fatal(c, text);
        return false;
    }
    if (!pmg_http_list_has(pmg_http_header(&hm, mg_str("Upgrade")), "websocket") ||
        !pmg_http_list_has(pmg_http_header(&hm, mg_str("Connection")), "upgrade") ||
        accept.len != 28 || memcmp(accept.buf, w->u.accept, 28) != 0 ||
        pmg_http_header(&hm, mg_str("Sec-WebSocket-Extensions")).buf != NULL ||
        pmg_http_header(&hm, mg_str("Sec-WebSocket-Protocol")).buf != NULL) { // we asked for none
        pmg_fatal(c, "WebSocket handshake failed: the answer does not fit the request");
        return false;
    }
    is_open(c, &hm);
    size_t n = (size_t)(end - p);
    c->recv.len -= n;
    memmove(c->recv.buf, c->recv.buf + n, c->recv.len);
    return true;
}
