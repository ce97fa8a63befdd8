// SPDX-License-Identifier: GPL-2.0-only
//
// HttpMessage and WsMessage: views into the engine's buffers. The frame that made one clears it
// when the handler returns; nothing is copied until a property is read.

#include "py/objstr.h"

#include "mod_util.h"

mpy_view_t *mpy_view_new(const mp_obj_type_t *type, const void *message, struct mg_connection *c) {
    mpy_view_t *self = mp_obj_malloc(mpy_view_t, type);
    self->message = message;
    self->c = c;
    return self;
}

const void *mpy_view_get(mp_obj_t self_in) {
    mpy_view_t *self = MP_OBJ_TO_PTR(self_in);
    if (self->message == NULL) {
        mpy_raise_error(EBADF, PMG_MSG_VIEW_EXPIRED);
    }
    return self->message;
}

const pmg_http_msg_t *mpy_http_message(mp_obj_t obj, struct mg_connection *c) {
    if (!mp_obj_is_exact_type(obj, &mpy_type_HttpMessage)) {
        mpy_raise_type(PMG_MSG_MESSAGE, NULL, obj);
    }
    const pmg_http_msg_t *hm = mpy_view_get(obj);
    if (((mpy_view_t *)MP_OBJ_TO_PTR(obj))->c != c) {
        mpy_raise_type(PMG_MSG_MESSAGE, NULL, obj);
    }
    return hm;
}

mp_obj_t mpy_view_unary_op(mp_unary_op_t op, mp_obj_t self_in) {
    mpy_view_t *self = MP_OBJ_TO_PTR(self_in);
    switch (op) {
        case MP_UNARY_OP_BOOL: return mp_obj_new_bool(self->message != NULL);
        case MP_UNARY_OP_HASH: return MP_OBJ_NEW_SMALL_INT((mp_uint_t)(uintptr_t)self);
        default: return MP_OBJ_NULL;
    }
}

// ---------------------------------------------------------------------------------------------
// HttpMessage

static mp_obj_t http_header(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_name, ARG_default };
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(name),
        MPY_OPTIONAL(default, MP_ROM_NONE),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    const pmg_http_msg_t *hm = mpy_view_get(pos_args[0]);
    struct mg_str value = pmg_http_header(hm, mpy_get_str(args[ARG_name].u_obj, "name"));
    return value.buf != NULL ? mpy_text(value) : args[ARG_default].u_obj;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(http_header_obj, 2, http_header);

static mp_obj_t http_headers(mp_obj_t self_in) {
    const pmg_http_msg_t *hm = mpy_view_get(self_in);
    mp_obj_t list = mp_obj_new_list(0, NULL);
    for (int i = 0; i < hm->num_headers; i++) {
        mp_obj_t pair[2] = {
            mpy_text(hm->headers[i].name),
            mpy_text(hm->headers[i].value),
        };
        mp_obj_list_append(list, mp_obj_new_tuple(2, pair));
    }
    return list;
}
static MP_DEFINE_CONST_FUN_OBJ_1(http_headers_obj, http_headers);

static mp_obj_t http_query_var(mp_obj_t self_in, mp_obj_t name_in) {
    const pmg_http_msg_t *hm = mpy_view_get(self_in);
    struct mg_str raw = pmg_http_query_var(hm, mpy_get_str(name_in, "name"));
    if (raw.buf == NULL) {
        return mp_const_none;
    }
    if (raw.len == 0) {
        return MP_OBJ_NEW_QSTR(MP_QSTR_);
    }
    vstr_t vstr;
    vstr_init_len(&vstr, raw.len);
    int n = pmg_url_decode(raw, vstr.buf);
    if (n < 0) {
        mpy_raise_result(n, PMG_MSG_BAD_ESCAPE);
    }
    return mpy_text(mg_str_n(vstr.buf, (size_t)n));
}
static MP_DEFINE_CONST_FUN_OBJ_2(http_query_var_obj, http_query_var);

