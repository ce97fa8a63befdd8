// SPDX-License-Identifier: GPL-2.0-only
//
// What an HTTP server sends: heads, bodies by length, chunks, event streams. A head is written
// straight into the send buffer and taken back whole if anything about it is wrong.

#include "http_int.h"

// May this connection answer an HTTP request now?
static int can_reply(struct mg_connection *c) {
    pmg_mgr_t *m = pmg_m(c);
    if (!pmg_is_http(c) || c->is_client || c->is_listening) {
        return pmg_fail(m, -EINVAL,
            "this connection does not answer HTTP requests: reply() is for accepted "
            "connections of an http:// listener");
    }
    int err = pmg_can_send(c);
    if (err < 0) {
        return err;
    }
    if (!c->is_resp || pmg_http_of(c)->resp_started) {
        return pmg_fail(m, -EALREADY,
            c->is_resp ? "a reply to this request was started already"
                       : "no request waits for a reply: each is answered once");
    }
    return 0;
}

__attribute__((always_inline)) static inline int start(pmg_head_t *h, struct mg_connection *c,
    int status) {
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
    h->start = pmg_send_len(c);
    if (!pmg_http_out_status(c, status)) {
        pmg_head_abort(h);
        return pmg_http_no_memory(c);
    }
    return 0;
}

int pmg_reply_start(pmg_head_t *h, struct mg_connection *c, int status) {
    return start(h, c, status);
}

int pmg_reply_begin(pmg_head_t *h, struct mg_connection *c, int status) {
    int err = start(h, c, status); // each reply comes this way
    return err < 0 && status >= 200 && status <= 999 ? pmg_head_refused(h, c, err) : err;
}

