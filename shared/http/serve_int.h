// SPDX-License-Identifier: GPL-2.0-only
//
// What the files of static serving share: serve.c (which file answers a request), path.c (its name),
// variant.c (itself or its .gz, and its tag), conditions.c and ranges.c (what the request asks for),
// send_file.c (the reply), mime.c (its type), listing.c (folders without an index page).
//
// May Python run?  In every call of the file system (a struct mg_fs, pmg_port_stat(), _list()). So
// they come before a head is begun; after one nothing is known of the connection but that it is there.
#ifndef PMG_SERVE_INT_H
#define PMG_SERVE_INT_H

#include "conditions.h"
#include "path.h"

#if PMG_HAS_FILES

// What is sent for a path.
typedef struct {
    const char *path;       // as asked for
    char name[MG_PATH_MAX]; // of the file: the path, or its .gz
    char etag[64];          // empty: without times there is none
    int status;             // 200, or 404 for the page of what is not found
    bool gzip, vary;        // `vary`: another request may get another variant
    pmg_stat_t stat;        // of the file
} pmg_serve_variant_t;

// variant.c. All of it may run Python.
// Chooses between path and path.gz; names from the byte `from` on are the
// client's, as for pmg_serve_path_spelled(). 0, or the status
// to answer with: 404, 406 (it is there as gzip alone, which is not wanted), 500.
int pmg_serve_variant_choose(pmg_serve_variant_t *v, struct mg_connection *c,
    const pmg_http_msg_t *hm, const char *path, size_t from, int status);
// The status by If-Match and If-None-Match: 412, 304, or 0 to go on.
int pmg_serve_variant_condition(pmg_serve_variant_t *v, const pmg_http_msg_t *hm);

// send_file.c
int pmg_serve_send(struct mg_connection *c, const pmg_http_msg_t *hm, const pmg_serve_t *o,
    pmg_serve_variant_t *v);
// A reply of a few words, with one header more (NULL: none).
int pmg_serve_say(struct mg_connection *c, const pmg_serve_t *o, int status, const char *name,
    const char *value);

// mime.c. `extra`: "ext=type,..." ahead of the built-in table.
struct mg_str pmg_serve_mime_type(const char *path, struct mg_str extra);

// listing.c
int pmg_serve_listing(struct mg_connection *c, const pmg_http_msg_t *hm, const pmg_serve_t *o,
    const char *dir);

#endif
#endif
