// SPDX-License-Identifier: GPL-2.0-only
//
// One file as a reply: ranges (RFC 9110, section 14), one or several, and conditions (section 13). A
// file of any size passes through one block of the send buffer.

#include "serve_int.h"

#if PMG_HAS_FILES

// ---------------------------------------------------------------------------------------------
// A file that is on its way

typedef struct {
    pmg_source_t source;
    struct mg_fs *fs;
    void *fd;
    uint64_t left; // of this range
    // Of several ranges, each a part of a multipart/byteranges (RFC 9110, 14.6).
    char *type; // of the file
    uint64_t size, boundary;
    int part, parts; // parts is 0: one range, without a head of its own
    pmg_serve_range_t ranges[];
} file_t;

// Queues the block and frees it.
static bool take_block(struct mg_connection *c, struct mg_iobuf *block) {
    struct mg_iobuf *b = &c->send;
    bool ok = true;
    if (b->len == 0) {
        pmg_buf_free(b);
        *b = *block;
        pmg_budget_note(c);
    } else { // of Python, meanwhile
        ok = pmg_out(c, block->buf, block->len);
        pmg_buf_free(block);
    }
    return ok;
}

static void free_file(file_t *f) {
    f->fs->cl(f->fd);
    pmg_free(f->type);
    pmg_free(f);
}

static void end(struct mg_connection *c) {
    file_t *f = (file_t *)(void *)pmg_x(c)->source;
    pmg_x(c)->source = NULL;
    free_file(f);
}

// What stands in front of part `i`, and behind the last. The length, as pmg_snprintf()'s.
static size_t part_head(const file_t *f, int i, char *buf, size_t size) {
    const pmg_serve_range_t *r = &f->ranges[i];
    if (i == f->parts) {
        return pmg_snprintf(buf, size, "\r\n--%016llx--\r\n", (unsigned long long)f->boundary);
    }
    return pmg_snprintf(buf, size,
        "\r\n--%016llx\r\nContent-Type: %s\r\nContent-Range: bytes %llu-%llu/%llu\r\n\r\n",
        (unsigned long long)f->boundary, f->type, (unsigned long long)r->from,
        (unsigned long long)(r->from + r->len - 1), (unsigned long long)f->size);
}

static bool put_part_head(struct mg_connection *c, const file_t *f, int i) {
    size_t len = part_head(f, i, NULL, 0);
    if (!pmg_out_room(c, len + 1)) { // with the NUL
        return false;
    }
    c->send.len += part_head(f, i, (char *)c->send.buf + c->send.len, len + 1);
    return true;
}

// The range is sent: begins the next. False: there is none, or it failed and was told.
static bool next_part(struct mg_connection *c, file_t *f) {
    if (f->part == f->parts) {
        return false;
    }
    int i = f->part + 1;
    if (i < f->parts && f->fs->sk(f->fd, (size_t)f->ranges[i].from) != f->ranges[i].from) {
        pmg_fatal(c, "cannot read the file");
        return false;
    }
    if (!put_part_head(c, f, i)) {
        pmg_fatal(c, "no memory to read a file");
        return false;
    }
    f->part = i;
    f->left = i < f->parts ? f->ranges[i].len : 0;
    return f->left > 0;
}

// The file system may run Python, which may send: it reads into a block that nobody else knows, and
// that then becomes the send buffer.
static void more(struct mg_connection *c) {
    file_t *f = (file_t *)(void *)pmg_x(c)->source;
    struct mg_iobuf block = {0};
    size_t want = f->left < PMG_READ_SIZE ? (size_t)f->left : PMG_READ_SIZE;
    if (pmg_send_len(c) > 0) {
        return;
    }
    if (!pmg_grow(c, &block, want)) {
        pmg_fatal(c, "no memory to read a file");
        return;
    }
    size_t n = f->fs->rd(f->fd, block.buf, want);
    if (n == 0 || n > want) { // it was cut while we sent it: the client must see a short body
        pmg_buf_free(&block);
        pmg_fatal(c, "file became shorter or unreadable while it was sent");
        return;
    }
    block.len = n;
    if (c->is_closing) { // so it was told meanwhile
        pmg_buf_free(&block);
        return;
    }
    if (!take_block(c, &block)) {
        pmg_fatal(c, "no memory to read a file");
        return;
    }
    f->left -= n;
    if (f->left == 0 && !next_part(c, f) && !c->is_closing) {
        end(c);
        pmg_http_done(c);
    }
}

// ---------------------------------------------------------------------------------------------
// Replies

