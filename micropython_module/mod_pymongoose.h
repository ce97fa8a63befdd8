// SPDX-License-Identifier: GPL-2.0-only
//
// What the files of this module share: the objects behind Manager, Connection, Timer and the
// message views, and the rules that keep them alive and the engine whole.
//
// Roots     The engine's memory is unknown to the garbage collector on some ports, so it roots
//           nothing. A Manager that is not closed hangs on a root pointer; each Connection and
//           Timer that the engine still knows hangs on its Manager (mpy_node_t).
// Unwinding nlr never crosses a frame of the engine: whatever the engine calls catches all. An
//           exception that must reach the program waits in mpy_manager_t.pending until the call
//           into the engine has returned; mpy_check() then raises it.
// Signals   MPY_ENGINE() brackets each call that changes the engine's state. It is empty unless
//           the port raises KeyboardInterrupt from inside a signal handler.
#ifndef MOD_PYMONGOOSE_H
#define MOD_PYMONGOOSE_H

#include "py/obj.h"
#include "py/runtime.h"
#include "py/mpthread.h"

#include "pmg.h"
#include "pmg_messages.h"

#if !MICROPY_ENABLE_FINALISER
#error "pymongoose needs MICROPY_ENABLE_FINALISER: sockets must be closed at a soft reset"
#endif

#ifndef MICROPY_ASYNC_KBD_INTR
#define MICROPY_ASYNC_KBD_INTR (0)
#endif

#if MICROPY_ASYNC_KBD_INTR
void mpy_sigint_block(bool block); // port.c
#define MPY_ENGINE(expr)          \
    __extension__({               \
mpy_sigint_block(true);           \
__auto_type mpy_result_ = (expr); \
mpy_sigint_block(false);          \
mpy_result_;                      \
    })
#define MPY_PYTHON_BEGIN() mpy_sigint_block(false)
#define MPY_PYTHON_END() mpy_sigint_block(true)
#else
#define MPY_ENGINE(expr) (expr)
#define MPY_PYTHON_BEGIN()
#define MPY_PYTHON_END()
#endif
// The same for an expression without a value.
#define MPY_ENGINE_DO(expr) ((void)MPY_ENGINE(((expr), 0)))

// ---------------------------------------------------------------------------------------------
// Objects

// Head of an object that the engine knows: it stays in its manager's list until the engine lets go.
typedef struct _mpy_node_t {
    mp_obj_base_t base;
    struct _mpy_node_t *prev, *next;
} mpy_node_t;

typedef struct _mpy_manager_t {
    mp_obj_base_t base;
    struct _mpy_manager_t *next; // all that are not closed, from the root pointer
    pmg_mgr_t *m;                // NULL once closed
    bool closing;                // no more wake-ups
    mpy_node_t *live;
    mp_obj_t handler;
    mp_obj_t error_handler;
    mp_obj_t pending; // an exception on its way out of the engine, or MP_OBJ_NULL
#if MICROPY_PY_THREAD
    mp_uint_t thread;
#ifndef PMG_IO_LWIP
    mp_thread_mutex_t lock; // holds `m` still while another thread is in wakeup()
#endif
#endif
} mpy_manager_t;

typedef struct _mpy_conn_t {
    mpy_node_t node;
    struct mg_connection *c; // NULL once closed
    mpy_manager_t *mgr;
    mp_obj_t handler; // None: the manager's
    mp_obj_t userdata;
    unsigned long id;
    // What stays readable after close; `path` of a unix socket, or NULL.
    struct mg_addr loc, rem;
    char *path;
    bool has_loc, has_rem;
} mpy_conn_t;

typedef struct _mpy_timer_t {
    mpy_node_t node;
    pmg_timer_t *t; // NULL once it ended
    mpy_manager_t *mgr;
    mp_obj_t callback;
} mpy_timer_t;

// HttpMessage, WsMessage ...: valid while the handler that got it runs.
typedef struct _mpy_view_t {
    mp_obj_base_t base;
    const void *message; // pmg_http_msg_t, pmg_ws_msg_t ...; NULL once expired
    struct mg_connection *c;
} mpy_view_t;

// What listen() and connect() hand to the open hook, and get back from it.
typedef struct {
    mp_obj_t handler;
    mpy_conn_t *conn;
} mpy_open_t;

extern const mp_obj_type_t mpy_type_Manager;
extern const mp_obj_type_t mpy_type_Connection;
extern const mp_obj_type_t mpy_type_HttpMessage;
extern const mp_obj_type_t mpy_type_WsMessage;
extern const mp_obj_type_t mpy_type_MqttMessage;
extern const mp_obj_type_t mpy_type_Timer;
extern const mp_obj_type_t mpy_type_TlsOpts;
extern const mp_obj_type_t mpy_type_MdnsRequest;
extern const mp_obj_type_t mpy_type_MdnsResponse;
extern const mp_obj_type_t mpy_type_ModbusRequest;
extern const mp_obj_type_t mpy_type_ModbusResponse;
extern const mp_obj_type_t mpy_type_Error;

// ---------------------------------------------------------------------------------------------
// mod_dispatch.c: the engine's way into Python

extern const pmg_hooks_t mpy_hooks;

void mpy_node_link(mpy_manager_t *mgr, mpy_node_t *node);
void mpy_node_unlink(mpy_manager_t *mgr, mpy_node_t *node);

