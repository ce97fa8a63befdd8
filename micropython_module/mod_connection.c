// SPDX-License-Identifier: GPL-2.0-only
//
// Connection: one object for each connection, made in the open hook, the same for every event.
// After the free hook it is a record of what was: methods raise, properties stay readable.

#include <string.h>

#include "mod_util.h"

// ---------------------------------------------------------------------------------------------
// Life

mpy_conn_t *mpy_conn_new(mpy_manager_t *mgr, struct mg_connection *c, mp_obj_t handler) {
    mpy_conn_t *self = m_new_obj_maybe(mpy_conn_t);
    if (self == NULL) {
        return NULL;
    }
    memset(self, 0, sizeof(*self));
    self->node.base.type = &mpy_type_Connection;
    self->c = c;
    self->mgr = mgr;
    self->handler = handler;
    self->userdata = mp_const_none;
    self->id = c->id;
    mpy_node_link(mgr, &self->node);
    return self;
}

void mpy_conn_freed(mpy_conn_t *self) {
    pmg_addr_t local, remote;
    pmg_conn_local_addr(self->c, &local);
    pmg_conn_remote_addr(self->c, &remote);
    self->loc = self->c->loc;
    self->rem = self->c->rem;
    self->is_client = pmg_conn_is_client(self->c);
    self->is_udp = pmg_conn_is_udp(self->c);
    self->has_loc = local.host[0] != '\0';
    self->has_rem = remote.host[0] != '\0';
    if (pmg_conn_is_unix(self->c)) {
        self->has_loc = self->has_rem = false;
        size_t len[2] = {strlen(local.host) + 1, strlen(remote.host) + 1};
        self->path = m_malloc_maybe(len[0] + len[1]); // without memory the address reads ''
        if (self->path != NULL) {
            memcpy(self->path, local.host, len[0]);
            memcpy(self->path + len[0], remote.host, len[1]);
        }
    }
    self->c = NULL;
    self->into = MP_OBJ_NULL;
    mpy_node_unlink(self->mgr, &self->node);
}

// ---------------------------------------------------------------------------------------------
// Addresses

static void last_addr(mpy_conn_t *self, bool local, pmg_addr_t *out) {
    memset(out, 0, sizeof(*out));
    if (self->path != NULL) {
        const char *path = local ? self->path : self->path + strlen(self->path) + 1;
        memcpy(out->host, path, strlen(path) + 1); // it came out of a pmg_addr_t
    } else if (local ? self->has_loc : self->has_rem) {
        pmg_addr_text(local ? &self->loc : &self->rem, out);
    }
}

static void addr(mpy_conn_t *self, bool local, pmg_addr_t *out) {
    if (self->c == NULL) {
        last_addr(self, local, out);
    } else if (local) {
        pmg_conn_local_addr(self->c, out);
    } else {
        pmg_conn_remote_addr(self->c, out);
    }
}

static void conn_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    (void)kind;
    mpy_conn_t *self = MP_OBJ_TO_PTR(self_in);
    mp_printf(print, "<Connection " UINT_FMT, (mp_uint_t)self->id);
    if (self->c == NULL) {
        mp_print_str(print, " closed>");
        return;
    }
    pmg_addr_t a;
    addr(self, pmg_conn_is_listening(self->c), &a);
    if (a.host[0] == '\0') {
        addr(self, true, &a);
    }
    if (a.host[0] == '\0') {
        mp_print_str(print, ">");
    } else if (pmg_conn_is_unix(self->c)) {
        mp_printf(print, " %s>", a.host);
    } else {
        mp_printf(print, a.is_ip6 ? " [%s]:%u>" : " %s:%u>", a.host, (unsigned)a.port);
    }
}

// ---------------------------------------------------------------------------------------------
// Raw data

static mp_obj_t conn_send(mp_obj_t self_in, mp_obj_t data_in) {
    mp_buffer_info_t data;
    mpy_get_data(data_in, "data", &data);
    mpy_conn_t *self = mpy_conn_open(self_in);
    return mpy_conn_done(self, MPY_ENGINE(pmg_send(self->c, data.buf, data.len)));
}
MP_DEFINE_CONST_FUN_OBJ_2(mpy_conn_send_obj, conn_send);

