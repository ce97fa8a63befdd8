// SPDX-License-Identifier: GPL-2.0-only
//
// The system's files for shared/, see port/port.h. A path that a request names may lead to a FIFO
// or to a device: nothing but a regular file is opened, and no open() waits.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "pmg.h"
#include "port/port.h"
#include "port/posix_stat.h"

// A descriptor as the pointer that the engine keeps: NULL is no file.
static void *wrap(int fd) {
    return (void *)(intptr_t)(fd + 1);
}

static int unwrap(void *file) {
    return (int)(intptr_t)file - 1;
}

// ---------------------------------------------------------------------------------------------
// What there is

int pmg_port_stat(const char *path, pmg_stat_t *out) {
    struct stat st;
    memset(out, 0, sizeof(*out));
    if (stat(path, &st) < 0) {
        return pmg_not_there(errno) ? 0 : -errno;
    }
    pmg_posix_stat(&st, out);
    return 0;
}

int pmg_port_list(const char *path, void (*fn)(const char *name, void *arg), void *arg) {
    DIR *dir = opendir(path);
    struct dirent *entry;
    if (dir == NULL) {
        return -errno;
    }
    while ((errno = 0, entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            fn(entry->d_name, arg);
        }
    }
    int err = errno;
    closedir(dir);
    return -err;
}

size_t pmg_port_loose_from(const char *path) {
    return pmg_posix_loose(path) ? 0 : SIZE_MAX;
}

// ---------------------------------------------------------------------------------------------
// Files that are read

static void *file_open(const char *path, int flags) {
    struct stat st;
    (void)flags;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
        close(fd);
        fd = -1;
    }
    return wrap(fd);
}

static void file_close(void *file) {
    close(unwrap(file));
}

static size_t file_read(void *file, void *buf, size_t len) {
    ssize_t n;
    do {
        n = read(unwrap(file), buf, len);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? 0 : (size_t)n;
}

static size_t file_seek(void *file, size_t offset) {
    return (size_t)lseek(unwrap(file), (off_t)offset, SEEK_SET);
}

struct mg_fs *pmg_port_fs(void) {
    static struct mg_fs fs = {
        .op = file_open,
        .cl = file_close,
        .rd = file_read,
        .sk = file_seek,
    };
    return &fs;
}

// ---------------------------------------------------------------------------------------------
// Files that are written

int pmg_port_file_create(const char *path, void **file) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    *file = wrap(fd);
    return fd < 0 ? -errno : 0;
}

int pmg_port_file_write(void *file, const void *buf, size_t len) {
    const char *p = buf;
    while (len > 0) {
        ssize_t n = write(unwrap(file), p, len);
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

int pmg_port_file_close(void *file) {
    return close(unwrap(file)) < 0 && errno != EINTR ? -errno : 0;
}

int pmg_port_file_rename(const char *from, const char *to) {
    return rename(from, to) < 0 ? -errno : 0;
}

int pmg_port_file_remove(const char *path) {
    return remove(path) < 0 ? -errno : 0;
}
