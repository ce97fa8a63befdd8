// SPDX-License-Identifier: GPL-2.0-only
//
// HTTP/1 framing: where a message begins and ends (RFC 9112, sections 6 and 7). A message is
// delivered when it is whole; a chunked body is decoded in place, right behind its head. Messages
// that came in one piece are handled in one go, and what they answered leaves in one write.

#include "../base/record.h"

enum { ST_HEAD, ST_LENGTH, ST_CHUNK_SIZE, ST_CHUNK_DATA, ST_CHUNK_END, ST_TRAILER, ST_UNTIL_CLOSE };

// Of a chunk's first line: extensions are legal and useless, so they may not be long.
#define CHUNK_LINE_MAX 512

#define WAIT (-1)    // more bytes are needed
#define STOPPED (-2) // a handler has closed the connection, or leaves poll()
#define APART 2      // the body goes its own way, and so does its head

void pmg_http_reset(struct mg_connection *c) {
    pmg_http_t *h = &pmg_x(c)->u.http;
    h->state = ST_HEAD;
    h->sink = PMG_BODY_GATHER;
    h->scan = h->head_len = h->pos = h->left = h->body_len = 0;
}

bool pmg_http_room(struct mg_connection *c) {
    size_t max = pmg_m(c)->limits.max_head;
    if (pmg_x(c)->backlog) {
        return false;
    }
    return !c->is_resp || max == 0 || c->recv.len < max || pmg_x(c)->u.http.sink != PMG_BODY_GATHER;
}

bool pmg_http_in_head(struct mg_connection *c) {
    pmg_http_t *h = &pmg_x(c)->u.http;
    // Between its events a request that is gathered waits for no reply.
    return c->is_resp && h->state != ST_HEAD && h->sink == PMG_BODY_GATHER;
}

bool pmg_http_idle(struct mg_connection *c) {
    return pmg_x(c)->u.http.state == ST_HEAD && !pmg_x(c)->reparse;
}

size_t pmg_http_body_left(struct mg_connection *c) {
    pmg_http_t *h = &pmg_x(c)->u.http;
    return h->state == ST_LENGTH ? h->left : 0;
}

// The length of the head in [p, p + len), 0 if its end is not there. A bare LF counts as an end of
// line here, so that a head made of them is refused now instead of awaited for ever.
static size_t head_length(const char *p, size_t len, size_t from) {
    const char *end = p + len, *s = p + (from > 3 ? from - 3 : 0);
    while ((s = memchr(s, '\n', (size_t)(end - s))) != NULL) {
        s++;
        if (s < end && *s == '\n') {
            return (size_t)(s + 1 - p);
        }
        if (s + 1 < end && s[0] == '\r' && s[1] == '\n') {
            return (size_t)(s + 2 - p);
        }
    }
    return 0;
}

static bool over(size_t n, size_t limit) {
    return limit > 0 && n > limit;
}

static size_t max_body(struct mg_connection *c) {
    return pmg_x(c)->u.http.sink == PMG_BODY_STREAM ? pmg_stream_max(c) : pmg_m(c)->limits.max_body;
}

// Decides how the body is framed.
static void body_framing(struct mg_connection *c, const pmg_http_msg_t *hm,
    const pmg_framing_t *f) {
    pmg_http_t *h = &pmg_x(c)->u.http;
    h->pos = h->head_len;
    h->state = ST_LENGTH;
    h->left = 0;
    if (c->is_client &&
        (pmg_request_is_head(c) || hm->status < 200 || hm->status == 204 || hm->status == 304)) {
        return;
    }
    if (f->chunked) {
        h->state = ST_CHUNK_SIZE;
    } else if (f->has_length) {
        h->left = f->content_length;
    } else if (c->is_client) {
        h->state = ST_UNTIL_CLOSE;
    }
}

