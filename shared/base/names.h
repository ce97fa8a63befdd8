// SPDX-License-Identifier: GPL-2.0-only
//
// The one list of every name that a Python program can see.
//
// Each list is an X-macro: a binding expands it into its own tables, the tests hold `dir()` of every
// class against it in both directions, and the stub's constants and properties are generated from it.
// To add a constant, add a row: both Pythons then have it. To add a method, add a row and implement
// it in both bindings (MicroPython will not link without it, on CPython a test fails). A property of
// a message needs its row alone, an event its number and its rows.
//
// It includes macros alone and must stay includable anywhere.
#ifndef PMG_NAMES_H
#define PMG_NAMES_H

#include "../port/backend.h"

// Feature switches: a build may turn a protocol off, its rows then vanish from both Pythons.
#ifndef PMG_HAS_FILES
#define PMG_HAS_FILES 1
#endif
#ifndef PMG_HAS_TLS
#define PMG_HAS_TLS 1
#endif
#ifndef PMG_HAS_STREAM // bodies in pieces and uploads to files
#define PMG_HAS_STREAM 1
#endif
#ifndef PMG_HAS_MQTT
#define PMG_HAS_MQTT 1
#endif
#ifndef PMG_HAS_MDNS
#define PMG_HAS_MDNS PMG_CAN_MULTICAST
#endif
#ifndef PMG_HAS_MODBUS
#define PMG_HAS_MODBUS 1
#endif
#ifndef PMG_HAS_UTIL // JSON, URLs, forms, hashes, the log
#define PMG_HAS_UTIL 1
#endif
#if PMG_HAS_STREAM && PMG_HAS_UTIL // forms in pieces
#define PMG_HAS_FORM 1
#else
#define PMG_HAS_FORM 0
#endif
#ifndef PMG_HAS_RPC // JSON-RPC and JWT, in Python over PMG_HAS_UTIL
#define PMG_HAS_RPC PMG_HAS_UTIL
#endif
#ifndef PMG_HAS_WEB // pymongoose.web, in Python over PMG_HAS_UTIL, and its table of routes
#define PMG_HAS_WEB PMG_HAS_UTIL
#endif
#ifndef PMG_HAS_AIO // the Python of pymongoose.aio
#define PMG_HAS_AIO 1
#endif
#ifndef PMG_HAS_SNTP
#define PMG_HAS_SNTP 1
#endif

// Multicast is there for mDNS alone.
#define PMG_MULTICAST PMG_HAS_MDNS
#define PMG_MULTICAST6 (PMG_HAS_MDNS && PMG_CAN_MULTICAST6)

// Rows that a build has only with a switch: PMG_WHEN(PMG_HAS_MQTT, X(a) X(b)).
#define PMG_WHEN(has, ...) PMG_WHEN_(has, __VA_ARGS__)
#define PMG_WHEN_(has, ...) PMG_WHEN_##has(__VA_ARGS__)
#define PMG_WHEN_0(...)
#define PMG_WHEN_1(...) __VA_ARGS__

// clang-format off: one row a line

// ---------------------------------------------------------------------------------------------
// The module

