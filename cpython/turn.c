// SPDX-License-Identifier: GPL-2.0-only
//
// Threads take turns, see turn.h; and with it the wait of pmg_port.h, where turns change.

#define PY_SSIZE_T_CLEAN
#include "turn.h"

#include <Python.h>
#include <errno.h>

#include "pmg_port.h"

// Eight bytes of the room that loaders keep for this model spare a call at every use.
static __attribute__((tls_model("initial-exec"))) _Thread_local pmg_py_turn_t *polled;

void pmg_py_turn_init(pmg_py_turn_t *t) {
    t->holder = 0;
    t->waiters = 0;
    pthread_mutex_init(&t->mutex, NULL);
    pthread_cond_init(&t->freed, NULL);
}

void pmg_py_turn_fini(pmg_py_turn_t *t) {
    pthread_cond_destroy(&t->freed);
    pthread_mutex_destroy(&t->mutex);
}

bool pmg_py_turn_enter(pmg_py_turn_t *t) {
    unsigned long me = PyThread_get_thread_ident();
    if (t->holder == me) {
        return false;
    }
    while (t->holder != 0) {
        // The mutex is taken before the GIL is dropped: whoever leaves with the GIL then finds
        // either no waiter or one that listens.
        t->waiters++;
        pthread_mutex_lock(&t->mutex);
        PyThreadState *state = PyEval_SaveThread();
        pthread_cond_wait(&t->freed, &t->mutex);
        pthread_mutex_unlock(&t->mutex);
        PyEval_RestoreThread(state);
        t->waiters--;
    }
    t->holder = me;
    return true;
}

void pmg_py_turn_leave(pmg_py_turn_t *t) {
    t->holder = 0;
    if (t->waiters > 0) {
        pthread_mutex_lock(&t->mutex);
        pthread_cond_broadcast(&t->freed);
        pthread_mutex_unlock(&t->mutex);
    }
}

pmg_py_turn_t *pmg_py_turn_polled(pmg_py_turn_t *t) {
    pmg_py_turn_t *before = polled;
    polled = t;
    return before;
}

void pmg_port_wait_begin(void **state) {
    pmg_py_turn_leave(polled);
    *state = PyEval_SaveThread();
}

void pmg_port_wait_end(void **state) {
    int saved = errno; // the wait's own, which taking the lock may change
    PyEval_RestoreThread(*state);
    pmg_py_turn_enter(polled);
    errno = saved;
}
