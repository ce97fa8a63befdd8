// SPDX-License-Identifier: GPL-2.0-only
//
// What an MQTT session sends when there is room. In this order: PUBREL of what the server has,
// subscriptions, messages as they were published; those that the server may have with their old ids
// and DUP.

#include "session_int.h"

#if PMG_HAS_MQTT

#define SUBSCRIBES_MAX 16 // of those not answered, so that messages have room beside them

// There is room in the send buffer again.
static void more(struct mg_connection *c) {
    pmg_mqtt_session_pump(pmg_mqtt_of(c)->session);
}

static void no_source(struct mg_connection *c) {
    pmg_x(c)->source = NULL;
}

void pmg_mqtt_session_wait(pmg_mqtt_session_t *s, bool waits) {
    pmg_conn_t *x = pmg_x(s->c);
    if (waits && x->source == NULL) {
        s->source.more = more;
        s->source.end = no_source;
        x->source = &s->source;
        pmg_work(s->c);
    } else if (!waits && x->source == &s->source) {
        x->source = NULL;
    }
}

// 0; -ENOBUFS: when the send buffer has emptied; -ENOMEM.
static int send_releases(pmg_mqtt_session_t *s) {
    for (pmg_mqtt_entry_t *e = s->first; e != NULL && s->releases > 0; e = e->next) {
        if (e->released && !e->sent) {
            if (!pmg_mqtt_put_id(s->c, MQTT_CMD_PUBREL, 2, e->id, 0)) {
                return -ENOMEM;
            }
            e->sent = 1;
            s->sent++;
            s->releases--;
        }
    }
    return 0;
}

static int send_subscriptions(pmg_mqtt_session_t *s) {
    struct mg_connection *c = s->c;
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    for (pmg_mqtt_sub_t *sub = s->subs, *next; sub != NULL && s->needed > 0; sub = next) {
        next = sub->next;
        if (sub->state != PMG_SUB_NEEDED) {
            continue;
        }
        if (s->flow.subscribed.len >= SUBSCRIBES_MAX ||
            s->flow.subscribed.len + s->flow.published.len >= PMG_MQTT_INFLIGHT) {
            return 0;
        }
        int options = sub->qos | sub->options;
        if (sub->again && q->version == 5 && (sub->options & 0x30) == 0) {
            options |= 0x10; // retained messages only if the server has lost it
        }
        size_t rest = 2 + pmg_mqtt_props_len(q->version, 0) + 2 + sub->len + (sub->ends ? 0 : 1);
        if (q->packet_max > 0 && 1 + pmg_mqtt_number_len(rest) + rest > q->packet_max) {
            if (sub->ends) {
                pmg_mqtt_sub_remove(s, sub);
            } else {
                pmg_mqtt_sub_answered(s, sub, PMG_MQTT_TOO_LARGE);
            }
            continue;
        }
        int err = pmg_can_send(c);
        if (err < 0) {
            return err;
        }
        uint16_t id = pmg_mqtt_next_id(q);
        if (!pmg_mqtt_ids_add(&s->flow.subscribed, id)) {
            return -ENOMEM;
        }
        if (!pmg_mqtt_put_subscribe(c, sub->ends ? MQTT_CMD_UNSUBSCRIBE : MQTT_CMD_SUBSCRIBE, id,
                mg_str_n(sub->filter, sub->len), options, mg_str_n(NULL, 0))) {
            pmg_mqtt_ids_remove(&s->flow.subscribed, id);
            return -ENOMEM;
        }
        sub->state = PMG_SUB_ASKED;
        sub->id = id;
        s->needed--;
    }
    return 0;
}

// A PUBLISH that is made ready: what goes before its payload depends on the connection.
typedef struct {
    uint8_t more[8]; // properties of ours
    size_t more_len;
    struct mg_str topic; // of a new alias
    bool is_new;
} ready_t;

static bool fits(const pmg_mqtt_t *q, const pmg_mqtt_msg_t *msg, size_t more_len) {
    size_t rest = pmg_mqtt_publish_len(q->version, msg, more_len);
    return rest <= PMG_MQTT_PACKET_MAX &&
           (q->packet_max == 0 || 1 + pmg_mqtt_number_len(rest) + rest <= q->packet_max);
}

// 0, or MQTT's code for what this server does not take: that must not hold up the rest.
static int make_ready(const pmg_mqtt_t *q, pmg_mqtt_msg_t *msg, ready_t *r, uint32_t expiry) {
    r->more_len = 0;
    r->is_new = false;
    r->topic = msg->topic;
    if (msg->qos > q->max_qos) {
        return 0x9b;
    }
    if (msg->retain && !q->retain_ok) {
        return 0x9a;
    }
    if (expiry > 0) {
        pmg_mqtt_prop_t p = {.id = MQTT_PROP_MESSAGE_EXPIRY_INTERVAL, .iv = expiry};
        r->more_len = pmg_mqtt_prop_encode(&p, r->more);
    }
    size_t alias = pmg_mqtt_alias_use(q, &msg->topic, r->more + r->more_len, &r->is_new);
    if (r->is_new && !fits(q, msg, r->more_len + alias)) {
        r->is_new = false;
        alias = 0;
    }
    r->more_len += alias;
    return fits(q, msg, r->more_len) ? 0 : PMG_MQTT_TOO_LARGE;
}

static bool put(struct mg_connection *c, const pmg_mqtt_msg_t *msg, const ready_t *r) {
    pmg_mqtt_alias_t *a = r->is_new ? pmg_mqtt_alias_new(r->topic) : NULL;
    if ((r->is_new && a == NULL) || !pmg_mqtt_put_publish(c, msg, r->more, r->more_len)) {
        pmg_free(a);
        return false;
    }
    if (a != NULL) {
        pmg_mqtt_alias_add(pmg_mqtt_of(c), a);
    }
    return true;
}

