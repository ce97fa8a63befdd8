// SPDX-License-Identifier: GPL-2.0-only
//
// Coroutines that handlers return. pymongoose.aio runs them, by two functions that it gives a Manager:
// start(conn, ev, coroutine) runs one up to where it suspends, and says whether it has; later(conn, ev,
// data) is told of an event of a connection whose coroutine has not ended.

#include "mod_view.h"

// Makes a view a copy, where its class has one.
static void own(mpy_view_t *view) {
    if (view != NULL && view->copy == NULL && mpy_view_copies(view)) {
        mpy_view_copy(view, view);
    }
}

void mpy_take_result(mpy_manager_t *mgr, mpy_conn_t *self, mp_obj_t ev, mp_obj_t result,
    mpy_view_t *view) {
    if (!mp_obj_is_type(result, &mp_type_gen_instance)) {
        return;
    }
    if (mgr->start == MP_OBJ_NULL) {
        mp_raise_msg_varg(&mp_type_TypeError, MP_ERROR_TEXT(PMG_MSG_UNRUN),
            mp_obj_get_type_str(result));
    }
    mp_obj_t args[3] = {self != NULL ? MP_OBJ_FROM_PTR(self) : mp_const_none, ev, result};
    if (self != NULL) {
        self->busy = true; // who raises has said whose turn it is
    }
    bool goes_on = mp_call_function_n_kw(mgr->start, 3, 0, args) == mp_const_true;
    if (goes_on) {
        own(view);
    } else if (self != NULL) {
        self->busy = false;
    }
}

void mpy_put_off(mpy_manager_t *mgr, const mp_obj_t args[3], mpy_view_t *view) {
    own(view);
    mp_call_function_n_kw(mgr->later, 3, 0, args);
}

static mp_obj_t run_coroutines(mp_obj_t manager_in, mp_obj_t start, mp_obj_t later) {
    mpy_manager_t *self = mpy_manager_open(manager_in);
    self->start = start;
    self->later = later;
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_3(mpy_run_coroutines_obj, run_coroutines);

static mp_obj_t coroutine_ended(mp_obj_t conn_in, mp_obj_t more) {
    ((mpy_conn_t *)MP_OBJ_TO_PTR(conn_in))->busy = mp_obj_is_true(more);
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_2(mpy_coroutine_ended_obj, coroutine_ended);

static mp_obj_t coroutine_failed(mp_obj_t conn_in, mp_obj_t ev, mp_obj_t exc) {
    mpy_conn_t *self = MP_OBJ_TO_PTR(conn_in);
    if (self->c == NULL) {
        return mp_const_true;
    }
    mpy_check_caller(self->mgr);
    bool fault = mp_obj_exception_match(exc, MP_OBJ_FROM_PTR(&mpy_type_DecodeError)) &&
                 pmg_http_client_fault(self->c, (int)mp_obj_get_int(ev));
    MPY_ENGINE_DO(pmg_conn_failed(self->c, fault));
    mpy_check(self->mgr, NULL, 0);
    return mp_obj_new_bool(!fault);
}
MP_DEFINE_CONST_FUN_OBJ_3(mpy_coroutine_failed_obj, coroutine_failed);

static mp_obj_t conn_pause(mp_obj_t conn_in, mp_obj_t on_in) {
    mpy_conn_t *self = MP_OBJ_TO_PTR(conn_in);
    mpy_check_caller(self->mgr);
    if (self->c != NULL) {
        MPY_ENGINE_DO(pmg_conn_pause(self->c, mp_obj_is_true(on_in)));
    }
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_2(mpy_pause_obj, conn_pause);
