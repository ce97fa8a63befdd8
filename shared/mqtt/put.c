// SPDX-License-Identifier: GPL-2.0-only
//
// Packets of MQTT that we send: the writer, which queues a packet whole or not at all, the packet ids
// that wait for an answer, CONNECT and its answers. What a program sends stands in send.c.

#include "mqtt_int.h"

#if PMG_HAS_MQTT

// The next one that nothing waits for. Until they come round no id can be in use.
uint16_t pmg_mqtt_next_id(pmg_mqtt_t *q) {
    uint16_t id = (uint16_t)(q->flow->next_id + 1);
    if (id == 0) {
        q->flow->wrapped = 1;
    }
    q->flow->next_id = q->flow->wrapped ? pmg_mqtt_ids_next(&q->flow->published,
                                              &q->flow->subscribed, q->flow->next_id)
                                        : id;
    return q->flow->next_id;
}

// ---------------------------------------------------------------------------------------------
// Writing

void pmg_mqtt_put_raw(pmg_mqtt_out_t *o, const void *buf, size_t len) {
    o->ok = o->ok && pmg_out(o->c, buf, len);
}

void pmg_mqtt_put8(pmg_mqtt_out_t *o, unsigned value) {
    uint8_t b = (uint8_t)value;
    pmg_mqtt_put_raw(o, &b, 1);
}

void pmg_mqtt_put16(pmg_mqtt_out_t *o, unsigned value) {
    uint8_t b[2] = {(uint8_t)(value >> 8), (uint8_t)value};
    pmg_mqtt_put_raw(o, b, 2);
}

static size_t number(uint8_t *dst, size_t value) {
    size_t n = 0;
    do {
        dst[n++] = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    } while ((value >>= 7) > 0);
    return n;
}

size_t pmg_mqtt_number_len(size_t value) {
    uint8_t b[10];
    return number(b, value);
}

void pmg_mqtt_put_data(pmg_mqtt_out_t *o, struct mg_str s) {
    pmg_mqtt_put16(o, (unsigned)s.len);
    pmg_mqtt_put_raw(o, s.buf, s.len);
}

void pmg_mqtt_begin(pmg_mqtt_out_t *o, struct mg_connection *c, int cmd, int flags, size_t rest) {
    uint8_t head[6] = {(uint8_t)(cmd << 4 | flags)};
    o->c = c;
    o->before = pmg_send_len(c);
    o->ok = true;
    pmg_mqtt_put_raw(o, head, 1 + number(head + 1, rest));
}

// The properties that follow: those given, and `more` of ours.
size_t pmg_mqtt_props_len(int version, size_t len) {
    return version == 5 ? pmg_mqtt_number_len(len) + len : 0;
}

void pmg_mqtt_put_props(pmg_mqtt_out_t *o, int version, struct mg_str props, const uint8_t *more,
    size_t more_len) {
    if (version == 5) {
        uint8_t head[10];
        size_t n = number(head, props.len + more_len);
        pmg_mqtt_put_raw(o, head, n);
        pmg_mqtt_put_raw(o, more, more_len);
        pmg_mqtt_put_raw(o, props.buf, props.len);
    }
}

static void sent(struct mg_connection *c) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_mqtt_of(c)->last_out = pmg_now(m);
    pmg_work(c);
}

bool pmg_mqtt_finish(pmg_mqtt_out_t *o) {
    struct mg_connection *c = o->c;
    if (!o->ok) {
        c->send.len = pmg_x(c)->send_off + o->before; // no half packet
        return false;
    }
    sent(c);
    return true;
}

bool pmg_mqtt_put(struct mg_connection *c, int cmd, int flags, const void *body, size_t len) {
    pmg_mqtt_out_t o;
    pmg_mqtt_begin(&o, c, cmd, flags, len);
    pmg_mqtt_put_raw(&o, body, len);
    return pmg_mqtt_finish(&o);
}

bool pmg_mqtt_put_id(struct mg_connection *c, int cmd, int flags, uint16_t id, int reason) {
    uint8_t body[3] = {(uint8_t)(id >> 8), (uint8_t)id, (uint8_t)reason};
    bool long_form = pmg_mqtt_of(c)->version == 5 && reason != 0;
    return pmg_mqtt_put(c, cmd, flags, body, long_form ? 3 : 2);
}

size_t pmg_mqtt_publish_len(int version, const pmg_mqtt_msg_t *msg, size_t more_len) {
    return 2 + msg->topic.len + (msg->qos > 0 ? 2 : 0) +
           pmg_mqtt_props_len(version, msg->props.len + more_len) + msg->data.len;
}

