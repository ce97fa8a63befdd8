// SPDX-License-Identifier: GPL-2.0-only
//
// What an HTTP server sends: heads, bodies by length, chunks, event streams. A head is written
// straight into the send buffer and taken back whole if anything about it is wrong.

#include "../base/record.h"

bool pmg_out_str(struct mg_connection *c, const char *s) {
    return pmg_out(c, s, strlen(s));
}

bool pmg_out_num(struct mg_connection *c, uint64_t n) {
    char buf[20];
    size_t i = sizeof(buf);
    do {
        buf[--i] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    return pmg_out(c, buf + i, sizeof(buf) - i);
}

const char *pmg_http_reason(int status) {
    static const struct {
        short status;
        const char *text;
    } reasons[] = {
        {200, "OK"},
        {100, "Continue"},
        {101, "Switching Protocols"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {418, "I'm a teapot"},
        {422, "Unprocessable Content"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == status) {
            return reasons[i].text;
        }
    }
    return "";
}

static bool status_line(struct mg_connection *c, int status) {
    if (status == 200) {
        return pmg_out(c, "HTTP/1.1 200 OK\r\n", 17);
    }
    return pmg_out(c, "HTTP/1.1 ", 9) && pmg_out_num(c, (uint64_t)status) && pmg_out(c, " ", 1) &&
           pmg_out_str(c, pmg_http_reason(status)) && pmg_out(c, "\r\n", 2);
}

static int no_memory(struct mg_connection *c) {
    return pmg_fail(pmg_m(c), -ENOMEM, "no memory for the reply");
}

// May this connection answer an HTTP request now?
static int can_reply(struct mg_connection *c) {
    pmg_mgr_t *m = pmg_m(c);
    if (c->pfn != pmg_http_pfn || c->is_client || c->is_listening) {
        return pmg_fail(m, -EINVAL,
            "this connection does not answer HTTP requests: reply() is for accepted "
            "connections of an http:// listener");
    }
    int err = pmg_can_send(c);
    if (err < 0) {
        return err;
    }
    if (!c->is_resp || pmg_x(c)->u.http.resp_started) {
        return pmg_fail(m, -EALREADY,
            c->is_resp ? "a reply to this request was started already"
                       : "no request waits for a reply: each is answered once");
    }
    return 0;
}

int pmg_reply_begin(pmg_head_t *h, struct mg_connection *c, int status) {
    if (status < 200 || status > 999) {
        return pmg_fail(pmg_m(c), -EINVAL, "status must be from 200 to 999, not %d", status);
    }
    int err = can_reply(c);
    if (err < 0) {
        return err;
    }
    memset(h, 0, sizeof(*h));
    h->c = c;
    h->kind = PMG_HEAD_REPLY;
    h->status = status;
    h->start = pmg_conn_send_len(c);
    if (!status_line(c, status)) {
        pmg_head_abort(h);
        return no_memory(c);
    }
    return 0;
}

void pmg_head_abort(pmg_head_t *h) {
    if (h->c == NULL) {
        return;
    }
    h->c->send.len = pmg_x(h->c)->send_off + h->start;
}

static bool digits(struct mg_str s, size_t *out) {
    *out = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.buf[i] < '0' || s.buf[i] > '9' || *out > SIZE_MAX / 20) {
            return false;
        }
        *out = *out * 10 + (size_t)(s.buf[i] - '0');
    }
    return s.len > 0;
}

