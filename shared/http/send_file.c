// SPDX-License-Identifier: GPL-2.0-only
//
// One file as a reply: ranges (RFC 9110, section 14), ETags (section 8.8.3), precompressed .gz
// variants. A file of any size passes through one block of the send buffer.

#include "serve_int.h"

#if PMG_HAS_FILES

// ---------------------------------------------------------------------------------------------
// A file that is on its way

typedef struct {
    pmg_source_t source;
    struct mg_fs *fs;
    void *fd;
    uint64_t left;
} file_t;

// Queues the block and frees it.
static bool take_block(struct mg_connection *c, struct mg_iobuf *block) {
    struct mg_iobuf *b = &c->send;
    bool ok = true;
    if (b->len == 0) {
        pmg_buf_free(b);
        *b = *block;
    } else { // of Python, meanwhile
        ok = pmg_out(c, block->buf, block->len);
        pmg_buf_free(block);
    }
    return ok;
}

static void end(struct mg_connection *c) {
    file_t *f = (file_t *)(void *)pmg_x(c)->source;
    pmg_x(c)->source = NULL;
    f->fs->cl(f->fd);
    pmg_free(f);
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
    if (!pmg_buf_reserve(&block, want)) {
        pmg_fatal(c, "no memory to read a file");
        return;
    }
    size_t n = f->fs->rd(f->fd, block.buf, want);
    if (n == 0 || n > want) { // it was cut while we sent it: the client must see a short body
        pmg_buf_free(&block);
        pmg_fatal(c, "file became shorter while it was sent");
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
    if (f->left == 0) {
        end(c);
        pmg_http_done(c);
    }
}

// ---------------------------------------------------------------------------------------------
// Types

static const struct {
    const char *ext, *type;
} types[] = {
    {"html", "text/html; charset=utf-8"},
    {"htm", "text/html; charset=utf-8"},
    {"css", "text/css; charset=utf-8"},
    {"js", "text/javascript; charset=utf-8"},
    {"mjs", "text/javascript; charset=utf-8"},
    {"json", "application/json"},
    {"svg", "image/svg+xml"},
    {"png", "image/png"},
    {"jpg", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"gif", "image/gif"},
    {"webp", "image/webp"},
    {"ico", "image/x-icon"},
    {"txt", "text/plain; charset=utf-8"},
    {"md", "text/markdown; charset=utf-8"},
    {"csv", "text/csv; charset=utf-8"},
    {"xml", "application/xml"},
    {"pdf", "application/pdf"},
    {"zip", "application/zip"},
    {"gz", "application/gzip"},
    {"wasm", "application/wasm"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"ttf", "font/ttf"},
    {"mp3", "audio/mpeg"},
    {"wav", "audio/wav"},
    {"mp4", "video/mp4"},
    {"webm", "video/webm"},
};

static struct mg_str mime_type(const char *path, struct mg_str extra) {
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    if (dot == NULL || (slash != NULL && dot < slash)) {
        return mg_str("application/octet-stream");
    }
    struct mg_str ext = mg_str(dot + 1), entry, name, value;
    while (mg_span(extra, &entry, &extra, ',')) {
        if (mg_span(entry, &name, &value, '=') && mg_strcasecmp(name, ext) == 0) {
            return value;
        }
    }
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (mg_strcasecmp(ext, mg_str(types[i].ext)) == 0) {
            return mg_str(types[i].type);
        }
    }
    return mg_str("application/octet-stream");
}

// ---------------------------------------------------------------------------------------------
// What the request asks for

enum { RANGE_NONE, RANGE_OK, RANGE_BAD };

static bool number(const char **p, const char *end, uint64_t *out) {
    const char *s = *p;
    *out = 0;
    while (s < end && *s >= '0' && *s <= '9' && *out < UINT64_MAX / 16) {
        *out = *out * 10 + (uint64_t)(*s++ - '0');
    }
    bool any = s > *p;
    *p = s;
    return any;
}