// X(name): the name is also the C constant that holds the value. The first list: what a handler can
// hear of, each a bit of a mask (PMG_EVENT_BIT in base/types.h).
#define PMG_EVENTS(X) \
    X(MG_EV_ERROR) \
    X(MG_EV_OPEN) \
    X(MG_EV_POLL) \
    X(MG_EV_RESOLVE) \
    X(MG_EV_CONNECT) \
    X(MG_EV_ACCEPT) \
    PMG_WHEN(PMG_HAS_TLS, X(MG_EV_TLS_HS)) \
    X(MG_EV_READ) \
    X(MG_EV_WRITE) \
    X(MG_EV_CLOSE) \
    X(MG_EV_HTTP_HDRS) \
    X(MG_EV_HTTP_MSG) \
    X(MG_EV_WS_OPEN) \
    X(MG_EV_WS_MSG) \
    X(MG_EV_WS_CTL) \
    PMG_WHEN(PMG_HAS_MQTT, X(MG_EV_MQTT_CMD) X(MG_EV_MQTT_MSG) X(MG_EV_MQTT_OPEN)) \
    PMG_WHEN(PMG_HAS_SNTP, X(MG_EV_SNTP_TIME)) \
    X(MG_EV_WAKEUP) \
    PMG_WHEN(PMG_HAS_STREAM, X(MG_EV_HTTP_BODY)) \
    PMG_WHEN(PMG_HAS_FORM, X(MG_EV_HTTP_PART)) \
    PMG_WHEN(PMG_HAS_MODBUS, X(MG_EV_MODBUS_REQ) X(MG_EV_MODBUS_RESP)) \
    PMG_WHEN(PMG_HAS_MDNS, X(MG_EV_MDNS_REQ) X(MG_EV_MDNS_RESP))

#define PMG_CONSTANTS(X) \
    PMG_EVENTS(X) \
    X(MG_EV_USER) \
    PMG_WHEN(PMG_HAS_MQTT, \
        X(MQTT_CMD_CONNECT) \
        X(MQTT_CMD_CONNACK) \
        X(MQTT_CMD_PUBLISH) \
        X(MQTT_CMD_PUBACK) \
        X(MQTT_CMD_PUBREC) \
        X(MQTT_CMD_PUBREL) \
        X(MQTT_CMD_PUBCOMP) \
        X(MQTT_CMD_SUBSCRIBE) \
        X(MQTT_CMD_SUBACK) \
        X(MQTT_CMD_UNSUBSCRIBE) \
        X(MQTT_CMD_UNSUBACK) \
        X(MQTT_CMD_PINGREQ) \
        X(MQTT_CMD_PINGRESP) \
        X(MQTT_CMD_DISCONNECT) \
        X(MQTT_CMD_AUTH) \
        X(MQTT_PROP_TYPE_BYTE) \
        X(MQTT_PROP_TYPE_STRING) \
        X(MQTT_PROP_TYPE_STRING_PAIR) \
        X(MQTT_PROP_TYPE_BINARY_DATA) \
        X(MQTT_PROP_TYPE_VARIABLE_INT) \
        X(MQTT_PROP_TYPE_INT) \
        X(MQTT_PROP_TYPE_SHORT)) \
    PMG_WHEN(PMG_HAS_MODBUS, \
        X(MG_MODBUS_FUNC_READ_COILS) \
        X(MG_MODBUS_FUNC_READ_DISCRETE_INPUTS) \
        X(MG_MODBUS_FUNC_READ_HOLDING_REGISTERS) \
        X(MG_MODBUS_FUNC_READ_INPUT_REGISTERS) \
        X(MG_MODBUS_FUNC_WRITE_SINGLE_COIL) \
        X(MG_MODBUS_FUNC_WRITE_SINGLE_REGISTER) \
        X(MG_MODBUS_FUNC_WRITE_MULTIPLE_COILS) \
        X(MG_MODBUS_FUNC_WRITE_MULTIPLE_REGISTERS) \
        X(MG_MODBUS_ERR_NONE) \
        X(MG_MODBUS_ERR_ILLEGAL_FUNCTION) \
        X(MG_MODBUS_ERR_ILLEGAL_ADDRESS) \
        X(MG_MODBUS_ERR_ILLEGAL_VALUE) \
        X(MG_MODBUS_ERR_DEVICE_FAILURE) \
        X(MG_MODBUS_ERR_TIMEOUT)) \
    PMG_WHEN(PMG_HAS_MDNS, \
        X(MG_DNS_RTYPE_A) \
        X(MG_DNS_RTYPE_PTR) \
        X(MG_DNS_RTYPE_TXT) \
        X(MG_DNS_RTYPE_AAAA) \
        X(MG_DNS_RTYPE_SRV)) \
    X(WEBSOCKET_OP_CONTINUE) \
    X(WEBSOCKET_OP_TEXT) \
    X(WEBSOCKET_OP_BINARY) \
    X(WEBSOCKET_OP_CLOSE) \
    X(WEBSOCKET_OP_PING) \
    X(WEBSOCKET_OP_PONG) \
    PMG_WHEN(PMG_HAS_UTIL, \
        X(MG_LL_NONE) \
        X(MG_LL_ERROR) \
        X(MG_LL_INFO) \
        X(MG_LL_DEBUG) \
        X(MG_LL_VERBOSE))

