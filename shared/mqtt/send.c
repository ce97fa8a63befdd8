// SPDX-License-Identifier: GPL-2.0-only
//
// What a program sends over MQTT, checked before a byte is queued.

#include "mqtt_int.h"

#if PMG_HAS_MQTT

// ---------------------------------------------------------------------------------------------
// What a program sends

static int no_memory(struct mg_connection *c) {
    return pmg_fail(pmg_m(c), -ENOMEM, "no memory for an MQTT packet");
}

// A listener of another protocol: cymongoose lets it send, and the bytes go nowhere. So they do here.
static bool to_nobody(struct mg_connection *c) {
    return c->is_listening && pmg_x(c)->speaks != &pmg_mqtt;
}

// Is this an MQTT connection that may send now?
static int check(struct mg_connection *c, bool early) {
    pmg_mgr_t *m = pmg_m(c);
    if (pmg_x(c)->speaks != &pmg_mqtt || c->is_listening) {
        return pmg_fail(m, -EINVAL,
            c->is_listening
                ? "a listener cannot send: use the accepted connection"
                : "this connection does not speak MQTT: it is made by mqtt_connect() or "
                  "mqtt_listen()");
    }
    int err = pmg_can_send(c);
    if (err < 0) {
        return err;
    }
    int state = pmg_mqtt_of(c)->state;
    if (state != PMG_MQTT_OPEN && !(early && c->is_client && state == PMG_MQTT_WAIT)) {
        return pmg_fail(m, -ENOTCONN, "MQTT: the connection is not open");
    }
    return 0;
}

static int too_large(struct mg_connection *c, size_t rest) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    size_t len = 1 + pmg_mqtt_number_len(rest) + rest;
    if (rest > PMG_MQTT_PACKET_MAX || (q->packet_max > 0 && len > q->packet_max)) {
        return pmg_fail(pmg_m(c), -EMSGSIZE, "MQTT: a packet of %zu bytes, the peer takes %zu", len,
            (size_t)(q->packet_max > 0 ? q->packet_max : PMG_MQTT_PACKET_MAX));
    }
    return 0;
}

const char *pmg_mqtt_bad_publish(int version, const pmg_mqtt_msg_t *msg, uint32_t alias_max) {
    uint32_t alias = 0;
    if (msg->props.len > 0) {
        if (version != 5) {
            return "properties need MQTT 5";
        }
        if (!pmg_mqtt_props_ok(msg->props, MQTT_CMD_PUBLISH)) {
            return "properties hold one that PUBLISH does not take";
        }
        alias = pmg_mqtt_prop_int(msg->props, MQTT_PROP_TOPIC_ALIAS, 0);
    }
    if (msg->qos < 0 || msg->qos > 2) {
        return "qos is 0, 1 or 2";
    }
    if (alias > alias_max) {
        return "the peer does not take this topic alias";
    }
    if (!(alias > 0 && msg->topic.len == 0) && !pmg_mqtt_topic_ok(msg->topic)) {
        return "a topic has 1 to 65535 bytes of UTF-8 without NUL, + and #";
    }
    return NULL;
}

int pmg_mqtt_pub(struct mg_connection *c, struct mg_str topic, struct mg_str message, int qos,
    bool retain, int id, struct mg_str props) {
    pmg_mgr_t *m = pmg_m(c);
    if (to_nobody(c)) {
        return 0;
    }
    int err = check(c, true);
    if (err < 0) {
        return err;
    }
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    pmg_mqtt_msg_t msg = {.topic = topic, .data = message, .props = props, .qos = qos};
    const char *why = pmg_mqtt_bad_publish(q->version, &msg, q->alias_max);
    if (why != NULL) {
    } else if (qos > 0 && q->session != NULL) {
        why = "this connection is a session's: use its publish()"; // which knows all ids
    } else if (id < 0 || id > 65535 || (id > 0 && qos == 0)) {
        why = "id is a packet id of 1 to 65535, and only with qos 1 or 2";
    } else if (qos > q->max_qos) {
        why = "the server does not take this qos";
    } else if (retain && !q->retain_ok) {
        why = "the server does not keep messages: retain is not possible";
    }
    if (why != NULL) {
        return pmg_fail(m, -EINVAL, "mqtt_pub(): %s", why);
    }
    if ((err = too_large(c, pmg_mqtt_publish_len(q->version, &msg, 0))) < 0) {
        return err;
    }
    bool dup = id > 0, added = false;
    if (qos > 0 && !(dup && pmg_mqtt_ids_has(&q->flow->published, (uint16_t)id))) {
        size_t max = q->receive_max < PMG_MQTT_INFLIGHT ? q->receive_max : PMG_MQTT_INFLIGHT;
        if (q->flow->published.len >= max ||
            q->flow->published.len + q->flow->subscribed.len >= PMG_MQTT_INFLIGHT) {
            return pmg_fail(m, -ENOBUFS,
                "MQTT: %zu messages are not acknowledged, the limit is %zu",
                (size_t)q->flow->published.len, max);
        }
        id = dup ? id : pmg_mqtt_next_id(q);
        if (!pmg_mqtt_ids_add(&q->flow->published, (uint16_t)id)) {
            return no_memory(c);
        }
        added = true;
        q->flow->wrapped = q->flow->wrapped || dup;
    }
    msg.id = id;
    msg.dup = dup;
    msg.retain = retain;
    if (!pmg_mqtt_put_publish(c, &msg, NULL, 0)) {
        if (added) {
            pmg_mqtt_ids_remove(&q->flow->published, (uint16_t)id);
        }
        return no_memory(c);
    }
    return qos > 0 ? id : 0;
}

