// SPDX-License-Identifier: GPL-2.0-only
//
// Hashes over Mongoose's or Mbed TLS's, Base64 (RFC 4648) and random text.

#include "base.h"

static const unsigned char *bytes(struct mg_str s) {
    return (const unsigned char *)s.buf;
}

#if defined(PMG_HASH_MBEDTLS) && !defined(NO_QSTR)

// The firmware has these hashes anyway.
#include "mbedtls/md5.h"
#include "mbedtls/sha1.h"
#include "mbedtls/sha256.h"

void pmg_md5(struct mg_str data, uint8_t digest[16]) {
    (void)mbedtls_md5(bytes(data), data.len, digest);
}

void pmg_sha1(struct mg_str data, uint8_t digest[20]) {
    (void)mbedtls_sha1(bytes(data), data.len, digest);
}

typedef mbedtls_sha256_context sha256_t;

static void sha256_init(sha256_t *ctx) {
    mbedtls_sha256_init(ctx);
    (void)mbedtls_sha256_starts(ctx, 0);
}

static void sha256_update(sha256_t *ctx, const void *data, size_t len) {
    (void)mbedtls_sha256_update(ctx, data, len);
}

static void sha256_final(sha256_t *ctx, uint8_t digest[32]) {
    (void)mbedtls_sha256_finish(ctx, digest);
    mbedtls_sha256_free(ctx);
}

#else

// Mongoose's MD5 counts the bits of one call in 32 bits.
#define HASH_SLICE ((size_t)1 << 28)

void pmg_md5(struct mg_str data, uint8_t digest[16]) {
    mg_md5_ctx ctx;
    mg_md5_init(&ctx);
    for (size_t pos = 0, n; pos < data.len; pos += n) {
        n = data.len - pos < HASH_SLICE ? data.len - pos : HASH_SLICE;
        mg_md5_update(&ctx, bytes(data) + pos, n);
    }
    mg_md5_final(&ctx, digest);
}

void pmg_sha1(struct mg_str data, uint8_t digest[20]) {
    mg_sha1_ctx ctx;
    mg_sha1_init(&ctx);
    for (size_t pos = 0, n; pos < data.len; pos += n) {
        n = data.len - pos < HASH_SLICE ? data.len - pos : HASH_SLICE;
        mg_sha1_update(&ctx, bytes(data) + pos, n);
    }
    mg_sha1_final(digest, &ctx);
}

typedef mg_sha256_ctx sha256_t;

static void sha256_init(sha256_t *ctx) {
    mg_sha256_init(ctx);
}

static void sha256_update(sha256_t *ctx, const void *data, size_t len) {
    mg_sha256_update(ctx, data, len);
}

static void sha256_final(sha256_t *ctx, uint8_t digest[32]) {
    mg_sha256_final(digest, ctx);
}

#endif

void pmg_sha256(struct mg_str data, uint8_t digest[32]) {
    sha256_t ctx;
    sha256_init(&ctx);
    sha256_update(&ctx, data.buf, data.len);
    sha256_final(&ctx, digest);
}

#define HMAC_BLOCK 64

// RFC 2104. Mongoose's own hashes a key of exactly one block, which is to be taken as it is.
void pmg_hmac_sha256(struct mg_str key, struct mg_str data, uint8_t digest[32]) {
    uint8_t pad[HMAC_BLOCK] = {0};
    sha256_t ctx;
    if (key.len > HMAC_BLOCK) {
        pmg_sha256(key, pad);
    } else if (key.len > 0) {
        memcpy(pad, key.buf, key.len);
    }
    for (size_t i = 0; i < HMAC_BLOCK; i++) {
        pad[i] ^= 0x36;
    }
    sha256_init(&ctx);
    sha256_update(&ctx, pad, sizeof(pad));
    sha256_update(&ctx, data.buf, data.len);
    sha256_final(&ctx, digest);
    for (size_t i = 0; i < HMAC_BLOCK; i++) {
        pad[i] ^= 0x36 ^ 0x5c;
    }
    sha256_init(&ctx);
    sha256_update(&ctx, pad, sizeof(pad));
    sha256_update(&ctx, digest, 32);
    sha256_final(&ctx, digest);
    mg_bzero(pad, sizeof(pad));
}

// ---------------------------------------------------------------------------------------------
// Base64

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void pmg_base64_encode(struct mg_str data, char *dst) {
    const unsigned char *p = bytes(data);
    for (size_t left = data.len; left > 0;) {
        unsigned a = p[0], b = left > 1 ? p[1] : 0, c = left > 2 ? p[2] : 0;
        dst[0] = alphabet[a >> 2];
        dst[1] = alphabet[(a & 3) << 4 | b >> 4];
        dst[2] = '=';
        dst[3] = '=';
        if (left > 1) {
            dst[2] = alphabet[(b & 15) << 2 | c >> 6];
        }
        if (left > 2) {
            dst[3] = alphabet[c & 63];
        }
        size_t n = left < 3 ? left : 3;
        p += n;
        left -= n;
        dst += 4;
    }
}

static int sextet(char ch) {
    return ch >= 'A' && ch <= 'Z'   ? ch - 'A'
           : ch >= 'a' && ch <= 'z' ? ch - 'a' + 26
           : ch >= '0' && ch <= '9' ? ch - '0' + 52
           : ch == '+'              ? 62
           : ch == '/'              ? 63
                                    : -1;
}

long pmg_base64_decode(struct mg_str text, char *dst) {
    size_t len = text.len;
    char *out = dst;
    if (len % 4 != 0) {
        return -EINVAL;
    }
    for (int i = 0; i < 2 && len > 0 && text.buf[len - 1] == '='; i++) {
        len--;
    }
    unsigned bits = 0;
    for (size_t i = 0; i < len; i++) {
        int six = sextet(text.buf[i]);
        if (six < 0) {
            return -EINVAL;
        }
        bits = bits << 6 | (unsigned)six;
        if (i % 4 > 0) {
            *out++ = (char)(bits >> (6 - 2 * (i % 4)));
        }
    }
    return (long)(out - dst);
}

// ---------------------------------------------------------------------------------------------
// Secrets

bool pmg_same(struct mg_str a, struct mg_str b) {
    // Always as long as `a`, which is what the other side sent or what the program keeps.
    volatile uint8_t differ = a.len != b.len;
    struct mg_str against = differ ? a : b;
    for (size_t i = 0; i < a.len; i++) {
        differ = (uint8_t)(differ | ((uint8_t)a.buf[i] ^ (uint8_t)against.buf[i]));
    }
    return differ == 0;
}

// ---------------------------------------------------------------------------------------------
// Random

bool pmg_random_text(char *dst, size_t len) {
    static const unsigned kinds = 62;
    uint8_t pool[32];
    size_t left = 0;
    for (size_t n = 0; n < len;) {
        if (left == 0) {
            left = sizeof(pool);
            if (!mg_random(pool, left)) {
                return false;
            }
        }
        uint8_t r = pool[--left];
        if (r < 256 / kinds * kinds) { // else some characters would come more often
            dst[n++] = alphabet[r % kinds];
        }
    }
    mg_bzero(pool, sizeof(pool));
    return true;
}
