// SPDX-License-Identifier: GPL-2.0-only
//
// Work on many bytes at a time, by instructions that not every machine of the build has: the choice is
// made as the program runs.

#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(PMG_BOARD)
#define PMG_WIDE 1
#define PMG_WIDE_CODE __attribute__((target("avx2")))
#define PMG_WIDE_HERE __builtin_cpu_supports("avx2")
#include <immintrin.h>
#else
#define PMG_WIDE 0
#endif
