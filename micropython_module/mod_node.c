// SPDX-License-Identifier: GPL-2.0-only
//
// What the files of each protocol stand on: the list of live objects, and what a method asks before
// and after it calls the engine. Nothing here knows a method or a class.

#include "mod_util.h"

// ---------------------------------------------------------------------------------------------
// Live objects

void mpy_node_link(mpy_manager_t *mgr, mpy_node_t *node) {
    node->prev = NULL;
    node->next = mgr->live;
    if (mgr->live != NULL) {
        mgr->live->prev = node;
    }
    mgr->live = node;
}

void mpy_node_unlink(mpy_manager_t *mgr, mpy_node_t *node) {
    if (node->prev != NULL) {
        node->prev->next = node->next;
    } else if (mgr->live == node) {
        mgr->live = node->next;
    }
    if (node->next != NULL) {
        node->next->prev = node->prev;
    }
    node->prev = node->next = NULL; // a program that keeps this one shall not keep its neighbors
}

// ---------------------------------------------------------------------------------------------
// Callers and results

MP_NORETURN void mpy_refuse_caller(void) {
    if (mpy_in_finalizer()) {
        mpy_raise_error(EBUSY, "not possible in a finalizer");
    }
    mpy_raise_error(EBUSY, PMG_MSG_WRONG_THREAD);
}

int mpy_check(mpy_manager_t *mgr, pmg_mgr_t *m, int result) {
    mp_obj_t exc = mgr->pending;
    if (exc != MP_OBJ_NULL) {
        mgr->pending = MP_OBJ_NULL;
        nlr_raise(exc);
    }
    if (result < 0) {
        mpy_raise_result(result, pmg_error_text(m, result));
    }
    return result;
}

// ---------------------------------------------------------------------------------------------
// Managers

mpy_manager_t *mpy_manager_open(mp_obj_t self_in) {
    mpy_manager_t *self = MP_OBJ_TO_PTR(self_in);
    mpy_check_caller(self);
    if (self->m == NULL) {
        mpy_raise_error(EBADF, PMG_MSG_MGR_CLOSED);
    }
    return self;
}

mpy_open_t mpy_open_arg(mp_obj_t handler, mp_obj_t events) {
    return (mpy_open_t) {
        .handler = mpy_get_handler(handler, "handler"),
        .events = mpy_get_events(events),
        .conn = NULL,
    };
}

mp_obj_t mpy_manager_start(mpy_manager_t *self, const char *url, const pmg_protocol_t *speaks,
    bool listening, int fd, mpy_open_t arg) {
    struct mg_connection *c = NULL;
    int r = MPY_ENGINE(listening ? pmg_listen(self->m, url, speaks, fd, &arg, &c)
                                 : pmg_connect(self->m, url, speaks, NULL, &arg, &c));
    mpy_check(self, self->m, r);
    return MP_OBJ_FROM_PTR(arg.conn);
}

mp_obj_t mpy_manager_start_args(const pmg_protocol_t *speaks, bool listening, size_t n_args,
    const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_url, ARG_handler, ARG_events };
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(url),
        MPY_OPTIONAL(handler, MP_ROM_NONE),
        MPY_KEYWORD(events, MP_ROM_NONE),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    mpy_open_t arg = mpy_open_arg(args[ARG_handler].u_obj, args[ARG_events].u_obj);
    const char *url = mpy_get_cstr(args[ARG_url].u_obj, "url");
    return mpy_manager_start(mpy_manager_open(pos_args[0]), url, speaks, listening, -1, arg);
}

// ---------------------------------------------------------------------------------------------
// Connections

mpy_conn_t *mpy_conn_open(mp_obj_t self_in) {
    mpy_conn_t *self = MP_OBJ_TO_PTR(self_in);
    mpy_check_caller(self->mgr);
    if (self->c == NULL) {
        mpy_raise_error(EBADF, PMG_MSG_CONN_CLOSED);
    }
    return self;
}

static MP_NOINLINE void failed(mpy_conn_t *self, int result) {
    mpy_check(self->mgr, self->c != NULL ? pmg_conn_mgr(self->c) : NULL, result);
}

mp_obj_t mpy_conn_done(mpy_conn_t *self, int result) {
    if (result < 0 || self->mgr->pending != MP_OBJ_NULL) {
        failed(self, result); // apart: what nearly every method ends with stays without a frame
    }
    return mp_const_none;
}

mp_obj_t mpy_conn_number(mpy_conn_t *self, int result) {
    mpy_conn_done(self, result);
    return MP_OBJ_NEW_SMALL_INT(result);
}

mp_obj_t mpy_conn_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw,
    const mp_obj_t *args) {
    (void)type, (void)n_args, (void)n_kw, (void)args;
    mp_raise_msg(&mp_type_TypeError, (mp_rom_error_text_t)PMG_MSG_NOT_MADE_BY_HAND);
}

// By what no other class has: Connection itself, with its table of methods, stands above them.
bool mpy_is_conn(mp_obj_t obj) {
    return MP_OBJ_TYPE_GET_SLOT_OR_NULL(mp_obj_get_type(obj), make_new) == mpy_conn_make_new;
}
