// SPDX-License-Identifier: GPL-2.0-only
//
// A file grows under a name of its own in the folder where it will stand, ".name.1a2b3c4d.part",
// which serve_dir() does not show, and is renamed when it is whole. So nobody ever sees half a
// file, and what stood there before stays until the new one is complete.

#include "upload.h"

#if PMG_HAS_STREAM

struct pmg_http_upload {
    void *file;      // NULL once it is closed
    bool unfinished; // it stands under the name of its own
    size_t path_len;
    char path[]; // with its NUL, then that of the unfinished file
};

static const char *part(const pmg_http_upload_t *u) {
    return u->path + u->path_len;
}

// "folder/name" -> "folder/.name.1a2b3c4d.part". Two uploads of one file do not meet. Of a name as long
// as may be, a part is left out.
#define NAME_MAX_KEPT 200
static bool part_name(pmg_mgr_t *m, const char *path, char *out, size_t size) {
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    uint32_t number;
    if (!pmg_random(m, &number, sizeof(number))) {
        return false;
    }
    size_t kept = strlen(name);
    while (kept > NAME_MAX_KEPT || (kept > 0 && ((unsigned char)name[kept] & 0xc0) == 0x80)) {
        kept--;
    }
    pmg_snprintf(out, size, "%.*s.%.*s.%08x.part", (int)(name - path), path, (int)kept, name,
        (unsigned)number);
    return true;
}
#define PART_EXTRA sizeof("..12345678.part")

int pmg_http_upload_new(pmg_mgr_t *m, const char *path, pmg_http_upload_t **out) {
    size_t len = strlen(path) + 1, size = 2 * len + PART_EXTRA;
    if (len == 1 || path[len - 2] == '/') {
        return pmg_fail(m, -EINVAL, "path must name a file");
    }
    pmg_http_upload_t *u = pmg_alloc(sizeof(*u) + size);
    if (u == NULL) {
        return pmg_fail(m, -ENOMEM, "no memory for the file");
    }
    u->path_len = len;
    u->unfinished = false;
    memcpy(u->path, path, len);
    if (!part_name(m, path, u->path + len, size - len)) {
        pmg_free(u);
        return pmg_fail(m, -EIO, PMG_NO_RANDOM);
    }
    int err;
    do {
        err = pmg_port_file_create(part(u), &u->file);
    } while (pmg_no_descriptor(m, err));
    if (err < 0) {
        pmg_free(u);
        return pmg_fail(m, err, "cannot write %.*s: %s", PMG_CUT(path), strerror(-err));
    }
    u->unfinished = true;
    *out = u;
    return 0;
}

int pmg_http_upload_write(pmg_http_upload_t *u, const void *buf, size_t len) {
    return pmg_port_file_write(u->file, buf, len);
}

int pmg_http_upload_close(pmg_http_upload_t *u) {
    void *file = u->file;
    u->file = NULL;
    return pmg_port_file_close(file);
}

int pmg_http_upload_rename(pmg_http_upload_t *u) {
    int err = pmg_port_file_rename(part(u), u->path);
    u->unfinished = err < 0;
    return err;
}

const char *pmg_http_upload_path(const pmg_http_upload_t *u) {
    return u->path;
}

void pmg_http_upload_free(pmg_http_upload_t *u) {
    if (u != NULL && u->file != NULL) {
        (void)pmg_port_file_close(u->file);
    }
    if (u != NULL && u->unfinished) {
        (void)pmg_port_file_remove(part(u));
    }
    pmg_free(u);
}

#endif
