// SPDX-License-Identifier: GPL-2.0-only
//
// UTF-8 (RFC 3629): an incremental check for WebSocket text, and conversions for str.

#include "base.h"
#include "wide.h"

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

#if PMG_WIDE

// Each pair of bytes that stand side by side by three tables: of the first one's halves, and of the
// second one's upper half. What all three have in common is wrong (J. Keiser and D. Lemire, Validating
// UTF-8 In Less Than One Instruction Per Byte, 2021).
enum {
    TOO_SHORT = 1 << 0,  // a lead, then no continuation
    TOO_LONG = 1 << 1,   // ASCII, then a continuation
    OVERLONG_3 = 1 << 2, // E0, then less than A0
    TOO_LARGE = 1 << 3,  // F4 and 90 or more; F5 and more
    SURROGATE = 1 << 4,  // ED, then A0 or more
    OVERLONG_2 = 1 << 5, // C0 or C1
    OVERLONG_4 = 1 << 6, // F0, then less than 90; F5 and more, then less than 90
    TWO_CONTS = 1 << 7,  // two continuations: right behind longer leads alone
    CARRY = TOO_SHORT | TOO_LONG | TWO_CONTS,
};
#define TABLE(...) _mm256_broadcastsi128_si256(_mm_setr_epi8(__VA_ARGS__))
#define B(x) ((char)(x))

// The bytes `n` before those of `v`, of which `before` are the block ahead.
#define BACK(v, before, n) \
    _mm256_alignr_epi8(v, _mm256_permute2x128_si256(before, v, 0x21), 16 - (n))

// Where the last character that is whole ends, of the whole blocks in [p, end); p if anything in there
// is no UTF-8. A character begins at p.
PMG_WIDE_CODE static const uint8_t *valid_wide(const uint8_t *p, const uint8_t *end) {
    const __m256i high1 =
        TABLE(TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG,
            B(TWO_CONTS), B(TWO_CONTS), B(TWO_CONTS), B(TWO_CONTS), TOO_SHORT | OVERLONG_2,
            TOO_SHORT, TOO_SHORT | OVERLONG_3 | SURROGATE, TOO_SHORT | TOO_LARGE | OVERLONG_4);
    const __m256i low1 =
        TABLE(B(CARRY | OVERLONG_3 | OVERLONG_2 | OVERLONG_4), B(CARRY | OVERLONG_2), B(CARRY),
            B(CARRY), B(CARRY | TOO_LARGE), B(CARRY | TOO_LARGE | OVERLONG_4),
            B(CARRY | TOO_LARGE | OVERLONG_4), B(CARRY | TOO_LARGE | OVERLONG_4),
            B(CARRY | TOO_LARGE | OVERLONG_4), B(CARRY | TOO_LARGE | OVERLONG_4),
            B(CARRY | TOO_LARGE | OVERLONG_4), B(CARRY | TOO_LARGE | OVERLONG_4),
            B(CARRY | TOO_LARGE | OVERLONG_4), B(CARRY | TOO_LARGE | OVERLONG_4 | SURROGATE),
            B(CARRY | TOO_LARGE | OVERLONG_4), B(CARRY | TOO_LARGE | OVERLONG_4));
    const __m256i high2 = TABLE(TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
        TOO_SHORT, TOO_SHORT, B(TOO_LONG | OVERLONG_2 | TWO_CONTS | OVERLONG_3 | OVERLONG_4),
        B(TOO_LONG | OVERLONG_2 | TWO_CONTS | OVERLONG_3 | TOO_LARGE),
        B(TOO_LONG | OVERLONG_2 | TWO_CONTS | SURROGATE | TOO_LARGE),
        B(TOO_LONG | OVERLONG_2 | TWO_CONTS | SURROGATE | TOO_LARGE), TOO_SHORT, TOO_SHORT,
        TOO_SHORT, TOO_SHORT);
    const __m256i nibble = _mm256_set1_epi8(15);
    const uint8_t *s = p;
    __m256i before = _mm256_setzero_si256(), wrong = before;
    for (; end - s >= 32; s += 32) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)s);
        if (_mm256_movemask_epi8(_mm256_or_si256(v, before)) == 0) {
            continue; // ASCII behind ASCII
        }
        __m256i v1 = BACK(v, before, 1);
        __m256i found =
            _mm256_and_si256(_mm256_and_si256(_mm256_shuffle_epi8(high1,
                                                  _mm256_and_si256(_mm256_srli_epi16(v1, 4),
                                                      nibble)),
                                 _mm256_shuffle_epi8(low1, _mm256_and_si256(v1, nibble))),
                _mm256_shuffle_epi8(high2, _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble)));
        // The second continuation of three bytes, the third of four: these must be TWO_CONTS.
        __m256i third = _mm256_subs_epu8(BACK(v, before, 2), _mm256_set1_epi8(0xe0 - 0x80));
        __m256i fourth = _mm256_subs_epu8(BACK(v, before, 3), _mm256_set1_epi8(0xf0 - 0x80));
        __m256i must = _mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8(B(0x80)));
        wrong = _mm256_or_si256(wrong, _mm256_xor_si256(must, found));
        before = v;
    }
    if (!_mm256_testz_si256(wrong, wrong)) {
        return p;
    }
    const uint8_t *lead = s;
    while (lead > p && s - lead < 3 && (*--lead & 0xc0) == 0x80) {}
    return s - lead < (*lead < 0xc0 ? 1 : *lead < 0xe0 ? 2 : *lead < 0xf0 ? 3 : 4) ? lead : s;
}

#endif

bool pmg_utf8_feed(pmg_utf8_t *u, const void *buf, size_t len) {
    const uint8_t *p = buf, *end = len > 0 ? p + len : p; // `buf` may be NULL
    uint32_t state = u->state;
#if PMG_WIDE
    bool tried = false;
#endif
    while (p < end) {
        if (state == 0) {
#if PMG_WIDE
            if (end - p >= 64 && !tried && PMG_WIDE_HERE) {
                tried = true;
                p = valid_wide(p, end);
            }
#endif
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
