// SPDX-License-Identifier: GPL-2.0-only

#include <string.h>

#include "py/mperrno.h"
#include "py/objexcept.h"
#include "py/objint.h"
#include "py/objstr.h"
#include "py/objtuple.h"

#include "mod_util.h"

#define MPY_INT_MAX ((mp_int_t)((mp_uint_t) - 1 >> 1))
#define MPY_INT_MIN (-MPY_INT_MAX - 1)

// ---------------------------------------------------------------------------------------------
// Errors

// Error(text): an exception has room for its arguments alone, so .errno hides among them, second.
static bool has_errno_arg(const mp_obj_exception_t *self) {
    return self->args != NULL && self->args->len == 2 && mp_obj_is_small_int(self->args->items[1]);
}

static void error_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    mp_obj_exception_t *self = MP_OBJ_TO_PTR(self_in);
    mp_print_kind_t k = kind & ~PRINT_EXC_SUBCLASS;
    if (!has_errno_arg(self)) {
        mp_obj_exception_print(print, self_in, kind);
        return;
    }
    if (!(kind & PRINT_EXC_SUBCLASS) && (k == PRINT_REPR || k == PRINT_EXC)) {
        mp_print_str(print, qstr_str(self->base.type->name));
    }
    if (k == PRINT_REPR) {
        mp_print_str(print, "(");
        mp_obj_print_helper(print, self->args->items[0], PRINT_REPR);
        mp_print_str(print, ")");
        return;
    }
    if (k == PRINT_EXC) {
        mp_print_str(print, ": ");
    }
    mp_obj_print_helper(print, self->args->items[0], PRINT_STR);
}

static void error_attr(mp_obj_t self_in, qstr attr, mp_obj_t *dest) {
    mp_obj_exception_t *self = MP_OBJ_TO_PTR(self_in);
    bool has_errno = has_errno_arg(self);
    if (dest[0] == MP_OBJ_NULL && attr == MP_QSTR_errno) {
        dest[0] = has_errno ? self->args->items[1] : MP_OBJ_NEW_SMALL_INT(0);
    } else if (dest[0] == MP_OBJ_NULL && attr == MP_QSTR_args && has_errno) {
        dest[0] = mp_obj_new_tuple(1, self->args->items);
    } else {
        mp_obj_exception_attr(self_in, attr, dest);
    }
}

MP_DEFINE_CONST_OBJ_TYPE(mpy_type_Error, MP_QSTR_Error, MP_TYPE_FLAG_NONE, make_new,
    mp_obj_exception_make_new, print, error_print, attr, error_attr, parent, &mp_type_RuntimeError);

MP_DEFINE_CONST_OBJ_TYPE(mpy_type_DecodeError, MP_QSTR_DecodeError, MP_TYPE_FLAG_NONE, make_new,
    mp_obj_exception_make_new, print, mp_obj_exception_print, attr, mp_obj_exception_attr, parent,
    &mp_type_ValueError);

// A port may have numbers of its own, those of Python's `errno` there; the engine has libc's.
#if MICROPY_USE_INTERNAL_ERRNO
static int python_errno(int err) {
    switch (err) {
        case EADDRINUSE: return MP_EADDRINUSE;
        case EAFNOSUPPORT: return MP_EAFNOSUPPORT;
        case EALREADY: return MP_EALREADY;
        case ECONNABORTED: return MP_ECONNABORTED;
        case ECONNREFUSED: return MP_ECONNREFUSED;
        case ECONNRESET: return MP_ECONNRESET;
        case EHOSTUNREACH: return MP_EHOSTUNREACH;
        case EINPROGRESS: return MP_EINPROGRESS;
        case EISCONN: return MP_EISCONN;
        case ENOBUFS: return MP_ENOBUFS;
        case ENOTCONN: return MP_ENOTCONN;
        case EOPNOTSUPP: return MP_EOPNOTSUPP;
#if ENOTSUP != EOPNOTSUPP
        case ENOTSUP: return MP_EOPNOTSUPP;
#endif
        case ETIMEDOUT: return MP_ETIMEDOUT;
        // Numbers that MicroPython does not name; as on Linux, like the others.
        case EDESTADDRREQ: return 89;
        case EMSGSIZE: return 90;
        case ENETUNREACH: return 101;
        case EPROTO: return 71;
        default: return err; // the first 34 are the same everywhere
    }
}
#else
#define python_errno(err) (err)
#endif

