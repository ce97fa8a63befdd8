// SPDX-License-Identifier: GPL-2.0-only
//
// What a binding calls. This header is the contract; base/record.h is for the files of shared/ only.
//
// Errors    A function that can fail returns >= 0 or a negative errno; pmg_error_text() then says
//           what was wrong in one line. A binding turns it into an exception by one table:
//           -EINVAL ValueError, -ENOMEM MemoryError, all else pymongoose.Error with .errno.
// Thread    A manager and all that belongs to it is used by one thread at a time;
//           pmg_mgr_wakeup() alone may be called from any thread.
// Lifetime  A `struct mg_connection *` is valid from the open hook to the end of the free hook. A
//           binding keeps it in its Connection object and clears it in the free hook: connections
//           are freed only between events, so it is valid for as long as it is set.
//           Message views are valid until the event hook that received them returns.
// Nesting   Any function but pmg_mgr_poll() and pmg_mgr_close() may be called inside an event hook,
//           and may call the event hook again before it returns (connect, listen, ws_upgrade, error).
// Units     Sizes in bytes, times in milliseconds, ports in host byte order.
#ifndef PMG_H
#define PMG_H

#include "mongoose.h"
#include "base/names.h"
#include "util/util.h"
#include "pmg_version.h"

// Events that Mongoose does not have: above all that it may add, and above a program's own numbers,
// which go from MG_EV_USER to PMG_EV_FIRST.
enum {
    PMG_EV_FIRST = 128,
    MG_EV_HTTP_BODY = PMG_EV_FIRST,
    MG_EV_MODBUS_RESP = 129,
    PMG_EV_END = 160 // no event has this number or a higher one
};

// ---------------------------------------------------------------------------------------------
// Manager

typedef struct pmg_mgr pmg_mgr_t;
typedef struct pmg_timer pmg_timer_t;

typedef struct {
#define X(name, desktop, board) size_t name;
    PMG_LIMITS(X)
#undef X
} pmg_limits_t;

// How the core calls the binding. Every hook gets the manager by pmg_conn_mgr(c) or t->mgr.
typedef struct {
    // A connection was made, no event was fired yet: make its object. `listener` is set for an
    // accepted connection, `arg` is what listen() or connect() was given, NULL for an accepted one.
    // A negative result (no memory) drops the connection silently.
    int (*open)(struct mg_connection *c, struct mg_connection *listener, void *arg);
    // An event, with data as PMG_EVENT_DATA says. Returns 0; PMG_RAISED when the Python handler
    // raised (and the binding has reported it); PMG_STOP when the exception must leave poll().
    int (*event)(struct mg_connection *c, int ev, void *data);
    // c is freed when this returns: take what must stay readable, then drop the object.
    void (*free)(struct mg_connection *c);
    // A timer is due: call its function. Returns as event does.
    int (*timer)(pmg_timer_t *t);
    // The timer ended (fired its last time, canceled or manager closed); t is freed after it.
    void (*timer_free)(pmg_timer_t *t);
} pmg_hooks_t;

enum { PMG_RAISED = -1, PMG_STOP = -2 };

void pmg_limits_default(pmg_limits_t *limits);

// Makes a manager; `owner` is the binding's own; `hooks` must outlive it. -ENOMEM, or the system's reason (-EMFILE ...).
// On failure *out is NULL and the reason stands in the result alone.
int pmg_mgr_new(pmg_mgr_t **out, const pmg_hooks_t *hooks, const pmg_limits_t *limits, void *owner);

// Closes every connection and timer, then frees the manager. Fires MG_EV_CLOSE unless `silent`
// (from a finalizer, where no Python may run; the free hooks are called even then). Not in a hook.
void pmg_mgr_free(pmg_mgr_t *m, bool silent);

