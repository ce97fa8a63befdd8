// SPDX-License-Identifier: GPL-2.0-only
//
// A file that is being received.
//
// May Python run?  In each of these that has the file: all but _path() and the _free() of one that
// has its name.
#ifndef PMG_UPLOAD_H
#define PMG_UPLOAD_H

#include "http_int.h"

#if PMG_HAS_STREAM

typedef struct pmg_http_upload pmg_http_upload_t;

// 0; -EINVAL for a path that names no file, -ENOMEM, why the file cannot be made: told.
int pmg_http_upload_new(pmg_mgr_t *m, const char *path, pmg_http_upload_t **out);
int pmg_http_upload_write(pmg_http_upload_t *u, const void *buf, size_t len);
// The file is whole, and then gets its name. 0 or a negative errno.
int pmg_http_upload_close(pmg_http_upload_t *u);
int pmg_http_upload_rename(pmg_http_upload_t *u);
const char *pmg_http_upload_path(const pmg_http_upload_t *u);
void pmg_http_upload_free(pmg_http_upload_t *u); // an unfinished file goes; NULL is allowed

#endif
#endif