static int range(struct mg_str v, uint64_t size, uint64_t *from, uint64_t *to) {
    const char *p = v.buf, *end = pmg_str_end(v);
    uint64_t a = 0, b = 0;
    if (v.len < 7 || memcmp(p, "bytes=", 6) != 0 || memchr(p, ',', v.len) != NULL) {
        return RANGE_NONE; // of several ranges none need be honored
    }
    p += 6;
    bool have_a = number(&p, end, &a);
    if (p == end || *p++ != '-') {
        return RANGE_NONE;
    }
    bool have_b = number(&p, end, &b);
    if (p != end || (!have_a && !have_b) || (have_a && have_b && b < a)) {
        return RANGE_NONE;
    }
    if (!have_a) { // the last b bytes
        a = b < size ? size - b : 0;
        b = b > 0 ? UINT64_MAX : 0;
        if (b == 0) {
            return RANGE_BAD;
        }
    }
    if (a >= size) {
        return RANGE_BAD;
    }
    *from = a;
    *to = have_a && !have_b ? size - 1 : (b < size - 1 ? b : size - 1);
    return RANGE_OK;
}

static bool etag_matches(struct mg_str list, const char *etag) {
    return list.len > 0 &&
           ((list.len == 1 && list.buf[0] == '*') || pmg_http_list_has(list, etag) ||
               (list.len > 2 && memcmp(list.buf, "W/", 2) == 0 &&
                   pmg_http_list_has(mg_str_n(list.buf + 2, list.len - 2), etag)));
}

// "gzip" in the list, not switched off by a q of zero.
static bool accepts_gzip(struct mg_str list) {
    struct mg_str entry, name, q;
    while (mg_span(list, &entry, &list, ',')) {
        if (!mg_span(entry, &name, &q, ';')) {
            continue;
        }
        if (pmg_http_list_has(name, "gzip")) {
            const char *p = q.len > 0 ? memchr(q.buf, '=', q.len) : NULL;
            bool zero = p != NULL;
            for (p = p != NULL ? p + 1 : p; zero && p < q.buf + q.len; p++) {
                zero = *p == '0' || *p == '.' || *p == ' ';
            }
            return !zero;
        }
    }
    return false;
}

// ---------------------------------------------------------------------------------------------
// Replies

// A reply of a few words.
int pmg_serve_say(struct mg_connection *c, const pmg_serve_t *o, int status, const char *name,
    const char *value) {
    pmg_head_t h;
    char text[64];
    int n = pmg_snprintf(text, sizeof(text), "%d %s\n", status, pmg_http_reason(status));
    int err = pmg_reply_begin(&h, c, status);
    if (err < 0) {
        return err;
    }
    if ((err = pmg_head_lines(&h, o->headers)) < 0 ||
        (name != NULL && (err = pmg_head_text(&h, name, value)) < 0)) {
        pmg_head_abort(&h);
        return err;
    }
    return pmg_reply_end(&h, status == 304 ? mg_str_n(NULL, 0) : mg_str_n(text, (size_t)n));
}

// What is sent: which variant of the file, and which part of it.
typedef struct {
    struct mg_fs *fs;
    const char *path; // as asked for; `name` may be its .gz
    char name[MG_PATH_MAX], etag[48];
    int status;
    bool gzip, has_gz;
    uint64_t size, from, to, len;
} sending_t;

static bool is_file(struct mg_fs *fs, const char *name, size_t *size, time_t *mtime) {
    return (fs->st(name, size, mtime) & (MG_FS_READ | MG_FS_DIR)) == MG_FS_READ;
}

// Chooses between the file and its .gz.
static void choose(sending_t *s, const pmg_http_msg_t *hm) {
    size_t size = 0, gz_size = 0;
    time_t mtime = 0, gz_mtime = 0;
    s->fs->st(s->path, &size, &mtime);
    pmg_snprintf(s->name, sizeof(s->name), "%s.gz", s->path);
    s->has_gz = s->status == 200 && is_file(s->fs, s->name, &gz_size, &gz_mtime);
    s->gzip = s->has_gz && pmg_http_header(hm, mg_str("Range")).len == 0 &&
              accepts_gzip(pmg_http_header(hm, mg_str("Accept-Encoding")));
    if (s->gzip) {
        size = gz_size;
        mtime = gz_mtime;
    } else {
        pmg_snprintf(s->name, sizeof(s->name), "%s", s->path);
    }
    pmg_snprintf(s->etag, sizeof(s->etag), "\"%llx.%llx%s\"", (unsigned long long)mtime,
        (unsigned long long)size, s->gzip ? ".gz" : "");
    s->size = s->len = size;
    s->to = size > 0 ? size - 1 : 0;
}

