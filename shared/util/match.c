// SPDX-License-Identifier: GPL-2.0-only
//
// Patterns with "?", "*" and "#". Mongoose's mg_match() goes back to its last wildcard only, so that
// "#a*b" does not fit "a/ab"; this finds every fit in steps bounded by the product of the lengths.

#include "../base/record.h"

#if PMG_HAS_UTIL

static bool is_wild(char ch) {
    return ch == '*' || ch == '#';
}

size_t pmg_match_wildcards(struct mg_str pattern) {
    size_t n = 0;
    for (size_t i = 0; i < pattern.len; i++) {
        n += is_wild(pattern.buf[i]) || pattern.buf[i] == '?';
    }
    return n;
}

// Bytes of the character at j.
static size_t char_len(struct mg_str s, size_t j) {
    unsigned char ch = (unsigned char)s.buf[j];
    size_t n = ch < 0xc0 ? 1 : ch < 0xe0 ? 2 : ch < 0xf0 ? 3 : 4;
    return n < s.len - j ? n : s.len - j;
}

static bool bit(const uint8_t *row, size_t j) {
    return (row[j / 8] >> (j & 7) & 1) != 0;
}

static void set_bit(uint8_t *row, size_t j, bool on) {
    uint8_t mask = (uint8_t)(1u << (j & 7));
    row[j / 8] = (uint8_t)(on ? row[j / 8] | mask : row[j / 8] & ~mask);
}

// A row says for each j whether the rest of the pattern fits the rest of s from j on. The row that
// holds behind a "*" or "#" is kept in `rows`; the last one is that of the whole pattern.
static void fill_rows(struct mg_str s, struct mg_str p, uint8_t *rows, size_t row_size) {
    uint8_t *row = rows;
    memset(row, 0, row_size);
    set_bit(row, s.len, true);
    for (size_t i = p.len; i-- > 0;) {
        char ch = p.buf[i];
        if (is_wild(ch)) {
            memcpy(row + row_size, row, row_size);
            row += row_size;
            for (size_t j = s.len; j-- > 0;) {
                bool over = bit(row, j + 1) && (ch == '#' || s.buf[j] != '/');
                set_bit(row, j, bit(row, j) || over);
            }
            continue;
        }
        for (size_t j = 0; j <= s.len; j++) {
            bool fits = j < s.len && (ch == '?' || s.buf[j] == ch);
            size_t n = fits && ch == '?' ? char_len(s, j) : 1;
            set_bit(row, j, fits && bit(row, j + n));
        }
    }
}

int pmg_match(struct mg_str s, struct mg_str p, struct mg_str *caps) {
    size_t wild = 0, n = 0, j = 0;
    for (size_t i = 0; i < p.len; i++) {
        wild += is_wild(p.buf[i]);
    }
    size_t row_size = s.len / 8 + 1;
    if (wild + 1 > SIZE_MAX / row_size) {
        return -ENOMEM;
    }
    uint8_t *rows = pmg_alloc((wild + 1) * row_size);
    if (rows == NULL) {
        return -ENOMEM;
    }
    fill_rows(s, p, rows, row_size);
    bool fits = bit(rows + wild * row_size, 0);
    for (size_t i = 0; fits && i < p.len; i++) {
        size_t from = j;
        if (is_wild(p.buf[i])) {
            wild--;
            while (!bit(rows + wild * row_size, j)) {
                j++;
            }
        } else {
            j += p.buf[i] == '?' ? char_len(s, j) : 1;
        }
        if (is_wild(p.buf[i]) || p.buf[i] == '?') {
            caps[n++] = mg_str_n(s.buf + from, j - from);
        }
    }
    pmg_free(rows);
    return fits;
}

#endif