int pmg_head_header(pmg_head_t *h, struct mg_str name, struct mg_str value) {
    struct mg_connection *c = h->c;
    if (c == NULL) { // a handshake that was refused
        return 0;
    }
    pmg_mgr_t *m = pmg_m(c);
    if (!pmg_is_token(name)) {
        return pmg_fail(m, -EINVAL, "header name \"%.*s\" has characters that a name cannot have",
            (int)(name.len < 60 ? name.len : 60), name.buf);
    }
    if (!pmg_is_field_value(value)) {
        return pmg_fail(m, -EINVAL,
            "header %.*s: the value holds CR, LF, NUL or another control character",
            (int)(name.len < 60 ? name.len : 60), name.buf);
    }
    if (pmg_str_ieq(name, "content-type")) {
        h->seen |= PMG_SEEN_TYPE;
        if (value.len >= 17 &&
            mg_strcasecmp(mg_str_n(value.buf, 17), mg_str("text/event-stream")) == 0) {
            h->seen |= PMG_SEEN_STREAM;
        }
    } else if (pmg_str_ieq(name, "content-length")) {
        if ((h->seen & (PMG_SEEN_LENGTH | PMG_SEEN_CHUNKED)) ||
            !digits(value, &h->content_length)) {
            return pmg_fail(m, -EINVAL,
                "Content-Length must be one number, and not beside Transfer-Encoding");
        }
        h->seen |= PMG_SEEN_LENGTH;
        return 0; // written by pmg_reply_end, where the body is known
    } else if (pmg_str_ieq(name, "transfer-encoding")) {
        if (!pmg_str_ieq(value, "chunked") || (h->seen & (PMG_SEEN_LENGTH | PMG_SEEN_CHUNKED)) ||
            h->kind == PMG_HEAD_UPGRADE || h->kind == PMG_HEAD_FILE) {
            return pmg_fail(m, -EINVAL,
                "Transfer-Encoding: only chunked is known, once, and not beside Content-Length");
        }
        h->seen |= PMG_SEEN_CHUNKED;
        return 0;
    } else if (pmg_str_ieq(name, "connection")) {
        if (h->kind == PMG_HEAD_UPGRADE) {
            return pmg_fail(m, -EINVAL, "Connection is set by the upgrade itself");
        }
        if (pmg_list_has(value, "close")) {
            h->seen |= PMG_SEEN_CLOSE;
            return 0;
        }
    } else if (h->kind == PMG_HEAD_REQUEST && pmg_str_ieq(name, "host")) {
        if (h->seen & PMG_SEEN_HOST) {
            return pmg_fail(m, -EINVAL, "Host must come once");
        }
        h->seen |= PMG_SEEN_HOST;
    } else if (h->kind == PMG_HEAD_REQUEST && pmg_str_ieq(name, "authorization")) {
        h->seen |= PMG_SEEN_AUTH;
    }
    if (!pmg_out(c, name.buf, name.len) || !pmg_out(c, ": ", 2) ||
        !pmg_out(c, value.buf, value.len) || !pmg_out(c, "\r\n", 2)) {
        return no_memory(c);
    }
    return 0;
}

bool pmg_out_chunk(struct mg_connection *c, const void *buf, size_t len) {
    static const char hex[] = "0123456789abcdef";
    char size[18];
    size_t i = sizeof(size), n = len;
    size[--i] = '\n';
    size[--i] = '\r';
    do {
        size[--i] = hex[n & 15];
        n >>= 4;
    } while (n > 0 && i > 0);
    size_t before = pmg_conn_send_len(c);
    if (pmg_out(c, size + i, sizeof(size) - i) && pmg_out(c, buf, len) && pmg_out(c, "\r\n", 2)) {
        return true;
    }
    c->send.len = pmg_x(c)->send_off + before; // all of it or nothing
    return false;
}

int pmg_reply_end(pmg_head_t *h, struct mg_str body) {
    struct mg_connection *c = h->c;
    pmg_http_t *x = &pmg_x(c)->u.http;
    bool empty_status = h->status == 204 || h->status == 304; // these have no body by definition
    bool chunked = (h->seen & PMG_SEEN_CHUNKED) && !empty_status;
    bool stream = !chunked && (h->seen & PMG_SEEN_STREAM) && body.len == 0 &&
                  !(h->seen & PMG_SEEN_LENGTH) && !x->is_head;
    uint8_t out = PMG_OUT_LENGTH;
    bool ok = true;
    if (empty_status && body.len > 0) {
        pmg_head_abort(h);
        return pmg_fail(pmg_m(c), -EINVAL, "a reply with status %d has no body", h->status);
    }
    if (h->kind == PMG_HEAD_REPLY && (h->seen & PMG_SEEN_LENGTH) && h->content_length != body.len &&
        !(x->is_head && body.len == 0) && h->status != 304) {
        pmg_head_abort(h);
        return pmg_fail(pmg_m(c), -EINVAL, "Content-Length says %zu, the body has %zu bytes",
            h->content_length, body.len);
    }
    if (!(h->seen & PMG_SEEN_TYPE) && !empty_status) {
        ok = pmg_out(c, "Content-Type: text/plain; charset=utf-8\r\n", 41);
    }
    if (chunked && !x->http10) {
        out = PMG_OUT_CHUNKED;
        ok = ok && pmg_out_str(c, "Transfer-Encoding: chunked\r\n");
    } else if (chunked ||
               stream) { // to an HTTP/1.0 client, and for events: until the connection ends
        out = PMG_OUT_STREAM;
        x->close_after = 1;
    } else if (!empty_status || (h->seen & PMG_SEEN_LENGTH)) {
        ok = ok && pmg_out(c, "Content-Length: ", 16) &&
             pmg_out_num(c, (h->seen & PMG_SEEN_LENGTH) ? h->content_length : body.len) &&
             pmg_out(c, "\r\n", 2);
    }
    if (h->seen & PMG_SEEN_CLOSE) {
        x->close_after = 1;
    }
    if (x->close_after) {
        ok = ok && pmg_out_str(c, "Connection: close\r\n");
    } else if (x->http10) {
        ok = ok && pmg_out_str(c, "Connection: keep-alive\r\n");
    }
    ok = ok && pmg_out(c, "\r\n", 2);
    if (ok && body.len > 0 && !x->is_head) {
        ok = out == PMG_OUT_CHUNKED ? pmg_out_chunk(c, body.buf, body.len)
                                    : pmg_out(c, body.buf, body.len);
    }
    if (!ok) {
        pmg_head_abort(h);
        return no_memory(c);
    }
    x->out = out;
    x->resp_started = 1;
    pmg_work(c);
    if (h->kind == PMG_HEAD_REPLY && out == PMG_OUT_LENGTH) {
        pmg_http_done(c);
    }
    return 0;
}

