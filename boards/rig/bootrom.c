// SPDX-License-Identifier: GPL-2.0-only
// The boot ROM of the emulated RP2040: what pico-sdk looks up in the chip's own, which is not ours
// to give. The chip's layout (magic, version and the three 16-bit pointers at 0x10) and the codes
// of the functions are the ABI that the SDK's headers describe.
#include <stddef.h>
#include <stdint.h>

#define FLASH_BASE 0x10000000u
#define FLASH_VECTORS (FLASH_BASE + 0x100) // after the second stage, which has nothing to set up
#define VTOR 0xe000ed08
#define ROM_VERSION 3 // that of the RP2040 B2

// ---- Reset --------------------------------------------------------------------------------------

__attribute__((naked, noreturn)) void rom_reset(void) {
    __asm volatile("ldr r0, =%c0\n"
                   "ldr r1, =%c1\n"
                   "str r0, [r1]\n"
                   "ldmia r0!, {r1, r2}\n"
                   "mov sp, r1\n"
                   "bx r2\n"
                   ".ltorg\n" ::"i"(FLASH_VECTORS),
        "i"(VTOR));
}

// The emulator says that the program stopped here, and with which registers.
__attribute__((naked, noreturn)) void rom_fault(void) {
    __asm volatile("1: bkpt #1\nb 1b\n");
}

__attribute__((naked, noreturn)) void rom_usb_boot(void) {
    __asm volatile("1: bkpt #2\nb 1b\n");
}

// ---- Memory -------------------------------------------------------------------------------------

uint8_t *rom_memset(uint8_t *to, uint8_t byte, uint32_t n) {
    uint8_t *p = to;
    while (n > 0 && ((uintptr_t)p & 3))
        *p++ = byte, n--;
    uint32_t word = byte * 0x01010101u;
    for (; n >= 4; n -= 4, p += 4)
        *(uint32_t *)(void *)p = word;
    while (n > 0)
        *p++ = byte, n--;
    return to;
}

uint32_t *rom_memset4(uint32_t *to, uint8_t byte, uint32_t n) {
    return (uint32_t *)(void *)rom_memset((uint8_t *)to, byte, n);
}

uint8_t *rom_memcpy(uint8_t *to, const uint8_t *from, uint32_t n) {
    uint8_t *p = to;
    if ((((uintptr_t)to ^ (uintptr_t)from) & 3) == 0) {
        while (n > 0 && ((uintptr_t)p & 3))
            *p++ = *from++, n--;
        for (; n >= 16; n -= 16, p += 16, from += 16) {
            const uint32_t *w = (const uint32_t *)(const void *)from;
            uint32_t a = w[0], b = w[1], c = w[2], d = w[3];
            uint32_t *v = (uint32_t *)(void *)p;
            v[0] = a, v[1] = b, v[2] = c, v[3] = d;
        }
        for (; n >= 4; n -= 4, p += 4, from += 4)
            *(uint32_t *)(void *)p = *(const uint32_t *)(const void *)from;
    }
    // Seven cycles a byte, as the chip's own takes.
    if (n > 0) {
        uint32_t byte;
        p += n, from += n, n = -n;
        __asm volatile(".syntax unified; 1: ldrb %1, [%2, %0]; strb %1, [%3, %0]; adds %0, #1; bne "
                       "1b"
            : "+l"(n), "=&l"(byte)
            : "l"(from), "l"(p)
            : "cc", "memory");
    }
    return to;
}

uint32_t *rom_memcpy44(uint32_t *to, const uint32_t *from, uint32_t n) {
    return (uint32_t *)(void *)rom_memcpy((uint8_t *)to, (const uint8_t *)from, n);
}

// ---- Bits: leaf functions that leave r12 alone, as callers rely on ------------------------------

uint32_t rom_popcount(uint32_t v) {
    v -= v >> 1 & 0x55555555u;
    v = (v & 0x33333333u) + (v >> 2 & 0x33333333u);
    return ((v + (v >> 4)) & 0x0f0f0f0fu) * 0x01010101u >> 24;
}

uint32_t rom_clz(uint32_t v) {
    uint32_t n = 32;
    for (int half = 16; half > 0; half >>= 1)
        if (v >> half) v >>= half, n -= half;
    return n - v;
}

uint32_t rom_ctz(uint32_t v) {
    return v ? 31 - rom_clz(v & -v) : 32;
}

uint32_t rom_reverse(uint32_t v) {
    v = (v >> 1 & 0x55555555u) | (v & 0x55555555u) << 1;
    v = (v >> 2 & 0x33333333u) | (v & 0x33333333u) << 2;
    v = (v >> 4 & 0x0f0f0f0fu) | (v & 0x0f0f0f0fu) << 4;
    return v << 24 | (v & 0xff00u) << 8 | (v >> 8 & 0xff00u) | v >> 24;
}