static int take_range(sending_t *s, const pmg_http_msg_t *hm) {
    struct mg_str wanted = pmg_http_header(hm, mg_str("Range"));
    struct mg_str if_range = pmg_http_header(hm, mg_str("If-Range"));
    if (s->status != 200 || wanted.len == 0 ||
        (if_range.len > 0 && mg_strcmp(if_range, mg_str(s->etag)) != 0)) {
        return RANGE_NONE;
    }
    int r = range(wanted, s->size, &s->from, &s->to);
    if (r == RANGE_OK) {
        s->status = 206;
        s->len = s->to - s->from + 1;
    }
    return r;
}

static int put_headers(pmg_head_t *h, const sending_t *s, const pmg_serve_t *o) {
    char text[80];
    int err = pmg_head_lines(h, o->headers);
    if (err == 0 && !(h->seen & PMG_HEAD_SEEN_TYPE)) {
        err = pmg_head_header(h, mg_str("Content-Type"), mime_type(s->path, o->mime_types));
    }
    if (err == 0) {
        err = pmg_head_text(h, "ETag", s->etag);
    }
    if (err == 0 && s->status != 404) {
        err = pmg_head_text(h, "Accept-Ranges", "bytes");
    }
    if (err == 0 && s->gzip) {
        err = pmg_head_text(h, "Content-Encoding", "gzip");
    }
    if (err == 0 && s->has_gz) {
        err = pmg_head_text(h, "Vary", "Accept-Encoding");
    }
    if (err == 0 && s->status == 206) {
        pmg_snprintf(text, sizeof(text), "bytes %llu-%llu/%llu", (unsigned long long)s->from,
            (unsigned long long)s->to, (unsigned long long)s->size);
        err = pmg_head_text(h, "Content-Range", text);
    }
    return err;
}

// No file system in here: on MicroPython it may run Python, and the head is half written.
static int send_head(struct mg_connection *c, const sending_t *s, const pmg_serve_t *o) {
    pmg_head_t h;
    int err = pmg_reply_begin(&h, c, s->status);
    if (err < 0) {
        return err;
    }
    if ((err = put_headers(&h, s, o)) < 0) {
        pmg_head_abort(&h);
        return err;
    }
    h.kind = PMG_HEAD_FILE;
    h.seen |= PMG_HEAD_SEEN_LENGTH;
    h.content_length = (size_t)s->len;
    return pmg_reply_end(&h, mg_str_n(NULL, 0));
}

static int send_chosen(struct mg_connection *c, const sending_t *s, const pmg_serve_t *o) {
    file_t *f = pmg_alloc(sizeof(*f));
    if (f == NULL) {
        return pmg_fail(pmg_m(c), -ENOMEM, "no memory to send a file");
    }
    *f = (file_t) {{more, end}, s->fs, s->fs->op(s->name, MG_FS_READ), s->len};
    if (f->fd == NULL) { // it was there a moment ago, or may not be read
        pmg_free(f);
        return pmg_serve_say(c, o, 404, NULL, NULL);
    }
    bool sought = s->from == 0 || s->fs->sk(f->fd, (size_t)s->from) == s->from;
    int err = sought ? send_head(c, s, o) : pmg_fail(pmg_m(c), -ENOMEM, "no memory to send a file");
    if (err == 0 && s->len > 0 && !pmg_http_of(c)->is_head) {
        pmg_x(c)->source = &f->source;
        return 0;
    }
    s->fs->cl(f->fd);
    pmg_free(f);
    if (err == 0) {
        pmg_http_done(c);
    }
    return err;
}

int pmg_serve_send(struct mg_connection *c, const pmg_http_msg_t *hm, const pmg_serve_t *o,
    const char *path, int status) {
    sending_t s = {.fs = pmg_port_fs(), .path = path, .status = status};
    char text[40];
    if (strlen(path) + sizeof(".gz") > sizeof(s.name)) {
        return pmg_fail(pmg_m(c), -ENAMETOOLONG, "a file's path has at most %d bytes",
            (int)(sizeof(s.name) - sizeof(".gz")));
    }
    choose(&s, hm);
    if (status == 200 && etag_matches(pmg_http_header(hm, mg_str("If-None-Match")), s.etag)) {
        return pmg_serve_say(c, o, 304, "ETag", s.etag);
    }
    if (take_range(&s, hm) == RANGE_BAD) {
        pmg_snprintf(text, sizeof(text), "bytes */%llu", (unsigned long long)s.size);
        return pmg_serve_say(c, o, 416, "Content-Range", text);
    }
    return send_chosen(c, &s, o);
}

#endif
