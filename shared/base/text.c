// SPDX-License-Identifier: GPL-2.0-only
//
// Text by a format: what our own texts use of printf, without floats, the same on every target. A
// board's libc may know neither %zu nor %llu, and both its printf and Mongoose's bring floats along.

#include "base.h"

typedef struct {
    char *buf;
    size_t size, len; // len counts what did not fit, too
} out_t;

static void put(out_t *out, const char *s, size_t len) {
    for (; len > 0; len--, s++, out->len++) {
        if (out->len + 1 < out->size) {
            out->buf[out->len] = *s;
        }
    }
}

static void put_number(out_t *out, unsigned long long value, bool minus, char kind, int width,
    bool zeros) {
    const char *digits = kind == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    unsigned base = kind == 'x' || kind == 'X' ? 16 : 10;
    char text[24];
    char *p = text + sizeof(text);
    do {
        *--p = digits[value % base];
        value /= base;
    } while (value > 0);
    if (minus) {
        *--p = '-';
    }
    while (text + sizeof(text) - p < width) {
        *--p = zeros ? '0' : ' ';
    }
    put(out, p, (size_t)(text + sizeof(text) - p));
}

size_t pmg_vsnprintf(char *buf, size_t size, const char *fmt, va_list *ap) {
    out_t out = {buf, size, 0};
    while (*fmt != '\0') {
        size_t plain = strcspn(fmt, "%");
        put(&out, fmt, plain);
        fmt += plain;
        if (*fmt == '\0') {
            break;
        }
        bool zeros = *++fmt == '0';
        int width = 0, cut = -1, longs = 0;
        for (; *fmt >= '0' && *fmt <= '9'; fmt++) {
            width = width * 10 + (*fmt - '0');
        }
        if (fmt[0] == '.' && fmt[1] == '*') {
            cut = va_arg(*ap, int);
            fmt += 2;
        }
        for (; *fmt == 'l' || *fmt == 'z'; fmt++) {
            longs += *fmt == 'z' && sizeof(size_t) > sizeof(long) ? 2 : 1;
        }
        char kind = *fmt++;
        if (kind == 's') {
            const char *s = va_arg(*ap, const char *);
            size_t len = 0;
            while (s != NULL && len != (size_t)cut && s[len] != '\0') { // cut -1: no limit
                len++;
            }
            put(&out, s, len);
        } else if (kind == 'd') {
            long long n = longs > 1   ? va_arg(*ap, long long)
                          : longs > 0 ? va_arg(*ap, long)
                                      : va_arg(*ap, int);
            put_number(&out, n < 0 ? 0 - (unsigned long long)n : (unsigned long long)n, n < 0, kind,
                width, zeros);
        } else if (kind == 'u' || kind == 'x' || kind == 'X') {
            put_number(&out,
                longs > 1   ? va_arg(*ap, unsigned long long)
                : longs > 0 ? va_arg(*ap, unsigned long)
                            : va_arg(*ap, unsigned),
                false, kind, width, zeros);
        } else {
            char ch = kind == 'c' ? (char)va_arg(*ap, int) : kind; // %% is a percent sign
            put(&out, &ch, 1);
        }
    }
    if (size > 0) {
        buf[out.len < size ? out.len : size - 1] = '\0';
    }
    return out.len;
}

size_t pmg_snprintf(char *buf, size_t size, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    size_t len = pmg_vsnprintf(buf, size, fmt, &ap);
    va_end(ap);
    return len;
}

bool pmg_str_ieq(struct mg_str s, const char *lower) {
    size_t i = 0;
    while (i < s.len) {
        unsigned ch = (unsigned char)s.buf[i];
        ch += ch - 'A' < 26 ? 32 : 0;
        if (ch != (unsigned char)lower[i] || ch == '\0') {
            return false;
        }
        i++;
    }
    return lower[i] == '\0';
}