// After a call into the engine: raises what a handler left pending, then the call's own failure.
// `m` is whose error text counts, NULL if there is none. Returns `result` when it is >= 0.
int mpy_check(mpy_manager_t *mgr, pmg_mgr_t *m, int result);

// ---------------------------------------------------------------------------------------------
// mod_manager.c, mod_connection.c, mod_message.c, mod_timer.c

// Raises for another thread than the manager's own, and inside a finalizer: the collector runs
// those wherever memory is asked for, which may be in the middle of the engine.
void mpy_check_caller(mpy_manager_t *mgr);

// A Manager that is open and used by its own thread, or an exception.
mpy_manager_t *mpy_manager_open(mp_obj_t self_in);

// NULL when there is no memory; does not raise. Linked into the manager.
mpy_conn_t *mpy_conn_new(mpy_manager_t *mgr, struct mg_connection *c, mp_obj_t handler);
// The engine lets go of the connection. Does not raise, allocates only if it can.
void mpy_conn_freed(mpy_conn_t *self);
// A Connection that is open and used by its own thread, or an exception.
mpy_conn_t *mpy_conn_open(mp_obj_t self_in);
// mpy_check() for a method of a connection; answers None.
mp_obj_t mpy_conn_done(mpy_conn_t *self, int result);

mpy_view_t *mpy_view_new(const mp_obj_type_t *type, const void *message, struct mg_connection *c);
// The message of a view, or an exception.
const void *mpy_view_get(mp_obj_t self_in);
mp_obj_t mpy_view_unary_op(mp_unary_op_t op, mp_obj_t self_in);
// The message of a HttpMessage that belongs to `c` and is still valid, or an exception.
const pmg_http_msg_t *mpy_http_message(mp_obj_t obj, struct mg_connection *c);

// A Manager that is open and used by its own thread, or an exception.
mpy_manager_t *mpy_manager_open(mp_obj_t self_in);
// Listens or connects; gives the Connection, or an exception.
mp_obj_t mpy_manager_start(mpy_manager_t *self, const char *url, int proto, bool listening, int fd,
    mp_obj_t handler);

mp_obj_t mpy_timer_new(mpy_manager_t *mgr, mp_obj_t callback, uint64_t ms, bool repeat, bool now);

// Methods that live in mod_names.c.
MP_DECLARE_CONST_FUN_OBJ_2(mpy_conn_resolve_obj);
MP_DECLARE_CONST_FUN_OBJ_1(mpy_conn_resolve_cancel_obj);
#if PMG_HAS_SNTP
MP_DECLARE_CONST_FUN_OBJ_1(mpy_conn_sntp_request_obj);
#endif

// Methods that live in mod_conn_http.c.
MP_DECLARE_CONST_FUN_OBJ_KW(mpy_conn_reply_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(mpy_conn_reply_json_obj);
MP_DECLARE_CONST_FUN_OBJ_2(mpy_conn_http_chunk_obj);
MP_DECLARE_CONST_FUN_OBJ_3(mpy_conn_http_sse_obj);
MP_DECLARE_CONST_FUN_OBJ_3(mpy_conn_http_basic_auth_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(mpy_conn_http_request_obj);
#if PMG_HAS_STREAM
MP_DECLARE_CONST_FUN_OBJ_KW(mpy_conn_http_stream_body_obj);
#endif
#if PMG_HAS_FILES
MP_DECLARE_CONST_FUN_OBJ_KW(mpy_conn_serve_dir_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(mpy_conn_serve_file_obj);
#endif
#if PMG_HAS_MDNS
MP_DECLARE_CONST_FUN_OBJ_KW(mpy_conn_mdns_query_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(mpy_manager_mdns_listen_obj);
#endif
#if PMG_HAS_MODBUS
MP_DECLARE_CONST_FUN_OBJ_KW(mpy_conn_modbus_reply_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(mpy_conn_modbus_read_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(mpy_conn_modbus_write_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(mpy_manager_modbus_listen_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(mpy_manager_modbus_connect_obj);
#endif
#if PMG_HAS_TLS
MP_DECLARE_CONST_FUN_OBJ_2(mpy_conn_tls_init_obj);
MP_DECLARE_CONST_FUN_OBJ_1(mpy_conn_tls_free_obj);
#endif
MP_DECLARE_CONST_FUN_OBJ_KW(mpy_conn_ws_upgrade_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(mpy_conn_ws_send_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(mpy_manager_broadcast_obj);

// Those of mod_conn_mqtt.c.
#if PMG_HAS_MQTT
MP_DECLARE_CONST_FUN_OBJ_KW(mpy_conn_mqtt_pub_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(mpy_conn_mqtt_sub_obj);
MP_DECLARE_CONST_FUN_OBJ_2(mpy_conn_mqtt_unsub_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(mpy_conn_mqtt_ack_obj);
MP_DECLARE_CONST_FUN_OBJ_1(mpy_conn_mqtt_ping_obj);
MP_DECLARE_CONST_FUN_OBJ_1(mpy_conn_mqtt_pong_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(mpy_conn_mqtt_disconnect_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(mpy_manager_mqtt_connect_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(mpy_manager_mqtt_listen_obj);
#endif

#endif
