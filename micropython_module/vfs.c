// SPDX-License-Identifier: GPL-2.0-only
//
// MicroPython's file systems as port/port.h asks for them: what serve_dir() and serve_file() read is
// whatever is mounted, be it LittleFS, FAT, or the host's files on the unix port. File systems and block
// devices may be written in Python, so each function ends exceptions here and answers "no".

#include <errno.h>
#include <string.h>

#include "py/gc.h"
#include "py/mperrno.h"
#include "py/mphal.h"
#include "py/objstr.h"
#include "py/objtype.h"
#include "py/runtime.h"
#include "py/stream.h"
#include "extmod/vfs.h"
#if MICROPY_VFS_FAT
#include "extmod/vfs_fat.h"
#endif
#if MICROPY_VFS_LFS1 || MICROPY_VFS_LFS2
#include "extmod/vfs_lfs.h"
#endif
#if MICROPY_VFS_POSIX
#include "extmod/vfs_posix.h"
#include "port/posix_stat.h"
#endif
#include "shared/timeutils/timeutils.h"

#include "mod_pymongoose.h"
#include "port/port.h"

#if PMG_HAS_FILES && MICROPY_VFS

// An open file. The engine holds a pointer to it in memory that the collector does not know, so all
// of them hang on a root pointer.
typedef struct _mpy_file_t {
    struct _mpy_file_t *prev, *next;
    mp_obj_t file;
} mpy_file_t;

MP_REGISTER_ROOT_POINTER(struct _mpy_file_t *mpy_files);

// What stops the program must not end here: it is raised when the loop next looks for it.
static void pass_on(void *exc_in) {
    mp_obj_t exc = MP_OBJ_FROM_PTR(exc_in);
    if (!mp_obj_is_subclass_fast(MP_OBJ_FROM_PTR(mp_obj_get_type(exc)),
            MP_OBJ_FROM_PTR(&mp_type_Exception))) {
        mp_sched_exception(exc);
    }
}

// File systems in C know paths that are no UTF-8, as bytes; those in Python get a str.
static const mp_obj_type_t *path_type(const char *path) {
    const char *rest;
    mp_vfs_mount_t *vfs = mp_vfs_lookup_path(path, &rest);
    bool python = vfs != MP_VFS_NONE && vfs != MP_VFS_ROOT &&
                  mp_obj_is_instance_type(mp_obj_get_type(vfs->obj));
    return python ? &mp_type_str : &mp_type_bytes;
}

// An object for `path`, without the trailing slashes that not every file system takes. May raise.
static mp_obj_t path_obj(const char *path) {
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    if (len == 1 && path[0] == '.') { // unknown at the root, where file systems are mounted
        return mp_vfs_getcwd();
    }
    const mp_obj_type_t *type = path_type(path);
    return mp_obj_new_str_of_type(type, (const byte *)path, len);
}

static time_t seconds_since_1970(mp_obj_t t) {
    mp_uint_t s = mp_obj_is_integer(t) ? (mp_uint_t)mp_obj_int_get_truncated(t) : 0;
#if MICROPY_EPOCH_IS_1970
    return (time_t)s;
#else
    return (time_t)(s + TIMEUTILS_SECONDS_1970_TO_2000);
#endif
}

// ---------------------------------------------------------------------------------------------
// What there is

static int error_number(void *exc_in) {
    mp_obj_t exc = MP_OBJ_FROM_PTR(exc_in);
    pass_on(exc_in);
    if (mp_obj_exception_match(exc, MP_OBJ_FROM_PTR(&mp_type_MemoryError))) {
        return -ENOMEM;
    }
    mp_obj_t value = mp_obj_exception_get_value(exc);
    mp_int_t n = mp_obj_is_small_int(value) ? MP_OBJ_SMALL_INT_VALUE(value) : 0;
    return n > 0 && n < 1000 ? -(int)n : -EIO;
}

