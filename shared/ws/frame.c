// SPDX-License-Identifier: GPL-2.0-only
//
// WebSocket frames: functions over bytes.

#include "../base/wide.h"
#include "frame.h"

#if PMG_WIDE
// Whole blocks of 128 bytes, of which it says how many bytes these are.
PMG_WIDE_CODE static size_t mask_wide(uint8_t *p, size_t len, uint64_t key) {
    __m256i k = _mm256_set1_epi64x((long long)key);
    size_t i = 0;
    for (; len - i >= 128; i += 128) {
        __m256i *v = (__m256i *)(void *)(p + i);
        _mm256_storeu_si256(v, _mm256_xor_si256(_mm256_loadu_si256(v), k));
        _mm256_storeu_si256(v + 1, _mm256_xor_si256(_mm256_loadu_si256(v + 1), k));
        _mm256_storeu_si256(v + 2, _mm256_xor_si256(_mm256_loadu_si256(v + 2), k));
        _mm256_storeu_si256(v + 3, _mm256_xor_si256(_mm256_loadu_si256(v + 3), k));
    }
    return i;
}
#endif

void pmg_ws_mask(uint8_t *p, size_t len, const uint8_t mask[4], uint32_t pos) {
    uint8_t m[8];
    for (int i = 0; i < 8; i++) {
        m[i] = mask[(pos + (uint32_t)i) & 3];
    }
    uint64_t key, word;
    memcpy(&key, m, 8);
    size_t i = 0;
#if PMG_WIDE
    if (len >= 128 && PMG_WIDE_HERE) {
        i = mask_wide(p, len, key);
    }
#endif
    for (; i + 8 <= len; i += 8) {
        memcpy(&word, p + i, 8);
        word ^= key;
        memcpy(p + i, &word, 8);
    }
    for (; i < len; i++) {
        p[i] ^= m[i & 7];
    }
}

size_t pmg_ws_head(uint8_t *head, size_t len, int op) {
    size_t n = 2;
    head[0] = (uint8_t)(PMG_WS_FIN | op);
    if (len < 126) {
        head[1] = (uint8_t)len;
    } else if (len < 65536) {
        head[1] = 126;
        head[n++] = (uint8_t)(len >> 8);
        head[n++] = (uint8_t)len;
    } else {
        head[1] = 127;
        for (int shift = 56; shift >= 0; shift -= 8) {
            head[n++] = (uint8_t)((uint64_t)len >> shift);
        }
    }
    return n;
}

bool pmg_ws_close_code_ok(unsigned code) {
    return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
           (code >= 3000 && code <= 4999);
}

bool pmg_ws_close_payload_ok(const uint8_t *p, size_t len) {
    return len == 0 || (len >= 2 && pmg_ws_close_code_ok((unsigned)p[0] << 8 | p[1]) &&
                           pmg_utf8_valid(p + 2, len - 2));
}

// What its first two bytes have wrong, or NULL.
static const char *fault(const pmg_ws_reader_t *r, const uint8_t *p, size_t have, int op) {
    bool control = op >= 8;
    if (p[0] & 0x70) {
        return "WebSocket frame with a reserved bit set";
    }
    if (op > 10 || (op > 2 && op < 8)) {
        return "WebSocket frame with an unknown opcode";
    }
    if (control && !(p[0] & PMG_WS_FIN)) {
        return "fragmented WebSocket control frame";
    }
    if (!control && (op == 0) != r->in_message) {
        return op == 0 ? "WebSocket continuation of nothing"
                       : "WebSocket message inside a fragmented one";
    }
    if (have >= 2 && (p[1] >> 7 != 0) != r->from_client) {
        return r->from_client ? "WebSocket frame that is not masked"
                              : "masked WebSocket frame from a server";
    }
    if (have >= 2 && control && (p[1] & 127) > PMG_WS_CONTROL_MAX) {
        return "WebSocket control frame over 125 bytes";
    }
    return NULL;
}

int pmg_ws_read_head(const pmg_ws_reader_t *r, const uint8_t *p, size_t have, pmg_ws_frame_t *f,
    const char **why) {
    size_t n = 2;
    if (have < 1) {
        return 0;
    }
    f->flags = p[0];
    f->op = p[0] & 15;
    *why = fault(r, p, have, f->op);
    if (*why != NULL) {
        return -PMG_WS_PROTOCOL;
    }
    if (have < 2) {
        return 0;
    }
    uint64_t len = p[1] & 127;
    if (len > 125) {
        size_t bytes = len == 126 ? 2 : 8;
        if (have < n + bytes) {
            return 0;
        }
        for (len = 0; bytes > 0; bytes--) {
            len = len << 8 | p[n++];
        }
        if (len < 126 || (n == 10 && len < 65536) || len >> 63) {
            *why = "WebSocket frame length in a longer form than needed";
            return -PMG_WS_PROTOCOL;
        }
    }
    f->masked = p[1] >> 7;
    if (have < n + 4u * f->masked) {
        return 0;
    }
    if (f->masked) {
        memcpy(f->mask, p + n, 4);
        n += 4;
    }
    if (f->op < 8 &&
        ((r->max > 0 && (len > r->max || r->gathered + len > r->max)) || len > SIZE_MAX / 4)) {
        *why = "WebSocket message is larger than the limit max_message";
        return -PMG_WS_TOO_BIG;
    }
    f->head_len = n;
    f->len = (size_t)len;
    return 1;
}
