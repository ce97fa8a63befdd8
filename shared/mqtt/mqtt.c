// SPDX-License-Identifier: GPL-2.0-only
//
// An MQTT connection, strictly, as client and as server: what comes in is checked, given to the
// handler, and answered when the handler has returned. A message whose handler raised is not
// acknowledged: the connection ends, so that a session that is kept brings it again.

#include "mqtt_int.h"

#if PMG_HAS_MQTT

// Answers of ours that the peer does not read, beyond max_send, before we stop reading.
#define ANSWERS_MAX PMG_PIPELINE_MAX

static uint64_t now(struct mg_connection *c) {
    return pmg_now(pmg_m(c));
}

// ---------------------------------------------------------------------------------------------
// Keep-alive: one deadline, put off by what is sent (client) or received (server) when it comes up

static void late(struct mg_connection *c);

// CONNECT or CONNACK within the time for it.
static void await(struct mg_connection *c) {
    pmg_limits_t *limits = &pmg_m(c)->limits;
    if (pmg_mqtt_of(c)->state == PMG_MQTT_WAIT) {
        pmg_deadline(c, late, c->is_client ? limits->connect_timeout : limits->head_timeout);
    }
}

// When the peer is given up, in milliseconds after it was last heard of.
static uint64_t patience(struct mg_connection *c) {
    uint64_t keepalive = pmg_mqtt_of(c)->keepalive * (uint64_t)1000;
    return c->is_client ? keepalive : keepalive * 3 / 2;
}

static void opened(struct mg_connection *c) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    q->state = PMG_MQTT_OPEN;
    q->last_in = now(c);
    if (!c->is_draining) {
        pmg_deadline(c, late, patience(c));
    }
}

static void fail(struct mg_connection *c, int reason, const char *why);

static void late(struct mg_connection *c) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    uint64_t wait = patience(c), t = now(c);
    if (q->state != PMG_MQTT_OPEN) {
        pmg_fatal(c, c->is_client ? "MQTT: no CONNACK in time" : "MQTT: no CONNECT in time");
        return;
    }
    if (q->last_in > q->pinged) { // whatever came, the server lives
        q->ping_out = 0;
    }
    uint64_t since = q->last_in;
    if (q->ping_out) {
        since = q->pinged;
    } else if (c->is_client && q->last_out < since) {
        since = q->last_out;
    }
    if (t - since < wait) {
        pmg_deadline(c, late, wait - (t - since));
    } else if (!c->is_client) {
        fail(c, PMG_MQTT_KEEPALIVE, "MQTT: nothing came within the keep-alive time");
    } else if (q->ping_out) {
        pmg_fatal(c, "MQTT: no answer to a ping within the keep-alive time");
    } else {
        q->pinged = t;
        q->ping_out = pmg_mqtt_put(c, MQTT_CMD_PINGREQ, 0, NULL, 0); // without memory: next time
        pmg_deadline(c, late, wait);
    }
}

// ---------------------------------------------------------------------------------------------
// Beginning and end

static int start(struct mg_connection *c, const pmg_opening_t *o) {
    int err = c->is_client ? pmg_mqtt_check_login(pmg_m(c), o->state) : 0;
    if (err < 0) {
        return err;
    }
    pmg_mqtt_t *q = pmg_alloc(sizeof(*q));
    if (q == NULL) {
        return -ENOMEM;
    }
    memset(q, 0, sizeof(*q));
    *(pmg_mqtt_t **)pmg_state(c) = q;
    q->flow = &q->own;
    q->max_qos = 2;
    q->retain_ok = 1;
    q->receive_max = 65535;
    return c->is_client ? pmg_mqtt_put_connect(c, o->state) : 0;
}

static void end(struct mg_connection *c) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    if (q != NULL) {
        pmg_mqtt_session_detach(c);
        pmg_mqtt_ids_free(&q->own.published);
        pmg_mqtt_ids_free(&q->own.subscribed);
        pmg_mqtt_ids_free(&q->own.unreleased);
        pmg_mqtt_alias_free(q);
        pmg_free(q);
    }
}

// What is queued is sent, and nothing follows: a session has nothing to add.
static void no_more(struct mg_connection *c) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    if (q != NULL && q->session != NULL) {
        pmg_x(c)->source = NULL;
    }
}

