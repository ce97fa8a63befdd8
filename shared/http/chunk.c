// SPDX-License-Identifier: GPL-2.0-only
//
// Chunked framing: functions over bytes.

#include "chunk.h"
#include "http_int.h"

static int hex_digit(char ch) {
    return ch >= '0' && ch <= '9'   ? ch - '0'
           : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10
           : ch >= 'A' && ch <= 'F' ? ch - 'A' + 10
                                    : -1;
}

static struct mg_str between(const char *from, const char *to) {
    return mg_str_n((char *)(size_t)from, (size_t)(to - from));
}

static const char *blanks(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\t')) {
        p++;
    }
    return p;
}

static const char *token(const char *p, const char *end) {
    const char *s = p;
    while (s < end && pmg_http_is_token(between(s, s + 1))) {
        s++;
    }
    return s > p ? s : NULL;
}

// Behind a quoted string (RFC 9110, section 5.6.4), or NULL.
static const char *quoted(const char *p, const char *end) {
    for (p++; p < end && *p != '"'; p++) {
        p += *p == '\\';
    }
    return p < end ? p + 1 : NULL;
}

// *( BWS ";" BWS name [ BWS "=" BWS value ] ), up to `end`.
static bool extensions(const char *p, const char *end) {
    while (p != NULL && p < end) {
        p = blanks(p, end);
        if (p == end || *p != ';') {
            return false;
        }
        p = token(blanks(p + 1, end), end);
        const char *equals = p != NULL ? blanks(p, end) : end;
        if (equals < end && *equals == '=') {
            p = blanks(equals + 1, end);
            p = p < end && *p == '"' ? quoted(p, end) : token(p, end);
        }
    }
    return p != NULL;
}

long pmg_chunk_line(const char *p, size_t len, size_t *size) {
    const char *end = p + len, *s = p;
    const char *eol = len > 0 ? memchr(p, '\n', len) : NULL;
    if ((eol == NULL ? end : eol) - p > PMG_CHUNK_LINE_MAX) {
        return -400;
    }
    if (eol == NULL) {
        return 0;
    }
    size_t n = 0;
    for (int digit; s < eol && (digit = hex_digit(*s)) >= 0; s++) {
        if (n > SIZE_MAX >> 8) {
            return -413;
        }
        n = n << 4 | (size_t)digit;
    }
    if (s == p || eol[-1] != '\r') {
        return -400;
    }
    if (s < eol - 1 && (!pmg_http_is_field_value(between(s, eol - 1)) || !extensions(s, eol - 1))) {
        return -400;
    }
    *size = n;
    return (long)(eol + 1 - p);
}

long pmg_chunk_trailer(const char *p, size_t len, bool *last) {
    const char *eol = len > 0 ? memchr(p, '\n', len) : NULL;
    *last = false;
    if (eol == NULL) {
        return 0;
    }
    if (eol == p || eol[-1] != '\r') {
        return -400;
    }
    const char *colon = memchr(p, ':', (size_t)(eol - p));
    if (eol - 1 == p) {
        *last = true;
    } else if (colon == NULL || !pmg_http_is_token(between(p, colon)) ||
               !pmg_http_is_field_value(between(colon + 1, eol - 1))) {
        return -400;
    }
    return (long)(eol + 1 - p); // checked, and dropped: nothing may depend on it (RFC 9110, 6.5.1)
}