static int chunk_size(struct mg_connection *c, const char *base, size_t len) {
    pmg_http_t *h = &pmg_x(c)->u.http;
    const char *p = base + h->pos, *end = base + len;
    const char *eol = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
    if (eol == NULL ? end - p > CHUNK_LINE_MAX : eol - p > CHUNK_LINE_MAX) {
        return 400;
    }
    if (eol == NULL) {
        return WAIT;
    }
    size_t n = 0;
    const char *s = p;
    for (; s < eol; s++) {
        int digit = *s >= '0' && *s <= '9'   ? *s - '0'
                    : *s >= 'a' && *s <= 'f' ? *s - 'a' + 10
                    : *s >= 'A' && *s <= 'F' ? *s - 'A' + 10
                                             : -1;
        if (digit < 0) {
            break;
        }
        if (n > SIZE_MAX >> 8) {
            return 413;
        }
        n = n << 4 | (size_t)digit;
    }
    if (s == p || eol[-1] != '\r') {
        return 400;
    }
    const char *ext = s;
    while (ext < eol - 1 && (*ext == ' ' || *ext == '\t')) {
        ext++;
    }
    struct mg_str rest = mg_str_n((char *)(size_t)ext, (size_t)(eol - 1 - ext));
    if ((ext == eol - 1 && ext != s) ||
        (rest.len > 0 && (*ext != ';' || !pmg_is_field_value(rest)))) {
        return 400;
    }
    if (over(h->body_len + n, max_body(c))) {
        return 413;
    }
    h->pos = (size_t)(eol + 1 - base);
    h->left = n;
    h->state = n > 0 ? ST_CHUNK_DATA : ST_TRAILER;
    h->scan = h->pos; // where the trailers begin
    return 0;
}

static int trailer(struct mg_connection *c, const char *base, size_t len, bool *done) {
    pmg_http_t *h = &pmg_x(c)->u.http;
    const char *p = base + h->pos, *end = base + len;
    const char *eol = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
    if (over((size_t)((eol != NULL ? eol : end) - base) - h->scan, pmg_m(c)->limits.max_head)) {
        return 431;
    }
    if (eol == NULL) {
        return WAIT;
    }
    if (eol == p || eol[-1] != '\r') {
        return 400;
    }
    h->pos = (size_t)(eol + 1 - base);
    if (eol - 1 == p) {
        *done = true;
        return 0;
    }
    const char *colon = memchr(p, ':', (size_t)(eol - p));
    if (colon == NULL || !pmg_is_token(mg_str_n((char *)(size_t)p, (size_t)(colon - p))) ||
        !pmg_is_field_value(mg_str_n((char *)(size_t)(colon + 1), (size_t)(eol - 2 - colon)))) {
        return 400;
    }
    return 0; // checked, and dropped: nothing may depend on a trailer (RFC 9110, section 6.5.1)
}

// `n` more bytes of the body stand at h->pos. Handlers run in here.
static int took(struct mg_connection *c, char *base, size_t n) {
    pmg_http_t *h = &pmg_x(c)->u.http;
    char *p = base + h->pos;
    h->pos += n;
    h->left -= n;
    h->body_len += n;
    if (h->sink == PMG_BODY_STREAM) {
        pmg_stream_piece(c, p, n);
        return c->is_closing || c->is_draining || pmg_m(c)->stop ? STOPPED : 0;
    }
    return 0;
}

// Moves on in the body. 0: the message is whole; WAIT or STOPPED; or the status to refuse with.
static int body_progress(struct mg_connection *c, char *base, size_t len) {
    pmg_http_t *h = &pmg_x(c)->u.http;
    bool done = false;
    while (!done) {
        size_t have = len - h->pos, n;
        int r = 0;
        switch (h->state) {
            case ST_LENGTH:
                n = have < h->left ? have : h->left;
                if (n > 0 && (r = took(c, base, n)) != 0) {
                    return r;
                }
                if (h->left > 0) {
                    return WAIT;
                }
                done = true;
                break;
            case ST_UNTIL_CLOSE:
                if (over(h->body_len + have, max_body(c))) {
                    return 413;
                }
                h->left = have;
                if (have > 0 && (r = took(c, base, have)) != 0) {
                    return r;
                }
                if (!pmg_x(c)->eof || pmg_x(c)->cut) { // anybody could have cut it off
                    return WAIT;
                }
                done = true;
                break;
            case ST_CHUNK_SIZE: r = chunk_size(c, base, len); break;
            case ST_CHUNK_DATA:
                n = have < h->left ? have : h->left;
                if (h->sink == PMG_BODY_GATHER) {
                    memmove(base + h->head_len + h->body_len, base + h->pos, n);
                }
                if (n > 0 && (r = took(c, base, n)) != 0) {
                    return r;
                }
                if (h->left > 0) {
                    return WAIT;
                }
                h->state = ST_CHUNK_END;
                break;
            case ST_CHUNK_END:
                if ((have > 0 && base[h->pos] != '\r') || (have > 1 && base[h->pos + 1] != '\n')) {
                    return 400;
                }
                if (have < 2) {
                    return WAIT;
                }
                h->pos += 2;
                h->state = ST_CHUNK_SIZE;
                break;
            default: r = trailer(c, base, len, &done); break;
        }
        if (r != 0) {
            return r;
        }
    }
    return 0;
}

