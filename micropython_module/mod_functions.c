// SPDX-License-Identifier: GPL-2.0-only
//
// Functions that need no Manager; all they know stands in shared/.

#include <math.h>

#include "py/objint.h"
#include "py/objstr.h"
#include "py/parsenum.h"

#include "mod_util.h"

#if PMG_HAS_UTIL

static struct mg_str get_data(mp_obj_t obj, const char *name) {
    mp_buffer_info_t info;
    mpy_get_data(obj, name, &info);
    return mg_str_n(info.buf, info.len);
}

static mp_obj_t new_str(vstr_t *vstr, size_t len) {
    vstr->len = len;
    return mp_obj_new_str_from_utf8_vstr(vstr);
}

// ---------------------------------------------------------------------------------------------
// JSON

static struct mg_str json_find(mp_obj_t data_in, mp_obj_t path_in) {
    struct mg_str data = get_data(data_in, "data"), found;
    int r = pmg_json_find(data, mpy_get_str(path_in, "path"), &found);
    if (r < 0) {
        mpy_raise_result(r, PMG_MSG_JSON_PATH);
    }
    return found;
}

static mp_obj_t json_string(struct mg_str token) {
    vstr_t vstr;
    vstr_init_len(&vstr, token.len);
    return new_str(&vstr, (size_t)pmg_json_unescape(token, vstr.buf));
}

static mp_obj_t module_json_get(mp_obj_t data_in, mp_obj_t path_in) {
    struct mg_str found = json_find(data_in, path_in);
    return found.buf != NULL ? mpy_text(found) : mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_2(module_json_get_obj, module_json_get);

// The arguments (data, path, default): *otherwise is the last.
static struct mg_str json_args(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args,
    mp_obj_t *otherwise) {
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(data),
        MPY_REQUIRED(path),
        MPY_OPTIONAL(default, MP_ROM_PTR(NULL)),
    };
    MPY_PARSE(n_args, pos_args, kw_args);
    if (args[2].u_obj != MP_OBJ_NULL) {
        *otherwise = args[2].u_obj;
    }
    return json_find(args[0].u_obj, args[1].u_obj);
}

static mp_float_t json_float(struct mg_str number) {
    return mp_obj_get_float(mp_parse_num_float(number.buf, number.len, false, NULL));
}

static mp_obj_t module_json_get_num(size_t n_args, const mp_obj_t *args, mp_map_t *kw) {
    mp_obj_t otherwise = mp_const_none;
    struct mg_str found = json_args(n_args, args, kw, &otherwise);
    bool good = pmg_json_number(found) != PMG_JSON_NO_NUMBER;
    return good ? mp_obj_new_float(json_float(found)) : otherwise;
}
MP_DEFINE_CONST_FUN_OBJ_KW(module_json_get_num_obj, 0, module_json_get_num);

static mp_obj_t module_json_get_bool(size_t n_args, const mp_obj_t *args, mp_map_t *kw) {
    mp_obj_t otherwise = mp_const_none;
    struct mg_str found = json_args(n_args, args, kw, &otherwise);
    bool good = found.buf != NULL && (found.buf[0] == 't' || found.buf[0] == 'f');
    return good ? mp_obj_new_bool(found.buf[0] == 't') : otherwise;
}
MP_DEFINE_CONST_FUN_OBJ_KW(module_json_get_bool_obj, 0, module_json_get_bool);

static mp_obj_t module_json_get_long(size_t n_args, const mp_obj_t *args, mp_map_t *kw) {
    mp_obj_t otherwise = MP_OBJ_NEW_SMALL_INT(0);
    struct mg_str found = json_args(n_args, args, kw, &otherwise);
    int kind = pmg_json_number(found);
    if (kind == PMG_JSON_INT) {
        return mp_parse_num_integer(found.buf, found.len, 10, NULL);
    }
    if (kind == PMG_JSON_REAL) {
        mp_float_t value = json_float(found);
        if (!isinf(value)) {
            return mp_obj_new_int_from_float(value);
        }
    }
    return otherwise;
}
MP_DEFINE_CONST_FUN_OBJ_KW(module_json_get_long_obj, 0, module_json_get_long);

