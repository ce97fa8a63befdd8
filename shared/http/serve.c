// SPDX-License-Identifier: GPL-2.0-only
//
// Static files over HTTP: which file or folder answers a request.

#include "serve_int.h"

#if PMG_HAS_FILES

static int fault(struct mg_connection *c, const pmg_http_msg_t *hm, const pmg_serve_t *o,
    int status) {
    pmg_serve_variant_t page;
    if (status == 404 && o->page404 != NULL && o->page404[0] != '\0' &&
        pmg_serve_variant_choose(&page, c, hm, o->page404, SIZE_MAX, 404) == 0) {
        return pmg_serve_send(c, hm, o, &page);
    }
    return pmg_serve_say(c, o, status, status == 406 ? "Vary" : NULL, "Accept-Encoding");
}

static bool get_or_head(const pmg_http_msg_t *hm) {
    return pmg_str_is(hm->method, "GET") || pmg_str_is(hm->method, "HEAD");
}

int pmg_serve_file(struct mg_connection *c, const pmg_http_msg_t *hm, const pmg_serve_t *o) {
    pmg_serve_variant_t v;
    if (!get_or_head(hm)) {
        return pmg_serve_say(c, o, 405, "Allow", "GET, HEAD");
    }
    int status = pmg_serve_variant_choose(&v, c, hm, o->root, SIZE_MAX, 200);
    return status != 0 ? fault(c, hm, o, status) : pmg_serve_send(c, hm, o, &v);
}

// The file system's path for the request. Its length; a status to answer with, negative; or -EINVAL,
// told, for roots that are none. *from: the request's part of it; *folder: it asks for a folder.
static int map_path(struct mg_connection *c, const pmg_http_msg_t *hm, const pmg_serve_t *o,
    char *path, size_t *from, bool *folder) {
    char rel[MG_PATH_MAX];
    struct mg_str root = {NULL, 0}, wrong;
    int len = pmg_serve_path_decode(hm->uri, rel, sizeof(rel), folder);
    int skip = pmg_serve_root_find(o, len < 0 ? "" : rel, &root, &wrong);
    if (skip == -EINVAL) {
        return pmg_fail(pmg_m(c), -EINVAL,
            "root_dir: \"%.*s\" is not of the form /prefix=folder; a dict gives folders whose "
            "names "
            "have a comma or begin like that",
            (int)(wrong.len < 60 ? wrong.len : 60), wrong.buf);
    }
    if (len < 0) {
        return len;
    }
    if (skip < 0 || pmg_serve_path_unfinished(rel, (size_t)skip) ||
        (!o->dotfiles && pmg_serve_path_hidden(rel, (size_t)skip))) {
        return -404;
    }
    return pmg_serve_path_join(root, rel + skip, path, MG_PATH_MAX, from);
}

// Relative links of the page would miss a level without the slash.
static int add_slash(struct mg_connection *c, const pmg_http_msg_t *hm, const pmg_serve_t *o) {
    const char *uri = hm->uri.buf;
    size_t n = hm->uri.len, size = n + hm->query.len + sizeof("/?");
    while (n > 1 && uri[0] == '/' && uri[1] == '/') { // "//host" would lead elsewhere
        uri++, n--;
    }
    char *to = pmg_alloc(size);
    if (to == NULL) {
        return pmg_fail(pmg_m(c), -ENOMEM, "no memory for the reply");
    }
    pmg_snprintf(to, size, "%.*s/%s%.*s", (int)n, uri, hm->query.len > 0 ? "?" : "",
        (int)hm->query.len, hm->query.len > 0 ? hm->query.buf : "");
    int err = pmg_serve_say(c, o, 301, "Location", to);
    pmg_free(to);
    return err;
}

static int serve_folder(struct mg_connection *c, const pmg_http_msg_t *hm, const pmg_serve_t *o,
    pmg_serve_variant_t *v, const char *path, size_t from) {
    char index[MG_PATH_MAX];
    bool here = strcmp(path, ".") == 0, top = strcmp(path, "/") == 0;
    if (pmg_snprintf(index, sizeof(index), "%s%sindex.html", here ? "" : path,
            here || top ? "" : "/") < sizeof(index)) {
        int status = pmg_serve_variant_choose(v, c, hm, index, here ? 0 : from, 200);
        if (status != 404) {
            return status != 0 ? fault(c, hm, o, status) : pmg_serve_send(c, hm, o, v);
        }
    }
    return o->no_listing ? fault(c, hm, o, 404) : pmg_serve_listing(c, hm, o, path);
}

int pmg_serve_dir(struct mg_connection *c, const pmg_http_msg_t *hm, const pmg_serve_t *o) {
    char path[MG_PATH_MAX];
    pmg_serve_variant_t v;
    bool folder;
    size_t from;
    if (!get_or_head(hm)) {
        return pmg_serve_say(c, o, 405, "Allow", "GET, HEAD");
    }
    int len = map_path(c, hm, o, path, &from, &folder);
    if (len < 0) {
        return len == -EINVAL ? len : fault(c, hm, o, -len);
    }
    int status = pmg_serve_variant_choose(&v, c, hm, path, from, 200);
    if (v.stat.kind == PMG_IS_FOLDER && pmg_serve_path_spelled(path, from)) {
        return folder ? serve_folder(c, hm, o, &v, path, from) : add_slash(c, hm, o);
    }
    if ((status == 0 || status == 406) && folder) {
        status = 404;
    }
    return status != 0 ? fault(c, hm, o, status) : pmg_serve_send(c, hm, o, &v);
}

#endif
