// SPDX-License-Identifier: GPL-2.0-only
//
// MQTT: the methods of Connection and Manager, MqttMessage, mqtt_match(), and the properties that a
// program gives.

#include "py/objstr.h"

#include "mod_mqtt.h"
#include "mod_view.h"

#if PMG_HAS_MQTT

// ---------------------------------------------------------------------------------------------
// Properties of MQTT 5, as the wire has them

MP_NORETURN static void bad_property(void) {
    mpy_raise_result(-EINVAL, PMG_MSG_PROPERTY);
}

static void get_pair(mp_obj_t obj, mp_obj_t pair[2]) {
    size_t len = 0;
    mp_obj_t *items;
    if (mp_obj_is_type(obj, &mp_type_tuple) || mp_obj_is_type(obj, &mp_type_list)) {
        mp_obj_get_array(obj, &len, &items);
    }
    if (len != 2) {
        bad_property();
    }
    pair[0] = items[0];
    pair[1] = items[1];
}

static void add_property(vstr_t *out, mp_obj_t id_in, mp_obj_t value) {
    mp_int_t id = mp_obj_is_int(id_in) ? mpy_get_int(id_in, "id") : -1;
    int type = id > 0 && id < 256 ? pmg_mqtt_prop_type((int)id) : -1;
    pmg_mqtt_prop_t p = {.id = (uint8_t)id};
    mp_obj_t pair[2];
    mp_buffer_info_t data;
    switch (type) {
        case -1: bad_property();
        case MQTT_PROP_TYPE_STRING_PAIR:
            get_pair(value, pair);
            p.key = mpy_get_str(pair[0], "key");
            p.val = mpy_get_str(pair[1], "value");
            break;
        case MQTT_PROP_TYPE_STRING: p.val = mpy_get_str(value, "value"); break;
        case MQTT_PROP_TYPE_BINARY_DATA:
            mpy_get_data(value, "value", &data);
            p.val = mg_str_n(data.buf, data.len);
            break;
        default:
            if (!mp_obj_is_int(value)) {
                bad_property();
            }
            p.iv = (uint32_t)mp_obj_get_int_truncated(value);
            if (!mp_obj_equal(mp_obj_new_int_from_uint(p.iv), value)) {
                bad_property();
            }
    }
    size_t len = pmg_mqtt_prop_encode(&p, NULL);
    if (len == 0) {
        bad_property();
    }
    pmg_mqtt_prop_encode(&p, (uint8_t *)vstr_add_len(out, len));
}

struct mg_str mpy_mqtt_properties(mp_obj_t obj, const char *name) {
    if (obj == mp_const_none) {
        return mg_str_n(NULL, 0);
    }
    vstr_t out;
    vstr_init(&out, 32);
    if (mp_obj_is_dict_or_ordereddict(obj)) {
        mp_map_t *map = mp_obj_dict_get_map(obj);
        for (size_t i = 0; i < map->alloc; i++) {
            if (mp_map_slot_is_filled(map, i)) {
                add_property(&out, map->table[i].key, map->table[i].value);
            }
        }
        return mg_str_n(out.buf, out.len);
    }
    mp_obj_t item, method[2];
    mp_load_method_maybe(obj, MP_QSTR___iter__, method);
    if (!MP_OBJ_TYPE_HAS_SLOT(mp_obj_get_type(obj), iter) && method[0] == MP_OBJ_NULL) {
        mpy_raise_type(PMG_MSG_PROPERTIES, name, obj);
    }
    mp_obj_t iterator = mp_getiter(obj, NULL);
    while ((item = mp_iternext(iterator)) != MP_OBJ_STOP_ITERATION) {
        size_t len = 0;
        mp_obj_t *pair = NULL;
        if (mp_obj_is_type(item, &mp_type_tuple) || mp_obj_is_type(item, &mp_type_list)) {
            mp_obj_get_array(item, &len, &pair);
        }
        if (len != 2) {
            mpy_raise_type(PMG_MSG_PROPERTIES, name, item);
        }
        add_property(&out, pair[0], pair[1]);
    }
    return mg_str_n(out.buf, out.len);
}

// ---------------------------------------------------------------------------------------------
// Connection