// Classes and the exception.
#define PMG_CLASSES(X) \
    X(Manager) \
    X(Connection) \
    X(HttpMessage) \
    PMG_WHEN(PMG_HAS_WEB, X(HttpRequest)) \
    PMG_WHEN(PMG_HAS_FORM, X(FormPart)) \
    X(WsMessage) \
    PMG_WHEN(PMG_HAS_MQTT, X(MqttMessage)) \
    X(Timer) \
    PMG_WHEN(PMG_HAS_TLS, X(TlsOpts)) \
    PMG_WHEN(PMG_HAS_MODBUS, X(ModbusRequest) X(ModbusResponse)) \
    PMG_WHEN(PMG_HAS_MDNS, X(MdnsRequest) X(MdnsResponse)) \
    X(Error) \
    X(DecodeError)

// X(name, min, max), of a function and of a method: positional arguments without self; max 255 means
// that keywords are taken too.
#define PMG_FUNCTIONS(X) \
    X(event_name, 1, 1) \
    PMG_WHEN(PMG_HAS_MQTT, X(mqtt_match, 2, 2)) \
    X(live_objects, 0, 0) \
    PMG_WHEN(PMG_HAS_UTIL, \
        X(json_get, 2, 2) \
        X(json_get_num, 2, 255) \
        X(json_get_bool, 2, 255) \
        X(json_get_long, 2, 255) \
        X(json_get_str, 2, 2) \
        X(json_items, 1, 2) \
        X(url_port, 1, 1) \
        X(url_host, 1, 1) \
        X(url_user, 1, 1) \
        X(url_pass, 1, 1) \
        X(url_uri, 1, 1) \
        X(url_is_ssl, 1, 1) \
        X(url_join, 2, 2) \
        X(url_encode, 1, 1) \
        X(url_decode, 1, 255) \
        X(match, 2, 2) \
        X(http_var, 2, 2) \
        X(http_parse_multipart, 1, 255) \
        X(safe_filename, 1, 1) \
        X(md5, 1, 1) \
        X(sha1, 1, 1) \
        X(sha256, 1, 1) \
        X(hmac_sha256, 2, 2) \
        X(compare_digest, 2, 2) \
        X(base64_encode, 1, 1) \
        X(base64_decode, 1, 1) \
        X(crc32, 1, 255) \
        X(random_bytes, 1, 1) \
        X(random_str, 1, 1) \
        X(millis, 0, 0) \
        X(log_set, 1, 1) \
        X(log_get, 0, 0))

// Attributes of the module that are none of these.
#define PMG_ATTRIBUTES(X) X(version)
// Of `version`, all str. The binding knows the last three.
#define PMG_VERSION_FIELDS(X) \
    X(pymongoose) \
    X(mongoose) \
    X(mbedtls) \
    X(runtime) \
    X(board) \
    X(text)

// Names that Python modules of the package bring, imported when they are asked for: X(name, module).
#define PMG_PYTHON_NAMES(X) \
    X(EventData, hints) \
    X(Handler, hints) \
    PMG_WHEN(PMG_HAS_AIO, X(AsyncManager, aio)) \
    PMG_WHEN(PMG_HAS_RPC, \
        X(Rpc, rpc) \
        X(RpcReq, rpc) \
        X(jwt_sign, jwt) \
        X(jwt_verify, jwt))

