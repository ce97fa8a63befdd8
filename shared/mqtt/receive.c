// SPDX-License-Identifier: GPL-2.0-only
//
// What a packet of an MQTT peer asks for, strictly: it is checked, given to the handler, and answered
// when the handler has returned. A message whose handler raised is not acknowledged: the connection
// ends, so that a session that is kept brings it again.

#include "mqtt_int.h"

#if PMG_HAS_MQTT

// Does the handler do its part? It did not raise, and nothing has ended.
static bool fire(struct mg_connection *c, int ev, void *data) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    q->busy = 1;
    pmg_call(c, ev, data);
    q->busy = 0;
    return !pmg_x(c)->handler_failed;
}

static bool fire_cmd(struct mg_connection *c, pmg_mqtt_msg_t *msg) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    if (q->session != NULL && msg->cmd != MQTT_CMD_CONNACK) {
        return true; // what it has to tell of the others are results
    }
    q->answered = 0;
    pmg_x(c)->handler_failed = 0;
    return fire(c, MG_EV_MQTT_CMD, msg);
}

size_t pmg_mqtt_unreleased_most(struct mg_connection *c) {
    return c->is_client ? PMG_MQTT_UNRELEASED_CLIENT : PMG_MQTT_UNRELEASED;
}

static void message(struct mg_connection *c, pmg_mqtt_msg_t *msg) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    uint16_t id = (uint16_t)msg->id;
    bool lasting = q->session != NULL, lasts = lasting && msg->qos == 2;
    bool is_open = msg->qos == 2 && pmg_mqtt_ids_has(&q->flow->unreleased, id);
    if (msg->qos == 2 && !is_open && q->flow->unreleased.len >= pmg_mqtt_unreleased_most(c)) {
        pmg_mqtt_fail(c, PMG_MQTT_RECEIVE_MAX, "MQTT: too many messages with QoS 2 at a time");
        return;
    }
    if (msg->qos == 2 && !is_open && !pmg_mqtt_ids_add(&q->flow->unreleased, id)) {
        pmg_mqtt_no_memory(c);
        return;
    }
    uint32_t hash = lasts ? pmg_mqtt_session_hash(msg) : 0;
    if (lasts ? pmg_mqtt_session_had(q->session, msg, hash, is_open) : is_open) {
        if (!pmg_mqtt_put_id(c, MQTT_CMD_PUBREC, 0, id, 0)) {
            pmg_mqtt_no_memory(c);
        }
        return;
    }
    q->answered = 0;
    pmg_x(c)->handler_failed = 0;
    bool good = fire(c, MG_EV_MQTT_MSG, msg);
    if (good && !c->is_closing && !lasting) { // a session has nothing to add that could fail
        good = fire(c, MG_EV_MQTT_CMD, msg);
    }
    if (msg->qos == 2 && (!good || pmg_m(c)->stop)) {
        pmg_mqtt_ids_remove(&q->flow->unreleased, id); // not handled: it comes again
    } else if (lasts && q->session != NULL) {
        pmg_mqtt_session_handled(q->session, id, hash);
    }
    if (c->is_closing || msg->qos == 0) {
        return;
    }
    int cmd = msg->qos == 2 ? MQTT_CMD_PUBREC : MQTT_CMD_PUBACK;
    if (pmg_m(c)->stop) {
        q->state = PMG_MQTT_DONE; // the handler was interrupted: no more Python now
        pmg_close(c);
    } else if (!good) {
        pmg_mqtt_fail(c, PMG_MQTT_IMPLEMENTATION,
            "MQTT: the handler raised, so that the message is not acknowledged");
    } else if (!(q->answered & (1u << cmd)) && !pmg_mqtt_put_id(c, cmd, 0, id, 0)) {
        pmg_mqtt_no_memory(c);
    }
}

// PUBACK, PUBREC, PUBREL and PUBCOMP; unknown ids come from a session that was kept.
static void acknowledgement(struct mg_connection *c, pmg_mqtt_msg_t *msg) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    uint16_t id = (uint16_t)msg->id;
    bool ok = true;
    if (q->session != NULL && msg->cmd != MQTT_CMD_PUBREL &&
        !pmg_mqtt_session_acked(q->session, msg)) {
        pmg_mqtt_fail(c, PMG_MQTT_PROTOCOL,
            "MQTT: an acknowledgment that the message does not wait for");
        return;
    }
    if (msg->cmd == MQTT_CMD_PUBREL) {
        int reason = pmg_mqtt_ids_remove(&q->flow->unreleased, id) ? 0 : PMG_MQTT_UNKNOWN_ID;
        ok = pmg_mqtt_put_id(c, MQTT_CMD_PUBCOMP, 0, id, reason);
    } else if (msg->cmd == MQTT_CMD_PUBREC && msg->ack < 0x80) {
        int reason = pmg_mqtt_ids_has(&q->flow->published, id) ? 0 : PMG_MQTT_UNKNOWN_ID;
        ok = pmg_mqtt_put_id(c, MQTT_CMD_PUBREL, 2, id, reason);
    } else if (q->session == NULL) {
        pmg_mqtt_ids_remove(&q->flow->published, id);
    }
    if (!ok) {
        pmg_mqtt_no_memory(c);
        return;
    }
    if (q->session != NULL) {
        pmg_mqtt_session_pump(q->session);
    }
    fire_cmd(c, msg);
}

