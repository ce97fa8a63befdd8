// SPDX-License-Identifier: GPL-2.0-only
//
// Packets of MQTT that we send, and the packet ids that wait for an answer. A packet is queued whole
// or not at all.

#include "pmg_mqtt_int.h"

#if PMG_HAS_MQTT

#define PACKET_MAX 268435455 // what four bytes of length can say

// ---------------------------------------------------------------------------------------------
// Packet ids

static size_t ids_find(const pmg_ids_t *s, uint16_t id) {
    size_t i = 0;
    while (i < s->len && s->ids[s->head + i] != id) {
        i++;
    }
    return i;
}

bool pmg_ids_has(const pmg_ids_t *s, uint16_t id) {
    return ids_find(s, id) < s->len;
}

bool pmg_ids_add(pmg_ids_t *s, uint16_t id) {
    if (s->head + s->len == s->size) {
        if (s->head > 0) {
            memmove(s->ids, s->ids + s->head, s->len * sizeof(*s->ids));
        } else {
            uint32_t size = s->size > 0 ? s->size * 2 : 8;
            uint16_t *ids = pmg_alloc(size * sizeof(*ids));
            if (ids == NULL) {
                return false;
            }
            if (s->len > 0) {
                memcpy(ids, s->ids, s->len * sizeof(*ids));
            }
            pmg_free(s->ids);
            s->ids = ids;
            s->size = size;
        }
        s->head = 0;
    }
    s->ids[s->head + s->len++] = id;
    return true;
}

bool pmg_ids_remove(pmg_ids_t *s, uint16_t id) {
    size_t i = ids_find(s, id);
    if (i == s->len) {
        return false;
    }
    if (i == 0) {
        s->head++;
    } else {
        uint16_t *at = s->ids + s->head + i;
        memmove(at, at + 1, (s->len - i - 1) * sizeof(*at));
    }
    if (--s->len == 0) {
        s->head = 0;
    }
    return true;
}

// The next one that nothing waits for. Until they come round no id can be in use.
static uint16_t next_id(pmg_mqtt_t *q) {
    do {
        if (++q->next_id == 0) {
            q->next_id = 1;
            q->wrapped = 1;
        }
    } while (q->wrapped &&
             (pmg_ids_has(&q->published, q->next_id) || pmg_ids_has(&q->subscribed, q->next_id)));
    return q->next_id;
}

// ---------------------------------------------------------------------------------------------
// Writing

typedef struct {
    struct mg_connection *c;
    size_t before;
    bool ok;
} out_t;

static void put(out_t *o, const void *buf, size_t len) {
    o->ok = o->ok && pmg_out(o->c, buf, len);
}

static void put8(out_t *o, unsigned value) {
    uint8_t b = (uint8_t)value;
    put(o, &b, 1);
}

static void put16(out_t *o, unsigned value) {
    uint8_t b[2] = {(uint8_t)(value >> 8), (uint8_t)value};
    put(o, b, 2);
}

static size_t number(uint8_t *dst, size_t value) {
    size_t n = 0;
    do {
        dst[n++] = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    } while ((value >>= 7) > 0);
    return n;
}

static size_t number_len(size_t value) {
    uint8_t b[10];
    return number(b, value);
}

static void put_data(out_t *o, struct mg_str s) {
    put16(o, (unsigned)s.len);
    put(o, s.buf, s.len);
}

static void begin(out_t *o, struct mg_connection *c, int cmd, int flags, size_t rest) {
    uint8_t head[6] = {(uint8_t)(cmd << 4 | flags)};
    o->c = c;
    o->before = pmg_conn_send_len(c);
    o->ok = true;
    put(o, head, 1 + number(head + 1, rest));
}

// The properties that follow: those given, and `more` of ours.
static size_t props_len(int version, size_t len) {
    return version == 5 ? number_len(len) + len : 0;
}

static void put_props(out_t *o, int version, struct mg_str props, const uint8_t *more,
    size_t more_len) {
    if (version == 5) {
        uint8_t head[10];
        put(o, head, number(head, props.len + more_len));
        put(o, more, more_len);
        put(o, props.buf, props.len);
    }
}

static bool finish(out_t *o) {
    struct mg_connection *c = o->c;
    if (!o->ok) {
        c->send.len = pmg_x(c)->send_off + o->before; // no half packet
        return false;
    }
    pmg_mqtt_t *q = pmg_mqtt(c);
    pmg_mgr_t *m = pmg_m(c);
    q->last_out = m->polling ? m->now : pmg_port_millis();
    pmg_work(c);
    return true;
}