int pmg_mqtt_session_send(pmg_mqtt_session_t *s, pmg_mqtt_msg_t *msg) {
    struct mg_connection *c = s->c;
    ready_t r;
    int err = pmg_can_send(c);
    if (err < 0) {
        return err;
    }
    if (pmg_mqtt_of(c)->state != PMG_MQTT_OPEN) {
        return -ENOTCONN;
    }
    if (make_ready(pmg_mqtt_of(c), msg, &r, 0) != 0) {
        return -EMSGSIZE;
    }
    return put(c, msg, &r) ? 0 : -ENOMEM;
}

static int send_message(pmg_mqtt_session_t *s, pmg_mqtt_entry_t *e) {
    struct mg_connection *c = s->c;
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    ready_t r;
    uint32_t expiry = 0;
    pmg_mqtt_msg_t msg = {
        .topic = mg_str_n(e->bytes, e->topic_len),
        .props = mg_str_n(e->bytes + e->topic_len, e->props_len),
        .data = mg_str_n(e->bytes + e->topic_len + e->props_len, e->data_len),
        .qos = e->qos,
        .retain = e->retain,
        .dup = e->id != 0,
        .id = e->id,
    };
    if (e->expires > 0 && q->version == 5) {
        uint64_t now = pmg_port_millis();
        expiry = e->expires > now ? (uint32_t)((e->expires - now + 999) / 1000) : 1;
    }
    int reason = make_ready(q, &msg, &r, expiry);
    if (reason != 0) {
        pmg_mqtt_entry_done(s, e, PMG_MQTT_DROPPED, reason);
        return 0;
    }
    if (e->id == 0 && s->flow.published.len + s->flow.subscribed.len >= PMG_MQTT_INFLIGHT) {
        return -EAGAIN;
    }
    int err = pmg_can_send(c);
    if (err < 0) {
        return err;
    }
    if (e->id == 0) {
        msg.id = pmg_mqtt_next_id(q);
        if (!pmg_mqtt_ids_add(&s->flow.published, (uint16_t)msg.id)) {
            return -ENOMEM;
        }
    }
    if (!put(c, &msg, &r)) {
        if (e->id == 0) {
            pmg_mqtt_ids_remove(&s->flow.published, (uint16_t)msg.id);
        }
        return -ENOMEM;
    }
    e->id = (uint16_t)msg.id;
    pmg_mqtt_session_fresh(s);
    e->sent = 1;
    if (s->sent++ == 0) {
        q->heard = 0;
    }
    if (e->waits) {
        s->waited = e->token;
    } else {
        s->unsent = e->next;
    }
    return 0;
}

// They take turns: not each of them need be one at which the link ends.
static pmg_mqtt_entry_t *next_waiting(const pmg_mqtt_session_t *s) {
    pmg_mqtt_entry_t *first = NULL;
    for (pmg_mqtt_entry_t *e = s->first; e != NULL; e = e->next) {
        if (e->waits && e->token > s->waited) {
            return e;
        }
        first = first == NULL && e->waits ? e : first;
    }
    return first;
}

// In order, but for those that wait: each of them alone, when the server has all others.
static pmg_mqtt_entry_t *next_unsent(pmg_mqtt_session_t *s) {
    while (s->unsent != NULL && s->unsent->waits) {
        s->unsent = s->unsent->next;
    }
    bool alone = s->unsent == NULL && s->waiting > 0 && s->sent == 0;
    return alone ? next_waiting(s) : s->unsent;
}

static bool may_go(pmg_mqtt_session_t *s) {
    if (s->careful == 0) {
        return true;
    }
    if (s->sent > 0 || s->flow.subscribed.len > 0) {
        return false;
    }
    if (s->ask_first && !s->asked) {
        s->asked = pmg_mqtt_put(s->c, MQTT_CMD_PINGREQ, 0, NULL, 0);
    }
    return !s->ask_first || s->answered;
}

void pmg_mqtt_session_ponged(pmg_mqtt_session_t *s) {
    s->answered = s->asked;
    pmg_mqtt_session_pump(s);
}

static int send_messages(pmg_mqtt_session_t *s) {
    pmg_mqtt_t *q = pmg_mqtt_of(s->c);
    pmg_mqtt_entry_t *e;
    int err = 0;
    while (err == 0 && (e = next_unsent(s)) != NULL) {
        if (e->released) {
            s->unsent = e->next;
        } else if (e->id == 0 && e->expires > 0 && e->expires <= pmg_port_millis()) {
            pmg_mqtt_entry_done(s, e, PMG_MQTT_EXPIRED, 0);
        } else if (s->sent >= q->receive_max || !may_go(s)) {
            break; // an acknowledgment makes room
        } else {
            err = send_message(s, e);
        }
    }
    return err;
}

void pmg_mqtt_session_pump(pmg_mqtt_session_t *s) {
    struct mg_connection *c = s->c;
    if (c == NULL) {
        pmg_mqtt_session_expire(s);
        return;
    }
    if (!s->open || c->is_closing || c->is_draining || pmg_mqtt_of(c)->state != PMG_MQTT_OPEN) {
        pmg_mqtt_session_wait(s, false);
        return;
    }
    bool queued = s->unsent != NULL || s->waiting > 0;
    if (!queued && s->releases + s->needed == 0) {
        pmg_mqtt_session_wait(s, false);
        return;
    }
    int err = s->releases > 0 ? send_releases(s) : 0;
    if (err == 0 && s->needed > 0) {
        err = send_subscriptions(s);
    }
    if (err == 0 && queued) {
        err = send_messages(s);
    }
    pmg_mqtt_session_wait(s, err == -ENOBUFS);
}

#endif
