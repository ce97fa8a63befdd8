// SPDX-License-Identifier: GPL-2.0-only
//
// Messages: views into the engine's buffers. The frame that made one clears it when the handler
// returns; nothing is copied until a property is read.
#ifndef MOD_VIEW_H
#define MOD_VIEW_H

#include "mod_util.h"

// HttpMessage, WsMessage ...: valid while the handler that got it runs.
typedef struct _mpy_view_t {
    mp_obj_base_t base;
    const void *message; // pmg_http_msg_t, pmg_ws_msg_t ...; NULL once expired
    struct mg_connection *c;
    struct _mpy_copy_t *copy; // its own, so that it stays valid, and `c` counts no more; or NULL
} mpy_view_t;

typedef struct _mpy_copy_t {
    mp_obj_base_t base;
    pmg_copy_t *copy;
} mpy_copy_t;

mpy_view_t *mpy_view_new(const mp_obj_type_t *type, const void *message, struct mg_connection *c);
mp_obj_t mpy_view_unary_op(mp_unary_op_t op, mp_obj_t self_in);
MP_NORETURN void mpy_view_expired(void);
// Has this class copy()? Then makes `to`, which may be `from` itself, a message of its own.
bool mpy_view_copies(const mpy_view_t *view);
void mpy_view_copy(const mpy_view_t *from, mpy_view_t *to);
bool mpy_view_is_of(const mpy_view_t *view, struct mg_connection *c); // has it come in on this one?
extern const mp_obj_fun_builtin_fixed_t message_copy_obj;

// An int is a small one where a word has 64 bits.
static inline mp_obj_t mpy_int(int value) {
    return sizeof(mp_int_t) > sizeof(int) ? MP_OBJ_NEW_SMALL_INT(value) : mp_obj_new_int(value);
}

// The message of a view, or an exception.
static inline const void *mpy_view_get(mp_obj_t self_in) {
    const mpy_view_t *self = MP_OBJ_TO_PTR(self_in);
    if (self->message == NULL) {
        mpy_view_expired();
    }
    return self->message;
}

// A class of messages, made of the rows that bear its name. What its file defines in front of it:
// for a property of kind OBJECT get_NAME(message), for a method message_NAME_obj.
#define X(class, type) typedef type mpy_msg_##class;
PMG_MESSAGES(X)
#undef X

#define MPY_MSG ((const msg_t *)mpy_view_get(self_in))
#define MPY_GET_HEAD(name, field) mpy_text(MPY_MSG->field)
#define MPY_GET_TEXT(name, field) mpy_text_replace(MPY_MSG->field)
#define MPY_GET_WS_TEXT MPY_GET_OBJECT
#define MPY_GET_BYTES(name, field) mpy_bytes(MPY_MSG->field)
#define MPY_GET_INT(name, field) mpy_int(MPY_MSG->field)
#define MPY_GET_BOOL(name, field) mp_obj_new_bool(MPY_MSG->field)
#define MPY_GET_OBJECT(name, field) get_##name(MPY_MSG)
#define MPY_PROP(name, kind, field) \
    case MP_QSTR_##name: dest[0] = MPY_GET_##kind(name, field); break;
#define MPY_METHOD(name, min, max) {MP_ROM_QSTR(MP_QSTR_##name), MP_ROM_PTR(&message_##name##_obj)},

#define MPY_VIEW_ATTR(class)                                                \
    static void class##_attr(mp_obj_t self_in, qstr attr, mp_obj_t *dest) { \
        typedef mpy_msg_##class msg_t;                                      \
        if (dest[0] != MP_OBJ_NULL) {                                       \
            return; /* read-only */                                         \
        }                                                                   \
        switch (attr) {                                                     \
            default:                                                        \
                dest[1] = MP_OBJ_SENTINEL;                                  \
                break;                                                      \
                PMG_PROPS_##class(MPY_PROP)                                 \
        }                                                                   \
    }
#define MPY_VIEW(class)                                                                      \
    MPY_VIEW_ATTR(class)                                                                     \
    MP_DEFINE_CONST_OBJ_TYPE(mpy_type_##class, MP_QSTR_##class, MP_TYPE_FLAG_NONE, unary_op, \
        mpy_view_unary_op, attr, class##_attr)
#define MPY_VIEW_WITH_METHODS(class)                                                           \
    MPY_VIEW_ATTR(class)                                                                       \
    static const mp_rom_map_elem_t class##_locals_table[] = {PMG_METHODS_##class(MPY_METHOD)}; \
    static MP_DEFINE_CONST_DICT(class##_locals, class##_locals_table);                         \
    MP_DEFINE_CONST_OBJ_TYPE(mpy_type_##class, MP_QSTR_##class, MP_TYPE_FLAG_NONE, unary_op,   \
        mpy_view_unary_op, attr, class##_attr, locals_dict, &class##_locals)

// mod_http.c: the message of a HttpMessage that belongs to `c` and is still valid, or an exception.
const pmg_http_msg_t *mpy_http_message(mp_obj_t obj, struct mg_connection *c);

// The same as Connection.reply().
void mpy_reply_html(mp_obj_t self_in, mp_obj_t body_in);
void mpy_reply(mp_obj_t self_in, mp_obj_t status_in, mp_obj_t body_in, mp_obj_t headers_in);

#endif
