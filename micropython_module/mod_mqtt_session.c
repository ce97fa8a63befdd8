// SPDX-License-Identifier: GPL-2.0-only
//
// The core of pymongoose.mqtt.MqttSession: what outlives a connection. It belongs to a Manager and is
// used as that is.

#include "mod_mqtt.h"
#include "mod_util.h"

#if PMG_HAS_MQTT

typedef struct {
    mp_obj_base_t base;
    mpy_manager_t *mgr;
    pmg_mqtt_session_t *s; // NULL: not made
    mp_obj_t teller;       // a Timer, brought up when there are results; or None
    pmg_mqtt_session_room_t room;
} session_t;

static session_t *get(mp_obj_t self_in) {
    session_t *self = MP_OBJ_TO_PTR(self_in);
    mpy_check_caller(self->mgr);
    return self;
}

static void ring(void *arg) {
    session_t *self = arg;
    if (self->teller != mp_const_none) {
        pmg_timer_t *t = ((mpy_timer_t *)MP_OBJ_TO_PTR(self->teller))->t;
        if (t != NULL) {
            pmg_timer_again(t, 0);
        }
    }
}

static mp_obj_t session_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw,
    const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 7, 7, false);
    if (!mp_obj_is_type(args[0], &mpy_type_Manager)) {
        mpy_raise_type("%s must be a Manager, not %s", "manager", args[0]);
    }
    mp_uint_t limit = mpy_get_size(args[1], "queue_max");
    pmg_mqtt_session_opts_t opts = {
        .queue_max = (uint32_t)(limit < 0xffffffff ? limit : 0xffffffff),
        .queue_bytes = mpy_get_size(args[2], "queue_bytes"),
        .version = mpy_get_small_int(args[3], "version"),
        .policy = mpy_get_small_int(args[4], "queue_policy"),
        .tell_messages = mp_obj_is_true(args[5]),
        .tell_filters = mp_obj_is_true(args[6]),
    };
    session_t *self = mp_obj_malloc_with_finaliser(session_t, type);
    self->s = NULL;
    self->teller = mp_const_none;
    self->mgr = mpy_manager_open(args[0]);
    opts.ring = ring;
    opts.ring_arg = self;
    self->s = MPY_ENGINE(pmg_mqtt_session_init(&self->room, self->mgr->m, &opts));
    return MP_OBJ_FROM_PTR(self);
}

static mp_obj_t session_del(mp_obj_t self_in) {
    session_t *self = MP_OBJ_TO_PTR(self_in);
    if (self->s != NULL) {
        MPY_ENGINE_DO(pmg_mqtt_session_fini(self->s));
        self->s = NULL;
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(session_del_obj, session_del);

static mp_obj_t session_attach(mp_obj_t self_in, mp_obj_t conn_in) {
    session_t *self = get(self_in);
    if (!mpy_is_conn(conn_in)) {
        mpy_raise_type("%s must be a Connection, not %s", "conn", conn_in);
    }
    mpy_conn_t *conn = mpy_conn_open(conn_in);
    return mpy_conn_done(conn, MPY_ENGINE(pmg_mqtt_session_attach(self->s, conn->c)));
}
static MP_DEFINE_CONST_FUN_OBJ_2(session_attach_obj, session_attach);

static mp_obj_t session_attached(mp_obj_t self_in) {
    return mp_obj_new_bool(pmg_mqtt_session_attached(get(self_in)->s));
}
static MP_DEFINE_CONST_FUN_OBJ_1(session_attached_obj, session_attached);

static mp_obj_t session_publish(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_topic, ARG_message, ARG_qos, ARG_retain, ARG_expiry, ARG_properties };
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(topic),
        MPY_REQUIRED(message),
        MPY_OPTIONAL(qos, MP_ROM_INT(0)),
        MPY_OPTIONAL(retain, MP_ROM_FALSE),
        MPY_KEYWORD(expiry, MP_ROM_INT(0)),
        MPY_KEYWORD(properties, MP_ROM_NONE),
    };
    session_t *self = get(pos_args[0]);
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    int qos = mpy_get_small_int(args[ARG_qos].u_obj, "qos");
    bool retain = mp_obj_is_true(args[ARG_retain].u_obj);
    struct mg_str props = mpy_mqtt_properties(args[ARG_properties].u_obj, "properties");
    mp_uint_t expiry = mpy_get_size(args[ARG_expiry].u_obj, "expiry");
    struct mg_str topic = mpy_get_str(args[ARG_topic].u_obj, "topic");
    mp_buffer_info_t data;
    mpy_get_data(args[ARG_message].u_obj, "message", &data);
    if (expiry > 0xffffffff) {
        mpy_raise_result(-EINVAL, "expiry must be less than 4294967296 seconds");
    }
    pmg_mgr_t *m = self->mgr->m;
    int token = MPY_ENGINE(pmg_mqtt_session_pub(self->s, topic, mg_str_n(data.buf, data.len), qos,
        retain, props, (uint32_t)expiry));
    return MP_OBJ_NEW_SMALL_INT(mpy_check(self->mgr, m, token));
}
static MP_DEFINE_CONST_FUN_OBJ_KW(session_publish_obj, 1, session_publish);

