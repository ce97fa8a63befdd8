// SPDX-License-Identifier: GPL-2.0-only
//
// Static files over HTTP: folders with index pages and listings, ranges (RFC 9110, section 14),
// ETags (section 8.8.3), precompressed .gz variants. A file of any size passes through one block of
// the send buffer.

#include "../base/record.h"

#if PMG_HAS_FILES

struct pmg_file {
    struct mg_fs *fs;
    void *fd;
    uint64_t left;
};

void pmg_file_close(struct mg_connection *c) {
    pmg_file_t *f = pmg_x(c)->file;
    if (f != NULL) {
        f->fs->cl(f->fd);
        pmg_free(f);
        pmg_x(c)->file = NULL;
    }
}

void pmg_file_more(struct mg_connection *c) {
    pmg_file_t *f = pmg_x(c)->file;
    size_t block = PMG_READ_SIZE;
    if (pmg_conn_send_len(c) > 0) {
        return;
    }
    if (f->left < block) {
        block = (size_t)f->left;
    }
    if (!pmg_buf_reserve(&c->send, block)) {
        pmg_fatal(c, "no memory to read a file");
        return;
    }
    size_t n = f->fs->rd(f->fd, c->send.buf + c->send.len, block);
    if (n == 0 || n > block) { // it was cut while we sent it: the client must see a short body
        pmg_fatal(c, "file became shorter while it was sent");
        return;
    }
    c->send.len += n;
    f->left -= n;
    if (f->left == 0) {
        pmg_file_close(c);
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
// Heads

// The caller's "Name: value\r\n" lines, each checked as any header.
static int extra_headers(pmg_head_t *h, struct mg_str lines) {
    const char *p = lines.buf, *end = p + lines.len;
    while (p < end) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        const char *stop = eol == NULL ? end : (eol > p && eol[-1] == '\r' ? eol - 1 : eol);
        const char *colon = memchr(p, ':', (size_t)(stop - p));
        if (colon == NULL) {
            return pmg_fail(pmg_m(h->c), -EINVAL,
                "extra_headers: lines of the form \"Name: value\\r\\n\" are expected");
        }
        const char *v = colon + 1;
        while (v < stop && *v == ' ') {
            v++;
        }
        int err = pmg_head_header(h, mg_str_n((char *)(size_t)p, (size_t)(colon - p)),
            mg_str_n((char *)(size_t)v, (size_t)(stop - v)));
        if (err < 0) {
            return err;
        }
        p = eol == NULL ? end : eol + 1;
    }
    return 0;
}

static int header(pmg_head_t *h, const char *name, const char *value) {
    return pmg_head_header(h, mg_str(name), mg_str(value));
}

// A reply of a few words.
static int say(struct mg_connection *c, const pmg_serve_t *o, int status, const char *name,
    const char *value) {
    pmg_head_t h;
    char text[64];
    int n = pmg_snprintf(text, sizeof(text), "%d %s\n", status, pmg_http_reason(status));
    int err = pmg_reply_begin(&h, c, status);
    if (err < 0) {
        return err;
    }
    if ((err = extra_headers(&h, o->headers)) < 0 ||
        (name != NULL && (err = header(&h, name, value)) < 0)) {
        pmg_head_abort(&h);
        return err;
    }
    return pmg_reply_end(&h, status == 304 ? mg_str_n(NULL, 0) : mg_str_n(text, (size_t)n));
}

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
    const char *p = v.buf, *end = p + v.len;
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
    return list.len > 0 && ((list.len == 1 && list.buf[0] == '*') || pmg_list_has(list, etag) ||
                               (list.len > 2 && memcmp(list.buf, "W/", 2) == 0 &&
                                   pmg_list_has(mg_str_n(list.buf + 2, list.len - 2), etag)));
}