// A reply of a few words.
int pmg_serve_say(struct mg_connection *c, const pmg_serve_t *o, int status, const char *name,
    const char *value) {
    pmg_head_t h;
    char text[64];
    int n = pmg_snprintf(text, sizeof(text), "%d %s\n", status, pmg_http_reason(status));
    int err = pmg_reply_start(&h, c, status);
    if (err < 0) {
        return err;
    }
    if ((err = pmg_head_lines(&h, o->headers)) < 0 ||
        (name != NULL && (err = pmg_head_text(&h, name, value)) < 0)) {
        pmg_head_abort(&h);
        return err;
    }
    return pmg_reply_end(&h, mg_str_n(text, (size_t)n));
}

// Which part of the file is sent.
typedef struct {
    const pmg_serve_variant_t *v;
    struct mg_str type;
    pmg_serve_range_t ranges[PMG_SERVE_RANGES_MAX];
    int count, status;
    uint64_t len;
    uint64_t boundary;
} sending_t;

static int take_ranges(struct mg_connection *c, sending_t *s, const pmg_http_msg_t *hm) {
    int ranges, ifs, count;
    struct mg_str wanted = pmg_serve_single_header(hm, "Range", &ranges);
    struct mg_str if_range = pmg_serve_single_header(hm, "If-Range", &ifs);
    s->ranges[0] = (pmg_serve_range_t) {0, s->v->stat.size};
    s->count = 1;
    s->status = s->v->status;
    s->len = s->v->stat.size;
    if (s->status != 200 || ranges != 1 || ifs > 1 || !pmg_str_is(hm->method, "GET") ||
        (ifs == 1 && !pmg_serve_etag_equal(if_range, mg_str(s->v->etag), true))) {
        return PMG_SERVE_RANGE_NONE;
    }
    pmg_serve_range_t found[PMG_SERVE_RANGES_MAX];
    int r = pmg_serve_ranges(wanted, s->v->stat.size, found, &count);
    if (r == PMG_SERVE_RANGE_OK && count > 1 &&
        !pmg_random(pmg_m(c), &s->boundary, sizeof(s->boundary))) {
        return PMG_SERVE_RANGE_NONE;
    }
    if (r == PMG_SERVE_RANGE_OK) {
        memcpy(s->ranges, found, sizeof(found));
        s->count = count;
        s->status = 206;
        s->len = found[0].len;
    }
    return r;
}

// Of the program's header lines the one that gives a type, else the file's own.
static struct mg_str type_of(const pmg_serve_variant_t *v, const pmg_serve_t *o) {
    struct mg_str own = pmg_head_lines_value(o->headers, "content-type");
    return own.buf != NULL ? own : pmg_serve_mime_type(v->path, o->mime_types);
}

static int put_range(pmg_head_t *h, const sending_t *s) {
    char text[80];
    if (s->status != 206 || s->count > 1) {
        return 0;
    }
    const pmg_serve_range_t *r = &s->ranges[0];
    pmg_snprintf(text, sizeof(text), "bytes %llu-%llu/%llu", (unsigned long long)r->from,
        (unsigned long long)(r->from + r->len - 1), (unsigned long long)s->v->stat.size);
    return pmg_head_text(h, "Content-Range", text);
}

static int put_type(pmg_head_t *h, const sending_t *s) {
    char text[60];
    if (s->count == 1) {
        return pmg_head_header(h, mg_str("Content-Type"), s->type);
    }
    pmg_snprintf(text, sizeof(text), "multipart/byteranges; boundary=%016llx",
        (unsigned long long)s->boundary);
    return pmg_head_text(h, "Content-Type", text);
}

// What a 304 says as the 200 does.
static int put_validators(pmg_head_t *h, const pmg_serve_variant_t *v) {
    int err = v->etag[0] != '\0' ? pmg_head_text(h, "ETag", v->etag) : 0;
    return err == 0 && v->vary ? pmg_head_text(h, "Vary", "Accept-Encoding") : err;
}

static int put_headers(pmg_head_t *h, const sending_t *s, const pmg_serve_t *o) {
    int err = put_type(h, s);
    h->kind = PMG_HEAD_FILE; // now a type among the lines is dropped: it was put
    if (err == 0) {
        err = pmg_head_lines(h, o->headers);
    }
    if (err == 0) {
        err = put_validators(h, s->v);
    }
    if (err == 0 && s->status != 404) {
        err = pmg_head_text(h, "Accept-Ranges", "bytes");
    }
    if (err == 0 && s->v->gzip) {
        err = pmg_head_text(h, "Content-Encoding", "gzip");
    }
    return err == 0 ? put_range(h, s) : err;
}

