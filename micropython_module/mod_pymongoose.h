// SPDX-License-Identifier: GPL-2.0-only
//
// What the files of this module share: the objects behind Manager, Connection, Timer and the
// message views, and the rules that keep them alive and the engine whole.
//
// Roots     The engine's memory is unknown to the garbage collector on some ports, so it roots
//           nothing. A Manager that is not closed hangs on a root pointer; each Connection and
//           Timer that the engine still knows hangs on its Manager (mpy_node_t).
// Unwinding nlr never crosses a frame of the engine: whatever the engine calls catches all. An
//           exception that must reach the program waits in mpy_manager_t.pending until the call
//           into the engine has returned; mpy_check() then raises it.
// Signals   MPY_ENGINE() brackets each call that changes the engine's state. It is empty unless
//           the port raises KeyboardInterrupt from inside a signal handler.
#ifndef MOD_PYMONGOOSE_H
#define MOD_PYMONGOOSE_H

#include "py/gc.h"
#include "py/obj.h"
#include "py/runtime.h"
#include "py/mpthread.h"

#include "pmg.h"
#include "pmg_messages.h"
#include "port_compat.h"

#if !MICROPY_ENABLE_FINALISER
#error "pymongoose needs MICROPY_ENABLE_FINALISER: sockets must be closed at a soft reset"
#endif

#ifndef MICROPY_ASYNC_KBD_INTR
#define MICROPY_ASYNC_KBD_INTR (0)
#endif

#if MICROPY_ASYNC_KBD_INTR
void mpy_sigint_block(bool block); // port.c
#define MPY_ENGINE(expr)          \
    __extension__({               \
mpy_sigint_block(true);           \
__auto_type mpy_result_ = (expr); \
mpy_sigint_block(false);          \
mpy_result_;                      \
    })
#define MPY_PYTHON_BEGIN() mpy_sigint_block(false)
#define MPY_PYTHON_END() mpy_sigint_block(true)
#else
#define MPY_ENGINE(expr) (expr)
#define MPY_PYTHON_BEGIN()
#define MPY_PYTHON_END()
#endif
// The same for an expression without a value.
#define MPY_ENGINE_DO(expr) ((void)MPY_ENGINE(((expr), 0)))

// ---------------------------------------------------------------------------------------------
// Objects

// Head of an object that the engine knows: it stays in its manager's list until the engine lets go.
typedef struct _mpy_node_t {
    mp_obj_base_t base;
    struct _mpy_node_t *prev, *next;
} mpy_node_t;

typedef struct _mpy_manager_t {
    mp_obj_base_t base;
    struct _mpy_manager_t *next; // all that are not closed, from the root pointer
    pmg_mgr_t *m;                // NULL once closed
    bool closing;                // no more wake-ups
    mpy_node_t *live;
    mp_obj_t handler;
    mp_obj_t error_handler;
    mp_obj_t watch;
    mp_obj_t core, start, later; // mod_coroutine.c; or MP_OBJ_NULL
    mp_obj_t pending;            // an exception on its way out of the engine, or MP_OBJ_NULL
#if MICROPY_PY_THREAD
    mp_uint_t thread;
#if !PMG_CAN_BARE
    mp_thread_mutex_t lock; // holds `m` still while another thread is in wakeup()
#endif
#endif
} mpy_manager_t;

typedef struct _mpy_conn_t {
    mpy_node_t node;
    struct mg_connection *c; // NULL once closed
    mpy_manager_t *mgr;
    mp_obj_t handler; // None: the manager's
    mp_obj_t userdata;
    mp_obj_t into; // the buffer for pieces of a body, or MP_OBJ_NULL
    unsigned long id;
    // What stays readable after close; `path` of a unix socket, or NULL.
    struct mg_addr loc, rem;
    char *path;
    bool has_loc, has_rem, is_client, is_udp;
    bool busy;    // a coroutine of its handler has not ended
    bool put_off; // events have come meanwhile
} mpy_conn_t;

typedef struct _mpy_timer_t {
    mpy_node_t node;
    pmg_timer_t *t; // NULL once it ended
    mpy_manager_t *mgr;
    mp_obj_t callback;
    bool repeat;
    mp_uint_t ms;
} mpy_timer_t;

// What listen() and connect() hand to the open hook, and get back from it.
typedef struct {
    mp_obj_t handler;
    uint32_t events;
    mpy_conn_t *conn;
} mpy_open_t;

#define X(name) extern const mp_obj_type_t mpy_type_##name;
PMG_CLASSES(X)
#undef X

// ---------------------------------------------------------------------------------------------
// Functions and methods, each declared by its row: without one that is listed nothing links. A fixed
// number of arguments is called as it is, all else with an array of them.

#define MPY_FUN_0_0 mp_obj_fun_builtin_fixed_t
#define MPY_FUN_1_1 mp_obj_fun_builtin_fixed_t
#define MPY_FUN_2_2 mp_obj_fun_builtin_fixed_t
#define MPY_FUN_0_1 mp_obj_fun_builtin_var_t
#define MPY_FUN_1_2 mp_obj_fun_builtin_var_t
#define MPY_FUN_0_255 mp_obj_fun_builtin_var_t
#define MPY_FUN_1_255 mp_obj_fun_builtin_var_t
#define MPY_FUN_2_255 mp_obj_fun_builtin_var_t
#define MPY_FUN_3_255 mp_obj_fun_builtin_var_t