bool pmg_mqtt_put(struct mg_connection *c, int cmd, int flags, const void *body, size_t len) {
    out_t o;
    begin(&o, c, cmd, flags, len);
    put(&o, body, len);
    return finish(&o);
}

bool pmg_mqtt_put_id(struct mg_connection *c, int cmd, int flags, uint16_t id, int reason) {
    uint8_t body[3] = {(uint8_t)(id >> 8), (uint8_t)id, (uint8_t)reason};
    bool long_form = pmg_mqtt(c)->version == 5 && reason != 0;
    return pmg_mqtt_put(c, cmd, flags, body, long_form ? 3 : 2);
}

bool pmg_mqtt_put_disconnect(struct mg_connection *c, int reason) {
    uint8_t body = (uint8_t)reason;
    bool long_form = pmg_mqtt(c)->version == 5 && reason != 0;
    return pmg_mqtt_put(c, MQTT_CMD_DISCONNECT, 0, &body, long_form ? 1 : 0);
}

// What we tell a peer of MQTT 5 about ourselves, where the program does not.
static size_t own_limits(struct mg_connection *c, struct mg_str props, uint8_t out[8]) {
    size_t n = 0, max = pmg_m(c)->limits.max_message;
    pmg_mqtt_prop_t p = {0};
    if (!pmg_mqtt_has_prop(props, MQTT_PROP_RECEIVE_MAXIMUM)) {
        p.id = MQTT_PROP_RECEIVE_MAXIMUM;
        p.iv = PMG_MQTT_UNRELEASED;
        n += pmg_mqtt_prop_encode(&p, out);
    }
    if (max > 0 && max <= PACKET_MAX && !pmg_mqtt_has_prop(props, MQTT_PROP_MAXIMUM_PACKET_SIZE)) {
        p.id = MQTT_PROP_MAXIMUM_PACKET_SIZE;
        p.iv = (uint32_t)max;
        n += pmg_mqtt_prop_encode(&p, out + n);
    }
    return n;
}

// ---------------------------------------------------------------------------------------------
// CONNECT and its answer

static int check_login(pmg_mgr_t *m, const pmg_mqtt_login_t *l) {
    const char *why = NULL;
    bool five = l->version == 5, will = l->will_topic.len > 0;
    if (l->version != 4 && l->version != 5) {
        why = "version is 4 (MQTT 3.1.1) or 5";
    } else if (l->keepalive < 0 || l->keepalive > 65535) {
        why = "keepalive is 0 to 65535 seconds";
    } else if (!five && (l->props.len > 0 || l->will_props.len > 0)) {
        why = "properties need version=5";
    } else if (!five && l->password.len > 0 && l->username.len == 0) {
        why = "a password needs a username, or version=5";
    } else if (l->client_id.len > 65535 || l->username.len > 65535 || l->password.len > 65535 ||
               l->will_message.len > 65535) {
        why = "client_id, username, password and will_message have at most 65535 bytes each";
    } else if (!pmg_utf8_valid(l->client_id.buf, l->client_id.len) ||
               !pmg_utf8_valid(l->username.buf, l->username.len) ||
               memchr(l->client_id.buf, '\0', l->client_id.len) != NULL ||
               memchr(l->username.buf, '\0', l->username.len) != NULL) {
        why = "client_id and username must be UTF-8 without NUL";
    } else if (!will && (l->will_message.len > 0 || l->will_qos != 0 || l->will_retain ||
                            l->will_props.len > 0)) {
        why = "a will needs will_topic";
    } else if (will && !pmg_mqtt_topic_ok(l->will_topic)) {
        why = "will_topic must be UTF-8 without NUL, + and #";
    } else if (l->will_qos < 0 || l->will_qos > 2) {
        why = "will_qos is 0, 1 or 2";
    } else if (!pmg_mqtt_props_ok(l->props, MQTT_CMD_CONNECT) ||
               !pmg_mqtt_props_ok(l->will_props, PMG_MQTT_WILL)) {
        why = "properties hold one that CONNECT does not take";
    } else if (pmg_mqtt_prop_int(l->props, MQTT_PROP_TOPIC_ALIAS_MAXIMUM, 0) > 0) {
        why = "topic aliases of the server are not supported";
    }
    return why != NULL ? pmg_fail(m, -EINVAL, "mqtt_connect(): %s", why) : 0;
}