static bool is_type(mp_vfs_mount_t *vfs, const mp_obj_type_t *type) {
    return vfs != MP_VFS_NONE && vfs != MP_VFS_ROOT && mp_obj_is_exact_type(vfs->obj, type);
}

#if MICROPY_VFS_POSIX
// The system knows parts of a second. False: it has another file there.
static bool system_stat(const char *path, mp_obj_t *items, pmg_stat_t *out) {
    struct stat st;
    if (stat(path, &st) < 0 || mp_obj_get_int_truncated(items[1]) != (mp_int_t)st.st_ino ||
        mp_obj_get_int_truncated(items[2]) != (mp_int_t)st.st_dev) {
        return false;
    }
    pmg_posix_stat(&st, out);
    return true;
}
#endif

// Whole seconds, of which FAT counts every other, by a clock of the port's that may be a part of one
// behind ours: libc's time() tells the last tick, a real-time clock ticks in a phase of its own. None at
// all is 0, as LittleFS 1 says it. A clock that nobody has set begins anew with each start, in 2021 at
// the latest: its times come again.
#define CLOCKS_APART PMG_SECOND
#define CLOCK_SET_FROM (1640995200 * PMG_SECOND) // 2022
static void set_time(const char *path, mp_obj_t *items, pmg_stat_t *out) {
    const char *rest;
    mp_vfs_mount_t *vfs = mp_vfs_lookup_path(path, &rest);
    int64_t step = 2 * PMG_SECOND;
    if (!mp_obj_is_true(items[8])) {
        return;
    }
#if MICROPY_VFS_POSIX
    if (is_type(vfs, &mp_type_vfs_posix) && system_stat(path, items, out)) {
        return;
    }
#endif
#if MICROPY_VFS_LFS2
    if (is_type(vfs, &mp_type_vfs_lfs2)) {
        step = PMG_SECOND;
    }
#endif
    int64_t now =
        (int64_t)timeutils_nanoseconds_since_epoch_to_nanoseconds_since_1970(mp_hal_time_ns());
    int64_t mtime = (int64_t)seconds_since_1970(items[8]) * PMG_SECOND;
    out->stamp = (uint64_t)mtime;
    bool young = now - mtime < step + CLOCKS_APART || mtime < CLOCK_SET_FROM;
    out->time = young ? PMG_TIME_YOUNG : PMG_TIME_SETTLED;
}

// Errors that mean no more than that a path leads nowhere.
static int stat_error(int err) {
    switch (-err) {
        case MP_ENOENT:
        case MP_EACCES:
        case MP_EINVAL:
        case MP_ENODEV:
        case MP_ENOTDIR:
        case MP_EPERM: // at the root, where file systems are mounted and nothing else is
        case 36:       // ENAMETOOLONG
        case 40:       // ELOOP
            return 0;
        default: return err;
    }
}

int pmg_port_stat(const char *path, pmg_stat_t *out) {
    nlr_buf_t nlr;
    memset(out, 0, sizeof(*out));
    if (nlr_push(&nlr) == 0) {
        mp_obj_t *items;
        mp_obj_get_array_fixed_n(mp_vfs_stat(path_obj(path)), 10, &items);
        mp_int_t mode = mp_obj_get_int(items[0]) & 0xf000;
        out->kind = mode == MP_S_IFREG   ? PMG_IS_FILE
                    : mode == MP_S_IFDIR ? PMG_IS_FOLDER
                                         : PMG_IS_OTHER;
        out->size = (size_t)mp_obj_int_get_truncated(items[6]);
        set_time(path, items, out);
        nlr_pop();
        return 0;
    }
    return stat_error(error_number(nlr.ret_val));
}

