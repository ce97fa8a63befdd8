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
    mp_obj_t ca, cert, key, name, skip_verification, alpn, legacy;
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
        MPY_KEYWORD(legacy, MP_ROM_FALSE),
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
    self->legacy = mp_obj_new_bool(mp_obj_is_true(args[6].u_obj));
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
        .legacy = self->legacy == mp_const_true,
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

static mp_obj_t get_not_after(const mpy_tls_opts_t *self) {
    long long when = self->conf != NULL ? pmg_tls_conf_not_after(self->conf) : 0;
    return when != 0 ? mp_obj_new_int_from_ll(when) : mp_const_none;
}

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
#define X(name) \
    case MP_QSTR_##name: dest[0] = get_##name(self); break;
        PMG_TLS_OPTS_FACTS(X)
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

static pmg_tls_conf_t *conf_of(mp_obj_t self_in, const char *name, mp_obj_t opts_in) {
    if (!mp_obj_is_type(opts_in, &mpy_type_TlsOpts)) {
        failed(self_in);
        mpy_raise_type(PMG_MSG_TLS_OPTS, name, opts_in);
    }
    mpy_tls_opts_t *opts = MP_OBJ_TO_PTR(opts_in);
    if (opts->conf == NULL) {
        failed(self_in);
        mpy_raise_error(EBADF, "TlsOpts was finalized");
    }
    return opts->conf;
}

// All is looked at before anything is made: what raises would else leak it.
static pmg_tls_sni_t *sites_of(mp_obj_t self_in, mp_obj_t obj, bool strict) {
    char why[200] = "no memory for TLS";
    if (obj == mp_const_none) {
        return NULL;
    }
    if (!mp_obj_is_dict_or_ordereddict(obj)) {
        failed(self_in);
        mpy_raise_type(PMG_MSG_DICT, "sni", obj);
    }
    const mp_map_t *map = mp_obj_dict_get_map(obj);
    for (size_t i = 0; i < map->alloc; i++) {
        if (mp_map_slot_is_filled(map, i)) {
            if (!mp_obj_is_str(map->table[i].key)) {
                failed(self_in);
            }
            (void)mpy_get_str(map->table[i].key, "sni");
            (void)conf_of(self_in, "sni", map->table[i].value);
        }
    }
    pmg_tls_sni_t *sni = MPY_ENGINE(pmg_tls_sni_new(map->used, strict));
    int r = sni != NULL ? 0 : -ENOMEM;
    for (size_t i = 0; i < map->alloc && r == 0; i++) {
        if (mp_map_slot_is_filled(map, i)) {
            mpy_tls_opts_t *opts = MP_OBJ_TO_PTR(map->table[i].value);
            struct mg_str name = mpy_get_str(map->table[i].key, "sni");
            r = MPY_ENGINE(pmg_tls_sni_add(sni, name, opts->conf, why, sizeof(why)));
        }
    }
    if (r < 0) {
        MPY_ENGINE_DO(pmg_tls_sni_unref(sni));
        failed(self_in);
        mpy_raise_result(r, why);
    }
    return sni;
}

static mp_obj_t conn_tls_init(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(opts),
        MPY_KEYWORD(sni, MP_ROM_NONE),
        MPY_KEYWORD(strict_sni, MP_ROM_FALSE),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    mp_obj_t self_in = pos_args[0];
    bool strict = mp_obj_is_true(args[2].u_obj);
    pmg_tls_conf_t *conf = conf_of(self_in, "opts", args[0].u_obj);
    pmg_tls_sni_t *sni = sites_of(self_in, args[1].u_obj, strict);
    mpy_conn_t *self = MP_OBJ_TO_PTR(self_in);
    if (self->c == NULL) {
        MPY_ENGINE_DO(pmg_tls_sni_unref(sni));
        self = mpy_conn_open(self_in); // which raises
    }
    mpy_check_caller(self->mgr);
    int r = MPY_ENGINE(pmg_tls_init(self->c, conf, sni));
    MPY_ENGINE_DO(pmg_tls_sni_unref(sni));
    return mpy_conn_done(self, r);
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_conn_tls_init_obj, 2, conn_tls_init);

static void store(mp_obj_t dict, qstr key, mp_obj_t value) {
    mp_obj_dict_store(dict, MP_OBJ_NEW_QSTR(key), value);
}

mp_obj_t mpy_peer_cert(mpy_conn_t *self) {
    const pmg_tls_cert_t *cert = NULL;
    if (self->c == NULL) {
        return mp_const_none;
    }
    int r = MPY_ENGINE(pmg_conn_peer_cert(self->c, &cert));
    if (r < 0) {
        mpy_conn_done(self, r);
    }
    if (cert == NULL) {
        return mp_const_none;
    }
    mp_obj_tuple_t *names = MP_OBJ_TO_PTR(mp_obj_new_tuple(cert->names_len, NULL));
    for (size_t i = 0; i < cert->names_len; i++) {
        names->items[i] = mpy_text(mg_str(cert->names[i]));
    }
    mp_obj_t dict = mp_obj_new_dict(7);
    store(dict, MP_QSTR_subject, mpy_text(mg_str(cert->subject)));
    store(dict, MP_QSTR_issuer, mpy_text(mg_str(cert->issuer)));
    store(dict, MP_QSTR_names, MP_OBJ_FROM_PTR(names));
    store(dict, MP_QSTR_serial, mpy_text(mg_str(cert->serial)));
    store(dict, MP_QSTR_not_before, mp_obj_new_int_from_ll(cert->not_before));
    store(dict, MP_QSTR_not_after, mp_obj_new_int_from_ll(cert->not_after));
    store(dict, MP_QSTR_sha256, mpy_text(mg_str(cert->sha256)));
    return dict;
}

static mp_obj_t conn_tls_free(mp_obj_t self_in) {
    mpy_conn_t *self = mpy_conn_open(self_in);
    return mpy_conn_done(self, MPY_ENGINE(pmg_tls_free(self->c)));
}
MP_DEFINE_CONST_FUN_OBJ_1(mpy_conn_tls_free_obj, conn_tls_free);

#endif
