// SPDX-License-Identifier: GPL-2.0-only
//
// UTF-8 (RFC 3629): an incremental check for WebSocket text, and conversions for str.

#include "base.h"

// The cursor: how many bytes must follow (bits 0-1), and the range that the next one must be in
// (bits 8-15 low, 16-23 high). The range rules out overlong forms, surrogates and beyond U+10FFFF.
static uint32_t expect(unsigned n, unsigned low, unsigned high) {
    return n | low << 8 | high << 16;
}

static bool start(uint8_t b, uint32_t *state) {
    if (b < 0x80) {
        *state = 0;
    } else if (b < 0xc2) {
        return false;
    } else if (b < 0xe0) {
        *state = expect(1, 0x80, 0xbf);
    } else if (b < 0xf0) {
        *state = expect(2, b == 0xe0 ? 0xa0 : 0x80, b == 0xed ? 0x9f : 0xbf);
    } else if (b < 0xf5) {
        *state = expect(3, b == 0xf0 ? 0x90 : 0x80, b == 0xf4 ? 0x8f : 0xbf);
    } else {
        return false;
    }
    return true;
}

bool pmg_utf8_feed(pmg_utf8_t *u, const void *buf, size_t len) {
    const uint8_t *p = buf, *end = len > 0 ? p + len : p; // `buf` may be NULL
    uint32_t state = u->state;
    while (p < end) {
        if (state == 0) {
            uint64_t word;
            while (end - p >= 8 && (memcpy(&word, p, 8), (word & 0x8080808080808080u) == 0)) {
                p += 8;
            }
            if (p == end) {
                break;
            }
            if (!start(*p++, &state)) {
                return false;
            }
        } else {
            uint8_t b = *p++;
            if (b < (state >> 8 & 0xff) || b > (state >> 16 & 0xff)) {
                return false;
            }
            state = (state & 3) > 1 ? expect((state & 3) - 1, 0x80, 0xbf) : 0;
        }
    }
    u->state = state;
    return true;
}

bool pmg_utf8_valid(const void *buf, size_t len) {
    pmg_utf8_t u = {0};
    return pmg_utf8_feed(&u, buf, len) && u.state == 0;
}

// One U+FFFD for each maximal prefix of a character that breaks off (Unicode, section 3.9), as
// Python's "replace" does.
size_t pmg_utf8_replace(const void *buf, size_t len, char *dst) {
    const uint8_t *p = buf, *end = len > 0 ? p + len : p; // `buf` may be NULL
    size_t n = 0;
    while (p < end) {
        const uint8_t *s = p;
        uint32_t state = 0;
        bool good = start(*p++, &state);
        while (good && state != 0) {
            if (p == end || *p < (state >> 8 & 0xff) || *p > (state >> 16 & 0xff)) {
                good = false;
                break;
            }
            p++;
            state = (state & 3) > 1 ? expect((state & 3) - 1, 0x80, 0xbf) : 0;
        }
        size_t k = good ? (size_t)(p - s) : 3;
        if (dst != NULL) {
            memcpy(dst + n, good ? (const char *)s : "\xef\xbf\xbd", k);
        }
        n += k;
    }
    return n;
}

size_t pmg_latin1_to_utf8(const void *buf, size_t len, char *dst) {
    const uint8_t *p = buf;
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (p[i] < 0x80) {
            if (dst != NULL) {
                dst[n] = (char)p[i];
            }
            n++;
        } else {
            if (dst != NULL) {
                dst[n] = (char)(0xc0 | p[i] >> 6);
                dst[n + 1] = (char)(0x80 | (p[i] & 0x3f));
            }
            n += 2;
        }
    }
    return n;
}
