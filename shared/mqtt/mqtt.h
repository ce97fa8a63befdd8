// SPDX-License-Identifier: GPL-2.0-only
//
// MQTT 3.1.1 (version 4) and 5 as a binding uses it.
// May Python run?  In none of these.
#ifndef PMG_MQTT_H
#define PMG_MQTT_H

#include "../base/protocol.h"
#include "../core/core.h"

#if PMG_HAS_MQTT
extern const pmg_protocol_t pmg_mqtt;

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
    bool kept; // a copy: its event may be over
} pmg_mqtt_msg_t;
// See pmg_copy_new().
pmg_copy_t *pmg_mqtt_copy(pmg_mgr_t *m, unsigned long id, const pmg_mqtt_msg_t *msg);

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

// What pmg_connect() takes as the state of pmg_mqtt; CONNECT is the first thing sent. -EINVAL for
// what MQTT does not allow.
typedef struct {
    struct mg_str client_id;          // empty: a random one
    struct mg_str username, password; // a password that is empty: none
    struct mg_str will_topic, will_message;
    struct mg_str props, will_props; // encoded
    int version, keepalive, will_qos;
    bool clean_session, will_retain;
    bool has_username; // which may be empty
} pmg_mqtt_login_t;
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

#endif