// The result of these is a packet id.
static mp_obj_t conn_mqtt_pub(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_topic, ARG_message, ARG_qos, ARG_retain, ARG_id, ARG_properties };
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(topic),
        MPY_REQUIRED(message),
        MPY_OPTIONAL(qos, MP_ROM_INT(0)),
        MPY_OPTIONAL(retain, MP_ROM_FALSE),
        MPY_KEYWORD(id, MP_ROM_INT(0)),
        MPY_KEYWORD(properties, MP_ROM_NONE),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    int qos = mpy_get_small_int(args[ARG_qos].u_obj, "qos");
    int id = mpy_get_small_int(args[ARG_id].u_obj, "id");
    bool retain = mp_obj_is_true(args[ARG_retain].u_obj);
    struct mg_str props = mpy_mqtt_properties(args[ARG_properties].u_obj, "properties");
    struct mg_str topic = mpy_get_str(args[ARG_topic].u_obj, "topic");
    mp_buffer_info_t data;
    mpy_get_data(args[ARG_message].u_obj, "message", &data);
    mpy_conn_t *self = mpy_conn_open(pos_args[0]);
    struct mg_str message = mg_str_n(data.buf, data.len);
    return mpy_conn_number(self,
        MPY_ENGINE(pmg_mqtt_pub(self->c, topic, message, qos, retain, id, props)));
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_conn_mqtt_pub_obj, 1, conn_mqtt_pub);

static mp_obj_t conn_mqtt_sub(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_topic, ARG_qos, ARG_options, ARG_properties };
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(topic),
        MPY_OPTIONAL(qos, MP_ROM_INT(0)),
        MPY_KEYWORD(options, MP_ROM_INT(0)),
        MPY_KEYWORD(properties, MP_ROM_NONE),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    int qos = mpy_get_small_int(args[ARG_qos].u_obj, "qos");
    int options = mpy_get_small_int(args[ARG_options].u_obj, "options");
    struct mg_str props = mpy_mqtt_properties(args[ARG_properties].u_obj, "properties");
    struct mg_str topic = mpy_get_str(args[ARG_topic].u_obj, "topic");
    mpy_conn_t *self = mpy_conn_open(pos_args[0]);
    return mpy_conn_number(self, MPY_ENGINE(pmg_mqtt_sub(self->c, topic, qos, options, props)));
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_conn_mqtt_sub_obj, 1, conn_mqtt_sub);

static mp_obj_t conn_mqtt_unsub(mp_obj_t self_in, mp_obj_t topic_in) {
    struct mg_str topic = mpy_get_str(topic_in, "topic");
    mpy_conn_t *self = mpy_conn_open(self_in);
    return mpy_conn_number(self, MPY_ENGINE(pmg_mqtt_unsub(self->c, topic)));
}
MP_DEFINE_CONST_FUN_OBJ_2(mpy_conn_mqtt_unsub_obj, conn_mqtt_unsub);

static const pmg_mqtt_msg_t *get_message(mp_obj_t obj, struct mg_connection *c) {
    const mpy_view_t *view = MP_OBJ_TO_PTR(obj);
    bool is_message = mp_obj_is_exact_type(obj, &mpy_type_MqttMessage);
    if (is_message && view->message == NULL) {
        mpy_raise_error(EBADF, PMG_MSG_VIEW_EXPIRED);
    }
    if (!is_message || !mpy_view_is_of(view, c)) {
        mpy_raise_type(PMG_MSG_MQTT_MESSAGE, "message", obj);
    }
    return view->message;
}

static mp_obj_t conn_mqtt_ack(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_message, ARG_code, ARG_session_present, ARG_properties };
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(message),
        MPY_OPTIONAL(code, MP_ROM_INT(0)),
        MPY_KEYWORD(session_present, MP_ROM_FALSE),
        MPY_KEYWORD(properties, MP_ROM_NONE),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    bool session = mp_obj_is_true(args[ARG_session_present].u_obj);
    struct mg_str props = mpy_mqtt_properties(args[ARG_properties].u_obj, "properties");
    mp_buffer_info_t codes;
    uint8_t one;
    if (mp_obj_is_exact_type(args[ARG_code].u_obj, &mp_type_bytes)) {
        mpy_get_data(args[ARG_code].u_obj, "code", &codes);
    } else {
        int code = mpy_get_small_int(args[ARG_code].u_obj, "code");
        if (code < 0 || code > 255) {
            mpy_raise_result(-EINVAL, "code must be 0 to 255");
        }
        one = (uint8_t)code;
        codes.buf = &one;
        codes.len = 1;
    }
    mpy_conn_t *self = mpy_conn_open(pos_args[0]);
    const pmg_mqtt_msg_t *msg = get_message(args[ARG_message].u_obj, self->c);
    return mpy_conn_done(self,
        MPY_ENGINE(pmg_mqtt_ack(self->c, msg, codes.buf, codes.len, session, props)));
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_conn_mqtt_ack_obj, 1, conn_mqtt_ack);