static mp_obj_t http_status(mp_obj_t self_in) {
    const pmg_http_msg_t *hm = mpy_view_get(self_in);
    return hm->status != 0 ? MP_OBJ_NEW_SMALL_INT(hm->status) : mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(http_status_obj, http_status);

static mp_obj_t http_header_var(mp_obj_t self_in, mp_obj_t header_in, mp_obj_t var_in) {
    const pmg_http_msg_t *hm = mpy_view_get(self_in);
    struct mg_str header = mpy_get_str(header_in, "header_name");
    struct mg_str value = pmg_http_header_var(hm, header, mpy_get_str(var_in, "var_name"));
    return value.buf != NULL ? mpy_text(value) : mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(http_header_var_obj, http_header_var);

// Fields of the head; the body alone is text that may be damaged.
#define HTTP_TEXT(name) (MP_QSTR_##name == MP_QSTR_body_text ? mpy_text_replace : mpy_text)

static void http_attr(mp_obj_t self_in, qstr attr, mp_obj_t *dest) {
    if (dest[0] != MP_OBJ_NULL) {
        return; // read-only
    }
    switch (attr) {
#define GET ((const pmg_http_msg_t *)mpy_view_get(self_in))
#define X(name, field) \
    case MP_QSTR_##name: dest[0] = HTTP_TEXT(name)(GET->field); break;
        PMG_HTTP_TEXT_PROPS(X)
#undef X
#define X(name, field) \
    case MP_QSTR_##name: dest[0] = mpy_bytes(GET->field); break;
        PMG_HTTP_BYTES_PROPS(X)
#undef X
#undef GET
        default: dest[1] = MP_OBJ_SENTINEL; break;
    }
}

static const mp_rom_map_elem_t http_locals_dict_table[] = {
#define X(name, min, max) {MP_ROM_QSTR(MP_QSTR_##name), MP_ROM_PTR(&http_##name##_obj)},
    PMG_HTTP_METHODS(X)
#undef X
};
static MP_DEFINE_CONST_DICT(http_locals_dict, http_locals_dict_table);

MP_DEFINE_CONST_OBJ_TYPE(mpy_type_HttpMessage, MP_QSTR_HttpMessage, MP_TYPE_FLAG_NONE, unary_op,
    mpy_view_unary_op, attr, http_attr, locals_dict, &http_locals_dict);

// ---------------------------------------------------------------------------------------------
// WsMessage

// The core has checked the text of a message; a control frame may hold anything.
static mp_obj_t ws_text(const pmg_ws_msg_t *msg) {
    if (msg->flags == WEBSOCKET_OP_TEXT && msg->data.len > 0) {
        return mp_obj_new_str_copy(&mp_type_str, (const byte *)msg->data.buf, msg->data.len);
    }
    return mpy_text_replace(msg->data);
}

static void ws_attr(mp_obj_t self_in, qstr attr, mp_obj_t *dest) {
    if (dest[0] != MP_OBJ_NULL) {
        return; // read-only
    }
    switch (attr) {
#define GET ((const pmg_ws_msg_t *)mpy_view_get(self_in))
#define X(name, field) \
    case MP_QSTR_##name: dest[0] = ws_text(GET); break;
        PMG_WS_TEXT_PROPS(X)
#undef X
#define X(name, field) \
    case MP_QSTR_##name: dest[0] = mpy_bytes(GET->field); break;
        PMG_WS_BYTES_PROPS(X)
#undef X
#define X(name, field) \
    case MP_QSTR_##name: dest[0] = MP_OBJ_NEW_SMALL_INT(GET->field); break;
        PMG_WS_INT_PROPS(X)
#undef X
#undef GET
        default: break; // it has no methods
    }
}

MP_DEFINE_CONST_OBJ_TYPE(mpy_type_WsMessage, MP_QSTR_WsMessage, MP_TYPE_FLAG_NONE, unary_op,
    mpy_view_unary_op, attr, ws_attr);
