// SPDX-License-Identifier: GPL-2.0-only
//
// HTTP/1 framing: where a message begins and ends (RFC 9112, sections 6 and 7). A message is
// delivered when it is whole; a chunked body is decoded in place, right behind its head. Messages
// that came in one piece are handled in one go, and what they answered leaves in one write.

#include "../base/scan.h"
#include "http_int.h"

// The length of the head in [p, p + len), 0 if its end is not there. A bare LF counts as an end of
// line here, so that a head made of them is refused now instead of awaited for ever.
size_t pmg_http_head_length(const char *p, size_t len, size_t from) {
    const char *end = p + len, *s = p + (from > 3 ? from - 3 : 0);
    for (;;) {
        s = pmg_scan_blank(s, end);
        s = memchr(s, '\n', (size_t)(end - s));
        if (s == NULL) {
            return 0;
        }
        s++;
        if (s < end && *s == '\n') {
            return (size_t)(s + 1 - p);
        }
        if (s + 1 < end && s[0] == '\r' && s[1] == '\n') {
            return (size_t)(s + 2 - p);
        }
    }
}

// As pmg_is_http(), which the files below this one ask.
static inline bool is_http(struct mg_connection *c) {
    return pmg_x(c)->speaks == &pmg_http;
}

static void refuse(struct mg_connection *c, int status) {
    uint8_t sink = pmg_http_of(c)->sink;
    if (sink == PMG_HTTP_BODY_STREAM && status == 413) {
        pmg_http_stream_too_large(c);
        return;
    }
    if (!c->is_client) {
        if (sink == PMG_HTTP_BODY_STREAM) {
            pmg_http_stream_fail(c, status,
                status == 408 ? "HTTP body timed out" : "invalid chunks in an HTTP body");
        } else if (sink == PMG_HTTP_BODY_DROP) { // it has its answer
            pmg_x(c)->linger = 1;
            pmg_drain(c);
        } else {
            pmg_http_refuse(c, status);
        }
        return;
    }
    pmg_http_stream_abort(c);
    static const char head_limit[] = "HTTP response has a head larger than the limit max_head";
    static const char trailer_limit[] = "HTTP response has trailers larger than the limit max_head";
    bool in_trailer = pmg_http_of(c)->state == PMG_HTTP_TRAILER;
    pmg_fatal(c, status == 413   ? "HTTP response is larger than the limit max_body"
                 : status == 431 ? (in_trailer ? trailer_limit : head_limit)
                 : status == 505 ? "HTTP response has an unknown version"
                 : status == 501 ? "HTTP response has an unknown transfer encoding"
                                 : "invalid HTTP response");
}

// What read_head() says besides a status: it is done with the head; its body, and so the head, go
// their own way; more bytes are needed; refused or taken over.
enum { HEAD_REFUSED = 0, HEAD_DONE = 1, HEAD_APART = 2, HEAD_WAIT = -1 };

typedef struct {
    pmg_header_t headers[PMG_MAX_HEADERS];
    pmg_http_msg_t hm;
    pmg_http_framing_t f;
} parse_t;

// What its head means for what follows; the status to refuse it with.
static int response_head(struct mg_connection *c, const parse_t *p, int status) {
    bool connected = p->hm.status / 100 == 2 && pmg_request_is_connect(c);
    if (status == 431) {
        char text[48];
        pmg_snprintf(text, sizeof(text), "HTTP response has more than %d headers", PMG_MAX_HEADERS);
        pmg_fatal(c, text);
    } else if (p->hm.status >= 200) {
        bool stays = !p->f.close && (!p->f.http10 || (p->f.keep_alive && !p->f.faulty));
        pmg_http_of(c)->close_after = !stays;
        if (!connected && !(stays && (p->f.has_length || p->f.chunked || pmg_request_is_head(c) ||
                                         p->hm.status == 204 || p->hm.status == 304))) {
            pmg_request_last(c);
        }
    }
    return connected ? 0 : status; // it has no body, whatever it says of that
}

