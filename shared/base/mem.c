// SPDX-License-Identifier: GPL-2.0-only
//
// Memory: every block of shared/ and of Mongoose comes through here and is counted.

#include "base.h"

static size_t live_blocks;

void *pmg_alloc(size_t size) {
    void *p = pmg_port_alloc(size);
    if (p != NULL) {
        __atomic_add_fetch(&live_blocks, 1, __ATOMIC_RELAXED);
    }
    return p;
}

void pmg_free(void *p) {
    if (p != NULL) {
        __atomic_sub_fetch(&live_blocks, 1, __ATOMIC_RELAXED);
        pmg_port_free(p);
    }
}

size_t pmg_mem_blocks(void) {
    return __atomic_load_n(&live_blocks, __ATOMIC_RELAXED);
}

void pmg_mem_forget(long blocks) {
    __atomic_sub_fetch(&live_blocks, (size_t)blocks, __ATOMIC_RELAXED);
}

char *pmg_strndup(const char *s, size_t len) {
    char *p = pmg_alloc(len + 1);
    if (p != NULL) {
        memcpy(p, s, len);
        p[len] = '\0';
    }
    return p;
}

// What Mongoose calls (MG_ENABLE_CUSTOM_*).
void *mg_calloc(size_t count, size_t size) {
    void *p = NULL;
    if (size == 0 || count <= SIZE_MAX / size) {
        p = pmg_alloc(count * size);
    }
    if (p != NULL) {
        memset(p, 0, count * size);
    }
    return p;
}

void mg_free(void *p) {
    pmg_free(p);
}

uint64_t mg_millis(void) {
    return pmg_port_millis();
}

bool mg_random(void *buf, size_t len) {
    return pmg_port_random(buf, len);
}

bool pmg_buf_resize(struct mg_iobuf *b, size_t size) {
    unsigned char *p = pmg_alloc(size);
    if (p == NULL) {
        return false;
    }
    if (b->len > 0) {
        memcpy(p, b->buf, b->len);
    }
    pmg_free(b->buf);
    b->buf = p;
    b->size = size;
    return true;
}

bool pmg_buf_reserve(struct mg_iobuf *b, size_t more) {
    if (b->size - b->len >= more) {
        return true;
    }
    if (more > SIZE_MAX / 4 || b->len > SIZE_MAX / 4) {
        return false;
    }
    size_t need = b->len + more;
    size_t size = b->size > 0 ? b->size * 2 : 256;
    if (size < need) {
        size = need;
    }
    // A board that is short of memory may still have as much as is needed.
    return pmg_buf_resize(b, size) || (size > need && pmg_buf_resize(b, need));
}

void pmg_buf_free(struct mg_iobuf *b) {
    pmg_free(b->buf);
    b->buf = NULL;
    b->len = b->size = 0;
}