MP_NORETURN void mpy_raise_error(int err, const char *text) {
    mp_obj_t args[2] = {
        mpy_text_replace(mg_str(text)),
        MP_OBJ_NEW_SMALL_INT(python_errno(err)),
    };
    nlr_raise(mp_obj_new_exception_args(&mpy_type_Error, 2, args));
}

MP_NORETURN void mpy_raise_result(int result, const char *text) {
    if (result == -ENOMEM) {
        mp_rom_error_text_t format = (mp_rom_error_text_t) "%s";
        nlr_raise(mp_obj_new_exception_msg_varg(&mp_type_MemoryError, format, text));
    }
    if (result == -EINVAL || result == -EILSEQ) {
        mp_obj_t arg = mpy_text_replace(mg_str(text));
        const mp_obj_type_t *type = result == -EILSEQ ? &mpy_type_DecodeError : &mp_type_ValueError;
        nlr_raise(mp_obj_new_exception_arg1(type, arg));
    }
    mpy_raise_error(-result, text);
}

MP_NORETURN void mpy_raise_type(const char *format, const char *name, mp_obj_t got) {
    const char *type = mp_obj_get_type_str(got);
    mp_rom_error_text_t text = (mp_rom_error_text_t)format;
    if (name == NULL) { // a format that takes the type alone
        nlr_raise(mp_obj_new_exception_msg_varg(&mp_type_TypeError, text, type));
    }
    nlr_raise(mp_obj_new_exception_msg_varg(&mp_type_TypeError, text, name, type));
}

MP_NORETURN void mpy_raise_as(const mp_obj_type_t *type, const char *format, const char *name) {
    mp_rom_error_text_t text = (mp_rom_error_text_t)format;
    nlr_raise(mp_obj_new_exception_msg_varg(type, text, name));
}

MP_NORETURN void mpy_raise_value(const char *format, const char *name) {
    mpy_raise_as(&mp_type_ValueError, format, name);
}

// ---------------------------------------------------------------------------------------------
// Arguments

void mpy_get_data(mp_obj_t obj, const char *name, mp_buffer_info_t *out) {
    if (!mp_get_buffer(obj, out, MP_BUFFER_READ)) {
        mpy_raise_type(PMG_MSG_STR_OR_BYTES, name, obj);
    }
}

void mpy_get_buffer(mp_obj_t obj, const char *name, mp_buffer_info_t *out) {
    if (!mp_get_buffer(obj, out, MP_BUFFER_WRITE)) {
        mpy_raise_type(PMG_MSG_BUFFER, name, obj);
    }
}

struct mg_str mpy_get_str(mp_obj_t obj, const char *name) {
    if (!mp_obj_is_str(obj)) {
        mpy_raise_type(PMG_MSG_STR, name, obj);
    }
    size_t len;
    const char *data = mp_obj_str_get_data(obj, &len);
    return mg_str_n(data, len);
}

const char *mpy_get_cstr(mp_obj_t obj, const char *name) {
    struct mg_str s = mpy_get_str(obj, name);
    if (memchr(s.buf, '\0', s.len) != NULL) {
        mpy_raise_value(PMG_MSG_NUL, name);
    }
    return s.buf; // a str ends with a NUL of its own
}

mp_int_t mpy_get_int(mp_obj_t obj, const char *name) {
    if (mp_obj_is_small_int(obj)) {
        return MP_OBJ_SMALL_INT_VALUE(obj);
    }
    if (!mp_obj_is_integer(obj)) {
        mpy_raise_type(PMG_MSG_INT, name, obj);
    }
    if (mp_obj_is_bool(obj)) {
        return obj == mp_const_true;
    }
    mp_int_t value = mp_obj_int_get_truncated(obj);
    if (mp_obj_equal(mp_obj_new_int(value), obj)) {
        return value;
    }
    return mp_obj_int_sign(obj) < 0 ? MPY_INT_MIN : MPY_INT_MAX;
}

