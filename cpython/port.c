// SPDX-License-Identifier: GPL-2.0-only
//
// What CPython supplies to shared/, see port/port.h.

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#ifdef __APPLE__
#include <sys/random.h>
#endif

#include "pmg.h"
#include "port/pages.h"
#include "port/port.h"

// getentropy() serves so many bytes a call, on every system that has it.
#define ENTROPY_MAX 256

void *pmg_port_alloc(size_t size) {
    void *p = PyMem_RawMalloc(size);
    pmg_pages(p, size);
    return p;
}

void pmg_port_free(void *p) {
    PyMem_RawFree(p);
}

uint64_t pmg_port_millis(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t pmg_port_wall(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool pmg_port_random(void *buf, size_t len) {
    for (size_t pos = 0, n; pos < len; pos += n) {
        n = len - pos < ENTROPY_MAX ? len - pos : ENTROPY_MAX;
        if (getentropy((char *)buf + pos, n) != 0) {
            return false;
        }
    }
    return true;
}

void pmg_port_log(const char *line, size_t len) {
    ssize_t n = write(STDERR_FILENO, line, len);
    (void)n;
}

void pmg_port_wait_begin(void **state) {
    *state = PyEval_SaveThread();
}

void pmg_port_wait_end(void **state) {
    int saved = errno; // the wait's own, which taking the lock may change
    PyEval_RestoreThread(*state);
    errno = saved;
}
