// SPDX-License-Identifier: GPL-2.0-only
//
// What a folder without an index page shows.

#include "serve_int.h"
#include "../base/utf8.h"

#if PMG_HAS_FILES

typedef struct {
    struct mg_connection *c;
    struct mg_iobuf out;
    const char *dir;
    bool failed, dotfiles;
} listing_t;

// Counted against max_memory while it is made: who lists a large folder often would hold much.
static bool reserve(listing_t *l, size_t len) {
    pmg_mgr_t *m = pmg_m(l->c);
    size_t had = l->out.size, need = l->out.len + len;
    if (had >= need) {
        return true;
    }
    size_t size = had * 2 > need ? had * 2 : need + 256;
    if (!pmg_budget_take(m, size - had)) {
        return false;
    }
    if (!pmg_buf_resize(&l->out, size)) {
        pmg_budget_give(m, size - had);
        return false;
    }
    return true;
}

static void put(listing_t *l, const char *s, size_t len) {
    if (!l->failed && reserve(l, len)) {
        memcpy(l->out.buf + l->out.len, s, len);
        l->out.len += len;
    } else {
        l->failed = true;
    }
}

static void puts_(listing_t *l, const char *s) {
    put(l, s, strlen(s));
}

static void put_html(listing_t *l, struct mg_str s) {
    for (size_t i = 0; i < s.len; i++) {
        char ch = s.buf[i];
        if (ch == '<' || ch == '>' || ch == '&' || ch == '"') {
            puts_(l, ch == '<' ? "&lt;" : ch == '>' ? "&gt;" : ch == '&' ? "&amp;" : "&quot;");
        } else {
            put(l, &ch, 1);
        }
    }
}

// A name is bytes, the page is UTF-8.
static void put_name(listing_t *l, struct mg_str name) {
    size_t len = pmg_utf8_replace(name.buf, name.len, NULL);
    char *text = pmg_alloc(len + 1);
    if (text == NULL) {
        l->failed = true;
        return;
    }
    pmg_utf8_replace(name.buf, name.len, text);
    put_html(l, mg_str_n(text, len));
    pmg_free(text);
}

static void put_url(listing_t *l, struct mg_str name) {
    for (size_t i = 0; i < name.len; i++) {
        const char *s = name.buf + i;
        char text[4];
        bool plain = (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') ||
                     (*s >= 'A' && *s <= 'Z') || strchr("-._~", *s) != NULL;
        int n = plain ? pmg_snprintf(text, sizeof(text), "%c", *s)
                      : pmg_snprintf(text, sizeof(text), "%%%02X", (unsigned char)*s);
        put(l, text, (size_t)n);
    }
}

// Shown are files and folders; what lies there as name.gz alone answers to `name`.
static void entry(const char *name, void *arg) {
    listing_t *l = arg;
    char path[MG_PATH_MAX], text[32];
    pmg_stat_t st, plain;
    struct mg_str shown = mg_str(name);
    const char *dir = strcmp(l->dir, "/") == 0 ? "" : l->dir;
    size_t len = pmg_snprintf(path, sizeof(path), "%s/%s", dir, name);
    if (l->failed || (name[0] == '.' && !l->dotfiles) ||
        pmg_serve_name_unfinished(name, shown.len) || len >= sizeof(path) ||
        pmg_port_stat(path, &st) < 0 || (st.kind != PMG_IS_FILE && st.kind != PMG_IS_FOLDER)) {
        return;
    }
    bool folder = st.kind == PMG_IS_FOLDER;
    if (!folder && shown.len > 3 && strcmp(name + shown.len - 3, ".gz") == 0) {
        path[len - 3] = '\0';
        if (pmg_port_stat(path, &plain) == 0 && plain.kind == PMG_IS_NOTHING) {
            shown.len -= 3;
        }
    }
    puts_(l, "<tr><td><a href=\"");
    put_url(l, shown);
    puts_(l, folder ? "/\">" : "\">");
    put_name(l, shown);
    puts_(l, folder ? "/</a></td><td></td></tr>\n" : "</a></td><td>");
    if (!folder) {
        len = pmg_snprintf(text, sizeof(text), "%llu</td></tr>\n", (unsigned long long)st.size);
        put(l, text, len);
    }
}

static int send_page(struct mg_connection *c, const pmg_serve_t *o, struct mg_str page) {
    pmg_head_t h;
    int err = pmg_reply_start(&h, c, 200);
    if (err < 0) {
        return err;
    }
    if ((err = pmg_head_lines(&h, o->headers)) < 0 ||
        (err = pmg_head_text(&h, "Content-Type", "text/html; charset=utf-8")) < 0) {
        pmg_head_abort(&h);
        return err;
    }
    return pmg_reply_end(&h, page);
}

int pmg_serve_listing(struct mg_connection *c, const pmg_http_msg_t *hm, const pmg_serve_t *o,
    const char *dir) {
    listing_t l = {.c = c, .dir = dir, .dotfiles = o->dotfiles};
    puts_(&l, "<!doctype html><html><head><meta charset=\"utf-8\"><title>Index of ");
    put_html(&l, hm->uri);
    puts_(&l, "</title></head><body><h1>Index of ");
    put_html(&l, hm->uri);
    puts_(&l, "</h1><table>\n<tr><td><a href=\"../\">../</a></td><td></td></tr>\n");
    int listed;
    do {
        listed = pmg_port_list(dir, entry, &l);
    } while (pmg_no_descriptor(pmg_m(c), listed)); // it had not begun
    puts_(&l, "</table></body></html>\n");
    bool none = listed == -EMFILE || listed == -ENFILE;
    int status = none ? 503 : listed == -EACCES ? 404 : 500;
    int err = l.failed     ? pmg_fail(pmg_m(c), -ENOMEM, "no memory for the listing")
              : listed < 0 ? pmg_serve_say(c, o, status, NULL, NULL)
                           : send_page(c, o, mg_str_n((char *)l.out.buf, l.out.len));
    pmg_budget_give(pmg_m(c), l.out.size);
    pmg_buf_free(&l.out);
    return err;
}

#endif