// Runs the loop once: waits at most `ms` (< 0: no limit) for something to do, then does it.
// Returns the number of things done (0: nothing happened, or a signal broke the wait), or
// -EBUSY inside a hook. After PMG_STOP it returns at once; what was not handled yet is kept.
// A binding cuts a long wait into slices so that its runtime can run.
int pmg_mgr_poll(pmg_mgr_t *m, int ms);

// Queues MG_EV_WAKEUP with a copy of data for connection `id` and ends a wait. From any thread.
// id 0 only ends the wait. -ENOMEM without memory, -ENOBUFS past the budget: nothing was queued.
int pmg_mgr_wakeup(pmg_mgr_t *m, unsigned long id, const void *data, size_t len);

// The same in two steps: the second allocates nothing, so that a binding's lock, which keeps the
// manager from being freed meanwhile, may hold interrupts off.
struct pmg_wakeup *pmg_wakeup_new(unsigned long id, const void *data, size_t len);
int pmg_wakeup_put(pmg_mgr_t *m, struct pmg_wakeup *w); // takes `w` if it returns 0; NULL as id 0
void pmg_wakeup_free(struct pmg_wakeup *w);

#if defined(PMG_IO_LWIP) || defined(PMG_IO_ESP) || defined(ESP_PLATFORM)
// Wake-ups that interrupts, which cannot allocate, may have queued, and the data of each.
#define PMG_WAKEUP_SLOTS 8
#define PMG_WAKEUP_SLOT_SIZE 15
// The same from an interrupt, which must be off before the manager is freed. -EMSGSIZE when data is
// longer than a slot, -ENOBUFS when all are taken. On ESP32 it lies in flash: not for an interrupt
// that runs while flash is written (ESP_INTR_FLAG_IRAM).
int pmg_mgr_wakeup_irq(pmg_mgr_t *m, unsigned long id, const void *data, size_t len);
#endif

// Adds a name server, "udp://1.2.3.4:53", and asks none of the system's from now on; NULL adds none.
// -EINVAL, -ENOMEM.
int pmg_dns_server(pmg_mgr_t *m, const char *url);

void *pmg_mgr_owner(pmg_mgr_t *m);
bool pmg_mgr_in_hook(pmg_mgr_t *m);              // inside poll() or an event: poll and close refuse
void pmg_mgr_poll_events(pmg_mgr_t *m, bool on); // deliver MG_EV_POLL, once a poll per connection
size_t pmg_mgr_count(pmg_mgr_t *m);              // connections now, listeners included
// Walks the connections, oldest first: NULL starts, NULL ends. Do not open or close meanwhile.
struct mg_connection *pmg_mgr_next(pmg_mgr_t *m, struct mg_connection *c);

// One line for the last negative result on this manager; valid until the next call.
const char *pmg_error_text(pmg_mgr_t *m, int err);

// Live objects of this process, for leak tests: managers, connections, timers, heap blocks.
typedef struct {
    size_t managers, connections, timers, blocks;
} pmg_live_t;
void pmg_live(pmg_live_t *out);

// "MG_EV_READ" for MG_EV_READ, NULL for an unknown number and for a program's own.
const char *pmg_event_name(int ev);

// ---------------------------------------------------------------------------------------------
// Timers

struct pmg_timer {
    pmg_mgr_t *mgr;
    void *arg; // the binding's
    uint64_t due;
    uint64_t period; // 0: fires once
    size_t heap_pos; // where it stands in the manager's heap
    void (*fn)(pmg_timer_t *t);
};

// Calls hooks->timer after `ms`, then every `ms` if `repeat`; `run_now`: first at the next poll.
int pmg_timer_add(pmg_mgr_t *m, uint64_t ms, bool repeat, bool run_now, void *arg,
    pmg_timer_t **out);
// Ends it: timer_free is called before this returns, or after the hook if called inside it.
void pmg_timer_cancel(pmg_timer_t *t);
// Will it fire again? False inside the hook of its last time, too.
bool pmg_timer_active(const pmg_timer_t *t);

