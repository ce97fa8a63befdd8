// SPDX-License-Identifier: GPL-2.0-only
//
// What the files of MQTT share: mqtt.c (a connection's life), alive.c (the keep-alive, the end), receive.c (what the peer asks for), send.c
// (what a program sends), put.c (packets of ours) and packet.c (packets of the peer, and nothing but bytes).
#ifndef PMG_MQTT_INT_H
#define PMG_MQTT_INT_H

#include "../core/core_int.h"
#include "ids.h"
#include "mqtt.h"
#include "session.h"

#if PMG_HAS_MQTT

// Messages and subscriptions of ours that wait for the peer's answer.
// Messages of the peer with QoS 2 that it has not released: told to it in MQTT 5. A client takes more,
// since mosquitto sends more when it resumes a session: to end that would only have it sent again.
// Properties and topics of one packet, each of which becomes objects for the program.
// Topic aliases of a session's connection. What a session's queue takes at most, unless told otherwise.
#ifdef PMG_BOARD
#define PMG_MQTT_INFLIGHT 64
#define PMG_MQTT_UNRELEASED 32
#define PMG_MQTT_UNRELEASED_CLIENT 128
#define PMG_MQTT_ITEMS 64
#define PMG_MQTT_ALIASES 8
#define PMG_MQTT_QUEUE_BYTES 65536
#else
#define PMG_MQTT_INFLIGHT 65535
#define PMG_MQTT_UNRELEASED 1024
#define PMG_MQTT_UNRELEASED_CLIENT 2048
#define PMG_MQTT_ITEMS 4096
#define PMG_MQTT_ALIASES 32
#define PMG_MQTT_QUEUE_BYTES (16 << 20)
#endif

// Reason codes of MQTT 5 (section 2.4) that we send.
enum {
    PMG_MQTT_UNSPECIFIED = 0x80,
    PMG_MQTT_MALFORMED = 0x81,
    PMG_MQTT_PROTOCOL = 0x82,
    PMG_MQTT_IMPLEMENTATION = 0x83,
    PMG_MQTT_VERSION = 0x84,
    PMG_MQTT_CLIENT_ID = 0x85,
    PMG_MQTT_UNAVAILABLE = 0x88,
    PMG_MQTT_SHUTTING_DOWN = 0x8b,
    PMG_MQTT_AUTH_METHOD = 0x8c,
    PMG_MQTT_KEEPALIVE = 0x8d,
    PMG_MQTT_TOPIC = 0x90,
    PMG_MQTT_UNKNOWN_ID = 0x92,
    PMG_MQTT_RECEIVE_MAX = 0x93,
    PMG_MQTT_ALIAS = 0x94,
    PMG_MQTT_TOO_LARGE = 0x95,
    PMG_MQTT_QUOTA = 0x97
};

// The packet ids of both sides whose exchange is open: of a connection, or of a session that lasts.
typedef struct {
    pmg_mqtt_ids_t published, subscribed, unreleased;
    uint16_t next_id;
    bool wrapped; // packet ids came round, or were chosen by the program
} pmg_mqtt_flow_t;

enum {
    PMG_MQTT_WAIT,    // a server waits for CONNECT, a client for CONNACK
    PMG_MQTT_CONNECT, // a server's handler decides about a CONNECT
    PMG_MQTT_OPEN,
    PMG_MQTT_DONE // refused, or one of the two has said that it leaves
};

typedef struct pmg_mqtt_alias pmg_mqtt_alias_t;

