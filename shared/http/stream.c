// SPDX-License-Identifier: GPL-2.0-only
//
// Bodies of any size in constant memory: http_stream_body() has a body arrive in pieces, or go into
// a file (upload.c), http_stream_form() has the parts of a form do so (form.c). What was read is
// handed on and forgotten; only the head is kept, for the message's end.

#include "stream.h"

#if PMG_HAS_STREAM

bool pmg_http_stream_leave(pmg_http_stream_t *s) {
    bool stays = !s->gone;
    s->busy = false;
    if (!stays) {
        pmg_http_stream_free(s);
    }
    return stays;
}

// What went wrong becomes MG_EV_ERROR. A server then answers with `status`, unless the program did.
void pmg_http_stream_fail(struct mg_connection *c, int status, const char *text) {
    pmg_http_stream_abort(c);
    if (c->is_client) {
        pmg_fatal(c, text);
        return;
    }
    pmg_call(c, MG_EV_ERROR, (void *)(size_t)text);
    if (c->is_resp) {
        pmg_http_refuse(c, status);
    } else {
        pmg_x(c)->linger = 1;
        pmg_drain(c);
    }
}

void pmg_http_stream_too_large(struct mg_connection *c) {
    char text[80];
    size_t max = pmg_http_of(c)->stream->max;
    pmg_snprintf(text, sizeof(text), "HTTP body is larger than max_size, %zu bytes", max);
    pmg_http_stream_fail(c, 413, max > 0 ? text : "HTTP body has a chunk that is too large");
}

static bool file_failed(struct mg_connection *c, int err) {
    char text[160];
    const char *path = pmg_http_upload_path(pmg_http_of(c)->stream->upload);
    pmg_snprintf(text, sizeof(text), "cannot write %.*s: %s", PMG_CUT(path), strerror(-err));
    bool full = err == -ENOSPC || err == -EFBIG;
    pmg_http_stream_fail(c, full ? 507 : 500, text);
    return false;
}

// ---------------------------------------------------------------------------------------------
// The beginning

int pmg_http_stream_new(struct mg_connection *c, const char *method, size_t max_size,
    pmg_http_stream_t **out) {
    pmg_mgr_t *m = pmg_m(c);
    if (pmg_is_http(c) && pmg_http_of(c)->stream != NULL) {
        return pmg_fail(m, -EALREADY, "%s() was called already", method);
    }
    if (!pmg_is_http(c) || !pmg_http_in_head(c)) {
        return pmg_fail(m, -EINVAL,
            "%s() works in MG_EV_HTTP_HDRS, before the body and before the reply", method);
    }
    int alive = pmg_conn_alive(c); // in MG_EV_CLOSE nobody would end it any more
    if (alive < 0) {
        return alive;
    }
    pmg_http_stream_t *s = pmg_alloc(sizeof(*s));
    if (s == NULL) {
        return pmg_fail(m, -ENOMEM, "no memory for the body");
    }
    memset(s, 0, sizeof(*s));
    s->max = max_size;
    s->refused = max_size > 0 && pmg_http_body_left(c) > max_size;
    *out = s;
    return 0;
}

void pmg_http_stream_start(struct mg_connection *c, pmg_http_stream_t *s) {
    pmg_http_t *h = pmg_http_of(c);
    h->stream = s;
    h->sink = PMG_HTTP_BODY_STREAM;
    h->by_hand = 0;
}

int pmg_http_stream_body(struct mg_connection *c, const char *path, size_t max_size, size_t piece) {
    pmg_http_stream_t *s;
    int err = pmg_http_stream_new(c, "http_stream_body", max_size, &s);
    if (err < 0) {
        return err;
    }
    s->most = piece;
    if (path == NULL && !pmg_hears(c, MG_EV_HTTP_BODY)) {
        err = pmg_fail(pmg_m(c), -EINVAL,
            "http_stream_body() needs a path: the handler's events lack MG_EV_HTTP_BODY");
    } else if (path != NULL && !s->refused) { // no file for what will not come
        err = pmg_http_upload_new(pmg_m(c), path, &s->upload);
    }
    if (err == 0 && (!pmg_is_http(c) || !pmg_http_in_head(c) || pmg_http_of(c)->stream != NULL ||
                        c->is_closing)) {
        err = pmg_fail(pmg_m(c), -EALREADY, "the request was answered while its file was made");
    }
    if (err < 0) {
        pmg_http_stream_free(s);
        return err;
    }
    pmg_http_stream_start(c, s);
    return 0;
}

bool pmg_http_stream_begin(struct mg_connection *c, const char *head, size_t len) {
    pmg_http_stream_t *s = pmg_http_of(c)->stream;
    if (s->refused) {
        pmg_http_stream_too_large(c);
        return false;
    }
    if (s->no_room) {
        pmg_http_stream_fail(c, 413, pmg_no_budget);
        return false;
    }
    s->head = pmg_strndup(head, len);
    s->head_len = len;
    if (s->head == NULL) {
        pmg_http_stream_fail(c, 503, "no memory for the body");
        return false;
    }
    return true;
}

// ---------------------------------------------------------------------------------------------
// Pieces and the end

size_t pmg_http_stream_piece(struct mg_connection *c, const char *buf, size_t len) {
    pmg_http_stream_t *s = pmg_http_of(c)->stream;
    if (s->piece != NULL) {
        return s->piece(c, buf, len);
    }
    struct mg_str piece = mg_str_n((char *)(size_t)buf, len);
    if (s->upload != NULL) {
        (void)pmg_http_stream_write(c, piece);
        return len;
    }
    pmg_http_fire(c, MG_EV_HTTP_BODY, &piece);
    return len;
}

bool pmg_http_stream_write(struct mg_connection *c, struct mg_str data) {
    pmg_http_stream_t *s = pmg_http_of(c)->stream;
    s->busy = true;
    int err = pmg_http_upload_write(s->upload, data.buf, data.len);
    return pmg_http_stream_leave(s) && (err >= 0 || file_failed(c, err));
}

bool pmg_http_stream_save(struct mg_connection *c) {
    pmg_http_stream_t *s = pmg_http_of(c)->stream;
    if (s->upload == NULL) {
        return true;
    }
    s->busy = true;
    int err = pmg_http_upload_close(s->upload);
    if (err == 0 && !s->gone) {
        err = pmg_http_upload_rename(s->upload);
    }
    if (!pmg_http_stream_leave(s)) {
        return false;
    }
    if (err < 0) {
        return file_failed(c, err);
    }
    pmg_http_upload_free(s->upload);
    s->upload = NULL;
    return true;
}

pmg_http_stream_t *pmg_http_stream_end(struct mg_connection *c, struct mg_str *head) {
    pmg_http_t *h = pmg_http_of(c);
    pmg_http_stream_t *s = h->stream;
    if ((s->end != NULL && !s->end(c)) || !pmg_http_stream_save(c)) {
        return NULL;
    }
    *head = mg_str_n(s->head, s->head_len);
    h->stream = NULL;
    return s;
}

#endif
