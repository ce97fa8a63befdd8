// SPDX-License-Identifier: GPL-2.0-only

#include "mod_util.h"

mp_obj_t mpy_timer_new(mpy_manager_t *mgr, mp_obj_t callback, uint64_t ms, bool repeat, bool now) {
    mpy_timer_t *self = mp_obj_malloc(mpy_timer_t, &mpy_type_Timer);
    self->mgr = mgr;
    self->callback = callback;
    self->t = NULL;
    mpy_node_link(mgr, &self->node);
    int r = MPY_ENGINE(pmg_timer_add(mgr->m, ms, repeat, now, self, &self->t));
    if (r < 0) {
        mpy_node_unlink(mgr, &self->node);
    }
    mpy_check(mgr, mgr->m, r);
    return MP_OBJ_FROM_PTR(self);
}

static mpy_timer_t *get(mp_obj_t self_in) {
    mpy_timer_t *self = MP_OBJ_TO_PTR(self_in);
    mpy_check_caller(self->mgr);
    return self;
}

static mp_obj_t timer_cancel(mp_obj_t self_in) {
    mpy_timer_t *self = get(self_in);
    pmg_timer_t *t = self->t;
    if (t != NULL) {
        self->t = NULL; // inside its own callback the engine ends it only afterwards
        MPY_ENGINE_DO(pmg_timer_cancel(t));
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(timer_cancel_obj, timer_cancel);

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
#define X(name, min, max) {MP_ROM_QSTR(MP_QSTR_##name), MP_ROM_PTR(&timer_##name##_obj)},
    PMG_TIMER_METHODS(X)
#undef X
};
static MP_DEFINE_CONST_DICT(timer_locals_dict, timer_locals_dict_table);

MP_DEFINE_CONST_OBJ_TYPE(mpy_type_Timer, MP_QSTR_Timer, MP_TYPE_FLAG_NONE, attr, timer_attr,
    locals_dict, &timer_locals_dict);