static mp_obj_t module_json_get_str(mp_obj_t data_in, mp_obj_t path_in) {
    struct mg_str found = json_find(data_in, path_in);
    return found.buf != NULL && found.buf[0] == '"' ? json_string(found) : mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_2(module_json_get_str_obj, module_json_get_str);

static const MP_DEFINE_STR_OBJ(whole, "$");

static mp_obj_t module_json_items(size_t n_args, const mp_obj_t *args) {
    struct mg_str rest = json_find(args[0], n_args > 1 ? args[1] : MP_OBJ_FROM_PTR(&whole));
    struct mg_str key, value;
    if (rest.buf == NULL || (rest.buf[0] != '[' && rest.buf[0] != '{')) {
        return mp_const_none;
    }
    mp_obj_t list = mp_obj_new_list(0, NULL);
    for (size_t n = 0; pmg_json_next(&rest, &key, &value); n++) {
        if (n == PMG_JSON_ITEMS) {
            mp_raise_msg_varg(&mpy_type_DecodeError,
                MP_ERROR_TEXT("json_items() gives at most %d items"), PMG_JSON_ITEMS);
        }
        mp_obj_t item = mpy_text(value);
        if (key.buf != NULL) {
            mp_obj_t pair[2] = {json_string(key), item};
            item = mp_obj_new_tuple(2, pair);
        }
        mp_obj_list_append(list, item);
    }
    return list;
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(module_json_items_obj, 1, 2, module_json_items);

// ---------------------------------------------------------------------------------------------
// URLs and forms

static pmg_url_parts_t url_split(mp_obj_t url_in) {
    pmg_url_parts_t parts;
    pmg_url_split(mpy_get_str(url_in, "url"), &parts);
    return parts;
}

static mp_obj_t module_url_port(mp_obj_t url_in) {
    int port = url_split(url_in).port;
    if (port < 0) {
        mpy_raise_result(-EILSEQ, PMG_MSG_URL_PORT);
    }
    return MP_OBJ_NEW_SMALL_INT(port);
}
MP_DEFINE_CONST_FUN_OBJ_1(module_url_port_obj, module_url_port);

#define URL_TEXT(name)                                   \
    static mp_obj_t module_url_##name(mp_obj_t url_in) { \
        return mpy_text(url_split(url_in).name);         \
    }                                                    \
    MP_DEFINE_CONST_FUN_OBJ_1(module_url_##name##_obj, module_url_##name)
URL_TEXT(host);
URL_TEXT(user);
URL_TEXT(pass);

static mp_obj_t uri_text(struct mg_str target) {
    if (target.len > 0 && target.buf[0] == '/') {
        return mpy_text(target);
    }
    vstr_t vstr;
    vstr_init(&vstr, target.len + 2);
    vstr_add_char(&vstr, '/');
    vstr_add_strn(&vstr, target.len > 0 ? target.buf : "", target.len);
    return mp_obj_new_str_from_utf8_vstr(&vstr);
}

static mp_obj_t module_url_uri(mp_obj_t url_in) {
    return uri_text(url_split(url_in).target);
}
MP_DEFINE_CONST_FUN_OBJ_1(module_url_uri_obj, module_url_uri);

// (is it https?, host, port, path and query) of a URL of HTTP; None for anything else.
static mp_obj_t http_url(mp_obj_t url_in) {
    pmg_url_parts_t parts;
    if (!mp_obj_is_str(url_in) || !pmg_url_http(mpy_get_str(url_in, "url"), &parts)) {
        return mp_const_none;
    }
    mp_obj_t found[4] = {
        mp_obj_new_bool(parts.is_tls),
        mpy_text(parts.host),
        MP_OBJ_NEW_SMALL_INT(parts.port),
    };
    found[3] = uri_text(parts.target);
    return mp_obj_new_tuple(4, found);
}
MP_DEFINE_CONST_FUN_OBJ_1(mpy_http_url_obj, http_url);

static mp_obj_t module_url_is_ssl(mp_obj_t url_in) {
    return mp_obj_new_bool(url_split(url_in).is_tls);
}
MP_DEFINE_CONST_FUN_OBJ_1(module_url_is_ssl_obj, module_url_is_ssl);

static mp_obj_t module_url_join(mp_obj_t base_in, mp_obj_t ref_in) {
    struct mg_str base = mpy_get_str(base_in, "base"), ref = mpy_get_str(ref_in, "ref");
    vstr_t vstr;
    vstr_init_len(&vstr, base.len + ref.len + 2);
    long n = pmg_url_join(base, ref, vstr.buf);
    if (n < 0) {
        mpy_raise_result((int)n, PMG_MSG_URL_BASE);
    }
    return new_str(&vstr, (size_t)n);
}
MP_DEFINE_CONST_FUN_OBJ_2(module_url_join_obj, module_url_join);

static mp_obj_t module_url_encode(mp_obj_t data_in) {
    struct mg_str data = get_data(data_in, "data");
    vstr_t vstr;
    vstr_init_len(&vstr, 3 * data.len);
    return new_str(&vstr, pmg_url_encode(data, vstr.buf));
}
MP_DEFINE_CONST_FUN_OBJ_1(module_url_encode_obj, module_url_encode);

static mp_obj_t percent_decoded(struct mg_str raw, bool plus) {
    vstr_t vstr;
    vstr_init_len(&vstr, raw.len);
    int n = pmg_percent_decode(raw, vstr.buf, plus);
    if (n < 0) {
        mpy_raise_result(n, PMG_MSG_BAD_ESCAPE);
    }
    return mpy_text_replace(mg_str_n(vstr.buf, (size_t)n));
}

static mp_obj_t module_url_decode(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(data),
        {MP_QSTR_plus, MP_ARG_BOOL, {.u_bool = false}},
    };
    MPY_PARSE(n_args, pos_args, kw_args);
    return percent_decoded(get_data(args[0].u_obj, "data"), args[1].u_bool);
}
MP_DEFINE_CONST_FUN_OBJ_KW(module_url_decode_obj, 0, module_url_decode);

static mp_obj_t module_match(mp_obj_t s_in, mp_obj_t pattern_in) {
    struct mg_str s = mpy_get_str(s_in, "s"), pattern = mpy_get_str(pattern_in, "pattern");
    size_t n = pmg_match_wildcards(pattern);
    struct mg_str *caps = m_new(struct mg_str, n + 1);
    int fits = MPY_ENGINE(pmg_match(s, pattern, caps));
    if (fits < 0) {
        mpy_raise_result(fits, "match");
    }
    mp_obj_t items[2] = {mp_obj_new_bool(fits), mp_obj_new_list(0, NULL)};
    for (size_t i = 0; fits && i < n; i++) {
        mp_obj_list_append(items[1], mpy_text(caps[i]));
    }
    m_del(struct mg_str, caps, n + 1);
    return mp_obj_new_tuple(2, items);
}
MP_DEFINE_CONST_FUN_OBJ_2(module_match_obj, module_match);

static mp_obj_t module_http_var(mp_obj_t buf_in, mp_obj_t name_in) {
    struct mg_str raw = pmg_form_var(get_data(buf_in, "buf"), mpy_get_str(name_in, "name"));
    return raw.buf != NULL ? percent_decoded(raw, true) : mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_2(module_http_var_obj, module_http_var);

static mp_obj_t part_text(struct mg_str raw, uint8_t form) {
    vstr_t vstr;
    vstr_init_len(&vstr, raw.len);
    return mpy_text(mg_str_n(vstr.buf, pmg_multipart_text(raw, form, vstr.buf)));
}

static mp_obj_t module_http_parse_multipart(size_t n_args, const mp_obj_t *pos_args,
    mp_map_t *kw_args) {
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(body),
        MPY_OPTIONAL(offset, MP_ROM_INT(0)),
        MPY_OPTIONAL(boundary, MP_ROM_QSTR(MP_QSTR_)),
    };
    MPY_PARSE(n_args, pos_args, kw_args);
    size_t offset = mpy_get_size(args[1].u_obj, "offset");
    struct mg_str body = get_data(args[0].u_obj, "body");
    struct mg_str boundary = mpy_get_str(args[2].u_obj, "boundary");
    const char *why;
    pmg_multipart_t part;
    int r = pmg_multipart_next(body, &offset, boundary, &part, &why);
    if (r < 0) {
        mpy_raise_as(r == -EILSEQ ? &mpy_type_DecodeError : &mp_type_ValueError, PMG_MSG_MULTIPART,
            why);
    }
    mp_obj_t items[2] = {MP_OBJ_NEW_SMALL_INT(0), mp_const_none};
    if (r > 0) {
        items[0] = mp_obj_new_int_from_uint(offset);
        items[1] = mp_obj_new_dict(4);
        mp_obj_dict_store(items[1], MP_OBJ_NEW_QSTR(MP_QSTR_name),
            part_text(part.name, part.name_form));
        mp_obj_dict_store(items[1], MP_OBJ_NEW_QSTR(MP_QSTR_filename),
            part_text(part.filename, part.filename_form));
        mp_obj_dict_store(items[1], MP_OBJ_NEW_QSTR(MP_QSTR_content_type), mpy_text(part.type));
        mp_obj_dict_store(items[1], MP_OBJ_NEW_QSTR(MP_QSTR_body), mpy_bytes(part.body));
    }
    return mp_obj_new_tuple(2, items);
}
MP_DEFINE_CONST_FUN_OBJ_KW(module_http_parse_multipart_obj, 0, module_http_parse_multipart);

static mp_obj_t module_safe_filename(mp_obj_t name_in) {
    struct mg_str name = mpy_get_str(name_in, "name");
    vstr_t vstr;
    vstr_init_len(&vstr, name.len);
    return mpy_text_replace(mg_str_n(vstr.buf, pmg_multipart_filename(name, vstr.buf)));
}
MP_DEFINE_CONST_FUN_OBJ_1(module_safe_filename_obj, module_safe_filename);

// ---------------------------------------------------------------------------------------------
// Hashes, Base64, random

#define HASH(name, size)                                 \
    static mp_obj_t module_##name(mp_obj_t data_in) {    \
        uint8_t digest[size];                            \
        pmg_##name(get_data(data_in, "data"), digest);   \
        return mp_obj_new_bytes(digest, sizeof(digest)); \
    }                                                    \
    MP_DEFINE_CONST_FUN_OBJ_1(module_##name##_obj, module_##name)
HASH(md5, 16);
HASH(sha1, 20);
HASH(sha256, 32);

static mp_obj_t module_hmac_sha256(mp_obj_t key_in, mp_obj_t data_in) {
    uint8_t digest[32];
    pmg_hmac_sha256(get_data(key_in, "key"), get_data(data_in, "data"), digest);
    return mp_obj_new_bytes(digest, sizeof(digest));
}
MP_DEFINE_CONST_FUN_OBJ_2(module_hmac_sha256_obj, module_hmac_sha256);

static mp_obj_t module_compare_digest(mp_obj_t a_in, mp_obj_t b_in) {
    return mp_obj_new_bool(pmg_same(get_data(a_in, "a"), get_data(b_in, "b")));
}
MP_DEFINE_CONST_FUN_OBJ_2(module_compare_digest_obj, module_compare_digest);

static mp_obj_t module_base64_encode(mp_obj_t data_in) {
    struct mg_str data = get_data(data_in, "data");
    vstr_t vstr;
    vstr_init_len(&vstr, PMG_BASE64_LEN(data.len));
    pmg_base64_encode(data, vstr.buf);
    return new_str(&vstr, vstr.len);
}
MP_DEFINE_CONST_FUN_OBJ_1(module_base64_encode_obj, module_base64_encode);

static mp_obj_t module_base64_decode(mp_obj_t data_in) {
    struct mg_str text = get_data(data_in, "data");
    vstr_t vstr;
    vstr_init_len(&vstr, text.len / 4 * 3);
    long n = pmg_base64_decode(text, vstr.buf);
    if (n < 0) {
        mpy_raise_result(-EILSEQ, PMG_MSG_BASE64);
    }
    vstr.len = (size_t)n;
    return mp_obj_new_bytes_from_vstr(&vstr);
}
MP_DEFINE_CONST_FUN_OBJ_1(module_base64_decode_obj, module_base64_decode);

static mp_obj_t module_crc32(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(data),
        MPY_OPTIONAL(initial, MP_ROM_INT(0)),
    };
    MPY_PARSE(n_args, pos_args, kw_args);
    struct mg_str data = get_data(args[0].u_obj, "data");
    mpy_get_int(args[1].u_obj, "initial"); // or a TypeError; of a big one the low bits count
    uint32_t crc = (uint32_t)mp_obj_get_int_truncated(args[1].u_obj);
    return mp_obj_new_int_from_uint(mg_crc32(crc, data.buf, data.len));
}
MP_DEFINE_CONST_FUN_OBJ_KW(module_crc32_obj, 0, module_crc32);

