// SPDX-License-Identifier: GPL-2.0-only
//
// From the path of a request to that of a file: what is decoded, what is refused, and which folder
// it is looked for in. Functions over bytes; the last one asks the file system.

#include "path.h"

#if PMG_HAS_FILES

// The decoded byte at *i, or -1; *i then stands at the next. A "+" is a plus in a path.
static int decoded(struct mg_str uri, size_t *i) {
    char one[1];
    if (uri.buf[*i] != '%') {
        return (unsigned char)uri.buf[(*i)++];
    }
    if (uri.len - *i < 3 || pmg_percent_decode(mg_str_n(uri.buf + *i, 3), one, false) != 1) {
        return -1;
    }
    *i += 3;
    return (unsigned char)one[0];
}

// What no name has, and what another system reads as a separator.
static bool forbidden(int ch) {
    return ch < ' ' || ch == 0x7f || ch == '\\' || (ch == ':' && MG_DIRSEP != '/');
}

int pmg_serve_path_decode(struct mg_str uri, char *out, size_t size, bool *folder) {
    size_t n = 0, from = 0; // a component begins at `from` with its slash
    *folder = true;
    for (size_t i = 0; i <= uri.len;) {
        int ch = '/';
        bool end = i == uri.len;
        if (end) {
            i++;
        } else if ((ch = decoded(uri, &i)) < 0) {
            return -400;
        } else if (forbidden(ch)) {
            return -404;
        }
        if (ch != '/') {
            if (n == from) {
                out[n++] = '/';
            }
            if (n + 1 >= size) {
                return -414;
            }
            out[n++] = (char)ch;
            continue;
        }
        size_t len = n > from ? n - from - 1 : 0;
        if (len == 2 && out[n - 1] == '.' && out[n - 2] == '.') {
            return -404;
        }
        if (len == 1 && out[n - 1] == '.') {
            n = from;
            len = 0;
        }
        *folder = len == 0 || !end;
        from = n;
        if (n + 2 >= size) {
            return -414;
        }
    }
    out[n] = '\0';
    return (int)n;
}

bool pmg_serve_path_hidden(const char *path, size_t from) {
    static const char well_known[] = "/.well-known";
    size_t n = sizeof(well_known) - 1;
    if (strncmp(path, well_known, n) == 0 && (path[n] == '/' || path[n] == '\0')) {
        from = from > n ? from : n;
    }
    for (const char *p = path + from; (p = strchr(p, '/')) != NULL;) {
        if (*++p == '.') {
            return true;
        }
    }
    return false;
}

bool pmg_serve_name_unfinished(const char *name, size_t len) {
    static const char end[] = ".part";
    size_t n = sizeof(end) - 1, digits = 8;
    if (len < n + digits + 2 || name[0] != '.' || memcmp(name + len - n, end, n) != 0) {
        return false;
    }
    const char *p = name + len - n - digits;
    for (size_t i = 0; i < digits; i++) {
        if (!((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'f'))) {
            return false;
        }
    }
    return p[-1] == '.';
}

bool pmg_serve_path_unfinished(const char *path, size_t from) {
    for (const char *p = path + from; (p = strchr(p, '/')) != NULL;) {
        size_t len = strcspn(++p, "/");
        if (pmg_serve_name_unfinished(p, len)) {
            return true;
        }
    }
    return false;
}

// ---------------------------------------------------------------------------------------------
// Which folder

static const char *find(const char *p, const char *end, char ch) {
    const char *at = p < end ? memchr(p, ch, (size_t)(end - p)) : NULL;
    return at != NULL ? at : end;
}

int pmg_serve_root_parse(const char *text, size_t *offset, pmg_serve_root_t *root) {
    const char *p = text + *offset, *end = text + strlen(text), *stop = find(p, end, ',');
    const char *equals = find(p, stop, '=');
    bool first = *offset == 0;
    if (p > end || (p == end && !first)) {
        return 0;
    }
    *offset = (size_t)(stop + 1 - text);
    root->prefix = root->folder = mg_str_n((char *)(size_t)p, (size_t)(stop - p));
    if (stop > p && *p == '/' && equals < stop) {
        root->prefix.len = (size_t)(equals - p);
        root->folder = mg_str_n((char *)(size_t)(equals + 1), (size_t)(stop - equals - 1));
        return 1;
    }
    root->prefix.len = 0;
    return first ? 1 : -1;
}

