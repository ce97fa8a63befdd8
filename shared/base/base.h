// SPDX-License-Identifier: GPL-2.0-only
//
// What every part may use and nothing but the runtime is under: memory, text, errors, UTF-8.
// Bindings include pmg.h only.
#ifndef PMG_BASE_H
#define PMG_BASE_H

#include "../port/port.h"
#include "form.h"
#include "hash.h"
#include "types.h"
#include "utf8.h"

// mem.c
void *pmg_alloc(size_t size); // counted; NULL when there is none
void pmg_free(void *p);
char *pmg_strndup(const char *s, size_t len);
size_t pmg_mem_blocks(void);
void pmg_mem_forget(long blocks); // these are kept for good: no longer counted
// Makes room for `more` bytes behind buf->len; grows by doubling. False: nothing changed.
bool pmg_buf_reserve(struct mg_iobuf *b, size_t more);
bool pmg_buf_resize(struct mg_iobuf *b, size_t size); // at least b->len
void pmg_buf_free(struct mg_iobuf *b);

// addr.c: the interface that an IPv6 address is of, by its number; 0: none. Of a number from 255 on
// false: this is no link-local address.
bool pmg_addr_set_zone(struct mg_addr *a, uint32_t zone);
uint32_t pmg_addr_zone(const struct mg_addr *a, uint8_t ip[16]);     // and the address without it
static inline bool pmg_addr_is_link_local(const struct mg_addr *a) { // fe80::/10
    return a->is_ip6 && a->addr.ip[0] == 0xfe && (a->addr.ip[1] & 0xc0) == 0x80;
}

// machine.c: bytes of memory that there are in all; 0: nobody tells.
size_t pmg_machine_memory(void);

// text.c. Formats: %s %.*s %c %d %u %x %X %%, with l, ll, z, a width and 0. No floats. The length is
// that of the whole text, as snprintf's. For a text of unknown length: %.*s and PMG_CUT.
size_t pmg_snprintf(char *buf, size_t size, const char *fmt, ...) PMG_FORMAT(3, 4);
size_t pmg_vsnprintf(char *buf, size_t size, const char *fmt, va_list *ap) PMG_FORMAT(3, 0);
#define PMG_CUT(s) (int)strnlen(s, 80), (s)
bool pmg_str_ieq(struct mg_str s, const char *lower); // `lower` has no capitals; those of s match
static inline bool pmg_str_is(struct mg_str s, const char *text) {
    return s.len == strlen(text) && memcmp(s.buf, text, s.len) == 0;
}

// error.c
int pmg_fail(pmg_mgr_t *m, int err, const char *fmt, ...) PMG_FORMAT(3, 4); // gives err back
// 0, or -ELOOP and its text: a call that fires an event would nest too deep. Python's own limit counts
// its frames alone, and a program may lift it.
int pmg_nested(pmg_mgr_t *m);
void pmg_live_add(int managers, int connections, int timers);

// random.c: pooled, for what needs few bytes often. False: the source failed, `buf` holds nothing to
// use, and whoever needed it refuses.
bool pmg_random(pmg_mgr_t *m, void *buf, size_t len) PMG_MUST_USE;

#endif