static void refuse(struct mg_connection *c, int status) {
    uint8_t sink = pmg_x(c)->u.http.sink;
    if (sink == PMG_BODY_STREAM && status == 413) {
        pmg_stream_too_large(c);
        return;
    }
    if (!c->is_client) {
        if (sink == PMG_BODY_STREAM) {
            pmg_stream_fail(c, status,
                status == 408 ? "HTTP body timed out" : "invalid chunks in an HTTP body");
        } else if (sink == PMG_BODY_DROP) { // it has its answer
            pmg_x(c)->linger = 1;
            pmg_drain(c);
        } else {
            pmg_http_refuse(c, status);
        }
        return;
    }
    pmg_stream_abort(c);
    pmg_fatal(c, status == 413   ? "HTTP response is larger than the limit max_body"
                 : status == 431 ? "HTTP response has a head larger than the limit max_head"
                 : status == 505 ? "HTTP response has an unknown version"
                 : status == 501 ? "HTTP response has an unknown transfer encoding"
                                 : "invalid HTTP response");
}

// A handler raised while the request waits for its answer.
static void answer_failure(struct mg_connection *c) {
    if (!c->is_resp || c->is_closing || c->is_draining) {
        return;
    }
    if (pmg_x(c)->u.http.resp_started) {
        pmg_close(c); // half a reply: the client must see that it is cut
        return;
    }
    pmg_head_t head;
    if (pmg_reply_begin(&head, c, 500) < 0 ||
        pmg_reply_end(&head, mg_str("Internal Server Error\n")) < 0) {
        pmg_close(c);
    }
}

static inline void fire(struct mg_connection *c, int ev, void *hm) {
    pmg_x(c)->handler_failed = 0;
    mg_call(c, ev, hm);
    if (pmg_x(c)->handler_failed && c->is_accepted && c->pfn == pmg_http_pfn) {
        answer_failure(c);
    }
}

void pmg_http_fire(struct mg_connection *c, int ev, void *data) {
    fire(c, ev, data);
}

typedef struct {
    pmg_header_t headers[PMG_MAX_HEADERS];
    pmg_http_msg_t hm;
    pmg_framing_t f;
} parse_t;

// The request was answered, its body not. A long one is not worth reading.
static void drop_body(struct mg_connection *c) {
    pmg_http_t *h = &pmg_x(c)->u.http;
    pmg_stream_abort(c);
    h->sink = PMG_BODY_DROP;
    h->body_len = 0;
    if (h->state == ST_LENGTH && over(h->left, pmg_m(c)->limits.max_body)) {
        pmg_x(c)->linger = 1;
        pmg_drain(c);
    }
}

// Reads a head at `base`. 1: done, or APART, WAIT, 0: refused or taken over.
static int read_head(struct mg_connection *c, char *base, size_t len, parse_t *p) {
    pmg_http_t *h = &pmg_x(c)->u.http;
    pmg_mgr_t *m = pmg_m(c);
    p->hm.head.len = 0;
    if (c->is_client && !pmg_request_asked(c)) {
        pmg_fatal(c, "HTTP response that no request asked for");
        return 0;
    }
    if (!c->is_client && !pmg_is_token(mg_str_n(base, 1))) {
        refuse(c, 400); // no method begins like this: TLS on a plain port, for one
        return 0;
    }
    h->head_len = head_length(base, len, h->scan);
    if (over(h->head_len > 0 ? h->head_len : len, m->limits.max_head)) {
        refuse(c, 431);
        return 0;
    }
    if (h->head_len == 0) {
        h->scan = len;
        return WAIT;
    }
    int status = pmg_http_parse_head(base, h->head_len, c->is_client, &p->hm, p->headers,
        PMG_MAX_HEADERS, &p->f);
    if (!c->is_client) {
        h->http10 = p->f.http10;
        h->close_after = p->f.close || (p->f.http10 && !p->f.keep_alive);
        h->is_head = p->hm.method.len == 4 && memcmp(p->hm.method.buf, "HEAD", 4) == 0;
        h->resp_started = 0;
        h->out = PMG_OUT_LENGTH;
    }
    c->is_resp = 1; // of a client, too: pmg_http_in_head()
    if (status != 0) {
        refuse(c, status);
        return 0;
    }
    body_framing(c, &p->hm, &p->f);
    p->hm.body = mg_str_n(base + h->head_len, 0);
    if (!c->is_client || p->hm.status >= 200 || p->hm.status == 101) {
        fire(c, MG_EV_HTTP_HDRS, &p->hm);
    }
    if (c->pfn != pmg_http_pfn || c->is_closing || c->is_draining) {
        return 0;
    }
    int result = 1;
    if (h->sink != PMG_BODY_GATHER || (!c->is_client && !c->is_resp)) {
        result = h->state == ST_LENGTH && h->left == 0 && h->stream == NULL ? 1 : APART;
        if (h->sink != PMG_BODY_STREAM) { // answered from the head alone
            drop_body(c);
        } else if (!pmg_stream_begin(c, base, h->head_len)) {
            return 0;
        }
        if (c->is_draining) {
            return 0;
        }
    } else if (h->state == ST_LENGTH && over(h->left, m->limits.max_body)) {
        refuse(c, 413);
        return 0;
    }
    if (h->sink != PMG_BODY_STREAM || c->is_client) {
        c->is_resp = 0;
    }
    if (p->f.expect_continue && !c->is_client && !p->f.http10 && h->sink != PMG_BODY_DROP &&
        !h->resp_started && len == h->head_len && !(h->state == ST_LENGTH && h->left == 0) &&
        !pmg_out_str(c, "HTTP/1.1 100 Continue\r\n\r\n")) {
        pmg_fatal(c, "no memory");
        return 0;
    }
    return result;
}

