// SPDX-License-Identifier: GPL-2.0-only
//
// The state of an MQTT session, which outlives its connections: the queue of messages with QoS 1
// and 2, what of them is on its way, the packet ids of both sides and the subscriptions. The
// connection that it is attached to works with it: there is one truth about an id. It belongs to a
// manager and ends with that at the latest. None of these runs Python.
#ifndef PMG_MQTT_SESSION_H
#define PMG_MQTT_SESSION_H

#include "mqtt.h"

#if PMG_HAS_MQTT
typedef struct pmg_mqtt_session pmg_mqtt_session_t;
// Its place, in the binding's object: what is left of a closed session is no memory of the core's.
#define PMG_MQTT_SESSION_SIZE (sizeof(void *) == 8 ? 384 : 256)
typedef union {
    uint64_t aligned;
    unsigned char bytes[PMG_MQTT_SESSION_SIZE];
} pmg_mqtt_session_room_t;

// What becomes of a message when the queue is full.
enum { PMG_MQTT_REFUSE, PMG_MQTT_DROP_OLDEST, PMG_MQTT_DROP_NEWEST };

// What became of a message, and of a subscription.
enum {
    PMG_MQTT_ACKNOWLEDGED,
    PMG_MQTT_REFUSED,
    PMG_MQTT_DROPPED,
    PMG_MQTT_EXPIRED,
    PMG_MQTT_SUBSCRIBED
};

enum {
    PMG_MQTT_COUNT_QUEUED,
    PMG_MQTT_COUNT_DROPPED,
    PMG_MQTT_COUNT_EXPIRED,
    PMG_MQTT_COUNT_SKIPPED,  // messages of the server above max_message
    PMG_MQTT_COUNT_REJECTED, // with QoS 1 and 2, for which there was no room
    PMG_MQTT_COUNT_RESULTS,  // is there one to be told?
    PMG_MQTT_COUNTS
};

typedef struct {
    uint32_t queue_max; // messages
    size_t queue_bytes; // of memory that they and what is to be told of them take; 0: the default
    int version, policy;
    bool tell_messages, tell_filters; // keep results for pmg_mqtt_session_result()
    // There is a result, and was none. Nothing of the session may be called in here.
    void (*ring)(void *arg);
    void *ring_arg;
} pmg_mqtt_session_opts_t;

typedef struct {
    int what; // PMG_MQTT_ACKNOWLEDGED ...
    int reason;
    uint32_t token;       // of a message
    int qos;              // of a subscription: as granted; as asked for when it was refused
    struct mg_str filter; // valid until it is told
} pmg_mqtt_result_t;

pmg_mqtt_session_t *pmg_mqtt_session_init(pmg_mqtt_session_room_t *room, pmg_mgr_t *m,
    const pmg_mqtt_session_opts_t *opts);
void pmg_mqtt_session_fini(pmg_mqtt_session_t *s); // leaves its connection to itself
// Nothing is taken any more; what waits is dropped, and told.
void pmg_mqtt_session_close(pmg_mqtt_session_t *s);
// `c` is a client that has not heard from its server yet.
int pmg_mqtt_session_attach(pmg_mqtt_session_t *s, struct mg_connection *c);
bool pmg_mqtt_session_attached(const pmg_mqtt_session_t *s);
// A token of 1 to 2^30 - 1; 0: not taken (closed, the queue is full, QoS 0 and no connection or no
// room, the manager has ended). -EINVAL for what no server takes, -ENOMEM. `expiry` in seconds.
int pmg_mqtt_session_pub(pmg_mqtt_session_t *s, struct mg_str topic, struct mg_str message, int qos,
    bool retain, struct mg_str props, uint32_t expiry);
// Asked for now, and after each reconnect for which the server did not confirm it. -EINVAL, -ENOMEM.
int pmg_mqtt_session_sub(pmg_mqtt_session_t *s, struct mg_str filter, int qos, int options);
int pmg_mqtt_session_unsub(pmg_mqtt_session_t *s, struct mg_str filter);
// Sends what there is room for; drops what has expired.
void pmg_mqtt_session_pump(pmg_mqtt_session_t *s);
// The next result that was not told yet; pmg_mqtt_session_told() ends that one.
bool pmg_mqtt_session_result(const pmg_mqtt_session_t *s, pmg_mqtt_result_t *out);
void pmg_mqtt_session_told(pmg_mqtt_session_t *s);
uint32_t pmg_mqtt_session_count(const pmg_mqtt_session_t *s, int which);
#endif

#endif
