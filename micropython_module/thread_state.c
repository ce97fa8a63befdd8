// SPDX-License-Identifier: GPL-2.0-only
//
// The unix port finds the state of the running thread with pthread_getspecific(), whenever anything
// in it is needed: every nlr_push, every stack check. A thread-local variable says the same in one
// load. The linker puts these functions in place of the port's (--wrap, see boards/UNIX).

#include "py/mpstate.h"
#include "py/mpthread.h"

#if PMG_CACHED_THREAD_STATE && MICROPY_PY_THREAD

mp_state_thread_t *__real_mp_thread_get_state(void);
void __real_mp_thread_set_state(mp_state_thread_t *state);
mp_state_thread_t *__wrap_mp_thread_get_state(void);
void __wrap_mp_thread_set_state(mp_state_thread_t *state);

static __thread mp_state_thread_t *current;

mp_state_thread_t *__wrap_mp_thread_get_state(void) {
    if (current == NULL) { // the main thread's is set before there is anything to wrap
        current = __real_mp_thread_get_state();
    }
    return current;
}

void __wrap_mp_thread_set_state(mp_state_thread_t *state) {
    current = state;
    __real_mp_thread_set_state(state);
}

#endif
