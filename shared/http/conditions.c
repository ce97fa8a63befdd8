// SPDX-License-Identifier: GPL-2.0-only
//
// What a request makes its answer depend on: entity tags (RFC 9110, 8.8.3 and 13) and codings
// (12.5.3). Functions over bytes.

#include "conditions.h"

#if PMG_HAS_FILES

static const char *skip(const char *p, const char *end, const char *set) {
    while (p < end && *p != '\0' && strchr(set, *p) != NULL) {
        p++;
    }
    return p;
}

static bool is_weak(struct mg_str tag) {
    return tag.len > 2 && tag.buf[0] == 'W' && tag.buf[1] == '/';
}

static struct mg_str opaque(struct mg_str tag) {
    return is_weak(tag) ? mg_str_n(tag.buf + 2, tag.len - 2) : tag;
}

// The tag at *p, which then stands behind it; of length 0 where none is.
static struct mg_str next_tag(const char **p, const char *end) {
    const char *start = *p, *s = start;
    if (end - s > 2 && s[0] == 'W' && s[1] == '/') {
        s += 2;
    }
    const char *close = s < end && *s == '"' ? memchr(s + 1, '"', (size_t)(end - s - 1)) : NULL;
    *p = close != NULL ? close + 1 : end;
    return mg_str_n((char *)(size_t)start, close != NULL ? (size_t)(close + 1 - start) : 0);
}

bool pmg_serve_etag_equal(struct mg_str a, struct mg_str b, bool strong) {
    return a.len > 0 && b.len > 0 && !(strong && (is_weak(a) || is_weak(b))) &&
           mg_strcmp(opaque(a), opaque(b)) == 0;
}

bool pmg_serve_etag_listed(struct mg_str list, struct mg_str tag, bool strong) {
    const char *end = pmg_str_end(list), *p = skip(list.buf, end, " \t,");
    if (p < end && *p == '*' && skip(p + 1, end, " \t") == end) {
        return true;
    }
    while (p < end) {
        struct mg_str one = next_tag(&p, end);
        if (pmg_serve_etag_equal(one, tag, strong)) {
            return true;
        }
        const char *next = skip(p, end, " \t");
        if (next < end && *next != ',') {
            return false; // no list of tags
        }
        p = skip(next, end, " \t,");
    }
    return false;
}

// ---------------------------------------------------------------------------------------------
// Codings

// Is the q of "gzip;q=0.5" zero?
static bool is_zero(struct mg_str parameters) {
    const char *p = parameters.buf, *end = pmg_str_end(parameters);
    p = skip(p, end, " \t;");
    if (end - p < 3 || (*p | 32) != 'q') {
        return false;
    }
    p = skip(p + 1, end, " \t");
    return p < end && *p == '=' && skip(p + 1, end, "0. \t") == end;
}

void pmg_serve_gzip_accept(struct mg_str list, int *by_name, int *by_star) {
    const char *p = list.buf, *end = pmg_str_end(list);
    while (p < end) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        const char *stop = comma != NULL ? comma : end;
        p = skip(p, stop, " \t");
        const char *semi = p < stop ? memchr(p, ';', (size_t)(stop - p)) : NULL;
        const char *name_end = semi != NULL ? semi : stop;
        while (name_end > p && (name_end[-1] == ' ' || name_end[-1] == '\t')) {
            name_end--;
        }
        struct mg_str name = mg_str_n((char *)(size_t)p, (size_t)(name_end - p));
        bool zero = semi != NULL && is_zero(mg_str_n((char *)(size_t)semi, (size_t)(stop - semi)));
        if (pmg_str_ieq(name, "gzip") || pmg_str_ieq(name, "x-gzip")) {
            *by_name = zero ? 0 : 1;
        } else if (pmg_str_is(name, "*")) {
            *by_star = zero ? 0 : 1;
        }
        p = comma != NULL ? comma + 1 : end;
    }
}

// ---------------------------------------------------------------------------------------------
// Headers of a request, which may stand on several lines

#define EACH_LINE(hm, i, header)                \
    for (int i = 0; i < (hm)->num_headers; i++) \
        if (mg_strcasecmp((hm)->headers[i].name, mg_str(header)) == 0)

int pmg_serve_accepts_gzip(const pmg_http_msg_t *hm) {
    int by_name = -1, by_star = -1;
    bool there = false;
    EACH_LINE(hm, i, "Accept-Encoding") {
        there = true;
        pmg_serve_gzip_accept(hm->headers[i].value, &by_name, &by_star);
    }
    bool yes = by_name > 0 || (by_name < 0 && by_star > 0);
    return !there ? PMG_SERVE_GZIP_UNSAID : yes ? PMG_SERVE_GZIP_YES : PMG_SERVE_GZIP_NO;
}

int pmg_serve_condition(const pmg_http_msg_t *hm, const char *header, struct mg_str tag,
    bool strong) {
    int result = PMG_SERVE_UNCONDITIONAL;
    EACH_LINE(hm, i, header) {
        if (pmg_serve_etag_listed(hm->headers[i].value, tag, strong)) {
            return PMG_SERVE_CONDITION_MET;
        }
        result = PMG_SERVE_CONDITION_FAILED;
    }
    return result;
}

struct mg_str pmg_serve_single_header(const pmg_http_msg_t *hm, const char *header, int *count) {
    struct mg_str value = {NULL, 0};
    *count = 0;
    EACH_LINE(hm, i, header) {
        value = hm->headers[i].value;
        ++*count;
    }
    return value;
}

#endif