// ---------------------------------------------------------------------------------------------
// Events and messages

// What `data` is for each event, in C and in Python: X(event, kind, class). An event that is not
// listed carries None.
//   TEXT    the error     data: const char *
//   COUNT   bytes moved   data: const size_t *
//   UPTIME  milliseconds  data: const uint64_t *
//   CODE    a number      data: const int *
//   BYTES   bytes         data: struct mg_str *
//   PIECE   bytes, or an int where it goes into a buffer of the program   data: struct mg_str *
//   VIEW    a message     data: a pointer to the class's type in PMG_MESSAGES
#define PMG_EVENT_DATA(X) \
    X(MG_EV_ERROR, TEXT, str) \
    X(MG_EV_POLL, UPTIME, int) \
    X(MG_EV_READ, COUNT, int) \
    X(MG_EV_WRITE, COUNT, int) \
    X(MG_EV_HTTP_HDRS, VIEW, HttpMessage) \
    X(MG_EV_HTTP_MSG, VIEW, HttpMessage) \
    X(MG_EV_WS_OPEN, VIEW, HttpMessage) \
    X(MG_EV_WS_MSG, VIEW, WsMessage) \
    X(MG_EV_WS_CTL, VIEW, WsMessage) \
    PMG_WHEN(PMG_HAS_SNTP, X(MG_EV_SNTP_TIME, UPTIME, int)) \
    X(MG_EV_WAKEUP, BYTES, bytes) \
    PMG_WHEN(PMG_HAS_STREAM, X(MG_EV_HTTP_BODY, PIECE, bytes)) \
    PMG_WHEN(PMG_HAS_FORM, X(MG_EV_HTTP_PART, VIEW, FormPart)) \
    PMG_WHEN(PMG_HAS_MQTT, \
        X(MG_EV_MQTT_CMD, VIEW, MqttMessage) \
        X(MG_EV_MQTT_MSG, VIEW, MqttMessage) \
        X(MG_EV_MQTT_OPEN, CODE, int)) \
    PMG_WHEN(PMG_HAS_MDNS, \
        X(MG_EV_MDNS_REQ, VIEW, MdnsRequest) \
        X(MG_EV_MDNS_RESP, VIEW, MdnsResponse)) \
    PMG_WHEN(PMG_HAS_MODBUS, \
        X(MG_EV_MODBUS_REQ, VIEW, ModbusRequest) \
        X(MG_EV_MODBUS_RESP, VIEW, ModbusResponse))

// Messages, each a view that is valid while the handler runs which got it: X(class, type in C). The
// lists that go with a class bear its name.
#define PMG_MESSAGES(X) \
    X(HttpMessage, pmg_http_msg_t) \
    PMG_WHEN(PMG_HAS_FORM, X(FormPart, pmg_form_part_t)) \
    X(WsMessage, pmg_ws_msg_t) \
    PMG_WHEN(PMG_HAS_MQTT, X(MqttMessage, pmg_mqtt_msg_t)) \
    PMG_WHEN(PMG_HAS_MDNS, \
        X(MdnsRequest, pmg_mdns_req_t) \
        X(MdnsResponse, pmg_mdns_resp_t)) \
    PMG_WHEN(PMG_HAS_MODBUS, \
        X(ModbusRequest, pmg_modbus_msg_t) \
        X(ModbusResponse, pmg_modbus_msg_t))

// Those that have copy(), by this function: X(class, function in C).
#define PMG_COPIES(X) \
    X(HttpMessage, pmg_http_copy) \
    X(WsMessage, pmg_ws_copy) \
    PMG_WHEN(PMG_HAS_MQTT, X(MqttMessage, pmg_mqtt_copy))