typedef struct {
    uint8_t version; // 4 or 5; 0: a server that has no CONNECT yet
    uint8_t state;
    uint8_t busy;     // the handler of a packet runs
    uint8_t bye;      // it asked for the end: DISCONNECT follows our answer
    uint8_t bye_code; // with this reason
    uint8_t ping_out; // a PINGRESP is owed to us
    uint8_t max_qos;  // that the peer takes
    uint8_t retain_ok;
    uint8_t auth;     // CONNECT named an authentication method
    uint8_t clean;    // CONNECT asked for no session from before
    uint8_t skip_qos; // of the message that is skipped
    uint8_t heard;    // a packet came since a session's message went out alone
    uint16_t skip_id;
    uint16_t answered; // bit 1 << command: sent while busy
    uint16_t keepalive;
    uint16_t receive_max; // messages with QoS above 0 that the peer takes at a time
    uint16_t alias_max, num_aliases;
    uint32_t packet_max; // bytes of a packet that the peer takes
    uint64_t last_in, last_out, pinged;
    size_t skip;                 // bytes of a message above max_message that are to come
    pmg_mqtt_flow_t own, *flow;  // `flow` is `own`, or the session's
    pmg_mqtt_session_t *session; // or NULL
    pmg_mqtt_alias_t *aliases;   // of a session's topics
    const char *assigned;        // the id that a server gave a client without one, during CONNECT
} pmg_mqtt_t;

// NULL in a listener.
static inline pmg_mqtt_t *pmg_mqtt_of(struct mg_connection *c) {
    return *(pmg_mqtt_t **)pmg_state(c);
}

// ---------------------------------------------------------------------------------------------
// alive.c

// The peer broke the protocol: tell it the reason if MQTT has a word for it, and the program.
void pmg_mqtt_fail(struct mg_connection *c, int reason, const char *why);
void pmg_mqtt_no_memory(struct mg_connection *c);
void pmg_mqtt_await(struct mg_connection *c);   // CONNECT or CONNACK, within the time for it
void pmg_mqtt_opened(struct mg_connection *c);  // the keep-alive begins
void pmg_mqtt_no_more(struct mg_connection *c); // what is queued is sent, and nothing follows
void pmg_mqtt_say_goodbye(struct mg_connection *c);

// ---------------------------------------------------------------------------------------------
// receive.c

// Does what a whole packet [p, p + len) asks for.
void pmg_mqtt_packet(struct mg_connection *c, const uint8_t *p, size_t len, size_t head_len);
size_t pmg_mqtt_unreleased_most(struct mg_connection *c); // messages of the peer with QoS 2

// ---------------------------------------------------------------------------------------------
// packet.c

// The fixed header. 1: there, 0: bytes are missing, < 0: more than four bytes of length.
int pmg_mqtt_head(const uint8_t *p, size_t have, size_t *head_len, size_t *len, bool *padded);
// Parses the packet [p, p + len), its fixed header head_len bytes long, as `to_server` receives it.
// `version` is that of the connection. 0, or the reason code to refuse it with, and why.
int pmg_mqtt_parse(const uint8_t *p, size_t len, size_t head_len, bool to_server, int version,
    pmg_mqtt_msg_t *msg, const char **why);
// May these properties, without their length, stand in a packet? `where` is a command or
// PMG_MQTT_WILL.
enum { PMG_MQTT_WILL = 0 };
bool pmg_mqtt_props_ok(struct mg_str props, int where);
// The number of the property `id` in a checked block, or `absent`.
uint32_t pmg_mqtt_prop_int(struct mg_str props, int id, uint32_t absent);
bool pmg_mqtt_has_prop(struct mg_str props, int id);
bool pmg_mqtt_topic_ok(struct mg_str topic);
bool pmg_mqtt_filter_ok(struct mg_str filter);
const char *pmg_mqtt_reason(int version, int code);

// FNV-1a, begun with PMG_MQTT_HASH.
#define PMG_MQTT_HASH 2166136261u
uint32_t pmg_mqtt_hash(uint32_t hash, struct mg_str s);

// alias.c

// Empties `topic` where an alias stands for it, or is to announce a new one with it; writes the
// property and returns its length, 0 for none. A new one is made ahead of the packet and added when
// that is queued.
size_t pmg_mqtt_alias_use(const pmg_mqtt_t *q, struct mg_str *topic, uint8_t *dst, bool *is_new);
pmg_mqtt_alias_t *pmg_mqtt_alias_new(struct mg_str topic);
void pmg_mqtt_alias_add(pmg_mqtt_t *q, pmg_mqtt_alias_t *a);
void pmg_mqtt_alias_free(pmg_mqtt_t *q);

// put.c: begin, put, finish; false means that there was no memory and nothing is queued.
#define PMG_MQTT_PACKET_MAX 268435455 // what four bytes of length can say