static void peer_limits(pmg_mqtt_t *q, const pmg_mqtt_msg_t *msg) {
    struct mg_str p = msg->props;
    q->receive_max = (uint16_t)pmg_mqtt_prop_int(p, MQTT_PROP_RECEIVE_MAXIMUM, 65535);
    q->alias_max = (uint16_t)pmg_mqtt_prop_int(p, MQTT_PROP_TOPIC_ALIAS_MAXIMUM, 0);
    q->packet_max = pmg_mqtt_prop_int(p, MQTT_PROP_MAXIMUM_PACKET_SIZE, 0);
    q->max_qos = (uint8_t)pmg_mqtt_prop_int(p, MQTT_PROP_MAXIMUM_QOS, 2);
    q->retain_ok = (uint8_t)pmg_mqtt_prop_int(p, MQTT_PROP_RETAIN_AVAILABLE, 1);
}

static void client_packet(struct mg_connection *c, pmg_mqtt_msg_t *msg) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    char text[96];
    switch (msg->cmd) {
        case MQTT_CMD_CONNACK:
            peer_limits(q, msg);
            q->keepalive =
                (uint16_t)pmg_mqtt_prop_int(msg->props, MQTT_PROP_SERVER_KEEP_ALIVE, q->keepalive);
            if (msg->ack == 0 && msg->session_present && q->clean) {
                q->state = PMG_MQTT_OPEN; // so that DISCONNECT is sent
                pmg_mqtt_fail(c, PMG_MQTT_PROTOCOL,
                    "MQTT: the server has a session though a clean one was asked for");
                break;
            }
            if (msg->ack == 0) {
                pmg_mqtt_opened(c);
                if (q->session != NULL) {
                    pmg_mqtt_session_opened(q->session, msg->session_present);
                }
            } else {
                q->state = PMG_MQTT_DONE;
            }
            if (q->session == NULL) {
                fire(c, MG_EV_MQTT_OPEN, &msg->ack);
            }
            if (!c->is_closing) {
                fire_cmd(c, msg);
            }
            if (msg->ack != 0) {
                pmg_snprintf(text, sizeof(text), "MQTT: the server refused the connection: %s (%d)",
                    pmg_mqtt_reason(q->version, msg->ack), msg->ack);
                pmg_fatal(c, text);
            }
            break;
        case MQTT_CMD_SUBACK:
        case MQTT_CMD_UNSUBACK:
            pmg_mqtt_ids_remove(&q->flow->subscribed, (uint16_t)msg->id);
            if (q->session != NULL) {
                pmg_mqtt_session_suback(q->session, msg);
            }
            fire_cmd(c, msg);
            break;
        case MQTT_CMD_PINGRESP:
            q->ping_out = 0;
            if (q->session != NULL) {
                pmg_mqtt_session_ponged(q->session);
            }
            fire_cmd(c, msg);
            break;
        case MQTT_CMD_DISCONNECT:
            if (q->session != NULL) {
                pmg_mqtt_session_dismissed(q->session, msg->ack, true);
            }
            q->state = PMG_MQTT_DONE;
            fire_cmd(c, msg);
            pmg_snprintf(text, sizeof(text), "MQTT: the server disconnected: %s (%d)",
                pmg_mqtt_reason(5, msg->ack), msg->ack);
            pmg_fatal(c, text);
            break;
        default: fire_cmd(c, msg); break; // AUTH: the program's
    }
}

