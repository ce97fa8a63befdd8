// SPDX-License-Identifier: GPL-2.0-only
//
// What the files of shared/ share among themselves. Bindings include pmg.h only.
#ifndef PMG_INT_H
#define PMG_INT_H

#include "../pmg.h"
#include "../io/io.h"
#include "../port/port.h"
#include "../util/util.h"

#if defined(__GNUC__) || defined(__clang__)
#define PMG_FORMAT(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define PMG_FORMAT(fmt, args)
#endif

// Read this much at a time, into one buffer that all connections of a manager borrow in turn.
#ifndef PMG_READ_SIZE
#ifdef PMG_BOARD
#define PMG_READ_SIZE 1536
#else
#define PMG_READ_SIZE 65536
#endif
#endif
// A client that pipelines requests and reads no replies: with this much unsent the next one waits.
#define PMG_PIPELINE_MAX (2 * PMG_READ_SIZE)
// A send buffer up to this size is kept for the next connection instead of being freed.
#ifdef PMG_BOARD
#define PMG_SPARE_MAX 2048
#else
#define PMG_SPARE_MAX 16384
#endif
// Data that a signal or another thread asked to deliver, at most, per manager.
#ifdef PMG_BOARD
#define PMG_WAKEUP_BUDGET 4096
#else
#define PMG_WAKEUP_BUDGET (64u << 20)
#endif

// ---------------------------------------------------------------------------------------------
// State of the protocols, a union in each connection

typedef struct {
    uint8_t state; // enum in http/http.c
    uint8_t sink;  // where the body goes, PMG_BODY_*
    uint8_t close_after;
    uint8_t is_head; // the request was HEAD: a reply has no body
    uint8_t http10;
    uint8_t resp_started; // some of the reply is queued
    uint8_t by_hand;      // the program sent something itself instead
    uint8_t out;          // how the body of the reply goes out, enum in http/reply.c
    size_t scan;          // bytes of the head that hold no end of it
    size_t head_len;
    size_t pos;                // raw bytes of the message that were read so far
    size_t left;               // of the body or the chunk
    size_t body_len;           // decoded
    struct pmg_stream *stream; // while the sink is PMG_BODY_STREAM
} pmg_http_t;

enum {
    PMG_BODY_GATHER, // it is kept behind its head, for MG_EV_HTTP_MSG
    PMG_BODY_STREAM, // pieces go to the program or into a file
    PMG_BODY_DROP    // answered before its end: it is read, and nobody hears of it
};

typedef struct {
    uint32_t state; // cursor of an incremental UTF-8 check, 0 between characters
} pmg_utf8_t;

typedef struct {
    uint8_t msg_op; // opcode of the message being assembled, 0 for none
    uint8_t frame_open;
    uint8_t frame_fin;
    uint8_t masked;
    uint8_t close_sent, close_rcvd;
    uint8_t handshake; // a client that waits for 101
    uint8_t mask[4];
    uint32_t mask_pos;
    size_t frame_left;
    size_t len; // assembled bytes, at the start of the receive buffer
    pmg_utf8_t utf8;
    uint8_t heard, pinged; // since the last look: anything of the peer; our ping
    union {
        char accept[29]; // what the server must answer
        size_t queued;   // then: what waited to be sent at the last look
    } u;
} pmg_ws_t;

typedef struct {
    uint8_t cookie[8]; // what the answer must repeat
    uint64_t sent;
    uint8_t tries;
    bool waiting; // for an answer
    bool wanted;  // ask when connected
    bool once;    // close after the answer
} pmg_sntp_t;

#if PMG_HAS_MODBUS
typedef struct {
    uint8_t unit, func;   // of the request that c->is_resp says is waiting, as are:
    uint16_t transaction; // (a client's: the last one that was used)
    uint16_t address, count, value;
    uint8_t processing; // the input is being read
    uint8_t calls;      // requests of a client under way
    struct pmg_modbus_call *first;
} pmg_modbus_t;
#endif

typedef struct pmg_mdns pmg_mdns_t;
typedef struct pmg_file pmg_file_t;
typedef struct pmg_stream pmg_stream_t;
typedef struct pmg_request pmg_request_t;
typedef struct pmg_tls pmg_tls_t;
typedef struct pmg_mqtt pmg_mqtt_t;
typedef struct pmg_dns pmg_dns_t;

// As `proto` of a connection, besides what pmg.h names: one of our own.
enum { PMG_INNER = 100 };

