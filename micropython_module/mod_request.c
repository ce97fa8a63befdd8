// SPDX-License-Identifier: GPL-2.0-only
//
// HttpRequest: what a handler of pymongoose.web gets. It holds what every request needs; of other names
// the message answers, or else its app, in Python.

#include "mod_view.h"

#if PMG_HAS_WEB
#include "py/objtuple.h"
#include "py/parsenum.h"

typedef struct {
    mp_obj_base_t base;
    mp_obj_t app, conn, message, listed, number, values, notes;
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

static void find(mpy_request_t *self, mp_obj_t table_in, int first, bool any_method) {
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
    if (any_method) {
        method.len = 0;
    }
    pmg_route_t found;
    int r = pmg_route_find(mg_str_n(table.buf, table.len), method, path, first, &found);
    self->number = MP_OBJ_NEW_SMALL_INT(r < 0 ? -1 : r);
    self->values = mp_const_none;
    if (r < 0 && r != -ENOENT) {
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

static mpy_request_t *request_new(mp_obj_t app, mp_obj_t conn, mp_obj_t message) {
    mpy_request_t *self = mp_obj_malloc(mpy_request_t, &mpy_type_HttpRequest);
    self->app = app;
    self->conn = conn;
    self->message = message;
    self->listed = mp_const_none;
    self->number = MP_OBJ_NEW_SMALL_INT(-1);
    self->values = mp_const_none;
    self->notes = mp_const_none;
    return self;
}

static mp_obj_t request_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw,
    const mp_obj_t *args) {
    (void)type;
    mp_arg_check_num(n_args, n_kw, 3, 4, false);
    mpy_request_t *self = request_new(args[0], args[1], args[2]);
    if (n_args > 3) {
        find(self, args[3], 0, false);
    }
    return MP_OBJ_FROM_PTR(self);
}

static mp_obj_t request_match(size_t n_args, const mp_obj_t *args) {
    mpy_request_t *self = MP_OBJ_TO_PTR(args[0]);
    find(self, args[1], n_args > 2 ? mpy_get_small_int(args[2], "first") : 0,
        n_args > 3 && mp_obj_is_true(args[3]));
    return self->number;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(request_match_obj, 2, 4, request_match);

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
    if (attr != MP_QSTR_headers || self->app == mp_const_none) { // more than the message's
        mp_load_method_maybe(self->message, attr, dest);
    }
    if (dest[0] == MP_OBJ_NULL) {
        mp_obj_t value = more(self, attr, MP_OBJ_NULL);
        dest[0] = value;
    }
}

MP_DEFINE_CONST_OBJ_TYPE(mpy_type_HttpRequest, MP_QSTR_HttpRequest, MP_TYPE_FLAG_NONE, make_new,
    request_make_new, attr, request_attr);

// ---------------------------------------------------------------------------------------------
// _Routes: the routes of an App as its connections' handler, for pymongoose.web: what a request costs
// beside its own handler. Where there is more to do than to send a str, the App goes on, in Python.

enum { ROUTE_HANDLER, ROUTE_NAMES, ROUTE_SPECIAL, ROUTE_ITEMS }; // of pymongoose.web.routes.Route

typedef struct {
    mp_obj_base_t base;
    mp_obj_t app, table, routes, headers;
    bool simple;
} mpy_routes_t;

// What the handler returned; the request itself where that has been sent.
static mp_obj_t attempt(mpy_request_t *self, const mp_obj_t *route, mp_obj_t headers) {
    mp_obj_t call[1 + 2 * PMG_ROUTE_PARAMS] = {MP_OBJ_FROM_PTR(self)}, result;
    size_t n = 0;
    if (self->values != mp_const_none) {
        mp_obj_t *names, *values;
        mp_obj_get_array(self->values, &n, &values);
        if (n > PMG_ROUTE_PARAMS) {
            n = PMG_ROUTE_PARAMS;
        }
        mp_obj_get_array_fixed_n(route[ROUTE_NAMES], n, &names);
        for (size_t i = 0; i < n; i++) {
            call[1 + 2 * i] = MP_OBJ_NEW_QSTR(mp_obj_str_get_qstr(names[i]));
            call[2 + 2 * i] = values[i];
        }
    }
    result = mp_call_function_n_kw(route[ROUTE_HANDLER], 1, n, call);
    if (self->notes != mp_const_none || !mp_obj_is_str(result)) {
        return result;
    }
    if (mpy_is_conn(self->conn) && headers == mp_const_true) {
        mpy_reply_html(self->conn, result);
    } else if (mpy_is_conn(self->conn)) {
        mpy_reply(self->conn, MP_OBJ_NEW_SMALL_INT(200), result, headers);
    } else { // a test's stand-in
        mp_obj_t reply[5] = {MP_OBJ_NULL, MP_OBJ_NULL, MP_OBJ_NEW_SMALL_INT(200), result, headers};
        mp_load_method(self->conn, MP_QSTR_reply, reply);
        mp_call_method_n_kw(3, 0, reply);
    }
    return call[0];
}

// MP_OBJ_NULL with *raised, or what attempt() gives.
static MP_NOINLINE mp_obj_t attempt_safely(mpy_request_t *self, const mp_obj_t *route,
    mp_obj_t headers, mp_obj_t *raised) {
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        mp_obj_t result = attempt(self, route, headers);
        nlr_pop();
        return result;
    }
    *raised = MP_OBJ_FROM_PTR(nlr.ret_val);
    return MP_OBJ_NULL;
}

static void tell_app(mpy_request_t *request, qstr method, mp_obj_t what) {
    mp_obj_t call[4] = {MP_OBJ_NULL, MP_OBJ_NULL, MP_OBJ_FROM_PTR(request), what};
    mp_load_method(request->app, method, call);
    mp_call_method_n_kw(what == MP_OBJ_NULL ? 1 : 2, 0, call);
}

static mp_obj_t routes_call(mp_obj_t self_in, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    mpy_routes_t *self = MP_OBJ_TO_PTR(self_in);
    mp_arg_check_num(n_args, n_kw, 3, 3, false);
    mpy_request_t *request = request_new(self->app, args[0], args[2]);
    request->listed = self->routes; // others may come meanwhile, with other numbers
    if (args[1] != MP_OBJ_NEW_SMALL_INT(MG_EV_HTTP_MSG)) {
        tell_app(request, MP_QSTR__event, args[1]);
        return mp_const_none;
    }
    find(request, self->table, 0, false);
    int number = MP_OBJ_SMALL_INT_VALUE(request->number);
    mp_obj_t *routes, *route;
    size_t len;
    mp_obj_tuple_get(request->listed, &len, &routes);
    route = NULL;
    if (self->simple && number >= 0 && (size_t)number + 1 < len) {
        mp_obj_tuple_get(routes[number], &len, &route);
    }
    if (route == NULL || route[ROUTE_SPECIAL] != mp_const_none) {
        tell_app(request, MP_QSTR__go, MP_OBJ_NULL);
        return mp_const_none;
    }
    mp_obj_t raised = MP_OBJ_NULL, result = attempt_safely(request, route, self->headers, &raised);
    if (result == MP_OBJ_NULL) {
        if (!mp_obj_exception_match(raised, MP_OBJ_FROM_PTR(&mp_type_Exception))) {
            nlr_jump(MP_OBJ_TO_PTR(raised));
        }
        tell_app(request, MP_QSTR__failed_at, raised);
    } else if (result != MP_OBJ_FROM_PTR(request)) {
        tell_app(request, MP_QSTR__returned, result);
    }
    return mp_const_none;
}

// (routes, headers, simple): `routes` are what the records of a table mean, behind them the table;
// `headers`, of a str, may be True: HTML; `simple`: a handler is all that there is to a request, no hooks.
static mp_obj_t routes_set(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    mpy_routes_t *self = MP_OBJ_TO_PTR(args[0]);
    mp_obj_t *routes, *route;
    size_t len = 0;
    if (mp_obj_is_type(args[1], &mp_type_tuple)) { // which stays as it is
        mp_obj_tuple_get(args[1], &len, &routes);
    }
    if (len == 0 || !mp_obj_is_type(routes[len - 1], &mp_type_bytes)) {
        mpy_raise_value(PMG_MSG_ROUTES, NULL);
    }
    for (size_t i = 0; i < len - 1; i++) {
        size_t items = 0;
        if (mp_obj_is_tuple_compatible(routes[i])) {
            mp_obj_tuple_get(routes[i], &items, &route);
        }
        if (items < ROUTE_ITEMS) {
            mpy_raise_value(PMG_MSG_ROUTES, NULL);
        }
    }
    self->table = routes[len - 1];
    self->routes = args[1];
    self->headers = args[2];
    self->simple = mp_obj_is_true(args[3]);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(routes_set_obj, 4, 4, routes_set);

static mp_obj_t routes_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw,
    const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 1, 1, false);
    mpy_routes_t *self = mp_obj_malloc(mpy_routes_t, type);
    self->app = args[0];
    self->table = mp_const_empty_bytes;
    self->routes = mp_const_empty_tuple;
    self->headers = mp_const_none;
    self->simple = false;
    return MP_OBJ_FROM_PTR(self);
}

static const mp_rom_map_elem_t routes_locals_table[] = {
    {MP_ROM_QSTR(MP_QSTR_set), MP_ROM_PTR(&routes_set_obj)},
};
static MP_DEFINE_CONST_DICT(routes_locals, routes_locals_table);

MP_DEFINE_CONST_OBJ_TYPE(mpy_type__Routes, MP_QSTR__Routes, MP_TYPE_FLAG_NONE, make_new,
    routes_make_new, call, routes_call, locals_dict, &routes_locals);
#endif
