// SPDX-License-Identifier: GPL-2.0-only
//
// The runtime in memory (port/port.h): its memory may end, its clock leap, its disk break.

#include "net.h"

#include <malloc.h>

#define FILES 32

fail_t fail[FAIL_KINDS];
const char *const fail_names[FAIL_KINDS] = {"alloc", "accept", "read", "write", "connect", "listen",
    "watch", "wait", "file", "clock", "random"};

bool fails(int kind) {
    fail_t *f = &fail[kind];
    f->calls++;
    bool yes = f->at > 0 && (f->calls == f->at || (f->onward && f->calls > f->at));
    f->failed += yes;
    return yes;
}

void fail_at(int kind, unsigned long at, bool onward, int err) {
    fail[kind] = (fail_t){.at = at, .onward = onward, .err = err};
}

void fail_none(void) {
    memset(fail, 0, sizeof(fail));
}

// ---------------------------------------------------------------------------------------------
// Memory, clock, random

size_t port_bytes, port_peak;

void *pmg_port_alloc(size_t size) {
    void *p = fails(FAIL_ALLOC) || size > 1u << 28 ? NULL : malloc(size > 0 ? size : 1);
    if (p != NULL) {
        memset(p, 0xa5, size);
        port_bytes += malloc_usable_size(p);
        port_peak = port_bytes > port_peak ? port_bytes : port_peak;
    }
    return p;
}

void pmg_port_free(void *p) {
    if (p != NULL) {
        port_bytes -= malloc_usable_size(p);
        free(p);
    }
}

size_t pmg_port_heap(void) {
    return 200000;
}

uint64_t port_now = 1000000;
int64_t port_wall_offset;

uint64_t pmg_port_millis(void) {
    if (fails(FAIL_CLOCK)) {
        port_now += 600000;
    }
    return port_now;
}

// Certificates of the tests are good at that time.
uint64_t pmg_port_wall(void) {
    return (uint64_t)((int64_t)port_now + 1767225600000 + port_wall_offset);
}

static uint64_t state = 88172645463325252u;

void port_begin(void) {
    state = 88172645463325252u; // so that a run is like the one before
    port_now = 1000000;
}

bool pmg_port_random(void *buf, size_t len) {
    for (size_t i = 0; i < len; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((unsigned char *)buf)[i] = (unsigned char)(state >> 24);
    }
    return !fails(FAIL_RANDOM);
}

void pmg_port_log(const char *line, size_t len) {
    (void)line, (void)len;
}

void pmg_port_wait_begin(void **state) {
    (void)state;
}

void pmg_port_wait_end(void **state) {
    (void)state;
}

// ---------------------------------------------------------------------------------------------
// Files: one flat disk; what ends in "/" is a folder

typedef struct {
    char path[256];
    char *data;
    size_t len;
    unsigned open;
    bool there;
} file_t;
typedef struct {
    file_t *file;
    size_t at;
} handle_t;
static file_t files[FILES];

static file_t *find(const char *path) {
    for (int i = 0; i < FILES; i++) {
        if (files[i].there && strcmp(files[i].path, path) == 0) {
            return &files[i];
        }
    }
    return NULL;
}

static void forget(file_t *f) {
    f->there = false;
    if (f->open == 0) {
        free(f->data);
        f->data = NULL;
        f->len = 0;
    }
}

static file_t *make(const char *path) {
    for (int i = 0; i < FILES && strlen(path) < sizeof(files[i].path); i++) {
        if (!files[i].there && files[i].open == 0) {
            strcpy(files[i].path, path);
            files[i].data = NULL;
            files[i].len = 0;
            files[i].there = true;
            return &files[i];
        }
    }
    return NULL;
}

static bool add(file_t *f, const void *data, size_t len) {
    char *p = f->len + len < 1u << 26 ? realloc(f->data, f->len + len + 1) : NULL;
    if (p == NULL) {
        return false;
    }
    f->data = p;
    if (len > 0) {
        memcpy(p + f->len, data, len);
    }
    f->len += len;
    p[f->len] = '\0';
    return true;
}

void port_files_clear(void) {
    for (int i = 0; i < FILES; i++) {
        if (files[i].open > 0) {
            abort(); // somebody has not closed it
        }
        forget(&files[i]);
    }
}

