// SPDX-License-Identifier: GPL-2.0-only
//
// Coroutines that handlers return: each runs here up to where it suspends, as the current task of asyncio.
// The rest does pymongoose.aio, by two functions that it gives a Manager: start(conn, ev, x) is told of a
// task that has suspended; where events have come meanwhile, of one that has ended, by None, or by what it
// raised; and says whether something goes on. later(conn, ev, data) is told of such an event.

#include "py/objgenerator.h"

#include "mod_view.h"

// Makes a view a copy, where its class has one.
static void own(mpy_view_t *view) {
    if (view != NULL && view->copy == NULL && mpy_view_copies(view)) {
        mpy_view_copy(view, view);
    }
}

static void task_ended(mp_obj_t task, mp_obj_t result) {
    mp_store_attr(task, MP_QSTR_state, mp_const_false);
    mp_store_attr(task, MP_QSTR_data, result);
}

// What is put back, however a first step ends.
typedef struct {
    nlr_jump_callback_node_t node;
    mpy_manager_t *mgr;
    mpy_conn_t *conn; // or NULL
    mp_obj_t task;    // the current one of before
} step_t;

static void step_over(void *ctx) {
    step_t *s = ctx;
    mp_store_attr(s->mgr->core, MP_QSTR_cur_task, s->task);
    if (s->conn != NULL) {
        s->conn->busy = false;
    }
}

// Runs it as a task of asyncio's up to where it suspends: the task; None if it has ended; or what it raised.
static mp_obj_t first_step(mpy_manager_t *mgr, mpy_conn_t *conn, mp_obj_t coro, bool *raised) {
    mp_obj_t task = mp_call_function_1(mp_load_attr(mgr->core, MP_QSTR_Task), coro);
    step_t s = {.mgr = mgr, .conn = conn, .task = mp_load_attr(mgr->core, MP_QSTR_cur_task)};
    nlr_push_jump_callback(&s.node, step_over);
    mp_store_attr(mgr->core, MP_QSTR_cur_task, task);
    if (conn != NULL) {
        conn->busy = true;
    }
    mp_obj_t value = mp_const_none;
    mp_vm_return_kind_t kind = mp_obj_gen_resume(coro, mp_const_none, MP_OBJ_NULL, &value);
    nlr_pop_jump_callback(true);
    *raised = kind == MP_VM_RETURN_EXCEPTION;
    if (kind == MP_VM_RETURN_YIELD) {
        return task;
    }
    if (*raised) {
        task_ended(task, value);
        return value;
    }
    task_ended(task, mp_obj_new_exception_arg1(&mp_type_StopIteration, value));
    return mp_const_none;
}

static mp_obj_t coroutine_failed(mp_obj_t conn_in, mp_obj_t ev, mp_obj_t exc);

void mpy_take_result(mpy_manager_t *mgr, mpy_conn_t *self, mp_obj_t ev, mp_obj_t result,
    mpy_view_t *view) {
    if (!mp_obj_is_type(result, &mp_type_gen_instance)) {
        return;
    }
    if (mgr->start == MP_OBJ_NULL) {
        mp_raise_msg_varg(&mp_type_TypeError, MP_ERROR_TEXT(PMG_MSG_UNRUN),
            mp_obj_get_type_str(result));
    }
    mp_obj_t args[3] = {self != NULL ? MP_OBJ_FROM_PTR(self) : mp_const_none, ev, mp_const_none};
    bool raised;
    args[2] = first_step(mgr, self, result, &raised);
    bool goes_on = args[2] != mp_const_none && !raised;
    // Of events that came meanwhile the next one has its turn.
    if (goes_on || (self != NULL && self->put_off)) {
        if (self != NULL) {
            self->busy = true;
        }
        goes_on = mp_call_function_n_kw(mgr->start, 3, 0, args) == mp_const_true;
    }
    if (self != NULL) {
        self->busy = goes_on;
        self->put_off = self->put_off && goes_on;
    }
    if (raised) {
        // Canceled, or what it awaited was: the loop goes on, its client hears of it.
        mp_obj_t canceled = mp_load_attr(mgr->core, MP_QSTR_CancelledError);
        if (!mp_obj_exception_match(args[2], canceled)) {
            nlr_raise(args[2]);
        }
        if (self != NULL) {
            coroutine_failed(MP_OBJ_FROM_PTR(self), ev, args[2]);
        }
    }
    if (goes_on) {
        own(view);
    }
}

void mpy_put_off(mpy_manager_t *mgr, const mp_obj_t args[3], mpy_view_t *view) {
    own(view);
    ((mpy_conn_t *)MP_OBJ_TO_PTR(args[0]))->put_off = true;
    mp_call_function_n_kw(mgr->later, 3, 0, args);
}

// (manager, asyncio.core, start, later)
static mp_obj_t run_coroutines(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    mpy_manager_t *self = mpy_manager_open(args[0]);
    self->core = args[1];
    self->start = args[2];
    self->later = args[3];
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(mpy_run_coroutines_obj, 4, 4, run_coroutines);

static mp_obj_t coroutine_ended(mp_obj_t conn_in, mp_obj_t more) {
    mpy_conn_t *self = MP_OBJ_TO_PTR(conn_in);
    self->busy = mp_obj_is_true(more);
    self->put_off = self->put_off && self->busy;
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
