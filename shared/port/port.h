// SPDX-License-Identifier: GPL-2.0-only
//
// What a runtime supplies to shared/. A binding implements all of this, nothing else is needed:
//
//   memory   pmg_port_alloc    uninitialized or zeroed, NULL when there is none; never raises
//            pmg_port_free     accepts NULL
//            pmg_port_heap     bytes that it has in all, 0: not known. Not asked on a unix
//   clock    pmg_port_millis   monotonic, 64 bits, never wraps
//            pmg_port_wall     the time of day: milliseconds since 1970, anything where nobody set it
//   random   pmg_port_random   cryptographically strong; false if the source failed
//   waiting  pmg_port_wait_begin, pmg_port_wait_end
//                              bracket the one call that blocks (release and retake the GIL)
//   log      pmg_port_log      a line with its newline for whoever looks after the program; never
//                              raises
//   files    pmg_port_stat     what a path names: 0, of what is not there too; a negative errno when
//                              the file system itself fails
//            pmg_port_list     calls fn for each name in a folder; 0 or a negative errno
//            pmg_port_loose_from
//                              from which byte of the path on its file system finds a name by other
//                              spellings, too (FAT: letters of any case, "NAME~1.EXT",
//                              "name.ext."); SIZE_MAX: it does not
//            pmg_port_fs       op, rd, sk and cl: reading a file; op opens regular files alone
//            pmg_port_file_*   files that http_stream_body() writes: 0 or a negative errno.
//                              create() gets a name that nothing has; write() writes all;
//                              rename() replaces what stands there. Not called in a finalizer's
//                              place but close() and remove(), which may do nothing
//
// May Python run?  In the files' functions, and in those of the struct mg_fs that pmg_port_fs() gives:
// a file system may be Python's. In alloc a collection may run finalizers, which are C's own and touch
// no other object of ours. In wait_end and log a port may run what its scheduler holds. Who calls one
// of these keeps no pointer into a buffer of a connection across it. In clock and random: no.
//
// All of them are called on the thread that uses the Manager, except alloc and free, which
// pmg_mgr_wakeup() calls from any thread (on a runtime without threads that is the same).
#ifndef PMG_PORT_H
#define PMG_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mg_fs;

enum { PMG_IS_NOTHING, PMG_IS_FILE, PMG_IS_FOLDER, PMG_IS_OTHER }; // other: a FIFO, a device ...
enum {
    PMG_TIME_NONE,   // the file system keeps no times
    PMG_TIME_YOUNG,  // the file may change again, and bear the same time
    PMG_TIME_SETTLED // if it changes again, so will its time
};
typedef struct {
    uint8_t kind, time;
    uint64_t size;
    uint64_t stamp; // another one when the file has changed, unless it is young or without times
} pmg_stat_t;
#define PMG_SECOND 1000000000LL // of the system's times

void *pmg_port_alloc(size_t size);
void pmg_port_free(void *p);
size_t pmg_port_heap(void);
uint64_t pmg_port_millis(void);
uint64_t pmg_port_wall(void);
bool pmg_port_random(void *buf, size_t len);
void pmg_port_wait_begin(void **state);
void pmg_port_wait_end(void **state);
void pmg_port_log(const char *line, size_t len);
int pmg_port_stat(const char *path, pmg_stat_t *out);
int pmg_port_list(const char *path, void (*fn)(const char *name, void *arg), void *arg);
size_t pmg_port_loose_from(const char *path);
struct mg_fs *pmg_port_fs(void);
int pmg_port_file_create(const char *path, void **file);
int pmg_port_file_write(void *file, const void *buf, size_t len);
int pmg_port_file_close(void *file); // `file` is gone even if this fails
int pmg_port_file_rename(const char *from, const char *to);
int pmg_port_file_remove(const char *path);

#endif
