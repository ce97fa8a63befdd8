// SPDX-License-Identifier: GPL-2.0-only
//
// The file for a path: itself or its precompressed .gz, and the entity tag that tells its content
// from what was there before.
//
// A tag is made of time and size. While a file is so young that it may be written once more and bear
// the same time, that would let old content pass for new: its tag is weak, good for no range, and
// holds a hash of the content; of a large file, which is not read twice, a number that never comes
// again. A file system without times gives no tag.

#include "serve_int.h"

#if PMG_HAS_FILES

// A young file up to this size is hashed.
#ifdef PMG_BOARD
#define HASH_MAX 32768
#else
#define HASH_MAX 65536
#endif

// ---------------------------------------------------------------------------------------------
// Tags

static const char *suffix(const pmg_serve_variant_t *v) {
    return v->gzip ? ".gz" : "";
}

// FNV-1a of the content. False: it cannot be read.
static bool hash(const char *name, uint64_t size, uint64_t *out) {
    unsigned char block[256];
    struct mg_fs *fs = pmg_port_fs();
    void *fd = fs->op(name, MG_FS_READ);
    *out = 0xcbf29ce484222325;
    if (fd == NULL) {
        return false;
    }
    for (size_t n = 1; size > 0 && n > 0;) {
        n = fs->rd(fd, block, size < sizeof(block) ? (size_t)size : sizeof(block));
        n = n <= sizeof(block) ? n : 0;
        for (size_t i = 0; i < n; i++) {
            *out = (*out ^ block[i]) * 0x100000001b3;
        }
        size -= n;
    }
    fs->cl(fd);
    return size == 0;
}

// Of time and size, in front of what a young file's tag has more.
static size_t begin_tag(const pmg_serve_variant_t *v, const char *before, char *out, size_t size) {
    return pmg_snprintf(out, size, "%s%llx.%llx%s", before, (unsigned long long)v->stat.stamp,
        (unsigned long long)v->stat.size, suffix(v));
}

static bool young_tag(const pmg_serve_variant_t *v, char *out, size_t size) {
    uint64_t sum;
    if (v->stat.size > HASH_MAX || !hash(v->name, v->stat.size, &sum)) {
        return false;
    }
    size_t n = begin_tag(v, "W/\"", out, size);
    pmg_snprintf(out + n, size - n, "-%llx\"", (unsigned long long)sum);
    return true;
}

static void make_tag(pmg_serve_variant_t *v, struct mg_connection *c) {
    uint64_t number;
    if (v->stat.time == PMG_TIME_SETTLED) {
        size_t n = begin_tag(v, "\"", v->etag, sizeof(v->etag));
        pmg_snprintf(v->etag + n, sizeof(v->etag) - n, "\"");
    } else if (v->stat.time == PMG_TIME_YOUNG && !young_tag(v, v->etag, sizeof(v->etag))) {
        if (!pmg_random(pmg_m(c), &number, sizeof(number))) {
            return;
        }
        pmg_snprintf(v->etag, sizeof(v->etag), "W/\"%llx\"", (unsigned long long)number);
    }
}

// Does a client that came while the file was young have what it is now?
static bool had_it_young(const pmg_serve_variant_t *v, const pmg_http_msg_t *hm) {
    char tag[sizeof(v->etag)], start[sizeof(v->etag)];
    size_t n = begin_tag(v, "\"", start, sizeof(start));
    start[n++] = '-';
    for (int i = 0; i < hm->num_headers; i++) {
        struct mg_str value = hm->headers[i].value;
        for (size_t at = 0; at + n < value.len; at++) {
            if (memcmp(value.buf + at, start, n) == 0) {
                return young_tag(v, tag, sizeof(tag)) &&
                       pmg_serve_condition(hm, "If-None-Match", mg_str(tag), false) ==
                           PMG_SERVE_CONDITION_MET;
            }
        }
    }
    return false;
}

int pmg_serve_variant_condition(pmg_serve_variant_t *v, const pmg_http_msg_t *hm) {
    struct mg_str tag = mg_str(v->etag);
    if (v->status != 200) {
        return 0;
    }
    if (pmg_serve_condition(hm, "If-Match", tag, true) == PMG_SERVE_CONDITION_FAILED) {
        return 412;
    }
    int unless = pmg_serve_condition(hm, "If-None-Match", tag, false);
    bool same = unless == PMG_SERVE_CONDITION_MET ||
                (unless == PMG_SERVE_CONDITION_FAILED && v->stat.time == PMG_TIME_SETTLED &&
                    v->stat.size <= HASH_MAX && had_it_young(v, hm));
    return same ? 304 : 0;
}

// ---------------------------------------------------------------------------------------------
// Which file

// A regular file, in just this spelling from `from` on? 0, 404 or 500.
static int regular(char *name, size_t from, pmg_stat_t *st) {
    if (pmg_port_stat(name, st) < 0) {
        return 500;
    }
    return st->kind == PMG_IS_FILE && pmg_serve_path_spelled(name, from) ? 0 : 404;
}

int pmg_serve_variant_choose(pmg_serve_variant_t *v, struct mg_connection *c,
    const pmg_http_msg_t *hm, const char *path, size_t from, int status) {
    pmg_stat_t packed;
    int count = 0, accepts = pmg_serve_accepts_gzip(hm);
    memset(v, 0, sizeof(*v));
    v->path = path;
    v->status = status;
    size_t len = pmg_snprintf(v->name, sizeof(v->name), "%s", path);
    if (len >= sizeof(v->name)) {
        return 404;
    }
    int plain = regular(v->name, from, &v->stat);
    if (plain == 500 || v->stat.kind == PMG_IS_FOLDER || v->stat.kind == PMG_IS_OTHER) {
        return plain;
    }
    if (len + sizeof(".gz") <= sizeof(v->name)) {
        memcpy(v->name + len, ".gz", sizeof(".gz"));
        v->vary = regular(v->name, from, &packed) == 0;
    }
    if (plain != 0 && !v->vary) {
        return plain;
    }
    if (plain != 0 && accepts == PMG_SERVE_GZIP_NO) {
        return 406;
    }
    (void)pmg_serve_single_header(hm, "Range", &count); // of a file that is there, parts of itself
    v->gzip = plain != 0 || (v->vary && accepts == PMG_SERVE_GZIP_YES &&
                                (count == 0 || pmg_str_is(hm->method, "HEAD")));
    if (v->gzip) {
        v->stat = packed;
    } else {
        v->name[len] = '\0';
    }
    make_tag(v, c);
    return 0;
}

#endif