// How much of `path` the prefix takes, in whole components; -1 if it is not under it.
static int under(const char *path, struct mg_str prefix) {
    while (prefix.len > 0 && prefix.buf[prefix.len - 1] == '/') {
        prefix.len--;
    }
    bool starts = strncmp(path, prefix.buf, prefix.len) == 0;
    return starts && (path[prefix.len] == '/' || path[prefix.len] == '\0') ? (int)prefix.len : -1;
}

static bool has_nul(struct mg_str s) {
    return s.len > 0 && memchr(s.buf, '\0', s.len) != NULL;
}

static bool next_root(const pmg_serve_t *o, size_t *at, pmg_serve_root_t *root, int *err) {
    if (o->root == NULL) {
        if (*at == o->num_roots) {
            return false;
        }
        *root = o->roots[(*at)++];
        *err = has_nul(root->folder) || has_nul(root->prefix) || root->prefix.len == 0 ||
                       root->prefix.buf[0] != '/'
                   ? -1
                   : 1;
    } else {
        *err = pmg_serve_root_parse(o->root, at, root);
    }
    return *err > 0;
}

int pmg_serve_root_find(const pmg_serve_t *o, const char *path, struct mg_str *folder,
    struct mg_str *wrong) {
    pmg_serve_root_t root = {{0}, {0}};
    int best = -1, err = 0;
    for (size_t at = 0; next_root(o, &at, &root, &err);) {
        int taken = under(path, root.prefix);
        if (taken >= best && taken >= 0) {
            best = taken;
            *folder = root.folder;
        }
    }
    *wrong = root.prefix.len > 0 ? root.prefix : root.folder;
    return err < 0 ? -EINVAL : best >= 0 ? best : -ENOENT;
}

int pmg_serve_path_join(struct mg_str folder, const char *rest, char *out, size_t size,
    size_t *from) {
    while (folder.len > 1 && folder.buf[0] == '.' && folder.buf[1] == '/') {
        folder = mg_str_n(folder.buf + 2, folder.len - 2);
        while (folder.len > 0 && folder.buf[0] == '/') {
            folder = mg_str_n(folder.buf + 1, folder.len - 1);
        }
        if (folder.len == 0) {
            folder = mg_str(".");
        }
    }
    bool here = folder.len == 0 || (folder.len == 1 && folder.buf[0] == '.');
    while (folder.len > 0 && folder.buf[folder.len - 1] == '/') {
        folder.len--;
    }
    if (here) { // of a relative path the first slash is none
        folder.len = 0;
        rest += *rest == '/';
    }
    *from = folder.len;
    size_t n = pmg_snprintf(out, size, "%.*s%s", (int)folder.len, folder.buf, rest);
    if (n == 0) {
        *from = n = pmg_snprintf(out, size, here ? "." : "/");
    }
    return n < size ? (int)n : -414;
}

// ---------------------------------------------------------------------------------------------
// Names as they are spelled

typedef struct {
    const char *name;
    size_t len;
    bool found;
} spelling_t;

static void compare(const char *name, void *arg) {
    spelling_t *s = arg;
    s->found = s->found || (strlen(name) == s->len && memcmp(name, s->name, s->len) == 0);
}

bool pmg_serve_path_spelled(char *path, size_t from) {
    size_t loose = from < SIZE_MAX ? pmg_port_loose_from(path) : SIZE_MAX;
    if (loose == SIZE_MAX) {
        return true;
    }
    for (char *p = path + (from > loose ? from : loose); *p != '\0';) {
        char *name = *p == '/' ? p + 1 : p, *stop = strchr(name, '/');
        spelling_t s = {name, stop != NULL ? (size_t)(stop - name) : strlen(name), false};
        char kept = *p;
        const char *parent = p > path ? path : name > path ? "/" : ".";
        if (p > path) {
            *p = '\0';
        }
        int err = pmg_port_list(parent, compare, &s);
        *p = kept;
        if (err < 0 || !s.found) {
            return false;
        }
        p = name + s.len;
    }
    return true;
}

#endif