// ---------------------------------------------------------------------------------------------
// Connections

enum {
    PMG_RAW,
    PMG_HTTP,
    PMG_WS,
    PMG_SNTP,
    PMG_MODBUS,
    PMG_MQTT,
    PMG_MDNS
}; // what stands above TCP or UDP

// URLs: tcp://host:port, udp://, http://, ws://, unix:///path. `proto` PMG_HTTP or PMG_RAW; the
// binding derives it by pmg_url_proto() where the program does not say. -EADDRINUSE, -EACCES,
// -EINVAL (the URL; the text says what is wrong) ... `fd` >= 0 adopts a socket that is listening.
int pmg_listen(pmg_mgr_t *m, const char *url, int proto, int fd, void *arg,
    struct mg_connection **out);
// Starts connecting and returns; MG_EV_CONNECT or MG_EV_ERROR follow. MG_EV_OPEN fires before it
// returns. PMG_WS sends the upgrade request once connected. PMG_SNTP takes a host alone, too, asks
// for the time once connected, and closes after MG_EV_SNTP_TIME unless that asked again.
int pmg_connect(pmg_mgr_t *m, const char *url, int proto, void *arg, struct mg_connection **out);
// Looks up the host of `url` (a name, name:port, a whole URL) for a client that has no peer yet, in
// MG_EV_OPEN or after pmg_resolve_cancel(): it then connects to what was found instead of to the
// host of its own URL. MG_EV_RESOLVE follows, or MG_EV_ERROR. -EINVAL: a listener, a unix socket,
// the URL; -EISCONN: the peer is known; -EALREADY: a lookup is under way; -EPIPE: closing.
int pmg_resolve(struct mg_connection *c, const char *url);
void pmg_resolve_cancel(struct mg_connection *c); // ends a lookup; no event
// PMG_HTTP for http:// and ws://, PMG_MQTT for mqtt:// (and their s), PMG_MODBUS for modbus://, else
// PMG_RAW.
int pmg_url_proto(const char *url);

pmg_mgr_t *pmg_conn_mgr(struct mg_connection *c);
void **pmg_conn_obj(struct mg_connection *c); // the binding's slot in the connection
// Getters of PMG_CONN_PROPS. An address is text in `host` (>= 46 bytes; a unix socket's path is cut
// to fit: use >= 108), "" when there is none.
bool pmg_conn_is_listening(struct mg_connection *c);
bool pmg_conn_is_client(struct mg_connection *c);
bool pmg_conn_is_tls(struct mg_connection *c);
bool pmg_conn_is_udp(struct mg_connection *c);
bool pmg_conn_is_websocket(struct mg_connection *c);
bool pmg_conn_is_readable(struct mg_connection *c); // received bytes wait in the buffer or socket
bool pmg_conn_is_writable(struct mg_connection *c); // connected, and nothing waits to be sent
bool pmg_conn_is_closing(struct mg_connection *c);
bool pmg_conn_is_full(struct mg_connection *c);
bool pmg_conn_is_draining(struct mg_connection *c);
size_t pmg_conn_recv_len(struct mg_connection *c);
size_t pmg_conn_send_len(struct mg_connection *c);
size_t pmg_conn_recv_size(struct mg_connection *c);
size_t pmg_conn_send_size(struct mg_connection *c);
typedef struct {
    char host[108];
    uint16_t port;
    bool is_ip6;
} pmg_addr_t;
void pmg_conn_local_addr(struct mg_connection *c, pmg_addr_t *out);
void pmg_conn_remote_addr(struct mg_connection *c, pmg_addr_t *out);
// For what must stay readable after close: keep copies of c->loc and c->rem and format them later.
// A unix socket's path is in neither: format it in the free hook.
bool pmg_conn_is_unix(struct mg_connection *c);
void pmg_addr_text(const struct mg_addr *a, pmg_addr_t *out);

