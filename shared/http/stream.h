// SPDX-License-Identifier: GPL-2.0-only
//
// Of stream.c, for form.c.
#ifndef PMG_HTTP_STREAM_H
#define PMG_HTTP_STREAM_H

#include "upload.h"

#if PMG_HAS_STREAM

// Makes one, unless this is not the time; `method` is whose. 0 or a negative errno, told.
int pmg_http_stream_new(struct mg_connection *c, const char *method, size_t max_size,
    pmg_http_stream_t **out);
void pmg_http_stream_start(struct mg_connection *c, pmg_http_stream_t *s);
// After what `busy` was set for. False: it is no more, a reply or an end came meanwhile.
bool pmg_http_stream_leave(pmg_http_stream_t *s);
// False, told: the file failed, and the stream is no more.
bool pmg_http_stream_write(struct mg_connection *c, struct mg_str data);
bool pmg_http_stream_save(struct mg_connection *c); // the file, if there is one, is whole

#endif
#endif