static void deliver(struct mg_connection *c, pmg_http_msg_t *hm) {
    pmg_conn_t *x = pmg_x(c);
    pmg_http_t *h = &x->u.http;
    bool skip = h->sink == PMG_BODY_DROP || (c->is_client && hm->status < 200 && hm->status != 101);
    bool until_close = h->state == ST_UNTIL_CLOSE;
    pmg_http_reset(c);
    if (c->is_client && hm->status >= 200) {
        pmg_request_answered(c);
    }
    if (!skip) {
        h->by_hand &= c->is_resp; // written while the body still came
        c->is_resp = !c->is_client;
        fire(c, MG_EV_HTTP_MSG, hm);
        if (c->pfn == pmg_http_pfn && c->is_resp && h->by_hand && !h->resp_started) {
            pmg_http_done(c); // a reply that the program wrote with send()
        }
    } else if (!c->is_client && h->close_after) {
        pmg_drain(c);
    }
    if (c->is_client && hm->status == 101 && c->pfn == pmg_http_pfn) {
        c->pfn = NULL; // another protocol follows, and it is the program's
        x->proto = PMG_RAW;
    }
    if (until_close && !c->is_closing) {
        pmg_close(c);
    }
}

// A message whose head came with an earlier read, or whose body went its own way. False: its file
// failed.
static bool parse_late(struct mg_connection *c, char *base, parse_t *p, pmg_stream_t **s) {
    pmg_http_t *h = &pmg_x(c)->u.http;
    struct mg_str head = mg_str_n(base, h->head_len);
    if (h->sink == PMG_BODY_STREAM && (*s = pmg_stream_end(c, &head)) == NULL) {
        return false;
    }
    if (h->sink != PMG_BODY_DROP) { // the buffer has moved since
        (void)pmg_http_parse_head(head.buf, head.len, c->is_client, &p->hm, p->headers,
            PMG_MAX_HEADERS, &p->f);
        p->hm.body = mg_str_n(head.buf + head.len, h->sink == PMG_BODY_GATHER ? h->body_len : 0);
    }
    return true;
}

// Handles what is buffered, message by message; returns how many bytes are done with.
static size_t process(struct mg_connection *c) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_http_t *h = &pmg_x(c)->u.http;
    parse_t p;
    size_t ofs = 0;
    while ((!c->is_resp || h->sink == PMG_BODY_STREAM) && !c->is_closing && !c->is_draining &&
           !m->stop && c->pfn == pmg_http_pfn) {
        bool parsed = h->state == ST_HEAD;
        if (parsed) {
            if (c->is_accepted && pmg_conn_send_len(c) > PMG_PIPELINE_MAX) {
                pmg_x(c)->backlog = 1; // pmg_flush() takes it away
                break;
            }
            while (ofs + 1 < c->recv.len && c->recv.buf[ofs] == '\r' &&
                   c->recv.buf[ofs + 1] == '\n') {
                ofs += 2; // empty lines ahead of a message (RFC 9112, section 2.2)
            }
            if (ofs >= c->recv.len || (c->recv.len - ofs == 1 && c->recv.buf[ofs] == '\r')) {
                break;
            }
            int r = read_head(c, (char *)c->recv.buf + ofs, c->recv.len - ofs, &p);
            if (r == WAIT) {
                break;
            }
            if (r == 0) { // refused; or taken over by a WebSocket: what follows the head is its
                return ofs + p.hm.head.len;
            }
            if (r == APART) {
                ofs += h->head_len;
                h->head_len = h->pos = 0;
                parsed = false;
            }
        }
        char *base = (char *)c->recv.buf + ofs;
        // Most have no body.
        int r =
            h->state == ST_LENGTH && h->left == 0 ? 0 : body_progress(c, base, c->recv.len - ofs);
        if (r < 0) {
            // Framing that was read is taken out, so that small chunks cannot bloat the buffer.
            size_t keep = h->sink == PMG_BODY_GATHER ? h->head_len + h->body_len : 0;
            size_t rest = c->recv.len - ofs - h->pos;
            if (h->pos > keep) {
                memmove(base + keep, base + h->pos, rest);
                c->recv.len = ofs + keep + rest;
                h->scan -= h->state == ST_TRAILER ? h->pos - keep : 0;
                h->pos = keep;
            }
            break;
        }
        if (r != 0) {
            refuse(c, r);
            break;
        }
        ofs += h->pos;
        pmg_stream_t *s = NULL;
        p.hm.body.len = h->body_len;
        if (!parsed && !parse_late(c, base, &p, &s)) {
            break;
        }
        deliver(c, &p.hm);
        if (s != NULL) {
            pmg_stream_free(s);
        }
    }
    return ofs;
}

