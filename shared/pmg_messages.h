// SPDX-License-Identifier: GPL-2.0-only
//
// Texts of the errors that a binding finds before it calls the core, so that both Pythons say the
// same. %s in order: the argument's name, the type's name.
#ifndef PMG_MESSAGES_H
#define PMG_MESSAGES_H

#define PMG_MSG_CONN_CLOSED "connection is closed"
#define PMG_MSG_MGR_CLOSED "manager is closed"
#define PMG_MSG_POLL_IN_HANDLER "poll() and close() of a Manager cannot be called inside a handler"
#define PMG_MSG_WRONG_THREAD \
    "a Manager is not reentrant, it is used by one thread; wakeup() alone works from others"
#define PMG_MSG_VIEW_EXPIRED \
    "message used after its handler returned: copy what you need inside the handler"
#define PMG_MSG_NOT_MADE_BY_HAND "connections are made by Manager.listen() and Manager.connect()"
#define PMG_MSG_STR_OR_BYTES "%s must be str or bytes, not %s"
#define PMG_MSG_BUFFER "%s must be a buffer that can be written to, not %s"
#define PMG_MSG_BUFFER_EMPTY "%s must have room for a byte"
#define PMG_MSG_BODY_TWICE "path and into are two places for one body: give one of them"
#define PMG_MSG_FD_SHARED "fd and reuse_port: a socket that is given has its options already"
#define PMG_MSG_BUFFER_SHRUNK "the buffer given to http_stream_body() has shrunk"
#define PMG_MSG_STR "%s must be str, not %s"
#define PMG_MSG_INT "%s must be int, not %s"
#define PMG_MSG_CALLABLE "%s must be callable or None, not %s"
#define PMG_MSG_EVENTS "%s must be None or an iterable of MG_EV_*, not %s"
#define PMG_MSG_NO_EVENT "events: %s is no event"
#define PMG_MSG_HEADERS \
    "headers must be a dict or an iterable of (name, value) pairs of str, not %s"
#define PMG_MSG_HEADERS_TWICE "headers and extra_headers are the same: give one of them"
#define PMG_MSG_MESSAGE "message must be the HttpMessage of this event, not %s"
#define PMG_MSG_MQTT_MESSAGE "%s must be the MqttMessage of this event, not %s"
#define PMG_MSG_PROPERTIES "%s must be a dict or an iterable of (id, value) pairs, not %s"
#define PMG_MSG_PROPERTY "a property has an unknown id, or a value that does not fit it"
#define PMG_MSG_TLS_OPTS "%s must be TlsOpts, not %s"
#define PMG_MSG_TLS_FAILED "TLS: tls_init() got no TlsOpts"
#define PMG_MSG_STRS "%s must be a sequence of str, not %s"
#define PMG_MSG_CONNECTIONS "%s must hold Connection objects, not %s"
#define PMG_MSG_SERVICE "a service is a tuple: type, port, then a dict for its txt, then its name"
#define PMG_MSG_DICT "%s must be a dict or None, not %s"
#define PMG_MSG_NEGATIVE "%s must not be negative"
#define PMG_MSG_NUL "%s must not contain a NUL"
#define PMG_MSG_JSON_PATH "a JSON path begins with $, and . or [ follows"
#define PMG_MSG_MULTIPART "this is no multipart form: %s"
#define PMG_MSG_BASE64 "this is not Base64"
#define PMG_MSG_URL_PORT "the port of this URL is no number from 0 to 65535"
#define PMG_MSG_URL_BASE "the base has no scheme: http://host/path"
#define PMG_MSG_UNRUN \
    "a handler is a plain function: nobody runs the %s that it returned (AsyncManager would)"
#define PMG_MSG_NO_COPY "no memory left for a copy of the message, or max_memory allows no more"
#define PMG_MSG_RANDOM PMG_NO_RANDOM
#define PMG_MSG_ROOTS \
    "root_dir must be a str, a dict or an iterable of (prefix, folder) pairs of str, not %s"
#define PMG_MSG_BAD_ESCAPE "a percent sign is not followed by two hex digits"
#define PMG_MSG_ROUTES "this is no table of routes"
#define PMG_MSG_LIMIT_UNKNOWN "Manager has no limit named %s"
#define PMG_MSG_HANDLER_FAILED "handler raised"

#endif
