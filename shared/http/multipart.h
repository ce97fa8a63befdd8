// SPDX-License-Identifier: GPL-2.0-only
//
// multipart/form-data (RFC 7578). Slices point into the body.
#ifndef PMG_MULTIPART_H
#define PMG_MULTIPART_H

#include "mongoose.h"
#include "../base/names.h"

#if PMG_HAS_UTIL

typedef struct {
    struct mg_str name, filename, type, body; // buf NULL: not given
} pmg_multipart_t;
// The part at *offset, 0 for the first; *offset then stands at the next. `boundary` may be empty:
// the body's first line tells it. 1, 0 at the end, -EINVAL for what is malformed (*why says how).
int pmg_multipart_next(struct mg_str body, size_t *offset, struct mg_str boundary,
    pmg_multipart_t *part, const char **why);
// The text between the quotes of a header's parameter: at most raw.len.
size_t pmg_multipart_unquote(struct mg_str raw, char *dst);
// The last component of a name that came from elsewhere, without what file systems treat
// specially; may be empty. At most name.len.
size_t pmg_multipart_filename(struct mg_str name, char *dst);

#endif

#endif
