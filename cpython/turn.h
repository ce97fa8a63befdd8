// SPDX-License-Identifier: GPL-2.0-only
//
// Threads take turns at a Manager. The GIL alone is not enough: an event runs Python, Python may
// hand the GIL to another thread, and that one could free what the first still works on. So one
// thread at a time is in a call that fires events; poll() lets others in while it waits. Calls that
// fire none need no turn.
//
// All functions want the GIL held; entering may release and retake it.
#ifndef PMG_TURN_H
#define PMG_TURN_H

#include <pthread.h>
#include <stdbool.h>

typedef struct {
    unsigned long holder; // the thread whose turn it is, 0 if nobody's
    unsigned waiters;
    pthread_mutex_t mutex;
    pthread_cond_t freed;
} pmg_py_turn_t;

void pmg_py_turn_init(pmg_py_turn_t *t);
void pmg_py_turn_fini(pmg_py_turn_t *t);
// Waits for the turn. False: this thread has it already, and must not leave it.
bool pmg_py_turn_enter(pmg_py_turn_t *t);
void pmg_py_turn_leave(pmg_py_turn_t *t);
// The turn that this thread's pmg_mgr_poll() gives away while it waits; the one before it.
pmg_py_turn_t *pmg_py_turn_polled(pmg_py_turn_t *t);

#endif