static int read_head(struct mg_connection *c, char *base, size_t len, parse_t *p) {
    pmg_http_t *h = pmg_http_of(c);
    pmg_mgr_t *m = pmg_m(c);
    p->hm.head.len = 0;
    if (c->is_client && !pmg_request_asked(c)) {
        pmg_fatal(c, "HTTP response that no request asked for");
        return HEAD_REFUSED;
    }
    if (!c->is_client && !pmg_http_is_token(mg_str_n(base, 1))) {
        refuse(c, 400); // no method begins like this: TLS on a plain port, for one
        return HEAD_REFUSED;
    }
    h->head_len = pmg_http_head_length(base, len, h->scan);
    if (pmg_http_over(h->head_len > 0 ? h->head_len : len, m->limits.max_head)) {
        bool line = memchr(base, '\n', m->limits.max_head) != NULL;
        refuse(c, line || c->is_client ? 431 : 414);
        return HEAD_REFUSED;
    }
    if (h->head_len == 0) {
        h->scan = len;
        return HEAD_WAIT;
    }
    int status = pmg_http_parse_head(base, h->head_len, c->is_client, &p->hm, p->headers,
        PMG_MAX_HEADERS, &p->f);
    if (c->is_client) {
        status = response_head(c, p, status);
    } else {
        h->http10 = p->f.http10;
        h->close_after = p->f.close || (p->f.http10 && !p->f.keep_alive);
        h->is_head = pmg_str_is(p->hm.method, "HEAD");
        h->is_connect = pmg_str_is(p->hm.method, "CONNECT");
        h->resp_started = h->by_hand = h->events = 0;
        h->out = PMG_HTTP_OUT_LENGTH;
    }
    h->fresh = 1;
    c->is_resp = 1; // of a client, too: pmg_http_in_head()
    if (status != 0) {
        refuse(c, status);
        return HEAD_REFUSED;
    }
    pmg_http_body_begin(c, &p->hm, &p->f);
    p->hm.body = mg_str_n(base + h->head_len, 0);
    if (!c->is_client || p->hm.status >= 200 || p->hm.status == 101) {
        h->hm = &p->hm;
        pmg_http_fire(c, MG_EV_HTTP_HDRS, &p->hm);
    }
    if (!is_http(c) || c->is_closing || c->is_draining) {
        return HEAD_REFUSED;
    }
    int result = HEAD_DONE;
    if (h->sink != PMG_HTTP_BODY_GATHER || (!c->is_client && !c->is_resp)) {
        result = h->state == PMG_HTTP_LENGTH && h->left == 0 && h->stream == NULL ? HEAD_DONE
                                                                                  : HEAD_APART;
        if (h->sink != PMG_HTTP_BODY_STREAM) { // answered from the head alone
            pmg_http_body_drop(c);
        } else if (!pmg_http_stream_begin(c, base, h->head_len)) {
            return HEAD_REFUSED;
        }
        if (c->is_draining) {
            return HEAD_REFUSED;
        }
    } else if (h->state == PMG_HTTP_LENGTH && pmg_http_over(h->left, m->limits.max_body)) {
        refuse(c, 413);
        return HEAD_REFUSED;
    }
    pmg_expect(c, h->sink == PMG_HTTP_BODY_GATHER && h->state == PMG_HTTP_LENGTH && h->left > 0
                      ? h->head_len + h->left
                      : 0);
    if (h->sink != PMG_HTTP_BODY_STREAM || c->is_client) {
        c->is_resp = 0;
    }
    if (p->f.expect_continue && !c->is_client && !p->f.http10 && h->sink != PMG_HTTP_BODY_DROP &&
        !h->resp_started && len == h->head_len && !(h->state == PMG_HTTP_LENGTH && h->left == 0) &&
        !pmg_http_out_str(c, "HTTP/1.1 100 Continue\r\n\r\n")) {
        pmg_fatal(c, "no memory");
        return HEAD_REFUSED;
    }
    return result;
}

