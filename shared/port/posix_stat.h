// SPDX-License-Identifier: GPL-2.0-only
//
// What a POSIX system says of a path, as a port answers it: for the ports that have such a system.
#ifndef PMG_POSIX_STAT_H
#define PMG_POSIX_STAT_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>
#ifdef __linux__
#include <sys/vfs.h>
#endif

#include "port.h"

// Systems write the time of their last clock tick, 10 ms apart at most.
#define PMG_TICK (20 * 1000000LL)

// Errors that mean no more than that a path leads nowhere.
static inline bool pmg_not_there(int err) {
    return err == ENOENT || err == ENOTDIR || err == ENAMETOOLONG || err == ELOOP ||
           err == EACCES || err == EPERM || err == EINVAL;
}

static inline int64_t pmg_posix_time(struct timespec t) {
    return (int64_t)t.tv_sec * PMG_SECOND + t.tv_nsec;
}

// A program may set a file's time back, but not the one of its record: both are in the stamp.
static inline void pmg_posix_stat(const struct stat *st, pmg_stat_t *out) {
    struct timespec now;
#ifdef __APPLE__
    int64_t mtime = pmg_posix_time(st->st_mtimespec), ctime = pmg_posix_time(st->st_ctimespec);
#else
    int64_t mtime = pmg_posix_time(st->st_mtim), ctime = pmg_posix_time(st->st_ctim);
#endif
    clock_gettime(CLOCK_REALTIME, &now);
    out->kind = S_ISREG(st->st_mode)   ? PMG_IS_FILE
                : S_ISDIR(st->st_mode) ? PMG_IS_FOLDER
                                       : PMG_IS_OTHER;
    out->size = (uint64_t)st->st_size;
    out->stamp = 3 * (uint64_t)ctime - 2 * (uint64_t)mtime;
    // Not every disk keeps fractions: FAT counts in two seconds.
    bool fractions = mtime % PMG_SECOND != 0 || ctime % PMG_SECOND != 0;
    int64_t step = PMG_TICK + (fractions ? 0 : 2 * PMG_SECOND);
    int64_t age = pmg_posix_time(now) - (ctime > mtime ? ctime : mtime);
    out->time = age < step ? PMG_TIME_YOUNG : PMG_TIME_SETTLED;
}

// Does a file system of Linux, by its magic number, find names by other spellings than their own?
static inline bool pmg_posix_loose_names(uint32_t magic) {
    switch (magic) {
        case 0x4d44:     // FAT
        case 0x2011bab0: // exFAT
        case 0x5346544e: // NTFS
        case 0x7366746e: // ntfs3
        case 0x4244:     // HFS
        case 0x482b:     // HFS+
        case 0x65735546: // FUSE: NTFS by ntfs-3g, for one
        case 0x517b:     // SMB
        case 0xff534d42: // CIFS
        case 0xfe534d42: // SMB 2
        case 0x01021997: // 9p: a host's folder in a virtual machine
        case 0x786f4256: // vboxsf
            return true;
        default: return false;
    }
}

// The same of the file system that holds `path`. What cannot be asked may be one.
static inline bool pmg_posix_loose(const char *path) {
#ifdef __linux__
    struct statfs fs;
    return statfs(path, &fs) < 0 || pmg_posix_loose_names((uint32_t)fs.f_type);
#else
    (void)path;
    return true; // APFS and HFS+ know a name by many spellings
#endif
}

#endif
