# SPDX-License-Identifier: GPL-2.0-only
# Everything that is C and not ours to define here: pmg.h, our two C files, and CPython's own API.

from cpython.object cimport PyObject
from libc.errno cimport EBADF, EBUSY, ECHILD, EINVAL, ENOMEM
from libc.limits cimport INT_MAX, INT_MIN
from libc.stdint cimport SIZE_MAX, uint8_t, uint32_t, uint64_t


cdef extern from "stdbool.h":
    ctypedef bint c_bool "bool"


cdef extern from "mongoose.h" nogil:
    cdef struct mg_str:
        char *buf
        size_t len

    cdef struct mg_connection:
        unsigned long id

    unsigned int mg_crc32(unsigned int, const char *, size_t)
    bint mg_random(void *, size_t)

    int MG_EV_USER
    int WEBSOCKET_OP_TEXT
    int MQTT_PROP_TYPE_STRING, MQTT_PROP_TYPE_STRING_PAIR, MQTT_PROP_TYPE_BINARY_DATA


cdef extern from "pmg_version.h":
    const char *PMG_VERSION


cdef extern from "pmg_messages.h":
    const char *PMG_MSG_BAD_ESCAPE
    const char *PMG_MSG_JSON_PATH
    const char *PMG_MSG_MULTIPART
    const char *PMG_MSG_BASE64
    const char *PMG_MSG_URL_PORT
    const char *PMG_MSG_RANDOM
    const char *PMG_MSG_MGR_CLOSED
    const char *PMG_MSG_POLL_IN_HANDLER
    const char *PMG_MSG_WRONG_THREAD
    const char *PMG_MSG_NOT_MADE_BY_HAND
    const char *PMG_MSG_LIMIT_UNKNOWN
    const char *PMG_MSG_SERVICE
    const char *PMG_MSG_DICT
    const char *PMG_MSG_TLS_OPTS
    const char *PMG_MSG_CONNECTIONS
    const char *PMG_MSG_STRS
    const char *PMG_MSG_MQTT_MESSAGE
    const char *PMG_MSG_PROPERTIES
    const char *PMG_MSG_PROPERTY