int pmg_mqtt_connect(pmg_mgr_t *m, const char *url, const pmg_mqtt_login_t *login, void *arg,
    struct mg_connection **out) {
    *out = NULL;
    int err = check_login(m, login);
    if (err == 0) {
        m->login = login;
        err = pmg_connect(m, url, PMG_MQTT, arg, out);
        m->login = NULL;
    }
    return err;
}

// The connection is not known to anyone yet. False: no memory.
bool pmg_mqtt_put_connect(struct mg_connection *c, const pmg_mqtt_login_t *l) {
    pmg_mqtt_t *q = pmg_mqtt(c);
    uint8_t limits[8], head[10] = {0, 4, 'M', 'Q', 'T', 'T'};
    char random_id[21];
    struct mg_str id = l->client_id;
    bool will = l->will_topic.len > 0;
    if (id.len == 0) {
        mg_random_str(random_id, sizeof(random_id));
        id = mg_str_n(random_id, sizeof(random_id) - 1);
    }
    size_t own = l->version == 5 ? own_limits(c, l->props, limits) : 0;
    head[6] = (uint8_t)l->version;
    head[7] = (uint8_t)((l->clean_session ? 2 : 0) | (will ? 4 : 0) | l->will_qos << 3 |
                        (l->will_retain ? 0x20 : 0) | (l->password.len > 0 ? 0x40 : 0) |
                        (l->username.len > 0 ? 0x80 : 0));
    head[8] = (uint8_t)(l->keepalive >> 8);
    head[9] = (uint8_t)l->keepalive;
    size_t rest = sizeof(head) + props_len(l->version, l->props.len + own) + 2 + id.len;
    if (will) {
        rest +=
            props_len(l->version, l->will_props.len) + 4 + l->will_topic.len + l->will_message.len;
    }
    rest += l->username.len > 0 ? 2 + l->username.len : 0;
    rest += l->password.len > 0 ? 2 + l->password.len : 0;
    out_t o;
    begin(&o, c, MQTT_CMD_CONNECT, 0, rest);
    put(&o, head, sizeof(head));
    put_props(&o, l->version, l->props, limits, own);
    put_data(&o, id);
    if (will) {
        put_props(&o, l->version, l->will_props, NULL, 0);
        put_data(&o, l->will_topic);
        put_data(&o, l->will_message);
    }
    if (l->username.len > 0) {
        put_data(&o, l->username);
    }
    if (l->password.len > 0) {
        put_data(&o, l->password);
    }
    q->version = (uint8_t)l->version;
    q->keepalive = (uint16_t)l->keepalive;
    q->auth = pmg_mqtt_has_prop(l->props, MQTT_PROP_AUTHENTICATION_METHOD);
    return finish(&o);
}

bool pmg_mqtt_put_connack(struct mg_connection *c, int code, bool session, struct mg_str props) {
    pmg_mqtt_t *q = pmg_mqtt(c);
    uint8_t more[8 + 3 + 24];
    size_t n = 0;
    if (q->version == 5) {
        n = own_limits(c, props, more);
        if (q->assigned != NULL && code == 0 &&
            !pmg_mqtt_has_prop(props, MQTT_PROP_ASSIGNED_CLIENT_IDENTIFIER)) {
            pmg_mqtt_prop_t p = {
                .id = MQTT_PROP_ASSIGNED_CLIENT_IDENTIFIER, .val = mg_str(q->assigned)};
            n += pmg_mqtt_prop_encode(&p, more + n);
        }
    }
    uint8_t head[2] = {session && code == 0, (uint8_t)code};
    out_t o;
    begin(&o, c, MQTT_CMD_CONNACK, 0, 2 + props_len(q->version, props.len + n));
    put(&o, head, 2);
    put_props(&o, q->version, props, more, n);
    return finish(&o);
}

// Without codes each subscription gets the QoS that it asked for; one code is for all.
bool pmg_mqtt_put_suback(struct mg_connection *c, const pmg_mqtt_msg_t *msg, const uint8_t *codes,
    size_t num_codes) {
    pmg_mqtt_t *q = pmg_mqtt(c);
    bool sub = msg->cmd == MQTT_CMD_SUBSCRIBE;
    size_t count = 0, ofs = 0;
    struct mg_str filter;
    int options;
    while ((ofs = pmg_mqtt_next_topic(msg, ofs, &filter, &options)) > 0) {
        count++;
    }
    size_t shown = sub || q->version == 5 ? count : 0;
    out_t o;
    begin(&o, c, sub ? MQTT_CMD_SUBACK : MQTT_CMD_UNSUBACK, 0,
        2 + props_len(q->version, 0) + shown);
    put16(&o, (unsigned)msg->id);
    put_props(&o, q->version, mg_str_n(NULL, 0), NULL, 0);
    for (size_t i = 0; i < shown; i++) {
        ofs = pmg_mqtt_next_topic(msg, ofs, &filter, &options);
        put8(&o, num_codes == 0 ? (unsigned)options & 3 : codes[num_codes > 1 ? i : 0]);
    }
    return finish(&o);
}