int pmg_port_list(const char *path, void (*fn)(const char *, void *), void *arg) {
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        mp_obj_t path_in = path_obj(path);
        mp_obj_t iter = mp_getiter(mp_vfs_ilistdir(1, &path_in), NULL);
        mp_obj_t entry;
        while ((entry = mp_iternext(iter)) != MP_OBJ_STOP_ITERATION) {
            size_t len;
            mp_obj_t *items;
            mp_obj_get_array(entry, &len, &items);
            if (len > 0 && mp_obj_is_str_or_bytes(items[0])) {
                fn(mp_obj_str_get_str(items[0]), arg); // the engine's own: raises nothing
            }
        }
        nlr_pop();
        return 0;
    }
    return error_number(nlr.ret_val);
}

// FAT begins where the mount point ends; what a system holds, anywhere.
size_t pmg_port_loose_from(const char *path) {
    const char *rest;
    mp_vfs_mount_t *vfs = mp_vfs_lookup_path(path, &rest);
#if MICROPY_VFS_FAT
    if (is_type(vfs, &mp_fat_vfs_type)) {
        return rest >= path && rest <= path + strlen(path) ? (size_t)(rest - path) : 0;
    }
#endif
#if MICROPY_VFS_POSIX
    if (is_type(vfs, &mp_type_vfs_posix)) {
        return pmg_posix_loose(path) ? 0 : SIZE_MAX;
    }
#endif
    (void)vfs;
    return SIZE_MAX;
}

// ---------------------------------------------------------------------------------------------
// Files that are read

// May raise.
static mpy_file_t *open_file(const char *path, qstr mode) {
    mpy_file_t *self = m_new_obj(mpy_file_t);
    mp_obj_t args[2] = {path_obj(path), MP_OBJ_NEW_QSTR(mode)};
    self->file = mp_vfs_open(2, args, (mp_map_t *)&mp_const_empty_map);
    mp_get_stream_raise(self->file, MP_STREAM_OP_READ | MP_STREAM_OP_WRITE | MP_STREAM_OP_IOCTL);
    self->prev = NULL;
    self->next = MP_STATE_VM(mpy_files);
    if (self->next != NULL) {
        self->next->prev = self;
    }
    MP_STATE_VM(mpy_files) = self;
    return self;
}

static void *fs_open(const char *path, int flags) {
    (void)flags;
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        void *file = open_file(path, MP_QSTR_rb);
        nlr_pop();
        return file;
    }
    errno = -error_number(nlr.ret_val);
    return NULL;
}

static void unlink_file(mpy_file_t *self) {
    if (self->prev != NULL) {
        self->prev->next = self->next;
    } else {
        MP_STATE_VM(mpy_files) = self->next;
    }
    if (self->next != NULL) {
        self->next->prev = self->prev;
    }
    self->prev = self->next = NULL;
}

static void fs_close(void *fd) {
    mpy_file_t *self = fd;
    unlink_file(self);
    if (gc_is_locked()) {
        return; // from a finalizer: the file has one of its own
    }
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        mp_stream_close(self->file);
        nlr_pop();
    } else {
        pass_on(nlr.ret_val);
    }
}

// All of it, or as much as there is or fits. mp_stream_rw() believes what a stream written in Python
// says that it has moved, and would then go on behind the buffer.
static size_t move_all(mpy_file_t *self, char *buf, size_t len, int *err, byte direction) {
    size_t done = 0, n = 1;
    *err = 0;
    while (done < len && n > 0) {
        n = mp_stream_rw(self->file, buf + done, len - done, err, direction | MP_STREAM_RW_ONCE);
        if (*err != 0 || n > len - done) {
            *err = *err != 0 ? *err : EIO;
            break;
        }
        done += n;
    }
    return done;
}

static size_t transfer(void *fd, void *buf, size_t len, byte direction) {
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        int err;
        size_t n = move_all(fd, buf, len, &err, direction);
        nlr_pop();
        return n;
    }
    pass_on(nlr.ret_val);
    return 0;
}