// A client's last response is there: the server will hear no more (RFC 9112, section 9.6).
static void last_response(struct mg_connection *c) {
    if (pmg_request_owed(c)) {
        pmg_fatal(c, "the server ended the connection ahead of the HTTP response");
    } else {
        pmg_drain(c);
    }
}

// Is there more than empty lines?
static bool more_input(struct mg_connection *c, size_t ofs) {
    while (ofs < c->recv.len && (c->recv.buf[ofs] == '\r' || c->recv.buf[ofs] == '\n')) {
        ofs++;
    }
    return ofs < c->recv.len;
}

static bool is_tunnel(struct mg_connection *c, const pmg_http_msg_t *hm) {
    return c->is_client &&
           (hm->status == 101 || (hm->status / 100 == 2 && pmg_request_is_connect(c)));
}

static void deliver_response(struct mg_connection *c, pmg_http_msg_t *hm, bool more) {
    pmg_http_t *h = pmg_http_of(c);
    bool tunnel = is_tunnel(c, hm), final = hm->status >= 200;
    bool until_close = h->state == PMG_HTTP_UNTIL_CLOSE, dropped = h->sink == PMG_HTTP_BODY_DROP;
    pmg_http_reset(c);
    if (final) {
        pmg_request_answered(c);
    }
    bool alone = !pmg_request_asked(c);
    if (!dropped && (final || tunnel)) {
        c->is_resp = 0;
        pmg_http_fire(c, MG_EV_HTTP_MSG, hm);
    }
    if (!is_http(c)) {
        return;
    }
    if (c->is_tls_hs) {
        return; // HTTP goes on within it
    }
    if (tunnel) {
        pmg_http_leave(c); // another protocol follows, and it is the program's
    } else if (until_close && !c->is_closing) {
        pmg_close(c);
    } else if (c->is_closing || c->is_draining) {
        return;
    } else if (final && h->close_after) {
        last_response(c);
    } else if (alone && more) {
        pmg_fatal(c, "HTTP response that no request asked for");
    }
}

static void deliver_request(struct mg_connection *c, pmg_http_msg_t *hm) {
    pmg_http_t *h = pmg_http_of(c);
    bool skip = h->sink == PMG_HTTP_BODY_DROP;
    pmg_http_reset(c);
    if (!skip) {
        h->by_hand &= c->is_resp; // written while the body still came
        c->is_resp = 1;
        pmg_http_fire(c, MG_EV_HTTP_MSG, hm);
        if (c->is_resp && is_http(c) && h->by_hand && !h->resp_started) {
            pmg_http_done(c); // what the program wrote with send() is no HTTP
        }
    } else if (h->close_after) {
        pmg_drain(c);
    }
}

// A message whose head came with an earlier read, or whose body went its own way. False: its file
// failed. (Answered while its file was being finished, it goes on as any that was answered early.)
static bool parse_late(struct mg_connection *c, char *base, parse_t *p, pmg_http_stream_t **s) {
    pmg_http_t *h = pmg_http_of(c);
    struct mg_str head = mg_str_n(base, h->head_len);
    if (h->sink == PMG_HTTP_BODY_STREAM && (*s = pmg_http_stream_end(c, &head)) == NULL) {
        return !c->is_client && !c->is_closing && !c->is_draining;
    }
    if (h->sink != PMG_HTTP_BODY_DROP) { // the buffer has moved since
        (void)pmg_http_parse_head(head.buf, head.len, c->is_client, &p->hm, p->headers,
            PMG_MAX_HEADERS, &p->f);
        p->hm.body =
            mg_str_n(head.buf + head.len, h->sink == PMG_HTTP_BODY_GATHER ? h->body_len : 0);
    }
    return true;
}