// ---------------------------------------------------------------------------------------------
// What a program sends

static int no_memory(struct mg_connection *c) {
    return pmg_fail(pmg_m(c), -ENOMEM, "no memory for an MQTT packet");
}

// Is this an MQTT connection that may send now?
static int check(struct mg_connection *c, bool early) {
    pmg_mgr_t *m = pmg_m(c);
    if (pmg_x(c)->proto != PMG_MQTT || c->is_listening) {
        return pmg_fail(m, -EINVAL,
            "this connection does not speak MQTT: it is made by mqtt_connect() or mqtt_listen()");
    }
    int err = pmg_can_send(c);
    if (err < 0) {
        return err;
    }
    int state = pmg_mqtt(c)->state;
    if (state != PMG_MQTT_OPEN && !(early && c->is_client && state == PMG_MQTT_WAIT)) {
        return pmg_fail(m, -ENOTCONN, "MQTT: the connection is not open");
    }
    return 0;
}

static int too_large(struct mg_connection *c, size_t rest) {
    pmg_mqtt_t *q = pmg_mqtt(c);
    size_t len = 1 + number_len(rest) + rest;
    if (rest > PACKET_MAX || (q->packet_max > 0 && len > q->packet_max)) {
        return pmg_fail(pmg_m(c), -EMSGSIZE, "MQTT: a packet of %zu bytes, the peer takes %zu", len,
            (size_t)(q->packet_max > 0 ? q->packet_max : PACKET_MAX));
    }
    return 0;
}

int pmg_mqtt_pub(struct mg_connection *c, struct mg_str topic, struct mg_str message, int qos,
    bool retain, int id, struct mg_str props) {
    pmg_mgr_t *m = pmg_m(c);
    int err = check(c, true);
    if (err < 0) {
        return err;
    }
    pmg_mqtt_t *q = pmg_mqtt(c);
    const char *why = NULL;
    uint32_t alias = 0;
    if (props.len > 0) {
        if (q->version != 5) {
            why = "properties need MQTT 5";
        } else if (!pmg_mqtt_props_ok(props, MQTT_CMD_PUBLISH)) {
            why = "properties hold one that PUBLISH does not take";
        } else {
            alias = pmg_mqtt_prop_int(props, MQTT_PROP_TOPIC_ALIAS, 0);
        }
    }
    if (why != NULL) {
    } else if (qos < 0 || qos > 2) {
        why = "qos is 0, 1 or 2";
    } else if (id < 0 || id > 65535 || (id > 0 && qos == 0)) {
        why = "id is a packet id of 1 to 65535, and only with qos 1 or 2";
    } else if (alias > q->alias_max) {
        why = "the peer does not take this topic alias";
    } else if (!(alias > 0 && topic.len == 0) && !pmg_mqtt_topic_ok(topic)) {
        why = "a topic has 1 to 65535 bytes of UTF-8 without NUL, + and #";
    } else if (qos > q->max_qos) {
        why = "the server does not take this qos";
    } else if (retain && !q->retain_ok) {
        why = "the server does not keep messages: retain is not possible";
    }
    if (why != NULL) {
        return pmg_fail(m, -EINVAL, "mqtt_pub(): %s", why);
    }
    size_t rest =
        2 + topic.len + (qos > 0 ? 2 : 0) + props_len(q->version, props.len) + message.len;
    if ((err = too_large(c, rest)) < 0) {
        return err;
    }
    bool dup = id > 0;
    if (qos > 0 && !(dup && pmg_ids_has(&q->published, (uint16_t)id))) {
        size_t max = q->receive_max < PMG_MQTT_INFLIGHT ? q->receive_max : PMG_MQTT_INFLIGHT;
        if (q->published.len >= max || q->published.len + q->subscribed.len >= PMG_MQTT_INFLIGHT) {
            return pmg_fail(m, -ENOBUFS,
                "MQTT: %zu messages are not acknowledged, the limit is %zu",
                (size_t)q->published.len, max);
        }
        id = dup ? id : next_id(q);
        if (!pmg_ids_add(&q->published, (uint16_t)id)) {
            return no_memory(c);
        }
        q->wrapped = q->wrapped || dup;
    }
    out_t o;
    begin(&o, c, MQTT_CMD_PUBLISH, (dup ? 8 : 0) | qos << 1 | (retain ? 1 : 0), rest);
    put_data(&o, topic);
    if (qos > 0) {
        put16(&o, (unsigned)id);
    }
    put_props(&o, q->version, props, NULL, 0);
    put(&o, message.buf, message.len);
    if (!finish(&o)) {
        pmg_ids_remove(&q->published, (uint16_t)id);
        return no_memory(c);
    }
    return qos > 0 ? id : 0;
}