static size_t fs_read(void *fd, void *buf, size_t len) {
    return transfer(fd, buf, len, MP_STREAM_RW_READ);
}

static size_t fs_seek(void *fd, size_t offset) {
    mpy_file_t *self = fd;
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        int err;
        mp_off_t pos = mp_stream_seek(self->file, (mp_off_t)offset, MP_SEEK_SET, &err);
        nlr_pop();
        return (size_t)pos;
    }
    pass_on(nlr.ret_val);
    return (size_t)-1;
}

static struct mg_fs fs = {
    .op = fs_open,
    .cl = fs_close,
    .rd = fs_read,
    .sk = fs_seek,
};

struct mg_fs *pmg_port_fs(void) {
    return &fs;
}

// ---------------------------------------------------------------------------------------------
// Files that are written: what the runtime raises becomes a number

int pmg_port_file_create(const char *path, void **file) {
    nlr_buf_t nlr;
    *file = NULL;
    if (nlr_push(&nlr) == 0) {
        *file = open_file(path, MP_QSTR_wb); // not every file system knows "x"
        nlr_pop();
        return 0;
    }
    return error_number(nlr.ret_val);
}

int pmg_port_file_write(void *file, const void *buf, size_t len) {
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        int err;
        size_t n = move_all(file, (void *)buf, len, &err, MP_STREAM_RW_WRITE);
        nlr_pop();
        // A file system that is full may take a part and say nothing.
        return err != 0 ? -err : n < len ? -ENOSPC : 0;
    }
    return error_number(nlr.ret_val);
}

int pmg_port_file_close(void *file) {
    mpy_file_t *self = file;
    unlink_file(self);
    if (gc_is_locked()) {
        return -EBUSY; // the file has a finalizer of its own
    }
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        mp_stream_close(self->file);
        nlr_pop();
        return 0;
    }
    return error_number(nlr.ret_val);
}

#if MICROPY_VFS_WRITABLE

int pmg_port_file_rename(const char *from, const char *to) {
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        mp_vfs_rename(path_obj(from), path_obj(to));
        nlr_pop();
        return 0;
    }
    return error_number(nlr.ret_val);
}

int pmg_port_file_remove(const char *path) {
    nlr_buf_t nlr;
    if (gc_is_locked()) { // from a finalizer
        return -EBUSY;
    }
    if (nlr_push(&nlr) == 0) {
        mp_vfs_remove(path_obj(path));
        nlr_pop();
        return 0;
    }
    return error_number(nlr.ret_val);
}

#else

int pmg_port_file_rename(const char *from, const char *to) {
    (void)from, (void)to;
    return -EROFS;
}

int pmg_port_file_remove(const char *path) {
    (void)path;
    return -EROFS;
}

#endif

#else

#if PMG_HAS_STREAM
int pmg_port_file_create(const char *path, void **file) {
    (void)path;
    *file = NULL;
    return -EROFS;
}
int pmg_port_file_write(void *file, const void *buf, size_t len) {
    (void)file, (void)buf, (void)len;
    return -EROFS;
}
int pmg_port_file_close(void *file) {
    (void)file;
    return -EROFS;
}
int pmg_port_file_rename(const char *from, const char *to) {
    (void)from, (void)to;
    return -EROFS;
}
int pmg_port_file_remove(const char *path) {
    (void)path;
    return -EROFS;
}
#endif

#if PMG_HAS_FILES // without a file system nothing is found
int pmg_port_stat(const char *path, pmg_stat_t *out) {
    (void)path;
    memset(out, 0, sizeof(*out));
    return 0;
}
int pmg_port_list(const char *path, void (*fn)(const char *, void *), void *arg) {
    (void)path, (void)fn, (void)arg;
    return -ENOENT;
}
size_t pmg_port_loose_from(const char *path) {
    (void)path;
    return SIZE_MAX;
}
#endif

struct mg_fs *pmg_port_fs(void) {
    return NULL;
}

#endif
