// SPDX-License-Identifier: GPL-2.0-only

#include "py/mperrno.h"

#include "mod_util.h"

static void add(mpy_timer_t *self, bool now) {
    mpy_manager_t *mgr = self->mgr;
    mpy_node_link(mgr, &self->node);
    int r = MPY_ENGINE(pmg_timer_add(mgr->m, self->ms, self->repeat, now, self, &self->t));
    if (r < 0) {
        mpy_node_unlink(mgr, &self->node);
    }
    mpy_check(mgr, mgr->m, r);
}

mp_obj_t mpy_timer_new(mpy_manager_t *mgr, mp_obj_t callback, mp_uint_t ms, bool repeat, bool now) {
    mpy_timer_t *self = mp_obj_malloc(mpy_timer_t, &mpy_type_Timer);
    self->mgr = mgr;
    self->callback = callback;
    self->t = NULL;
    self->repeat = repeat;
    self->ms = ms;
    add(self, now);
    return MP_OBJ_FROM_PTR(self);
}

static mpy_timer_t *get(mp_obj_t self_in) {
    mpy_timer_t *self = MP_OBJ_TO_PTR(self_in);
    mpy_check_caller(self->mgr);
    return self;
}

// What is there is moved, and needs no memory.
static mp_obj_t timer_restart(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const mp_arg_t allowed_args[] = {
        MPY_OPTIONAL(ms, MP_ROM_NONE),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    mpy_timer_t *self = get(pos_args[0]);
    mp_uint_t ms = args[0].u_obj != mp_const_none ? mpy_get_size(args[0].u_obj, "ms") : self->ms;
    mpy_manager_open(MP_OBJ_FROM_PTR(self->mgr));
    self->ms = ms;
    if (self->t == NULL) {
        add(self, false);
    } else if (!MPY_ENGINE(pmg_timer_restart(self->t, ms))) {
        mpy_raise_error(MP_EBADF, PMG_MSG_MGR_CLOSED);
    }
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_timer_restart_obj, 1, timer_restart);

static mp_obj_t timer_cancel(mp_obj_t self_in) {
    mpy_timer_t *self = get(self_in);
    if (self->t != NULL) {
        MPY_ENGINE_DO(pmg_timer_cancel(self->t));
    }
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_1(mpy_timer_cancel_obj, timer_cancel);

static mp_obj_t timer_active(mpy_timer_t *self) {
    return mp_obj_new_bool(self->t != NULL && pmg_timer_active(self->t));
}

static void timer_attr(mp_obj_t self_in, qstr attr, mp_obj_t *dest) {
    if (dest[0] != MP_OBJ_NULL) {
        return; // read-only
    }
    switch (attr) {
#define X(name) \
    case MP_QSTR_##name: dest[0] = timer_##name(MP_OBJ_TO_PTR(self_in)); break;
        PMG_TIMER_PROPS(X)
#undef X
        default: dest[1] = MP_OBJ_SENTINEL; break;
    }
}

static const mp_rom_map_elem_t timer_locals_dict_table[] = {
#define X(name, min, max) {MP_ROM_QSTR(MP_QSTR_##name), MP_ROM_PTR(&mpy_timer_##name##_obj)},
    PMG_TIMER_METHODS(X)
#undef X
};
static MP_DEFINE_CONST_DICT(timer_locals_dict, timer_locals_dict_table);

MP_DEFINE_CONST_OBJ_TYPE(mpy_type_Timer, MP_QSTR_Timer, MP_TYPE_FLAG_NONE, attr, timer_attr,
    locals_dict, &timer_locals_dict);