// Queues bytes; they leave when the running event ends or at the next poll. A datagram (UDP) leaves
// at once. -ENOBUFS above the high-water mark, -EPIPE while draining or closing, -EINVAL for a
// listener; nothing is queued then.
int pmg_send(struct mg_connection *c, const void *buf, size_t len);
// What was received and not consumed; valid until the next call on this manager or a poll.
struct mg_str pmg_recv_peek(struct mg_connection *c);
// What waits to be sent.
struct mg_str pmg_send_peek(struct mg_connection *c);
// Consumes `len` bytes (at most recv_len) after the caller copied them. -EINVAL where HTTP or
// WebSocket framing owns the input.
int pmg_recv_consume(struct mg_connection *c, size_t len);
void pmg_drain(struct mg_connection *c); // send what is queued, then close
void pmg_close(struct mg_connection *c); // close after the running event, without sending
void pmg_error(struct mg_connection *c, const char *text); // MG_EV_ERROR now, then close

// ---------------------------------------------------------------------------------------------
// HTTP

typedef struct {
    struct mg_str name, value;
} pmg_header_t;

#ifndef PMG_MAX_HEADERS
#define PMG_MAX_HEADERS 64
#endif

typedef struct {
    // A response has its protocol in method, its status in uri and its reason in proto, as Mongoose
    // lays it out.
    struct mg_str method, uri, query, proto, body;
    struct mg_str head; // the whole head as received
    int status;         // of a response; 0 in a request
    int num_headers;
    const pmg_header_t *headers;
} pmg_http_msg_t;

// The header's value, or {NULL, 0}. Names compare without case.
struct mg_str pmg_http_header(const pmg_http_msg_t *hm, struct mg_str name);
// A parameter of a header's value: charset in "text/html; charset=utf-8", quotes removed.
struct mg_str pmg_http_header_var(const pmg_http_msg_t *hm, struct mg_str name, struct mg_str var);
// A query parameter: the raw value in *raw, {NULL, 0} if absent; then decode it with
// pmg_url_decode (dst may be raw.len long). The decoded length, or -EINVAL for a bad %-escape.
struct mg_str pmg_http_query_var(const pmg_http_msg_t *hm, struct mg_str name);
int pmg_url_decode(struct mg_str raw, char *dst);

// A head under construction, written straight into the send buffer. After begin() succeeded call
// header() any number of times, then end() or abort(). abort() leaves no trace. Do not call
// anything else on the connection in between, and run no Python: collect the arguments first.
typedef struct {
    struct mg_connection *c;
    size_t start; // length of the send buffer before
    uint8_t kind, seen;
    int status;
    size_t content_length;
    const pmg_http_msg_t *hm;
} pmg_head_t;

// A reply. -EINVAL: status outside 200..999, or the connection does not speak HTTP as a server.
// -EPIPE: closing. -EALREADY: this request was answered. -ENOBUFS as pmg_send.
int pmg_reply_begin(pmg_head_t *h, struct mg_connection *c, int status);
// -EINVAL: the name is no token, the value holds CR, LF or NUL, or contradicts the body.
int pmg_head_header(pmg_head_t *h, struct mg_str name, struct mg_str value);
// Adds Content-Type (text/plain; charset=utf-8 unless given), Content-Length (by what body.len is),
// Connection, and the body. With Transfer-Encoding: chunked among the headers: starts a chunked
// reply, a body becomes its first chunk. With Content-Type: text/event-stream and an empty body:
// starts an event stream that ends with the connection.
int pmg_reply_end(pmg_head_t *h, struct mg_str body);
void pmg_head_abort(pmg_head_t *h);

