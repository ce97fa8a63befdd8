// SPDX-License-Identifier: GPL-2.0-only
//
// How far a text goes on as it is, sixteen bytes at a time where the machine has vectors. These
// say where the first whole block ends that is not all of the kind, at its first byte of another; less
// than a block is left to the caller's own loop.

#pragma once

#include "base.h"

#if defined(__SSE2__) && !defined(PMG_BOARD)

#include <emmintrin.h>

#define PMG_SCANS 1
#define PMG_SCAN(name, is_other)                                           \
    static inline const char *name(const char *p, const char *end) {       \
        while (end - p >= 16) {                                            \
            __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p); \
            int other = _mm_movemask_epi8(is_other);                       \
            if (other != 0) {                                              \
                return p + __builtin_ctz((unsigned)other);                 \
            }                                                              \
            p += 16;                                                       \
        }                                                                  \
        return p;                                                          \
    }
#define PMG_SCAN_IS(ch) _mm_cmpeq_epi8(x, _mm_set1_epi8(ch))
// Below `ch`, of bytes as numbers with a sign: 128 and more are negative.
#define PMG_SCAN_LESS(v, ch) _mm_cmplt_epi8(v, _mm_set1_epi8(ch))

#else

#define PMG_SCANS 0
#define PMG_SCAN(name, is_other)                                     \
    static inline const char *name(const char *p, const char *end) { \
        (void)end;                                                   \
        return p;                                                    \
    }

#endif

// To a byte that no field value of HTTP has: a control character but HTAB.
PMG_SCAN(pmg_scan_value,
    _mm_or_si128(_mm_andnot_si128(PMG_SCAN_IS('\t'),
                     _mm_and_si128(PMG_SCAN_LESS(x, ' '), _mm_cmpgt_epi8(x, _mm_set1_epi8(-1)))),
        PMG_SCAN_IS(127)))

// To what is neither a letter nor a dash. (The letters are moved to the lowest numbers there are.)
PMG_SCAN(pmg_scan_word, _mm_andnot_si128(PMG_SCAN_IS('-'),
                            _mm_cmpgt_epi8(_mm_add_epi8(_mm_or_si128(x, _mm_set1_epi8(32)),
                                               _mm_set1_epi8((char)(-128 - 'a'))),
                                _mm_set1_epi8(-128 + 25))))

// To an LF with CR or LF behind it, which is in [p, end) as well.
static inline const char *pmg_scan_blank(const char *p, const char *end) {
#if PMG_SCANS
    __m128i lf = _mm_set1_epi8('\n');
    while (end - p >= 33) {
        __m128i first = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i second = _mm_loadu_si128((const __m128i *)(const void *)(p + 16));
        unsigned found = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(first, lf)) |
                         (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(second, lf)) << 16;
        for (; found != 0; found &= found - 1) {
            const char *s = p + __builtin_ctz(found);
            if (s[1] == '\r' || s[1] == '\n') {
                return s;
            }
        }
        p += 32;
    }
#else
    (void)end;
#endif
    return p;
}