static uint8_t *put_bytes(uint8_t *p, const void *buf, size_t len) {
    if (len > 0) {
        memcpy(p, buf, len);
    }
    return p + len;
}

static uint8_t *put_number16(uint8_t *p, size_t value) {
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
    return p + 2;
}

bool pmg_mqtt_put_publish(struct mg_connection *c, const pmg_mqtt_msg_t *msg, const uint8_t *more,
    size_t more_len) {
    // The hot path: one look for room, then bytes.
    int version = pmg_mqtt_of(c)->version;
    size_t rest = pmg_mqtt_publish_len(version, msg, more_len);
    uint8_t head[11] = {(uint8_t)(MQTT_CMD_PUBLISH << 4 | (msg->dup ? 8 : 0) | msg->qos << 1 |
                                  (msg->retain ? 1 : 0))};
    size_t n = 1 + number(head + 1, rest);
    struct mg_iobuf *b = &c->send;
    if (b->size - b->len < n + rest && !pmg_out_room(c, n + rest)) {
        return false;
    }
    uint8_t *p = b->buf + b->len;
    b->len += n + rest;
    memcpy(p, head, n);
    p = put_bytes(put_number16(p + n, msg->topic.len), msg->topic.buf, msg->topic.len);
    if (msg->qos > 0) {
        p = put_number16(p, (size_t)msg->id);
    }
    if (version == 5) {
        p += number(p, msg->props.len + more_len);
        p = put_bytes(put_bytes(p, more, more_len), msg->props.buf, msg->props.len);
    }
    put_bytes(p, msg->data.buf, msg->data.len);
    sent(c);
    return true;
}

bool pmg_mqtt_put_subscribe(struct mg_connection *c, int cmd, uint16_t id, struct mg_str filter,
    int options, struct mg_str props) {
    int version = pmg_mqtt_of(c)->version;
    bool sub = cmd == MQTT_CMD_SUBSCRIBE;
    pmg_mqtt_out_t o;
    pmg_mqtt_begin(&o, c, cmd, 2,
        2 + pmg_mqtt_props_len(version, props.len) + 2 + filter.len + (sub ? 1 : 0));
    pmg_mqtt_put16(&o, id);
    pmg_mqtt_put_props(&o, version, props, NULL, 0);
    pmg_mqtt_put_data(&o, filter);
    if (sub) {
        pmg_mqtt_put8(&o, (unsigned)options);
    }
    return pmg_mqtt_finish(&o);
}

bool pmg_mqtt_put_disconnect(struct mg_connection *c, int reason) {
    uint8_t body = (uint8_t)reason;
    bool long_form = pmg_mqtt_of(c)->version == 5 && reason != 0;
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
    if (max > 0 && max <= PMG_MQTT_PACKET_MAX &&
        !pmg_mqtt_has_prop(props, MQTT_PROP_MAXIMUM_PACKET_SIZE)) {
        p.id = MQTT_PROP_MAXIMUM_PACKET_SIZE;
        p.iv = (uint32_t)max;
        n += pmg_mqtt_prop_encode(&p, out + n);
    }
    return n;
}

// ---------------------------------------------------------------------------------------------
// CONNECT and its answer

static bool has_nul(struct mg_str s) {
    return s.len > 0 && memchr(s.buf, '\0', s.len) != NULL; // one that is not given is NULL
}