static void random_failed(bool good) {
    if (!good) {
        mpy_raise_error(EIO, PMG_MSG_RANDOM);
    }
}

static mp_obj_t module_random_bytes(mp_obj_t length_in) {
    vstr_t vstr;
    vstr_init_len(&vstr, mpy_get_size(length_in, "length"));
    random_failed(mg_random(vstr.buf, vstr.len));
    return mp_obj_new_bytes_from_vstr(&vstr);
}
MP_DEFINE_CONST_FUN_OBJ_1(module_random_bytes_obj, module_random_bytes);

static mp_obj_t module_random_str(mp_obj_t length_in) {
    vstr_t vstr;
    vstr_init_len(&vstr, mpy_get_size(length_in, "length"));
    random_failed(pmg_random_text(vstr.buf, vstr.len));
    return new_str(&vstr, vstr.len);
}
MP_DEFINE_CONST_FUN_OBJ_1(module_random_str_obj, module_random_str);

// ---------------------------------------------------------------------------------------------
// Clock and log

static mp_obj_t module_millis(void) {
    return mp_obj_new_int_from_ull(mg_millis());
}
MP_DEFINE_CONST_FUN_OBJ_0(module_millis_obj, module_millis);

// The level is the C side's and would outlive a soft reset: what dies in one puts it back.
typedef struct {
    mp_obj_base_t base;
} log_reset_t;