// Properties of a message: X(name, kind, field of the C type).
//   HEAD     str of a head's field: UTF-8, else ISO 8859-1   struct mg_str
//   TEXT     str of a body: U+FFFD for what is not UTF-8     struct mg_str
//   WS_TEXT  the same, checked by the core in a text message struct mg_str
//   BYTES    bytes                                           struct mg_str
//   INT      int                                             int
//   BOOL     bool                                            bool
//   OBJECT   what the class itself makes of the message      any
#define PMG_PROPS_HttpMessage(X) \
    X(method, HEAD, method) \
    X(uri, HEAD, uri) \
    X(query, HEAD, query) \
    X(proto, HEAD, proto) \
    X(body_text, TEXT, body) \
    X(body_bytes, BYTES, body)
#define PMG_METHODS_HttpMessage(X) \
    X(header, 1, 255) \
    X(headers, 0, 0) \
    X(query_var, 1, 1) \
    X(query_vars, 0, 0) \
    X(cookie, 1, 1) \
    X(status, 0, 0) \
    X(header_var, 2, 2) \
    X(copy, 0, 0)

#define PMG_PROPS_FormPart(X) \
    X(name, HEAD, name) \
    X(filename, HEAD, filename) \
    X(content_type, HEAD, content_type)
#define PMG_METHODS_FormPart(X) \
    X(save, 1, 1)

#define PMG_PROPS_WsMessage(X) \
    X(data, BYTES, data) \
    X(text, WS_TEXT, data) \
    X(flags, INT, flags)
#define PMG_METHODS_WsMessage(X) X(copy, 0, 0)

// In whatever packet; a field that a packet lacks is empty or 0.
#define PMG_PROPS_MqttMessage(X) \
    X(topic, TEXT, topic) \
    X(text, TEXT, data) \
    X(client_id, TEXT, client_id) \
    X(username, TEXT, username) \
    X(data, BYTES, data) \
    X(password, BYTES, password) \
    X(id, INT, id) \
    X(cmd, INT, cmd) \
    X(qos, INT, qos) \
    X(ack, INT, ack) \
    X(version, INT, version) \
    X(keepalive, INT, keepalive) \
    X(retain, BOOL, retain) \
    X(dup, BOOL, dup) \
    X(clean_session, BOOL, clean_session) \
    X(session_present, BOOL, session_present)
#define PMG_METHODS_MqttMessage(X) \
    X(properties, 0, 0) \
    X(topics, 0, 0) \
    X(copy, 0, 0)

#define PMG_PROPS_MdnsRequest(X) \
    X(name, TEXT, name) \
    X(type, INT, type) \
    X(is_unicast, BOOL, is_unicast) \
    X(is_answered, BOOL, is_answered)
#define PMG_PROPS_MdnsResponse(X) \
    X(name, TEXT, name) \
    X(type, INT, type) \
    X(ttl, INT, ttl) \
    X(instance, TEXT, instance) \
    X(host, TEXT, host) \
    X(address, TEXT, address) \
    X(port, INT, port) \
    X(txt, OBJECT, txt)

#define PMG_PROPS_ModbusRequest(X) \
    X(transaction, INT, transaction) \
    X(unit, INT, unit) \
    X(func, INT, func) \
    X(address, INT, address) \
    X(count, INT, count) \
    X(values, OBJECT, data)
#define PMG_PROPS_ModbusResponse(X) \
    X(transaction, INT, transaction) \
    X(unit, INT, unit) \
    X(func, INT, func) \
    X(address, INT, address) \
    X(count, INT, count) \
    X(error, INT, error) \
    X(values, OBJECT, data)

// ---------------------------------------------------------------------------------------------
// Connection, Manager, Timer, TlsOpts

