// SPDX-License-Identifier: GPL-2.0-only
//
// Static files over HTTP: which file or folder answers a request.

#include "serve_int.h"

#if PMG_HAS_FILES

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
        return pmg_serve_send(c, hm, o, o->page404, 404);
    }
    return pmg_serve_say(c, o, status, NULL, NULL);
}

static bool get_or_head(const pmg_http_msg_t *hm) {
    return pmg_str_is(hm->method, "GET") || pmg_str_is(hm->method, "HEAD");
}

int pmg_serve_file(struct mg_connection *c, const pmg_http_msg_t *hm, const pmg_serve_t *o) {
    if (!get_or_head(hm)) {
        return pmg_serve_say(c, o, 405, "Allow", "GET, HEAD");
    }
    if ((pmg_port_fs()->st(o->root, NULL, NULL) & (MG_FS_READ | MG_FS_DIR)) != MG_FS_READ) {
        return not_found(c, hm, o, 404);
    }
    return pmg_serve_send(c, hm, o, o->root, 200);
}

int pmg_serve_dir(struct mg_connection *c, const pmg_http_msg_t *hm, const pmg_serve_t *o) {
    char path[MG_PATH_MAX];
    struct mg_fs *fs = pmg_port_fs();
    int status = 0;
    if (!get_or_head(hm)) {
        return pmg_serve_say(c, o, 405, "Allow", "GET, HEAD");
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
        return pmg_serve_send(c, hm, o, path, 200);
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
            return pmg_serve_say(c, o, 414, NULL, NULL);
        }
        return pmg_serve_say(c, o, 301, "Location", to);
    }
    if (len + 12 < MG_PATH_MAX) {
        memcpy(path + len, "/index.html", 12);
        if ((fs->st(path, NULL, NULL) & (MG_FS_READ | MG_FS_DIR)) == MG_FS_READ) {
            return pmg_serve_send(c, hm, o, path, 200);
        }
        path[len] = '\0';
    }
    if (o->no_listing) {
        return not_found(c, hm, o, 404);
    }
    return pmg_serve_listing(c, hm, o, path);
}

#endif