MP_REGISTER_ROOT_POINTER(void *mpy_log_reset);

static mp_obj_t log_reset_del(mp_obj_t self) {
    (void)self;
    MP_STATE_VM(mpy_log_reset) = NULL;
    pmg_log_set(MG_LL_NONE);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(log_reset_del_obj, log_reset_del);

static const mp_rom_map_elem_t log_reset_locals_table[] = {
    {MP_ROM_QSTR(MP_QSTR___del__), MP_ROM_PTR(&log_reset_del_obj)},
};
static MP_DEFINE_CONST_DICT(log_reset_locals, log_reset_locals_table);

static MP_DEFINE_CONST_OBJ_TYPE(log_reset_type, MP_QSTR_log_set, MP_TYPE_FLAG_NONE, locals_dict,
    &log_reset_locals);

static mp_obj_t module_log_set(mp_obj_t level_in) {
    int level = mpy_get_small_int(level_in, "level");
    if (MP_STATE_VM(mpy_log_reset) == NULL && level > MG_LL_NONE) {
        MP_STATE_VM(mpy_log_reset) = mp_obj_malloc_with_finaliser(log_reset_t, &log_reset_type);
    }
    pmg_log_set(level);
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_1(module_log_set_obj, module_log_set);

static mp_obj_t module_log_get(void) {
    return MP_OBJ_NEW_SMALL_INT(pmg_log_get());
}
MP_DEFINE_CONST_FUN_OBJ_0(module_log_get_obj, module_log_get);

#endif