// A request of an http:// client, before it is connected or later: begin(), pmg_head_header() for
// each header, then end() or pmg_head_abort(). end() adds Host, Content-Length (of `body`; a header
// may promise more, which send() then sends) and the credentials of pmg_http_basic_auth(). With
// Transfer-Encoding: chunked the body is the first chunk, pmg_http_chunk() goes on.
// -EINVAL: no HTTP client; a method that is no token, a target with spaces or control characters;
// -EALREADY: the request before is not complete; -EAGAIN: too many are under way.
int pmg_request_begin(pmg_head_t *h, struct mg_connection *c, struct mg_str method,
    struct mg_str target);
int pmg_request_end(pmg_head_t *h, struct mg_str body);

// A chunk of a reply or of a client's request; len 0 ends it. -EINVAL if no such was started.
int pmg_http_chunk(struct mg_connection *c, const void *buf, size_t len);
// A server-sent event: lines of `data` become data: lines. -EINVAL for CR or LF in the type, or
// if no reply was started.
int pmg_http_sse(struct mg_connection *c, struct mg_str type, struct mg_str data);
// Remembers credentials for the head of the next request sent on a client connection.
int pmg_http_basic_auth(struct mg_connection *c, struct mg_str user, struct mg_str pass);

#if PMG_HAS_STREAM
// In MG_EV_HTTP_HDRS: has the body arrive in pieces, MG_EV_HTTP_BODY, or go into the file `path`
// (NULL: none). MG_EV_HTTP_MSG comes at its end, without a body. More than `max_size` bytes (0: no
// limit) are refused: 413, MG_EV_ERROR. The file appears when it is whole. A reply that ends before
// the body does ends the stream: the rest is read and dropped.
// -EINVAL outside MG_EV_HTTP_HDRS; -EALREADY; why the file cannot be made (-ENOENT, -EACCES ...).
int pmg_http_stream_body(struct mg_connection *c, const char *path, size_t max_size);
#endif

#if PMG_HAS_FILES
typedef struct {
    const char *root;         // serve_dir: folder; serve_file: the file
    struct mg_str headers;    // "Name: value\r\n" lines, validated; may be empty
    struct mg_str mime_types; // "ext=type,ext2=type2" ahead of the built-in table; may be empty
    const char *page404;      // a file for what is not found, or NULL
    bool no_listing;          // a folder without index.html is not found
    bool dotfiles;            // names with a dot in front are served and listed, too
} pmg_serve_t;
// Answers the request of `hm` from the file system, with ranges, ETag, .gz and folder listings.
// A missing file is a 404 to the client, not an error here. -EALREADY, -EPIPE, -EINVAL as reply.
int pmg_serve_dir(struct mg_connection *c, const pmg_http_msg_t *hm, const pmg_serve_t *opts);
int pmg_serve_file(struct mg_connection *c, const pmg_http_msg_t *hm, const pmg_serve_t *opts);
#endif

// ---------------------------------------------------------------------------------------------
// WebSocket

typedef struct {
    struct mg_str data;
    int flags; // the opcode alone: WEBSOCKET_OP_TEXT ...
} pmg_ws_msg_t;

// Answers 101 and fires MG_EV_WS_OPEN; pmg_head_header() in between adds headers. A request that
// is no WebSocket handshake gets 400 or 426, MG_EV_WS_OPEN does not come, and the result is 0.
int pmg_ws_upgrade_begin(pmg_head_t *h, struct mg_connection *c, const pmg_http_msg_t *hm);
int pmg_ws_upgrade_end(pmg_head_t *h);
// -EINVAL: unknown opcode, text that is not UTF-8, a control frame over 125 bytes, a bad close
// code, or no WebSocket; -EPIPE after a close frame was sent; -ENOBUFS as pmg_send.
int pmg_ws_send(struct mg_connection *c, const void *buf, size_t len, int op);
// The same with WEBSOCKET_OP_TEXT, for bytes that are known to be UTF-8: a CPython str's (one of
// MicroPython may hold a lone surrogate).
int pmg_ws_send_text(struct mg_connection *c, const void *buf, size_t len);

