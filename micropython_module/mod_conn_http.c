// SPDX-License-Identifier: GPL-2.0-only
//
// The methods of Connection that speak HTTP and WebSocket. Arguments are converted before the
// connection is looked at: a generator of headers or a __repr__ may run Python that polls.

#include "mod_util.h"

// ---------------------------------------------------------------------------------------------
// Replies

// No Python runs from begin to end: the engine's buffer is half written.
static int put_reply(struct mg_connection *c, int status, struct mg_str body,
    const mpy_headers_t *headers, bool json) {
    pmg_head_t head;
    int r = pmg_reply_begin(&head, c, status);
    if (r < 0) {
        return r;
    }
    r = mpy_headers_put(headers, &head);
    if (r >= 0 && json) {
        r = pmg_head_header(&head, mg_str("Content-Type"), mg_str("application/json"));
    }
    if (r < 0) {
        pmg_head_abort(&head);
        return r;
    }
    return pmg_reply_end(&head, body);
}

static mp_obj_t reply(mp_obj_t self_in, mp_obj_t status_in, mp_obj_t body_in, mp_obj_t headers_in,
    bool json) {
    int status = mpy_get_small_int(status_in, "status_code");
    mpy_headers_t headers;
    mpy_headers_get(headers_in, &headers);
    if (json) {
        body_in = mpy_json(body_in);
        json = !mpy_headers_has(&headers, "content-type");
    }
    mp_buffer_info_t body;
    mpy_get_data(body_in, "body", &body);
    mpy_conn_t *self = mpy_conn_open(self_in);
    return mpy_conn_done(self,
        MPY_ENGINE(put_reply(self->c, status, mg_str_n(body.buf, body.len), &headers, json)));
}

static mp_obj_t conn_reply(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_status_code, ARG_body, ARG_headers };
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(status_code),
        MPY_OPTIONAL(body, MP_ROM_QSTR(MP_QSTR_)),
        MPY_OPTIONAL(headers, MP_ROM_NONE),
    };
    if (n_args == 3 && kw_args->used == 0) { // the common case
        return reply(pos_args[0], pos_args[1], pos_args[2], MP_OBJ_NULL, false);
    }
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    return reply(pos_args[0], args[ARG_status_code].u_obj, args[ARG_body].u_obj,
        args[ARG_headers].u_obj, false);
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_conn_reply_obj, 1, conn_reply);

static mp_obj_t conn_reply_json(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_data, ARG_status_code, ARG_headers };
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(data),
        MPY_OPTIONAL(status_code, MP_ROM_INT(200)),
        MPY_OPTIONAL(headers, MP_ROM_NONE),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    return reply(pos_args[0], args[ARG_status_code].u_obj, args[ARG_data].u_obj,
        args[ARG_headers].u_obj, true);
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_conn_reply_json_obj, 1, conn_reply_json);

static mp_obj_t conn_http_chunk(mp_obj_t self_in, mp_obj_t data_in) {
    mp_buffer_info_t data;
    mpy_get_data(data_in, "data", &data);
    mpy_conn_t *self = mpy_conn_open(self_in);
    return mpy_conn_done(self, MPY_ENGINE(pmg_http_chunk(self->c, data.buf, data.len)));
}
MP_DEFINE_CONST_FUN_OBJ_2(mpy_conn_http_chunk_obj, conn_http_chunk);

static mp_obj_t conn_http_sse(mp_obj_t self_in, mp_obj_t type_in, mp_obj_t data_in) {
    struct mg_str type = mpy_get_str(type_in, "event_type");
    mp_buffer_info_t data;
    mpy_get_data(data_in, "data", &data);
    mpy_conn_t *self = mpy_conn_open(self_in);
    return mpy_conn_done(self,
        MPY_ENGINE(pmg_http_sse(self->c, type, mg_str_n(data.buf, data.len))));
}
MP_DEFINE_CONST_FUN_OBJ_3(mpy_conn_http_sse_obj, conn_http_sse);

static mp_obj_t conn_http_basic_auth(mp_obj_t self_in, mp_obj_t user_in, mp_obj_t pass_in) {
    struct mg_str user = mpy_get_str(user_in, "username");
    struct mg_str pass = mpy_get_str(pass_in, "password");
    mpy_conn_t *self = mpy_conn_open(self_in);
    return mpy_conn_done(self, MPY_ENGINE(pmg_http_basic_auth(self->c, user, pass)));
}
MP_DEFINE_CONST_FUN_OBJ_3(mpy_conn_http_basic_auth_obj, conn_http_basic_auth);

// ---------------------------------------------------------------------------------------------
// Requests

static int put_request(struct mg_connection *c, struct mg_str method, struct mg_str uri,
    struct mg_str body, const mpy_headers_t *headers) {
    pmg_head_t head;
    int r = pmg_request_begin(&head, c, method, uri);
    if (r < 0) {
        return r;
    }
    r = mpy_headers_put(headers, &head);
    if (r < 0) {
        pmg_head_abort(&head);
        return r;
    }
    return pmg_request_end(&head, body);
}

static mp_obj_t conn_http_request(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_method, ARG_uri, ARG_body, ARG_headers };
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(method),
        MPY_REQUIRED(uri),
        MPY_OPTIONAL(body, MP_ROM_QSTR(MP_QSTR_)),
        MPY_OPTIONAL(headers, MP_ROM_NONE),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    struct mg_str method = mpy_get_str(args[ARG_method].u_obj, "method");
    struct mg_str uri = mpy_get_str(args[ARG_uri].u_obj, "uri");
    mpy_headers_t headers;
    mpy_headers_get(args[ARG_headers].u_obj, &headers);
    mp_buffer_info_t body;
    mpy_get_data(args[ARG_body].u_obj, "body", &body);
    mpy_conn_t *self = mpy_conn_open(pos_args[0]);
    struct mg_str data = mg_str_n(body.buf, body.len);
    return mpy_conn_done(self, MPY_ENGINE(put_request(self->c, method, uri, data, &headers)));
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_conn_http_request_obj, 1, conn_http_request);

