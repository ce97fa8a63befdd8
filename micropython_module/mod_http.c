// SPDX-License-Identifier: GPL-2.0-only
//
// HTTP: HttpMessage and the methods of Connection. Arguments are converted before the connection is
// looked at: a generator of headers or a __repr__ may run Python that polls.

#include "mod_view.h"

// ---------------------------------------------------------------------------------------------
// HttpMessage

static mp_obj_t message_header(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_name, ARG_default };
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(name),
        MPY_OPTIONAL(default, MP_ROM_NONE),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    const pmg_http_msg_t *hm = mpy_view_get(pos_args[0]);
    struct mg_str value = pmg_http_header(hm, mpy_get_str(args[ARG_name].u_obj, "name"));
    if (value.buf == NULL) {
        return args[ARG_default].u_obj;
    }
    struct mg_str name = mpy_get_str(args[ARG_name].u_obj, "name");
    size_t len = pmg_http_header_joined(hm, name, NULL);
    if (len == 0) {
        return mpy_text(value);
    }
    vstr_t vstr;
    vstr_init_len(&vstr, len);
    pmg_http_header_joined(mpy_view_get(pos_args[0]), name, vstr.buf);
    return mpy_text(mg_str_n(vstr.buf, len));
}
static MP_DEFINE_CONST_FUN_OBJ_KW(message_header_obj, 2, message_header);