// One message to many WebSockets, checked and encoded once. begin(), then all() or one() for each,
// then read `sent` and `skipped`. No Python runs in them.
typedef struct {
    pmg_mgr_t *m;
    struct mg_str data;
    int op;
    size_t max_queued;
    uint8_t head[10];
    size_t head_len;
    size_t sent, skipped;
} pmg_broadcast_t;
// As pmg_ws_send, but for one that is closing; `is_utf8`: it is known to be. `max_queued`: a peer
// with more than this unsent is skipped, SIZE_MAX takes PMG_BROADCAST_QUEUED.
int pmg_broadcast_begin(pmg_broadcast_t *b, pmg_mgr_t *m, struct mg_str data, int op, bool is_utf8,
    size_t max_queued);
void pmg_broadcast_all(pmg_broadcast_t *b); // what was accepted by a listener
// Any connection; nothing happens to one that is no WebSocket or is about to end. -EINVAL if it is
// another manager's.
int pmg_broadcast_one(pmg_broadcast_t *b, struct mg_connection *c);

// ---------------------------------------------------------------------------------------------
// SNTP

#if PMG_HAS_SNTP
// Asks for the time, now or once connected; MG_EV_SNTP_TIME or MG_EV_ERROR follow. While a request
// is under way it does nothing. -EINVAL: no client of UDP; -EPIPE: closing.
int pmg_sntp_request(struct mg_connection *c);
#endif

// ---------------------------------------------------------------------------------------------
// Multicast DNS

#if PMG_HAS_MDNS
// What mdns_listen() is given: first the names (buf NULL: none), then each service with its TXT
// strings (value.buf NULL: the key alone), then listen. -EINVAL, -ENOMEM. A draft that is not
// listened to is dropped by the next one.
int pmg_mdns_draft(pmg_mgr_t *m, struct mg_str name, struct mg_str iface);
int pmg_mdns_draft_service(pmg_mgr_t *m, struct mg_str type, long port, struct mg_str instance);
int pmg_mdns_draft_txt(pmg_mgr_t *m, struct mg_str key, struct mg_str value);
// -EADDRNOTAVAIL: there is no such interface; -EADDRINUSE, -EACCES ...
int pmg_mdns_listen(pmg_mgr_t *m, void *arg, struct mg_connection **out);
// Asks for records of `name`, by multicast, once.
int pmg_mdns_query(struct mg_connection *c, struct mg_str name, int type);
// The host name that is ours, "name.local", or NULL while none is.
const char *pmg_conn_mdns_name(struct mg_connection *c);

typedef struct {
    struct mg_str name; // with .local; a dot in a label has a backslash in front
    int type;
    bool is_unicast;  // the asker wants the answer for itself
    bool is_answered; // by us, as far as it does not know the answer
} pmg_mdns_req_t;

typedef struct {
    struct mg_str name, instance, host, address; // empty: nothing is said of it
    struct mg_str txt;                           // for pmg_mdns_txt_next()
    int type, ttl, port;                         // ttl 0: the record is withdrawn
    char address_text[48];
} pmg_mdns_resp_t;
// Takes the next string off `rest`; false: there is none. value->buf NULL: the key alone.
bool pmg_mdns_txt_next(struct mg_str *rest, struct mg_str *key, struct mg_str *value);
#endif

// ---------------------------------------------------------------------------------------------
// Modbus over TCP

#if PMG_HAS_MODBUS
#define MG_MODBUS_ERR_TIMEOUT 256 // in a response's error: no answer came within modbus_timeout

// MG_EV_MODBUS_REQ and MG_EV_MODBUS_RESP.
typedef struct {
    int transaction, unit, func, address, count;
    int error;           // of a response: MG_MODBUS_ERR_*, else 0
    int num_values;      // what a write request brings, what a read response brings
    bool bits;           // they are coils or discrete inputs, else registers
    const uint8_t *data; // for pmg_modbus_value()
} pmg_modbus_msg_t;
unsigned pmg_modbus_value(const pmg_modbus_msg_t *msg, int i); // 0 or 1, or a register

