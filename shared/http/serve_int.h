// SPDX-License-Identifier: GPL-2.0-only
//
// What the files of static serving share: serve.c (which file answers a request), send_file.c (what
// is said of it), listing.c (folders without an index page).
//
// May Python run?  In every call of the file system (a struct mg_fs). So they come before a head is
// begun; after one nothing is known of the connection but that it is there.
#ifndef PMG_SERVE_INT_H
#define PMG_SERVE_INT_H

#include "http_int.h"

#if PMG_HAS_FILES

// send_file.c. `status` is 200, or 404 for the page of what is not found.
int pmg_serve_send(struct mg_connection *c, const pmg_http_msg_t *hm, const pmg_serve_t *o,
    const char *path, int status);
// A reply of a few words, with one header more (NULL: none).
int pmg_serve_say(struct mg_connection *c, const pmg_serve_t *o, int status, const char *name,
    const char *value);

// listing.c
int pmg_serve_listing(struct mg_connection *c, const pmg_http_msg_t *hm, const pmg_serve_t *o,
    const char *dir);

#endif
#endif
