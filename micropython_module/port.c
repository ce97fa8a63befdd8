// SPDX-License-Identifier: GPL-2.0-only
//
// What shared/ asks of a runtime (port/port.h), for MicroPython's ports.

#include <stdlib.h>
#include <string.h>

#include "py/gc.h"
#include "py/mphal.h"
#include "py/mpthread.h"
#include "py/objstr.h"
#include "py/runtime.h"

#include "mod_pymongoose.h"
#include "port/pages.h"
#include "port/port.h"

#if defined(__unix__) || defined(__APPLE__)
#define IS_UNIX 1
#else
#define IS_UNIX 0
#endif

#if IS_UNIX
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/random.h>
#endif
#elif defined(ESP_PLATFORM)
#include "esp_heap_caps.h"
#include "esp_random.h"
#include "esp_timer.h"
#elif defined(PICO_BUILD)
#include "hardware/timer.h"
#endif

// ---------------------------------------------------------------------------------------------
// Memory

// A board has one heap, Python's: tracked blocks are those of it that C owns. The unix port keeps
// to libc, since wakeup() allocates on any thread and there the tracked list has no lock.
#if MICROPY_TRACKED_ALLOC && !IS_UNIX

void *pmg_port_alloc(size_t size) {
    return m_tracked_calloc(1, size);
}

void pmg_port_free(void *p) {
    m_tracked_free(p);
}

#elif !IS_UNIX && !defined(ESP_PLATFORM)
#error "pymongoose needs MICROPY_TRACKED_ALLOC here: libc's heap on a board is tiny, or panics"
#else

void *pmg_port_alloc(size_t size) {
    void *p = malloc(size > 0 ? size : 1);
    pmg_pages(p, size);
    return p;
}

void pmg_port_free(void *p) {
    free(p);
}

#endif

#if !IS_UNIX
size_t pmg_port_heap(void) {
#if defined(ESP_PLATFORM)
    return heap_caps_get_total_size(MALLOC_CAP_8BIT);
#else
    gc_info_t info;
    gc_info(&info);
    return info.total;
#endif
}
#endif

// ---------------------------------------------------------------------------------------------
// Clock

uint64_t pmg_port_wall(void) {
    return mp_hal_time_ns() / 1000000;
}

uint64_t pmg_port_millis(void) {
#if IS_UNIX
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
#elif defined(ESP_PLATFORM)
    return (uint64_t)esp_timer_get_time() / 1000;
#elif defined(PICO_BUILD)
    return time_us_64() / 1000;
#else
    // Ticks wrap after 49.7 days: each wrap is seen, for a loop that waits does so more often.
    static uint32_t last, high;
    uint32_t now = (uint32_t)mp_hal_ticks_ms();
    high += now < last;
    last = now;
    return (uint64_t)high << 32 | now;
#endif
}

// ---------------------------------------------------------------------------------------------
// Random

#if IS_UNIX

bool pmg_port_random(void *buf, size_t len) {
    uint8_t *p = buf;
#if defined(__linux__)
    while (len > 0) {
        ssize_t n = getrandom(p, len, 0);
        if (n < 0 && errno != EINTR) {
            break; // a kernel without it has the device
        }
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
#endif
    int fd = len > 0 ? open("/dev/urandom", O_RDONLY | O_CLOEXEC) : -1;
    while (fd >= 0 && len > 0) {
        ssize_t n = read(fd, p, len);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            break;
        }
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return len == 0;
}

#elif defined(ESP_PLATFORM)

bool pmg_port_random(void *buf, size_t len) {
    esp_fill_random(buf, len);
    return true;
}

#elif !defined(PICO_BUILD) // port_pico.c

// os.urandom() is the port's own hardware source; 1.25 has no common function in C for it.
bool pmg_port_random(void *buf, size_t len) {
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        mp_obj_t os = mp_import_name(MP_QSTR_os, mp_const_none, MP_OBJ_NEW_SMALL_INT(0));
        mp_obj_t urandom = mp_load_attr(os, MP_QSTR_urandom);
        mp_obj_t bytes = mp_call_function_1(urandom, mp_obj_new_int_from_uint(len));
        mp_buffer_info_t info;
        mp_get_buffer_raise(bytes, &info, MP_BUFFER_READ);
        bool whole = info.len == len;
        if (whole) {
            memcpy(buf, info.buf, len);
        }
        nlr_pop();
        return whole;
    }
    return false;
}

#endif

// ---------------------------------------------------------------------------------------------
// Log

#if IS_UNIX

void pmg_port_log(const char *line, size_t len) {
    ssize_t n = write(STDERR_FILENO, line, len);
    (void)n;
}

#else

// The console may wait for its peer and run what is pending meanwhile: an exception of that is
// raised later, outside the engine.
MP_NOINLINE void pmg_port_log(const char *line, size_t len) {
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        mp_hal_stdout_tx_strn_cooked(line, len);
        nlr_pop();
    } else {
        mp_sched_exception(MP_OBJ_FROM_PTR(nlr.ret_val));
    }
}

#endif

// ---------------------------------------------------------------------------------------------
// Waiting and signals

void pmg_port_wait_begin(void **state) {
    (void)state;
    MP_THREAD_GIL_EXIT();
}

void pmg_port_wait_end(void **state) {
    (void)state;
    MP_THREAD_GIL_ENTER();
}

#if MICROPY_ASYNC_KBD_INTR
void mpy_sigint_block(bool block) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    pthread_sigmask(block ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}
#endif