static int subscribe(struct mg_connection *c, int cmd, struct mg_str filter, int options,
    struct mg_str props) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    bool sub = cmd == MQTT_CMD_SUBSCRIBE;
    if (q->session != NULL) {
        return pmg_fail(m, -EINVAL,
            "this connection is a session's: use its subscribe() and unsubscribe()");
    }
    if (!c->is_client) {
        return pmg_fail(m, -EINVAL,
            "a server has no subscriptions: mqtt_pub() sends to this client");
    }
    if (!pmg_mqtt_filter_ok(filter)) {
        return pmg_fail(m, -EINVAL,
            "a topic filter has 1 to 65535 bytes of UTF-8 without NUL, + as a whole level, # as "
            "the "
            "last one");
    }
    if (props.len > 0 && (q->version != 5 || !pmg_mqtt_props_ok(props, cmd))) {
        return pmg_fail(m, -EINVAL, "mqtt_sub(): properties need MQTT 5 and must be for SUBSCRIBE");
    }
    size_t rest = 2 + pmg_mqtt_props_len(q->version, props.len) + 2 + filter.len + (sub ? 1 : 0);
    int err = too_large(c, rest);
    if (err < 0) {
        return err;
    }
    if (q->flow->published.len + q->flow->subscribed.len >= PMG_MQTT_INFLIGHT) {
        return pmg_fail(m, -ENOBUFS, "MQTT: too many packets are not acknowledged");
    }
    uint16_t id = pmg_mqtt_next_id(q);
    if (!pmg_mqtt_ids_add(&q->flow->subscribed, id)) {
        return no_memory(c);
    }
    if (!pmg_mqtt_put_subscribe(c, cmd, id, filter, options, props)) {
        pmg_mqtt_ids_remove(&q->flow->subscribed, id);
        return no_memory(c);
    }
    return id;
}

int pmg_mqtt_sub(struct mg_connection *c, struct mg_str filter, int qos, int options,
    struct mg_str props) {
    if (to_nobody(c)) {
        return 0;
    }
    int err = check(c, true);
    if (err < 0) {
        return err;
    }
    if (qos < 0 || qos > 2) {
        return pmg_fail(pmg_m(c), -EINVAL, "mqtt_sub(): qos is 0, 1 or 2");
    }
    if ((options & ~0x3c) || (options & 0x30) == 0x30 ||
        (options != 0 && pmg_mqtt_of(c)->version != 5)) {
        return pmg_fail(pmg_m(c), -EINVAL,
            "mqtt_sub(): options are bits 2 to 5 of those of MQTT 5, and only there");
    }
    return subscribe(c, MQTT_CMD_SUBSCRIBE, filter, qos | options, props);
}

int pmg_mqtt_unsub(struct mg_connection *c, struct mg_str filter) {
    if (to_nobody(c)) {
        return 0;
    }
    int err = check(c, true);
    return err < 0 ? err : subscribe(c, MQTT_CMD_UNSUBSCRIBE, filter, 0, mg_str_n(NULL, 0));
}

int pmg_mqtt_ping(struct mg_connection *c) {
    if (to_nobody(c)) {
        return 0;
    }
    int err = check(c, true);
    if (err < 0) {
        return err;
    }
    if (!c->is_client) {
        return pmg_fail(pmg_m(c), -EINVAL, "mqtt_ping() is a client's");
    }
    return pmg_mqtt_put(c, MQTT_CMD_PINGREQ, 0, NULL, 0) ? 0 : no_memory(c);
}

