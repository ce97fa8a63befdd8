// SPDX-License-Identifier: GPL-2.0-only
//
// Preloaded into a Python under test: has its n-th allocation from now fail, its n-th descriptor that epoll
// is given, or its source of random numbers, as bytes of the file say that PMG_FAULTS names (faults.py).
// glibc alone.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

typedef struct {
    uint16_t countdown; // the allocation that fails; 0: none
    uint8_t onward;     // and all after it
    uint8_t no_random;
    uint32_t failed; // allocations that did
    uint8_t watch;   // the descriptor that epoll does not take; 0: none
} faults_t;

static faults_t off, *faults = &off;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("PMG_FAULTS");
    int fd = path != NULL ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
    void *p = fd >= 0 ? mmap(NULL, sizeof(off), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                      : MAP_FAILED;
    faults = p != MAP_FAILED ? p : faults;
}

static int fails(void) {
    if (faults->countdown == 0 || --faults->countdown > 0) {
        return 0;
    }
    faults->countdown = faults->onward;
    faults->failed++;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size) {
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    return fails() ? NULL : __libc_calloc(count, size);
}

ssize_t getrandom(void *buf, size_t len, unsigned flags) {
    if (faults->no_random) {
        errno = EIO;
        return -1;
    }
    return syscall(SYS_getrandom, buf, len, flags);
}

int epoll_ctl(int set, int what, int fd, struct epoll_event *ev) {
    if (what == EPOLL_CTL_ADD && faults->watch > 0 && --faults->watch == 0) {
        errno = ENOSPC;
        return -1;
    }
    return (int)syscall(SYS_epoll_ctl, set, what, fd, ev);
}

int getentropy(void *buf, size_t len) {
    return getrandom(buf, len, 0) == (ssize_t)len ? 0 : -1;
}

static int open_file(const char *path, int flags, int mode) {
    if (faults->no_random && strcmp(path, "/dev/urandom") == 0) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

#define OPEN(name, large)                        \
    int name(const char *path, int flags, ...) { \
        va_list ap;                              \
        va_start(ap, flags);                     \
        int mode = va_arg(ap, int);              \
        va_end(ap);                              \
        return open_file(path, flags | (large), mode); \
    }
OPEN(open, 0)
OPEN(open64, O_LARGEFILE)
