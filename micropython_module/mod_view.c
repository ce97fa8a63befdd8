// SPDX-License-Identifier: GPL-2.0-only

#include "mod_view.h"

mpy_view_t *mpy_view_new(const mp_obj_type_t *type, const void *message, struct mg_connection *c) {
    mpy_view_t *self = mp_obj_malloc(mpy_view_t, type);
    self->message = message;
    self->c = c;
    return self;
}

MP_NORETURN void mpy_view_expired(void) {
    mpy_raise_error(EBADF, PMG_MSG_VIEW_EXPIRED);
}

mp_obj_t mpy_view_unary_op(mp_unary_op_t op, mp_obj_t self_in) {
    mpy_view_t *self = MP_OBJ_TO_PTR(self_in);
    switch (op) {
        case MP_UNARY_OP_BOOL: return mp_obj_new_bool(self->message != NULL);
        case MP_UNARY_OP_HASH: return MP_OBJ_NEW_SMALL_INT((mp_uint_t)(uintptr_t)self);
        default: return MP_OBJ_NULL;
    }
}