void port_file(const char *path, const void *data, size_t len) {
    file_t *f = find(path);
    if (f != NULL) {
        forget(f);
    }
    f = make(path);
    if (f == NULL || !add(f, data, len)) {
        abort();
    }
}

const char *port_file_content(const char *path, size_t *len) {
    file_t *f = find(path);
    *len = f != NULL ? f->len : 0;
    return f != NULL ? f->data : NULL;
}

size_t port_files(void) {
    size_t n = 0;
    for (int i = 0; i < FILES; i++) {
        n += files[i].there;
    }
    return n;
}

static bool is_folder(const char *path) {
    size_t len = strlen(path);
    for (int i = 0; i < FILES; i++) {
        if (files[i].there && strncmp(files[i].path, path, len) == 0 && files[i].path[len] == '/') {
            return true;
        }
    }
    return strcmp(path, "/") == 0;
}

int pmg_port_stat(const char *path, pmg_stat_t *out) {
    file_t *f = find(path);
    memset(out, 0, sizeof(*out));
    if (fails(FAIL_FILE)) {
        return -EIO;
    }
    if (f != NULL) {
        *out = (pmg_stat_t){PMG_IS_FILE, PMG_TIME_SETTLED, f->len, f->len * 7};
    } else if (is_folder(path)) {
        out->kind = PMG_IS_FOLDER;
    }
    return 0;
}

int pmg_port_list(const char *path, void (*fn)(const char *name, void *arg), void *arg) {
    size_t len = strlen(path);
    if (fails(FAIL_FILE)) {
        return -EMFILE;
    }
    for (int i = 0; i < FILES; i++) {
        const char *name = files[i].path + len;
        if (files[i].there && strncmp(files[i].path, path, len) == 0 && *name == '/' &&
            strchr(name + 1, '/') == NULL) {
            fn(name + 1, arg);
        }
    }
    return 0;
}

size_t pmg_port_loose_from(const char *path) {
    return strncmp(path, "/fat", 4) == 0 ? 4 : SIZE_MAX;
}

static handle_t *hold(file_t *f) {
    handle_t *h = f != NULL ? malloc(sizeof(*h)) : NULL;
    if (h != NULL) {
        h->file = f;
        h->at = 0;
        f->open++;
    }
    return h;
}

static void *op(const char *path, int flags) {
    (void)flags;
    if (fails(FAIL_FILE)) {
        errno = EMFILE;
        return NULL;
    }
    errno = ENOENT;
    return hold(find(path));
}

static void cl(void *file) {
    handle_t *h = file;
    if (--h->file->open == 0 && !h->file->there) {
        forget(h->file);
    }
    free(h);
}

static size_t rd(void *file, void *buf, size_t len) {
    handle_t *h = file;
    size_t left = h->at < h->file->len ? h->file->len - h->at : 0;
    size_t n = len < left ? len : left;
    if (fails(FAIL_FILE)) {
        return 0;
    }
    if (n > 0) {
        memcpy(buf, h->file->data + h->at, n);
    }
    h->at += n;
    return n;
}

static size_t sk(void *file, size_t offset) {
    handle_t *h = file;
    h->at = offset;
    return offset;
}

struct mg_fs *pmg_port_fs(void) {
    static struct mg_fs fs = {.op = op, .cl = cl, .rd = rd, .sk = sk};
    return &fs;
}

int pmg_port_file_create(const char *path, void **file) {
    *file = NULL;
    if (fails(FAIL_FILE) || find(path) != NULL) {
        return -EACCES;
    }
    file_t *f = make(path);
    *file = hold(f);
    return f != NULL ? 0 : -ENOSPC;
}

int pmg_port_file_write(void *file, const void *buf, size_t len) {
    handle_t *h = file;
    return fails(FAIL_FILE) || !add(h->file, buf, len) ? -ENOSPC : 0;
}

int pmg_port_file_close(void *file) {
    cl(file);
    return fails(FAIL_FILE) ? -EIO : 0;
}

int pmg_port_file_rename(const char *from, const char *to) {
    file_t *f = find(from), *old = find(to);
    if (fails(FAIL_FILE) || f == NULL) {
        return -EIO;
    }
    if (old != NULL) {
        forget(old);
    }
    strcpy(f->path, to);
    return 0;
}

int pmg_port_file_remove(const char *path) {
    file_t *f = find(path);
    if (f != NULL) {
        forget(f);
    }
    return f != NULL ? 0 : -ENOENT;
}