extern const MPY_FUN_0_0 module__in_handler_obj;
extern const mp_obj_fun_builtin_fixed_t mpy_http_url_obj;
#define X(name, min, max) extern const MPY_FUN_##min##_##max module_##name##_obj;
PMG_FUNCTIONS(X)
#undef X
#define X(name, min, max) extern const MPY_FUN_##min##_##max mpy_conn_##name##_obj;
PMG_CONN_METHODS(X)
#undef X
#define X(name, min, max) extern const MPY_FUN_##min##_##max mpy_manager_##name##_obj;
PMG_MANAGER_METHODS(X)
#undef X
#define X(name, min, max) extern const MPY_FUN_##min##_##max mpy_timer_##name##_obj;
PMG_TIMER_METHODS(X)
#undef X

// ---------------------------------------------------------------------------------------------
// mod_node.c: what every method begins and ends with

void mpy_node_link(mpy_manager_t *mgr, mpy_node_t *node);
void mpy_node_unlink(mpy_manager_t *mgr, mpy_node_t *node);

MP_NORETURN void mpy_refuse_caller(void);
static inline bool mpy_in_finalizer(void) {
    return (MP_STATE_THREAD(gc_lock_depth) & GC_COLLECT_FLAG) != 0;
}

// Raises for another thread than the manager's own, and inside a finalizer: the collector runs
// those wherever memory is asked for, which may be in the middle of the engine.
static inline void mpy_check_caller(const mpy_manager_t *mgr) {
#if MICROPY_PY_THREAD
    bool own = mgr->thread == mp_thread_get_id();
#else
    (void)mgr;
    bool own = true;
#endif
    if (mpy_in_finalizer() || !own) {
        mpy_refuse_caller();
    }
}
// After a call into the engine: raises what a handler left pending, then the call's own failure.
// `m` is whose error text counts, NULL if there is none. Returns `result` when it is >= 0.
int mpy_check(mpy_manager_t *mgr, pmg_mgr_t *m, int result);

// A Manager that is open and used by its own thread, or an exception.
mpy_manager_t *mpy_manager_open(mp_obj_t self_in);
// The arguments `handler` and `events` of listen() or connect(); what they are not raises.
mpy_open_t mpy_open_arg(mp_obj_t handler, mp_obj_t events);
// Listens or connects; gives the Connection, or an exception.
mp_obj_t mpy_manager_start(mpy_manager_t *self, const char *url, const pmg_protocol_t *speaks,
    bool listening, int fd, mpy_open_t arg);
// A method (url, handler, *, events) that does this with a protocol that is not the URL's to say.
mp_obj_t mpy_manager_start_args(const pmg_protocol_t *speaks, bool listening, size_t n_args,
    const mp_obj_t *pos_args, mp_map_t *kw_args);

// A Connection that is open and used by its own thread, or an exception.
mpy_conn_t *mpy_conn_open(mp_obj_t self_in);
// mpy_check() for a method of a connection; answers None.
mp_obj_t mpy_conn_done(mpy_conn_t *self, int result);
#if PMG_HAS_TLS
mp_obj_t mpy_peer_cert(mpy_conn_t *self); // mod_tls.c: a dict or None
#endif
// The same; answers the result, a small number.
mp_obj_t mpy_conn_number(mpy_conn_t *self, int result);
bool mpy_is_conn(mp_obj_t obj);
mp_obj_t mpy_conn_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw,
    const mp_obj_t *args);

// ---------------------------------------------------------------------------------------------
// mod_connection.c, mod_timer.c

// NULL when there is no memory; does not raise. Linked into the manager.
mpy_conn_t *mpy_conn_new(mpy_manager_t *mgr, struct mg_connection *c, mp_obj_t handler);
// The engine lets go of the connection. Does not raise, allocates only if it can.
void mpy_conn_freed(mpy_conn_t *self);

mp_obj_t mpy_timer_new(mpy_manager_t *mgr, mp_obj_t callback, mp_uint_t ms, bool repeat, bool now);

// ---------------------------------------------------------------------------------------------
// mod_dispatch.c: the engine's way into Python

extern const pmg_hooks_t mpy_hooks;

// ---------------------------------------------------------------------------------------------
// mod_coroutine.c

// What a handler returned that is not None: raises for a coroutine that nobody runs. `self` NULL: a
// timer's. `view` may be NULL.
struct _mpy_view_t; // mod_view.h
void mpy_take_result(mpy_manager_t *mgr, mpy_conn_t *self, mp_obj_t ev, mp_obj_t result,
    struct _mpy_view_t *view);
// An event of a connection whose coroutine has not ended.
void mpy_put_off(mpy_manager_t *mgr, const mp_obj_t args[3], struct _mpy_view_t *view);
extern const mp_obj_fun_builtin_var_t mpy_run_coroutines_obj;
extern const mp_obj_fun_builtin_fixed_t mpy_coroutine_ended_obj, mpy_coroutine_failed_obj,
    mpy_pause_obj;

#if PMG_HAS_WEB
extern const mp_obj_type_t mpy_type__Routes;
#endif

#endif