// ---------------------------------------------------------------------------------------------
// Connection: allocated behind Mongoose's own, see pmg_x()

enum {
    PMG_DL_NONE,
    PMG_DL_CONNECT,
    PMG_DL_RETRY,
    PMG_DL_HEAD,
    PMG_DL_BODY,
    PMG_DL_IDLE,
    PMG_DL_DRAIN,
    PMG_DL_LINGER,
    PMG_DL_ACCEPT,
    PMG_DL_CLOSE,
    PMG_DL_PING,
    PMG_DL_SNTP,
    PMG_DL_TLS,
    PMG_DL_MODBUS,
    PMG_DL_MQTT,
    PMG_DL_MDNS
};

typedef struct {
    struct mg_connection *prev, *next; // all connections of the manager
    struct mg_connection *hash_next;   // by id
    struct mg_connection *work_next;   // the work queue
    void *obj;
    char *auth;   // "Authorization: Basic ...\r\n" for the next request
    char *host;   // host[:port] of the URL; a unix socket's path; or NULL
    char *target; // path and query of the URL, for a WebSocket client
    pmg_file_t *file;
    pmg_request_t *request; // of an HTTP client
#if PMG_HAS_TLS
    pmg_tls_t *tls;           // from tls_init() on; the handshake runs while c->is_tls_hs
    pmg_tls_conf_t *tls_conf; // of a listener: for what it accepts
#endif
    pmg_timer_t timer; // deadline; may stand in the heap earlier than it is due
    uint64_t deadline;
    size_t send_off; // bytes at the start of c->send that are gone
    size_t recv_off; // bytes at the start of c->recv that a raw reader consumed
    uint8_t deadline_kind;
    uint8_t proto;
    uint8_t io_mask; // what the backend watches
    unsigned registered : 1;
    unsigned in_work : 1;
    unsigned internal : 1; // no Python sees it: not yet, or
    unsigned inner : 1;    // never, it is the name resolver's
    unsigned waits : 1;    // for its name, or for one of the name's addresses
    unsigned handler_failed : 1;
    unsigned eof : 1;
    unsigned reparse : 1; // received bytes wait for the protocol
    unsigned in_read : 1; // the read path runs: it will flush
    unsigned linger
        : 1; // after the last byte read until the peer closes, so that it sees our reply
    unsigned lingering : 1;
    unsigned hold : 1;      // do not flush: a request head is being completed
    unsigned errored : 1;   // MG_EV_ERROR was fired for the close
    unsigned backlog : 1;   // pipelined requests wait until replies have left
    unsigned half_head : 1; // the head being completed began before
    unsigned is_unix : 1;
    unsigned unlink_path : 1; // a socket file that we made
    unsigned watched : 1;     // the backend's
    unsigned connected : 1;
    unsigned url_tls : 1;   // the URL's scheme asks for TLS
    unsigned multicast : 1; // datagrams know their interface
    unsigned evicted : 1;   // closed to make room
    unsigned cut : 1;       // the end of the stream came without TLS saying so
    union {
        pmg_http_t http;
        pmg_ws_t ws;
        pmg_sntp_t sntp;
#if PMG_HAS_MODBUS
        pmg_modbus_t modbus;
#endif
        pmg_mqtt_t *mqtt; // NULL in a listener
        pmg_mdns_t *mdns;
    } u;
} pmg_conn_t;

