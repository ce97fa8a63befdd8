// SPDX-License-Identifier: GPL-2.0-only
//
// An MQTT connection, as client and as server: its beginning and end, and what comes in, packet by
// packet. receive.c does what a packet asks for, alive.c is the keep-alive and how the two part.

#include "mqtt_int.h"

#if PMG_HAS_MQTT

// Answers of ours that the peer does not read, beyond max_send, before we stop reading.
#define ANSWERS_MAX PMG_PIPELINE_MAX

static uint64_t now(struct mg_connection *c) {
    return pmg_now(pmg_m(c));
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

static void drain(struct mg_connection *c) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    if (q != NULL && q->busy) {
        q->bye = 1; // the message that is being handled is acknowledged first
    } else if (q != NULL) {
        pmg_mqtt_say_goodbye(c);
    }
}

static bool eof(struct mg_connection *c) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    // In the middle of a packet it was cut, by whomever.
    if (q->session != NULL && q->state == PMG_MQTT_OPEN && !pmg_x(c)->cut && c->recv.len == 0 &&
        q->skip == 0) {
        pmg_mqtt_session_dismissed(q->session, 0, false);
    }
    pmg_mqtt_no_more(c);
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

// ---------------------------------------------------------------------------------------------
// What comes in

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
                 (ids->len < pmg_mqtt_unreleased_most(c) && pmg_mqtt_ids_add(ids, q->skip_id))) &&
             pmg_mqtt_put_id(c, MQTT_CMD_PUBREC, 0, q->skip_id, 0);
    }
    if (!ok) {
        pmg_mqtt_no_memory(c);
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
            pmg_mqtt_fail(c, PMG_MQTT_PROTOCOL, why);
            break;
        }
        if (max_send > 0 && pmg_send_len(c) > max_send + ANSWERS_MAX) {
            x->backlog = 1; // pmg_flush() takes it away
            break;
        }
        int r = pmg_mqtt_head(p, c->recv.len - pos, &head_len, &len, &padded);
        if (r < 0 || (padded && q->version == 5)) {
            pmg_mqtt_fail(c, PMG_MQTT_MALFORMED, "MQTT: malformed length of a packet");
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
            pmg_mqtt_fail(c, PMG_MQTT_TOO_LARGE,
                "MQTT: packet is larger than the limit max_message");
            break;
        }
        if (r == 0 || len > c->recv.len - pos) {
            break;
        }
        x->recv_off = pos; // recv_data() begins with this packet
        pmg_mqtt_packet(c, p, len, head_len);
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
    pmg_mqtt_fail(c, PMG_MQTT_QUOTA, pmg_no_budget);
}

const pmg_protocol_t pmg_mqtt = {
    .name = "MQTT",
    .only_by = "mqtt_connect()",
    .start = start,
    .opened = pmg_mqtt_await,
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
