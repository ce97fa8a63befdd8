// SPDX-License-Identifier: GPL-2.0-only
//
// What the RP2 port needs besides port.c: a lock for memory that two cores use, and randomness.

#include "py/mpconfig.h"

#if defined(PICO_BUILD) && !defined(NO_QSTR)

#include <string.h>

#include "py/mpstate.h"
#include "py/mpthread.h"

#include "hardware/structs/rosc.h"
#include "hardware/timer.h"
#include "pico/unique_id.h"

#include "mongoose.h"
#include "pmg_port.h"

// ---------------------------------------------------------------------------------------------
// Memory

#if MICROPY_PY_THREAD

// The list of tracked blocks has no lock in MicroPython 1.25, and both cores may use it, Mbed TLS
// included: so the linker leads all callers here (micropython.cmake). The collector's own lock does:
// it is recursive, for a collection in the middle of an allocation may run finalizers that free; and
// a soft reset does not stop the other core while that holds it.
void *__real_m_tracked_calloc(size_t count, size_t size);
void __real_m_tracked_free(void *p);
void *__wrap_m_tracked_calloc(size_t count, size_t size);
void __wrap_m_tracked_free(void *p);

void *__wrap_m_tracked_calloc(size_t count, size_t size) {
    mp_thread_recursive_mutex_lock(&MP_STATE_MEM(gc_mutex), 1);
    void *p = __real_m_tracked_calloc(count, size);
    mp_thread_recursive_mutex_unlock(&MP_STATE_MEM(gc_mutex));
    return p;
}

void __wrap_m_tracked_free(void *p) {
    mp_thread_recursive_mutex_lock(&MP_STATE_MEM(gc_mutex), 1);
    __real_m_tracked_free(p);
    mp_thread_recursive_mutex_unlock(&MP_STATE_MEM(gc_mutex));
}

#endif

// ---------------------------------------------------------------------------------------------
// Random

// os.urandom() gives the ring oscillator's bits nearly as they are: biased, and each like the one
// before when they are read fast. Here SHA-256 condenses many of them into a key, and each request
// adds some; who learns the key cannot compute what it gave before.
#define SEED_BYTES 512
#define MORE_BYTES 8

static uint8_t key[32];
static bool seeded;

// Eight bits, some time apart.
static uint8_t raw_byte(void) {
    uint8_t b = 0;
    for (int i = 0; i < 8; i++) {
        b = (uint8_t)(b << 1 | (rosc_hw->randombit & 1));
        busy_wait_us_32(1);
    }
    return b;
}

// A new key of the old one, the clock and so many bytes. False when the bits stand still.
static bool stir(unsigned count) {
    mg_sha256_ctx ctx;
    uint64_t now = time_us_64();
    uint8_t b = 0;
    unsigned ones = 0;
    mg_sha256_init(&ctx);
    mg_sha256_update(&ctx, key, sizeof(key));
    mg_sha256_update(&ctx, (const uint8_t *)&now, sizeof(now));
    for (unsigned i = 0; i < count; i++) {
        b = raw_byte();
        ones += (unsigned)__builtin_popcount(b);
        mg_sha256_update(&ctx, &b, 1);
    }
    mg_sha256_final(key, &ctx);
    return count < SEED_BYTES || (ones > count / 2 && ones < 8 * count - count / 2);
}

static bool seed(void) {
    pico_unique_board_id_t id;
    pico_get_unique_board_id(&id);
    memcpy(key, id.id, sizeof(id.id)); // no secret, but no two boards start alike
    return stir(SEED_BYTES);
}

bool pmg_port_random(void *buf, size_t len) {
    bool good = seeded || (seeded = seed());
    uint8_t *out = buf, block[32];
    uint32_t counter = 0;
    (void)stir(MORE_BYTES);
    while (len > 0) {
        mg_sha256_ctx ctx;
        size_t n = len < sizeof(block) ? len : sizeof(block);
        counter++;
        mg_sha256_init(&ctx);
        mg_sha256_update(&ctx, (const uint8_t *)&counter, sizeof(counter));
        mg_sha256_update(&ctx, key, sizeof(key));
        mg_sha256_final(block, &ctx);
        memcpy(out, block, n);
        out += n;
        len -= n;
    }
    (void)stir(0);
    return good;
}

#endif