static mp_obj_t message_headers(mp_obj_t self_in) {
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
static MP_DEFINE_CONST_FUN_OBJ_1(message_headers_obj, message_headers);

static mp_obj_t decoded(struct mg_str raw) {
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

static mp_obj_t message_query_var(mp_obj_t self_in, mp_obj_t name_in) {
    const pmg_http_msg_t *hm = mpy_view_get(self_in);
    struct mg_str raw = pmg_http_query_var(hm, mpy_get_str(name_in, "name"));
    return raw.buf != NULL ? decoded(raw) : mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(message_query_var_obj, message_query_var);

static mp_obj_t message_query_vars(mp_obj_t self_in) {
    const pmg_http_msg_t *hm = mpy_view_get(self_in);
    struct mg_str rest = hm->query, name, value;
    mp_obj_t list = mp_obj_new_list(0, NULL);
    while (pmg_form_next(&rest, &name, &value)) {
        mp_obj_t pair[2] = {decoded(name), decoded(value)};
        mp_obj_list_append(list, mp_obj_new_tuple(2, pair));
    }
    return list;
}
static MP_DEFINE_CONST_FUN_OBJ_1(message_query_vars_obj, message_query_vars);

static mp_obj_t message_cookie(mp_obj_t self_in, mp_obj_t name_in) {
    const pmg_http_msg_t *hm = mpy_view_get(self_in);
    struct mg_str value = pmg_http_cookie(hm, mpy_get_str(name_in, "name"));
    return value.buf != NULL ? mpy_text(value) : mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(message_cookie_obj, message_cookie);

static mp_obj_t message_status(mp_obj_t self_in) {
    const pmg_http_msg_t *hm = mpy_view_get(self_in);
    return hm->status != 0 ? MP_OBJ_NEW_SMALL_INT(hm->status) : mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(message_status_obj, message_status);

static mp_obj_t message_header_var(mp_obj_t self_in, mp_obj_t header_in, mp_obj_t var_in) {
    const pmg_http_msg_t *hm = mpy_view_get(self_in);
    struct mg_str header = mpy_get_str(header_in, "header_name");
    struct mg_str value = pmg_http_header_var(hm, header, mpy_get_str(var_in, "var_name"));
    return value.buf != NULL ? mpy_text(value) : mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(message_header_var_obj, message_header_var);

MPY_VIEW_WITH_METHODS(HttpMessage);

#if PMG_HAS_FORM
static mp_obj_t message_save(mp_obj_t self_in, mp_obj_t path_in) {
    const char *path = mpy_get_cstr(path_in, "path");
    mpy_view_get(self_in);
    struct mg_connection *c = ((mpy_view_t *)MP_OBJ_TO_PTR(self_in))->c;
    mpy_conn_t *conn = mpy_conn_open(MP_OBJ_FROM_PTR(*pmg_conn_obj(c)));
    return mpy_conn_done(conn, MPY_ENGINE(pmg_http_part_save(c, path)));
}
static MP_DEFINE_CONST_FUN_OBJ_2(message_save_obj, message_save);

MPY_VIEW_WITH_METHODS(FormPart);
#endif

const pmg_http_msg_t *mpy_http_message(mp_obj_t obj, struct mg_connection *c) {
    if (!mp_obj_is_exact_type(obj, &mpy_type_HttpMessage)) {
        mpy_raise_type(PMG_MSG_MESSAGE, NULL, obj);
    }
    const pmg_http_msg_t *hm = mpy_view_get(obj);
    if (!mpy_view_is_of(MP_OBJ_TO_PTR(obj), c)) {
        mpy_raise_type(PMG_MSG_MESSAGE, NULL, obj);
    }
    return hm;
}

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

static int put_html(struct mg_connection *c, struct mg_str body) {
    pmg_head_t head;
    int r = pmg_reply_begin(&head, c, 200);
    if (r >= 0) {
        r = pmg_head_html(&head);
    }
    return r < 0 ? r : pmg_reply_end(&head, body);
}

void mpy_reply_html(mp_obj_t self_in, mp_obj_t body_in) {
    mp_buffer_info_t body;
    mpy_get_data(body_in, "body", &body);
    mpy_conn_t *self = mpy_conn_open(self_in);
    mpy_conn_done(self, MPY_ENGINE(put_html(self->c, mg_str_n(body.buf, body.len))));
}

void mpy_reply(mp_obj_t self_in, mp_obj_t status_in, mp_obj_t body_in, mp_obj_t headers_in) {
    reply(self_in, status_in, body_in, headers_in, false);
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

static mp_obj_t conn_http_sse(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_event_type, ARG_data, ARG_id, ARG_retry };
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(event_type),
        MPY_REQUIRED(data),
        MPY_KEYWORD(id, MP_ROM_NONE),
        MPY_KEYWORD(retry, MP_ROM_NONE),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    struct mg_str type = mpy_get_str(args[ARG_event_type].u_obj, "event_type"), id = {NULL, 0};
    if (args[ARG_id].u_obj != mp_const_none) {
        id = mpy_get_str(args[ARG_id].u_obj, "id");
    }
    long long retry = -1;
    if (args[ARG_retry].u_obj != mp_const_none) {
        retry = (long long)mpy_get_size(args[ARG_retry].u_obj, "retry");
    }
    mp_buffer_info_t data;
    mpy_get_data(args[ARG_data].u_obj, "data", &data);
    mpy_conn_t *self = mpy_conn_open(pos_args[0]);
    struct mg_str lines = mg_str_n(data.buf, data.len);
    return mpy_conn_done(self, MPY_ENGINE(pmg_http_sse(self->c, type, lines, id, retry)));
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_conn_http_sse_obj, 1, conn_http_sse);

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
    enum { ARG_path, ARG_max_size, ARG_into };
    static const mp_arg_t allowed_args[] = {
        MPY_OPTIONAL(path, MP_ROM_NONE),
        MPY_REQUIRED_KEYWORD(max_size),
        MPY_KEYWORD(into, MP_ROM_NONE),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    mp_obj_t path_in = args[ARG_path].u_obj;
    const char *path = path_in != mp_const_none ? mpy_get_cstr(path_in, "path") : NULL;
    size_t max_size = mpy_get_size(args[ARG_max_size].u_obj, "max_size");
    mp_obj_t into = args[ARG_into].u_obj;
    mp_buffer_info_t buffer = {.len = 0};
    if (into != mp_const_none) {
        if (path != NULL) {
            mp_raise_msg(&mp_type_TypeError, (mp_rom_error_text_t)PMG_MSG_BODY_TWICE);
        }
        mpy_get_buffer(into, "into", &buffer);
        if (buffer.len == 0) {
            mpy_raise_value(PMG_MSG_BUFFER_EMPTY, "into");
        }
    }
    mpy_conn_t *self = mpy_conn_open(pos_args[0]);
    mpy_conn_done(self, MPY_ENGINE(pmg_http_stream_body(self->c, path, max_size, buffer.len)));
    self->into = buffer.len > 0 ? into : MP_OBJ_NULL;
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_conn_http_stream_body_obj, 1, conn_http_stream_body);
#endif

#if PMG_HAS_FORM
static mp_obj_t conn_http_stream_form(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_max_size, ARG_max_parts };
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED_KEYWORD(max_size),
        MPY_KEYWORD(max_parts, MP_ROM_INT(64)),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    size_t max_size = mpy_get_size(args[ARG_max_size].u_obj, "max_size");
    size_t max_parts = mpy_get_size(args[ARG_max_parts].u_obj, "max_parts");
    mpy_conn_t *self = mpy_conn_open(pos_args[0]);
    mpy_conn_done(self, MPY_ENGINE(pmg_http_stream_form(self->c, max_size, max_parts)));
    self->into = MP_OBJ_NULL; // of a body before
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_conn_http_stream_form_obj, 1, conn_http_stream_form);
#endif

// ---------------------------------------------------------------------------------------------
// Files

#if PMG_HAS_FILES
static struct mg_str root_text(mp_obj_t obj) {
    size_t len;
    const char *data = mp_obj_str_get_data(obj, &len);
    return mg_str_n(data, len);
}

// A path with its prefixes as one str, or as pairs.
static void roots_get(mp_obj_t obj, pmg_serve_t *opts) {
    mpy_headers_t pairs;
    if (mp_obj_is_str(obj)) {
        opts->root = mpy_get_cstr(obj, "root_dir");
        return;
    }
    mpy_pairs_get(obj, &pairs, PMG_MSG_ROOTS);
    pmg_serve_root_t *roots = m_new(pmg_serve_root_t, pairs.len / 2 + 1);
    for (size_t i = 0; i < pairs.len; i += 2) {
        roots[i / 2].prefix = root_text(pairs.items[i]);
        roots[i / 2].folder = root_text(pairs.items[i + 1]);
    }
    opts->roots = roots;
    opts->num_roots = pairs.len / 2;
}

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
        .headers = mpy_get_str(args[ARG_extra_headers].u_obj, "extra_headers"),
        .mime_types = mpy_get_str(args[ARG_mime_types].u_obj, "mime_types"),
        .page404 = mpy_get_cstr(args[ARG_page404].u_obj, "page404"),
        .no_listing = !mp_obj_is_true(args[ARG_listing].u_obj),
        .dotfiles = mp_obj_is_true(args[ARG_dotfiles].u_obj),
    };
    roots_get(args[ARG_root_dir].u_obj, &opts);
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
