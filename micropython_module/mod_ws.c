// SPDX-License-Identifier: GPL-2.0-only
//
// WebSocket: WsMessage, the methods of Connection and of Manager. Arguments are converted before the
// connection is looked at.

#include "py/objstr.h"

#include "mod_view.h"

// ---------------------------------------------------------------------------------------------
// WsMessage

// The core has checked the text of a message; a control frame may hold anything.
static mp_obj_t get_text(const pmg_ws_msg_t *msg) {
    if (msg->flags == WEBSOCKET_OP_TEXT && msg->data.len > 0) {
        return mpy_new_str(&mp_type_str, msg->data);
    }
    return mpy_text_replace(msg->data);
}

MPY_VIEW_WITH_METHODS(WsMessage);

// ---------------------------------------------------------------------------------------------
// Connection

static int put_upgrade(struct mg_connection *c, const pmg_http_msg_t *hm,
    const mpy_headers_t *headers, struct mg_str protocol) {
    pmg_head_t head;
    int r = pmg_ws_upgrade_begin(&head, c, hm);
    if (r < 0) {
        return r;
    }
    r = mpy_headers_put(headers, &head);
    if (r >= 0 && protocol.buf != NULL) {
        r = pmg_ws_upgrade_protocol(&head, protocol);
    }
    if (r < 0) {
        pmg_head_abort(&head);
        return r;
    }
    return pmg_ws_upgrade_end(&head); // MG_EV_WS_OPEN comes in here
}

static mp_obj_t conn_ws_upgrade(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_message, ARG_headers, ARG_protocol, ARG_extra_headers };
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(message),
        MPY_OPTIONAL(headers, MP_ROM_NONE),
        MPY_KEYWORD(protocol, MP_ROM_NONE),
        MPY_KEYWORD(extra_headers, MP_ROM_NONE),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    mp_obj_t given = args[ARG_headers].u_obj;
    if (args[ARG_extra_headers].u_obj != mp_const_none) {
        if (given != mp_const_none) {
            mp_raise_TypeError(MP_ERROR_TEXT(PMG_MSG_HEADERS_TWICE));
        }
        given = args[ARG_extra_headers].u_obj;
    }
    mpy_headers_t headers;
    mpy_headers_get(given, &headers);
    struct mg_str protocol = {NULL, 0};
    if (args[ARG_protocol].u_obj != mp_const_none) {
        protocol = mpy_get_str(args[ARG_protocol].u_obj, "protocol");
    }
    mpy_conn_t *self = mpy_conn_open(pos_args[0]);
    const pmg_http_msg_t *hm = mpy_http_message(args[ARG_message].u_obj, self->c);
    return mpy_conn_done(self, MPY_ENGINE(put_upgrade(self->c, hm, &headers, protocol)));
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_conn_ws_upgrade_obj, 1, conn_ws_upgrade);

static mp_obj_t conn_ws_send(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_data, ARG_op };
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(data),
        MPY_OPTIONAL(op, MP_ROM_INT(WEBSOCKET_OP_TEXT)),
    };
    mp_buffer_info_t data;
    if (n_args == 2 && kw_args->used == 0) { // the common case
        // A str is checked as bytes are: MicroPython lets a lone surrogate into one.
        mpy_get_data(pos_args[1], "data", &data);
        mpy_conn_t *self = mpy_conn_open(pos_args[0]);
        int r = MPY_ENGINE(pmg_ws_send(self->c, data.buf, data.len, WEBSOCKET_OP_TEXT));
        return mpy_conn_done(self, r);
    }
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    mpy_get_data(args[ARG_data].u_obj, "data", &data);
    int op = mpy_get_small_int(args[ARG_op].u_obj, "op");
    mpy_conn_t *self = mpy_conn_open(pos_args[0]);
    return mpy_conn_done(self, MPY_ENGINE(pmg_ws_send(self->c, data.buf, data.len, op)));
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_conn_ws_send_obj, 1, conn_ws_send);

// ---------------------------------------------------------------------------------------------
// Manager

static int put_headers(pmg_head_t *head, const void *headers) {
    return mpy_headers_put(headers, head);
}

