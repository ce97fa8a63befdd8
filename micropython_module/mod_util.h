// SPDX-License-Identifier: GPL-2.0-only
//
// Arguments from Python to C, texts from C to Python, and errors: the one place where a result of
// the engine or a message of pmg_messages.h becomes an exception. All of these may raise.
#ifndef MOD_UTIL_H
#define MOD_UTIL_H

#include "mod_pymongoose.h"

// Error(text) with .errno = err, a positive errno.
MP_NORETURN void mpy_raise_error(int err, const char *text);
// The table: -EINVAL ValueError, -ENOMEM MemoryError, all else Error.
MP_NORETURN void mpy_raise_result(int result, const char *text);
// TypeError or ValueError; `format` is one of PMG_MSG_*, it takes `name` and the type of `got`.
MP_NORETURN void mpy_raise_type(const char *format, const char *name, mp_obj_t got);
MP_NORETURN void mpy_raise_as(const mp_obj_type_t *type, const char *format, const char *name);
MP_NORETURN void mpy_raise_value(const char *format, const char *name);

// A function's `static const mp_arg_t allowed_args[]`, in the order of its enum ARG_*; a default is an
// MP_ROM_*. To parse declares `args`; a method's own parse leaves self out.
#define MPY_ARG(name, how, ...) \
    {.qst = MP_QSTR_##name, .flags = MP_ARG_OBJ | (how), .defval = __VA_ARGS__}
#define MPY_REQUIRED(name) MPY_ARG(name, MP_ARG_REQUIRED, {.u_obj = MP_OBJ_NULL})
#define MPY_OPTIONAL(name, value) MPY_ARG(name, 0, {.u_rom_obj = value})
#define MPY_KEYWORD(name, value) MPY_ARG(name, MP_ARG_KW_ONLY, {.u_rom_obj = value})
#define MPY_REQUIRED_KEYWORD(name) \
    MPY_ARG(name, MP_ARG_KW_ONLY | MP_ARG_REQUIRED, {.u_obj = MP_OBJ_NULL})
#define MPY_PARSE(n_args, pos_args, kw_args)        \
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)]; \
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args)
#define MPY_PARSE_METHOD(n_args, pos_args, kw_args) MPY_PARSE((n_args) - 1, (pos_args) + 1, kw_args)

// str (its UTF-8) or anything bytes-like; valid while obj is alive and not resized.
void mpy_get_data(mp_obj_t obj, const char *name, mp_buffer_info_t *out);
// A buffer to write to.
void mpy_get_buffer(mp_obj_t obj, const char *name, mp_buffer_info_t *out);
struct mg_str mpy_get_str(mp_obj_t obj, const char *name);
// As a C string: a NUL character inside is a ValueError.
const char *mpy_get_cstr(mp_obj_t obj, const char *name);
// A number that no machine word holds becomes the nearest that one does.
mp_int_t mpy_get_int(mp_obj_t obj, const char *name);
int mpy_get_small_int(mp_obj_t obj, const char *name);
// >= 0, or a ValueError.
mp_uint_t mpy_get_size(mp_obj_t obj, const char *name);
// A callable or None.
mp_obj_t mpy_get_handler(mp_obj_t obj, const char *name);

// The mask of an `events` argument; 0: it is None.
uint32_t mpy_get_events(mp_obj_t events);

// A str or bytes of these very bytes. Its hash is left to who asks for it: over a large body that
// costs more than the copy.
mp_obj_t mpy_new_str(const mp_obj_type_t *type, struct mg_str s);
// UTF-8, or ISO 8859-1 where it is not: a head field.
mp_obj_t mpy_text(struct mg_str s);
// UTF-8 with U+FFFD for what is not: a body.
mp_obj_t mpy_text_replace(struct mg_str s);
mp_obj_t mpy_bytes(struct mg_str s);
mp_obj_t mpy_addr(const pmg_addr_t *a);
mp_obj_t mpy_json(mp_obj_t value);

// A program's headers, collected before the engine is told of the first: name, value, name, ...
// All of them are str. Small numbers of them need no memory.
#define MPY_HEADERS_INLINE 8
typedef struct {
    size_t len; // of items: two for each header
    mp_obj_t *items;
    mp_obj_t room[2 * MPY_HEADERS_INLINE];
} mpy_headers_t;

// `obj` is None, a dict, or an iterable of pairs; MP_OBJ_NULL counts as None.
void mpy_headers_get(mp_obj_t obj, mpy_headers_t *out);
// The same for other pairs of str; `wrong` is the TypeError's text.
void mpy_pairs_get(mp_obj_t obj, mpy_headers_t *out, const char *wrong);
bool mpy_headers_has(const mpy_headers_t *headers, const char *lower_name);
// Writes them all into a head under construction; the first failure, or 0. Does not raise.
int mpy_headers_put(const mpy_headers_t *headers, pmg_head_t *head);

#endif
