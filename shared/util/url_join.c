// SPDX-License-Identifier: GPL-2.0-only
//
// Relative references (RFC 3986, section 5).

#include "util.h"

#if PMG_HAS_UTIL

// The five parts of section 3, without what marks them off. buf NULL: not there.
typedef struct {
    struct mg_str scheme, authority, path, query, fragment;
} parts_t;

static struct mg_str slice(const char *from, const char *to) {
    return mg_str_n((char *)(size_t)from, (size_t)(to - from));
}

static const char *find(const char *p, const char *end, const char *chars) {
    while (p < end && (*p == '\0' || strchr(chars, *p) == NULL)) {
        p++;
    }
    return p;
}

static bool is_scheme(struct mg_str s) {
    for (size_t i = 0; i < s.len; i++) {
        char ch = (char)(s.buf[i] | 32);
        bool other = (s.buf[i] >= '0' && s.buf[i] <= '9') || strchr("+-.", s.buf[i]) != NULL;
        if (s.buf[i] == '\0' || !((ch >= 'a' && ch <= 'z') || (i > 0 && other))) {
            return false;
        }
    }
    return s.len > 0;
}

static void split(struct mg_str url, parts_t *out) {
    static char empty[] = "";
    const char *p = url.buf != NULL ? url.buf : empty, *end = p + url.len;
    memset(out, 0, sizeof(*out));
    const char *stop = find(p, end, ":/?#");
    if (stop < end && *stop == ':' && is_scheme(slice(p, stop))) {
        out->scheme = slice(p, stop);
        p = stop + 1;
    }
    if (end - p >= 2 && p[0] == '/' && p[1] == '/') {
        stop = find(p + 2, end, "/?#");
        out->authority = slice(p + 2, stop);
        p = stop;
    }
    stop = find(p, end, "?#");
    out->path = slice(p, stop);
    p = stop;
    if (p < end && *p == '?') {
        stop = find(p, end, "#");
        out->query = slice(p + 1, stop);
        p = stop;
    }
    if (p < end) {
        out->fragment = slice(p + 1, end);
    }
}

static bool begins(const char *p, size_t len, const char *text) {
    size_t n = strlen(text);
    return len >= n && memcmp(p, text, n) == 0;
}

static size_t pop(const char *p, size_t len) {
    while (len > 0 && p[len - 1] != '/') {
        len--;
    }
    return len > 0 ? len - 1 : 0;
}

// Section 5.2.4, in place: what is written is never ahead of what is read.
static size_t remove_dots(char *p, size_t len) {
    size_t in = 0, out = 0;
    while (in < len) {
        char *s = p + in;
        size_t rest = len - in;
        if (begins(s, rest, "../")) {
            in += 3;
        } else if (begins(s, rest, "./")) {
            in += 2;
        } else if (begins(s, rest, "/./")) {
            in += 2;
        } else if (rest == 2 && begins(s, rest, "/.")) {
            p[++in] = '/';
        } else if (begins(s, rest, "/../")) {
            in += 3;
            out = pop(p, out);
        } else if (rest == 3 && begins(s, rest, "/..")) {
            in += 2;
            p[in] = '/';
            out = pop(p, out);
        } else if ((rest == 1 && *s == '.') || (rest == 2 && begins(s, rest, ".."))) {
            in = len;
        } else {
            do {
                p[out++] = p[in++];
            } while (in < len && p[in] != '/');
        }
    }
    return out;
}

static size_t put(char *dst, size_t n, const char *before, struct mg_str s, const char *after) {
    memcpy(dst + n, before, strlen(before));
    n += strlen(before);
    memcpy(dst + n, s.buf, s.len);
    n += s.len;
    memcpy(dst + n, after, strlen(after));
    return n + strlen(after);
}

// Section 5.2.3: `ref` beside the last segment of `base`.
static size_t put_merged(char *dst, size_t n, const parts_t *base, struct mg_str ref) {
    if (base->authority.buf != NULL && base->path.len == 0) {
        return put(dst, n, "/", ref, "");
    }
    const char *p = base->path.buf, *end = p + base->path.len;
    while (end > p && end[-1] != '/') {
        end--;
    }
    n = put(dst, n, "", slice(p, end), "");
    return put(dst, n, "", ref, "");
}

long pmg_url_join(struct mg_str base_url, struct mg_str ref_url, char *dst) {
    parts_t base, ref;
    split(base_url, &base);
    split(ref_url, &ref);
    bool whole = ref.scheme.buf != NULL, host = whole || ref.authority.buf != NULL;
    struct mg_str scheme = whole ? ref.scheme : base.scheme;
    struct mg_str authority = host ? ref.authority : base.authority;
    struct mg_str query = ref.query;
    if (scheme.buf == NULL) {
        return -EINVAL;
    }
    size_t n = put(dst, 0, "", scheme, ":");
    if (authority.buf != NULL) {
        n = put(dst, n, "//", authority, "");
    }
    size_t path = n;
    if (host || (ref.path.len > 0 && ref.path.buf[0] == '/')) {
        n = put(dst, n, "", ref.path, "");
    } else if (ref.path.len > 0) {
        n = put_merged(dst, n, &base, ref.path);
    } else {
        n = put(dst, n, "", base.path, "");
        query = query.buf != NULL ? query : base.query;
    }
    if (host || ref.path.len > 0) {
        n = path + remove_dots(dst + path, n - path);
    }
    if (query.buf != NULL) {
        n = put(dst, n, "?", query, "");
    }
    return (long)(ref.fragment.buf != NULL ? put(dst, n, "#", ref.fragment, "") : n);
}

#endif