// ---- Flash: the emulator lets stores through ----------------------------------------------------

void rom_nothing(void) {}

void rom_flash_erase(uint32_t offset, size_t n, uint32_t block, uint8_t command) {
    (void)block, (void)command;
    rom_memset((uint8_t *)FLASH_BASE + offset, 0xff, n);
}

// As the chip does: bits go from 1 to 0 only.
void rom_flash_program(uint32_t offset, const uint8_t *data, size_t n) {
    uint32_t *to = (uint32_t *)(FLASH_BASE + offset);
    for (; n >= 4; n -= 4, data += 4)
        *to++ &= data[0] | data[1] << 8 | data[2] << 16 | (uint32_t)data[3] << 24;
}

// ---- Floating point, by libgcc and newlib -------------------------------------------------------

// Those that set no errno: there is no RAM for one.
float __ieee754_sqrtf(float), __ieee754_expf(float);
float __ieee754_atan2f(float, float);
float __kernel_sinf(float, float, int), __kernel_cosf(float, float);

// Newer newlibs come here with what has no finite result, where their own would set errno.
float __math_oflowf(uint32_t negative) {
    return negative ? -__builtin_inff() : __builtin_inff();
}

float __math_divzerof(uint32_t negative) {
    return __math_oflowf(negative);
}

float __math_uflowf(uint32_t negative) {
    return negative ? -0.0f : 0.0f;
}

float __math_invalidf(float a) {
    (void)a;
    return __builtin_nanf("");
}

// libgcc's subtractions are as long as its additions; these take their place.
float __aeabi_fadd(float, float);
double __aeabi_dadd(double, double);

float __aeabi_fsub(float a, float b) {
    union {
        float f;
        uint32_t bits;
    } minus = {b};
    minus.bits ^= 1u << 31;
    return __aeabi_fadd(a, minus.f);
}

double __aeabi_dsub(double a, double b) {
    union {
        double d;
        uint64_t bits;
    } minus = {b};
    minus.bits ^= 1ull << 63;
    return __aeabi_dadd(a, minus.d);
}

static float f_mul(float a, float b) {
    return a * b;
}

static float f_div(float a, float b) {
    return a / b;
}

static float f_from_i(int32_t a) {
    return (float)a;
}

static float f_from_u(uint32_t a) {
    return (float)a;
}

static float f_from_i64(int64_t a) {
    return (float)a;
}

static float f_from_u64(uint64_t a) {
    return (float)a;
}

static double f_to_d(float a) {
    return a;
}

// Conversions to integers round down and stop at the ends of the range.
#define TO_INTEGER(name, from, type, low, high)            \
    static type name(from a) {                             \
        if (!(a > (from)(low))) return a != a ? 0 : (low); \
        if (a >= (from)(high)) return (high);              \
        type n = (type)a;                                  \
        return n - ((from)n > a);                          \
    }
TO_INTEGER(f_to_i, float, int32_t, INT32_MIN, INT32_MAX)
TO_INTEGER(f_to_u, float, uint32_t, 0, UINT32_MAX)
TO_INTEGER(d_to_i, double, int32_t, INT32_MIN, INT32_MAX)
TO_INTEGER(d_to_u, double, uint32_t, 0, UINT32_MAX)

// The SDK brings angles below 128 before it calls these: pi/2 in three parts is exact enough.
static int quadrant(float a, float *rest) {
    int n = (int)(a * 0.6366197723f + (a < 0 ? -0.5f : 0.5f));
    float f = (float)n;
    *rest = a - f * 1.5703125f - f * 4.837512969970703e-4f - f * 7.549789949e-8f;
    return n & 3;
}

static float f_sin(float a) {
    float rest;
    int n = quadrant(a, &rest);
    float v = n & 1 ? __kernel_cosf(rest, 0) : __kernel_sinf(rest, 0, 0);
    return n & 2 ? -v : v;
}

static float f_cos(float a) {
    float rest;
    int n = quadrant(a, &rest);
    float v = n & 1 ? __kernel_sinf(rest, 0, 0) : __kernel_cosf(rest, 0);
    return n == 1 || n == 2 ? -v : v;
}

static float f_tan(float a) {
    return f_sin(a) / f_cos(a);
}