cdef extern from "pmg.h":
    ctypedef struct pmg_mgr_t:
        pass
    ctypedef struct pmg_limits_t:
        pass
    ctypedef struct pmg_timer_t:
        pmg_mgr_t *mgr
        void *arg
    ctypedef struct pmg_hooks_t:
        int (*open)(mg_connection *, mg_connection *, void *) noexcept
        int (*event)(mg_connection *, int, void *) noexcept
        void (*free)(mg_connection *) noexcept
        int (*timer)(pmg_timer_t *) noexcept
        void (*timer_free)(pmg_timer_t *) noexcept
    ctypedef struct pmg_live_t:
        size_t managers, connections, timers, blocks
    ctypedef struct pmg_addr_t:
        char *host
        int port
        bint is_ip6
    ctypedef struct pmg_header_t:
        mg_str name, value
    ctypedef struct pmg_http_msg_t:
        mg_str body
        int status
        int num_headers
        const pmg_header_t *headers
    ctypedef struct pmg_ws_msg_t:
        pass
    ctypedef struct pmg_mdns_resp_t:
        mg_str txt
    ctypedef struct pmg_modbus_msg_t:
        int num_values
        bint bits
    ctypedef struct pmg_modbus_values_t:
        pass
    ctypedef struct pmg_head_t:
        pass
    ctypedef struct pmg_tls_conf_t:
        pass
    enum: PMG_MAX_ALPN
    ctypedef struct pmg_tls_opts_t:
        mg_str ca, cert, key
        const char *name
        bint skip_verification
        const mg_str *alpn
        size_t alpn_len
    ctypedef struct pmg_serve_t:
        const char *root
        mg_str headers, mime_types
        const char *page404
        bint no_listing, dotfiles

    ctypedef struct pmg_mqtt_msg_t:
        pass
    ctypedef struct pmg_mqtt_prop_t:
        uint8_t id
        int type
        uint32_t iv
        mg_str key, val
    ctypedef struct pmg_mqtt_login_t:
        mg_str client_id, username, password, will_topic, will_message, props, will_props
        int version, keepalive, will_qos
        bint clean_session, will_retain

    int PMG_RAISED, PMG_STOP, PMG_EV_END
    ctypedef struct pmg_protocol_t:
        pass
    const pmg_protocol_t pmg_raw, pmg_http, pmg_ws, pmg_sntp, pmg_modbus, pmg_mqtt, pmg_mdns

    void pmg_limits_default(pmg_limits_t *)
    int pmg_mgr_new(pmg_mgr_t **, const pmg_hooks_t *, const pmg_limits_t *, void *)
    void pmg_mgr_free(pmg_mgr_t *, bint silent)
    int pmg_mgr_poll(pmg_mgr_t *, int ms)
    int pmg_mgr_wakeup(pmg_mgr_t *, unsigned long, const void *, size_t)
    int pmg_dns_server(pmg_mgr_t *, const char *)
    void *pmg_mgr_owner(pmg_mgr_t *)
    bint pmg_mgr_in_hook(pmg_mgr_t *)
    void pmg_mgr_poll_events(pmg_mgr_t *, bint)
    void pmg_live(pmg_live_t *)
    const char *pmg_event_name(int)

    int pmg_timer_add(pmg_mgr_t *, uint64_t, bint repeat, bint run_now, void *, pmg_timer_t **)
    bint pmg_timer_active(const pmg_timer_t *)
    void pmg_timer_cancel(pmg_timer_t *)

    int pmg_listen(
        pmg_mgr_t *, const char *, const pmg_protocol_t *, int fd, void *, mg_connection **
    )
    int pmg_listen_for(pmg_mgr_t *, const pmg_protocol_t *, void *, void *, mg_connection **)
    int pmg_connect(
        pmg_mgr_t *, const char *, const pmg_protocol_t *, const void *, void *, mg_connection **
    )
    int pmg_resolve(mg_connection *, const char *)
    void pmg_resolve_cancel(mg_connection *)
    int pmg_sntp_request(mg_connection *)
    const pmg_protocol_t *pmg_url_speaks(const char *)
    pmg_mgr_t *pmg_conn_mgr(mg_connection *)
    void **pmg_conn_obj(mg_connection *)
    bint pmg_conn_is_listening(mg_connection *)
    bint pmg_conn_is_udp(mg_connection *)
    bint pmg_conn_is_unix(mg_connection *)
    void pmg_conn_local_addr(mg_connection *, pmg_addr_t *)
    void pmg_conn_remote_addr(mg_connection *, pmg_addr_t *)
    int pmg_send(mg_connection *, const void *, size_t)
    mg_str pmg_recv_peek(mg_connection *)
    mg_str pmg_send_peek(mg_connection *)
    int pmg_recv_consume(mg_connection *, size_t)
    void pmg_drain(mg_connection *)
    void pmg_close(mg_connection *)
    void pmg_error(mg_connection *, const char *)

    mg_str pmg_http_header(const pmg_http_msg_t *, mg_str)
    mg_str pmg_http_header_var(const pmg_http_msg_t *, mg_str, mg_str)
    mg_str pmg_http_query_var(const pmg_http_msg_t *, mg_str)
    int pmg_url_decode(mg_str, char *)
    int pmg_reply_begin(pmg_head_t *, mg_connection *, int)
    int pmg_head_header(pmg_head_t *, mg_str, mg_str)
    int pmg_reply_end(pmg_head_t *, mg_str)
    void pmg_head_abort(pmg_head_t *)
    int pmg_request_begin(pmg_head_t *, mg_connection *, mg_str, mg_str)
    int pmg_request_end(pmg_head_t *, mg_str)
    int pmg_http_chunk(mg_connection *, const void *, size_t)
    int pmg_http_sse(mg_connection *, mg_str, mg_str)
    int pmg_http_basic_auth(mg_connection *, mg_str, mg_str)
    int pmg_http_stream_body(mg_connection *, const char *, size_t)
    int pmg_serve_dir(mg_connection *, const pmg_http_msg_t *, const pmg_serve_t *)
    int pmg_serve_file(mg_connection *, const pmg_http_msg_t *, const pmg_serve_t *)
    int pmg_ws_upgrade_begin(pmg_head_t *, mg_connection *, const pmg_http_msg_t *)
    int pmg_ws_upgrade_end(pmg_head_t *)
    int pmg_ws_send_text(mg_connection *, const void *, size_t)
    int pmg_ws_send(mg_connection *, const void *, size_t, int)

    ctypedef struct pmg_mdns_draft_t:
        pass
    int pmg_mdns_draft(pmg_mgr_t *, mg_str, mg_str, pmg_mdns_draft_t *)
    int pmg_mdns_draft_service(pmg_mgr_t *, pmg_mdns_draft_t *, mg_str, long, mg_str)
    int pmg_mdns_draft_txt(pmg_mgr_t *, pmg_mdns_draft_t *, mg_str, mg_str)
    void pmg_mdns_draft_free(pmg_mdns_draft_t *)
    int pmg_mdns_query(mg_connection *, mg_str, int)
    bint pmg_mdns_txt_next(mg_str *, mg_str *, mg_str *)

    unsigned pmg_modbus_value(const pmg_modbus_msg_t *, int)
    void pmg_modbus_values(pmg_modbus_values_t *, int)
    const char *pmg_modbus_put(pmg_modbus_values_t *, long long)
    int pmg_modbus_asked(mg_connection *)
    int pmg_modbus_reply(mg_connection *, const pmg_modbus_values_t *, int)
    int pmg_modbus_read(mg_connection *, int, int, int, int)
    int pmg_modbus_write(mg_connection *, int, int, const pmg_modbus_values_t *, int)
    ctypedef struct pmg_broadcast_t:
        size_t sent, skipped
    int pmg_broadcast_begin(pmg_broadcast_t *, pmg_mgr_t *, mg_str, int op, bint is_utf8, size_t)
    void pmg_broadcast_all(pmg_broadcast_t *)
    int pmg_broadcast_one(pmg_broadcast_t *, mg_connection *)
    size_t pmg_mqtt_next_prop(const pmg_mqtt_msg_t *, size_t, pmg_mqtt_prop_t *)
    int pmg_mqtt_prop_type(int)
    size_t pmg_mqtt_prop_encode(const pmg_mqtt_prop_t *, uint8_t *)
    size_t pmg_mqtt_next_topic(const pmg_mqtt_msg_t *, size_t, mg_str *, int *)
    bint pmg_mqtt_match(mg_str, mg_str)
    int pmg_mqtt_pub(mg_connection *, mg_str, mg_str, int qos, bint retain, int id, mg_str props)
    int pmg_mqtt_sub(mg_connection *, mg_str, int qos, int options, mg_str props)
    int pmg_mqtt_unsub(mg_connection *, mg_str)
    int pmg_mqtt_ping(mg_connection *)
    int pmg_mqtt_pong(mg_connection *)
    int pmg_mqtt_disconnect(mg_connection *, int reason)
    int pmg_mqtt_ack(
        mg_connection *, const pmg_mqtt_msg_t *, const uint8_t *, size_t, bint, mg_str props
    )
    mg_str pmg_form_var(mg_str, mg_str)
    int pmg_percent_decode(mg_str, char *, bint plus)
    int PMG_JSON_NO_NUMBER, PMG_JSON_INT, PMG_JSON_REAL
    int pmg_json_find(mg_str, mg_str, mg_str *)
    int pmg_json_number(mg_str)
    long pmg_json_unescape(mg_str, char *)
    bint pmg_json_next(mg_str *, mg_str *, mg_str *)
    ctypedef struct pmg_url_parts_t:
        mg_str user, host, target
        mg_str password "pass"
        int port
        bint is_tls
    void pmg_url_split(mg_str, pmg_url_parts_t *)
    size_t pmg_url_encode(mg_str, char *)
    ctypedef struct pmg_part_t:
        mg_str name, filename, type, body
    int pmg_multipart_next(mg_str, size_t *, mg_str, pmg_part_t *, const char **)
    size_t pmg_unquote(mg_str, char *)
    size_t pmg_safe_filename(mg_str, char *)
    size_t pmg_match_wildcards(mg_str)
    int pmg_match(mg_str, mg_str, mg_str *)
    void pmg_md5(mg_str, unsigned char *)
    void pmg_sha1(mg_str, unsigned char *)
    void pmg_sha256(mg_str, unsigned char *)
    void pmg_hmac_sha256(mg_str, mg_str, unsigned char *)
    size_t PMG_BASE64_LEN(size_t)
    void pmg_base64_encode(mg_str, char *)
    long pmg_base64_decode(mg_str, char *)
    bint pmg_random_text(char *, size_t)
    void pmg_log_set(int)
    int pmg_log_get()

    int pmg_tls_conf_new(const pmg_tls_opts_t *, pmg_tls_conf_t **, char *, size_t)
    void pmg_tls_conf_unref(pmg_tls_conf_t *)
    int pmg_tls_init(mg_connection *, pmg_tls_conf_t *)
    int pmg_tls_free(mg_connection *)