typedef struct {
    struct mg_connection *c;
    size_t before;
    bool ok;
} pmg_mqtt_out_t;
void pmg_mqtt_begin(pmg_mqtt_out_t *o, struct mg_connection *c, int cmd, int flags, size_t rest);
void pmg_mqtt_put_raw(pmg_mqtt_out_t *o, const void *buf, size_t len);
void pmg_mqtt_put8(pmg_mqtt_out_t *o, unsigned value);
void pmg_mqtt_put16(pmg_mqtt_out_t *o, unsigned value);
void pmg_mqtt_put_data(pmg_mqtt_out_t *o, struct mg_str s);
// The properties that follow: those given, and `more` of ours.
void pmg_mqtt_put_props(pmg_mqtt_out_t *o, int version, struct mg_str props, const uint8_t *more,
    size_t more_len);
bool pmg_mqtt_finish(pmg_mqtt_out_t *o);
size_t pmg_mqtt_props_len(int version, size_t len);
size_t pmg_mqtt_number_len(size_t value);
uint16_t pmg_mqtt_next_id(pmg_mqtt_t *q); // the next one that nothing waits for
// A PUBLISH that was checked; `more` are properties of ours.
bool pmg_mqtt_put_publish(struct mg_connection *c, const pmg_mqtt_msg_t *msg, const uint8_t *more,
    size_t more_len);
size_t pmg_mqtt_publish_len(int version, const pmg_mqtt_msg_t *msg, size_t more_len);
// What MQTT does not allow in a PUBLISH of this version, or NULL.
const char *pmg_mqtt_bad_publish(int version, const pmg_mqtt_msg_t *msg, uint32_t alias_max);
bool pmg_mqtt_put_subscribe(struct mg_connection *c, int cmd, uint16_t id, struct mg_str filter,
    int options, struct mg_str props);
bool pmg_mqtt_put(struct mg_connection *c, int cmd, int flags, const void *body, size_t len);
bool pmg_mqtt_put_id(struct mg_connection *c, int cmd, int flags, uint16_t id, int reason);
// 0; -EINVAL and its text for what MQTT does not allow.
int pmg_mqtt_check_login(pmg_mgr_t *m, const pmg_mqtt_login_t *login);
// 0; -ENOMEM; -EIO and its text without random numbers.
int pmg_mqtt_put_connect(struct mg_connection *c, const pmg_mqtt_login_t *login);
bool pmg_mqtt_put_connack(struct mg_connection *c, int code, bool session, struct mg_str props);
bool pmg_mqtt_put_suback(struct mg_connection *c, const pmg_mqtt_msg_t *msg, const uint8_t *codes,
    size_t num_codes);
bool pmg_mqtt_put_disconnect(struct mg_connection *c, int reason);

// session_flow.c: what the connection of a session tells it.

// CONNACK: the server has kept the session, or not.
void pmg_mqtt_session_opened(pmg_mqtt_session_t *s, bool present);
// PUBACK, PUBREC, PUBCOMP. False: not what this id waits for.
bool pmg_mqtt_session_acked(pmg_mqtt_session_t *s, const pmg_mqtt_msg_t *msg);
void pmg_mqtt_session_suback(pmg_mqtt_session_t *s, const pmg_mqtt_msg_t *msg);
// The server ended the connection in order, by DISCONNECT (`said`, its reason) or without a word (0).
void pmg_mqtt_session_dismissed(pmg_mqtt_session_t *s, int reason, bool said);
void pmg_mqtt_session_ponged(pmg_mqtt_session_t *s);
// A message with QoS 2 was handled; has this one been, whose id was not released (`is_open`) or was?
uint32_t pmg_mqtt_session_hash(const pmg_mqtt_msg_t *msg);
void pmg_mqtt_session_handled(pmg_mqtt_session_t *s, uint16_t id, uint32_t hash);
bool pmg_mqtt_session_had(pmg_mqtt_session_t *s, const pmg_mqtt_msg_t *msg, uint32_t hash,
    bool is_open);
void pmg_mqtt_session_skipped(pmg_mqtt_session_t *s);
// The connection says nothing more for its session.
void pmg_mqtt_session_detach(struct mg_connection *c);

#endif
#endif
