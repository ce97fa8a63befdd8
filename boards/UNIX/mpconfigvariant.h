// SPDX-License-Identifier: GPL-2.0-only
//
// The unix port as its standard variant, but for one setting: SIGINT is noted and raised between
// bytecodes, as on a board. The stock variant raises it by longjmp out of the signal handler, in
// the middle of whatever C runs: a half-sent frame, a half-updated list of connections.

#include "variants/standard/mpconfigvariant.h"

#undef MICROPY_ASYNC_KBD_INTR
#define MICROPY_ASYNC_KBD_INTR (0)

// micropython_module/thread_state.c keeps the thread's state in a thread-local variable; the .mk
// links it in place of the port's look-up by key, which is made some 60 times per HTTP request.
#define PMG_CACHED_THREAD_STATE (1)