// No file system in here: on MicroPython it may run Python, and the head is half written.
static int send_head(struct mg_connection *c, const sending_t *s, const pmg_serve_t *o) {
    pmg_head_t h;
    int err = pmg_reply_start(&h, c, s->status);
    if (err < 0) {
        return err;
    }
    if ((err = put_headers(&h, s, o)) < 0) {
        pmg_head_abort(&h);
        return err;
    }
    h.seen |= PMG_HEAD_SEEN_LENGTH;
    h.content_length = (size_t)s->len;
    return pmg_reply_end(&h, mg_str_n(NULL, 0));
}

// NULL: no memory. Without its descriptor.
static file_t *new_file(sending_t *s) {
    size_t list = s->count > 1 ? (size_t)s->count * sizeof(pmg_serve_range_t) : 0;
    file_t *f = pmg_alloc(sizeof(*f) + list);
    if (f == NULL) {
        return NULL;
    }
    memset(f, 0, sizeof(*f));
    f->source = (pmg_source_t) {more, end};
    f->fs = pmg_port_fs();
    f->left = s->ranges[0].len;
    if (list == 0) {
        return f;
    }
    memcpy(f->ranges, s->ranges, list);
    f->parts = s->count;
    f->size = s->v->stat.size;
    f->boundary = s->boundary;
    f->type = pmg_strndup(s->type.buf, s->type.len);
    if (f->type == NULL) {
        pmg_free(f);
        return NULL;
    }
    s->len = part_head(f, f->parts, NULL, 0);
    for (int i = 0; i < f->parts; i++) {
        s->len += part_head(f, i, NULL, 0) + f->ranges[i].len;
    }
    return f;
}

static int send_chosen(struct mg_connection *c, sending_t *s, const pmg_serve_t *o) {
    file_t *f = new_file(s);
    if (f != NULL && s->len != (size_t)s->len) { // Content-Length would say less than what follows
        pmg_free(f->type);
        pmg_free(f);
        return pmg_serve_say(c, o, 500, NULL, NULL);
    }
    if (f == NULL) {
        return pmg_fail(pmg_m(c), -ENOMEM, "no memory to send a file");
    }
    do {
        errno = 0;
        f->fd = f->fs->op(s->v->name, MG_FS_READ);
    } while (f->fd == NULL && pmg_no_descriptor(pmg_m(c), -errno));
    if (f->fd == NULL) { // it was there a moment ago, or may not be read
        int status = errno == EMFILE || errno == ENFILE ? 503 : 404;
        pmg_free(f->type);
        pmg_free(f);
        return pmg_serve_say(c, o, status, NULL, NULL);
    }
    uint64_t from = s->ranges[0].from;
    if (from > 0 && f->fs->sk(f->fd, (size_t)from) != from) {
        free_file(f);
        return pmg_serve_say(c, o, 500, NULL, NULL);
    }
    int err = send_head(c, s, o);
    bool body = err == 0 && f->left > 0 && !pmg_http_of(c)->is_head;
    if (body && f->parts > 0 && !put_part_head(c, f, 0)) {
        pmg_fatal(c, "no memory to send a file");
    } else if (body) {
        pmg_x(c)->source = &f->source;
        return 0;
    }
    free_file(f);
    if (err == 0 && !body) {
        pmg_http_done(c);
    }
    return err;
}

static int not_modified(struct mg_connection *c, const pmg_serve_variant_t *v,
    const pmg_serve_t *o) {
    pmg_head_t h;
    int err = pmg_reply_start(&h, c, 304);
    if (err < 0) {
        return err;
    }
    if ((err = pmg_head_lines(&h, o->headers)) < 0 || (err = put_validators(&h, v)) < 0) {
        pmg_head_abort(&h);
        return err;
    }
    return pmg_reply_end(&h, mg_str_n(NULL, 0));
}

int pmg_serve_send(struct mg_connection *c, const pmg_http_msg_t *hm, const pmg_serve_t *o,
    pmg_serve_variant_t *v) {
    sending_t s = {.v = v, .type = type_of(v, o)};
    char text[40];
    int status = pmg_serve_variant_condition(v, hm);
    if (status == 304) {
        return not_modified(c, v, o);
    }
    if (status != 0) {
        return pmg_serve_say(c, o, status, NULL, NULL);
    }
    if (take_ranges(c, &s, hm) == PMG_SERVE_RANGE_BAD) {
        pmg_snprintf(text, sizeof(text), "bytes */%llu", (unsigned long long)v->stat.size);
        return pmg_serve_say(c, o, 416, "Content-Range", text);
    }
    return send_chosen(c, &s, o);
}

#endif