static void arm(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    pmg_limits_t *lim = &pmg_m(c)->limits;
    if (c->is_draining || c->is_closing) {
        return;
    }
    if (c->is_resp && x->u.http.sink == PMG_BODY_GATHER) {
        pmg_deadline(c, PMG_DL_NONE, 0);
    } else if (x->u.http.state != ST_HEAD) {
        pmg_deadline(c, PMG_DL_BODY, lim->body_timeout);
    } else if (c->recv.len == 0) {
        pmg_deadline(c, PMG_DL_IDLE, c->is_client ? 0 : lim->idle_timeout);
    } else if (x->deadline_kind != PMG_DL_HEAD) { // not renewed: a head may not trickle in for ever
        pmg_deadline(c, PMG_DL_HEAD, lim->head_timeout);
    }
}

void pmg_http_pfn(struct mg_connection *c, int ev, void *data) {
    if (ev != MG_EV_READ && ev != MG_EV_POLL) {
        return;
    }
    (void)data;
    size_t done = process(c);
    if (c->is_draining) {
        done = c->recv.len;
    }
    if (done > 0 && c->recv.len > 0) {
        c->recv.len -= done;
        memmove(c->recv.buf, c->recv.buf + done, c->recv.len);
    }
    if (c->pfn == pmg_http_pfn) {
        arm(c);
        bool stream = pmg_x(c)->u.http.sink == PMG_BODY_STREAM;
        if (pmg_m(c)->stop && !c->is_closing && (stream || (c->recv.len > 0 && !c->is_resp))) {
            pmg_x(c)->reparse = 1; // an exception left poll(): the rest is handled at the next one
        }
        if (pmg_x(c)->eof && c->is_accepted && !pmg_x(c)->reparse) {
            if (stream && !c->is_closing && !c->is_draining) {
                pmg_stream_abort(c);
                pmg_fatal(c, "connection closed inside an HTTP request");
            } else if (!c->is_resp) {
                pmg_drain(c); // half closed, and all its requests are answered
            }
        }
        bool inside = pmg_x(c)->u.http.state != ST_HEAD || c->recv.len > 0;
        if (pmg_x(c)->eof && c->is_client && !c->is_closing && !pmg_x(c)->reparse &&
            (inside || pmg_request_owed(c))) {
            pmg_stream_abort(c);
            pmg_fatal(c, inside ? "connection closed inside an HTTP response"
                                : "connection closed before the HTTP response");
        }
    } else if (c->pfn != NULL && c->recv.len > 0 && !c->is_closing) {
        c->pfn(c, MG_EV_READ, &c->recv.len);
    }
}

void pmg_http_done(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    c->is_resp = 0;
    x->u.http.resp_started = 0;
    c->is_full = 0;
    if (x->u.http.close_after) {
        // So that a client that is still sending will read the reply.
        x->linger |= x->u.http.state > ST_LENGTH || x->u.http.left > 0;
        pmg_drain(c);
        return;
    }
    if (x->u.http.sink == PMG_BODY_STREAM) {
        drop_body(c);
    }
    if (!x->in_read) { // answered later: pipelined requests may wait
        x->reparse = 1;
        pmg_work(c);
    }
}

void pmg_http_timeout(struct mg_connection *c, int kind) {
    if (kind == PMG_DL_IDLE) {
        pmg_close(c);
    } else if (c->is_client) {
        pmg_fatal(c,
            kind == PMG_DL_HEAD ? "HTTP response head timed out" : "HTTP response body timed out");
    } else {
        refuse(c, 408);
    }
}