// The head of the next message, if it is there. 0: go on with its body; else process() returns.
// *ofs: where the message begins; *parsed: *p holds its head.
static int next_head(struct mg_connection *c, size_t *ofs, parse_t *p, bool *parsed) {
    pmg_http_t *h = pmg_http_of(c);
    const unsigned char *buf = c->recv.buf;
    size_t len = c->recv.len;
    if (c->is_accepted && pmg_send_len(c) > PMG_PIPELINE_MAX) {
        pmg_x(c)->backlog = 1; // pmg_flush() takes it away
        return -1;
    }
    while (*ofs + 1 < len && buf[*ofs] == '\r' && buf[*ofs + 1] == '\n') {
        *ofs += 2; // empty lines ahead of a message (RFC 9112, section 2.2)
    }
    if (*ofs >= len || (len - *ofs == 1 && buf[*ofs] == '\r')) {
        return -1;
    }
    int r = read_head(c, (char *)c->recv.buf + *ofs, len - *ofs, p);
    if (r == HEAD_WAIT) {
        return -1;
    }
    if (r == HEAD_REFUSED) { // or taken over by a WebSocket: what follows the head is its
        *ofs += p->hm.head.len;
        return -1;
    }
    *parsed = r == HEAD_DONE;
    if (r == HEAD_APART) {
        *ofs += h->head_len;
        h->head_len = h->pos = 0;
    }
    return 0;
}

// Where it stands; there may be no buffer when the peer has closed.
static char *received(struct mg_connection *c, size_t ofs) {
    static char none[1];
    return c->recv.buf != NULL ? (char *)c->recv.buf + ofs : none;
}

// Framing that was read is taken out, so that small chunks cannot bloat the buffer.
static void squeeze(struct mg_connection *c, size_t ofs) {
    pmg_http_t *h = pmg_http_of(c);
    char *base = received(c, ofs);
    size_t keep = h->sink == PMG_HTTP_BODY_GATHER ? h->head_len + h->body_len : 0;
    size_t rest = c->recv.len - ofs - h->pos;
    if (h->pos > keep) {
        memmove(base + keep, base + h->pos, rest);
        c->recv.len = ofs + keep + rest;
        h->gone += (uint32_t)(h->pos - keep);
        h->scan -= h->state == PMG_HTTP_TRAILER ? h->pos - keep : 0;
        h->pos = keep;
    }
}

// Handles what is buffered, message by message; returns how many bytes are done with.
static size_t process(struct mg_connection *c) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_http_t *h = pmg_http_of(c);
    parse_t p;
    size_t ofs = 0;
    while ((!c->is_resp || h->sink == PMG_HTTP_BODY_STREAM) && !c->is_closing && !c->is_draining &&
           !m->stop && is_http(c) && !c->is_tls_hs) {
        bool parsed = false;
        if (h->state == PMG_HTTP_HEAD && next_head(c, &ofs, &p, &parsed) < 0) {
            break;
        }
        char *base = received(c, ofs);
        bool bare = h->state == PMG_HTTP_LENGTH && h->left == 0; // most have no body
        int r = bare ? 0 : pmg_http_body_more(c, base, c->recv.len - ofs);
        if (r < 0) {
            squeeze(c, ofs);
            break;
        }
        if (r != 0) {
            refuse(c, r);
            break;
        }
        ofs += h->pos;
        pmg_http_stream_t *s = NULL;
        p.hm.body.len = h->body_len;
        if (!parsed && !parse_late(c, base, &p, &s)) {
            break;
        }
        if (c->is_client) {
            deliver_response(c, &p.hm, more_input(c, ofs));
        } else {
            deliver_request(c, &p.hm);
        }
        if (s != NULL) {
            pmg_http_stream_free(s);
        }
    }
    return ofs;
}

// ---------------------------------------------------------------------------------------------
// Deadlines

static void idle_late(struct mg_connection *c) {
    if (pmg_send_len(c) > 0) { // it still takes the reply: send_timeout looks after that
        pmg_deadline(c, idle_late, pmg_m(c)->limits.idle_timeout);
    } else {
        pmg_close(c);
    }
}

static void head_late(struct mg_connection *c) {
    if (c->is_client) {
        pmg_fatal(c, "HTTP response head timed out");
    } else {
        refuse(c, 408);
    }
}

static void body_late(struct mg_connection *c) {
    if (c->is_client) {
        pmg_fatal(c, "HTTP response body timed out");
    } else {
        refuse(c, 408);
    }
}

