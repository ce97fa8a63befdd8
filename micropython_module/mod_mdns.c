// SPDX-License-Identifier: GPL-2.0-only
//
// Multicast DNS: the two message views, mdns_query() of Connection and mdns_listen() of Manager.

#include "mod_view.h"

#if PMG_HAS_MDNS

// ---------------------------------------------------------------------------------------------
// Views

static mp_obj_t get_txt(const pmg_mdns_resp_t *msg) {
    struct mg_str rest = msg->txt, key, value;
    mp_obj_t dict = mp_obj_new_dict(0);
    while (pmg_mdns_txt_next(&rest, &key, &value)) {
        mp_obj_t k = mpy_text_replace(key);
        mp_obj_t v = value.buf != NULL ? mpy_bytes(value) : mp_const_none;
        // Of a key that comes twice the first counts (RFC 6763, section 6.4).
        mp_map_elem_t *e =
            mp_map_lookup(mp_obj_dict_get_map(dict), k, MP_MAP_LOOKUP_ADD_IF_NOT_FOUND);
        if (e->value == MP_OBJ_NULL) {
            e->value = v;
        }
    }
    return dict;
}

MPY_VIEW(MdnsRequest);
MPY_VIEW(MdnsResponse);

// ---------------------------------------------------------------------------------------------
// Connection

static mp_obj_t conn_mdns_query(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_name, ARG_type };
    static const mp_arg_t allowed_args[] = {
        MPY_REQUIRED(name),
        MPY_OPTIONAL(type, MP_ROM_INT(MG_DNS_RTYPE_PTR)),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    struct mg_str name = mpy_get_str(args[ARG_name].u_obj, "name");
    int type = mpy_get_small_int(args[ARG_type].u_obj, "type");
    mpy_conn_t *self = mpy_conn_open(pos_args[0]);
    return mpy_conn_done(self, MPY_ENGINE(pmg_mdns_query(self->c, name, type)));
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_conn_mdns_query_obj, 1, conn_mdns_query);

// ---------------------------------------------------------------------------------------------
// Manager

static struct mg_str optional_str(mp_obj_t obj, const char *name) {
    return obj != mp_const_none ? mpy_get_str(obj, name) : mg_str_n(NULL, 0);
}

// What is being announced. The program's objects run Python in the middle, which may close the
// manager and which may raise.
typedef struct {
    mp_obj_t mgr;
    pmg_mdns_draft_t draft;
} announce_t;

static void add_txt(announce_t *a, mp_obj_t key_in, mp_obj_t value_in) {
    struct mg_str key = mpy_get_str(key_in, "a key"), value = mg_str_n(NULL, 0);
    if (value_in != mp_const_none) {
        mp_buffer_info_t info;
        mpy_get_data(value_in, "a value", &info);
        value = mg_str_n(info.buf != NULL ? info.buf : "", info.len);
    }
    mpy_manager_t *mgr = mpy_manager_open(a->mgr);
    mpy_check(mgr, mgr->m, MPY_ENGINE(pmg_mdns_draft_txt(mgr->m, &a->draft, key, value)));
}

static void add_service(announce_t *a, mp_obj_t service) {
    size_t len = 0;
    mp_obj_t *items = NULL;
    if (mp_obj_is_type(service, &mp_type_tuple) || mp_obj_is_type(service, &mp_type_list)) {
        mp_obj_get_array(service, &len, &items);
    }
    if (len < 2 || len > 4 || items[0] == mp_const_none) {
        mpy_raise_result(-EINVAL, PMG_MSG_SERVICE);
    }
    mp_obj_t txt = len > 2 ? items[2] : mp_const_none;
    struct mg_str type = mpy_get_str(items[0], "type");
    struct mg_str name = len > 3 ? optional_str(items[3], "name") : mg_str_n(NULL, 0);
    int port = mpy_get_small_int(items[1], "port");
    mpy_manager_t *mgr = mpy_manager_open(a->mgr);
    mpy_check(mgr, mgr->m, MPY_ENGINE(pmg_mdns_draft_service(mgr->m, &a->draft, type, port, name)));
    if (txt != mp_const_none) {
        if (!mp_obj_is_dict_or_ordereddict(txt)) {
            mpy_raise_type(PMG_MSG_DICT, "txt", txt);
        }
        mp_map_t *map = mp_obj_dict_get_map(txt);
        for (size_t i = 0; i < map->alloc; i++) {
            if (mp_map_slot_is_filled(map, i)) {
                add_txt(a, map->table[i].key, map->table[i].value);
            }
        }
    }
}

static mp_obj_t listen_for(announce_t *a, mp_obj_t services, mpy_open_t open) {
    struct mg_connection *c = NULL;
    mp_obj_iter_buf_t buf;
    mp_obj_t iterator = mp_getiter(services, &buf), service;
    while ((service = mp_iternext(iterator)) != MP_OBJ_STOP_ITERATION) {
        add_service(a, service);
    }
    mpy_manager_t *mgr = mpy_manager_open(a->mgr);
    mpy_check(mgr, mgr->m, MPY_ENGINE(pmg_listen_for(mgr->m, &pmg_mdns, &a->draft, &open, &c)));
    return MP_OBJ_FROM_PTR(open.conn);
}

static mp_obj_t manager_mdns_listen(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_handler, ARG_name, ARG_services, ARG_interface, ARG_events };
    static const mp_arg_t allowed_args[] = {
        MPY_OPTIONAL(handler, MP_ROM_NONE),
        MPY_OPTIONAL(name, MP_ROM_NONE),
        MPY_OPTIONAL(services, MP_ROM_PTR(&mp_const_empty_tuple_obj)),
        MPY_KEYWORD(interface, MP_ROM_NONE),
        MPY_KEYWORD(events, MP_ROM_NONE),
    };
    MPY_PARSE_METHOD(n_args, pos_args, kw_args);
    mpy_open_t arg = mpy_open_arg(args[ARG_handler].u_obj, args[ARG_events].u_obj);
    struct mg_str name = optional_str(args[ARG_name].u_obj, "name");
    struct mg_str iface = optional_str(args[ARG_interface].u_obj, "interface");
    mpy_manager_t *mgr = mpy_manager_open(pos_args[0]);
    announce_t a = {.mgr = pos_args[0]};
    mpy_check(mgr, mgr->m, MPY_ENGINE(pmg_mdns_draft(mgr->m, name, iface, &a.draft)));
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        mp_obj_t conn = listen_for(&a, args[ARG_services].u_obj, arg);
        nlr_pop();
        return conn;
    }
    MPY_ENGINE_DO(pmg_mdns_draft_free(&a.draft));
    nlr_jump(nlr.ret_val);
}
MP_DEFINE_CONST_FUN_OBJ_KW(mpy_manager_mdns_listen_obj, 1, manager_mdns_listen);

#endif