struct pmg_mgr {
    struct mg_mgr mg; // first: Mongoose hands this pointer back
    pmg_hooks_t hooks;
    const pmg_hooks_t *given_hooks; // the binding's, without the log
    pmg_limits_t limits;
    void *owner;
    uint64_t now; // of this turn of the loop
    struct mg_connection *first, *last;
    struct mg_connection **hash;
    size_t hash_size;      // a power of two
    size_t count, evicted; // connections in the table; those of them that give room
    struct mg_connection *work_first, *work_last;
    size_t work_len;
    pmg_timer_t **heap;
    size_t heap_len, heap_size, timers;
    pmg_timer_t *firing; // the timer whose hook runs
#if PMG_HAS_MQTT
    const pmg_mqtt_login_t *login; // of the connection that is being made
#endif
    struct pmg_wakeup *wake_first, *wake_last;
#ifdef PMG_WAKEUP_SLOTS
    struct {
        unsigned long id;
        unsigned char len;
        char data[PMG_WAKEUP_SLOT_SIZE];
    } wake_slot[PMG_WAKEUP_SLOTS]; // a ring
    unsigned char wake_slot_first;
    volatile unsigned char wake_slots;
#endif
    size_t wake_bytes;
    size_t done;    // things done in this turn
    unsigned depth; // hooks on the stack
    unsigned turn;  // counts polls
    bool polling, waiting, stop, closing, silent, poll_events, firing_canceled;
    unsigned char *scratch; // PMG_READ_SIZE
    bool scratch_lent;
    unsigned char *spare; // a freed send buffer, or NULL
    size_t spare_size;
    uint8_t random[64]; // for WebSocket masks
    size_t random_left;
#if PMG_HAS_TLS
    unsigned char *tls_ahead; // for tls/tls.c to read into, or NULL
#endif
    pmg_io_mgr_t io;
#if PMG_HAS_MDNS
    unsigned iface;         // where the last multicast datagram came in, 0 if that is not known
    pmg_mdns_t *mdns_draft; // what mdns_listen() is being given
#endif
    int err;
    int log_level; // that `hooks` are made for
    char err_text[160];
    size_t inner;   // of `count`: connections of our own
    pmg_dns_t *dns; // from the first lookup on
};

// The record of a connection lies right behind it.
static inline pmg_conn_t *pmg_x(struct mg_connection *c) {
    return (pmg_conn_t *)(void *)(c + 1);
}
static inline pmg_mgr_t *pmg_m(struct mg_connection *c) {
    return (pmg_mgr_t *)(void *)c->mgr;
}

// ---------------------------------------------------------------------------------------------
// mem.c

void *pmg_alloc(size_t size); // counted; NULL when there is none
void pmg_free(void *p);
char *pmg_strndup(const char *s, size_t len);
size_t pmg_mem_blocks(void);
void pmg_mem_forget(long blocks); // these are kept for good: no longer counted
// Makes room for `more` bytes behind buf->len; grows by doubling. False: nothing changed.
bool pmg_buf_reserve(struct mg_iobuf *b, size_t more);
void pmg_buf_free(struct mg_iobuf *b);

// core/mgr.c
void pmg_live_add(int connections, int timers);
// Formats (text.c): %s %.*s %c %d %u %x %X %%, with l, ll, z, a width and 0. No floats. The
// length is that of the whole text, as snprintf's. For a text of unknown length: %.*s and PMG_CUT.
size_t pmg_snprintf(char *buf, size_t size, const char *fmt, ...) PMG_FORMAT(3, 4);
size_t pmg_vsnprintf(char *buf, size_t size, const char *fmt, va_list *ap) PMG_FORMAT(3, 0);
int pmg_fail(pmg_mgr_t *m, int err, const char *fmt, ...) PMG_FORMAT(3, 4);
#define PMG_CUT(s) (int)strnlen(s, 80), (s)
void pmg_random(pmg_mgr_t *m, void *buf, size_t len); // pooled, for masks
void pmg_wakeups_run(pmg_mgr_t *m);

// core/timer.c
bool pmg_heap_reserve(pmg_mgr_t *m, size_t n);
void pmg_heap_set(pmg_timer_t *t, uint64_t due); // inserts or moves; room must be reserved
void pmg_heap_remove(pmg_timer_t *t);
uint64_t pmg_heap_due(pmg_mgr_t *m); // UINT64_MAX when empty
void pmg_timers_run(pmg_mgr_t *m);
void pmg_timers_free(pmg_mgr_t *m);
void pmg_deadline(struct mg_connection *c, int kind, uint64_t ms); // ms 0: none

// core/conn.c
struct mg_connection *pmg_conn_new(pmg_mgr_t *m);       // in the table, no object yet
struct mg_connection *pmg_conn_new_inner(pmg_mgr_t *m); // one that Python never sees
void pmg_conn_free(struct mg_connection *c);            // MG_EV_CLOSE and away; only from the loop
struct mg_connection *pmg_conn_find(pmg_mgr_t *m, unsigned long id);
void pmg_fire(struct mg_connection *c, int ev, void *data);    // to Python
void pmg_user_fn(struct mg_connection *c, int ev, void *data); // the same as Mongoose's c->fn
void pmg_fatal(struct mg_connection *c, const char *text);     // MG_EV_ERROR, then close
int pmg_can_send(struct mg_connection *c);                     // 0, or why not
bool pmg_out_room(struct mg_connection *c, size_t len); // for bytes that the buffer cannot take yet
bool pmg_out_grow(struct mg_connection *c, const void *buf, size_t len);
// Appends to the send buffer, no checks; false: no memory, and nothing was appended.
#ifdef PMG_BOARD
#define pmg_out pmg_out_grow
#else
static inline bool pmg_out(struct mg_connection *c, const void *buf, size_t len) {
    struct mg_iobuf *b = &c->send;
    if (len == 0) {
        return true;
    }
    if (b->size - b->len >= len) {
        memcpy(b->buf + b->len, buf, len);
        b->len += len;
        return true;
    }
    return pmg_out_grow(c, buf, len);
}
#endif

