// SPDX-License-Identifier: GPL-2.0-only
//
// Replies that a program writes by hand, with send(): they are followed, so that http_chunk() and
// http_sse() can go on with them, and that the next request is read when they are whole.

#include "follow.h"
#include "http_int.h"

// pmg_request_t begins with it.
static pmg_follow_t *follower(struct mg_connection *c) {
    return (pmg_follow_t *)(void *)pmg_http_of(c)->client.request;
}

bool pmg_hand_between(struct mg_connection *c) {
    const pmg_follow_t *f = follower(c);
    return f == NULL || pmg_follow_between(f) || pmg_follow_in_chunks(f) ||
           pmg_follow_until_close(f) || pmg_follow_lost(f);
}

bool pmg_hand_answered_head(struct mg_connection *c) {
    const pmg_follow_t *f = follower(c);
    return !c->is_resp && pmg_http_of(c)->is_head && f != NULL && f->no_body;
}

void pmg_hand_done(struct mg_connection *c) {
    pmg_follow_t *f = follower(c);
    if (f != NULL) {
        pmg_follow_done(f);
    }
}

static void met(struct mg_connection *c, const pmg_follow_t *f, int what) {
    pmg_http_t *h = pmg_http_of(c);
    if (what == PMG_FOLLOW_LOST && f->status == 101) {
        h->tunnel = h->close_after = 1;
        pmg_http_done(c);
    } else if (what == PMG_FOLLOW_LOST) {
        h->by_hand = 1;
    } else if (what == PMG_FOLLOW_HEAD) {
        h->out = f->chunked                  ? PMG_HTTP_OUT_CHUNKED
                 : pmg_follow_until_close(f) ? PMG_HTTP_OUT_STREAM
                                             : PMG_HTTP_OUT_LENGTH;
        h->events = f->endless;
        h->close_after |= f->close || h->out == PMG_HTTP_OUT_STREAM;
        h->tunnel = h->is_connect && f->status / 100 == 2;
        h->close_after |= h->tunnel;
    }
    if (what == PMG_FOLLOW_END ||
        (what == PMG_FOLLOW_HEAD && (pmg_follow_between(f) || h->tunnel))) {
        pmg_http_done(c);
    }
}

int pmg_hand_send(struct mg_connection *c, const void *buf, size_t len) {
    pmg_http_t *h = pmg_http_of(c);
    pmg_follow_t *f = follower(c);
    if (f != NULL && pmg_follow_lost(f) && !h->by_hand) { // of the request before
        pmg_follow_done(f);
    }
    bool other = h->resp_started && (f == NULL || pmg_follow_between(f));
    if (!c->is_resp || other || len == 0) { // or a stream that reply() began
        return pmg_send_plain(c, buf, len);
    }
    if (f == NULL && !pmg_request_new(c)) {
        return pmg_fail(pmg_m(c), -ENOMEM, "no memory to send %zu bytes", len);
    }
    int err = pmg_send_plain(c, buf, len);
    if (err < 0) {
        return err;
    }
    const char *p = buf, *end = p + len;
    int what;
    f = follower(c);
    f->response = true;
    f->no_body = h->is_head;
    while (c->is_resp && (what = pmg_follow(f, &p, end)) != 0) {
        met(c, f, what);
    }
    if (c->is_resp) { // after an interim response another follows
        h->resp_started = !pmg_follow_between(f) && !pmg_follow_lost(f);
    }
    return 0;
}