int pmg_mqtt_check_login(pmg_mgr_t *m, const pmg_mqtt_login_t *l) {
    const char *why = NULL;
    bool five = l->version == 5, will = l->will_topic.len > 0;
    if (l->version != 4 && l->version != 5) {
        why = "version is 4 (MQTT 3.1.1) or 5";
    } else if (l->keepalive < 0 || l->keepalive > 65535) {
        why = "keepalive is 0 to 65535 seconds";
    } else if (!five && (l->props.len > 0 || l->will_props.len > 0)) {
        why = "properties need version=5";
    } else if (!five && l->password.len > 0 && !l->has_username) {
        why = "a password needs a username, or version=5";
    } else if (l->client_id.len > 65535 || l->username.len > 65535 || l->password.len > 65535 ||
               l->will_message.len > 65535) {
        why = "client_id, username, password and will_message have at most 65535 bytes each";
    } else if (!pmg_utf8_valid(l->client_id.buf, l->client_id.len) ||
               !pmg_utf8_valid(l->username.buf, l->username.len) || has_nul(l->client_id) ||
               has_nul(l->username)) {
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

// The connection is not known to anyone yet.
int pmg_mqtt_put_connect(struct mg_connection *c, const pmg_mqtt_login_t *l) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    uint8_t limits[8], head[10] = {0, 4, 'M', 'Q', 'T', 'T'};
    char random_id[20];
    struct mg_str id = l->client_id;
    bool will = l->will_topic.len > 0;
    if (id.len == 0) {
        if (!pmg_random_text(random_id, sizeof(random_id))) {
            return pmg_fail(pmg_m(c), -EIO, PMG_NO_RANDOM);
        }
        id = mg_str_n(random_id, sizeof(random_id));
    }
    size_t own = l->version == 5 ? own_limits(c, l->props, limits) : 0;
    head[6] = (uint8_t)l->version;
    head[7] = (uint8_t)((l->clean_session ? 2 : 0) | (will ? 4 : 0) | l->will_qos << 3 |
                        (l->will_retain ? 0x20 : 0) | (l->password.len > 0 ? 0x40 : 0) |
                        (l->has_username ? 0x80 : 0));
    head[8] = (uint8_t)(l->keepalive >> 8);
    head[9] = (uint8_t)l->keepalive;
    size_t rest = sizeof(head) + pmg_mqtt_props_len(l->version, l->props.len + own) + 2 + id.len;
    if (will) {
        rest += pmg_mqtt_props_len(l->version, l->will_props.len) + 4 + l->will_topic.len +
                l->will_message.len;
    }
    rest += l->has_username ? 2 + l->username.len : 0;
    rest += l->password.len > 0 ? 2 + l->password.len : 0;
    pmg_mqtt_out_t o;
    pmg_mqtt_begin(&o, c, MQTT_CMD_CONNECT, 0, rest);
    pmg_mqtt_put_raw(&o, head, sizeof(head));
    pmg_mqtt_put_props(&o, l->version, l->props, limits, own);
    pmg_mqtt_put_data(&o, id);
    if (will) {
        pmg_mqtt_put_props(&o, l->version, l->will_props, NULL, 0);
        pmg_mqtt_put_data(&o, l->will_topic);
        pmg_mqtt_put_data(&o, l->will_message);
    }
    if (l->has_username) {
        pmg_mqtt_put_data(&o, l->username);
    }
    if (l->password.len > 0) {
        pmg_mqtt_put_data(&o, l->password);
    }
    q->version = (uint8_t)l->version;
    q->keepalive = (uint16_t)l->keepalive;
    q->clean = l->clean_session;
    q->auth = pmg_mqtt_has_prop(l->props, MQTT_PROP_AUTHENTICATION_METHOD);
    return pmg_mqtt_finish(&o) ? 0 : -ENOMEM;
}

bool pmg_mqtt_put_connack(struct mg_connection *c, int code, bool session, struct mg_str props) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    uint8_t more[8 + 3 + 24] = {0};
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
    pmg_mqtt_out_t o;
    pmg_mqtt_begin(&o, c, MQTT_CMD_CONNACK, 0, 2 + pmg_mqtt_props_len(q->version, props.len + n));
    pmg_mqtt_put_raw(&o, head, 2);
    pmg_mqtt_put_props(&o, q->version, props, more, n);
    return pmg_mqtt_finish(&o);
}

// Without codes each subscription gets the QoS that it asked for; one code is for all.
bool pmg_mqtt_put_suback(struct mg_connection *c, const pmg_mqtt_msg_t *msg, const uint8_t *codes,
    size_t num_codes) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    bool sub = msg->cmd == MQTT_CMD_SUBSCRIBE;
    size_t count = 0, ofs = 0;
    struct mg_str filter;
    int options;
    while ((ofs = pmg_mqtt_next_topic(msg, ofs, &filter, &options)) > 0) {
        count++;
    }
    size_t shown = sub || q->version == 5 ? count : 0;
    pmg_mqtt_out_t o;
    pmg_mqtt_begin(&o, c, sub ? MQTT_CMD_SUBACK : MQTT_CMD_UNSUBACK, 0,
        2 + pmg_mqtt_props_len(q->version, 0) + shown);
    pmg_mqtt_put16(&o, (unsigned)msg->id);
    pmg_mqtt_put_props(&o, q->version, mg_str_n(NULL, 0), NULL, 0);
    for (size_t i = 0; i < shown; i++) {
        ofs = pmg_mqtt_next_topic(msg, ofs, &filter, &options);
        pmg_mqtt_put8(&o, num_codes == 0 ? (unsigned)options & 3 : codes[num_codes > 1 ? i : 0]);
    }
    return pmg_mqtt_finish(&o);
}

#endif