// Read-only properties that C answers alone: X(name, kind), kind is BOOL, KEPT, INT, ADDR, OPT_TEXT (str
// or None) or CERT (a dict or None), and the getter is pmg_conn_<name>(c) (pmg.h). On a closed
// connection: False, what it was, 0, the last known address, None.
#define PMG_CONN_PROPS(X) \
    X(is_listening, BOOL) \
    X(is_client, KEPT) \
    X(is_tls, BOOL) \
    X(is_udp, KEPT) \
    X(is_websocket, BOOL) \
    X(is_readable, BOOL) \
    X(is_writable, BOOL) \
    X(is_closing, BOOL) \
    X(is_full, BOOL) \
    X(is_draining, BOOL) \
    X(recv_len, INT) \
    X(send_len, INT) \
    X(recv_size, INT) \
    X(send_size, INT) \
    X(local_addr, ADDR) \
    X(remote_addr, ADDR) \
    X(ws_protocol, OPT_TEXT) \
    PMG_WHEN(PMG_HAS_TLS, X(alpn, OPT_TEXT) X(peer_cert, CERT)) \
    PMG_WHEN(PMG_HAS_MDNS, X(mdns_name, OPT_TEXT))

// Properties that the binding keeps: readable after close.
#define PMG_CONN_OBJECT_PROPS(X) \
    X(id) \
    X(handler) \
    X(userdata)

#define PMG_CONN_METHODS(X) \
    X(send, 1, 1) \
    X(recv, 0, 1) \
    X(recv_into, 1, 1) \
    X(recv_data, 0, 1) \
    X(send_data, 0, 1) \
    X(reply, 1, 255) \
    X(reply_json, 1, 255) \
    X(http_chunk, 1, 1) \
    X(http_sse, 2, 255) \
    X(http_request, 2, 255) \
    X(http_basic_auth, 2, 2) \
    PMG_WHEN(PMG_HAS_STREAM, X(http_stream_body, 0, 255)) \
    PMG_WHEN(PMG_HAS_FORM, X(http_stream_form, 0, 255)) \
    PMG_WHEN(PMG_HAS_FILES, \
        X(serve_dir, 2, 255) \
        X(serve_file, 2, 255)) \
    X(ws_upgrade, 1, 255) \
    X(ws_send, 1, 255) \
    PMG_WHEN(PMG_HAS_MQTT, \
        X(mqtt_pub, 2, 255) \
        X(mqtt_sub, 1, 255) \
        X(mqtt_unsub, 1, 1) \
        X(mqtt_ack, 1, 255) \
        X(mqtt_ping, 0, 0) \
        X(mqtt_pong, 0, 0) \
        X(mqtt_disconnect, 0, 255)) \
    PMG_WHEN(PMG_HAS_TLS, \
        X(tls_init, 1, 255) \
        X(tls_free, 0, 0)) \
    PMG_WHEN(PMG_HAS_MODBUS, \
        X(modbus_reply, 0, 255) \
        X(modbus_read, 2, 255) \
        X(modbus_write, 3, 255)) \
    X(resolve, 1, 1) \
    X(resolve_cancel, 0, 0) \
    PMG_WHEN(PMG_HAS_SNTP, X(sntp_request, 0, 0)) \
    PMG_WHEN(PMG_HAS_MDNS, X(mdns_query, 1, 255)) \
    X(set_handler, 1, 255) \
    X(error, 1, 1) \
    X(drain, 0, 0) \
    X(close, 0, 0)

#define PMG_MANAGER_METHODS(X) \
    X(listen, 1, 255) \
    X(connect, 1, 255) \
    X(ws_connect, 1, 255) \
    PMG_WHEN(PMG_HAS_MQTT, \
        X(mqtt_connect, 1, 255) \
        X(mqtt_listen, 1, 255)) \
    PMG_WHEN(PMG_HAS_SNTP, X(sntp_connect, 1, 255)) \
    PMG_WHEN(PMG_HAS_MODBUS, \
        X(modbus_listen, 1, 255) \
        X(modbus_connect, 1, 255)) \
    PMG_WHEN(PMG_HAS_MDNS, X(mdns_listen, 0, 255)) \
    X(poll, 0, 255) \
    X(run, 0, 255) \
    X(fileno, 0, 0) \
    X(next_timeout, 0, 0) \
    X(broadcast, 1, 255) \
    X(wakeup, 1, 255) \
    X(timer_add, 2, 255) \
    X(close, 0, 0)
