// SPDX-License-Identifier: GPL-2.0-only
//
// What the files of a session share: session.c (what the program asks of it), session_flow.c (what its
// connection tells it), session_send.c (what it sends) and below them session_state.c (how its parts
// end).
#ifndef PMG_MQTT_SESSION_INT_H
#define PMG_MQTT_SESSION_INT_H

#include "mqtt_int.h"

#if PMG_HAS_MQTT

// A message with QoS 1 or 2, in the order of publish(): topic, properties and payload follow. Nothing
// in it points anywhere but `prev` and `next`: it could be written down as it is.
typedef struct pmg_mqtt_entry {
    struct pmg_mqtt_entry *prev, *next;
    uint64_t expires; // by pmg_port_millis(); 0: never
    size_t size;      // of this, with its bytes
    uint32_t token;
    uint32_t props_len, data_len;
    uint16_t topic_len;
    uint16_t id; // 0: never sent, or the server has forgotten it
    uint8_t qos, retain;
    uint8_t released; // PUBREC came: what follows is PUBREL
    uint8_t sent;     // on this connection
    uint8_t waits;    // for those behind it: the link ends whenever it is sent
    uint8_t blames;   // times that the server ended the connection with this one alone on its way
    uint8_t what, reason; // of one that is done
    char bytes[];
} pmg_mqtt_entry_t;

enum { PMG_SUB_NEEDED, PMG_SUB_ASKED, PMG_SUB_DONE, PMG_SUB_FAILED };

typedef struct pmg_mqtt_sub {
    struct pmg_mqtt_sub *next;
    uint16_t id; // while PMG_SUB_ASKED
    uint16_t len;
    uint8_t qos, options, code;
    uint8_t state;
    uint8_t ends; // to be unsubscribed, then it goes
    uint8_t tell;
    uint8_t again;  // the server has confirmed it, and should have it
    uint64_t since; // by pmg_port_millis(): its confirmation
    char filter[];
} pmg_mqtt_sub_t;

typedef struct {
    uint32_t hash; // of topic and payload
    uint16_t id;
} pmg_mqtt_handled_t;

struct pmg_mqtt_session {
    pmg_source_t source; // first: it waits for room in the send buffer
    pmg_attached_t attached;
    pmg_mgr_t *m;            // NULL when it has ended
    struct mg_connection *c; // NULL between two
    pmg_mqtt_session_opts_t opts;
    pmg_mqtt_flow_t flow;
    pmg_mqtt_entry_t *first, *last;
    pmg_mqtt_entry_t *unsent; // the first one that was not sent on this connection
    pmg_mqtt_entry_t *fresh;  // the first one without an id
    pmg_mqtt_entry_t *done, *done_last;
    pmg_mqtt_sub_t *subs;
    pmg_mqtt_handled_t *handled; // the last PMG_MQTT_UNRELEASED_CLIENT messages with QoS 2
    uint32_t handled_next;       // of that ring
    uint32_t token, sent;        // sent: on this connection, not acknowledged
    uint32_t careful;         // so many go one by one: one of them may be what the server dislikes
    uint32_t needed, telling; // subscriptions that are to be asked for, and told of
    uint32_t releases;        // PUBRELs that are to be sent
    uint32_t waiting;         // entries that wait for those behind them
    uint32_t waited;          // token of the one of them that was sent last
    uint32_t counts[PMG_MQTT_COUNTS];
    uint64_t expiry_due; // no message without an id expires before this; 0: none does at all
    size_t bytes;        // of the entries, those that are to be told of, too
    uint8_t cuts;      // times in a row that a connection was cut and the server had taken nothing
    uint8_t fruitless; // times in a row that the server ended a connection and took nothing
    uint16_t
        last_fresh; // id of the last new message of the server's with QoS 2, on this connection
    bool reuses;    // the server gives ids to new messages as soon as they are free
    bool open, closed, dismissed, progress;
    bool missed; // a connection has ended before the server took it: it may have been restarted
    bool
        killed; // the last one ended between two packets: it may have been killed, and be back already
    // Ping before a message that goes alone: so that what the server had for us is not on its way then.
    bool ask_first, asked, answered;
};

// Ends an entry and takes it out of the queue.
void pmg_mqtt_entry_done(pmg_mqtt_session_t *s, pmg_mqtt_entry_t *e, int what, int reason);
void pmg_mqtt_session_fresh(pmg_mqtt_session_t *s); // `fresh` is that again
void pmg_mqtt_session_expire(pmg_mqtt_session_t *s);
void pmg_mqtt_session_forget_ids(pmg_mqtt_session_t *s);              // no connection uses them
void pmg_mqtt_entry_free(pmg_mqtt_session_t *s, pmg_mqtt_entry_t *e); // which is in no list
void pmg_mqtt_sub_remove(pmg_mqtt_session_t *s, pmg_mqtt_sub_t *sub);
void pmg_mqtt_session_ring(pmg_mqtt_session_t *s); // ahead of a result that is added
void pmg_mqtt_sub_answered(pmg_mqtt_session_t *s, pmg_mqtt_sub_t *sub, int code);

// session_send.c

// With QoS 0, on an open connection. 0; -ENOMEM; or < 0: it cannot be sent now, or not to this server.
int pmg_mqtt_session_send(pmg_mqtt_session_t *s, pmg_mqtt_msg_t *msg);
void pmg_mqtt_session_wait(pmg_mqtt_session_t *s, bool waits); // for room in the send buffer

#endif
#endif
