// SPDX-License-Identifier: GPL-2.0-only
//
// Heads and chunks on their way out, written straight into the send buffer.

#include "http_int.h"

bool pmg_http_out_str(struct mg_connection *c, const char *s) {
    return pmg_out(c, s, strlen(s));
}

bool pmg_http_out_num(struct mg_connection *c, uint64_t n) {
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
        {205, "Reset Content"},
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
        {407, "Proxy Authentication Required"},
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

bool pmg_http_out_status(struct mg_connection *c, int status) {
    if (status == 200) {
        return pmg_out(c, "HTTP/1.1 200 OK\r\n", 17);
    }
    return pmg_out(c, "HTTP/1.1 ", 9) && pmg_http_out_num(c, (uint64_t)status) &&
           pmg_out(c, " ", 1) && pmg_http_out_str(c, pmg_http_reason(status)) &&
           pmg_out(c, "\r\n", 2);
}

int pmg_http_no_memory(struct mg_connection *c) {
    return pmg_fail(pmg_m(c), -ENOMEM, "no memory for the reply");
}

int pmg_head_refused(pmg_head_t *h, struct mg_connection *c, int why) {
    memset(h, 0, sizeof(*h));
    h->c = c;
    h->refused = why;
    return 0;
}

void pmg_head_abort(pmg_head_t *h) {
    if (h->refused != 0) {
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

// Headers that a program cannot set because the handshake does.
static bool is_of_handshake(const pmg_head_t *h, struct mg_str name) {
    static const char *const both[] = {"upgrade", "sec-websocket-accept", "sec-websocket-key",
        "sec-websocket-version", "sec-websocket-extensions"};
    bool upgrade = h->kind == PMG_HEAD_UPGRADE;
    if (!upgrade && h->kind != PMG_HEAD_HANDSHAKE) {
        return false;
    }
    for (size_t i = 0; i < sizeof(both) / sizeof(both[0]); i++) {
        if (pmg_str_ieq(name, both[i])) {
            return true;
        }
    }
    return !upgrade && pmg_str_ieq(name, "sec-websocket-protocol");
}

int pmg_head_html(pmg_head_t *h) {
    static const char LINE[] = "Content-Type: text/html; charset=utf-8\r\n";
    h->seen |= PMG_HEAD_SEEN_TYPE;
    if (h->refused == 0 && !pmg_out(h->c, LINE, sizeof(LINE) - 1)) {
        pmg_head_abort(h);
        return pmg_http_no_memory(h->c);
    }
    return 0;
}

int pmg_head_header(pmg_head_t *h, struct mg_str name, struct mg_str value) {
    struct mg_connection *c = h->c;
    pmg_mgr_t *m = pmg_m(c);
    if (!pmg_http_is_token(name)) {
        return pmg_fail(m, -EINVAL, "Header name \"%.*s\" is empty or has an illegal character",
            (int)(name.len < 60 ? name.len : 60), name.buf);
    }
    if (!pmg_http_is_field_value(value)) {
        return pmg_fail(m, -EINVAL,
            "Header value of %.*s has an illegal character: CR, LF, NUL or another control",
            (int)(name.len < 60 ? name.len : 60), name.buf);
    }
    if (h->refused != 0) {
        return 0;
    }
    bool request = h->kind == PMG_HEAD_REQUEST || h->kind == PMG_HEAD_HANDSHAKE;
    if (h->kind >= PMG_HEAD_UPGRADE && is_of_handshake(h, name)) {
        return pmg_fail(m, -EINVAL, "%.*s is set by the WebSocket handshake itself%s",
            (int)name.len, name.buf, name.len == 22 ? ": name subprotocols with protocols=" : "");
    }
    if (pmg_str_ieq(name, "content-type")) {
        if (h->kind == PMG_HEAD_FILE) {
            return 0; // what is sent has one already
        }
        h->seen |= PMG_HEAD_SEEN_TYPE;
        if (value.len >= 17 &&
            mg_strcasecmp(mg_str_n(value.buf, 17), mg_str("text/event-stream")) == 0) {
            h->seen |= PMG_HEAD_SEEN_STREAM;
        } else if (value.len >= 25 &&
                   mg_strcasecmp(mg_str_n(value.buf, 25), mg_str("multipart/x-mixed-replace")) ==
                       0 &&
                   pmg_is_http(h->c)) {
            pmg_http_of(h->c)->events = 1;
        }
    } else if (pmg_str_ieq(name, "content-length")) {
        if ((h->seen & (PMG_HEAD_SEEN_LENGTH | PMG_HEAD_SEEN_CHUNKED)) ||
            !digits(value, &h->content_length)) {
            return pmg_fail(m, -EINVAL,
                "Content-Length must be one number, and not beside Transfer-Encoding");
        }
        h->seen |= PMG_HEAD_SEEN_LENGTH;
        return 0; // written by pmg_reply_end, where the body is known
    } else if (pmg_str_ieq(name, "transfer-encoding")) {
        if (!pmg_str_ieq(value, "chunked") ||
            (h->seen & (PMG_HEAD_SEEN_LENGTH | PMG_HEAD_SEEN_CHUNKED)) ||
            h->kind == PMG_HEAD_UPGRADE || h->kind == PMG_HEAD_FILE ||
            h->kind == PMG_HEAD_HANDSHAKE) {
            return pmg_fail(m, -EINVAL,
                "Transfer-Encoding: only chunked is known, once, and not beside Content-Length");
        }
        h->seen |= PMG_HEAD_SEEN_CHUNKED;
        return 0;
    } else if (pmg_str_ieq(name, "connection")) {
        if (h->kind == PMG_HEAD_UPGRADE || h->kind == PMG_HEAD_HANDSHAKE) {
            return pmg_fail(m, -EINVAL, "Connection is set by the upgrade itself");
        }
        if (pmg_http_list_has(value, "close")) {
            h->seen |= PMG_HEAD_SEEN_CLOSE;
            return 0;
        }
    } else if (!request && pmg_str_ieq(name, "date")) {
        if (h->seen & PMG_HEAD_SEEN_DATE) {
            return pmg_fail(m, -EINVAL, "Date must come once");
        }
        h->seen |= PMG_HEAD_SEEN_DATE;
    } else if (request && pmg_str_ieq(name, "host")) {
        if (h->seen & PMG_HEAD_SEEN_HOST) {
            return pmg_fail(m, -EINVAL, "Host must come once");
        }
        h->seen |= PMG_HEAD_SEEN_HOST;
    } else if (request && pmg_str_ieq(name, "authorization")) {
        h->seen |= PMG_HEAD_SEEN_AUTH;
    }
    if (!pmg_out(c, name.buf, name.len) || !pmg_out(c, ": ", 2) ||
        !pmg_out(c, value.buf, value.len) || !pmg_out(c, "\r\n", 2)) {
        return pmg_http_no_memory(c);
    }
    return 0;
}

bool pmg_http_out_chunk(struct mg_connection *c, const void *buf, size_t len) {
    static const char hex[] = "0123456789abcdef";
    char size[18];
    size_t i = sizeof(size), n = len;
    size[--i] = '\n';
    size[--i] = '\r';
    do {
        size[--i] = hex[n & 15];
        n >>= 4;
    } while (n > 0 && i > 0);
    size_t before = pmg_send_len(c);
    if (pmg_out(c, size + i, sizeof(size) - i) && pmg_out(c, buf, len) && pmg_out(c, "\r\n", 2)) {
        return true;
    }
    c->send.len = pmg_x(c)->send_off + before; // all of it or nothing
    return false;
}

// The first of "Name: value\r\n" lines, which then begin behind it. False: it has no colon.
static bool next_line(struct mg_str *lines, struct mg_str *name, struct mg_str *value) {
    char *p = lines->buf;
    size_t n = 0, len = lines->len;
    while (n < len && p[n] != '\n') {
        n++;
    }
    *lines = mg_str_n(p + n, len - n);
    if (n < len) {
        *lines = mg_str_n(p + n + 1, len - n - 1);
        n -= n > 0 && p[n - 1] == '\r';
    }
    size_t colon = 0;
    while (colon < n && p[colon] != ':') {
        colon++;
    }
    size_t v = colon + 1;
    while (v < n && p[v] == ' ') {
        v++;
    }
    *name = mg_str_n(p, colon);
    *value = mg_str_n(p + v, v < n ? n - v : 0);
    return colon < n;
}

struct mg_str pmg_head_lines_value(struct mg_str lines, const char *lower_name) {
    struct mg_str name, value;
    while (lines.len > 0) {
        if (next_line(&lines, &name, &value) && pmg_str_ieq(name, lower_name)) {
            return value;
        }
    }
    return mg_str_n(NULL, 0);
}

// The caller's "Name: value\r\n" lines, each checked as any header.
int pmg_head_lines(pmg_head_t *h, struct mg_str lines) {
    struct mg_str name, value;
    while (lines.len > 0) {
        if (!next_line(&lines, &name, &value)) {
            return pmg_fail(pmg_m(h->c), -EINVAL,
                "extra_headers: lines of the form \"Name: value\\r\\n\" are expected");
        }
        int err = pmg_head_header(h, name, value);
        if (err < 0) {
            return err;
        }
    }
    return 0;
}

int pmg_head_text(pmg_head_t *h, const char *name, const char *value) {
    return pmg_head_header(h, mg_str(name), mg_str(value));
}
