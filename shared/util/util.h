// SPDX-License-Identifier: GPL-2.0-only
//
// Functions that need no Manager: JSON, URLs, patterns, the log. They keep no state but the log's
// level, so that any thread may call them.
//
// Texts are slices: nothing is cut at a NUL. A slice that a function gives points into its
// argument; buf NULL means that there is none. `dst` is given by the caller and is not terminated.
// May Python run?  In none of these.
#ifndef PMG_UTIL_H
#define PMG_UTIL_H

#include "mongoose.h"
#include "../base/form.h"
#include "../base/hash.h"
#include "../base/names.h"

#if PMG_HAS_UTIL

// ---------------------------------------------------------------------------------------------
// JSON (RFC 8259), json.c. A text is looked into only when all of it is valid: nothing is
// found in a text that is broken anywhere, that is no UTF-8, or that is nested deeper than this.
#define PMG_JSON_MAX_DEPTH 512
// An integer with more digits is beyond a double, too.
#define PMG_JSON_MAX_DIGITS 308

bool pmg_json_valid(struct mg_str json);
// The value at `path` ("$", "$.name", "$.list[0].x") as it stands in the text. 0, and *out.buf is
// NULL if there is none; -EINVAL: the path has no "$" at its start or no "." or "[" behind it.
int pmg_json_find(struct mg_str json, struct mg_str path, struct mg_str *out);
// Of a value that was found.
enum { PMG_JSON_NO_NUMBER, PMG_JSON_INT, PMG_JSON_REAL };
int pmg_json_number(struct mg_str value);
// A string's characters in UTF-8: at most value.len. Half a surrogate pair becomes U+FFFD. The
// length, or -1 if it is no string.
long pmg_json_unescape(struct mg_str value, char *dst);
// As many items as one list for a program may have.
#ifdef PMG_BOARD
#define PMG_JSON_ITEMS 1024
#else
#define PMG_JSON_ITEMS 65536
#endif
// Walks an array or object that was found: *rest is the value at first and is used up. key->buf is
// NULL in an array. False at the end, and for what is neither.
bool pmg_json_next(struct mg_str *rest, struct mg_str *key, struct mg_str *value);

// ---------------------------------------------------------------------------------------------
// URLs (RFC 3986), url_parts.c

typedef struct {
    struct mg_str scheme, user, pass, host, target; // of an IPv6 host with its brackets
    int port; // the scheme's own where none is written, 0 where it has none; -1: not a port
    bool is_tls;
} pmg_url_parts_t;
void pmg_url_split(struct mg_str url, pmg_url_parts_t *out);
// The same; is it one of HTTP, with a host and a port that is none or a number?
bool pmg_url_http(struct mg_str url, pmg_url_parts_t *out);
// What `ref` means in a document at `base` (RFC 3986, section 5.2). `dst` holds base.len + ref.len + 2.
// The length, or -EINVAL: neither has a scheme.
long pmg_url_join(struct mg_str base, struct mg_str ref, char *dst);
// Everything but letters, digits and -._~ as %XX. `dst` holds 3 * data.len.
size_t pmg_url_encode(struct mg_str data, char *dst);

// ---------------------------------------------------------------------------------------------
// Patterns, match.c

// "?" is one character, "*" any number without "/", "#" any number. What each of them stands for
// goes to caps[0 .. wildcards - 1], the earlier the shorter. 1, 0, or -ENOMEM.
int pmg_match(struct mg_str s, struct mg_str pattern, struct mg_str *caps);
size_t pmg_match_wildcards(struct mg_str pattern);

// ---------------------------------------------------------------------------------------------
// The log, log.c

void pmg_log_set(int level); // MG_LL_NONE .. MG_LL_VERBOSE; beyond them: the nearest
int pmg_log_get(void);

#endif
#endif
