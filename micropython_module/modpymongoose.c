// SPDX-License-Identifier: GPL-2.0-only
//
// The C module `_pymongoose`. The package `pymongoose` imports all of it.

#include <string.h>

#include "py/objstr.h"
#include "py/objtuple.h"

#include "mod_mqtt.h"
#include "mod_util.h"

#if PMG_HAS_TLS && !defined(NO_QSTR)
#include "mbedtls/version.h"
#else
#define MBEDTLS_VERSION_STRING ""
#endif

static mp_obj_t module_event_name(mp_obj_t ev_in) {
    mp_int_t ev = mpy_get_int(ev_in, "ev");
    const char *name = ev >= 0 && ev < PMG_EV_END ? pmg_event_name((int)ev) : NULL;
    if (name != NULL) {
        return mp_obj_new_str(name, strlen(name));
    }
    vstr_t vstr;
    vstr_init(&vstr, 24);
    if (ev >= MG_EV_USER) {
        vstr_printf(&vstr, "MG_EV_USER+" INT_FMT, ev - MG_EV_USER);
    } else {
        vstr_printf(&vstr, "MG_EV_UNKNOWN(" INT_FMT ")", ev);
    }
    return mp_obj_new_str_from_utf8_vstr(&vstr);
}
MP_DEFINE_CONST_FUN_OBJ_1(module_event_name_obj, module_event_name);

static mp_obj_t module_live_objects(void) {
    pmg_live_t live;
    pmg_live(&live);
    mp_obj_t dict = mp_obj_new_dict(4);
#define X(name) \
    mp_obj_dict_store(dict, MP_OBJ_NEW_QSTR(MP_QSTR_##name), mp_obj_new_int_from_uint(live.name));
    X(managers)
    X(connections)
    X(timers)
    X(blocks)
#undef X
    return dict;
}
MP_DEFINE_CONST_FUN_OBJ_0(module_live_objects_obj, module_live_objects);

static const MP_DEFINE_STR_OBJ(version_obj, PMG_VERSION);

// All of it in flash.
#ifdef MICROPY_HW_BOARD_NAME
#define BOARD MICROPY_HW_BOARD_NAME
#elif defined(MICROPY_PY_SYS_PLATFORM)
#define BOARD MICROPY_PY_SYS_PLATFORM
#else
#define BOARD ""
#endif
#define RUNTIME "MicroPython " MICROPY_VERSION_STRING
static const MP_DEFINE_STR_OBJ(version_mongoose_obj, MG_VERSION);
static const MP_DEFINE_STR_OBJ(version_mbedtls_obj, MBEDTLS_VERSION_STRING);
static const MP_DEFINE_STR_OBJ(version_runtime_obj, RUNTIME);
static const MP_DEFINE_STR_OBJ(version_board_obj, BOARD);
static const MP_DEFINE_STR_OBJ(version_text_obj,
    "pymongoose " PMG_VERSION " on " RUNTIME ", " BOARD "; Mongoose " MG_VERSION
    ", Mbed TLS " MBEDTLS_VERSION_STRING);
#define version_pymongoose_obj version_obj
static const qstr version_fields[] = {
#define X(name) MP_QSTR_##name,
    PMG_VERSION_FIELDS(X)
#undef X
};
#define X(name) MP_ROM_PTR(&version_##name##_obj),
static const mp_rom_obj_tuple_t module_version_obj = {
    .base = {&mp_type_attrtuple},
    .len = MP_ARRAY_SIZE(version_fields),
    .items = {PMG_VERSION_FIELDS(X) MP_ROM_PTR((void *)version_fields)},
};
#undef X

static const mp_rom_map_elem_t module_globals_table[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__pymongoose)},
    {MP_ROM_QSTR(MP_QSTR___version__), MP_ROM_PTR(&version_obj)},
    // Of pymongoose.client.
    {MP_ROM_QSTR(MP_QSTR__in_handler), MP_ROM_PTR(&module__in_handler_obj)},
#if PMG_HAS_UTIL
    {MP_ROM_QSTR(MP_QSTR__http_url), MP_ROM_PTR(&mpy_http_url_obj)},
#endif
    {MP_ROM_QSTR(MP_QSTR__run_coroutines),
        MP_ROM_PTR(&mpy_run_coroutines_obj)}, // of pymongoose.aio
    {MP_ROM_QSTR(MP_QSTR__coroutine_ended), MP_ROM_PTR(&mpy_coroutine_ended_obj)},
    {MP_ROM_QSTR(MP_QSTR__coroutine_failed), MP_ROM_PTR(&mpy_coroutine_failed_obj)},
    {MP_ROM_QSTR(MP_QSTR__pause), MP_ROM_PTR(&mpy_pause_obj)},
#if PMG_HAS_WEB
    {MP_ROM_QSTR(MP_QSTR__Routes), MP_ROM_PTR(&mpy_type__Routes)}, // of pymongoose.web
#endif
#if PMG_HAS_MQTT
    {MP_ROM_QSTR(MP_QSTR__MqttSession), MP_ROM_PTR(&mpy_type__MqttSession)}, // of pymongoose.mqtt
#endif
#define X(name) {MP_ROM_QSTR(MP_QSTR_##name), MP_ROM_PTR(&mpy_type_##name)},
    PMG_CLASSES(X)
#undef X
#define X(name, min, max) {MP_ROM_QSTR(MP_QSTR_##name), MP_ROM_PTR(&module_##name##_obj)},
        PMG_FUNCTIONS(X)
#undef X
#define X(name) {MP_ROM_QSTR(MP_QSTR_##name), MP_ROM_PTR(&module_##name##_obj)},
            PMG_ATTRIBUTES(X)
#undef X
#define X(name) {MP_ROM_QSTR(MP_QSTR_##name), MP_ROM_INT(name)},
                PMG_CONSTANTS(X)
#undef X
};
static MP_DEFINE_CONST_DICT(module_globals, module_globals_table);

const mp_obj_module_t mpy_module_pymongoose = {
    .base = {&mp_type_module},
    .globals = (mp_obj_dict_t *)&module_globals,
};

MP_REGISTER_MODULE(MP_QSTR__pymongoose, mpy_module_pymongoose);