// Nothing has come yet of the next message: empty lines are none of it.
static bool between(struct mg_connection *c) {
    return c->recv.len == 0 || (c->recv.len == 1 && c->recv.buf[0] == '\r');
}

// What has come is the beginning of a message.
static void arm_unfinished(struct mg_connection *c, bool fresh) {
    pmg_limits_t *lim = &pmg_m(c)->limits;
    if (pmg_http_of(c)->state != PMG_HTTP_HEAD) {
        pmg_deadline(c, body_late, lim->body_timeout);
    } else if (fresh || pmg_x(c)->late != head_late) { // a head may not trickle in for ever
        pmg_deadline(c, head_late, lim->head_timeout);
        fresh = true;
    }
    if (fresh || pmg_x(c)->watch == NULL) {
        pmg_watch(c);
    }
}

static void arm(struct mg_connection *c) {
    pmg_http_t *h = pmg_http_of(c);
    bool fresh = h->fresh;
    if (c->is_draining || c->is_closing) {
        return;
    }
    h->fresh = 0;
    if (c->is_resp && h->sink == PMG_HTTP_BODY_GATHER) {
        pmg_no_deadline(c);
    } else if (h->state != PMG_HTTP_HEAD || !between(c)) {
        arm_unfinished(c, fresh);
    } else if (fresh || pmg_x(c)->late != idle_late) { // an empty line does not renew it
        pmg_deadline(c, idle_late, c->is_client ? 0 : pmg_m(c)->limits.idle_timeout);
    }
}

static void owes(struct mg_connection *c, pmg_owed_t *o) {
    pmg_http_t *h = pmg_http_of(c);
    bool head = h->state == PMG_HTTP_HEAD && !c->is_resp && !between(c);
    bool body = h->state != PMG_HTTP_HEAD && !pmg_http_in_head(c);
    o->taking = !h->events;
    if (c->is_draining || c->is_full || pmg_x(c)->reparse || !(head || body)) {
        return;
    }
    bool begun = h->state > PMG_HTTP_CHUNK_SIZE || h->body_len > 0 || c->recv.len > h->head_len;
    o->unfinished = true;
    o->said = h->gone + (uint32_t)c->recv.len;
    o->saying = head || (begun && !(c->is_client && h->events));
}

static void too_slow(struct mg_connection *c) {
    if (c->is_client) {
        pmg_fatal(c, "HTTP response comes more slowly than min_rate");
    } else {
        refuse(c, 408);
    }
}

// ---------------------------------------------------------------------------------------------
// What the core calls

static void oversized(struct mg_connection *c) { // for max_memory
    if (pmg_http_of(c)->sink == PMG_HTTP_BODY_STREAM) {
        pmg_http_stream_fail(c, 413, pmg_no_budget);
    } else {
        refuse(c, 413);
    }
}

static size_t held(struct mg_connection *c) {
    return pmg_http_stream_held(c);
}

static int start(struct mg_connection *c, const pmg_opening_t *o) {
    (void)o;
    return !c->is_client || pmg_request_new(c) ? 0 : -ENOMEM;
}

static void begin(struct mg_connection *c);

static void opened(struct mg_connection *c) {
    if (c->is_accepted && !c->is_draining) {
        pmg_deadline(c, idle_late, pmg_m(c)->limits.idle_timeout);
    } else if (c->is_client && pmg_x(c)->layer != NULL) { // TLS stands, what was queued goes out
        begin(c);
    }
}

// What stands in the socket ahead of the first request is no answer to it.
static void begin(struct mg_connection *c) {
    if (pmg_request_owed(c) && pmg_request_came_early(c)) {
        pmg_fatal(c, "HTTP response that no request asked for");
    }
}

static int send_by_hand(struct mg_connection *c, const void *buf, size_t len) {
    if (c->is_client) {
        return pmg_request_send(c, buf, len);
    }
    if (!c->is_resp && pmg_x(c)->late == idle_late) { // a stream that goes on is not idle
        pmg_deadline(c, idle_late, pmg_m(c)->limits.idle_timeout);
    }
    return pmg_hand_send(c, buf, len);
}

