// SPDX-License-Identifier: GPL-2.0-only
//
// HttpRequest: what a handler of pymongoose.web gets. It holds what every request needs; of other names
// the message answers, or else its app, in Python.

#include "mod_view.h"

#if PMG_HAS_WEB
#include "py/parsenum.h"

typedef struct {
    mp_obj_base_t base;
    mp_obj_t app, conn, message, number, values, notes;
} mpy_request_t;

static mp_obj_t route_value(const pmg_route_value_t *value) {
    if (value->kind == 'i') {
        return mp_obj_new_int_from_ll(pmg_route_int(value));
    }
    vstr_t vstr;
    vstr_init_len(&vstr, value->raw.len);
    int n = pmg_percent_decode(value->raw, vstr.buf, false);
    if (n < 0) {
        mpy_raise_result(n, PMG_MSG_BAD_ESCAPE);
    }
    if (value->kind == 'f') {
        return mp_parse_num_float(vstr.buf, (size_t)n, false, NULL);
    }
    return mpy_text_replace(mg_str_n(vstr.buf, (size_t)n));
}

static void find(mpy_request_t *self, mp_obj_t table_in, int first) {
    mp_obj_t verb = MP_OBJ_NULL, uri = MP_OBJ_NULL; // hold the text until the search is over
    struct mg_str method, path;
    if (mp_obj_is_exact_type(self->message, &mpy_type_HttpMessage)) {
        const pmg_http_msg_t *hm = mpy_view_get(self->message);
        method = hm->method;
        path = hm->uri;
    } else { // a test's stand-in
        verb = mp_load_attr(self->message, MP_QSTR_method);
        uri = mp_load_attr(self->message, MP_QSTR_uri);
        method = mpy_get_str(verb, "message.method");
        path = mpy_get_str(uri, "message.uri");
    }
    mp_buffer_info_t table;
    mpy_get_data(table_in, "table", &table);
    pmg_route_t found;
    int r = pmg_route_find(mg_str_n(table.buf, table.len), method, path, first, &found);
    self->number = MP_OBJ_NEW_SMALL_INT(r < 0 ? -1 : r);
    self->values = mp_const_none;
    if (r == -EOPNOTSUPP) {
        self->values = mp_obj_new_str(found.allow, strlen(found.allow));
    } else if (r < 0 && r != -ENOENT) {
        mpy_raise_result(r, PMG_MSG_ROUTES);
    } else if (r >= 0 && found.num > 0) {
        mp_obj_tuple_t *values = MP_OBJ_TO_PTR(mp_obj_new_tuple((size_t)found.num, NULL));
        self->values = MP_OBJ_FROM_PTR(values);
        for (int i = 0; i < found.num; i++) {
            values->items[i] = mp_const_none; // the collector may look at it
        }
        for (int i = 0; i < found.num; i++) {
            values->items[i] = route_value(&found.values[i]);
        }
    }
}

static mp_obj_t request_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw,
    const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 3, 4, false);
    mpy_request_t *self = mp_obj_malloc(mpy_request_t, type);
    self->app = args[0];
    self->conn = args[1];
    self->message = args[2];
    self->number = MP_OBJ_NEW_SMALL_INT(-1);
    self->values = mp_const_none;
    self->notes = mp_const_none;
    if (n_args > 3) {
        find(self, args[3], 0);
    }
    return MP_OBJ_FROM_PTR(self);
}

