// SPDX-License-Identifier: GPL-2.0-only

#include <errno.h>

#include "route.h"
#include "../base/form.h"

#if PMG_HAS_WEB

// The character of the path at *at, an escape decoded; -1 for one that must not mean a slash.
static int path_char(struct mg_str path, size_t *at) {
    unsigned char ch = (unsigned char)path.buf[(*at)++];
    if (ch != '%' || path.len - *at < 2) {
        return ch;
    }
    int high = pmg_hex(path.buf[*at]), low = pmg_hex(path.buf[*at + 1]);
    if (high < 0 || low < 0) {
        return ch;
    }
    *at += 2;
    int value = high * 16 + low;
    return value == '/' ? -1 : value;
}

static bool is_digit(char ch) {
    return ch >= '0' && ch <= '9';
}

static size_t digits(struct mg_str s, size_t at) {
    size_t n = 0;
    while (at + n < s.len && is_digit(s.buf[at + n])) {
        n++;
    }
    return n;
}

static bool is_kind(struct mg_str raw, char kind) {
    if (kind == 's' || kind == 'p') {
        return true;
    }
    size_t at = raw.buf[0] == '-' ? 1 : 0;
    size_t n = digits(raw, at);
    at += n;
    if (n == 0 || n > 18) {
        return false;
    }
    if (kind == 'f' && at < raw.len && raw.buf[at] == '.') {
        n = digits(raw, at + 1);
        if (n == 0 || n > 18) {
            return false;
        }
        at += 1 + n;
    }
    return at == raw.len;
}

// The parameter at *p of the pattern takes what it may of the path from *at on, and what follows it in
// its segment the rest.
static bool take(struct mg_str pattern, size_t *p, struct mg_str path, size_t *at,
    pmg_route_t *found) {
    if (found->num == PMG_ROUTE_PARAMS || pattern.len - *p < 2) {
        return false;
    }
    pmg_route_value_t *value = &found->values[found->num];
    value->kind = pattern.buf[*p + 1];
    size_t suffix = *p + 2, suffix_end = suffix;
    while (suffix_end < pattern.len && pattern.buf[suffix_end] != '/') {
        suffix_end++;
    }
    size_t stop = path.len;
    if (value->kind != 'p') {
        const char *slash = memchr(path.buf + *at, '/', path.len - *at);
        stop = slash != NULL ? (size_t)(slash - path.buf) : path.len;
    }
    size_t tail = suffix_end - suffix;
    if (stop - *at <= tail || memcmp(path.buf + stop - tail, pattern.buf + suffix, tail) != 0) {
        return false;
    }
    value->raw = mg_str_n(path.buf + *at, stop - tail - *at);
    if (!is_kind(value->raw, value->kind)) {
        return false;
    }
    found->num++;
    *p = suffix_end;
    *at = stop;
    return true;
}

// `literal` bytes of the pattern are known to stand at the front of the path.
static bool fits(struct mg_str pattern, struct mg_str path, size_t literal, pmg_route_t *found) {
    size_t p = literal, at = literal;
    found->num = 0;
    while (p < pattern.len) {
        if (pattern.buf[p] == PMG_ROUTE_PARAM) {
            if (!take(pattern, &p, path, &at, found)) {
                return false;
            }
            continue;
        }
        if (at == path.len || path_char(path, &at) != (unsigned char)pattern.buf[p]) {
            return false;
        }
        p++;
    }
    return at == path.len;
}

static bool same(struct mg_str a, struct mg_str b) {
    return a.len == b.len && memcmp(a.buf, b.buf, a.len) == 0;
}

int pmg_route_find(struct mg_str table, struct mg_str method, struct mg_str path, int first,
    pmg_route_t *found) {
    static const struct mg_str GET = {"GET", 3}, HEAD = {"HEAD", 4};
    bool head = same(method, HEAD), escaped = memchr(path.buf, '%', path.len) != NULL;
    size_t at = 0;
    for (int i = 0; at < table.len; i++) {
        const unsigned char *row = (const unsigned char *)table.buf + at;
        size_t left = table.len - at, len = left < 4 ? left : (size_t)row[0] << 8 | row[1];
        if (left < 4 || left - 2 < len || len < 2u + row[2] + row[3]) {
            return -EINVAL;
        }
        at += 2 + len;
        struct mg_str theirs = mg_str_n((const char *)row + 4, row[2]);
        struct mg_str pattern = mg_str_n(theirs.buf + theirs.len, len - 2 - theirs.len);
        size_t literal = escaped ? 0 : row[3];
        if (i >= first && path.len >= literal && memcmp(path.buf, pattern.buf, literal) == 0 &&
            (method.len == 0 || same(theirs, method) || (head && same(theirs, GET))) &&
            fits(pattern, path, literal, found)) {
            return i;
        }
    }
    found->num = 0;
    return -ENOENT;
}

long long pmg_route_int(const pmg_route_value_t *value) {
    long long n = 0;
    bool negative = value->raw.buf[0] == '-';
    for (size_t i = negative ? 1 : 0; i < value->raw.len; i++) {
        n = n * 10 + (value->raw.buf[i] - '0');
    }
    return negative ? -n : n;
}

#endif
