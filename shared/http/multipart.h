// SPDX-License-Identifier: GPL-2.0-only
//
// multipart/form-data (RFC 7578). Slices point into the body.
#ifndef PMG_MULTIPART_H
#define PMG_MULTIPART_H

#include "mongoose.h"
#include "../base/names.h"

#if PMG_HAS_UTIL

enum {
    PMG_MULTIPART_RAW,    // as it stands there
    PMG_MULTIPART_PLAIN,  // as browsers write it: %22 is a quote
    PMG_MULTIPART_QUOTED, // backslashes quote: old curl
    PMG_MULTIPART_UTF8,   // filename*=utf-8'' ..., percent-encoded
    PMG_MULTIPART_LATIN1
};
typedef struct {
    struct mg_str name, filename, type, body; // buf NULL: not given
    uint8_t name_form, filename_form;         // how these two are written
} pmg_multipart_t;
// The part at *offset, 0 for the first; *offset then stands at the next. `boundary` may be empty:
// the body's first line tells it. 1, 0 at the end, -EILSEQ for what is malformed (*why says how), -EINVAL
// for an offset that lies in no body.
int pmg_multipart_next(struct mg_str body, size_t *offset, struct mg_str boundary,
    pmg_multipart_t *part, const char **why);
// The same of a part's header lines alone, the blank one behind them. 0 or -EILSEQ.
int pmg_multipart_head(struct mg_str lines, pmg_multipart_t *part, const char **why);
bool pmg_multipart_is_boundary(struct mg_str s);
// A name's text, at most raw.len long.
size_t pmg_multipart_text(struct mg_str raw, uint8_t form, char *dst);
// The last component of a name that came from elsewhere, without what file systems treat
// specially; may be empty. At most name.len; `dst` may be where the name is. Of a name that is
// longer than file systems take the end is kept, which says the type.
#define PMG_MULTIPART_FILENAME 200
size_t pmg_multipart_filename(struct mg_str name, char *dst);

#endif

#endif