static mp_obj_t request_match(size_t n_args, const mp_obj_t *args) {
    mpy_request_t *self = MP_OBJ_TO_PTR(args[0]);
    find(self, args[1], n_args > 2 ? mpy_get_small_int(args[2], "first") : 0);
    return self->number;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(request_match_obj, 2, 3, request_match);

// (handler, names of the values, headers, True for those of HTML): what the handler returns; self if that
// was a str, and is answered.
static mp_obj_t request_run(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    mpy_request_t *self = MP_OBJ_TO_PTR(args[0]);
    mp_obj_t call[1 + 2 * PMG_ROUTE_PARAMS] = {args[0]}, result;
    size_t n = 0;
    if (self->values != mp_const_none) {
        mp_obj_t *names, *values;
        mp_obj_get_array(self->values, &n, &values);
        if (n > PMG_ROUTE_PARAMS) {
            n = PMG_ROUTE_PARAMS;
        }
        mp_obj_get_array_fixed_n(args[2], n, &names);
        for (size_t i = 0; i < n; i++) {
            call[1 + 2 * i] = MP_OBJ_NEW_QSTR(mp_obj_str_get_qstr(names[i]));
            call[2 + 2 * i] = values[i];
        }
    }
    result = mp_call_function_n_kw(args[1], 1, n, call);
    if (self->notes != mp_const_none || !mp_obj_is_str(result)) {
        return result;
    }
    if (mpy_is_conn(self->conn) && args[3] == mp_const_true) {
        mpy_reply_html(self->conn, result);
    } else if (mpy_is_conn(self->conn)) {
        mpy_reply(self->conn, MP_OBJ_NEW_SMALL_INT(200), result, args[3]);
    } else {
        mp_obj_t reply[5] = {MP_OBJ_NULL, MP_OBJ_NULL, MP_OBJ_NEW_SMALL_INT(200), result, args[3]};
        mp_load_method(self->conn, MP_QSTR_reply, reply);
        mp_call_method_n_kw(3, 0, reply);
    }
    return args[0];
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(request_run_obj, 4, 4, request_run);

// What neither it nor its message has: app._more(self, name), or with a value to store it.
static mp_obj_t more(mpy_request_t *self, qstr attr, mp_obj_t value) {
    mp_obj_t call[5] = {
        MP_OBJ_NULL, MP_OBJ_NULL, MP_OBJ_FROM_PTR(self), MP_OBJ_NEW_QSTR(attr), value};
    mp_load_method_maybe(self->app, MP_QSTR__more, call);
    return call[0] != MP_OBJ_NULL ? mp_call_method_n_kw(value != MP_OBJ_NULL ? 3 : 2, 0, call)
                                  : MP_OBJ_NULL;
}

static void request_attr(mp_obj_t self_in, qstr attr, mp_obj_t *dest) {
    mpy_request_t *self = MP_OBJ_TO_PTR(self_in);
    if (dest[0] != MP_OBJ_NULL) { // to be stored, or deleted
        if (dest[1] == MP_OBJ_NULL) {
            return;
        }
        switch (attr) {
#define X(name) \
    case MP_QSTR_##name: self->name = dest[1]; break;
            PMG_HTTP_REQUEST_PROPS(X)
#undef X
            default:
                if (more(self, attr, dest[1]) == MP_OBJ_NULL) {
                    return;
                }
        }
        dest[0] = MP_OBJ_NULL;
        return;
    }
    switch (attr) {
#define X(name) \
    case MP_QSTR_##name: dest[0] = self->name; return;
        PMG_HTTP_REQUEST_PROPS(X)
#undef X
#define X(name, min, max)                                 \
    case MP_QSTR_##name:                                  \
        dest[0] = MP_OBJ_FROM_PTR(&request_##name##_obj); \
        dest[1] = self_in;                                \
        return;
        PMG_HTTP_REQUEST_METHODS(X)
#undef X
        default: break;
    }
    mp_load_method_maybe(self->message, attr, dest);
    if (dest[0] == MP_OBJ_NULL) {
        mp_obj_t value = more(self, attr, MP_OBJ_NULL);
        dest[0] = value;
    }
}

MP_DEFINE_CONST_OBJ_TYPE(mpy_type_HttpRequest, MP_QSTR_HttpRequest, MP_TYPE_FLAG_NONE, make_new,
    request_make_new, attr, request_attr);
#endif
