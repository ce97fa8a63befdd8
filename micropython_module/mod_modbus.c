// SPDX-License-Identifier: GPL-2.0-only
//
// Modbus: the two message views, the methods of Connection and of Manager.

#include "py/objtuple.h"

#include "mod_view.h"

#if PMG_HAS_MODBUS

// ---------------------------------------------------------------------------------------------
// Views

static mp_obj_t get_values(const pmg_modbus_msg_t *msg) {
    mp_obj_tuple_t *tuple = MP_OBJ_TO_PTR(mp_obj_new_tuple((size_t)msg->num_values, NULL));
    for (int i = 0; i < msg->num_values; i++) {
        unsigned value = pmg_modbus_value(msg, i);
        tuple->items[i] = msg->bits ? mp_obj_new_bool(value) : MP_OBJ_NEW_SMALL_INT(value);
    }
    return MP_OBJ_FROM_PTR(tuple);
}

MPY_VIEW(ModbusRequest);
MPY_VIEW(ModbusResponse);

// ---------------------------------------------------------------------------------------------
// Connection

static void put(pmg_modbus_values_t *v, mp_obj_t value) {
    const char *why = pmg_modbus_put(v, mpy_get_int(value, "a value"));
    if (why != NULL) {
        mpy_raise_result(-EINVAL, why);
    }
}

// One value or an iterable of them. It may run Python: look at the connection again afterwards.
static void put_all(pmg_modbus_values_t *v, int func, mp_obj_t values) {
    pmg_modbus_values(v, func);
    if (mp_obj_is_int(values) || mp_obj_is_bool(values)) {
        put(v, values);
        return;
    }
    mp_obj_iter_buf_t buf;
    mp_obj_t iterator = mp_getiter(values, &buf);
    mp_obj_t value;
    while ((value = mp_iternext(iterator)) != MP_OBJ_STOP_ITERATION) {
        put(v, value);
    }
}

static mp_obj_t conn_modbus_reply(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_values, ARG_error };
    static const mp_arg_t allowed_args[] = {
        MPY_OPTIONAL(values, MP_ROM_PTR(&mp_const_empty_tuple_obj)),
        MPY_OPTIONAL(error, MP_ROM_INT(0)),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    int error = mpy_get_small_int(args[ARG_error].u_obj, "error");
    mpy_conn_t *self = mpy_conn_open(pos_args[0]);
    int func = pmg_modbus_asked(self->c);
    if (func < 0) {
        return mpy_conn_done(self, func);
    }
    pmg_modbus_values_t v;
    put_all(&v, func, args[ARG_values].u_obj);
    self = mpy_conn_open(pos_args[0]);
    return mpy_conn_done(self, MPY_ENGINE(pmg_modbus_reply(self->c, &v, error)));
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_conn_modbus_reply_obj, 1, conn_modbus_reply);

static mp_obj_t conn_modbus_read(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_func, ARG_address, ARG_count, ARG_unit };
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(func),
        MPY_REQUIRED(address),
        MPY_OPTIONAL(count, MP_ROM_INT(1)),
        MPY_OPTIONAL(unit, MP_ROM_INT(1)),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    int func = mpy_get_small_int(args[ARG_func].u_obj, "func");
    int address = mpy_get_small_int(args[ARG_address].u_obj, "address");
    int count = mpy_get_small_int(args[ARG_count].u_obj, "count");
    int unit = mpy_get_small_int(args[ARG_unit].u_obj, "unit");
    mpy_conn_t *self = mpy_conn_open(pos_args[0]);
    return mpy_conn_number(self, MPY_ENGINE(pmg_modbus_read(self->c, func, address, count, unit)));
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_conn_modbus_read_obj, 1, conn_modbus_read);

static mp_obj_t conn_modbus_write(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_func, ARG_address, ARG_values, ARG_unit };
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(func),
        MPY_REQUIRED(address),
        MPY_REQUIRED(values),
        MPY_OPTIONAL(unit, MP_ROM_INT(1)),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    int func = mpy_get_small_int(args[ARG_func].u_obj, "func");
    int address = mpy_get_small_int(args[ARG_address].u_obj, "address");
    int unit = mpy_get_small_int(args[ARG_unit].u_obj, "unit");
    pmg_modbus_values_t v;
    mpy_conn_open(pos_args[0]);
    put_all(&v, func, args[ARG_values].u_obj);
    mpy_conn_t *self = mpy_conn_open(pos_args[0]);
    return mpy_conn_number(self, MPY_ENGINE(pmg_modbus_write(self->c, func, address, &v, unit)));
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_conn_modbus_write_obj, 1, conn_modbus_write);

// ---------------------------------------------------------------------------------------------
// Manager

static mp_obj_t manager_modbus_listen(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    return mpy_manager_start_args(&pmg_modbus, true, n_args, pos_args, kw_args);
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_manager_modbus_listen_obj, 1, manager_modbus_listen);

static mp_obj_t manager_modbus_connect(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    return mpy_manager_start_args(&pmg_modbus, false, n_args, pos_args, kw_args);
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_manager_modbus_connect_obj, 1, manager_modbus_connect);

#endif
