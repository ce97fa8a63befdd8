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
} mpy_view_t;

mpy_view_t *mpy_view_new(const mp_obj_type_t *type, const void *message, struct mg_connection *c);
mp_obj_t mpy_view_unary_op(mp_unary_op_t op, mp_obj_t self_in);
NORETURN void mpy_view_expired(void);

// The message of a view, or an exception.
static inline const void *mpy_view_get(mp_obj_t self_in) {
    const mpy_view_t *self = MP_OBJ_TO_PTR(self_in);
    if (self->message == NULL) {
        mpy_view_expired();
    }
    return self->message;
}

// mod_http.c: the message of a HttpMessage that belongs to `c` and is still valid, or an exception.
const pmg_http_msg_t *mpy_http_message(mp_obj_t obj, struct mg_connection *c);

#endif