static void say_goodbye(struct mg_connection *c) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    q->bye = 0;
    no_more(c);
    bool open = q->state == PMG_MQTT_OPEN || (c->is_client && q->state == PMG_MQTT_WAIT);
    if (open && (c->is_client || q->version == 5)) {
        int reason = q->bye_code == 0 && !c->is_client ? PMG_MQTT_SHUTTING_DOWN : q->bye_code;
        (void)pmg_mqtt_put_disconnect(c, reason);
    }
    q->state = PMG_MQTT_DONE;
}

static void drain(struct mg_connection *c) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    if (q != NULL && q->busy) {
        q->bye = 1; // the message that is being handled is acknowledged first
    } else if (q != NULL) {
        say_goodbye(c);
    }
}

static bool eof(struct mg_connection *c) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    // In the middle of a packet it was cut, by whomever.
    if (q->session != NULL && q->state == PMG_MQTT_OPEN && !pmg_x(c)->cut && c->recv.len == 0 &&
        q->skip == 0) {
        pmg_mqtt_session_dismissed(q->session, 0, false);
    }
    no_more(c);
    return false;
}

static void gone(struct mg_connection *c) {
    if (c->is_client && pmg_mqtt_of(c)->state == PMG_MQTT_WAIT) {
        pmg_fatal(c, "MQTT: connection closed before CONNACK");
    }
}

static int send_by_hand(struct mg_connection *c, const void *buf, size_t len) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    int err = pmg_send_plain(c, buf, len);
    if (err == 0) {
        q->last_out = now(c);
        q->answered |= len > 0 ? (uint16_t)(1u << (*(const uint8_t *)buf >> 4)) : 0;
    }
    return err;
}

// The peer broke the protocol: tell it the reason if MQTT has a word for it, and the program.
static void fail(struct mg_connection *c, int reason, const char *why) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    if (q->state == PMG_MQTT_OPEN && q->version == 5) {
        (void)pmg_mqtt_put_disconnect(c, reason);
    } else if (!c->is_client && q->state == PMG_MQTT_CONNECT && q->version == 5) {
        (void)pmg_mqtt_put_connack(c, reason, false, mg_str_n(NULL, 0));
    }
    q->state = PMG_MQTT_DONE;
    q->bye = 0;
    pmg_refuse(c, why);
}

static void no_memory(struct mg_connection *c) {
    pmg_fatal(c, "MQTT: no memory for an answer");
}

// ---------------------------------------------------------------------------------------------
// Packets. `fire` tells whether the handler did its part: it did not raise, and nothing has ended.

static bool fire(struct mg_connection *c, int ev, void *data) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    q->busy = 1;
    pmg_call(c, ev, data);
    q->busy = 0;
    return !pmg_x(c)->handler_failed;
}

static bool fire_cmd(struct mg_connection *c, pmg_mqtt_msg_t *msg) {
    pmg_mqtt_of(c)->answered = 0;
    pmg_x(c)->handler_failed = 0;
    return fire(c, MG_EV_MQTT_CMD, msg);
}

static size_t unreleased_most(struct mg_connection *c) {
    return c->is_client ? PMG_MQTT_UNRELEASED_CLIENT : PMG_MQTT_UNRELEASED;
}

static void message(struct mg_connection *c, pmg_mqtt_msg_t *msg) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    uint16_t id = (uint16_t)msg->id;
    bool lasting = q->session != NULL, lasts = lasting && msg->qos == 2;
    bool is_open = msg->qos == 2 && pmg_mqtt_ids_has(&q->flow->unreleased, id);
    if (msg->qos == 2 && !is_open && q->flow->unreleased.len >= unreleased_most(c)) {
        fail(c, PMG_MQTT_RECEIVE_MAX, "MQTT: too many messages with QoS 2 at a time");
        return;
    }
    if (msg->qos == 2 && !is_open && !pmg_mqtt_ids_add(&q->flow->unreleased, id)) {
        no_memory(c);
        return;
    }
    uint32_t hash = lasts ? pmg_mqtt_session_hash(msg) : 0;
    if (lasts ? pmg_mqtt_session_had(q->session, msg, hash, is_open) : is_open) {
        if (!pmg_mqtt_put_id(c, MQTT_CMD_PUBREC, 0, id, 0)) {
            no_memory(c);
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
        fail(c, PMG_MQTT_IMPLEMENTATION,
            "MQTT: the handler raised, so that the message is not acknowledged");
    } else if (!(q->answered & (1u << cmd)) && !pmg_mqtt_put_id(c, cmd, 0, id, 0)) {
        no_memory(c);
    }
}