// The first argument of recv(), recv_data() and send_data(): a length, or < 0 for all there is.
static struct mg_str limit(struct mg_str s, mp_int_t len) {
    if (len >= 0 && (mp_uint_t)len < s.len) {
        s.len = (size_t)len;
    }
    return s;
}

static mp_int_t optional_len(size_t n_args, const mp_obj_t *args, const char *name) {
    return n_args > 1 ? mpy_get_int(args[1], name) : -1;
}

static mp_obj_t conn_recv(size_t n_args, const mp_obj_t *args) {
    mp_int_t len = optional_len(n_args, args, "n");
    mpy_conn_t *self = mpy_conn_open(args[0]);
    struct mg_str s = limit(pmg_recv_peek(self->c), len);
    mp_obj_t bytes = mpy_bytes(s);
    mpy_conn_done(self, MPY_ENGINE(pmg_recv_consume(self->c, s.len)));
    return bytes;
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(mpy_conn_recv_obj, 1, 2, conn_recv);

static mp_obj_t conn_recv_into(mp_obj_t self_in, mp_obj_t buffer_in) {
    mp_buffer_info_t buffer;
    mpy_conn_t *self = mpy_conn_open(self_in);
    mpy_get_buffer(buffer_in, "buffer", &buffer);
    mpy_conn_done(self, MPY_ENGINE(pmg_recv_consume(self->c, 0))); // may it be taken?
    struct mg_str s = pmg_recv_peek(self->c);
    s.len = s.len < buffer.len ? s.len : buffer.len;
    if (s.len > 0) {
        memcpy(buffer.buf, s.buf, s.len);
        mpy_conn_done(self, MPY_ENGINE(pmg_recv_consume(self->c, s.len)));
    }
    return MP_OBJ_NEW_SMALL_INT(s.len);
}
MP_DEFINE_CONST_FUN_OBJ_2(mpy_conn_recv_into_obj, conn_recv_into);

// Of a closed connection nothing is left to look at.
typedef struct mg_str peek_t(struct mg_connection *c);

static mp_obj_t look(size_t n_args, const mp_obj_t *args, peek_t *peek) {
    mp_int_t len = optional_len(n_args, args, "length");
    mpy_conn_t *self = MP_OBJ_TO_PTR(args[0]);
    mpy_check_caller(self->mgr);
    return self->c != NULL ? mpy_bytes(limit(peek(self->c), len)) : mp_const_empty_bytes;
}

static mp_obj_t conn_recv_data(size_t n_args, const mp_obj_t *args) {
    return look(n_args, args, pmg_recv_peek);
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(mpy_conn_recv_data_obj, 1, 2, conn_recv_data);

static mp_obj_t conn_send_data(size_t n_args, const mp_obj_t *args) {
    return look(n_args, args, pmg_send_peek);
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(mpy_conn_send_data_obj, 1, 2, conn_send_data);

// ---------------------------------------------------------------------------------------------
// Management

static void set_handler(mpy_conn_t *self, mp_obj_t handler, uint32_t events) {
    self->handler = handler;
    if (self->c != NULL) {
        pmg_conn_events(self->c, events, handler != mp_const_none);
    }
}

static mp_obj_t conn_set_handler(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_handler, ARG_events };
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(handler),
        MPY_KEYWORD(events, MP_ROM_NONE),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    mpy_open_t arg = mpy_open_arg(args[ARG_handler].u_obj, args[ARG_events].u_obj);
    set_handler(mpy_conn_open(pos_args[0]), arg.handler, arg.events);
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_conn_set_handler_obj, 2, conn_set_handler);

static mp_obj_t conn_error(mp_obj_t self_in, mp_obj_t message_in) {
    const char *message = mpy_get_cstr(message_in, "message");
    mpy_conn_t *self = mpy_conn_open(self_in);
    return mpy_conn_done(self, MPY_ENGINE(pmg_error(self->c, message)));
}
MP_DEFINE_CONST_FUN_OBJ_2(mpy_conn_error_obj, conn_error);

// drain() and close() of a closed connection are what was asked for: no error.
static mp_obj_t conn_drain(mp_obj_t self_in) {
    mpy_conn_t *self = MP_OBJ_TO_PTR(self_in);
    mpy_check_caller(self->mgr);
    if (self->c != NULL) {
        MPY_ENGINE_DO(pmg_drain(self->c));
    }
    return mpy_conn_done(self, 0);
}
MP_DEFINE_CONST_FUN_OBJ_1(mpy_conn_drain_obj, conn_drain);

static mp_obj_t conn_close(mp_obj_t self_in) {
    mpy_conn_t *self = MP_OBJ_TO_PTR(self_in);
    mpy_check_caller(self->mgr);
    if (self->c != NULL) {
        MPY_ENGINE_DO(pmg_close(self->c));
    }
    return mpy_conn_done(self, 0);
}
MP_DEFINE_CONST_FUN_OBJ_1(mpy_conn_close_obj, conn_close);

// ---------------------------------------------------------------------------------------------
// Properties

static mp_obj_t get_id(mpy_conn_t *self) {
    return mp_obj_new_int_from_uint(self->id);
}

static mp_obj_t get_handler(mpy_conn_t *self) {
    return self->handler;
}

static mp_obj_t get_userdata(mpy_conn_t *self) {
    return self->userdata;
}

static void store_attr(mpy_conn_t *self, qstr attr, mp_obj_t *dest) {
    if (dest[1] == MP_OBJ_NULL) {
        return; // del
    }
    if (attr == MP_QSTR_userdata) {
        self->userdata = dest[1];
    } else if (attr == MP_QSTR_handler) {
        set_handler(self, mpy_get_handler(dest[1], "handler"), 0);
    } else {
        return;
    }
    dest[0] = MP_OBJ_NULL; // stored
}

static mp_obj_t get_addr(mpy_conn_t *self, bool local) {
    pmg_addr_t a;
    addr(self, local, &a);
    return mpy_addr(&a);
}

static mp_obj_t get_text(const char *s) {
    return s != NULL ? mpy_text(mg_str(s)) : mp_const_none;
}

// Another thread may read a property only where a GIL keeps the engine still meanwhile.
#if MICROPY_PY_THREAD && !MICROPY_PY_THREAD_GIL
#define CHECK_READER(self) mpy_check_caller((self)->mgr)
#else
#define CHECK_READER(self)
#endif

#define GET_BOOL(name) mp_obj_new_bool(self->c != NULL && pmg_conn_##name(self->c))
#define GET_KEPT(name) mp_obj_new_bool(self->c != NULL ? pmg_conn_##name(self->c) : self->name)
#define GET_INT(name) mp_obj_new_int_from_uint(self->c != NULL ? pmg_conn_##name(self->c) : 0)
#define GET_OPT_TEXT(name) get_text(self->c != NULL ? pmg_conn_##name(self->c) : NULL)
#define GET_CERT(name) mpy_peer_cert(self)
#define GET_ADDR(name) get_addr(self, MP_QSTR_##name == MP_QSTR_local_addr)

static void conn_attr(mp_obj_t self_in, qstr attr, mp_obj_t *dest) {
    mpy_conn_t *self = MP_OBJ_TO_PTR(self_in);
    if (dest[0] != MP_OBJ_NULL) {
        store_attr(self, attr, dest);
        return;
    }
    switch (attr) {
#define X(name, kind)               \
    case MP_QSTR_##name:            \
        CHECK_READER(self);         \
        dest[0] = GET_##kind(name); \
        break;
        PMG_CONN_PROPS(X)
#undef X
#define X(name) \
    case MP_QSTR_##name: dest[0] = get_##name(self); break;
        PMG_CONN_OBJECT_PROPS(X)
#undef X
        default: dest[1] = MP_OBJ_SENTINEL; break;
    }
}

// ---------------------------------------------------------------------------------------------
// Type

static const mp_rom_map_elem_t conn_locals_dict_table[] = {
#define X(name, min, max) {MP_ROM_QSTR(MP_QSTR_##name), MP_ROM_PTR(&mpy_conn_##name##_obj)},
    PMG_CONN_METHODS(X)
#undef X
};
static MP_DEFINE_CONST_DICT(conn_locals_dict, conn_locals_dict_table);

MP_DEFINE_CONST_OBJ_TYPE(mpy_type_Connection, MP_QSTR_Connection, MP_TYPE_FLAG_NONE, make_new,
    mpy_conn_make_new, print, conn_print, attr, conn_attr, locals_dict, &conn_locals_dict);
