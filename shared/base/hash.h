// SPDX-License-Identifier: GPL-2.0-only
//
// Hashes, Base64 and random text. `dst` is given by the caller and is not terminated.
#ifndef PMG_HASH_H
#define PMG_HASH_H

#include "mongoose.h"
#include "names.h"
#include "types.h"

void pmg_sha1(struct mg_str data, uint8_t digest[20]);
void pmg_sha256(struct mg_str data, uint8_t digest[32]);
// RFC 4648. `dst` holds PMG_BASE64_LEN(data.len).
#define PMG_BASE64_LEN(n) (((n) + 2) / 3 * 4)
void pmg_base64_encode(struct mg_str data, char *dst);
// The length, at most text.len / 4 * 3; -EINVAL for anything but whole, padded Base64.
long pmg_base64_decode(struct mg_str text, char *dst);

// So many of 0-9, A-Z, a-z, each as likely; false if the source of random numbers failed.
bool pmg_random_text(char *dst, size_t len) PMG_MUST_USE;

#if PMG_HAS_UTIL
void pmg_md5(struct mg_str data, uint8_t digest[16]);
void pmg_hmac_sha256(struct mg_str key, struct mg_str data, uint8_t digest[32]);
// In a time that tells nothing of where they differ.
bool pmg_same(struct mg_str a, struct mg_str b);
#endif

#endif
