// SPDX-License-Identifier: GPL-2.0-only
//
// Functions that need no Manager: JSON, URLs, forms, patterns, hashes, Base64, random numbers, the
// log. They keep no state but the log level, so that any thread may call them.
//
// Texts are slices: nothing is cut at a NUL. A slice that a function gives points into its
// argument; buf NULL means that there is none. `dst` is given by the caller and is not terminated.
#ifndef PMG_UTIL_H
#define PMG_UTIL_H

#include "mongoose.h"
#include "../base/names.h"

// ---------------------------------------------------------------------------------------------
// Forms and URLs (http/head.c; part of every build)

// A parameter of a query string or of an urlencoded form, as it stands there; names are compared
// decoded. The value of a name without "=" is empty.
struct mg_str pmg_form_var(struct mg_str form, struct mg_str name);
// Undoes percent-encoding and, if `plus`, "+" for a space. The length, at most raw.len, or -EINVAL
// for a percent sign without two hex digits.
int pmg_percent_decode(struct mg_str raw, char *dst, bool plus);

// ---------------------------------------------------------------------------------------------
// SHA-1, SHA-256 and Base64 (base/hash.c; part of every build)

void pmg_sha1(struct mg_str data, uint8_t digest[20]);
void pmg_sha256(struct mg_str data, uint8_t digest[32]);
// RFC 4648. `dst` holds PMG_BASE64_LEN(data.len).
#define PMG_BASE64_LEN(n) (((n) + 2) / 3 * 4)
void pmg_base64_encode(struct mg_str data, char *dst);
// The length, at most text.len / 4 * 3; -EINVAL for anything but whole, padded Base64.
long pmg_base64_decode(struct mg_str text, char *dst);

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
// Everything but letters, digits and -._~ as %XX. `dst` holds 3 * data.len.
size_t pmg_url_encode(struct mg_str data, char *dst);

// ---------------------------------------------------------------------------------------------
// multipart/form-data (RFC 7578), http/multipart.c

typedef struct {
    struct mg_str name, filename, type, body; // buf NULL: not given
} pmg_part_t;
// The part at *offset, 0 for the first; *offset then stands at the next. `boundary` may be empty:
// the body's first line tells it. 1, 0 at the end, -EINVAL for what is malformed (*why says how).
int pmg_multipart_next(struct mg_str body, size_t *offset, struct mg_str boundary, pmg_part_t *part,
    const char **why);
// The text between the quotes of a header's parameter: at most raw.len.
size_t pmg_unquote(struct mg_str raw, char *dst);
// The last component of a name that came from elsewhere, without what file systems treat
// specially; may be empty. At most name.len.
size_t pmg_safe_filename(struct mg_str name, char *dst);

// ---------------------------------------------------------------------------------------------
// Patterns, match.c

// "?" is one character, "*" any number without "/", "#" any number. What each of them stands for
// goes to caps[0 .. wildcards - 1], the earlier the shorter. 1, 0, or -ENOMEM.
int pmg_match(struct mg_str s, struct mg_str pattern, struct mg_str *caps);
size_t pmg_match_wildcards(struct mg_str pattern);

// ---------------------------------------------------------------------------------------------
// More hashes, random (base/hash.c)

void pmg_md5(struct mg_str data, uint8_t digest[16]);
void pmg_hmac_sha256(struct mg_str key, struct mg_str data, uint8_t digest[32]);
// So many of 0-9, A-Z, a-z, each as likely; false if the source of random numbers failed.
bool pmg_random_text(char *dst, size_t len);

// ---------------------------------------------------------------------------------------------
// The log, log.c

void pmg_log_set(int level); // MG_LL_NONE .. MG_LL_VERBOSE; beyond them: the nearest
int pmg_log_get(void);

#endif
#endif