// open/url.c
typedef struct {
    int proto; // PMG_HTTP ...
    bool is_udp, is_tls, is_unix, has_port;
    struct mg_str host, target; // host without brackets
    struct mg_str authority;    // as written: host[:port]
    struct mg_addr addr;        // port always, the address if `literal`
    bool literal;
} pmg_url_t;
int pmg_url_parse(pmg_mgr_t *m, const char *url, bool listening, pmg_url_t *out);
// A client's that may leave out its scheme, which then is this one, and its port. Port 0 may stay.
int pmg_url_parse_for(pmg_mgr_t *m, const char *url, const char *scheme, unsigned port,
    pmg_url_t *out);

// core/loop.c
void pmg_work(struct mg_connection *c); // have the loop look at it, this turn or the next
void pmg_flush(struct mg_connection *c);
void pmg_update(struct mg_connection *c); // flush, finish a drain, tell the backend
void pmg_wants(struct mg_connection *c);  // tell the backend what to watch

// open/connect.c
void pmg_accept_ready(struct mg_connection *listener);
void pmg_connected(struct mg_connection *c);
void pmg_connect_resolved(struct mg_connection *c); // c->rem is known; MG_EV_RESOLVE, then on
void pmg_connect_failed(struct mg_connection *c, int err);
bool pmg_connect_next(struct mg_connection *c); // the next address of its name, if there is one

// dns/dns.c
// Looks up a name for c; pmg_connect_resolved(c) or an error follow, from the loop. With `addr`
// there is nothing to ask. -ENOMEM, -EINVAL.
int pmg_dns_start(struct mg_connection *c, struct mg_str host, const struct mg_addr *addr);
void pmg_dns_forget(struct mg_connection *c);  // c no longer waits
bool pmg_dns_more(struct mg_connection *c);    // has its name another address to try?
bool pmg_dns_next(struct mg_connection *c);    // puts it into c->rem
void pmg_dns_attempt(struct mg_connection *c); // sets the deadline of trying this one
void pmg_dns_closed(struct mg_connection *c);  // an inner connection is freed
void pmg_dns_free(pmg_mgr_t *m);

// http/http.c
void pmg_http_pfn(struct mg_connection *c, int ev, void *data);
void pmg_http_reset(struct mg_connection *c);
void pmg_http_done(struct mg_connection *c); // the reply is complete
void pmg_http_timeout(struct mg_connection *c, int kind);
bool pmg_http_room(struct mg_connection *c);        // may more be read?
bool pmg_http_in_head(struct mg_connection *c);     // does the handler of MG_EV_HTTP_HDRS run?
bool pmg_http_idle(struct mg_connection *c);        // between two requests?
size_t pmg_http_body_left(struct mg_connection *c); // of a body with Content-Length
void pmg_http_fire(struct mg_connection *c, int ev, void *data); // 500 if the handler raises
// http/head.c
// Parses a whole head of head_len bytes. 0, or the status to refuse it with.
typedef struct {
    bool http10, chunked, has_length, close, keep_alive, upgrade, expect_continue;
    size_t content_length;
} pmg_framing_t;
int pmg_http_parse_head(const char *buf, size_t len, bool response, pmg_http_msg_t *hm,
    pmg_header_t *headers, int max_headers, pmg_framing_t *f);
bool pmg_is_token(struct mg_str s);
bool pmg_is_target(struct mg_str s); // a request's: no space, no control character, no "#"
bool pmg_is_field_value(struct mg_str s);
bool pmg_list_has(struct mg_str list, const char *token);
bool pmg_str_ieq(struct mg_str s, const char *lower);