static mp_obj_t conn_mqtt_ping(mp_obj_t self_in) {
    mpy_conn_t *self = mpy_conn_open(self_in);
    return mpy_conn_done(self, MPY_ENGINE(pmg_mqtt_ping(self->c)));
}
MP_DEFINE_CONST_FUN_OBJ_1(mpy_conn_mqtt_ping_obj, conn_mqtt_ping);

static mp_obj_t conn_mqtt_pong(mp_obj_t self_in) {
    mpy_conn_t *self = mpy_conn_open(self_in);
    return mpy_conn_done(self, MPY_ENGINE(pmg_mqtt_pong(self->c)));
}
MP_DEFINE_CONST_FUN_OBJ_1(mpy_conn_mqtt_pong_obj, conn_mqtt_pong);

static mp_obj_t conn_mqtt_disconnect(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    static const mp_arg_t allowed_args[] = {MPY_OPTIONAL(reason, MP_ROM_INT(0))};
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    int reason = mpy_get_small_int(args[0].u_obj, "reason");
    mpy_conn_t *self = mpy_conn_open(pos_args[0]);
    return mpy_conn_done(self, MPY_ENGINE(pmg_mqtt_disconnect(self->c, reason)));
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_conn_mqtt_disconnect_obj, 1, conn_mqtt_disconnect);

// ---------------------------------------------------------------------------------------------
// Manager

static mp_obj_t manager_mqtt_connect(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum {
        ARG_url,
        ARG_handler,
        ARG_client_id,
        ARG_username,
        ARG_password,
        ARG_clean_session,
        ARG_keepalive,
        ARG_will_topic,
        ARG_will_message,
        ARG_will_qos,
        ARG_will_retain,
        ARG_version,
        ARG_properties,
        ARG_will_properties,
        ARG_events
    };
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(url),
        MPY_OPTIONAL(handler, MP_ROM_NONE),
        MPY_OPTIONAL(client_id, MP_ROM_QSTR(MP_QSTR_)),
        MPY_OPTIONAL(username, MP_ROM_NONE),
        MPY_OPTIONAL(password, MP_ROM_QSTR(MP_QSTR_)),
        MPY_OPTIONAL(clean_session, MP_ROM_TRUE),
        MPY_OPTIONAL(keepalive, MP_ROM_INT(60)),
        MPY_KEYWORD(will_topic, MP_ROM_QSTR(MP_QSTR_)),
        MPY_KEYWORD(will_message, MP_ROM_QSTR(MP_QSTR_)),
        MPY_KEYWORD(will_qos, MP_ROM_INT(0)),
        MPY_KEYWORD(will_retain, MP_ROM_FALSE),
        MPY_KEYWORD(version, MP_ROM_INT(4)),
        MPY_KEYWORD(properties, MP_ROM_NONE),
        MPY_KEYWORD(will_properties, MP_ROM_NONE),
        MPY_KEYWORD(events, MP_ROM_NONE),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    mpy_open_t arg = mpy_open_arg(args[ARG_handler].u_obj, args[ARG_events].u_obj);
    const char *url = mpy_get_cstr(args[ARG_url].u_obj, "url");
    bool has_username = args[ARG_username].u_obj != mp_const_none;
    // What may run Python comes first, buffers that it may resize last.
    pmg_mqtt_login_t login = {
        .client_id = mpy_get_str(args[ARG_client_id].u_obj, "client_id"),
        .username = mpy_get_str(has_username ? args[ARG_username].u_obj : MP_OBJ_NEW_QSTR(MP_QSTR_),
            "username"),
        .has_username = has_username,
        .will_topic = mpy_get_str(args[ARG_will_topic].u_obj, "will_topic"),
        .props = mpy_mqtt_properties(args[ARG_properties].u_obj, "properties"),
        .will_props = mpy_mqtt_properties(args[ARG_will_properties].u_obj, "will_properties"),
        .version = mpy_get_small_int(args[ARG_version].u_obj, "version"),
        .keepalive = mpy_get_small_int(args[ARG_keepalive].u_obj, "keepalive"),
        .will_qos = mpy_get_small_int(args[ARG_will_qos].u_obj, "will_qos"),
        .clean_session = mp_obj_is_true(args[ARG_clean_session].u_obj),
        .will_retain = mp_obj_is_true(args[ARG_will_retain].u_obj),
    };
    mp_buffer_info_t password, will;
    mpy_get_data(args[ARG_password].u_obj, "password", &password);
    mpy_get_data(args[ARG_will_message].u_obj, "will_message", &will);
    login.password = mg_str_n(password.buf, password.len);
    login.will_message = mg_str_n(will.buf, will.len);
    mpy_manager_t *self = mpy_manager_open(pos_args[0]);
    struct mg_connection *c = NULL;
    mpy_check(self, self->m, MPY_ENGINE(pmg_connect(self->m, url, &pmg_mqtt, &login, &arg, &c)));
    return MP_OBJ_FROM_PTR(arg.conn);
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_manager_mqtt_connect_obj, 1, manager_mqtt_connect);

