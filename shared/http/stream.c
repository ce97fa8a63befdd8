// SPDX-License-Identifier: GPL-2.0-only
//
// Bodies of any size in constant memory: http_stream_body() has a body arrive in pieces, or go into
// a file. What was read is handed on and forgotten; only the head is kept, for the message's end.
//
// A file grows under a name of its own in the folder where it will stand, ".name.1a2b3c4d.part",
// which serve_dir() does not show, and is renamed when it is whole. So nobody ever sees half a
// file, and what stood there before stays until the new one is complete.

#include "http_int.h"

#if PMG_HAS_STREAM

// After the file system had it. True: it is gone, a reply or an end came meanwhile.
static bool gone(pmg_http_stream_t *s) {
    bool was = s->gone;
    s->busy = false;
    if (was) {
        pmg_http_stream_free(s);
    }
    return was;
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
    pmg_snprintf(text, sizeof(text), "HTTP body is larger than max_size, %zu bytes",
        pmg_http_of(c)->stream->max);
    pmg_http_stream_fail(c, 413, text);
}

static void file_failed(struct mg_connection *c, int err) {
    char text[160];
    pmg_snprintf(text, sizeof(text), "cannot write %.*s: %s", PMG_CUT(pmg_http_of(c)->stream->path),
        strerror(-err));
    bool full = err == -ENOSPC || err == -EFBIG;
    pmg_http_stream_fail(c, full ? 507 : 500, text);
}

// ---------------------------------------------------------------------------------------------
// The beginning

// "folder/name" -> "folder/.name.1a2b3c4d.part". Two uploads of one file do not meet.
static bool part_name(pmg_mgr_t *m, const char *path, char *out, size_t size) {
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    uint32_t number;
    if (!pmg_random(m, &number, sizeof(number))) {
        return false;
    }
    pmg_snprintf(out, size, "%.*s.%s.%08x.part", (int)(name - path), path, name, (unsigned)number);
    return true;
}
#define PART_EXTRA sizeof("..12345678.part")

int pmg_http_stream_body(struct mg_connection *c, const char *path, size_t max_size, size_t piece) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_http_t *h = pmg_http_of(c);
    if (pmg_is_http(c) && h->stream != NULL) {
        return pmg_fail(m, -EALREADY, "http_stream_body() was called already");
    }
    if (!pmg_is_http(c) || !pmg_http_in_head(c)) {
        return pmg_fail(m, -EINVAL,
            "http_stream_body() works in MG_EV_HTTP_HDRS, before the body and before the reply");
    }
    int alive = pmg_conn_alive(c); // in MG_EV_CLOSE nobody would end it any more
    if (alive < 0) {
        return alive;
    }
    // As for MG_EV_HTTP_PART, once forms are read in pieces.
    if (path == NULL && !(pmg_x(c)->events & PMG_EVENT_BIT(MG_EV_HTTP_BODY))) {
        return pmg_fail(m, -EINVAL,
            "http_stream_body() needs a path: the handler's events lack MG_EV_HTTP_BODY");
    }
    size_t len = path != NULL ? strlen(path) + 1 : 0;
    if (path != NULL && (len == 1 || path[len - 2] == '/')) {
        return pmg_fail(m, -EINVAL, "path must name a file");
    }
    size_t size = path != NULL ? 2 * len + PART_EXTRA : 0;
    pmg_http_stream_t *s = pmg_alloc(sizeof(*s) + size);
    if (s == NULL) {
        return pmg_fail(m, -ENOMEM, "no memory for the body");
    }
    memset(s, 0, sizeof(*s));
    s->max = max_size;
    s->piece = piece;
    s->path_len = len;
    s->refused = max_size > 0 && pmg_http_body_left(c) > max_size;
    if (path != NULL && !s->refused) { // no file for what will not come
        memcpy(s->path, path, len);
        if (!part_name(m, path, s->path + len, size - len)) {
            pmg_free(s);
            return pmg_fail(m, -EIO, PMG_NO_RANDOM);
        }
        int err = pmg_port_file_create(pmg_http_stream_part(s), &s->file);
        if (err < 0) {
            s->file = NULL;
            pmg_http_stream_free(s);
            return pmg_fail(m, err, "cannot write %.*s: %s", PMG_CUT(path), strerror(-err));
        }
        if (!pmg_is_http(c) || !pmg_http_in_head(c) || h->stream != NULL || c->is_closing) {
            pmg_http_stream_free(s);
            return pmg_fail(m, -EALREADY, "the request was answered while its file was made");
        }
    }
    h->stream = s;
    h->sink = PMG_HTTP_BODY_STREAM;
    h->by_hand = 0;
    return 0;
}

bool pmg_http_stream_begin(struct mg_connection *c, const char *head, size_t len) {
    pmg_http_stream_t *s = pmg_http_of(c)->stream;
    if (s->refused) {
        pmg_http_stream_too_large(c);
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

void pmg_http_stream_piece(struct mg_connection *c, const void *buf, size_t len) {
    pmg_http_stream_t *s = pmg_http_of(c)->stream;
    if (s->file != NULL) {
        s->busy = true;
        int err = pmg_port_file_write(s->file, buf, len);
        if (!gone(s) && err < 0) {
            file_failed(c, err);
        }
        return;
    }
    struct mg_str piece = mg_str_n((char *)(size_t)buf, len);
    pmg_http_fire(c, MG_EV_HTTP_BODY, &piece);
}

pmg_http_stream_t *pmg_http_stream_end(struct mg_connection *c, struct mg_str *head) {
    pmg_http_t *h = pmg_http_of(c);
    pmg_http_stream_t *s = h->stream;
    if (s->file != NULL) {
        void *file = s->file;
        s->file = NULL;
        s->busy = true;
        int err = pmg_port_file_close(file);
        bool whole = err == 0 && !s->gone;
        if (whole) {
            err = pmg_port_file_rename(pmg_http_stream_part(s), s->path);
        }
        if (!whole || err < 0) {
            (void)pmg_port_file_remove(pmg_http_stream_part(s));
        }
        if (gone(s)) {
            return NULL;
        }
        if (err < 0) {
            file_failed(c, err);
            return NULL;
        }
    }
    *head = mg_str_n(s->head, s->head_len);
    h->stream = NULL;
    return s;
}

#endif
