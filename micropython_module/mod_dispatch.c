// SPDX-License-Identifier: GPL-2.0-only
//
// The hooks: the only way from the engine into Python. Each Python call stands under an nlr_push of
// its own, and what it raises ends here: reported, or kept until the engine has returned. A handler
// that recurses by way of the engine runs into the stack check that each Python function begins with.
//
// The compiler does not know that nlr_push() returns twice: after the second return no variable can
// be trusted but the nlr_buf_t. So each nlr_push() has a function of its own that then uses nothing
// else, here and in the other files; and one that is not inlined, where its caller goes on.

#include <string.h>

#include "mod_view.h"

// ---------------------------------------------------------------------------------------------
// Exceptions

static bool is_exception(mp_obj_t exc) {
    return mp_obj_is_subclass_fast(MP_OBJ_FROM_PTR(mp_obj_get_type(exc)),
        MP_OBJ_FROM_PTR(&mp_type_Exception));
}

// KeyboardInterrupt, SystemExit and their like leave the engine; the first one wins.
static int keep(mpy_manager_t *mgr, mp_obj_t exc) {
    if (mgr->pending == MP_OBJ_NULL) {
        mgr->pending = exc;
    }
    return PMG_STOP;
}

// Runs the error handler, or prints if there is none. MP_OBJ_NULL, or what that itself raised.
static MP_NOINLINE mp_obj_t tell(mp_obj_t error_handler, mp_obj_t exc) {
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        MPY_PYTHON_BEGIN();
        if (error_handler != mp_const_none) {
            mp_call_function_1(error_handler, exc);
        } else {
            mp_obj_print_exception(MICROPY_ERROR_PRINTER, exc);
        }
        MPY_PYTHON_END();
        nlr_pop();
        return MP_OBJ_NULL;
    }
    MPY_PYTHON_END();
    return MP_OBJ_FROM_PTR(nlr.ret_val);
}

// Prints, at least the type: a __str__ may raise, the stack or the memory may be used up.
static mp_obj_t show(mp_obj_t exc) {
    mp_obj_t second = tell(mp_const_none, exc);
    if (second != MP_OBJ_NULL && is_exception(second)) {
        mp_printf(MICROPY_ERROR_PRINTER, "%s: not printable, for %s\n", mp_obj_get_type_str(exc),
            mp_obj_get_type_str(second));
        return MP_OBJ_NULL;
    }
    return second;
}

static int report(mpy_manager_t *mgr, mp_obj_t exc) {
    if (!is_exception(exc)) {
        return keep(mgr, exc);
    }
    mp_obj_t stop;
    if (mgr->error_handler == mp_const_none) {
        stop = show(exc);
    } else {
        stop = tell(mgr->error_handler, exc);
        if (stop != MP_OBJ_NULL && is_exception(stop)) {
            // Neither may be lost: the handler's failure, nor what it did not handle.
            mp_obj_t second = stop;
            stop = show(exc);
            if (stop == MP_OBJ_NULL) {
                stop = show(second);
            }
        }
    }
    return stop == MP_OBJ_NULL ? PMG_RAISED : keep(mgr, stop);
}

// ---------------------------------------------------------------------------------------------
// Hooks

static int hook_open(struct mg_connection *c, struct mg_connection *listener, void *arg_in) {
    mpy_manager_t *mgr = pmg_mgr_owner(pmg_conn_mgr(c));
    mpy_open_t *arg = arg_in;
    mp_obj_t handler = mp_const_none;
    if (arg != NULL) {
        handler = arg->handler;
        pmg_conn_events(c, arg->events, handler != mp_const_none);
    } else if (listener != NULL && *pmg_conn_obj(listener) != NULL) {
        handler = ((mpy_conn_t *)*pmg_conn_obj(listener))->handler;
    }
    mpy_conn_t *self = mpy_conn_new(mgr, c, handler);
    if (self == NULL) {
        return -ENOMEM;
    }
    *pmg_conn_obj(c) = self;
    if (arg != NULL) {
        arg->conn = self;
    }
    return 0;
}

#if PMG_HAS_STREAM
// Into the program's buffer as it is now.
static mp_obj_t piece(mpy_conn_t *self, struct mg_str s) {
    if (self->into == MP_OBJ_NULL) {
        return mpy_bytes(s);
    }
    mp_buffer_info_t into;
    mpy_get_buffer(self->into, "into", &into);
    if (into.len < s.len) {
        mpy_raise_value(PMG_MSG_BUFFER_SHRUNK, NULL);
    }
    memcpy(into.buf, s.buf, s.len);
    return MP_OBJ_NEW_SMALL_INT(s.len);
}
#endif