static int subscribe(struct mg_connection *c, int cmd, struct mg_str filter, int options,
    struct mg_str props) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_mqtt_t *q = pmg_mqtt(c);
    bool sub = cmd == MQTT_CMD_SUBSCRIBE;
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
    size_t rest = 2 + props_len(q->version, props.len) + 2 + filter.len + (sub ? 1 : 0);
    int err = too_large(c, rest);
    if (err < 0) {
        return err;
    }
    if (q->published.len + q->subscribed.len >= PMG_MQTT_INFLIGHT) {
        return pmg_fail(m, -ENOBUFS, "MQTT: too many packets are not acknowledged");
    }
    uint16_t id = next_id(q);
    if (!pmg_ids_add(&q->subscribed, id)) {
        return no_memory(c);
    }
    out_t o;
    begin(&o, c, cmd, 2, rest);
    put16(&o, id);
    put_props(&o, q->version, props, NULL, 0);
    put_data(&o, filter);
    if (sub) {
        put8(&o, (unsigned)options);
    }
    if (!finish(&o)) {
        pmg_ids_remove(&q->subscribed, id);
        return no_memory(c);
    }
    return id;
}

int pmg_mqtt_sub(struct mg_connection *c, struct mg_str filter, int qos, int options,
    struct mg_str props) {
    int err = check(c, true);
    if (err < 0) {
        return err;
    }
    if (qos < 0 || qos > 2) {
        return pmg_fail(pmg_m(c), -EINVAL, "mqtt_sub(): qos is 0, 1 or 2");
    }
    if ((options & ~0x3c) || (options & 0x30) == 0x30 ||
        (options != 0 && pmg_mqtt(c)->version != 5)) {
        return pmg_fail(pmg_m(c), -EINVAL,
            "mqtt_sub(): options are bits 2 to 5 of those of MQTT 5, and only there");
    }
    return subscribe(c, MQTT_CMD_SUBSCRIBE, filter, qos | options, props);
}

int pmg_mqtt_unsub(struct mg_connection *c, struct mg_str filter) {
    int err = check(c, true);
    return err < 0 ? err : subscribe(c, MQTT_CMD_UNSUBSCRIBE, filter, 0, mg_str_n(NULL, 0));
}

int pmg_mqtt_ping(struct mg_connection *c) {
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
    int err = check(c, false);
    if (err < 0) {
        return err;
    }
    if (c->is_client) {
        return pmg_fail(pmg_m(c), -EINVAL, "mqtt_pong() is a server's");
    }
    pmg_mqtt(c)->answered |= 1u << MQTT_CMD_PINGRESP;
    return pmg_mqtt_put(c, MQTT_CMD_PINGRESP, 0, NULL, 0) ? 0 : no_memory(c);
}

int pmg_mqtt_disconnect(struct mg_connection *c, int reason) {
    int err = check(c, true);
    if (err < 0) {
        return err;
    }
    pmg_mqtt_t *q = pmg_mqtt(c);
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
    pmg_mqtt_t *q = pmg_mqtt(c);
    bool login = msg->cmd == MQTT_CMD_CONNECT;
    if (c->is_client ||
        (!login && msg->cmd != MQTT_CMD_SUBSCRIBE && msg->cmd != MQTT_CMD_UNSUBSCRIBE)) {
        return pmg_fail(m, -EINVAL,
            "mqtt_ack() is a server's answer to CONNECT, SUBSCRIBE or UNSUBSCRIBE");
    }
    if (c->is_closing || c->is_draining) {
        return pmg_fail(m, -EPIPE, "connection is %s", c->is_closing ? "closing" : "draining");
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
            pmg_drain(c);
        }
    }
    return 0;
}

#endif