// Values of a program on their way out. The result of put() is NULL, or what is wrong.
typedef struct {
    uint16_t count, max;
    bool bits;
    uint8_t data[250];
} pmg_modbus_values_t;
void pmg_modbus_values(pmg_modbus_values_t *v, int func);
const char *pmg_modbus_put(pmg_modbus_values_t *v, long long value);

// The function of the request that waits for its answer. -EALREADY: there is none.
int pmg_modbus_asked(struct mg_connection *c);
// Answers it: a read takes as many values as were asked for, all else none. `error` 1 to 255 is
// an exception instead. -EINVAL, -EALREADY, and as pmg_send().
int pmg_modbus_reply(struct mg_connection *c, const pmg_modbus_values_t *v, int error);
// Requests of a client; the result is the transaction. -ENOBUFS: too many are under way.
int pmg_modbus_read(struct mg_connection *c, int func, int address, int count, int unit);
int pmg_modbus_write(struct mg_connection *c, int func, int address, const pmg_modbus_values_t *v,
    int unit);
#endif

// MQTT 3.1.1 (version 4) and 5

#if PMG_HAS_MQTT
typedef struct {
    // PUBLISH; of a CONNECT the will's. data of SUBACK and UNSUBACK: the codes.
    struct mg_str topic, data;
    struct mg_str client_id, username, password; // CONNECT
    struct mg_str props;                         // properties of MQTT 5, without their length
    struct mg_str filters;                       // SUBSCRIBE, UNSUBSCRIBE
    int id, cmd;
    int qos;
    int ack; // code of an acknowledgement, CONNACK or DISCONNECT; the first of SUBACK
    int version, keepalive; // keepalive in seconds, of CONNECT
    bool retain, dup, clean_session, session_present;
} pmg_mqtt_msg_t;

typedef struct {
    uint8_t id;
    int type;    // MQTT_PROP_TYPE_*
    uint32_t iv; // of the integer types
    struct mg_str key, val;
} pmg_mqtt_prop_t;
// The property at `ofs` (0 at first) of a message; the offset of the next one, 0 when there is none.
size_t pmg_mqtt_next_prop(const pmg_mqtt_msg_t *msg, size_t ofs, pmg_mqtt_prop_t *out);
// MQTT_PROP_TYPE_* of a property, -1 for an unknown one.
int pmg_mqtt_prop_type(int id);
// Writes a property as the wire has it. Its length; dst may be NULL. 0: a value does not fit.
size_t pmg_mqtt_prop_encode(const pmg_mqtt_prop_t *prop, uint8_t *dst);
// Topic filters of SUBSCRIBE (with their options byte, QoS in bits 0-1) and UNSUBSCRIBE; as above.
size_t pmg_mqtt_next_topic(const pmg_mqtt_msg_t *msg, size_t ofs, struct mg_str *filter,
    int *options);
// Does a topic filter, + and # in it, match this topic (section 4.7)?
bool pmg_mqtt_match(struct mg_str filter, struct mg_str topic);

typedef struct {
    struct mg_str client_id;          // empty: a random one
    struct mg_str username, password; // empty: none
    struct mg_str will_topic, will_message;
    struct mg_str props, will_props; // encoded
    int version, keepalive, will_qos;
    bool clean_session, will_retain;
} pmg_mqtt_login_t;
// pmg_connect() for mqtt://, mqtts://, tcp://, tls:// or unix:///; CONNECT is the first thing sent.
// -EINVAL for what MQTT does not allow.
int pmg_mqtt_connect(pmg_mgr_t *m, const char *url, const pmg_mqtt_login_t *login, void *arg,
    struct mg_connection **out);

