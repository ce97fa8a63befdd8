// SPDX-License-Identifier: GPL-2.0-only
//
// What the unix port's threads cost a program that has none. The linker puts these functions in place of
// the port's (--wrap, see boards/UNIX).
//
// The port finds the state of the running thread with pthread_getspecific(), whenever anything in it is
// needed: every nlr_push, every stack check. A thread-local variable says the same in one load. And each
// allocation takes and gives back the heap's lock, 80 instructions, which nobody else wants until a
// second thread has begun. (One cannot begin while the lock is held: that takes memory.)

#include "py/mpstate.h"
#include "py/mpthread.h"

#if PMG_CACHED_THREAD_STATE && MICROPY_PY_THREAD

mp_state_thread_t *__real_mp_thread_get_state(void);
void __real_mp_thread_set_state(mp_state_thread_t *state);
mp_state_thread_t *__wrap_mp_thread_get_state(void);
void __wrap_mp_thread_set_state(mp_state_thread_t *state);

int __real_mp_thread_recursive_mutex_lock(mp_thread_recursive_mutex_t *mutex, int wait);
void __real_mp_thread_recursive_mutex_unlock(mp_thread_recursive_mutex_t *mutex);
mp_uint_t __real_mp_thread_create(void *(*entry)(void *), void *arg, size_t *stack_size);
int __wrap_mp_thread_recursive_mutex_lock(mp_thread_recursive_mutex_t *mutex, int wait);
void __wrap_mp_thread_recursive_mutex_unlock(mp_thread_recursive_mutex_t *mutex);
mp_uint_t __wrap_mp_thread_create(void *(*entry)(void *), void *arg, size_t *stack_size);

static __thread mp_state_thread_t *current;
static bool shared; // a second thread has begun, at some time

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

int __wrap_mp_thread_recursive_mutex_lock(mp_thread_recursive_mutex_t *mutex, int wait) {
    return shared ? __real_mp_thread_recursive_mutex_lock(mutex, wait) : 1;
}

void __wrap_mp_thread_recursive_mutex_unlock(mp_thread_recursive_mutex_t *mutex) {
    if (shared) {
        __real_mp_thread_recursive_mutex_unlock(mutex);
    }
}

mp_uint_t __wrap_mp_thread_create(void *(*entry)(void *), void *arg, size_t *stack_size) {
    if (!shared) { // who reads it begins after that, or is the one who writes
        shared = true;
    }
    return __real_mp_thread_create(entry, arg, stack_size);
}

#endif