// http/reply.c
enum { PMG_OUT_LENGTH, PMG_OUT_CHUNKED, PMG_OUT_STREAM };
enum { PMG_HEAD_REPLY, PMG_HEAD_UPGRADE, PMG_HEAD_FILE, PMG_HEAD_REQUEST };
enum { // what a head has said so far (pmg_head_t.seen)
    PMG_SEEN_TYPE = 1,
    PMG_SEEN_LENGTH = 2,
    PMG_SEEN_CHUNKED = 4,
    PMG_SEEN_STREAM = 8,
    PMG_SEEN_CLOSE = 16,
    PMG_SEEN_HOST = 32,
    PMG_SEEN_AUTH = 64
};
bool pmg_out_chunk(struct mg_connection *c, const void *buf, size_t len); // all of it or nothing
void pmg_http_refuse(struct mg_connection *c, int status); // a reply of ours, then close
const char *pmg_http_reason(int status);
int pmg_head_end(pmg_head_t *h); // the blank line
bool pmg_out_str(struct mg_connection *c, const char *s);
bool pmg_out_num(struct mg_connection *c, uint64_t n);

// http/stream.c: bodies in pieces
#if PMG_HAS_STREAM
// The head is read, the body follows. False: refused.
bool pmg_stream_begin(struct mg_connection *c, const char *head, size_t len);
size_t pmg_stream_max(struct mg_connection *c);
void pmg_stream_piece(struct mg_connection *c, const void *buf, size_t len);
// The body is whole, and so is its file; `head` is valid until the result is freed. NULL: it failed.
pmg_stream_t *pmg_stream_end(struct mg_connection *c, struct mg_str *head);
void pmg_stream_free(pmg_stream_t *s);
void pmg_stream_abort(struct mg_connection *c); // an unfinished file goes; what follows is dropped
// MG_EV_ERROR with this text; a server answers with `status`; the connection ends.
void pmg_stream_fail(struct mg_connection *c, int status, const char *text);
void pmg_stream_too_large(struct mg_connection *c);
#else
#define pmg_stream_begin(c, head, len) ((void)(c), (void)(head), (void)(len), false)
#define pmg_stream_max(c) ((size_t)0)
#define pmg_stream_piece(c, buf, len) ((void)(c), (void)(buf), (void)(len))
#define pmg_stream_end(c, head) ((void)(c), (void)(head), (pmg_stream_t *)NULL)
#define pmg_stream_free(s) ((void)(s))
#define pmg_stream_abort(c) ((void)(c))
#define pmg_stream_fail(c, status, text) pmg_fatal(c, text)
#define pmg_stream_too_large(c) ((void)(c))
#endif

// http/request.c: the requests that a client sends
bool pmg_request_new(struct mg_connection *c);
int pmg_request_send(struct mg_connection *c, const void *buf, size_t len);
int pmg_request_chunk(struct mg_connection *c, const void *buf, size_t len);
bool pmg_request_asked(struct mg_connection *c); // may an answer come?
bool pmg_request_owed(struct mg_connection *c);  // must one come?
bool pmg_request_is_head(struct mg_connection *c);
void pmg_request_answered(struct mg_connection *c);

// http/serve.c
void pmg_file_more(struct mg_connection *c); // tops up the send buffer
void pmg_file_close(struct mg_connection *c);

// ws/ws.c
void pmg_ws_pfn(struct mg_connection *c, int ev, void *data);
void pmg_ws_start(struct mg_connection *c, bool client);
int pmg_ws_request(struct mg_connection *c);         // a client's handshake
bool pmg_ws_read_handshake(struct mg_connection *c); // of the server; true: it is open
void pmg_ws_timeout(struct mg_connection *c);
void pmg_ws_watch(struct mg_connection *c); // it is open: pings begin
void pmg_ws_look(struct mg_connection *c);  // is the peer still there?
// Encodes the head of a frame, at most 10 bytes without its mask; the length.
size_t pmg_ws_head(uint8_t *head, size_t len, int op);
// 0, or why a program must not send this; *checked says that text was looked at.
int pmg_ws_check(pmg_mgr_t *m, const void *buf, size_t len, int op, bool checked);
bool pmg_ws_room(struct mg_connection *c);
void pmg_ws_goodbye(struct mg_connection *c); // a close frame ahead of draining

// modbus/modbus.c
#if PMG_HAS_MODBUS
void pmg_modbus_pfn(struct mg_connection *c, int ev, void *data);
void pmg_modbus_timeout(struct mg_connection *c);
bool pmg_modbus_room(struct mg_connection *c);
void pmg_modbus_end(struct mg_connection *c); // frees all
#endif