static void login(struct mg_connection *c, pmg_mqtt_msg_t *msg) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    char assigned[21];
    q->state = PMG_MQTT_CONNECT;
    q->version = (uint8_t)msg->version;
    q->keepalive = (uint16_t)msg->keepalive;
    peer_limits(q, msg);
    if (pmg_mqtt_has_prop(msg->props, MQTT_PROP_AUTHENTICATION_METHOD)) {
        pmg_mqtt_fail(c, PMG_MQTT_AUTH_METHOD, "MQTT: CONNECT with an authentication method");
        return;
    }
    if (msg->client_id.len == 0) {
        if (!pmg_random_text(assigned, sizeof(assigned) - 1)) {
            pmg_mqtt_fail(c, PMG_MQTT_UNSPECIFIED, "MQTT: " PMG_NO_RANDOM);
            return;
        }
        assigned[sizeof(assigned) - 1] = '\0';
        q->assigned = assigned; // until this returns
        msg->client_id = mg_str(assigned);
    }
    bool good = fire_cmd(c, msg);
    if (!c->is_closing && q->state != PMG_MQTT_DONE && !q->bye) {
        if (!good && q->state == PMG_MQTT_CONNECT) {
            int code = q->version == 5 ? PMG_MQTT_UNAVAILABLE : 3;
            (void)pmg_mqtt_put_connack(c, code, false, mg_str_n(NULL, 0));
            q->state = PMG_MQTT_DONE;
            pmg_x(c)->linger = 1;
            pmg_drain(c);
        } else if (q->state == PMG_MQTT_OPEN || (q->answered & (1u << MQTT_CMD_CONNACK)) ||
                   pmg_mqtt_put_connack(c, 0, false, mg_str_n(NULL, 0))) {
            pmg_mqtt_opened(c);
        } else {
            pmg_mqtt_no_memory(c);
        }
    }
    q->assigned = NULL;
}

static void server_packet(struct mg_connection *c, pmg_mqtt_msg_t *msg) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    static const uint8_t failure = PMG_MQTT_UNSPECIFIED;
    if (msg->cmd == MQTT_CMD_CONNECT) {
        login(c, msg);
        return;
    }
    if (msg->cmd == MQTT_CMD_DISCONNECT) {
        q->state = PMG_MQTT_DONE; // nothing follows from either side
        fire_cmd(c, msg);
        pmg_drain(c);
        return;
    }
    bool good = fire_cmd(c, msg);
    if (c->is_closing || q->state != PMG_MQTT_OPEN || (q->answered & (1u << (msg->cmd + 1)))) {
        return;
    }
    bool ok = true;
    if (msg->cmd == MQTT_CMD_PINGREQ) {
        ok = pmg_mqtt_put(c, MQTT_CMD_PINGRESP, 0, NULL, 0);
    } else if (msg->cmd != MQTT_CMD_AUTH) {
        ok = pmg_mqtt_put_suback(c, msg, &failure, good ? 0 : 1);
    }
    if (!ok) {
        pmg_mqtt_no_memory(c);
    }
}

// Of a CONNECT that cannot be taken.
static void refuse(struct mg_connection *c, int reason, int version, const char *why) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    bool five = version > 4;
    q->version = five ? 5 : 4;
    if (reason == PMG_MQTT_VERSION || reason == PMG_MQTT_CLIENT_ID || five) {
        int code = five ? reason : reason == PMG_MQTT_VERSION ? 1 : 2;
        (void)pmg_mqtt_put_connack(c, code, false, mg_str_n(NULL, 0));
    }
    q->state = PMG_MQTT_DONE;
    pmg_mqtt_fail(c, reason,
        reason == PMG_MQTT_VERSION     ? "MQTT: CONNECT of an unknown version"
        : reason == PMG_MQTT_CLIENT_ID ? "MQTT: CONNECT without a client id"
                                       : why);
}

void pmg_mqtt_packet(struct mg_connection *c, const uint8_t *p, size_t len, size_t head_len) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    pmg_mqtt_msg_t msg;
    const char *why;
    int err = pmg_mqtt_parse(p, len, head_len, !c->is_client, q->version, &msg, &why);
    q->heard = 1;
    if (err != 0) {
        if (msg.cmd == MQTT_CMD_CONNECT && q->state == PMG_MQTT_WAIT && !c->is_client) {
            refuse(c, err, msg.version, why);
        } else {
            pmg_mqtt_fail(c, err, why);
        }
    } else if (msg.cmd == MQTT_CMD_AUTH && !q->auth) {
        pmg_mqtt_fail(c, PMG_MQTT_PROTOCOL, "MQTT: AUTH that nobody asked for");
    } else if (msg.cmd == MQTT_CMD_PUBLISH) {
        message(c, &msg);
    } else if (msg.cmd >= MQTT_CMD_PUBACK && msg.cmd <= MQTT_CMD_PUBCOMP) {
        acknowledgement(c, &msg);
    } else if (c->is_client) {
        client_packet(c, &msg);
    } else {
        server_packet(c, &msg);
    }
    if (q->bye && !c->is_closing) {
        pmg_mqtt_say_goodbye(c);
    }
}

#endif