static bool has_room(struct mg_connection *c) {
    size_t max = pmg_m(c)->limits.max_head;
    return !pmg_x(c)->backlog && (!c->is_resp || max == 0 || c->recv.len < max ||
                                     pmg_http_of(c)->sink != PMG_HTTP_BODY_GATHER);
}

// The peer has closed its side; all that it sent was looked at.
static void at_eof(struct mg_connection *c) {
    pmg_http_t *h = pmg_http_of(c);
    bool stream = h->sink == PMG_HTTP_BODY_STREAM,
         inside = h->state != PMG_HTTP_HEAD || c->recv.len > 0;
    if (c->is_accepted) {
        if (stream && !c->is_closing && !c->is_draining) {
            pmg_http_stream_abort(c);
            pmg_fatal(c, "connection closed inside an HTTP request");
        } else if (!c->is_resp) {
            pmg_drain(c); // half closed, and all its requests are answered
        }
    } else if (c->is_client && !c->is_closing && (inside || pmg_request_owed(c))) {
        pmg_http_stream_abort(c);
        pmg_fatal(c, inside ? "connection closed inside an HTTP response"
                            : "connection closed before the HTTP response");
    }
}

static void read_input(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    size_t done = process(c);
    if (c->is_draining) {
        done = c->recv.len;
    }
    if (done > 0 && c->recv.len > 0) {
        c->recv.len -= done;
        memmove(c->recv.buf, c->recv.buf + done, c->recv.len);
    }
    if (!is_http(c)) {
        if (x->speaks->read != NULL && c->recv.len > 0 && !c->is_closing) {
            x->speaks->read(c);
        }
        return;
    }
    if (c->is_tls_hs) {
        return; // what follows is TLS
    }
    arm(c);
    if (pmg_m(c)->stop && !c->is_closing &&
        (pmg_http_of(c)->sink == PMG_HTTP_BODY_STREAM || (c->recv.len > 0 && !c->is_resp))) {
        x->reparse = 1; // an exception left poll(): the rest is handled at the next one
    }
    if (x->eof && !x->reparse) {
        at_eof(c);
    }
    if (!has_room(c)) {
        c->is_full = 1;
    }
}

static bool is_idle(struct mg_connection *c) {
    return pmg_http_of(c)->state == PMG_HTTP_HEAD && between(c) && !pmg_x(c)->reparse;
}

// What came of a message in the clear is not completed by what comes over TLS: who put it there is
// unknown.
static bool upgrades(struct mg_connection *c) {
    const pmg_http_t *h = pmg_http_of(c);
    return h->state == PMG_HTTP_HEAD && h->scan == 0;
}

// A body may end with the connection, or be cut by it.
static bool eof(struct mg_connection *c) {
    return c->is_client || pmg_http_of(c)->sink == PMG_HTTP_BODY_STREAM;
}

static void closing(struct mg_connection *c) {
    pmg_http_stream_abort(c); // no unfinished file is left when the handler hears of it
}

static void describe(int ev, const void *data, struct mg_str words[2], char number[24]) {
    const pmg_http_msg_t *hm = data;
    (void)number;
    if (ev == MG_EV_HTTP_HDRS || ev == MG_EV_HTTP_MSG) {
        words[0] = hm->method;
        words[1] = hm->uri;
    }
}

const pmg_protocol_t pmg_http = {
    .name = pmg_http_name,
    .refusal = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
               "Retry-After: 1\r\nContent-Length: 0\r\n\r\n",
    .finishes = true,
    .start = start,
    .upgrades = upgrades,
    .opened = opened,
    .begin = begin,
    .read = read_input,
    .send = send_by_hand,
    .credentials = pmg_request_credentials,
    .idle = is_idle,
    .owes = owes,
    .slow = too_slow,
    .oversized = oversized,
    .failed = pmg_http_failed,
    .held = held,
    .eof = eof,
    .closing = closing,
    .end = pmg_request_end_client,
    .describe = describe,
};