// These queue a packet. Of the first three the result is the packet's id, 0 with QoS 0. -EINVAL:
// MQTT does not allow it, or not for this role; -ENOTCONN before CONNECT or after a refusal;
// -ENOBUFS: max_send, or as much is unanswered as the peer takes; -EMSGSIZE: more than it takes.
// id > 0 sends a message again, with DUP.
int pmg_mqtt_pub(struct mg_connection *c, struct mg_str topic, struct mg_str message, int qos,
    bool retain, int id, struct mg_str props);
// options: those of MQTT 5 (section 3.8.3.1) without the QoS.
int pmg_mqtt_sub(struct mg_connection *c, struct mg_str filter, int qos, int options,
    struct mg_str props);
int pmg_mqtt_unsub(struct mg_connection *c, struct mg_str filter);
int pmg_mqtt_ping(struct mg_connection *c);
int pmg_mqtt_pong(struct mg_connection *c);
// DISCONNECT (a server of 3.1.1 has none to send), then drains. reason: MQTT 5.
int pmg_mqtt_disconnect(struct mg_connection *c, int reason);
// A server's answer to the CONNECT, SUBSCRIBE or UNSUBSCRIBE whose event runs, instead of the one
// that follows by itself: one code for all filters, or one for each. CONNECT with a code above 0
// is refused: the connection drains. -EALREADY: answered before.
int pmg_mqtt_ack(struct mg_connection *c, const pmg_mqtt_msg_t *msg, const uint8_t *codes,
    size_t num_codes, bool session_present, struct mg_str props);
#endif

// ---------------------------------------------------------------------------------------------
// TLS

#if PMG_HAS_TLS
// Certificates and key, parsed once, shared by reference: connections of several threads may use
// one where mbedTLS is ours (CPython), else those of one thread.
typedef struct pmg_tls_conf pmg_tls_conf_t;
typedef struct {
    struct mg_str ca, cert, key; // PEM or DER; buf NULL: not given
    const char *name;            // a client's: whom to expect instead of the URL's host; or NULL
    bool skip_verification;
    const struct mg_str *alpn; // names of protocols (RFC 7301), the preferred first
    size_t alpn_len;
} pmg_tls_opts_t;
#define PMG_MAX_ALPN 16
// -EINVAL or -ENOMEM: *conf is NULL and `text` says what is wrong. The caller has one reference.
int pmg_tls_conf_new(const pmg_tls_opts_t *opts, pmg_tls_conf_t **conf, char *text, size_t size);
void pmg_tls_conf_ref(pmg_tls_conf_t *conf);
void pmg_tls_conf_unref(pmg_tls_conf_t *conf); // NULL is accepted

// Gives a connection TLS: a client before its handshake, an accepted connection, or a listener for
// all that it will accept. -EINVAL: a server without certificate, a client without CA or name, UDP;
// -EALREADY: the handshake has begun.
int pmg_tls_init(struct mg_connection *c, pmg_tls_conf_t *conf);
// The protocol that both sides agreed on by ALPN; NULL: none. Valid as long as the connection.
const char *pmg_conn_alpn(struct mg_connection *c);
// Ends TLS: what follows is plain text. Of a listener: for what it will accept.
int pmg_tls_free(struct mg_connection *c);
#endif

// ---------------------------------------------------------------------------------------------
// Text, for bindings: what the wire says is bytes, what Python sees is str.

bool pmg_utf8_valid(const void *buf, size_t len);
// UTF-8 with each byte that does not belong replaced by U+FFFD, as bytes.decode("utf-8", "replace")
// does. Returns the length needed; writes nothing if dst is NULL. At most 3 * len.
size_t pmg_utf8_replace(const void *buf, size_t len, char *dst);
// ISO 8859-1 to UTF-8, for head fields that are not UTF-8 (RFC 9110, section 5.5). At most 2 * len.
size_t pmg_latin1_to_utf8(const void *buf, size_t len, char *dst);

#endif
