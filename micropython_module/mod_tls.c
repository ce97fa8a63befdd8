// SPDX-License-Identifier: GPL-2.0-only
//
// TlsOpts, and the methods of a connection that take it.

#include "py/objstr.h"
#include "py/objtuple.h"

#include "mod_util.h"

#if PMG_HAS_TLS

typedef struct {
    mp_obj_base_t base;
    pmg_tls_conf_t *conf; // NULL once finalized
    mp_obj_t ca, cert, key, name, skip_verification, alpn;
} mpy_tls_opts_t;

static struct mg_str optional(mp_obj_t obj, const char *name) {
    mp_buffer_info_t info;
    if (obj == mp_const_none) {
        return mg_str_n(NULL, 0);
    }
    mpy_get_data(obj, name, &info);
    return mg_str_n(info.buf != NULL ? info.buf : "", info.len);
}

static const char *host_name(mp_obj_t obj) {
    if (mp_obj_is_type(obj, &mp_type_bytes)) { // as in cymongoose
        size_t len;
        const char *p = mp_obj_str_get_data(obj, &len);
        obj = mp_obj_new_str(p, len);
    }
    return obj != mp_const_none ? mpy_get_cstr(obj, "name") : NULL;
}

static mp_obj_t protocols(mp_obj_t obj) {
    if (obj == mp_const_none) {
        return mp_const_empty_tuple;
    }
    if (mp_obj_is_str_or_bytes(obj)) {
        mpy_raise_type(PMG_MSG_STRS, "alpn", obj);
    }
    return mp_call_function_1(MP_OBJ_FROM_PTR(&mp_type_tuple), obj);
}

static mp_obj_t tls_opts_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw,
    const mp_obj_t *all_args) {
    static const mp_arg_t allowed[] = {
        MPY_OPTIONAL(ca, MP_ROM_NONE),
        MPY_OPTIONAL(cert, MP_ROM_NONE),
        MPY_OPTIONAL(key, MP_ROM_NONE),
        MPY_OPTIONAL(name, MP_ROM_NONE),
        MPY_OPTIONAL(skip_verification, MP_ROM_FALSE),
        MPY_KEYWORD(alpn, MP_ROM_NONE),
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed)];
    mp_arg_parse_all_kw_array(n_args, n_kw, all_args, MP_ARRAY_SIZE(allowed), allowed, args);

    mpy_tls_opts_t *self = mp_obj_malloc_with_finaliser(mpy_tls_opts_t, type);
    self->conf = NULL;
    self->ca = args[0].u_obj;
    self->cert = args[1].u_obj;
    self->key = args[2].u_obj;
    self->name = args[3].u_obj;
    self->skip_verification = mp_obj_new_bool(mp_obj_is_true(args[4].u_obj));
    self->alpn = protocols(args[5].u_obj);
    mp_obj_tuple_t *names = MP_OBJ_TO_PTR(self->alpn);
    struct mg_str alpn[PMG_MAX_ALPN];
    for (size_t i = 0; i < names->len && i < PMG_MAX_ALPN; i++) {
        alpn[i] = mpy_get_str(names->items[i], "alpn");
    }
    pmg_tls_opts_t opts = {
        .alpn = alpn,
        .alpn_len = names->len,
        .name = host_name(self->name),
        .ca = optional(self->ca, "ca"),
        .cert = optional(self->cert, "cert"),
        .key = optional(self->key, "key"),
        .skip_verification = self->skip_verification == mp_const_true,
    };
    char why[200];
    int r = MPY_ENGINE(pmg_tls_conf_new(&opts, &self->conf, why, sizeof(why)));
    if (r < 0) {
        mpy_raise_result(r, why);
    }
    return MP_OBJ_FROM_PTR(self);
}

static mp_obj_t tls_opts_del(mp_obj_t self_in) {
    mpy_tls_opts_t *self = MP_OBJ_TO_PTR(self_in);
    pmg_tls_conf_t *conf = self->conf;
    self->conf = NULL;
    MPY_ENGINE_DO(pmg_tls_conf_unref(conf));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(tls_opts_del_obj, tls_opts_del);

// What was given, as bytes.
static mp_obj_t as_given(mp_obj_t obj) {
    return mp_obj_is_type(obj, &mp_type_bytes) ? obj : mpy_bytes(optional(obj, ""));
}

static void tls_opts_attr(mp_obj_t self_in, qstr attr, mp_obj_t *dest) {
    mpy_tls_opts_t *self = MP_OBJ_TO_PTR(self_in);
    if (dest[0] != MP_OBJ_NULL) {
        return; // read-only
    }
    switch (attr) {
#define X(name) \
    case MP_QSTR_##name: dest[0] = self->name; break;
        PMG_TLS_OPTS_PROPS(X)
#undef X
        default: dest[1] = MP_OBJ_SENTINEL; break;
    }
    if (attr == MP_QSTR_ca || attr == MP_QSTR_cert || attr == MP_QSTR_key || attr == MP_QSTR_name) {
        dest[0] = as_given(dest[0]);
    }
}

static const mp_rom_map_elem_t tls_opts_locals_dict_table[] = {
    {MP_ROM_QSTR(MP_QSTR___del__), MP_ROM_PTR(&tls_opts_del_obj)},
};
static MP_DEFINE_CONST_DICT(tls_opts_locals_dict, tls_opts_locals_dict_table);

MP_DEFINE_CONST_OBJ_TYPE(mpy_type_TlsOpts, MP_QSTR_TlsOpts, MP_TYPE_FLAG_NONE, make_new,
    tls_opts_make_new, attr, tls_opts_attr, locals_dict, &tls_opts_locals_dict);

// ---------------------------------------------------------------------------------------------
// Of a connection

// What it got is of no use: the engine closes the connection, and what its handler raises goes first.
static void failed(mp_obj_t self_in) {
    mpy_conn_t *self = MP_OBJ_TO_PTR(self_in);
    mpy_check_caller(self->mgr);
    if (self->c != NULL) {
        MPY_ENGINE_DO(pmg_tls_failed(self->c, PMG_MSG_TLS_FAILED));
        mpy_conn_done(self, 0);
    }
}

static mp_obj_t conn_tls_init(mp_obj_t self_in, mp_obj_t opts_in) {
    if (!mp_obj_is_type(opts_in, &mpy_type_TlsOpts)) {
        failed(self_in);
        mpy_raise_type(PMG_MSG_TLS_OPTS, "opts", opts_in);
    }
    mpy_tls_opts_t *opts = MP_OBJ_TO_PTR(opts_in);
    if (opts->conf == NULL) {
        failed(self_in);
        mpy_raise_error(EBADF, "TlsOpts was finalized");
    }
    mpy_conn_t *self = mpy_conn_open(self_in);
    return mpy_conn_done(self, MPY_ENGINE(pmg_tls_init(self->c, opts->conf)));
}
MP_DEFINE_CONST_FUN_OBJ_2(mpy_conn_tls_init_obj, conn_tls_init);

static mp_obj_t conn_tls_free(mp_obj_t self_in) {
    mpy_conn_t *self = mpy_conn_open(self_in);
    return mpy_conn_done(self, MPY_ENGINE(pmg_tls_free(self->c)));
}
MP_DEFINE_CONST_FUN_OBJ_1(mpy_conn_tls_free_obj, conn_tls_free);

#endif
