// SPDX-License-Identifier: GPL-2.0-only
//
// What the RP2 port needs besides port.c: a lock for memory that two cores use, and randomness.

#include "py/mpconfig.h"

#if defined(PICO_BUILD) && !defined(NO_QSTR)

#include <stddef.h>
#include <string.h>

#include "py/mpstate.h"
#include "py/mpthread.h"

#include "hardware/structs/rosc.h"
#include "hardware/timer.h"
#include "pico/unique_id.h"

#include "mongoose.h"
#include "port/port.h"
#include "util/util.h"

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
#define SEED_ROUNDS 16
#define ROUND_BYTES 32
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

// A new key of the old one, the clock and at most ROUND_BYTES; how many of their bits are set.
static unsigned stir(unsigned count) {
    struct {
        uint8_t key[sizeof(key)];
        uint64_t now;
        uint8_t bits[ROUND_BYTES];
    } in;
    unsigned ones = 0;
    memcpy(in.key, key, sizeof(key));
    in.now = time_us_64();
    for (unsigned i = 0; i < count; i++) {
        in.bits[i] = raw_byte();
        ones += (unsigned)__builtin_popcount(in.bits[i]);
    }
    pmg_sha256(mg_str_n((const char *)&in, offsetof(__typeof__(in), bits) + count), key);
    mg_bzero((uint8_t *)&in, sizeof(in));
    return ones;
}

// False when the bits stand still.
static bool seed(void) {
    pico_unique_board_id_t id;
    unsigned ones = 0, all = 8 * SEED_ROUNDS * ROUND_BYTES;
    pico_get_unique_board_id(&id);
    memcpy(key, id.id, sizeof(id.id)); // no secret, but no two boards start alike
    for (int i = 0; i < SEED_ROUNDS; i++) {
        ones += stir(ROUND_BYTES);
    }
    return ones > all / 16 && ones < all - all / 16;
}

bool pmg_port_random(void *buf, size_t len) {
    bool good = seeded || (seeded = seed());
    uint8_t *out = buf, block[32];
    struct {
        uint32_t counter;
        uint8_t key[sizeof(key)];
    } in = {.counter = 0};
    (void)stir(MORE_BYTES);
    memcpy(in.key, key, sizeof(key));
    while (len > 0) {
        size_t n = len < sizeof(block) ? len : sizeof(block);
        in.counter++;
        pmg_sha256(mg_str_n((const char *)&in, sizeof(in)), block);
        memcpy(out, block, n);
        out += n;
        len -= n;
    }
    (void)stir(0);
    mg_bzero((uint8_t *)&in, sizeof(in));
    return good;
}

#endif
