// SPDX-License-Identifier: GPL-2.0-only
//
// Large blocks on Linux, whose first touch costs a fault for each page: 4,096 of them for 16 MB, more
// than to copy it. Huge pages make eight of those, where the system grants them to who asks.
#ifndef PMG_PAGES_H
#define PMG_PAGES_H

#include <stddef.h>

// Smaller blocks are not worth a system call.
#define PMG_PAGES_MIN ((size_t)4 << 20)

#ifdef __linux__
#include <stdint.h>
#include <sys/mman.h>

#define PMG_HUGE_PAGE ((uintptr_t)2 << 20)

// `p` of `size` bytes was just allocated. Only what lies whole in it is asked for. The system may move
// memory together for it when it is first touched. Once it is free, smaller blocks may lie there,
// on pages that stay large.
static inline void pmg_pages(void *p, size_t size) {
    if (p != NULL && size >= PMG_PAGES_MIN) {
        uintptr_t from = ((uintptr_t)p + PMG_HUGE_PAGE - 1) & ~(PMG_HUGE_PAGE - 1);
        uintptr_t to = ((uintptr_t)p + size) & ~(PMG_HUGE_PAGE - 1);
        if (from < to) {
            int rc = madvise((void *)from, to - from, MADV_HUGEPAGE);
            (void)rc; // small ones are right, too
        }
    }
}

#else

static inline void pmg_pages(void *p, size_t size) {
    (void)p, (void)size;
}

#endif
#endif
