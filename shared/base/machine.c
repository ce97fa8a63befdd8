// SPDX-License-Identifier: GPL-2.0-only
//
// How much memory there is for all: the machine's, or what its group of processes may have (cgroups
// 1 and 2: a container, a service with MemoryMax); on a board the runtime's heap.

#include "base.h"
#include "../port/backend.h"

#if PMG_UNIX

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

// Where the system tells; another place in tests.
#ifndef PMG_PROC_CGROUP
#define PMG_PROC_CGROUP "/proc/self/cgroup"
#define PMG_SYS_CGROUP "/sys/fs/cgroup"
#endif

// The start of a file, as text. False: it has none.
static bool slurp(const char *path, char *buf, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t n = read(fd, buf, size - 1);
    close(fd);
    buf[n > 0 ? n : 0] = '\0';
    return n > 0;
}

// The least limit of a group and of those above it.
static uint64_t limit_of(const char *mount, const char *group, size_t len, const char *name) {
    char path[512], text[32];
    uint64_t least = UINT64_MAX;
    for (;;) {
        if (pmg_snprintf(path, sizeof(path), "%s%.*s/%s", mount, (int)len, group, name) <
                sizeof(path) &&
            slurp(path, text, sizeof(text)) && text[0] >= '0' && text[0] <= '9') {
            uint64_t n = strtoull(text, NULL, 10);
            least = n < least ? n : least;
        }
        if (len == 0) {
            return least;
        }
        do {
            len--;
        } while (len > 0 && group[len] != '/');
    }
}

// A line is NUMBER:CONTROLLERS:PATH; version 2 has no controllers.
static uint64_t group_limit(void) {
    char text[2048];
    uint64_t least = UINT64_MAX;
    if (!slurp(PMG_PROC_CGROUP, text, sizeof(text))) {
        return least;
    }
    for (char *line = text; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        char *what = memchr(line, ':', len), *group = NULL;
        if (what != NULL) {
            group = memchr(what + 1, ':', len - (size_t)(what + 1 - line));
        }
        if (group != NULL) {
            size_t group_len = len - (size_t)(group + 1 - line);
            bool v2 = group == what + 1, v1 = group == what + 7 && memcmp(what, ":memory", 7) == 0;
            uint64_t n = v2   ? limit_of(PMG_SYS_CGROUP, group + 1, group_len, "memory.max")
                         : v1 ? limit_of(PMG_SYS_CGROUP "/memory", group + 1, group_len,
                                    "memory.limit_in_bytes")
                              : UINT64_MAX;
            least = n < least ? n : least;
        }
        line += len + (line[len] != '\0');
    }
    return least;
}

static size_t machine_memory(void) {
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    uint64_t n = pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : UINT64_MAX;
    uint64_t group = group_limit();
    n = group < n ? group : n;
    return n == UINT64_MAX ? 0 : n < SIZE_MAX ? (size_t)n : SIZE_MAX;
}

// Asked once: a dozen system calls, and a program may make a Manager for each of its requests.
size_t pmg_machine_memory(void) {
    static size_t known;
    size_t n = __atomic_load_n(&known, __ATOMIC_RELAXED);
    if (n == 0) {
        n = machine_memory();
        __atomic_store_n(&known, n, __ATOMIC_RELAXED);
    }
    return n;
}

#else

size_t pmg_machine_memory(void) {
    return pmg_port_heap();
}

#endif
