// SPDX-License-Identifier: GPL-2.0-only
//
// How Mongoose is built, the same on every target: as a codec library. Its own event loop, sockets,
// TLS and logging are off; core/, the backend in io/ and the runtime (port/) supply what it asks for
// instead. Mongoose includes this file by itself because the build sets MG_ARCH=MG_ARCH_CUSTOM;
// where a name scan runs without the build's definitions, the same value comes from here.
#ifndef PMG_MONGOOSE_CONFIG_H
#define PMG_MONGOOSE_CONFIG_H

#ifndef MG_ARCH
#define MG_ARCH MG_ARCH_CUSTOM
#endif

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MG_ENABLE_SOCKET 0
#define MG_ENABLE_TCPIP 0
#define MG_ENABLE_LOG 0
#define MG_ENABLE_IPV6 1
#define MG_ENABLE_CUSTOM_CALLOC 1 // mg_calloc, mg_free: base/mem.c
#define MG_ENABLE_CUSTOM_MILLIS 1
#define MG_ENABLE_CUSTOM_RANDOM 1
#define MG_TLS MG_TLS_NONE

// Granularity by which Mongoose's own appends grow a buffer; ours double (base/mem.c).
#define MG_IO_SIZE 512

// The host's file system on CPython; MicroPython gives its VFS through an adapter.
#ifdef PMG_POSIX_FS
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>
#define MG_ENABLE_POSIX_FS 1
#define MG_ENABLE_DIRLIST 1 // what serve_dir lists
#define MG_PATH_MAX 1024
#else
#define MG_ENABLE_POSIX_FS 0
#define MG_PATH_MAX 128
#endif

#endif
