// SPDX-License-Identifier: GPL-2.0-only
//
// multipart/form-data in pieces (RFC 2046, 5.1), as strict as multipart.c is with whole bodies.

#include "feed.h"

#if PMG_HAS_UTIL

enum { PREAMBLE, HEAD, BODY, END };
enum { NO, YES, WAIT }; // WAIT: more bytes will tell

bool pmg_feed_begin(pmg_feed_t *f, struct mg_str boundary) {
    memset(f, 0, sizeof(*f));
    if (!pmg_multipart_is_boundary(boundary)) {
        return false;
    }
    memcpy(f->boundary, boundary.buf, boundary.len);
    f->boundary_len = (uint8_t)boundary.len;
    f->first = true;
    return true;
}

// Do the bytes begin with `text`?
static int begins(const char *p, size_t len, const char *text, size_t n) {
    return memcmp(p, text, len < n ? len : n) != 0 ? NO : len < n ? WAIT : YES;
}

// What stands behind a boundary: blanks and a line's end, or "--" in front of that for the one that
// closes, which the end of the body may follow, too. *n: how long it is.
static int line_rest(const char *p, size_t len, bool last, size_t *n, bool *closes) {
    size_t i = 0;
    *closes = begins(p, len, "--", 2) == YES;
    if (!last && len < 2 && begins(p, len, "--", 2) == WAIT) {
        return WAIT;
    }
    i += *closes ? 2 : 0;
    size_t blank = i;
    while (i < len && (p[i] == ' ' || p[i] == '\t')) {
        i++;
    }
    if (i - blank > PMG_FEED_BLANK) {
        return NO;
    }
    int r = begins(p + i, len - i, "\r\n", 2);
    *n = i + 2;
    if (r == WAIT && last) {
        *n = i;
        return *closes && i == len ? YES : NO;
    }
    return r;
}

// Does a delimiter stand at p, with its line's end in front unless `bare`?
static int delimiter(const pmg_feed_t *f, const char *p, size_t len, bool bare, bool last,
    size_t *n, bool *closes) {
    size_t front = bare ? 0 : 2;
    int r = begins(p, len, &"\r\n--"[2 - front], front + 2);
    if (r == YES) {
        p += front + 2;
        len -= front + 2;
        r = begins(p, len, f->boundary, f->boundary_len);
    }
    if (r != YES) {
        return r == WAIT && last ? NO : r;
    }
    r = line_rest(p + f->boundary_len, len - f->boundary_len, last, n, closes);
    *n += front + 2 + f->boundary_len;
    return r;
}

static int end_of_content(pmg_feed_t *f, bool closes) {
    f->state = closes ? END : HEAD;
    return closes ? PMG_FEED_END : PMG_FEED_MORE;
}

// Up to the next delimiter. What stands in front of the first one is nobody's.
static int content(pmg_feed_t *f, const char *p, size_t len, bool last, size_t *used,
    struct mg_str *out) {
    size_t n = 0, at = 0;
    bool closes = false;
    int r = f->first ? delimiter(f, p, len, true, last, &n, &closes) : NO;
    if (r == NO) {
        f->first = false;
        for (; r == NO && at < len; at += r == NO) {
            const char *cr = memchr(p + at, '\r', len - at);
            at = cr != NULL ? (size_t)(cr - p) : len;
            r = at < len ? delimiter(f, p + at, len - at, false, last, &n, &closes) : NO;
            if (at == len) {
                break;
            }
        }
    }
    if (at > 0) { // content comes first; the delimiter is read at the next turn
        *used = at;
        *out = mg_str_n((char *)(size_t)p, at);
        return f->state == PREAMBLE ? PMG_FEED_MORE : PMG_FEED_DATA;
    }
    if (r == YES) {
        *used = n;
        return end_of_content(f, closes);
    }
    return PMG_FEED_MORE;
}

// All header lines of a part, with the blank one.
static int head(pmg_feed_t *f, const char *p, size_t len, size_t *used, struct mg_str *out) {
    size_t n = begins(p, len, "\r\n", 2) == YES ? 2 : 0, i = f->scanned;
    for (; n == 0 && i + 4 <= len; i++) {
        n = memcmp(p + i, "\r\n\r\n", 4) == 0 ? i + 4 : 0;
    }
    f->scanned = n == 0 ? i : 0; // they come again with what is behind them, byte by byte it may be
    if (n == 0) {
        return PMG_FEED_MORE;
    }
    *used = n;
    *out = mg_str_n((char *)(size_t)p, n);
    f->state = BODY;
    f->first = true; // without content the blank line's end is the delimiter's
    return PMG_FEED_PART;
}

int pmg_feed(pmg_feed_t *f, const char *p, size_t len, bool last, size_t *used,
    struct mg_str *out) {
    *used = 0;
    for (size_t pos = 0;;) {
        uint8_t before = f->state;
        size_t n = 0;
        if (f->state == END) {
            *used = len; // an epilogue
            return PMG_FEED_MORE;
        }
        int r = f->state == HEAD ? head(f, p + pos, len - pos, &n, out)
                                 : content(f, p + pos, len - pos, last, &n, out);
        *used = pos += n;
        if (r != PMG_FEED_MORE || (n == 0 && f->state == before)) {
            return r;
        }
    }
}

const char *pmg_feed_cut(const pmg_feed_t *f) {
    return f->state == END    ? NULL
           : f->state == HEAD ? "it ends within a part's headers"
           : f->state == BODY ? "it ends within a part"
                              : "the boundary does not occur in it";
}

#endif
