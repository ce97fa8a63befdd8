// SPDX-License-Identifier: GPL-2.0-only
//
// Paths of requests and paths of files. Functions over bytes, but for the last.
#ifndef PMG_PATH_H
#define PMG_PATH_H

#include "http_int.h"
#include "../base/form.h"

#if PMG_HAS_FILES

// The path of a request, percent-escapes undone, without empty components and ".": "" or "/a/b" in
// `out`, ended by a NUL. Its length; -400 for a malformed escape, -404 for "..", a control
// character or a backslash, -414 for what `size` does not hold. *folder: a slash or "/." ended it.
int pmg_serve_path_decode(struct mg_str uri, char *out, size_t size, bool *folder);
// Does a name at or behind `from` begin with a dot? Such names hold what is not for the public:
// .git, .env, unfinished uploads. But /.well-known/ (RFC 8615) is there to be asked for.
bool pmg_serve_path_hidden(const char *path, size_t from);
// Is it the name of an unfinished upload (upload.c)? Such are never there.
bool pmg_serve_name_unfinished(const char *name, size_t len);
bool pmg_serve_path_unfinished(const char *path, size_t from);

// The folder of "folder,/prefix=folder,..." at *offset, 0 for the first; *offset then stands at the
// next. 1, 0 at the end, -1 for an entry that is none. A folder without a prefix has an empty one.
int pmg_serve_root_parse(const char *text, size_t *offset, pmg_serve_root_t *root);
// The folder for a decoded path, by the longest prefix, of equals the last: how many bytes of the
// path its prefix takes. -ENOENT: there is none; -EINVAL: *wrong is no prefix.
int pmg_serve_root_find(const pmg_serve_t *o, const char *path, struct mg_str *folder,
    struct mg_str *wrong);
// The path of a file: `folder` and `rest`, which is "" or begins with a slash; an empty folder is
// the current one. The length, or -414. *from: where `rest` begins.
int pmg_serve_path_join(struct mg_str folder, const char *rest, char *out, size_t size,
    size_t *from);

// Is each name of the path, from `from` on, an entry of its folder in just this spelling? Asked where
// it matters alone: where file systems are exact, they have found it. SIZE_MAX: the path is the
// program's own. May run Python; the path is changed meanwhile.
bool pmg_serve_path_spelled(char *path, size_t from);

#endif
#endif
