// SPDX-License-Identifier: GPL-2.0-only
//
// The fuzz targets: rows of a name and a function that takes the input.
#ifndef PMG_FUZZ_TARGETS_H
#define PMG_FUZZ_TARGETS_H

#include "app.h"

typedef struct {
    const uint8_t *p;
    size_t len;
} input_t;
static inline unsigned take8(input_t *in) {
    if (in->len == 0) {
        return 0;
    }
    in->len--;
    return *in->p++;
}
static inline unsigned take16(input_t *in) {
    unsigned high = take8(in);
    return high << 8 | take8(in);
}
static inline struct mg_str rest(const input_t *in) {
    return mg_str_n((char *)(size_t)in->p, in->len);
}

typedef struct {
    const char *name;
    void (*run)(input_t *in);
} target_t;
extern const target_t fuzz_peers[]; // peers.c: a live manager and what comes to it; ends with a NULL
extern const target_t fuzz_texts[]; // texts.c: parsers alone

#endif
