// SPDX-License-Identifier: GPL-2.0-only
//
// Descriptors of sockets: none blocks, none survives exec.

#if !defined(PMG_IO_LWIP)

#include "sock.h"

void pmg_sock_flags(int fd) {
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL, 0) | O_NONBLOCK);
#if HAS_PROCESSES
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
#endif
}

// A descriptor that a set of select() cannot hold is one too many.
int pmg_sock_checked(int fd) {
    if (fd >= MAX_FD) {
        close(fd);
        return -EMFILE;
    }
    return fd;
}

int pmg_sock_new(int family, int type) {
    if (family == AF_UNSPEC) {
        return -EAFNOSUPPORT;
    }
#if defined(SOCK_CLOEXEC) && defined(SOCK_NONBLOCK)
    int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
#else
    int fd = socket(family, type, 0);
    if (fd >= 0) {
        pmg_sock_flags(fd);
    }
#endif
    return fd < 0 ? -errno : pmg_sock_checked(fd);
}

#endif // !PMG_IO_LWIP