// ---------------------------------------------------------------------------------------------
// Bodies in pieces

#if PMG_HAS_STREAM
static mp_obj_t conn_http_stream_body(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_path, ARG_max_size };
    static const mp_arg_t allowed_args[] = {
        MPY_OPTIONAL(path, MP_ROM_NONE),
        MPY_REQUIRED_KEYWORD(max_size),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    mp_obj_t path_in = args[ARG_path].u_obj;
    const char *path = path_in != mp_const_none ? mpy_get_cstr(path_in, "path") : NULL;
    size_t max_size = mpy_get_size(args[ARG_max_size].u_obj, "max_size");
    mpy_conn_t *self = mpy_conn_open(pos_args[0]);
    return mpy_conn_done(self, MPY_ENGINE(pmg_http_stream_body(self->c, path, max_size)));
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_conn_http_stream_body_obj, 1, conn_http_stream_body);
#endif

// ---------------------------------------------------------------------------------------------
// Files

#if PMG_HAS_FILES
static mp_obj_t conn_serve_dir(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum {
        ARG_message,
        ARG_root_dir,
        ARG_extra_headers,
        ARG_mime_types,
        ARG_page404,
        ARG_listing,
        ARG_dotfiles
    };
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(message),
        MPY_REQUIRED(root_dir),
        MPY_OPTIONAL(extra_headers, MP_ROM_QSTR(MP_QSTR_)),
        MPY_OPTIONAL(mime_types, MP_ROM_QSTR(MP_QSTR_)),
        MPY_OPTIONAL(page404, MP_ROM_QSTR(MP_QSTR_)),
        MPY_KEYWORD(listing, MP_ROM_TRUE),
        MPY_KEYWORD(dotfiles, MP_ROM_FALSE),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    pmg_serve_t opts = {
        .root = mpy_get_cstr(args[ARG_root_dir].u_obj, "root_dir"),
        .headers = mpy_get_str(args[ARG_extra_headers].u_obj, "extra_headers"),
        .mime_types = mpy_get_str(args[ARG_mime_types].u_obj, "mime_types"),
        .page404 = mpy_get_cstr(args[ARG_page404].u_obj, "page404"),
        .no_listing = !mp_obj_is_true(args[ARG_listing].u_obj),
        .dotfiles = mp_obj_is_true(args[ARG_dotfiles].u_obj),
    };
    if (opts.page404[0] == '\0') {
        opts.page404 = NULL;
    }
    mpy_conn_t *self = mpy_conn_open(pos_args[0]);
    const pmg_http_msg_t *hm = mpy_http_message(args[ARG_message].u_obj, self->c);
    return mpy_conn_done(self, MPY_ENGINE(pmg_serve_dir(self->c, hm, &opts)));
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_conn_serve_dir_obj, 1, conn_serve_dir);

static mp_obj_t conn_serve_file(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_message, ARG_path, ARG_extra_headers, ARG_mime_types };
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(message),
        MPY_REQUIRED(path),
        MPY_OPTIONAL(extra_headers, MP_ROM_QSTR(MP_QSTR_)),
        MPY_OPTIONAL(mime_types, MP_ROM_QSTR(MP_QSTR_)),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    pmg_serve_t opts = {
        .root = mpy_get_cstr(args[ARG_path].u_obj, "path"),
        .headers = mpy_get_str(args[ARG_extra_headers].u_obj, "extra_headers"),
        .mime_types = mpy_get_str(args[ARG_mime_types].u_obj, "mime_types"),
    };
    mpy_conn_t *self = mpy_conn_open(pos_args[0]);
    const pmg_http_msg_t *hm = mpy_http_message(args[ARG_message].u_obj, self->c);
    return mpy_conn_done(self, MPY_ENGINE(pmg_serve_file(self->c, hm, &opts)));
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_conn_serve_file_obj, 1, conn_serve_file);
#endif

// ---------------------------------------------------------------------------------------------
// WebSocket

static int put_upgrade(struct mg_connection *c, const pmg_http_msg_t *hm,
    const mpy_headers_t *headers) {
    pmg_head_t head;
    int r = pmg_ws_upgrade_begin(&head, c, hm);
    if (r < 0) {
        return r;
    }
    r = mpy_headers_put(headers, &head);
    if (r < 0) {
        pmg_head_abort(&head);
        return r;
    }
    return pmg_ws_upgrade_end(&head); // MG_EV_WS_OPEN comes in here
}

static mp_obj_t conn_ws_upgrade(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_message, ARG_extra_headers };
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(message),
        MPY_OPTIONAL(extra_headers, MP_ROM_NONE),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    mpy_headers_t headers;
    mpy_headers_get(args[ARG_extra_headers].u_obj, &headers);
    mpy_conn_t *self = mpy_conn_open(pos_args[0]);
    const pmg_http_msg_t *hm = mpy_http_message(args[ARG_message].u_obj, self->c);
    return mpy_conn_done(self, MPY_ENGINE(put_upgrade(self->c, hm, &headers)));
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
// Broadcast

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
            if (!mp_obj_is_exact_type(items[i], &mpy_type_Connection)) {
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