// mqtt/mqtt.c
#if PMG_HAS_MQTT
void pmg_mqtt_pfn(struct mg_connection *c, int ev, void *data);
int pmg_mqtt_start(struct mg_connection *c); // a client's CONNECT is queued, a server's wait begins
void pmg_mqtt_await(struct mg_connection *c); // CONNECT or CONNACK within the time for it
void pmg_mqtt_timeout(struct mg_connection *c);
bool pmg_mqtt_room(struct mg_connection *c);
void pmg_mqtt_goodbye(struct mg_connection *c); // DISCONNECT ahead of draining
void pmg_mqtt_eof(struct mg_connection *c);
void pmg_mqtt_by_hand(struct mg_connection *c, const void *buf, size_t len); // pmg_send() sent it
void pmg_mqtt_free(struct mg_connection *c);
#else
#define pmg_mqtt_start(c) ((void)(c), -EPROTONOSUPPORT)
#define pmg_mqtt_await(c) ((void)(c))
#define pmg_mqtt_timeout(c) ((void)(c))
#define pmg_mqtt_room(c) ((void)(c), true)
#define pmg_mqtt_goodbye(c) ((void)(c))
#define pmg_mqtt_eof(c) ((void)(c))
#define pmg_mqtt_by_hand(c, buf, len) ((void)(c), (void)(buf), (void)(len))
#define pmg_mqtt_free(c) ((void)(c))
#endif

// mdns/mdns.c, mdns/open.c
#if PMG_HAS_MDNS
void pmg_mdns_timeout(struct mg_connection *c);
void pmg_mdns_end(struct mg_connection *c); // says goodbye and frees all
void pmg_mdns_undraft(pmg_mgr_t *m);
#endif

// tls/tls.c: what the loop asks of it
#if PMG_HAS_TLS
void pmg_tls_accepted(struct mg_connection *listener, struct mg_connection *c); // after ACCEPT
void pmg_tls_connected(struct mg_connection *c);                                // after CONNECT
void pmg_tls_handshake(struct mg_connection *c);                                // goes on with it
bool pmg_tls_wants_write(struct mg_connection *c);
bool pmg_tls_pending(struct mg_connection *c); // there is something to read without the socket
long pmg_tls_read(struct mg_connection *c, void *buf, size_t len);        // as pmg_io_read(), but
long pmg_tls_write(struct mg_connection *c, const void *buf, size_t len); // -EPROTO has been told
void pmg_tls_goodbye(struct mg_connection *c);
void pmg_tls_end(struct mg_connection *c); // frees all
#define PMG_IS_TLS(c) (pmg_x(c)->tls != NULL)
#else
#define PMG_IS_TLS(c) false
#define pmg_tls_accepted(listener, c) ((void)(listener), (void)(c))
#define pmg_tls_connected(c) ((void)(c))
#define pmg_tls_handshake(c) ((void)(c))
#define pmg_tls_wants_write(c) false
#define pmg_tls_pending(c) false
#define pmg_tls_read(c, buf, len) pmg_io_read(c, buf, len)
#define pmg_tls_write(c, buf, len) pmg_io_write(c, buf, len)
#define pmg_tls_goodbye(c) ((void)(c))
#define pmg_tls_end(c) ((void)(c))
#endif

// sntp/sntp.c
#if PMG_HAS_SNTP
void pmg_sntp_init(struct mg_connection *c); // of sntp_connect(): ask once, then close
void pmg_sntp_timeout(struct mg_connection *c);
#else
#define pmg_sntp_init(c) ((void)(c))
#define pmg_sntp_timeout(c) ((void)(c))
#endif

// util/log.c
#if PMG_HAS_UTIL
void pmg_log_attach(pmg_mgr_t *m); // puts the log between the core and the hooks, or takes it away
#define PMG_LOG_CHECK(m)                       \
    do {                                       \
        if ((m)->log_level != pmg_log_get()) { \
            pmg_log_attach(m);                 \
        }                                      \
    } while (0)
#else
#define PMG_LOG_CHECK(m) ((void)(m))
#endif

// utf8.c
// Feeds bytes to an incremental check; false at the first byte that cannot follow.
bool pmg_utf8_feed(pmg_utf8_t *u, const void *buf, size_t len);

#endif
