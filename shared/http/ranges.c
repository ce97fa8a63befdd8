// SPDX-License-Identifier: GPL-2.0-only
//
// Range requests (RFC 9110, 14): what a Range header asks for.

#include "conditions.h"

#if PMG_HAS_FILES

// Digits; a number beyond 64 bits is as good as the largest.
static bool number(const char **p, const char *end, uint64_t *out) {
    const char *s = *p;
    *out = 0;
    for (; s < end && *s >= '0' && *s <= '9'; s++) {
        unsigned digit = (unsigned)(*s - '0');
        *out = *out > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *out * 10 + digit;
    }
    bool any = s > *p;
    *p = s;
    return any;
}

static const char *blank(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\t')) {
        p++;
    }
    return p;
}

// "a-b", "a-" or "-n" at *p. NONE: malformed; BAD: it lies behind the end.
static int one(const char **p, const char *end, uint64_t size, pmg_serve_range_t *out) {
    uint64_t a = 0, b = 0;
    bool have_a = number(p, end, &a);
    if (*p == end || **p != '-') {
        return PMG_SERVE_RANGE_NONE;
    }
    ++*p;
    bool have_b = number(p, end, &b);
    if ((!have_a && !have_b) || (have_a && have_b && b < a)) {
        return PMG_SERVE_RANGE_NONE;
    }
    if (!have_a && b > 0 && size == 0) {
        return PMG_SERVE_RANGE_NONE; // it may be asked for, but no Content-Range says it (14.1.2)
    }
    if (!have_a) { // the last b bytes
        a = b < size ? size - b : 0;
        b = b > 0 ? UINT64_MAX : 0;
    } else if (!have_b) {
        b = UINT64_MAX;
    }
    if (a >= size || (!have_a && b == 0)) {
        return PMG_SERVE_RANGE_BAD;
    }
    out->from = a;
    out->len = (b < size ? b : size - 1) - a + 1;
    return PMG_SERVE_RANGE_OK;
}

int pmg_serve_ranges(struct mg_str value, uint64_t size, pmg_serve_range_t *out, int *count) {
    const char *p = value.buf, *end = pmg_str_end(value);
    uint64_t sum = 0;
    bool any = false;
    *count = 0;
    if (value.len < 6 || mg_strcasecmp(mg_str_n(value.buf, 6), mg_str("bytes=")) != 0) {
        return PMG_SERVE_RANGE_NONE;
    }
    for (p += 6; p < end;) {
        pmg_serve_range_t r = {0, 0};
        p = blank(p, end);
        if (p == end || *p == ',') { // a list may have empty places
            p += p < end;
            continue;
        }
        int kind = one(&p, end, size, &r);
        p = blank(p, end);
        if (kind == PMG_SERVE_RANGE_NONE || (p < end && *p++ != ',')) {
            return PMG_SERVE_RANGE_NONE;
        }
        any = true;
        if (kind == PMG_SERVE_RANGE_OK) {
            if (*count == PMG_SERVE_RANGES_MAX) {
                return PMG_SERVE_RANGE_NONE;
            }
            out[(*count)++] = r;
            sum += r.len < size ? r.len : size;
        }
    }
    if (!any || (*count > 1 && sum > size)) {
        return PMG_SERVE_RANGE_NONE;
    }
    return *count > 0 ? PMG_SERVE_RANGE_OK : PMG_SERVE_RANGE_BAD;
}

#endif