// In one piece: most replies pass here.
static bool put_length(struct mg_connection *c, size_t n) {
    char line[40];
    size_t i = sizeof(line) - 2;
    memcpy(line + i, "\r\n", 2);
    do {
        line[--i] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    memcpy(line + (i -= 16), "Content-Length: ", 16);
    return pmg_out(c, line + i, sizeof(line) - i);
}

int pmg_reply_end(pmg_head_t *h, struct mg_str body) {
    struct mg_connection *c = h->c;
    pmg_http_t *x = pmg_http_of(c);
    if (h->refused != 0) {
        return h->refused;
    }
    // A 2xx to CONNECT is followed by what is no HTTP (RFC 9110, section 9.3.6).
    bool tunnel = x->is_connect && h->status / 100 == 2;
    // These have no body by definition.
    bool empty_status = h->status == 204 || h->status == 205 || h->status == 304 || tunnel;
    bool chunked = (h->seen & PMG_HEAD_SEEN_CHUNKED) && !empty_status;
    bool stream = !chunked && !empty_status && (h->seen & PMG_HEAD_SEEN_STREAM) && body.len == 0 &&
                  !(h->seen & PMG_HEAD_SEEN_LENGTH);
    uint8_t out = PMG_HTTP_OUT_LENGTH;
    bool ok = true;
    if (empty_status && body.len > 0) {
        pmg_head_abort(h);
        return pmg_fail(pmg_m(c), -EINVAL, "a reply with status %d%s has no body", h->status,
            tunnel ? " to CONNECT" : "");
    }
    if (tunnel && (h->seen & (PMG_HEAD_SEEN_LENGTH | PMG_HEAD_SEEN_CHUNKED))) {
        pmg_head_abort(h);
        return pmg_fail(pmg_m(c), -EINVAL,
            "a reply with status %d to CONNECT has neither Content-Length nor Transfer-Encoding",
            h->status);
    }
    if (h->kind == PMG_HEAD_REPLY && (h->seen & PMG_HEAD_SEEN_LENGTH) &&
        h->content_length != body.len && !(x->is_head && body.len == 0) && h->status != 304) {
        pmg_head_abort(h);
        return pmg_fail(pmg_m(c), -EINVAL, "Content-Length says %zu, the body has %zu bytes",
            h->content_length, body.len);
    }
    const char *date = h->seen & PMG_HEAD_SEEN_DATE ? NULL : pmg_http_date(pmg_m(c));
    bool typed = empty_status || (h->seen & PMG_HEAD_SEEN_TYPE);
    if (date != NULL && !typed) { // the usual
        ok = pmg_out(c, date, PMG_DATE_TYPE_LEN);
    } else if (date != NULL) {
        ok = pmg_out(c, date, PMG_DATE_LEN);
    } else if (!typed) {
        ok = pmg_out(c, PMG_TYPE_LINE, PMG_TYPE_LEN);
    }
    if (chunked && !x->http10) {
        out = PMG_HTTP_OUT_CHUNKED;
        ok = ok && pmg_http_out_str(c, "Transfer-Encoding: chunked\r\n");
    } else if (chunked ||
               stream) { // to an HTTP/1.0 client, and for events: until the connection ends
        // To HEAD the head of a stream is all.
        out = x->is_head && stream ? PMG_HTTP_OUT_LENGTH : PMG_HTTP_OUT_STREAM;
        x->close_after = 1;
    } else if (!empty_status || (h->status == 205 && !tunnel) || (h->seen & PMG_HEAD_SEEN_LENGTH)) {
        ok = ok && put_length(c, (h->seen & PMG_HEAD_SEEN_LENGTH) ? h->content_length : body.len);
    }
    if (h->seen & PMG_HEAD_SEEN_CLOSE) {
        x->close_after = 1;
    }
    if (x->close_after && !tunnel) {
        ok = ok && pmg_http_out_str(c, "Connection: close\r\n");
    } else if (x->http10 && !tunnel) {
        ok = ok && pmg_http_out_str(c, "Connection: keep-alive\r\n");
    }
    ok = ok && pmg_out(c, "\r\n", 2);
    if (ok && body.len > 0 && !x->is_head) {
        ok = out == PMG_HTTP_OUT_CHUNKED ? pmg_http_out_chunk(c, body.buf, body.len)
                                         : pmg_out_end(c, body.buf, body.len);
    }
    if (!ok) {
        pmg_head_abort(h);
        return pmg_http_no_memory(c);
    }
    x->out = out;
    x->events |= (h->seen & PMG_HEAD_SEEN_STREAM) != 0;
    x->resp_started = 1;
    x->tunnel = tunnel;
    x->close_after |= tunnel; // there is no other request
    pmg_work(c);
    if (h->kind == PMG_HEAD_REPLY && out == PMG_HTTP_OUT_LENGTH) {
        pmg_http_done(c);
    }
    return 0;
}

void pmg_http_refuse(struct mg_connection *c, int status) {
    pmg_head_t h;
    pmg_http_t *x = pmg_http_of(c);
    if (c->is_draining || c->is_closing) {
        return;
    }
    c->is_resp = 1;
    x->close_after = 1;
    pmg_x(c)->linger = 1;
    if (x->resp_started || pmg_reply_start(&h, c, status) < 0) {
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

void pmg_http_failed(struct mg_connection *c) {
    if (!c->is_resp || c->is_closing || c->is_draining || !c->is_accepted) {
        return;
    }
    if (pmg_http_of(c)->resp_started || pmg_http_of(c)->by_hand) {
        pmg_close(c); // half a reply: the client must see that it is cut
        return;
    }
    bool client = pmg_x(c)->handler_failed == 2;
    pmg_head_t head;
    if (pmg_reply_start(&head, c, client ? 400 : 500) < 0 ||
        pmg_reply_end(&head, mg_str(client ? "Bad Request\n" : "Internal Server Error\n")) < 0) {
        pmg_close(c);
    }
}

bool pmg_http_client_fault(struct mg_connection *c, int ev) {
    bool request = ev == MG_EV_HTTP_HDRS || ev == MG_EV_HTTP_MSG || ev == MG_EV_HTTP_PART ||
                   ev == MG_EV_HTTP_BODY;
    return request && c->is_accepted && pmg_is_http(c) && c->is_resp &&
           !pmg_http_of(c)->resp_started && !pmg_http_of(c)->by_hand && !c->is_closing;
}

static bool is_server(struct mg_connection *c) {
    return pmg_is_http(c) && !c->is_client && !c->is_listening;
}

// Was it answered by a head, behind which nobody gets what the program sends?
static bool is_over(struct mg_connection *c) {
    pmg_http_t *x = pmg_http_of(c);
    return is_server(c) && ((!c->is_resp && x->is_head && x->events) || pmg_hand_answered_head(c));
}

int pmg_http_chunk(struct mg_connection *c, const void *buf, size_t len) {
    pmg_http_t *x = pmg_http_of(c);
    pmg_mgr_t *m = pmg_m(c);
    if (pmg_is_requester(c)) {
        return pmg_request_chunk(c, buf, len);
    }
    if (is_over(c)) {
        return 0;
    }
    if (!is_server(c) || !c->is_resp || !x->resp_started || x->out == PMG_HTTP_OUT_LENGTH ||
        !pmg_hand_between(c)) {
        return pmg_fail(m, -EINVAL,
            "no chunked reply was started: reply(200, \"\", "
            "{\"Transfer-Encoding\": \"chunked\"}) starts one");
    }
    int err = len > 0 ? pmg_can_send(c) : 0; // the end must always fit
    if (err < 0) {
        return err;
    }
    if (!x->is_head) {
        bool ok =
            x->out == PMG_HTTP_OUT_CHUNKED ? pmg_http_out_chunk(c, buf, len) : pmg_out(c, buf, len);
        if (!ok) {
            return pmg_http_no_memory(c);
        }
    }
    pmg_work(c);
    if (len == 0) {
        pmg_hand_done(c);
        pmg_http_done(c);
    }
    return 0;
}

// Each line of the data needs its own "data: " (HTML standard, server-sent events).
static bool sse_lines(struct mg_connection *c, struct mg_str data) {
    const char *p = data.buf, *end = pmg_str_end(data);
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

static bool one_line(struct mg_str s) {
    return s.len == 0 || (memchr(s.buf, '\n', s.len) == NULL && memchr(s.buf, '\r', s.len) == NULL);
}

static bool sse_field(struct mg_connection *c, const char *name, struct mg_str value) {
    return pmg_http_out_str(c, name) && pmg_out(c, value.buf, value.len) && pmg_out(c, "\n", 1);
}

static bool sse_event(struct mg_connection *c, struct mg_str type, struct mg_str data,
    struct mg_str id, long long retry) {
    bool ok = sse_field(c, "event: ", type);
    if (id.buf != NULL) {
        ok = ok && sse_field(c, "id: ", id);
    }
    if (retry >= 0) {
        ok = ok && pmg_http_out_str(c, "retry: ") && pmg_http_out_num(c, (uint64_t)retry) &&
             pmg_out(c, "\n", 1);
    }
    return ok && sse_lines(c, data) && pmg_out(c, "\n", 1);
}

int pmg_http_sse(struct mg_connection *c, struct mg_str type, struct mg_str data, struct mg_str id,
    long long retry) {
    pmg_http_t *x = pmg_http_of(c);
    pmg_mgr_t *m = pmg_m(c);
    if (!one_line(type)) {
        return pmg_fail(m, -EINVAL, "an event type is one line");
    }
    if (!one_line(id) || (id.len > 0 && memchr(id.buf, '\0', id.len) != NULL)) {
        return pmg_fail(m, -EINVAL, "the id of an event is one line without a NUL");
    }
    if (is_over(c)) {
        return 0;
    }
    if (!is_server(c) || !c->is_resp || !x->resp_started || x->out == PMG_HTTP_OUT_LENGTH ||
        !pmg_hand_between(c)) {
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
    bool chunked = x->out == PMG_HTTP_OUT_CHUNKED;
    size_t before = pmg_send_len(c);
    bool ok =
        (!chunked || pmg_out(c, "00000000\r\n", CHUNK_HEAD)) && sse_event(c, type, data, id, retry);
    if (ok && chunked) {
        static const char hex[] = "0123456789abcdef";
        size_t n = pmg_send_len(c) - before - CHUNK_HEAD;
        unsigned char *size = c->send.buf + pmg_x(c)->send_off + before;
        for (int i = 7; i >= 0; i--, n >>= 4) {
            size[i] = (unsigned char)hex[n & 15];
        }
        ok = pmg_out(c, "\r\n", 2);
    }
    if (!ok) {
        c->send.len = pmg_x(c)->send_off + before;
        return pmg_http_no_memory(c);
    }
    pmg_work(c);
    return 0;
}
