// SPDX-License-Identifier: GPL-2.0-only
//
// multipart/form-data in pieces: a state machine over bytes, without memory of its own.
#ifndef PMG_FEED_H
#define PMG_FEED_H

#include "multipart.h"

#if PMG_HAS_UTIL

enum { PMG_FEED_BOUNDARY = 70, PMG_FEED_BLANK = 64 }; // the longest; blanks behind it, at most

typedef struct {
    char boundary[PMG_FEED_BOUNDARY];
    uint8_t boundary_len, state;
    bool first;     // here a delimiter needs no line's end in front of it
    size_t scanned; // bytes of header lines that hold no end of them
} pmg_feed_t;

// MORE: what is left must come again, with more behind it. DATA: *out is content of the part.
// PART: the part before is whole, *out are the header lines of the next. END: the last is whole.
enum { PMG_FEED_MORE, PMG_FEED_DATA, PMG_FEED_PART, PMG_FEED_END };

// False: the boundary is none.
bool pmg_feed_begin(pmg_feed_t *f, struct mg_str boundary);
// Reads on at p; *used bytes of it are done with. `last`: nothing comes behind them. More than
// PMG_FEED_BOUNDARY + PMG_FEED_BLANK + 8 bytes are left over within a part's header lines alone.
int pmg_feed(pmg_feed_t *f, const char *p, size_t len, bool last, size_t *used, struct mg_str *out);
// Why it ends too early, or NULL: it is whole.
const char *pmg_feed_cut(const pmg_feed_t *f);

#endif
#endif
