// SPDX-License-Identifier: GPL-2.0-only
//
// UTF-8: what the wire says is bytes, what Python sees is str.
#ifndef PMG_UTF8_H
#define PMG_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t state; // cursor of an incremental check, 0 between characters
} pmg_utf8_t;
// Feeds bytes to the check; false at the first byte that cannot follow.
bool pmg_utf8_feed(pmg_utf8_t *u, const void *buf, size_t len);
bool pmg_utf8_valid(const void *buf, size_t len);
// UTF-8 with each byte that does not belong replaced by U+FFFD, as bytes.decode("utf-8", "replace")
// does. Returns the length needed; writes nothing if dst is NULL. At most 3 * len.
size_t pmg_utf8_replace(const void *buf, size_t len, char *dst);
// ISO 8859-1 to UTF-8, for head fields that are not UTF-8 (RFC 9110, section 5.5). At most 2 * len.
size_t pmg_latin1_to_utf8(const void *buf, size_t len, char *dst);

#endif