// PUBACK, PUBREC, PUBREL and PUBCOMP; unknown ids come from a session that was kept.
static void acknowledgement(struct mg_connection *c, pmg_mqtt_msg_t *msg) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    uint16_t id = (uint16_t)msg->id;
    bool ok = true;
    if (q->session != NULL && msg->cmd != MQTT_CMD_PUBREL &&
        !pmg_mqtt_session_acked(q->session, msg)) {
        fail(c, PMG_MQTT_PROTOCOL, "MQTT: an acknowledgment that the message does not wait for");
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
        no_memory(c);
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
                fail(c, PMG_MQTT_PROTOCOL,
                    "MQTT: the server has a session though a clean one was asked for");
                break;
            }
            if (msg->ack == 0) {
                opened(c);
                if (q->session != NULL) {
                    pmg_mqtt_session_opened(q->session, msg->session_present);
                }
            } else {
                q->state = PMG_MQTT_DONE;
            }
            fire(c, MG_EV_MQTT_OPEN, &msg->ack);
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
        fail(c, PMG_MQTT_AUTH_METHOD, "MQTT: CONNECT with an authentication method");
        return;
    }
    if (msg->client_id.len == 0) {
        if (!pmg_random_text(assigned, sizeof(assigned) - 1)) {
            fail(c, PMG_MQTT_UNSPECIFIED, "MQTT: " PMG_NO_RANDOM);
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
            opened(c);
        } else {
            no_memory(c);
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
        no_memory(c);
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
    fail(c, reason,
        reason == PMG_MQTT_VERSION     ? "MQTT: CONNECT of an unknown version"
        : reason == PMG_MQTT_CLIENT_ID ? "MQTT: CONNECT without a client id"
                                       : why);
}

static void packet(struct mg_connection *c, const uint8_t *p, size_t len, size_t head_len) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    pmg_mqtt_msg_t msg;
    const char *why;
    int err = pmg_mqtt_parse(p, len, head_len, !c->is_client, q->version, &msg, &why);
    q->heard = 1;
    if (err != 0) {
        if (msg.cmd == MQTT_CMD_CONNECT && q->state == PMG_MQTT_WAIT && !c->is_client) {
            refuse(c, err, msg.version, why);
        } else {
            fail(c, err, why);
        }
    } else if (msg.cmd == MQTT_CMD_AUTH && !q->auth) {
        fail(c, PMG_MQTT_PROTOCOL, "MQTT: AUTH that nobody asked for");
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
        say_goodbye(c);
    }
}

// May a packet that begins like this come now? Asked as soon as its first byte is there.
static const char *out_of_turn(struct mg_connection *c, uint8_t first) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    if (q->state == PMG_MQTT_WAIT) {
        if (c->is_client) {
            bool ok = first == MQTT_CMD_CONNACK << 4 || (first == MQTT_CMD_AUTH << 4 && q->auth);
            return ok ? NULL : "MQTT: the server's first packet is no CONNACK";
        }
        return first == MQTT_CMD_CONNECT << 4 ? NULL : "MQTT: the first packet is no CONNECT";
    }
    if (first >> 4 == MQTT_CMD_CONNECT || first >> 4 == MQTT_CMD_CONNACK) {
        return "MQTT: a second CONNECT or CONNACK";
    }
    return NULL;
}

// A message above max_message, which a server of 3.1.1 brings again after every reconnect: a session
// takes it off the server unseen. Its head is looked at, the rest is passed over as it comes.
// The head of a PUBLISH at p. 1: it is skipped from here; 0: bytes are missing; < 0: it cannot be.
static int skip(struct mg_connection *c, const uint8_t *p, size_t have, size_t head_len,
    size_t len) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    pmg_mgr_t *m = pmg_m(c);
    int qos = p[0] >> 1 & 3;
    char text[160];
    if (have < head_len + 2) {
        return len < head_len + 2 ? -1 : 0;
    }
    size_t topic_len = (size_t)p[head_len] << 8 | p[head_len + 1];
    size_t need = head_len + 2 + topic_len + (qos > 0 ? 2 : 0);
    struct mg_str topic = mg_str_n((const char *)p + head_len + 2, topic_len);
    if (need > len || need > m->limits.max_message || qos == 3) {
        return -1;
    }
    if (have < need) {
        return 0;
    }
    q->skip_id = qos > 0 ? (uint16_t)(p[need - 2] << 8 | p[need - 1]) : 0;
    if ((qos > 0 && q->skip_id == 0) || !pmg_mqtt_topic_ok(topic)) {
        return -1;
    }
    q->skip_qos = (uint8_t)qos;
    q->skip = len;
    pmg_mqtt_session_skipped(q->session);
    pmg_snprintf(text, sizeof(text),
        "MQTT: skipped a message of %lu bytes, max_message is %lu: %.*s", (unsigned long)len,
        (unsigned long)m->limits.max_message, topic_len > 60 ? 60 : (int)topic_len, topic.buf);
    pmg_call(c, MG_EV_ERROR, text);
    return 1;
}