int pmg_mqtt_pong(struct mg_connection *c) {
    if (to_nobody(c)) {
        return 0;
    }
    int err = check(c, false);
    if (err < 0) {
        return err;
    }
    if (c->is_client) {
        return pmg_fail(pmg_m(c), -EINVAL, "mqtt_pong() is a server's");
    }
    pmg_mqtt_of(c)->answered |= 1u << MQTT_CMD_PINGRESP;
    return pmg_mqtt_put(c, MQTT_CMD_PINGRESP, 0, NULL, 0) ? 0 : no_memory(c);
}

int pmg_mqtt_disconnect(struct mg_connection *c, int reason) {
    if (to_nobody(c)) {
        return 0;
    }
    if (pmg_x(c)->speaks == &pmg_mqtt && !c->is_listening && (c->is_draining || c->is_closing)) {
        return 0; // it leaves already
    }
    int err = check(c, true);
    if (err < 0) {
        return err;
    }
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    if (reason < 0 || reason > 255 || (reason != 0 && q->version != 5)) {
        return pmg_fail(pmg_m(c), -EINVAL,
            "mqtt_disconnect(): reason is 0 to 255, and 0 but in MQTT 5");
    }
    q->bye_code = (uint8_t)reason;
    pmg_drain(c);
    return 0;
}

int pmg_mqtt_ack(struct mg_connection *c, const pmg_mqtt_msg_t *msg, const uint8_t *codes,
    size_t num_codes, bool session_present, struct mg_str props) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    bool login = msg->cmd == MQTT_CMD_CONNECT;
    if (c->is_client ||
        (!login && msg->cmd != MQTT_CMD_SUBSCRIBE && msg->cmd != MQTT_CMD_UNSUBSCRIBE)) {
        return pmg_fail(m, -EINVAL,
            "mqtt_ack() is a server's answer to CONNECT, SUBSCRIBE or UNSUBSCRIBE");
    }
    if (pmg_conn_alive(c) < 0) {
        return -EPIPE;
    }
    if (msg->kept) {
        return pmg_fail(m, -EALREADY,
            "MQTT: a packet is answered when its handler returns: mqtt_ack() takes no copy of it");
    }
    if (q->answered & (1u << (msg->cmd + 1))) {
        return pmg_fail(m, -EALREADY, "MQTT: this packet was answered");
    }
    size_t count = 0, ofs = 0;
    struct mg_str filter;
    int options;
    while (!login && (ofs = pmg_mqtt_next_topic(msg, ofs, &filter, &options)) > 0) {
        count++;
    }
    if (num_codes != 1 && (login || num_codes != count)) {
        return pmg_fail(m, -EINVAL, "mqtt_ack(): one code, or one for each of %zu topics", count);
    }
    for (size_t i = 0; i < num_codes; i++) {
        bool good = login ? (q->version == 4 ? codes[i] <= 5 : codes[i] == 0 || codes[i] >= 0x80)
                          : codes[i] <= 2 || codes[i] == 0x80 ||
                                (q->version == 5 && (codes[i] >= 0x80 || codes[i] == 0x11));
        if (!good) {
            return pmg_fail(m, -EINVAL, "mqtt_ack(): code %d is none of MQTT %s", codes[i],
                q->version == 5 ? "5" : "3.1.1");
        }
    }
    if ((props.len > 0 && (!login || q->version != 5)) ||
        !pmg_mqtt_props_ok(props, MQTT_CMD_CONNACK) ||
        pmg_mqtt_prop_int(props, MQTT_PROP_TOPIC_ALIAS_MAXIMUM, 0) > 0) {
        return pmg_fail(m, -EINVAL,
            "mqtt_ack(): properties are for CONNACK of MQTT 5, without topic aliases");
    }
    bool ok = login ? pmg_mqtt_put_connack(c, codes[0], session_present, props)
                    : pmg_mqtt_put_suback(c, msg, codes, num_codes);
    if (!ok) {
        return no_memory(c);
    }
    q->answered |= 1u << (msg->cmd + 1);
    if (login) {
        q->keepalive =
            (uint16_t)pmg_mqtt_prop_int(props, MQTT_PROP_SERVER_KEEP_ALIVE, q->keepalive);
        q->state = codes[0] == 0 ? PMG_MQTT_OPEN : PMG_MQTT_DONE;
        if (codes[0] != 0) {
            pmg_x(c)->linger = 1; // so that the client reads why
            pmg_drain(c);
        }
    }
    return 0;
}

#endif
