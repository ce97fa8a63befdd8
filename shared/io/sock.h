// SPDX-License-Identifier: GPL-2.0-only
//
// What the files of the socket backend share: the system's headers, and what it has.
#ifndef PMG_IO_SOCK_H
#define PMG_IO_SOCK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE // accept4, pipe2
#endif

#include "../base/record.h"

#include <errno.h>
#if defined(PMG_IO_ESP)
#include "esp.h"
#else
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#define HAS_UNIX_SOCKETS 1
#define HAS_PROCESSES 1 // fork(), and descriptors that another gave us
#define MAX_FD INT_MAX
#endif

static inline int fd_of(const struct mg_connection *c) {
    return (int)(ssize_t)c->fd;
}

extern unsigned pmg_io_forks; // of this process

#endif
