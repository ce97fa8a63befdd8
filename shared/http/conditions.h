// SPDX-License-Identifier: GPL-2.0-only
//
// What a request makes its answer depend on. Functions over bytes.
#ifndef PMG_CONDITIONS_H
#define PMG_CONDITIONS_H

#include "http_int.h"

#if PMG_HAS_FILES

// conditions.c. A tag stands as in a header: "x" with its quotes, or W/"x"; empty: there is none.
// `strong`: weak tags equal none (RFC 9110, 8.8.3.2).
bool pmg_serve_etag_equal(struct mg_str a, struct mg_str b, bool strong);
// Is it in the list of one line, or is that "*"?
bool pmg_serve_etag_listed(struct mg_str list, struct mg_str tag, bool strong);
// The same for all lines of a request's header.
enum { PMG_SERVE_UNCONDITIONAL, PMG_SERVE_CONDITION_MET, PMG_SERVE_CONDITION_FAILED };
int pmg_serve_condition(const pmg_http_msg_t *hm, const char *header, struct mg_str tag,
    bool strong);

// What a line of Accept-Encoding says of gzip, by its name and by "*": 1, or 0 for a q of zero;
// left as it is where nothing is said.
void pmg_serve_gzip_accept(struct mg_str list, int *by_name, int *by_star);
enum {
    PMG_SERVE_GZIP_UNSAID,
    PMG_SERVE_GZIP_YES,
    PMG_SERVE_GZIP_NO
}; // unsaid: there is no such header
int pmg_serve_accepts_gzip(const pmg_http_msg_t *hm);

// The last value of a header, and how often it is there.
struct mg_str pmg_serve_single_header(const pmg_http_msg_t *hm, const char *header, int *count);

// ranges.c
typedef struct {
    uint64_t from, len;
} pmg_serve_range_t;
#define PMG_SERVE_RANGES_MAX 16 // in one request
enum { PMG_SERVE_RANGE_NONE, PMG_SERVE_RANGE_OK, PMG_SERVE_RANGE_BAD };
// The ranges of a Range header that lie in a file of `size` bytes, at most PMG_SERVE_RANGES_MAX of them, in
// the order of the request. OK: there are *count. BAD: none lies in it. NONE: they are malformed, in
// another unit, too many, or ask for more than the whole file: that is to be sent.
int pmg_serve_ranges(struct mg_str value, uint64_t size, pmg_serve_range_t *out, int *count);

#endif
#endif
