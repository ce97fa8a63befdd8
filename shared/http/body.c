// SPDX-License-Identifier: GPL-2.0-only
//
// Bodies: how they are framed (RFC 9112, section 6), and where they go.

#include "chunk.h"
#include "http_int.h"

static size_t max_body(struct mg_connection *c) {
    return pmg_http_of(c)->sink == PMG_HTTP_BODY_STREAM ? pmg_http_stream_max(c)
                                                        : pmg_m(c)->limits.max_body;
}

void pmg_http_body_begin(struct mg_connection *c, const pmg_http_msg_t *hm,
    const pmg_http_framing_t *f) {
    pmg_http_t *h = pmg_http_of(c);
    h->pos = h->head_len;
    h->state = PMG_HTTP_LENGTH;
    h->left = 0;
    if (c->is_client) {
        struct mg_str type = pmg_http_header(hm, mg_str("Content-Type"));
        static const char events[] = "text/event-stream";
        h->events = type.len >= sizeof(events) - 1 &&
                    mg_strcasecmp(mg_str_n(type.buf, sizeof(events) - 1), mg_str(events)) == 0;
    }
    if (c->is_client &&
        (pmg_request_is_head(c) || (hm->status / 100 == 2 && pmg_request_is_connect(c)) ||
            hm->status < 200 || hm->status == 204 || hm->status == 304)) {
        return;
    }
    if (f->chunked) {
        h->state = PMG_HTTP_CHUNK_SIZE;
    } else if (f->has_length) {
        h->left = f->content_length;
    } else if (c->is_client) {
        h->state = PMG_HTTP_UNTIL_CLOSE;
    }
}

static int chunk_size(struct mg_connection *c, const char *base, size_t len) {
    pmg_http_t *h = pmg_http_of(c);
    size_t size;
    long n = pmg_chunk_line(base + h->pos, len - h->pos, &size);
    if (n <= 0) {
        return n < 0 ? (int)-n : PMG_HTTP_BODY_WAIT;
    }
    if (pmg_http_over(h->body_len + size, max_body(c))) {
        return 413;
    }
    h->pos += (size_t)n;
    h->left = size;
    h->state = size > 0 ? PMG_HTTP_CHUNK_DATA : PMG_HTTP_TRAILER;
    h->scan = h->pos; // where the trailers begin
    return 0;
}

static int trailer(struct mg_connection *c, const char *base, size_t len, bool *done) {
    pmg_http_t *h = pmg_http_of(c);
    long n = pmg_chunk_trailer(base + h->pos, len - h->pos, done);
    // Of a line that is there, what stands before its LF counts.
    size_t read = n > 0 ? h->pos + (size_t)n - 1 : len;
    if (n >= 0 && pmg_http_over(read - h->scan, pmg_m(c)->limits.max_head)) {
        *done = false;
        return 431;
    }
    if (n <= 0) {
        return n < 0 ? (int)-n : PMG_HTTP_BODY_WAIT;
    }
    h->pos += (size_t)n;
    return 0;
}

static void step(pmg_http_t *h, size_t n) {
    h->pos += n;
    h->left -= n;
    h->body_len += n;
}

// `n` more bytes of the body stand at h->pos. Handlers run in here.
static int took(struct mg_connection *c, char *base, size_t n) {
    pmg_http_t *h = pmg_http_of(c);
    while (n > 0 && h->sink == PMG_HTTP_BODY_STREAM) {
        size_t fits = pmg_http_stream_fit(c, n);
        char *p = base + h->pos;
        n -= fits;
        step(h, fits);
        size_t rest = fits - pmg_http_stream_piece(c, p, fits);
        if (!pmg_is_http(c)) { // answered by a tunnel: what follows is not ours
            return PMG_HTTP_BODY_STOPPED;
        }
        h->pos -= rest; // it comes again
        h->left += rest;
        h->body_len -= rest;
        if (c->is_closing || c->is_draining || pmg_m(c)->stop) {
            return PMG_HTTP_BODY_STOPPED;
        }
    }
    step(h, n);
    return 0;
}

// What there is of the body or of the chunk. 0: it is whole.
static int take(struct mg_connection *c, char *base, size_t len) {
    pmg_http_t *h = pmg_http_of(c);
    size_t have = len - h->pos;
    int r = took(c, base, have < h->left ? have : h->left);
    return r == 0 && h->left > 0 ? PMG_HTTP_BODY_WAIT : r;
}

static int take_chunk(struct mg_connection *c, char *base, size_t len) {
    pmg_http_t *h = pmg_http_of(c);
    size_t have = len - h->pos, n = have < h->left ? have : h->left;
    if (h->sink == PMG_HTTP_BODY_GATHER) {
        memmove(base + h->head_len + h->body_len, base + h->pos, n);
    }
    int r = take(c, base, len);
    if (r == 0) {
        h->state = PMG_HTTP_CHUNK_END;
    }
    return r;
}

static int chunk_end(struct mg_connection *c, const char *base, size_t len) {
    pmg_http_t *h = pmg_http_of(c);
    size_t have = len - h->pos;
    if ((have > 0 && base[h->pos] != '\r') || (have > 1 && base[h->pos + 1] != '\n')) {
        return 400;
    }
    if (have < 2) {
        return PMG_HTTP_BODY_WAIT;
    }
    h->pos += 2;
    h->state = PMG_HTTP_CHUNK_SIZE;
    return 0;
}

static int take_until_close(struct mg_connection *c, char *base, size_t len) {
    pmg_http_t *h = pmg_http_of(c);
    size_t have = len - h->pos;
    if (pmg_http_over(h->body_len + have, max_body(c))) {
        return 413;
    }
    h->left = have;
    int r = took(c, base, have);
    // What was cut off by anybody ends without the layer saying so.
    return r == 0 && (!pmg_x(c)->eof || pmg_x(c)->cut) ? PMG_HTTP_BODY_WAIT : r;
}

int pmg_http_body_more(struct mg_connection *c, char *base, size_t len) {
    bool done = false;
    int r = 0;
    while (!done && r == 0) {
        switch (pmg_http_of(c)->state) {
            case PMG_HTTP_LENGTH: r = take(c, base, len), done = true; break;
            case PMG_HTTP_UNTIL_CLOSE: r = take_until_close(c, base, len), done = true; break;
            case PMG_HTTP_CHUNK_SIZE: r = chunk_size(c, base, len); break;
            case PMG_HTTP_CHUNK_DATA: r = take_chunk(c, base, len); break;
            case PMG_HTTP_CHUNK_END: r = chunk_end(c, base, len); break;
            default: r = trailer(c, base, len, &done); break;
        }
    }
    return r;
}