// Smaller than newlib's: not all of it fits the ROM. log m is 2 artanh((m - 1) / (m + 1)), by its
// series, for m from 0.7 to 1.4.
static float f_log(float a) {
    union {
        float f;
        uint32_t bits;
    } v = {a};
    if ((v.bits << 1) < 1u << 24) return -__builtin_inff(); // the chip knows no subnormal numbers
    if (v.bits >= 0x7f800000) return v.bits == 0x7f800000 ? a : __builtin_nanf("");
    int32_t exponent = (int32_t)(v.bits - 0x3f3504f3) >> 23;
    v.bits -= (uint32_t)exponent << 23;
    float s = (v.f - 1) / (v.f + 1), z = s * s, sum = 0;
    for (int n = 9; n > 1; n -= 2)
        sum = (sum + 1 / (float)n) * z;
    float n = (float)exponent;
    return n * 0.693359375f + (2 * s + (2 * s * sum - n * 2.12194440e-4f));
}

static double d_mul(double a, double b) {
    return a * b;
}

static double d_div(double a, double b) {
    return a / b;
}

static double d_from_i(int32_t a) {
    return a;
}

static double d_from_u(uint32_t a) {
    return a;
}

static float d_to_f(double a) {
    return (float)a;
}

// In the order of the SDK's sf_table.h. What MicroPython has no use for (fixed point, floats to 64
// bits, functions of doubles) would not fit: it stops the program.
typedef void (*entry_t)(void);
#define E(f) (entry_t)(uintptr_t)(f)
#define NONE rom_fault
// clang-format off
__attribute__((used)) const entry_t rom_float_table[32] = {
    /* 00 */ E(__aeabi_fadd), E(__aeabi_fsub), E(f_mul), E(f_div),
    /* 10 */ NONE, NONE, E(__ieee754_sqrtf), E(f_to_i),
    /* 20 */ NONE, E(f_to_u), NONE, E(f_from_i),
    /* 30 */ NONE, E(f_from_u), NONE, E(f_cos),
    /* 40 */ E(f_sin), E(f_tan), NONE, E(__ieee754_expf),
    /* 50 */ E(f_log), NONE, E(__ieee754_atan2f), E(f_from_i64),
    /* 60 */ NONE, E(f_from_u64), NONE, NONE,
    /* 70 */ NONE, NONE, NONE, E(f_to_d),
};
__attribute__((used)) const entry_t rom_double_table[32] = {
    /* 00 */ E(__aeabi_dadd), E(__aeabi_dsub), E(d_mul), E(d_div),
    /* 10 */ NONE, NONE, NONE, E(d_to_i),
    /* 20 */ NONE, E(d_to_u), NONE, E(d_from_i),
    /* 30 */ NONE, E(d_from_u), NONE, NONE,
    /* 40 */ NONE, NONE, NONE, NONE,
    /* 50 */ NONE, NONE, NONE, NONE,
    /* 60 */ NONE, NONE, NONE, NONE,
    /* 70 */ NONE, NONE, NONE, E(d_to_f),
};
// clang-format on

// ---- Tables -------------------------------------------------------------------------------------

// Rows of {code, 16-bit address}, ended by a zero; the address of a function carries its Thumb bit.
uintptr_t rom_lookup(const uint16_t *table, uint32_t code) {
    for (; table[0] != 0; table += 2)
        if (table[0] == code) return table[1];
    return 0;
}

#define TEXT(x) #x
#define NUMBER(x) TEXT(x)
#define FUNCTION(a, b, name) ".hword '" a "' | '" b "' << 8, " name " + 1\n"
#define DATA(a, b, name) ".hword '" a "' | '" b "' << 8, " name "\n"
// clang-format off
__asm(".section .start, \"a\"\n"
      ".word 0x20042000, rom_reset, rom_fault, rom_fault\n"
      ".byte 'M', 'u', 1, " NUMBER(ROM_VERSION) "\n"
      ".hword rom_functions, rom_data, rom_lookup + 1\n"
      ".balign 4\n"
      "rom_functions:\n"
      FUNCTION("P", "3", "rom_popcount")
      FUNCTION("R", "3", "rom_reverse")
      FUNCTION("L", "3", "rom_clz")
      FUNCTION("T", "3", "rom_ctz")
      FUNCTION("M", "S", "rom_memset")
      FUNCTION("S", "4", "rom_memset4")
      FUNCTION("M", "C", "rom_memcpy")
      FUNCTION("C", "4", "rom_memcpy44")
      FUNCTION("U", "B", "rom_usb_boot")
      FUNCTION("I", "F", "rom_nothing")
      FUNCTION("E", "X", "rom_nothing")
      FUNCTION("R", "E", "rom_flash_erase")
      FUNCTION("R", "P", "rom_flash_program")
      FUNCTION("F", "C", "rom_nothing")
      FUNCTION("C", "X", "rom_nothing")
      ".hword 0, 0\n"
      "rom_data:\n"
      DATA("S", "F", "rom_float_table")
      DATA("S", "D", "rom_double_table")
      ".hword 0, 0\n"
      ".previous\n");
// clang-format on