void pmg_http_refuse(struct mg_connection *c, int status) {
    pmg_head_t h;
    pmg_http_t *x = &pmg_x(c)->u.http;
    if (c->is_draining || c->is_closing) {
        return;
    }
    c->is_resp = 1;
    x->close_after = 1;
    pmg_x(c)->linger = 1;
    if (x->resp_started || pmg_reply_begin(&h, c, status) < 0) {
        pmg_drain(c);
        return;
    }
    const char *reason = pmg_http_reason(status);
    char text[64];
    int n = pmg_snprintf(text, sizeof(text), "%d %s\n", status, reason);
    if (pmg_reply_end(&h, mg_str_n(text, (size_t)n)) < 0) {
        pmg_close(c);
    }
}

int pmg_http_chunk(struct mg_connection *c, const void *buf, size_t len) {
    pmg_http_t *x = &pmg_x(c)->u.http;
    pmg_mgr_t *m = pmg_m(c);
    if (pmg_x(c)->request != NULL) {
        return pmg_request_chunk(c, buf, len);
    }
    if (c->pfn != pmg_http_pfn || c->is_client || !c->is_resp || !x->resp_started ||
        x->out == PMG_OUT_LENGTH) {
        return pmg_fail(m, -EINVAL,
            "no chunked reply was started: reply(200, \"\", "
            "{\"Transfer-Encoding\": \"chunked\"}) starts one");
    }
    int err = len > 0 ? pmg_can_send(c) : 0; // the end must always fit
    if (err < 0) {
        return err;
    }
    if (!x->is_head) {
        bool ok = x->out == PMG_OUT_CHUNKED ? pmg_out_chunk(c, buf, len) : pmg_out(c, buf, len);
        if (!ok) {
            return no_memory(c);
        }
    }
    pmg_work(c);
    if (len == 0) {
        pmg_http_done(c);
    }
    return 0;
}

// Each line of the data needs its own "data: " (HTML standard, server-sent events).
static bool sse_lines(struct mg_connection *c, struct mg_str data) {
    const char *p = data.buf, *end = p + data.len;
    for (;;) {
        const char *s = p;
        while (s < end && *s != '\n' && *s != '\r') {
            s++;
        }
        if (!pmg_out(c, "data: ", 6) || !pmg_out(c, p, (size_t)(s - p)) || !pmg_out(c, "\n", 1)) {
            return false;
        }
        if (s == end) {
            return true;
        }
        p = s + (s + 1 < end && s[0] == '\r' && s[1] == '\n' ? 2 : 1);
    }
}

// The size of a chunk goes before its content, which is only known once it is written: leave room.
#define CHUNK_HEAD 10

int pmg_http_sse(struct mg_connection *c, struct mg_str type, struct mg_str data) {
    pmg_http_t *x = &pmg_x(c)->u.http;
    pmg_mgr_t *m = pmg_m(c);
    if (memchr(type.buf, '\n', type.len) != NULL || memchr(type.buf, '\r', type.len) != NULL) {
        return pmg_fail(m, -EINVAL, "an event type is one line");
    }
    if (c->pfn != pmg_http_pfn || c->is_client || !c->is_resp || !x->resp_started ||
        x->out == PMG_OUT_LENGTH) {
        return pmg_fail(m, -EINVAL,
            "no event stream was started: reply(200, \"\", "
            "{\"Content-Type\": \"text/event-stream\"}) starts one");
    }
    int err = pmg_can_send(c);
    if (err < 0) {
        return err;
    }
    if (x->is_head) {
        return 0;
    }
    bool chunked = x->out == PMG_OUT_CHUNKED;
    size_t before = pmg_conn_send_len(c);
    bool ok = (!chunked || pmg_out(c, "00000000\r\n", CHUNK_HEAD)) && pmg_out(c, "event: ", 7) &&
              pmg_out(c, type.buf, type.len) && pmg_out(c, "\n", 1) && sse_lines(c, data) &&
              pmg_out(c, "\n", 1);
    if (ok && chunked) {
        static const char hex[] = "0123456789abcdef";
        size_t n = pmg_conn_send_len(c) - before - CHUNK_HEAD;
        unsigned char *size = c->send.buf + pmg_x(c)->send_off + before;
        for (int i = 7; i >= 0; i--, n >>= 4) {
            size[i] = (unsigned char)hex[n & 15];
        }
        ok = pmg_out(c, "\r\n", 2);
    }
    if (!ok) {
        c->send.len = pmg_x(c)->send_off + before;
        return no_memory(c);
    }
    pmg_work(c);
    return 0;
}