// What the handler gets as its third argument, by the kind and the class that PMG_EVENT_DATA names.
#define DATA_TEXT(data, class) mpy_text_replace(mg_str((const char *)(data)))
#define DATA_COUNT(data, class) mp_obj_new_int_from_uint(*(const size_t *)(data))
#define DATA_UPTIME(data, class) mp_obj_new_int_from_ull(*(const uint64_t *)(data))
#define DATA_CODE(data, class) MP_OBJ_NEW_SMALL_INT(*(const int *)(data))
#define DATA_BYTES(data, class) mpy_bytes(*(const struct mg_str *)(data))
#define DATA_PIECE(data, class) piece(self, *(const struct mg_str *)(data))
#define DATA_VIEW(data, class) \
    MP_OBJ_FROM_PTR(view = mpy_view_new(&mpy_type_##class, data, self->c))

// Without the gap between Mongoose's numbers and ours, so that a table serves.
#define DENSE(ev) \
    ((int)(ev) < (int)PMG_EV_FIRST ? (int)(ev) : (int)(ev) - (int)PMG_EV_FIRST + (int)MG_EV_USER)

// Calls a handler. MP_OBJ_NULL, or what was raised.
static MP_NOINLINE mp_obj_t call_handler(mp_obj_t handler, mpy_conn_t *self, int ev, void *data,
    mpy_view_t **view_out) {
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        MPY_PYTHON_BEGIN();
        mpy_view_t *view = NULL;
        mp_obj_t args[3] = {
            MP_OBJ_FROM_PTR(self),
            MP_OBJ_NEW_SMALL_INT(ev),
            mp_const_none,
        };
        if (data != NULL) {
            switch (DENSE(ev)) {
#define X(event, kind, class) \
    case DENSE(event): args[2] = DATA_##kind(data, class); break;
                PMG_EVENT_DATA(X)
#undef X
                default: break;
            }
            *view_out = view;
        }
        if (self->busy) {
            mpy_put_off(self->mgr, args, view);
        } else {
            mp_obj_t result = mp_call_function_n_kw(handler, 3, 0, args);
            if (result != mp_const_none) {
                mpy_take_result(self->mgr, self, args[1], result, view);
            }
        }
        MPY_PYTHON_END();
        nlr_pop();
        return MP_OBJ_NULL;
    }
    MPY_PYTHON_END();
    return MP_OBJ_FROM_PTR(nlr.ret_val);
}

static int hook_event(struct mg_connection *c, int ev, void *data) {
    mpy_conn_t *self = *pmg_conn_obj(c);
    if (self == NULL) {
        return 0;
    }
    mpy_manager_t *mgr = self->mgr;
    mp_obj_t handler = self->handler != mp_const_none ? self->handler : mgr->handler;
    if (handler == mp_const_none) {
        return 0;
    }
    mpy_view_t *view = NULL;
    mp_obj_t exc = call_handler(handler, self, ev, data, &view);
    if (view != NULL && view->copy == NULL) {
        view->message = NULL;
    }
    if (exc == MP_OBJ_NULL) {
        return 0;
    }
    if (mp_obj_exception_match(exc, MP_OBJ_FROM_PTR(&mpy_type_DecodeError)) &&
        pmg_http_client_fault(c, ev)) {
        return PMG_CLIENT_FAULT;
    }
    return report(mgr, exc);
}

static void hook_free(struct mg_connection *c) {
    mpy_conn_t *self = *pmg_conn_obj(c);
    if (self != NULL) {
        *pmg_conn_obj(c) = NULL;
        mpy_conn_freed(self);
    }
}

static MP_NOINLINE mp_obj_t call_callback(mpy_manager_t *mgr, mp_obj_t callback) {
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        MPY_PYTHON_BEGIN();
        mp_obj_t result = mp_call_function_0(callback);
        if (result != mp_const_none) {
            mpy_take_result(mgr, NULL, mp_const_none, result, NULL);
        }
        MPY_PYTHON_END();
        nlr_pop();
        return MP_OBJ_NULL;
    }
    MPY_PYTHON_END();
    return MP_OBJ_FROM_PTR(nlr.ret_val);
}

static int hook_timer(pmg_timer_t *t) {
    mpy_timer_t *self = t->arg;
    mpy_manager_t *mgr = self->mgr;
    mp_obj_t exc = call_callback(mgr, self->callback);
    return exc == MP_OBJ_NULL ? 0 : report(mgr, exc);
}

static void hook_timer_free(pmg_timer_t *t) {
    mpy_timer_t *self = t->arg;
    self->t = NULL; // it keeps its callback: restart() revives it
    mpy_node_unlink(self->mgr, &self->node);
}

static MP_NOINLINE mp_obj_t call_watch(mp_obj_t function, int fd, int mask) {
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        MPY_PYTHON_BEGIN();
        mp_call_function_2(function, MP_OBJ_NEW_SMALL_INT(fd), MP_OBJ_NEW_SMALL_INT(mask));
        MPY_PYTHON_END();
        nlr_pop();
        return MP_OBJ_NULL;
    }
    MPY_PYTHON_END();
    return MP_OBJ_FROM_PTR(nlr.ret_val);
}

static int hook_watch(pmg_mgr_t *m, int fd, int mask) {
    mpy_manager_t *mgr = pmg_mgr_owner(m);
    mp_obj_t exc = call_watch(mgr->watch, fd, mask);
    return exc == MP_OBJ_NULL ? 0 : report(mgr, exc);
}

const pmg_hooks_t mpy_hooks = {
    .open = hook_open,
    .event = hook_event,
    .free = hook_free,
    .timer = hook_timer,
    .timer_free = hook_timer_free,
    .watch = hook_watch,
};