// "gzip" in the list, not switched off by a q of zero.
static bool accepts_gzip(struct mg_str list) {
    struct mg_str entry, name, q;
    while (mg_span(list, &entry, &list, ',')) {
        if (!mg_span(entry, &name, &q, ';')) {
            continue;
        }
        if (pmg_list_has(name, "gzip")) {
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

static int send_file(struct mg_connection *c, const pmg_http_msg_t *hm, const pmg_serve_t *o,
    const char *path, int status) {
    struct mg_fs *fs = pmg_port_fs();
    char name[MG_PATH_MAX], etag[48], text[80];
    if (strlen(path) + sizeof(".gz") > sizeof(name)) {
        return pmg_fail(pmg_m(c), -ENAMETOOLONG, "a file's path has at most %d bytes",
            (int)(sizeof(name) - sizeof(".gz")));
    }
    size_t size = 0, gz_size = 0;
    time_t mtime = 0, gz_mtime = 0;
    fs->st(path, &size, &mtime);
    struct mg_str range_header = pmg_http_header(hm, mg_str("Range"));
    bool has_gz = status == 200 &&
                  (size_t)pmg_snprintf(name, sizeof(name), "%s.gz", path) < sizeof(name) &&
                  (fs->st(name, &gz_size, &gz_mtime) & (MG_FS_READ | MG_FS_DIR)) == MG_FS_READ;
    bool gzip = has_gz && range_header.len == 0 &&
                accepts_gzip(pmg_http_header(hm, mg_str("Accept-Encoding")));
    if (gzip) {
        size = gz_size;
        mtime = gz_mtime;
    } else {
        pmg_snprintf(name, sizeof(name), "%s", path);
    }
    pmg_snprintf(etag, sizeof(etag), "\"%llx.%llx%s\"", (unsigned long long)mtime,
        (unsigned long long)size, gzip ? ".gz" : "");
    if (status == 200 && etag_matches(pmg_http_header(hm, mg_str("If-None-Match")), etag)) {
        return say(c, o, 304, "ETag", etag);
    }
    uint64_t from = 0, to = size > 0 ? size - 1 : 0, len = size;
    struct mg_str if_range = pmg_http_header(hm, mg_str("If-Range"));
    if (status == 200 && range_header.len > 0 &&
        (if_range.len == 0 || mg_strcmp(if_range, mg_str(etag)) == 0)) {
        int r = range(range_header, size, &from, &to);
        if (r == RANGE_BAD) {
            pmg_snprintf(text, sizeof(text), "bytes */%llu", (unsigned long long)size);
            return say(c, o, 416, "Content-Range", text);
        }
        if (r == RANGE_OK) {
            status = 206;
            len = to - from + 1;
        }
    }
    pmg_head_t h;
    int err = pmg_reply_begin(&h, c, status);
    if (err < 0) {
        return err;
    }
    void *fd = fs->op(name, MG_FS_READ);
    if (fd == NULL) { // it was there a moment ago, or may not be read
        pmg_head_abort(&h);
        return say(c, o, 404, NULL, NULL);
    }
    pmg_http_t *x = &pmg_x(c)->u.http;
    err = extra_headers(&h, o->headers);
    struct mg_str type = mime_type(path, o->mime_types);
    if (err == 0 && !(h.seen & PMG_SEEN_TYPE)) {
        err = pmg_head_header(&h, mg_str("Content-Type"), type);
    }
    if (err == 0) {
        err = header(&h, "ETag", etag);
    }
    if (err == 0 && status != 404) {
        err = header(&h, "Accept-Ranges", "bytes");
    }
    if (err == 0 && gzip) {
        err = header(&h, "Content-Encoding", "gzip");
    }
    if (err == 0 && (gzip || has_gz)) {
        err = header(&h, "Vary", "Accept-Encoding");
    }
    if (err == 0 && status == 206) {
        pmg_snprintf(text, sizeof(text), "bytes %llu-%llu/%llu", (unsigned long long)from,
            (unsigned long long)to, (unsigned long long)size);
        err = header(&h, "Content-Range", text);
    }
    bool body = len > 0 && !x->is_head;
    pmg_file_t *f = err == 0 && body ? pmg_alloc(sizeof(*f)) : NULL;
    if (err == 0 && ((body && f == NULL) || (from > 0 && fs->sk(fd, (size_t)from) != from))) {
        err = pmg_fail(pmg_m(c), -ENOMEM, "no memory to send a file");
    }
    if (err == 0) {
        h.kind = PMG_HEAD_FILE;
        h.seen |= PMG_SEEN_LENGTH;
        h.content_length = (size_t)len;
        err = pmg_reply_end(&h, mg_str_n(NULL, 0));
    } else {
        pmg_head_abort(&h);
    }
    if (err < 0 || !body) {
        fs->cl(fd);
        pmg_free(f);
        if (err == 0) {
            pmg_http_done(c);
        }
        return err;
    }
    f->fs = fs;
    f->fd = fd;
    f->left = len;
    pmg_x(c)->file = f;
    return 0;
}

// ---------------------------------------------------------------------------------------------
// Folders

typedef struct {
    struct mg_iobuf out;
    struct mg_fs *fs;
    const char *dir;
    bool failed, dotfiles;
} listing_t;

static void put(listing_t *l, const char *s, size_t len) {
    if (!l->failed && pmg_buf_reserve(&l->out, len)) {
        memcpy(l->out.buf + l->out.len, s, len);
        l->out.len += len;
    } else {
        l->failed = true;
    }
}

static void puts_(listing_t *l, const char *s) {
    put(l, s, strlen(s));
}

static void put_html(listing_t *l, const char *s) {
    for (; *s != '\0'; s++) {
        if (*s == '<' || *s == '>' || *s == '&' || *s == '"') {
            puts_(l, *s == '<' ? "&lt;" : *s == '>' ? "&gt;" : *s == '&' ? "&amp;" : "&quot;");
        } else {
            put(l, s, 1);
        }
    }
}

static void put_url(listing_t *l, const char *s) {
    for (; *s != '\0'; s++) {
        char text[4];
        bool plain = (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') ||
                     (*s >= 'A' && *s <= 'Z') || strchr("-._~", *s) != NULL;
        int n = plain ? pmg_snprintf(text, sizeof(text), "%c", *s)
                      : pmg_snprintf(text, sizeof(text), "%%%02X", (unsigned char)*s);
        put(l, text, (size_t)n);
    }
}

static void entry(const char *name, void *arg) {
    listing_t *l = arg;
    char path[MG_PATH_MAX], text[32];
    size_t size = 0;
    if ((name[0] == '.' && (!l->dotfiles || name[1] == '\0' || strcmp(name, "..") == 0)) ||
        (size_t)pmg_snprintf(path, sizeof(path), "%s/%s", l->dir, name) >= sizeof(path)) {
        return;
    }
    bool dir = (l->fs->st(path, &size, NULL) & MG_FS_DIR) != 0;
    puts_(l, "<tr><td><a href=\"");
    put_url(l, name);
    puts_(l, dir ? "/\">" : "\">");
    put_html(l, name);
    puts_(l, dir ? "/</a></td><td></td></tr>\n" : "</a></td><td>");
    if (!dir) {
        size_t len = pmg_snprintf(text, sizeof(text), "%llu</td></tr>\n", (unsigned long long)size);
        put(l, text, len);
    }
}

static int send_listing(struct mg_connection *c, const pmg_http_msg_t *hm, const pmg_serve_t *o,
    const char *dir) {
    listing_t l = {.fs = pmg_port_fs(), .dir = dir, .dotfiles = o->dotfiles};
    char uri[MG_PATH_MAX];
    pmg_snprintf(uri, sizeof(uri), "%.*s", (int)hm->uri.len, hm->uri.buf);
    puts_(&l, "<!doctype html><html><head><meta charset=\"utf-8\"><title>Index of ");
    put_html(&l, uri);
    puts_(&l, "</title></head><body><h1>Index of ");
    put_html(&l, uri);
    puts_(&l, "</h1><table>\n<tr><td><a href=\"../\">../</a></td><td></td></tr>\n");
    l.fs->ls(dir, entry, &l);
    puts_(&l, "</table></body></html>\n");
    pmg_head_t h;
    int err = l.failed ? pmg_fail(pmg_m(c), -ENOMEM, "no memory for the listing")
                       : pmg_reply_begin(&h, c, 200);
    if (err == 0) {
        err = extra_headers(&h, o->headers);
        if (err == 0) {
            err = header(&h, "Content-Type", "text/html; charset=utf-8");
        }
        if (err == 0) {
            err = pmg_reply_end(&h, mg_str_n((char *)l.out.buf, l.out.len));
        } else {
            pmg_head_abort(&h);
        }
    }
    pmg_buf_free(&l.out);
    return err;
}

// Is this a path below its root? No "..", nothing that another system reads as a separator.
static bool below_root(const char *path, size_t len) {
    for (size_t i = 0; i < len; i++) {
        uint8_t ch = (uint8_t)path[i];
        if (ch < ' ' || ch == 0x7f || ch == '\\' || (ch == ':' && MG_DIRSEP != '/')) {
            return false;
        }
        bool at_start = i == 0 || path[i - 1] == '/';
        if (at_start && ch == '.' && i + 1 < len && path[i + 1] == '.' &&
            (i + 2 == len || path[i + 2] == '/')) {
            return false;
        }
    }
    return true;
}

// Does a name in this path begin with a dot? Such names hold what is not for the public: .git, .env,
// unfinished uploads. But /.well-known/ (RFC 8615) is there to be asked for.
static bool hidden(const char *path) {
    static const char well_known[] = "/.well-known";
    size_t n = sizeof(well_known) - 1;
    if (strncmp(path, well_known, n) == 0 && (path[n] == '/' || path[n] == '\0')) {
        path += n;
    }
    for (const char *p = path; (p = strchr(p, '/')) != NULL;) {
        p++;
        if (*p == '.' && p[1] != '/' && p[1] != '\0') {
            return true;
        }
    }
    return false;
}

// The file system's path for the request, in `path`: its length, or the status to answer with.
static int map_path(const pmg_http_msg_t *hm, const pmg_serve_t *o, char *path, int *status) {
    const char *root = o->root;
    size_t n = strlen(root);
    while (n > 1 && root[n - 1] == '/') {
        n--;
    }
    if (n + hm->uri.len + 1 >= MG_PATH_MAX) {
        *status = 414;
        return -1;
    }
    memcpy(path, root, n);
    n = n == 1 && root[0] == '/' ? 0 : n;
    char *rel = path + n;
    int len = 0;
    // Not pmg_url_decode: a "+" is a plus in a path.
    for (size_t i = 0; i < hm->uri.len; i++) {
        char ch = hm->uri.buf[i];
        if (ch == '%') {
            char one[2];
            if (i + 2 >= hm->uri.len || pmg_url_decode(mg_str_n(hm->uri.buf + i, 3), one) != 1) {
                *status = 400;
                return -1;
            }
            ch = one[0];
            i += 2;
        }
        rel[len++] = ch;
    }
    rel[len] = '\0';
    if (!below_root(rel, (size_t)len) || (!o->dotfiles && hidden(rel))) {
        *status = 404;
        return -1;
    }
    return (int)n + len;
}

static int not_found(struct mg_connection *c, const pmg_http_msg_t *hm, const pmg_serve_t *o,
    int status) {
    if (status == 404 && o->page404 != NULL && o->page404[0] != '\0' &&
        (pmg_port_fs()->st(o->page404, NULL, NULL) & (MG_FS_READ | MG_FS_DIR)) == MG_FS_READ) {
        return send_file(c, hm, o, o->page404, 404);
    }
    return say(c, o, status, NULL, NULL);
}

static bool get_or_head(const pmg_http_msg_t *hm) {
    return (hm->method.len == 3 && memcmp(hm->method.buf, "GET", 3) == 0) ||
           (hm->method.len == 4 && memcmp(hm->method.buf, "HEAD", 4) == 0);
}

int pmg_serve_file(struct mg_connection *c, const pmg_http_msg_t *hm, const pmg_serve_t *o) {
    if (!get_or_head(hm)) {
        return say(c, o, 405, "Allow", "GET, HEAD");
    }
    if ((pmg_port_fs()->st(o->root, NULL, NULL) & (MG_FS_READ | MG_FS_DIR)) != MG_FS_READ) {
        return not_found(c, hm, o, 404);
    }
    return send_file(c, hm, o, o->root, 200);
}

int pmg_serve_dir(struct mg_connection *c, const pmg_http_msg_t *hm, const pmg_serve_t *o) {
    char path[MG_PATH_MAX];
    struct mg_fs *fs = pmg_port_fs();
    int status = 0;
    if (!get_or_head(hm)) {
        return say(c, o, 405, "Allow", "GET, HEAD");
    }
    int len = map_path(hm, o, path, &status);
    if (len < 0) {
        return not_found(c, hm, o, status);
    }
    bool slash = len > 0 && path[len - 1] == '/';
    while (len > 1 && path[len - 1] == '/') {
        path[--len] = '\0';
    }
    int flags = fs->st(path, NULL, NULL);
    if (flags == 0 || (slash && !(flags & MG_FS_DIR))) {
        return not_found(c, hm, o, 404);
    }
    if (!(flags & MG_FS_DIR)) {
        return send_file(c, hm, o, path, 200);
    }
    if (!slash) { // relative links of the page would miss a level
        char to[MG_PATH_MAX];
        const char *uri = hm->uri.buf;
        size_t n = hm->uri.len;
        while (n > 1 && uri[0] == '/' && uri[1] == '/') { // "//host" would lead elsewhere
            uri++, n--;
        }
        if ((size_t)pmg_snprintf(to, sizeof(to), "%.*s/%s%.*s", (int)n, uri,
                hm->query.len > 0 ? "?" : "", (int)hm->query.len,
                hm->query.len > 0 ? hm->query.buf : "") >= sizeof(to)) {
            return say(c, o, 414, NULL, NULL);
        }
        return say(c, o, 301, "Location", to);
    }
    if (len + 12 < MG_PATH_MAX) {
        memcpy(path + len, "/index.html", 12);
        if ((fs->st(path, NULL, NULL) & (MG_FS_READ | MG_FS_DIR)) == MG_FS_READ) {
            return send_file(c, hm, o, path, 200);
        }
        path[len] = '\0';
    }
    if (o->no_listing) {
        return not_found(c, hm, o, 404);
    }
    return send_listing(c, hm, o, path);
}

#else
void pmg_file_close(struct mg_connection *c) {
    (void)c;
}
void pmg_file_more(struct mg_connection *c) {
    (void)c;
}
#endif