static void skipped(struct mg_connection *c) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    pmg_mqtt_ids_t *ids = &q->flow->unreleased;
    bool ok = true;
    q->heard = 1;
    if (q->skip_qos == 1) {
        ok = pmg_mqtt_put_id(c, MQTT_CMD_PUBACK, 0, q->skip_id, 0);
    } else if (q->skip_qos == 2) {
        ok = (pmg_mqtt_ids_has(ids, q->skip_id) ||
                 (ids->len < unreleased_most(c) && pmg_mqtt_ids_add(ids, q->skip_id))) &&
             pmg_mqtt_put_id(c, MQTT_CMD_PUBREC, 0, q->skip_id, 0);
    }
    if (!ok) {
        no_memory(c);
    }
}

static void process(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    pmg_mgr_t *m = pmg_m(c);
    size_t max = m->limits.max_message, max_send = m->limits.max_send;
    size_t pos = 0;
    while (!c->is_closing && !c->is_draining && !m->stop && !x->paused && pos < c->recv.len) {
        const uint8_t *p = c->recv.buf + pos;
        size_t head_len = 0, len = 0;
        bool padded = false;
        pmg_mqtt_t *q = pmg_mqtt_of(c);
        if (q->skip > 0) {
            size_t n = c->recv.len - pos < q->skip ? c->recv.len - pos : q->skip;
            pos += n;
            if ((q->skip -= n) == 0) {
                skipped(c);
            }
            continue;
        }
        const char *why = out_of_turn(c, p[0]);
        if (why != NULL) {
            fail(c, PMG_MQTT_PROTOCOL, why);
            break;
        }
        if (max_send > 0 && pmg_send_len(c) > max_send + ANSWERS_MAX) {
            x->backlog = 1; // pmg_flush() takes it away
            break;
        }
        int r = pmg_mqtt_head(p, c->recv.len - pos, &head_len, &len, &padded);
        if (r < 0 || (padded && q->version == 5)) {
            fail(c, PMG_MQTT_MALFORMED, "MQTT: malformed length of a packet");
            break;
        }
        if (r > 0 && max > 0 && len > max && q->session != NULL && p[0] >> 4 == MQTT_CMD_PUBLISH) {
            r = skip(c, p, c->recv.len - pos, head_len, len);
            if (r > 0) {
                continue;
            }
            if (r == 0) {
                break;
            }
            r = 1;
        }
        if (r > 0 && max > 0 && len > max) {
            fail(c, PMG_MQTT_TOO_LARGE, "MQTT: packet is larger than the limit max_message");
            break;
        }
        if (r == 0 || len > c->recv.len - pos) {
            break;
        }
        x->recv_off = pos; // recv_data() begins with this packet
        packet(c, p, len, head_len);
        pos += len;
    }
    x->recv_off = 0;
    if (c->is_closing || c->is_draining) {
        c->recv.len = 0;
        return;
    }
    size_t rest = c->recv.len - pos;
    if (pos > 0 && rest > 0) {
        memmove(c->recv.buf, c->recv.buf + pos, rest);
    }
    c->recv.len = rest;
    if (m->stop && rest > 0) {
        x->reparse = 1;
    }
}

static void read_input(struct mg_connection *c) {
    if (c->recv.len > 0) {
        pmg_mqtt_of(c)->last_in = now(c);
        process(c);
    }
    if (pmg_x(c)->backlog) {
        c->is_full = 1;
    }
}

static void oversized(struct mg_connection *c) {
    fail(c, PMG_MQTT_QUOTA, pmg_no_budget);
}

const pmg_protocol_t pmg_mqtt = {
    .name = "MQTT",
    .only_by = "mqtt_connect()",
    .start = start,
    .opened = await,
    .read = read_input,
    .oversized = oversized,
    .send = send_by_hand,
    .eof = eof,
    .gone = gone,
    .drain = drain,
    .closing = pmg_mqtt_session_detach,
    .end = end,
};

#endif