static mp_obj_t session_subscribe(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_topic, ARG_qos, ARG_options };
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(topic),
        MPY_OPTIONAL(qos, MP_ROM_INT(0)),
        MPY_KEYWORD(options, MP_ROM_INT(0)),
    };
    session_t *self = get(pos_args[0]);
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    int qos = mpy_get_small_int(args[ARG_qos].u_obj, "qos");
    int options = mpy_get_small_int(args[ARG_options].u_obj, "options");
    struct mg_str topic = mpy_get_str(args[ARG_topic].u_obj, "topic");
    pmg_mgr_t *m = self->mgr->m;
    mpy_check(self->mgr, m, MPY_ENGINE(pmg_mqtt_session_sub(self->s, topic, qos, options)));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(session_subscribe_obj, 1, session_subscribe);

static mp_obj_t session_unsubscribe(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const mp_arg_t allowed_args[] = {MPY_REQUIRED(topic)};
    session_t *self = get(pos_args[0]);
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    struct mg_str topic = mpy_get_str(args[0].u_obj, "topic");
    pmg_mgr_t *m = self->mgr->m;
    mpy_check(self->mgr, m, MPY_ENGINE(pmg_mqtt_session_unsub(self->s, topic)));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_KW(session_unsubscribe_obj, 1, session_unsubscribe);

static mp_obj_t session_pump(mp_obj_t self_in) {
    MPY_ENGINE_DO(pmg_mqtt_session_pump(get(self_in)->s));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(session_pump_obj, session_pump);

static mp_obj_t session_told_by(mp_obj_t self_in, mp_obj_t timer_in) {
    session_t *self = get(self_in);
    if (!mp_obj_is_type(timer_in, &mpy_type_Timer)) {
        mpy_raise_type("%s must be a Timer, not %s", "timer", timer_in);
    }
    self->teller = timer_in;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(session_told_by_obj, session_told_by);

// What the call needs is made first: a result that was taken is not to be lost for want of memory.
static mp_obj_t session_tell(mp_obj_t self_in, mp_obj_t on_delivery, mp_obj_t on_subscribed) {
    static const qstr states[] = {
        MP_QSTR_acknowledged, MP_QSTR_refused, MP_QSTR_dropped, MP_QSTR_expired};
    session_t *self = get(self_in);
    pmg_mqtt_result_t r;
    while (MPY_ENGINE(pmg_mqtt_session_result(self->s, &r))) {
        bool of_filter = r.what == PMG_MQTT_SUBSCRIBED;
        mp_obj_t function = of_filter ? on_subscribed : on_delivery;
        mp_obj_t args[3];
        if (of_filter) {
            args[0] = mpy_text(r.filter);
            args[1] = MP_OBJ_NEW_SMALL_INT(r.qos);
        } else {
            args[0] = MP_OBJ_NEW_SMALL_INT((mp_int_t)r.token);
            args[1] = MP_OBJ_NEW_QSTR(states[r.what]);
        }
        args[2] = MP_OBJ_NEW_SMALL_INT(r.reason);
        MPY_ENGINE_DO(pmg_mqtt_session_told(self->s));
        if (function != mp_const_none) {
            mp_call_function_n_kw(function, 3, 0, args);
        }
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(session_tell_obj, session_tell);

// Has a timer come after `ms`, without memory. False: it has ended, or will with its Manager.
static mp_obj_t session_later(mp_obj_t self_in, mp_obj_t timer_in, mp_obj_t ms_in) {
    session_t *self = get(self_in);
    if (!mp_obj_is_type(timer_in, &mpy_type_Timer)) {
        mpy_raise_type("%s must be a Timer, not %s", "timer", timer_in);
    }
    mp_uint_t ms = mpy_get_size(ms_in, "ms");
    pmg_timer_t *t = ((mpy_timer_t *)MP_OBJ_TO_PTR(timer_in))->t;
    return mp_obj_new_bool(self->mgr->m != NULL && t != NULL && MPY_ENGINE(pmg_timer_again(t, ms)));
}
static MP_DEFINE_CONST_FUN_OBJ_3(session_later_obj, session_later);

static mp_obj_t session_count(mp_obj_t self_in, mp_obj_t which_in) {
    int which = mpy_get_small_int(which_in, "which");
    if (which < 0 || which >= PMG_MQTT_COUNTS) {
        mpy_raise_result(-EINVAL, "no such counter");
    }
    return mp_obj_new_int_from_uint(pmg_mqtt_session_count(get(self_in)->s, which));
}
static MP_DEFINE_CONST_FUN_OBJ_2(session_count_obj, session_count);

static mp_obj_t session_end(mp_obj_t self_in) {
    MPY_ENGINE_DO(pmg_mqtt_session_close(get(self_in)->s));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(session_end_obj, session_end);

static const mp_rom_map_elem_t session_locals_dict_table[] = {
    {MP_ROM_QSTR(MP_QSTR___del__), MP_ROM_PTR(&session_del_obj)},
    {MP_ROM_QSTR(MP_QSTR_publish), MP_ROM_PTR(&session_publish_obj)},
    {MP_ROM_QSTR(MP_QSTR_subscribe), MP_ROM_PTR(&session_subscribe_obj)},
    {MP_ROM_QSTR(MP_QSTR_unsubscribe), MP_ROM_PTR(&session_unsubscribe_obj)},
    {MP_ROM_QSTR(MP_QSTR__attach), MP_ROM_PTR(&session_attach_obj)},
    {MP_ROM_QSTR(MP_QSTR__attached), MP_ROM_PTR(&session_attached_obj)},
    {MP_ROM_QSTR(MP_QSTR__pump), MP_ROM_PTR(&session_pump_obj)},
    {MP_ROM_QSTR(MP_QSTR__told_by), MP_ROM_PTR(&session_told_by_obj)},
    {MP_ROM_QSTR(MP_QSTR__tell), MP_ROM_PTR(&session_tell_obj)},
    {MP_ROM_QSTR(MP_QSTR__later), MP_ROM_PTR(&session_later_obj)},
    {MP_ROM_QSTR(MP_QSTR__count), MP_ROM_PTR(&session_count_obj)},
    {MP_ROM_QSTR(MP_QSTR__end), MP_ROM_PTR(&session_end_obj)},
};
static MP_DEFINE_CONST_DICT(session_locals_dict, session_locals_dict_table);

MP_DEFINE_CONST_OBJ_TYPE(mpy_type__MqttSession, MP_QSTR__MqttSession, MP_TYPE_FLAG_NONE, make_new,
    session_make_new, locals_dict, &session_locals_dict);

#endif
