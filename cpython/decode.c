// SPDX-License-Identifier: GPL-2.0-only
//
// str from UTF-8. CPython's decoder takes 11 instructions for each byte of characters of 3 bytes, 14 for
// words with an accent here and there: it begins with the least width and widens as it goes. Here one
// pass tells length and width, and another one writes. That wins where the first one, and the check, go by
// 32 bytes; elsewhere CPython's own is better.

#include "convert.h"

#include "base/utf8.h"
#include "base/wide.h"

#if PMG_WIDE

// Less than this is not worth two passes.
#define BULK 64
// So many bytes have 8 characters in them, or more.
#define ROOM 32

typedef struct {
    size_t chars;
    uint8_t top; // the largest byte: a lead, where there is any that is no ASCII
} survey_t;

PMG_WIDE_CODE static survey_t survey(const uint8_t *p, const uint8_t *end) {
    const __m256i continuation = _mm256_set1_epi8((char)0xbf); // as signed, none is larger
    __m256i most = _mm256_setzero_si256();
    survey_t s = {0};
    uint8_t each[32];
    for (; end - p >= 32; p += 32) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)p);
        most = _mm256_max_epu8(most, v);
        s.chars += (size_t)__builtin_popcount((unsigned)_mm256_movemask_epi8(_mm256_cmpgt_epi8(v,
            continuation)));
    }
    _mm256_storeu_si256((__m256i *)(void *)each, most);
    for (size_t i = 0; i < sizeof(each); i++) {
        s.top = each[i] > s.top ? each[i] : s.top;
    }
    for (; p < end; p++) {
        s.chars += (*p & 0xc0) != 0x80;
        s.top = *p > s.top ? *p : s.top;
    }
    return s;
}

// As many characters of 3 bytes as follow each other, 8 at a time: from *p, to *to.
PMG_WIDE_CODE static void threes(const uint8_t **p, const uint8_t *end, uint16_t **to) {
    // The first byte of each is the upper one of a word of 32 bits.
    const __m256i order = _mm256_broadcastsi128_si256(_mm_setr_epi8(2, 1, 0, -1, 5, 4, 3, -1, 8, 7,
        6, -1, 11, 10, 9, -1));
    const __m256i marks = _mm256_set1_epi32(0xf0c0c0), three = _mm256_set1_epi32(0xe08080);
    while (end - *p >= 28) {
        __m256i v = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i
                                                    *)(const void *)*p)),
            _mm_loadu_si128((const __m128i *)(const void *)(*p + 12)), 1);
        v = _mm256_shuffle_epi8(v, order);
        if (_mm256_movemask_epi8(_mm256_cmpeq_epi32(_mm256_and_si256(v, marks), three)) != -1) {
            return;
        }
        __m256i low = _mm256_and_si256(v, _mm256_set1_epi32(0x3f));
        __m256i middle = _mm256_and_si256(_mm256_srli_epi32(v, 2), _mm256_set1_epi32(0xfc0));
        __m256i high = _mm256_and_si256(_mm256_srli_epi32(v, 4), _mm256_set1_epi32(0xf000));
        v = _mm256_or_si256(_mm256_or_si256(low, middle), high);
        _mm_storeu_si128((__m128i *)(void *)*to,
            _mm_packus_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1)));
        *p += 24;
        *to += 8;
    }
}

// How many bytes of ASCII 8 bytes begin with.
static unsigned ascii(const uint8_t *p) {
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    word &= 0x8080808080808080u;
    return word == 0 ? 8 : (unsigned)__builtin_ctzll(word) / 8;
}

// Valid UTF-8, none of its characters wider than TYPE. 8 bytes are written whether they are ASCII or
// not, for what is not is written over: the last ones have no such room.
#define WRITE(NAME, TYPE, RUNS)                                        \
    static void NAME(const uint8_t *p, const uint8_t *end, TYPE *to) { \
        while (p < end) {                                              \
            unsigned n = 8;                                            \
            while (end - p >= ROOM && n == 8) {                        \
                uint8_t from[8];                                       \
                memcpy(from, p, 8);                                    \
                n = ascii(from);                                       \
                for (int i = 0; i < 8; i++) {                          \
                    to[i] = from[i];                                   \
                }                                                      \
                p += n;                                                \
                to += n;                                               \
            }                                                          \
            while (end - p < ROOM && p < end && *p < 0x80) {           \
                *to++ = *p++;                                          \
            }                                                          \
            while (p < end && *p >= 0xc0 && *p < 0xe0) {               \
                *to++ = (TYPE)((p[0] & 0x1fu) << 6 | (p[1] & 0x3fu));  \
                p += 2;                                                \
            }                                                          \
            RUNS                                                       \
        }                                                              \
    }

#define RUNS_OF_3                                                                       \
    while (p < end && *p >= 0xe0 && *p < 0xf0) {                                        \
        *to++ = (uint16_t)((p[0] & 0xfu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu)); \
        p += 3;                                                                         \
        if (end - p >= 28 && p[12] >= 0xe0 && p[21] >= 0xe0) {                          \
            threes(&p, end, &to);                                                       \
        }                                                                               \
    }

#define RUNS_OF_4                                                                                \
    while (p < end && *p >= 0xe0) {                                                              \
        if (*p < 0xf0) {                                                                         \
            *to++ = (p[0] & 0xfu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);                  \
            p += 3;                                                                              \
        } else {                                                                                 \
            *to++ =                                                                              \
                (p[0] & 7u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu); \
            p += 4;                                                                              \
        }                                                                                        \
    }

WRITE(write_1, Py_UCS1, )
WRITE(write_2, Py_UCS2, RUNS_OF_3)
WRITE(write_4, Py_UCS4, RUNS_OF_4)

// NULL without an exception: it is not valid.
static PyObject *bulk(const uint8_t *p, const uint8_t *end) {
    survey_t found = survey(p, end);
    bool ascii_only = found.top < 0x80;
    if (!ascii_only && !pmg_utf8_valid(p, (size_t)(end - p))) {
        return NULL;
    }
    // A str has the least width that holds what is in it.
    PyObject *text = PyUnicode_New((Py_ssize_t)found.chars, ascii_only         ? 0x7f
                                                            : found.top < 0xc4 ? 0xff
                                                            : found.top < 0xf0 ? 0xffff
                                                                               : 0x10ffff);
    if (text == NULL) {
        return NULL;
    }
    if (ascii_only) {
        memcpy(PyUnicode_1BYTE_DATA(text), p, found.chars);
    } else if (found.top < 0xc4) {
        write_1(p, end, PyUnicode_1BYTE_DATA(text));
    } else if (found.top < 0xf0) {
        write_2(p, end, PyUnicode_2BYTE_DATA(text));
    } else {
        write_4(p, end, PyUnicode_4BYTE_DATA(text));
    }
    return text;
}

#endif

PyObject *pmg_py_decode(struct mg_str s, const char *errors) {
#if PMG_WIDE
    if (s.len >= BULK && s.len <= PY_SSIZE_T_MAX && PMG_WIDE_HERE) {
        const uint8_t *p = (const uint8_t *)s.buf;
        PyObject *text = bulk(p, p + s.len);
        if (text != NULL || PyErr_Occurred()) {
            return text;
        }
    }
#endif
    return PyUnicode_DecodeUTF8(s.buf, (Py_ssize_t)s.len, errors);
}