cdef extern from "Python.h":
    unsigned long PyThread_get_thread_ident()


cdef extern from "port/port.h":
    uint64_t pmg_port_millis()


cdef extern from "convert.h":
    void pmg_py_error_class(object)
    int pmg_py_raise(int, const char *) except -1
    int pmg_py_fail(pmg_mgr_t *, int) except -1
    int pmg_py_bad_type(const char *, const char *, object) except -1
    int pmg_py_bad_message(object) except -1

    ctypedef struct pmg_py_data_t:
        mg_str s
    int pmg_py_data(object, const char *, pmg_py_data_t *) except -1
    void pmg_py_none(pmg_py_data_t *)
    void pmg_py_release(pmg_py_data_t *)
    int pmg_py_done(mg_connection *, int, pmg_py_data_t *) except -1
    int pmg_py_str(object, const char *, mg_str *) except -1
    int pmg_py_cstr(object, const char *, const char **) except -1
    int pmg_py_int(object, const char *, long long *) except -1
    int pmg_py_size(object, const char *, unsigned long long *) except -1
    int pmg_py_callable(object, const char *) except -1
    object pmg_py_text(mg_str)
    object pmg_py_body_text(mg_str)
    object pmg_py_bytes(mg_str)
    object pmg_py_version()
    object pmg_py_headers(object)
    int pmg_py_head_headers(pmg_head_t *, object, c_bool *)


