// SPDX-License-Identifier: GPL-2.0-only
//
// Chunked framing (RFC 9112, section 7.1): functions over bytes.
#ifndef PMG_CHUNK_H
#define PMG_CHUNK_H

#include <stdbool.h>
#include <stddef.h>

// Of a chunk's first line: extensions are legal and useless, so they may not be long.
#define PMG_CHUNK_LINE_MAX 512

// Both read a line at [p, p + len) and return its length with its end; 0: its end is not there; or
// the negative status to refuse it with.
long pmg_chunk_line(const char *p, size_t len, size_t *size);
long pmg_chunk_trailer(const char *p, size_t len, bool *last); // *last: the blank line

#endif