int mpy_get_small_int(mp_obj_t obj, const char *name) {
    mp_int_t value = mpy_get_int(obj, name);
    return value < INT_MIN ? INT_MIN : value > INT_MAX ? INT_MAX : (int)value;
}

mp_uint_t mpy_get_size(mp_obj_t obj, const char *name) {
    mp_int_t value = mpy_get_int(obj, name);
    if (value < 0) {
        mpy_raise_value(PMG_MSG_NEGATIVE, name);
    }
    return (mp_uint_t)value;
}

mp_obj_t mpy_get_handler(mp_obj_t obj, const char *name) {
    if (obj != mp_const_none && !mp_obj_is_callable(obj)) {
        mpy_raise_type(PMG_MSG_CALLABLE, name, obj);
    }
    return obj;
}

uint32_t mpy_get_events(mp_obj_t events) {
    if (events == mp_const_none) {
        return 0;
    }
    mp_obj_t method[2], item;
    mp_load_method_maybe(events, MP_QSTR___iter__, method);
    if (!MP_OBJ_TYPE_HAS_SLOT(mp_obj_get_type(events), iter) && method[0] == MP_OBJ_NULL) {
        mpy_raise_type(PMG_MSG_EVENTS, "events", events);
    }
    uint32_t mask = PMG_EVENTS_GIVEN;
    mp_obj_t iter = mp_getiter(events, NULL);
    while ((item = mp_iternext(iter)) != MP_OBJ_STOP_ITERATION) {
        uint32_t bit = pmg_event_bit(mpy_get_small_int(item, "an event"));
        if (bit == 0) {
            mp_obj_t name = mp_call_function_1(MP_OBJ_FROM_PTR(&module_event_name_obj), item);
            mpy_raise_value(PMG_MSG_NO_EVENT, mp_obj_str_get_str(name));
        }
        mask |= bit;
    }
    return mask;
}

// ---------------------------------------------------------------------------------------------
// Texts

mp_obj_t mpy_new_str(const mp_obj_type_t *type, struct mg_str s) {
    byte *data = m_new(byte, s.len + 1);
    memcpy(data, s.buf, s.len);
    data[s.len] = '\0';
    mp_obj_str_t *o = mp_obj_malloc(mp_obj_str_t, type);
    o->hash = 0;
    o->len = s.len;
    o->data = data;
    return MP_OBJ_FROM_PTR(o);
}

mp_obj_t mpy_text(struct mg_str s) {
    if (s.len == 0) {
        return MP_OBJ_NEW_QSTR(MP_QSTR_);
    }
    if (pmg_utf8_valid(s.buf, s.len)) {
        return mpy_new_str(&mp_type_str, s);
    }
    vstr_t vstr;
    vstr_init_len(&vstr, 2 * s.len);
    vstr.len = pmg_latin1_to_utf8(s.buf, s.len, vstr.buf);
    return mp_obj_new_str_from_utf8_vstr(&vstr);
}

mp_obj_t mpy_text_replace(struct mg_str s) {
    if (s.len == 0) {
        return MP_OBJ_NEW_QSTR(MP_QSTR_);
    }
    if (pmg_utf8_valid(s.buf, s.len)) {
        return mpy_new_str(&mp_type_str, s);
    }
    vstr_t vstr;
    vstr_init_len(&vstr, pmg_utf8_replace(s.buf, s.len, NULL));
    pmg_utf8_replace(s.buf, s.len, vstr.buf);
    return mp_obj_new_str_from_utf8_vstr(&vstr);
}

mp_obj_t mpy_bytes(struct mg_str s) {
    if (s.len == 0) {
        return mp_const_empty_bytes;
    }
    return mpy_new_str(&mp_type_bytes, s);
}

mp_obj_t mpy_addr(const pmg_addr_t *a) {
    mp_obj_t items[3] = {
        mpy_text_replace(mg_str(a->host)),
        MP_OBJ_NEW_SMALL_INT(a->port),
        mp_obj_new_bool(a->is_ip6),
    };
    return mp_obj_new_tuple(3, items);
}

