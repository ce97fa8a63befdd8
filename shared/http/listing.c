// SPDX-License-Identifier: GPL-2.0-only
//
// What a folder without an index page shows.

#include "serve_int.h"

#if PMG_HAS_FILES

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

int pmg_serve_listing(struct mg_connection *c, const pmg_http_msg_t *hm, const pmg_serve_t *o,
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
        err = pmg_head_lines(&h, o->headers);
        if (err == 0) {
            err = pmg_head_text(&h, "Content-Type", "text/html; charset=utf-8");
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

#endif
