// SPDX-License-Identifier: GPL-2.0-only
//
// What the files of the socket backend share: the system's headers, and what it has.
#ifndef PMG_IO_SOCK_H
#define PMG_IO_SOCK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE // accept4, pipe2
#endif

#include "../../base/record.h"
#include "../io.h"

#include <errno.h>
#include <sys/types.h>
#if defined(PMG_IO_ESP)
#include "../esp/esp.h"
#else
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/sockios.h>
#endif
#define HAS_UNIX_SOCKETS 1
#define HAS_PROCESSES 1 // fork(), and descriptors that another gave us
#define MAX_FD INT_MAX
#endif

typedef struct {
#if defined(PMG_IO_ESP)
    portMUX_TYPE lock;
    volatile bool woken;
    volatile bool giving; // somebody is about to give `waker`'s semaphore
    void *sets;           // what select() found, while that is looked at
    void *waker;          // what ends the wait that goes on, once
#else
    int poll_fd;    // epoll descriptor, or -1 where poll() serves
    int wake_fd[2]; // an eventfd in [0], or a pipe
    unsigned fork_generation;
    pthread_mutex_t lock;
    void *fds; // poll(): the array, and its size
    size_t fds_size;
#endif
    unsigned iface; // see pmg_io_mcast_iface()
#if PMG_MULTICAST6
    bool is_near; // pmg_io_mcast_is_near6()
#endif
} pmg_io_mgr_t;
PMG_FITS(pmg_io_mgr_t, PMG_IO_STATE_SIZE);

static inline pmg_io_mgr_t *pmg_io_of(pmg_mgr_t *m) {
    return (pmg_io_mgr_t *)(void *)m->io.bytes;
}

static inline int fd_of(const struct mg_connection *c) {
    return (int)(ssize_t)c->fd;
}

extern unsigned pmg_io_forks; // of this process

// fd.c
int pmg_sock_new(int family, int type); // -EMFILE, -EAFNOSUPPORT ...
int pmg_sock_checked(int fd);           // one that select() cannot hold is closed: -EMFILE
void pmg_sock_flags(int fd);            // of one that another call made

// May a listener accept? 0; -EAGAIN: nobody waits; -ENFILE and the like: who waits would be lost.
#if defined(PMG_IO_ESP)
int pmg_sock_may_accept(int fd); // esp.c
// Another connection may get its number, in the middle of telling who is ready.
void pmg_sock_closed(pmg_mgr_t *m, int fd); // esp.c
#else
static inline void pmg_sock_closed(pmg_mgr_t *m, int fd) {
    (void)m, (void)fd;
}
static inline int pmg_sock_may_accept(int fd) {
    (void)fd;
    return 0; // without a descriptor left accept() takes nobody
}
#endif

#endif