cdef extern from "report.h":
    int pmg_py_report(PyObject *, PyObject **)


cdef extern from "tables.h":
    ctypedef struct pmg_py_constant_t:
        const char *name
        long value
    const pmg_py_constant_t pmg_py_constants[1]

    ctypedef struct pmg_py_limit_t:
        const char *name
        size_t offset
    const pmg_py_limit_t pmg_py_limits[1]

    PyObject **pmg_py_event_numbers
    int pmg_py_events() except -1

    ctypedef struct pmg_py_conn_t:
        mg_connection *c
        PyObject *addrs
    void pmg_py_conn_end(pmg_py_conn_t *)

    ctypedef struct pmg_py_view_t:
        const void *msg
        mg_connection *c
    const void *pmg_py_view_msg(const pmg_py_view_t *) except NULL
    PyObject *pmg_py_event_data(mg_connection *, int, void *, pmg_py_view_t **) noexcept

    int pmg_py_conn_props(type, Py_ssize_t) except -1
    int pmg_py_messages(dict) except -1


cdef extern from "Python.h":
    # Raw, as borrowed pointers: the event path counts its references itself.
    PyObject *PyObject_Vectorcall(PyObject *, PyObject **, size_t, PyObject *)
    PyObject *PyObject_CallNoArgs(PyObject *)
    size_t PY_VECTORCALL_ARGUMENTS_OFFSET
    PyObject *PyLong_FromLong(long)
    PyObject *Py_None
    void incref "Py_INCREF"(PyObject *)
    void decref "Py_DECREF"(PyObject *)
    void Py_XDECREF(PyObject *)
    void Py_INCREF(object)
    int PyErr_CheckSignals() except -1
    void PyErr_Clear()
