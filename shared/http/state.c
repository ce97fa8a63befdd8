// SPDX-License-Identifier: GPL-2.0-only
//
// Where a connection stands between and inside messages: what all that reads, answers and streams
// asks and sets. It calls none of them.

#include "upload.h"

const char pmg_http_name[] = "HTTP";

void pmg_http_reset(struct mg_connection *c) {
    pmg_http_t *h = pmg_http_of(c);
    h->state = PMG_HTTP_HEAD;
    h->sink = PMG_HTTP_BODY_GATHER;
    h->scan = h->head_len = h->pos = h->left = h->body_len = 0;
    pmg_expect(c, 0);
}

bool pmg_http_in_head(struct mg_connection *c) {
    pmg_http_t *h = pmg_http_of(c);
    // Between its events a request that is gathered waits for no reply.
    return c->is_resp && h->state != PMG_HTTP_HEAD && h->sink == PMG_HTTP_BODY_GATHER;
}

size_t pmg_http_body_left(struct mg_connection *c) {
    pmg_http_t *h = pmg_http_of(c);
    return h->state == PMG_HTTP_LENGTH ? h->left : 0;
}

// A long one is not worth reading.
void pmg_http_body_drop(struct mg_connection *c) {
    pmg_http_t *h = pmg_http_of(c);
    pmg_http_stream_abort(c);
    h->sink = PMG_HTTP_BODY_DROP;
    h->body_len = 0;
    if (h->state == PMG_HTTP_LENGTH && pmg_http_over(h->left, pmg_m(c)->limits.max_body)) {
        pmg_x(c)->linger = 1;
        pmg_drain(c);
    }
}

void pmg_http_leave(struct mg_connection *c) {
    pmg_http_stream_abort(c); // a body that another protocol cuts off
    pmg_conn_speak(c, &pmg_raw);
    pmg_no_deadline(c);
}

void pmg_http_done(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    pmg_http_t *h = pmg_http_of(c);
    c->is_resp = 0;
    h->resp_started = 0;
    c->is_full = 0;
    if (h->close_after) {
        if (h->tunnel) {
            pmg_http_leave(c);
            return;
        }
        // So that a client that is still sending will read the reply.
        x->linger |= h->state > PMG_HTTP_LENGTH || h->left > 0;
        pmg_drain(c);
        return;
    }
    if (h->sink == PMG_HTTP_BODY_STREAM) {
        pmg_http_body_drop(c);
    }
    if (!x->in_read) { // answered later: pipelined requests may wait
        x->reparse = 1;
        pmg_work(c);
    }
}

// ---------------------------------------------------------------------------------------------
// A body that arrives in pieces, and how it ends before its time

#if PMG_HAS_STREAM

void pmg_http_stream_free(pmg_http_stream_t *s) {
    if (s == NULL) {
        return;
    }
    pmg_http_upload_free(s->upload);
    pmg_free(s->form);
    pmg_free(s->head);
    pmg_free(s);
}

void pmg_http_stream_abort(struct mg_connection *c) {
    if (!pmg_is_http(c) || pmg_http_of(c)->stream == NULL) {
        return;
    }
    pmg_http_t *h = pmg_http_of(c);
    pmg_http_stream_t *s = h->stream;
    h->stream = NULL; // first: to close its file may run Python
    h->sink = PMG_HTTP_BODY_DROP;
    if (s->busy) {
        s->gone = true;
    } else {
        pmg_http_stream_free(s);
    }
}

size_t pmg_http_stream_held(struct mg_connection *c) {
    const pmg_http_stream_t *s = pmg_http_of(c)->stream;
    return s != NULL ? sizeof(*s) + s->form_size + s->head_len : 0;
}

size_t pmg_http_stream_fit(struct mg_connection *c, size_t len) {
    size_t most = pmg_http_of(c)->stream->most;
    return most > 0 && len > most ? most : len;
}

size_t pmg_http_stream_max(struct mg_connection *c) {
    return pmg_http_of(c)->stream->max;
}

#endif
