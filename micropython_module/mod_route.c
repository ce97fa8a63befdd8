// SPDX-License-Identifier: GPL-2.0-only
//
// Routes: which record of an application's table a request means.

#include "mod_view.h"

#if PMG_HAS_WEB
#include "py/parsenum.h"

static mp_obj_t route_value(const pmg_route_value_t *value) {
    vstr_t vstr;
    vstr_init_len(&vstr, value->raw.len);
    int n = pmg_percent_decode(value->raw, vstr.buf, false);
    if (n < 0) {
        mpy_raise_result(n, PMG_MSG_BAD_ESCAPE);
    }
    if (value->kind == 'i') {
        return mp_parse_num_integer(vstr.buf, (size_t)n, 10, NULL);
    }
    if (value->kind == 'f') {
        return mp_parse_num_float(vstr.buf, (size_t)n, false, NULL);
    }
    return mpy_text_replace(mg_str_n(vstr.buf, (size_t)n));
}

static mp_obj_t module_http_route(size_t n_args, const mp_obj_t *args) {
    mp_obj_t message = args[1];
    int first = n_args > 2 ? mpy_get_small_int(args[2], "first") : 0;
    mp_buffer_info_t table;
    mpy_get_data(args[0], "table", &table);
    struct mg_str method, path;
    mp_obj_t verb = MP_OBJ_NULL, uri = MP_OBJ_NULL; // in a variable until the search is over
    if (mp_obj_is_exact_type(message, &mpy_type_HttpMessage)) {
        const pmg_http_msg_t *hm = mpy_view_get(message);
        method = hm->method;
        path = hm->uri;
    } else { // the copy of a message, or a test's stand-in
        verb = mp_load_attr(message, MP_QSTR_method);
        uri = mp_load_attr(message, MP_QSTR_uri);
        method = mpy_get_str(verb, "message.method");
        path = mpy_get_str(uri, "message.uri");
    }
    pmg_route_t found;
    int r = pmg_route_find(mg_str_n(table.buf, table.len), method, path, first, &found);
    if (r == -ENOENT) {
        return mp_const_none;
    }
    if (r == -EOPNOTSUPP) {
        return mp_obj_new_str(found.allow, strlen(found.allow));
    }
    if (r < 0) {
        mpy_raise_result(r, PMG_MSG_ROUTES);
    }
    if (found.num == 0) {
        return MP_OBJ_NEW_SMALL_INT(r);
    }
    mp_obj_t values = mp_obj_new_dict((size_t)found.num);
    for (int i = 0; i < found.num; i++) {
        struct mg_str name = found.values[i].name;
        mp_obj_dict_store(values, mp_obj_new_str_via_qstr(name.buf, name.len),
            route_value(&found.values[i]));
    }
    mp_obj_t pair[2] = {MP_OBJ_NEW_SMALL_INT(r), values};
    return mp_obj_new_tuple(2, pair);
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(module_http_route_obj, 2, 3, module_http_route);
#endif