mp_obj_t mpy_json(mp_obj_t value) {
    vstr_t vstr;
#if MICROPY_PY_JSON_SEPARATORS
    mp_print_ext_t ext = {.item_separator = ", ", .key_separator = ": "};
    mp_print_t *print = &ext.base;
#else
    mp_print_t plain;
    mp_print_t *print = &plain;
#endif
    vstr_init_print(&vstr, 32, print);
    mp_obj_print_helper(print, value, PRINT_JSON);
    return mp_obj_new_str_from_utf8_vstr(&vstr);
}

// ---------------------------------------------------------------------------------------------
// Headers

// The value of a header may be a number: converted here, while Python may still run.
static mp_obj_t value_of(mp_obj_t value, const char *wrong) {
    if (!mp_obj_is_int(value) || strcmp(wrong, PMG_MSG_HEADERS) != 0) {
        return value;
    }
    vstr_t vstr;
    mp_print_t print;
    vstr_init_print(&vstr, 8, &print);
    mp_obj_print_helper(&print, value, PRINT_STR);
    return mp_obj_new_str_from_utf8_vstr(&vstr);
}

static void pairs_add(mpy_headers_t *h, size_t *room, mp_obj_t name, mp_obj_t value,
    const char *wrong) {
    if (!mp_obj_is_str(name) || !mp_obj_is_str(value)) {
        mpy_raise_type(wrong, NULL, mp_obj_is_str(name) ? value : name);
    }
    if (h->len + 2 > *room) {
        mp_obj_t *items = m_new(mp_obj_t, 2 * *room);
        memcpy(items, h->items, h->len * sizeof(*items));
        h->items = items; // the old ones may be on the stack: left to the collector
        *room *= 2;
    }
    h->items[h->len++] = name;
    h->items[h->len++] = value;
}

void mpy_pairs_get(mp_obj_t obj, mpy_headers_t *h, const char *wrong) {
    size_t room = MP_ARRAY_SIZE(h->room);
    h->len = 0;
    h->items = h->room;
    if (mp_obj_is_dict_or_ordereddict(obj)) {
        mp_map_t *map = mp_obj_dict_get_map(obj);
        for (size_t i = 0; i < map->alloc; i++) {
            if (mp_map_slot_is_filled(map, i)) {
                pairs_add(h, &room, map->table[i].key, value_of(map->table[i].value, wrong), wrong);
            }
        }
        return;
    }
    mp_obj_t dest[2];
    mp_load_method_maybe(obj, MP_QSTR___iter__, dest);
    if (!MP_OBJ_TYPE_HAS_SLOT(mp_obj_get_type(obj), iter) && dest[0] == MP_OBJ_NULL) {
        mpy_raise_type(wrong, NULL, obj);
    }
    mp_obj_t iter = mp_getiter(obj, NULL);
    mp_obj_t item;
    while ((item = mp_iternext(iter)) != MP_OBJ_STOP_ITERATION) {
        size_t len = 0;
        mp_obj_t *pair = NULL;
        if (mp_obj_is_type(item, &mp_type_tuple) || mp_obj_is_type(item, &mp_type_list)) {
            mp_obj_get_array(item, &len, &pair);
        }
        if (len != 2) {
            mpy_raise_type(wrong, NULL, item);
        }
        pairs_add(h, &room, pair[0], value_of(pair[1], wrong), wrong);
    }
}

void mpy_headers_get(mp_obj_t obj, mpy_headers_t *h) {
    if (obj == MP_OBJ_NULL || obj == mp_const_none) {
        h->len = 0;
        h->items = h->room;
        return;
    }
    mpy_pairs_get(obj, h, PMG_MSG_HEADERS);
}

bool mpy_headers_has(const mpy_headers_t *h, const char *lower_name) {
    for (size_t i = 0; i < h->len; i += 2) {
        size_t len;
        const char *name = mp_obj_str_get_data(h->items[i], &len);
        if (mg_strcasecmp(mg_str_n(name, len), mg_str(lower_name)) == 0) {
            return true;
        }
    }
    return false;
}

int mpy_headers_put(const mpy_headers_t *h, pmg_head_t *head) {
    for (size_t i = 0; i < h->len; i += 2) {
        struct mg_str name, value;
        name.buf = (char *)mp_obj_str_get_data(h->items[i], &name.len);
        value.buf = (char *)mp_obj_str_get_data(h->items[i + 1], &value.len);
        int r = pmg_head_header(head, name, value);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}
