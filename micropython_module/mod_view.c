// SPDX-License-Identifier: GPL-2.0-only

#include "mod_view.h"

mpy_view_t *mpy_view_new(const mp_obj_type_t *type, const void *message, struct mg_connection *c) {
    mpy_view_t *self = mp_obj_malloc(mpy_view_t, type);
    self->message = message;
    self->c = c;
    self->copy = NULL;
    return self;
}

MP_NORETURN void mpy_view_expired(void) {
    mpy_raise_error(EBADF, PMG_MSG_VIEW_EXPIRED);
}

// ---------------------------------------------------------------------------------------------
// Copies. The core's block is freed by the finalizer of an object that only its message knows.

static mp_obj_t copy_del(mp_obj_t self_in) {
    mpy_copy_t *self = MP_OBJ_TO_PTR(self_in);
    if (mpy_in_finalizer() && self->copy != NULL) {
        pmg_copy_free(self->copy);
        self->copy = NULL;
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(copy_del_obj, copy_del);

static const mp_rom_map_elem_t copy_locals_table[] = {
    {MP_ROM_QSTR(MP_QSTR___del__), MP_ROM_PTR(&copy_del_obj)},
};
static MP_DEFINE_CONST_DICT(copy_locals, copy_locals_table);

static MP_DEFINE_CONST_OBJ_TYPE(copy_type, MP_QSTR_copy, MP_TYPE_FLAG_NONE, locals_dict,
    &copy_locals);

typedef pmg_copy_t *(*copier_t)(pmg_mgr_t *m, unsigned long id, const void *msg);

static copier_t copier(const mp_obj_type_t *type) {
#define X(class, function)           \
    if (type == &mpy_type_##class) { \
        return (copier_t)function;   \
    }
    PMG_COPIES(X)
#undef X
    return NULL;
}

bool mpy_view_copies(const mpy_view_t *view) {
    return copier(view->base.type) != NULL;
}

void mpy_view_copy(const mpy_view_t *from, mpy_view_t *to) {
    mpy_copy_t *keeper = mp_obj_malloc_with_finaliser(mpy_copy_t, &copy_type);
    keeper->copy = NULL;
    const void *msg =
        mpy_view_get(MP_OBJ_FROM_PTR(from)); // a collection runs no Python of the program
    const pmg_copy_t *own = from->copy != NULL ? from->copy->copy : NULL;
    pmg_mgr_t *m = own != NULL ? own->m : pmg_conn_mgr(from->c);
    unsigned long id = own != NULL ? own->id : from->c->id;
    keeper->copy = MPY_ENGINE(copier(from->base.type)(m, id, msg));
    if (keeper->copy == NULL) { // others may lie about as garbage
        gc_collect();
        keeper->copy = MPY_ENGINE(copier(from->base.type)(m, id, msg));
    }
    if (keeper->copy == NULL) {
        mpy_raise_result(-ENOMEM, PMG_MSG_NO_COPY);
    }
    to->copy = keeper;
    to->message = keeper->copy->msg;
    to->c = NULL;
}

bool mpy_view_is_of(const mpy_view_t *view, struct mg_connection *c) {
    const pmg_copy_t *own = view->copy != NULL ? view->copy->copy : NULL;
    return own == NULL ? view->c == c : own->id == c->id && own->m == pmg_conn_mgr(c);
}

static mp_obj_t message_copy(mp_obj_t self_in) {
    mpy_view_t *self = MP_OBJ_TO_PTR(self_in);
    (void)mpy_view_get(self_in);
    mpy_view_t *twin = mpy_view_new(self->base.type, NULL, NULL);
    mpy_view_copy(self, twin);
    return MP_OBJ_FROM_PTR(twin);
}
MP_DEFINE_CONST_FUN_OBJ_1(message_copy_obj, message_copy);

mp_obj_t mpy_view_unary_op(mp_unary_op_t op, mp_obj_t self_in) {
    mpy_view_t *self = MP_OBJ_TO_PTR(self_in);
    switch (op) {
        case MP_UNARY_OP_BOOL: return mp_obj_new_bool(self->message != NULL);
        case MP_UNARY_OP_HASH: return MP_OBJ_NEW_SMALL_INT((mp_uint_t)(uintptr_t)self);
        default: return MP_OBJ_NULL;
    }
}