static mp_obj_t manager_mqtt_listen(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    return mpy_manager_start_args(&pmg_mqtt, true, n_args, pos_args, kw_args);
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_manager_mqtt_listen_obj, 1, manager_mqtt_listen);

// ---------------------------------------------------------------------------------------------
// MqttMessage

static mp_obj_t message_properties(mp_obj_t self_in) {
    const pmg_mqtt_msg_t *msg = mpy_view_get(self_in);
    mp_obj_t list = mp_obj_new_list(0, NULL);
    pmg_mqtt_prop_t p;
    for (size_t ofs = 0; (ofs = pmg_mqtt_next_prop(msg, ofs, &p)) > 0;) {
        mp_obj_t dict = mp_obj_new_dict(4);
        bool binary = p.type == MQTT_PROP_TYPE_BINARY_DATA;
        mp_obj_dict_store(dict, MP_OBJ_NEW_QSTR(MP_QSTR_id), MP_OBJ_NEW_SMALL_INT(p.id));
        mp_obj_dict_store(dict, MP_OBJ_NEW_QSTR(MP_QSTR_iv), mp_obj_new_int_from_uint(p.iv));
        mp_obj_dict_store(dict, MP_OBJ_NEW_QSTR(MP_QSTR_key), mpy_text(p.key));
        mp_obj_dict_store(dict, MP_OBJ_NEW_QSTR(MP_QSTR_val),
            binary ? mpy_bytes(p.val) : mpy_text(p.val));
        mp_obj_list_append(list, dict);
    }
    return list;
}
static MP_DEFINE_CONST_FUN_OBJ_1(message_properties_obj, message_properties);

static mp_obj_t message_topics(mp_obj_t self_in) {
    const pmg_mqtt_msg_t *msg = mpy_view_get(self_in);
    mp_obj_t list = mp_obj_new_list(0, NULL);
    struct mg_str filter;
    int options;
    for (size_t ofs = 0; (ofs = pmg_mqtt_next_topic(msg, ofs, &filter, &options)) > 0;) {
        mp_obj_t pair[2] = {mpy_text(filter), MP_OBJ_NEW_SMALL_INT(options)};
        mp_obj_list_append(list, mp_obj_new_tuple(2, pair));
    }
    return list;
}
static MP_DEFINE_CONST_FUN_OBJ_1(message_topics_obj, message_topics);

MPY_VIEW_WITH_METHODS(MqttMessage);

// ---------------------------------------------------------------------------------------------
// The module

static mp_obj_t module_mqtt_match(mp_obj_t filter_in, mp_obj_t topic_in) {
    struct mg_str filter = mpy_get_str(filter_in, "topic_filter");
    return mp_obj_new_bool(pmg_mqtt_match(filter, mpy_get_str(topic_in, "topic")));
}
MP_DEFINE_CONST_FUN_OBJ_2(module_mqtt_match_obj, module_mqtt_match);

#endif