static mp_obj_t manager_ws_connect(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_url, ARG_handler, ARG_protocols, ARG_headers, ARG_events };
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(url),
        MPY_OPTIONAL(handler, MP_ROM_NONE),
        MPY_KEYWORD(protocols, MP_ROM_NONE),
        MPY_KEYWORD(headers, MP_ROM_NONE),
        MPY_KEYWORD(events, MP_ROM_NONE),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    mpy_open_t arg = mpy_open_arg(args[ARG_handler].u_obj, args[ARG_events].u_obj);
    const char *url = mpy_get_cstr(args[ARG_url].u_obj, "url");
    mpy_headers_t headers;
    mpy_headers_get(args[ARG_headers].u_obj, &headers);
    pmg_ws_ask_t ask = {.headers = headers.len > 0 ? put_headers : NULL, .arg = &headers};
    mp_obj_t protocols = args[ARG_protocols].u_obj;
    if (mp_obj_is_str_or_bytes(protocols)) {
        mpy_raise_type(PMG_MSG_STRS, "protocols", protocols);
    }
    if (protocols != mp_const_none) {
        mp_obj_t *items;
        protocols = mp_call_function_1(MP_OBJ_FROM_PTR(&mp_type_list), protocols);
        mp_obj_get_array(protocols, &ask.num_protocols, &items);
        struct mg_str *names = m_new(struct mg_str, ask.num_protocols + 1);
        for (size_t i = 0; i < ask.num_protocols; i++) {
            names[i] = mpy_get_str(items[i], "protocols");
        }
        ask.protocols = names;
    }
    mpy_manager_t *self = mpy_manager_open(pos_args[0]);
    struct mg_connection *c = NULL;
    mpy_check(self, self->m, MPY_ENGINE(pmg_connect(self->m, url, &pmg_ws, &ask, &arg, &c)));
    return MP_OBJ_FROM_PTR(arg.conn);
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_manager_ws_connect_obj, 1, manager_ws_connect);

// No Python runs in here, nor does the engine call back.
static int put_broadcast(pmg_broadcast_t *b, pmg_mgr_t *m, struct mg_str data, int op,
    size_t max_queued, mp_obj_t to) {
    int r = pmg_broadcast_begin(b, m, data, op, false, max_queued);
    if (r < 0) {
        return r;
    }
    if (to == mp_const_none) {
        pmg_broadcast_all(b);
        return 0;
    }
    size_t len;
    mp_obj_t *items;
    mp_obj_get_array(to, &len, &items);
    for (size_t i = 0; i < len && r >= 0; i++) {
        mpy_conn_t *conn = MP_OBJ_TO_PTR(items[i]);
        r = conn->c != NULL ? pmg_broadcast_one(b, conn->c) : 0;
    }
    return r;
}

static mp_obj_t manager_broadcast(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_data, ARG_op, ARG_to, ARG_max_queued };
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(data),
        MPY_OPTIONAL(op, MP_ROM_INT(WEBSOCKET_OP_TEXT)),
        MPY_KEYWORD(to, MP_ROM_NONE),
        MPY_KEYWORD(max_queued, MP_ROM_NONE),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    int op = mpy_get_small_int(args[ARG_op].u_obj, "op");
    size_t max_queued = SIZE_MAX;
    if (args[ARG_max_queued].u_obj != mp_const_none) {
        max_queued = mpy_get_size(args[ARG_max_queued].u_obj, "max_queued");
    }
    mp_obj_t to = args[ARG_to].u_obj;
    if (to != mp_const_none) {
        size_t len;
        mp_obj_t *items;
        to = mp_call_function_1(MP_OBJ_FROM_PTR(&mp_type_list), to); // runs its iterator
        mp_obj_get_array(to, &len, &items);
        for (size_t i = 0; i < len; i++) {
            if (!mpy_is_conn(items[i])) {
                mpy_raise_type(PMG_MSG_CONNECTIONS, "to", items[i]);
            }
        }
    }
    mp_buffer_info_t data;
    mpy_get_data(args[ARG_data].u_obj, "data", &data);
    mpy_manager_t *self = mpy_manager_open(pos_args[0]);
    pmg_broadcast_t b;
    struct mg_str message = mg_str_n(data.buf, data.len);
    mpy_check(self, self->m, MPY_ENGINE(put_broadcast(&b, self->m, message, op, max_queued, to)));
    mp_obj_t counts[2] = {mp_obj_new_int_from_uint(b.sent), mp_obj_new_int_from_uint(b.skipped)};
    return mp_obj_new_tuple(2, counts);
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_manager_broadcast_obj, 2, manager_broadcast);