#define PMG_MANAGER_PROPS(X) \
    X(connections) \
    X(wakeup_id)

#define PMG_TIMER_METHODS(X) \
    X(restart, 0, 255) \
    X(cancel, 0, 0)
#define PMG_TIMER_PROPS(X) X(active)

// Of HttpRequest: what is made of it by pymongoose.web, which answers for all other names.
#define PMG_HTTP_REQUEST_METHODS(X) \
    X(match, 1, 3)
#define PMG_HTTP_REQUEST_PROPS(X) \
    X(app) \
    X(conn) \
    X(message) \
    X(listed) \
    X(number) \
    X(values) \
    X(notes)

// Of TlsOpts: its arguments, in this order, as they were given.
#define PMG_TLS_OPTS_PROPS(X) \
    X(ca) \
    X(cert) \
    X(key) \
    X(name) \
    X(skip_verification) \
    X(alpn) \
    X(legacy)
// And what they come to.
#define PMG_TLS_OPTS_FACTS(X) X(not_after)

// Limits: keyword arguments of Manager, in this order. X(name, desktop default, board default).
// Sizes in bytes, times in milliseconds; 0 means no limit. A board is a target with PMG_BOARD set.
//   max_conns       connections at a time; an accept beyond it is refused at once
//   max_recv        raw TCP receive buffer: there is_full turns true and reading stops
//   max_send        high-water mark: with this much unsent a further send raises Error(ENOBUFS)
//   max_head        HTTP head: 431 beyond it
//   max_body        HTTP body: 413 beyond it
//   max_message     WebSocket message: close code 1009 beyond it; MQTT packet: the connection ends
//   max_memory      what connections hold: buffers, TLS, copies; when it is short, the one that holds
//                   the most of an unfinished message ends. A quarter of the machine's memory, half
//                   of a board's heap
//   connect_timeout from connect() to MG_EV_CONNECT (names included); a client's wait for CONNACK
//   handshake_timeout  from a TLS connection's first byte to MG_EV_TLS_HS
//   head_timeout    from the first byte of an HTTP head to its end: 408; a server's wait for CONNECT
//   body_timeout    between two pieces of an HTTP body: 408
//   idle_timeout    a keep-alive HTTP connection without a request is closed
//   modbus_timeout  a Modbus server: from a request to its answer; a client: the same
//   ws_ping_interval   a WebSocket silent for so long gets a ping, silent again it is closed
//   drain_timeout   a draining connection whose peer takes no data is closed
// A board with more RAM than most names its own.
#ifndef PMG_BOARD_CONNS
#define PMG_BOARD_CONNS 16
#endif
#define PMG_LIMITS(X) \
    X(max_conns, 65536, PMG_BOARD_CONNS) \
    PMG_WHEN(PMG_HAS_TLS, X(max_handshakes, 64, 4)) \
    X(max_recv, 1048576, 8192) \
    X(max_send, 16777216, 32768) \
    X(max_head, 16384, 2048) \
    X(max_body, 16777216, 16384) \
    X(max_message, 16777216, 8192) \
    X(max_memory, quarter, half) \
    X(connect_timeout, 15000, 15000) \
    PMG_WHEN(PMG_HAS_TLS, X(handshake_timeout, 15000, 20000)) \
    X(head_timeout, 15000, 10000) \
    X(body_timeout, 30000, 20000) \
    X(idle_timeout, 75000, 15000) \
    PMG_WHEN(PMG_HAS_MODBUS, X(modbus_timeout, 2000, 2000)) \
    X(ws_ping_interval, 30000, 30000) \
    X(drain_timeout, 15000, 10000) \
    X(send_timeout, 60000, 20000) \
    X(min_rate, 100, 100) \
    X(rate_time, 30000, 30000)

// clang-format on

#endif
