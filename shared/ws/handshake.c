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

// Answers to what is no handshake; pmg_head_t.refused is one of them.
enum { NO_UPGRADE = 1, OTHER_VERSION, BAD_HANDSHAKE };

int pmg_ws_upgrade_refuse(pmg_head_t *h) {
    static const struct {
        int status;
        const char *name, *value, *text;
    } answers[] = {
        [NO_UPGRADE] = {426, "Upgrade", "websocket", "WebSocket handshake expected\n"},
        [OTHER_VERSION] = {426, "Sec-WebSocket-Version", "13", "WebSocket version 13 expected\n"},
        [BAD_HANDSHAKE] = {400, NULL, NULL, "Bad WebSocket handshake\n"},
    };
    int why = h->refused;
    if (why < 0) {
        return why;
    }
    int err = pmg_reply_begin(h, h->c, answers[why].status);
    if (err == 0 && answers[why].name != NULL) {
        err = pmg_head_text(h, answers[why].name, answers[why].value);
    }
    return err == 0 ? pmg_reply_end(h, mg_str(answers[why].text)) : err;
}

int pmg_ws_upgrade_begin(pmg_head_t *h, struct mg_connection *c, const pmg_http_msg_t *hm) {
    // The checks of a reply serve here, too.
    int err = pmg_reply_begin(h, c, 200);
    if (err < 0 || h->refused != 0) {
        return err;
    }
    pmg_head_abort(h);
    if (pmg_http_of(c)->sink != PMG_HTTP_BODY_GATHER) {
        return pmg_fail(pmg_m(c), -EINVAL, "a request whose body is streamed is no handshake");
    }
    struct mg_str key = pmg_http_header(hm, mg_str("Sec-WebSocket-Key"));
    struct mg_str version = pmg_http_header(hm, mg_str("Sec-WebSocket-Version"));
    if (!pmg_http_header_has(hm, "upgrade", "websocket") ||
        !pmg_http_header_has(hm, "connection", "upgrade")) {
        return pmg_head_refused(h, c, NO_UPGRADE);
    }
    if (!pmg_str_is(version, "13")) {
        return pmg_head_refused(h, c, OTHER_VERSION);
    }
    char decoded[32];
    // In MG_EV_HTTP_HDRS the body is still to come: it must not be read as frames.
    bool body = hm->body.len > 0 || pmg_http_of(c)->left > 0 ||
                (pmg_http_in_head(c) && pmg_http_of(c)->state != PMG_HTTP_LENGTH);
    if (!pmg_str_is(hm->method, "GET") || pmg_http_of(c)->http10 || body || key.len != KEY_LEN ||
        pmg_base64_decode(key, decoded) != 16) {
        return pmg_head_refused(h, c, BAD_HANDSHAKE);
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

pmg_ws_words_t *pmg_ws_words(struct mg_connection *c) {
    pmg_ws_t *w = pmg_ws_of(c);
    if (w->words == NULL && (w->words = pmg_alloc(sizeof(*w->words))) != NULL) {
        memset(w->words, 0, sizeof(*w->words));
    }
    return w->words;
}

void pmg_ws_words_free(struct mg_connection *c) {
    pmg_ws_words_t *words = pmg_ws_of(c)->words;
    if (words != NULL) {
        pmg_free(words->target);
        pmg_free(words->auth);
        pmg_free(words->headers);
        pmg_free(words->protocols);
        pmg_free(words->protocol);
        pmg_free(words);
    }
    pmg_ws_of(c)->words = NULL;
}

// ---------------------------------------------------------------------------------------------
// The server's

static const char protocol_name[] = "Sec-WebSocket-Protocol";

// The value of the line that begins at `p` if it has this name; *next: the line after it.
static struct mg_str line_value(const char *p, const char *end, const char *name,
    const char **next) {
    size_t n = strlen(name);
    const char *eol = memchr(p, '\n', (size_t)(end - p));
    *next = eol != NULL ? eol + 1 : end;
    if ((size_t)(*next - p) < n + 2 || p[n] != ':' ||
        mg_strcasecmp(mg_str_n((char *)(size_t)p, n), mg_str(name)) != 0) {
        return mg_str_n(NULL, 0);
    }
    for (p += n + 1; *p == ' '; p++) {}
    return mg_str_n((char *)(size_t)p, (size_t)(*next - p) - 2);
}

int pmg_ws_upgrade_protocol(pmg_head_t *h, struct mg_str name) {
    if (!pmg_http_is_token(name)) {
        return pmg_fail(pmg_m(h->c), -EINVAL, "a subprotocol is a token, such as mqtt or chat.v2");
    }
    if (h->refused != 0) {
        return 0;
    }
    for (int i = 0; i < h->hm->num_headers; i++) {
        const pmg_header_t *offer = &h->hm->headers[i];
        if (mg_strcasecmp(offer->name, mg_str(protocol_name)) == 0 &&
            pmg_http_list_has_exactly(offer->value, name)) {
            return pmg_head_header(h, mg_str(protocol_name), name);
        }
    }
    return 0; // it speaks what was not offered: without a subprotocol, then (section 4.2.2)
}

// What the head that is queued says of it. False: no memory, or said twice.
static int find_protocol(pmg_head_t *h, char **out) {
    struct mg_connection *c = h->c;
    const char *p = (char *)c->send.buf + pmg_x(c)->send_off + h->start;
    const char *end = (char *)c->send.buf + c->send.len;
    *out = NULL;
    while (p < end) {
        struct mg_str value = line_value(p, end, protocol_name, &p);
        if (value.buf == NULL) {
            continue;
        }
        if (*out != NULL) {
            pmg_free(*out);
            return pmg_fail(pmg_m(c), -EINVAL, "%s must come once", protocol_name);
        }
        *out = pmg_strndup(value.buf, value.len);
        if (*out == NULL) {
            return pmg_fail(pmg_m(c), -ENOMEM, "no memory for the handshake");
        }
    }
    return 0;
}

static bool put_end(pmg_head_t *h) {
    const char *date = h->seen & PMG_HEAD_SEEN_DATE ? NULL : pmg_http_date(pmg_m(h->c));
    return (date == NULL || pmg_out(h->c, date, PMG_DATE_LEN)) && pmg_out(h->c, "\r\n", 2);
}

int pmg_ws_upgrade_finish(pmg_head_t *h, char **protocol) {
    int err = find_protocol(h, protocol);
    if (err == 0 && !put_end(h)) {
        pmg_free(*protocol);
        err = pmg_fail(pmg_m(h->c), -ENOMEM, "no memory for the handshake");
    }
    if (err < 0) {
        pmg_head_abort(h);
    }
    return err;
}

// ---------------------------------------------------------------------------------------------
// The client's

// The subprotocols as a list. Each a token, and none twice (section 4.1).
static int take_protocols(struct mg_connection *c, const pmg_ws_ask_t *ask) {
    struct mg_iobuf *b = &c->send;
    for (size_t i = 0; i < ask->num_protocols; i++) {
        struct mg_str name = ask->protocols[i], before = mg_str_n((char *)b->buf, b->len);
        if (!pmg_http_is_token(name)) {
            return pmg_fail(pmg_m(c), -EINVAL, "a subprotocol is a token, such as mqtt or chat.v2");
        }
        if (pmg_http_list_has_exactly(before, name)) {
            return pmg_fail(pmg_m(c), -EINVAL, "the subprotocol %.*s is there twice",
                (int)(name.len < 60 ? name.len : 60), name.buf);
        }
        if (!pmg_out(c, ", ", i > 0 ? 2 : 0) || !pmg_out(c, name.buf, name.len)) {
            return -ENOMEM;
        }
    }
    pmg_ws_of(c)->words->protocols = pmg_strndup((char *)b->buf, b->len);
    b->len = 0;
    return pmg_ws_of(c)->words->protocols != NULL ? 0 : -ENOMEM;
}

static int take_headers(struct mg_connection *c, const pmg_ws_ask_t *ask) {
    pmg_head_t h;
    memset(&h, 0, sizeof(h));
    h.c = c;
    h.kind = PMG_HEAD_HANDSHAKE;
    int err = ask->headers(&h, ask->arg);
    if (err < 0) {
        return err;
    }
    pmg_ws_words_t *words = pmg_ws_of(c)->words;
    words->own_host = (h.seen & PMG_HEAD_SEEN_HOST) != 0;
    words->own_auth = (h.seen & PMG_HEAD_SEEN_AUTH) != 0;
    words->headers = pmg_strndup((char *)c->send.buf, c->send.len);
    c->send.len = 0;
    return words->headers != NULL ? 0 : -ENOMEM;
}

int pmg_ws_start(struct mg_connection *c, const pmg_opening_t *o) {
    const pmg_ws_ask_t *ask = o->state;
    pmg_ws_words_t *words = pmg_ws_words(c);
    pmg_ws_of(c)->handshake = PMG_WS_CONNECTING;
    if (words == NULL || (words->target = pmg_strndup(o->target.buf, o->target.len)) == NULL) {
        return -ENOMEM;
    }
    int err = 0;
    if (ask == NULL) {
        return 0;
    }
    if (ask->num_protocols > 0) {
        err = take_protocols(c, ask);
    }
    if (err == 0 && ask->headers != NULL) {
        err = take_headers(c, ask);
    }
    return err;
}

// What is beyond ASCII is percent-encoded, as in a browser.
static bool put_target(struct mg_connection *c, const char *target) {
    static const char hex[] = "0123456789ABCDEF";
    bool ok = pmg_http_out_str(c, target[0] == '/' ? "GET " : "GET /");
    while (ok && *target != '\0') {
        size_t n = 0;
        while (target[n] != '\0' && !(target[n] & 0x80)) {
            n++;
        }
        ok = pmg_out(c, target, n);
        for (target += n; ok && (*target & 0x80); target++) {
            char code[3] = {'%', hex[(uint8_t)*target >> 4], hex[*target & 15]};
            ok = pmg_out(c, code, 3);
        }
    }
    return ok;
}

static bool put_line(struct mg_connection *c, const char *name, const char *value) {
    return pmg_http_out_str(c, name) && pmg_http_out_str(c, value) && pmg_out(c, "\r\n", 2);
}

static bool put_request(struct mg_connection *c, const char *key) {
    pmg_conn_t *x = pmg_x(c);
    const pmg_ws_words_t *words = pmg_ws_of(c)->words;
    bool ok = put_target(c, words->target) && pmg_http_out_str(c, " HTTP/1.1\r\n");
    if (!words->own_host) {
        ok = ok && put_line(c, "Host: ", x->is_unix ? "localhost" : x->host);
    }
    ok = ok && pmg_http_out_str(c, "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                   "Sec-WebSocket-Version: 13\r\n");
    ok = ok && put_line(c, "Sec-WebSocket-Key: ", key);
    if (words->protocols != NULL) {
        ok = ok && put_line(c, "Sec-WebSocket-Protocol: ", words->protocols);
    }
    if (words->headers != NULL) {
        ok = ok && pmg_http_out_str(c, words->headers);
    }
    if (words->auth != NULL && !words->own_auth) {
        ok = ok && pmg_http_out_str(c, words->auth);
    }
    return ok && pmg_out(c, "\r\n", 2);
}

static void ask_late(struct mg_connection *c) {
    pmg_fatal(c, "connect timed out");
}

void pmg_ws_ask(struct mg_connection *c) {
    pmg_ws_t *w = pmg_ws_of(c);
    uint8_t nonce[16];
    char key[KEY_LEN + 1] = "";
    w->handshake = PMG_WS_ASKED;
    const char *why = PMG_NO_RANDOM;
    if (pmg_random(pmg_m(c), nonce, sizeof(nonce))) {
        pmg_base64_encode(mg_str_n((char *)nonce, sizeof(nonce)), key);
        accept_key(mg_str_n(key, KEY_LEN), w->words->accept);
        why = put_request(c, key) ? NULL : "no memory for the WebSocket handshake";
    }
    pmg_free(w->words->auth);
    pmg_free(w->words->headers);
    pmg_free(w->words->target);
    w->words->auth = w->words->headers = w->words->target = NULL;
    pmg_deadline(c, ask_late, pmg_m(c)->limits.connect_timeout);
    if (why != NULL) {
        pmg_fatal(c, why);
    }
}

// Is it one that we offered? Then that is agreed on.
static bool agree(struct mg_connection *c, const pmg_http_msg_t *hm) {
    pmg_ws_words_t *words = pmg_ws_of(c)->words;
    struct mg_str name = pmg_http_header(hm, mg_str(protocol_name));
    if (name.buf == NULL) {
        return true;
    }
    if (words->protocols == NULL || !pmg_http_is_token(name) ||
        pmg_http_header_joined(hm, mg_str(protocol_name), NULL) > 0 ||
        !pmg_http_list_has_exactly(mg_str(words->protocols), name)) {
        return false;
    }
    words->protocol = pmg_strndup(name.buf, name.len);
    return words->protocol != NULL;
}

static bool fits(struct mg_connection *c, const pmg_http_msg_t *hm) {
    struct mg_str accept = pmg_http_header(hm, mg_str("Sec-WebSocket-Accept"));
    return pmg_http_header_has(hm, "upgrade", "websocket") &&
           pmg_http_header_has(hm, "connection", "upgrade") && accept.len == 28 &&
           memcmp(accept.buf, pmg_ws_of(c)->words->accept, 28) == 0 &&
           pmg_http_header(hm, mg_str("Sec-WebSocket-Extensions")).buf == NULL && agree(c, hm);
}

static void took(struct mg_connection *c, size_t n) {
    c->recv.len -= n;
    memmove(c->recv.buf, c->recv.buf + n, c->recv.len);
}

bool pmg_ws_read_handshake(struct mg_connection *c,
    void (*is_open)(struct mg_connection *c, const pmg_http_msg_t *hm)) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_ws_t *w = pmg_ws_of(c); // its len: bytes that hold no end of a head
    pmg_header_t headers[PMG_MAX_HEADERS];
    pmg_http_msg_t hm;
    pmg_http_framing_t f;
    char text[80];
    for (;;) {
        const char *p = (const char *)c->recv.buf;
        size_t n = c->recv.len > 0 ? pmg_http_head_length(p, c->recv.len, w->len) : 0;
        w->len = n == 0 ? c->recv.len : 0;
        if (pmg_http_over(n > 0 ? n : c->recv.len, m->limits.max_head)) {
            pmg_fatal(c, "WebSocket handshake failed: the answer's head is larger than the limit "
                         "max_head");
            return false;
        }
        if (n == 0) {
            return false;
        }
        int refuse = pmg_http_parse_head(p, n, true, &hm, headers, PMG_MAX_HEADERS, &f);
        if (refuse == 431) {
            pmg_snprintf(text, sizeof(text),
                "WebSocket handshake failed: the answer has more than %d headers", PMG_MAX_HEADERS);
            pmg_fatal(c, text);
            return false;
        }
        if (refuse != 0 && (refuse != 501 || hm.status == 101)) { // its body counts for nothing
            pmg_fatal(c, "WebSocket handshake failed: invalid HTTP response");
            return false;
        }
        if (hm.status < 200 && hm.status != 101) { // interim: Continue, Early Hints
            took(c, n);
            continue;
        }
        if (hm.status != 101) {
            pmg_snprintf(text, sizeof(text), "WebSocket handshake failed: the server answered %d",
                hm.status);
            pmg_fatal(c, text);
            return false;
        }
        if (!fits(c, &hm)) {
            pmg_fatal(c, "WebSocket handshake failed: the answer does not fit the request");
            return false;
        }
        is_open(c, &hm);
        took(c, n);
        return true;
    }
}
