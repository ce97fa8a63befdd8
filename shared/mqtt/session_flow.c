// SPDX-License-Identifier: GPL-2.0-only
//
// An MQTT session on the wire: what it sends when there is room, and what it learns from its
// connection. In this order: PUBREL of what the server has, subscriptions, messages as they were
// published; those that the server may have with their old ids and DUP.

#include "session_int.h"

#if PMG_HAS_MQTT

#define SUBSCRIBES_MAX 16 // of those not answered, so that messages have room beside them
#define BLAMES_MAX 3
#define FRUITLESS_MAX 2 // from then on one message at a time, to find the one that it dislikes

// Reasons of a DISCONNECT that say nothing about a message.
static bool innocent(int reason) {
    switch (reason) {
        case 0x89: // server busy
        case PMG_MQTT_SHUTTING_DOWN:
        case PMG_MQTT_KEEPALIVE:
        case 0x8e: // session taken over
        case 0x98: // administrative action
        case 0x9c: // use another server
        case 0x9d: // server moved
        case 0x9f: // connection rate exceeded
        case 0xa0: // maximum connect time
            return true;
        default: return false;
    }
}

// ---------------------------------------------------------------------------------------------
// Sending

// There is room in the send buffer again.
static void more(struct mg_connection *c) {
    pmg_mqtt_session_pump(pmg_mqtt_of(c)->session);
}

static void no_source(struct mg_connection *c) {
    pmg_x(c)->source = NULL;
}

static void wait_for_room(pmg_mqtt_session_t *s, bool waits) {
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

static void sub_answered(pmg_mqtt_session_t *s, pmg_mqtt_sub_t *sub, int code) {
    s->needed -= sub->state == PMG_SUB_NEEDED;
    sub->state = code >= 0x80 ? PMG_SUB_FAILED : PMG_SUB_DONE;
    sub->code = (uint8_t)code;
    sub->id = 0;
    if (s->opts.tell_filters && !sub->tell) {
        sub->tell = 1;
        s->telling++;
    }
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
        size_t rest = 2 + pmg_mqtt_props_len(q->version, 0) + 2 + sub->len + (sub->ends ? 0 : 1);
        if (q->packet_max > 0 && 1 + pmg_mqtt_number_len(rest) + rest > q->packet_max) {
            if (sub->ends) {
                pmg_mqtt_sub_remove(s, sub);
            } else {
                sub_answered(s, sub, PMG_MQTT_TOO_LARGE);
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
                mg_str_n(sub->filter, sub->len), sub->qos | sub->options, mg_str_n(NULL, 0))) {
            pmg_mqtt_ids_remove(&s->flow.subscribed, id);
            return -ENOMEM;
        }
        sub->state = PMG_SUB_ASKED;
        sub->id = id;
        s->needed--;
    }
    return 0;
}

static int send_message(pmg_mqtt_session_t *s, pmg_mqtt_entry_t *e, uint64_t now) {
    struct mg_connection *c = s->c;
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    uint8_t expiry[5];
    size_t expiry_len = 0;
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
        uint64_t left = e->expires > now ? (e->expires - now + 999) / 1000 : 1;
        pmg_mqtt_prop_t p = {.id = MQTT_PROP_MESSAGE_EXPIRY_INTERVAL, .iv = (uint32_t)left};
        expiry_len = pmg_mqtt_prop_encode(&p, expiry);
    }
    // What this server does not take must not hold up the rest.
    size_t rest = pmg_mqtt_publish_len(q->version, &msg, expiry_len);
    int reason = e->qos > q->max_qos          ? 0x9b
                 : e->retain && !q->retain_ok ? 0x9a
                 : q->packet_max > 0 && 1 + pmg_mqtt_number_len(rest) + rest > q->packet_max
                     ? PMG_MQTT_TOO_LARGE
                     : 0;
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
    if (!pmg_mqtt_put_publish(c, &msg, expiry, expiry_len)) {
        if (e->id == 0) {
            pmg_mqtt_ids_remove(&s->flow.published, (uint16_t)msg.id);
        }
        return -ENOMEM;
    }
    e->id = (uint16_t)msg.id;
    e->sent = 1;
    s->sent++;
    s->unsent = e->next;
    return 0;
}

static int send_messages(pmg_mqtt_session_t *s) {
    pmg_mqtt_t *q = pmg_mqtt_of(s->c);
    uint64_t now = pmg_port_millis();
    pmg_mqtt_entry_t *e;
    int err = 0;
    while (err == 0 && (e = s->unsent) != NULL) {
        if (e->released) {
            s->unsent = e->next;
        } else if (e->id == 0 && e->expires > 0 && e->expires <= now) {
            pmg_mqtt_entry_done(s, e, PMG_MQTT_EXPIRED, 0);
        } else if (s->sent >= q->receive_max ||
                   (s->careful > 0 && (s->sent > 0 || s->flow.subscribed.len > 0))) {
            break; // an acknowledgment makes room
        } else {
            err = send_message(s, e, now);
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
        wait_for_room(s, false);
        return;
    }
    int err = s->releases > 0 ? send_releases(s) : 0;
    if (err == 0 && s->needed > 0) {
        err = send_subscriptions(s);
    }
    if (err == 0 && s->unsent != NULL) {
        err = send_messages(s);
    }
    wait_for_room(s, err == -ENOBUFS);
}

// ---------------------------------------------------------------------------------------------
// A connection's life

// What was under way on a connection has to be sent again on the next one.
static void unsend(pmg_mqtt_session_t *s) {
    pmg_mqtt_ids_free(&s->flow.subscribed);
    s->sent = s->releases = 0;
    for (pmg_mqtt_entry_t *e = s->first; e != NULL; e = e->next) {
        e->sent = 0;
        s->releases += e->released;
    }
    s->unsent = s->first;
    for (pmg_mqtt_sub_t *sub = s->subs; sub != NULL; sub = sub->next) {
        if (sub->state == PMG_SUB_ASKED) {
            sub->state = PMG_SUB_NEEDED;
            s->needed++;
        }
        sub->id = 0;
    }
}

void pmg_mqtt_session_detach(struct mg_connection *c) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    if (q == NULL || q->session == NULL) {
        return;
    }
    pmg_mqtt_session_t *s = q->session;
    wait_for_room(s, false);
    q->session = NULL;
    q->flow = &q->own;
    s->c = NULL;
    s->open = false;
    if (s->closed) {
        pmg_mqtt_session_forget_ids(s);
    } else {
        unsend(s);
    }
}

void pmg_mqtt_session_opened(pmg_mqtt_session_t *s, bool present) {
    s->open = true;
    if (!present) {
        pmg_mqtt_ids_free(&s->flow.published);
        pmg_mqtt_ids_free(&s->flow.unreleased);
        pmg_free(s->handled);
        s->handled = NULL;
        s->flow.next_id = 0;
        s->flow.wrapped = false;
        for (pmg_mqtt_entry_t *e = s->first, *next; e != NULL; e = next) {
            next = e->next;
            e->id = 0;
            if (e->released) { // the server has said that it has it
                pmg_mqtt_entry_done(s, e, PMG_MQTT_ACKNOWLEDGED, 0);
            }
        }
    }
    for (pmg_mqtt_sub_t *sub = s->subs, *next; sub != NULL; sub = next) {
        next = sub->next;
        if (!present && sub->ends) {
            pmg_mqtt_sub_remove(s, sub);
        } else if (sub->state != PMG_SUB_NEEDED && (!present || sub->state == PMG_SUB_FAILED)) {
            sub->state = PMG_SUB_NEEDED;
            s->needed++;
        }
    }
    pmg_mqtt_session_pump(s);
}

// A server must not publish a message again after it has released it, but mosquitto does when two
// connections in a row end before it could repeat its PUBREL. So the last ones are remembered beyond
// their release: what comes as a duplicate, with an old one's id and content, is that one.

uint32_t pmg_mqtt_session_hash(const pmg_mqtt_msg_t *msg) {
    uint32_t h = 2166136261u; // FNV-1a
    struct mg_str parts[2] = {msg->topic, msg->data};
    for (size_t n = 0; n < 2; n++) {
        for (size_t i = 0; i < parts[n].len; i++) {
            h = (h ^ (uint8_t)parts[n].buf[i]) * 16777619u;
        }
    }
    return h;
}

static size_t find_handled(const pmg_mqtt_session_t *s, int id) {
    size_t i = 0;
    while (i < PMG_MQTT_UNRELEASED_CLIENT && s->handled[i].id != id) {
        i++;
    }
    return i;
}

void pmg_mqtt_session_handled(pmg_mqtt_session_t *s, uint16_t id, uint32_t hash) {
    size_t size = PMG_MQTT_UNRELEASED_CLIENT * sizeof(*s->handled);
    if (s->handled == NULL && !s->closed && (s->handled = pmg_alloc(size)) != NULL) {
        memset(s->handled, 0, size);
    }
    if (s->handled == NULL) {
        return;
    }
    size_t i = find_handled(s, id);
    if (i == PMG_MQTT_UNRELEASED_CLIENT) {
        i = s->handled_next;
        s->handled_next = (s->handled_next + 1) % PMG_MQTT_UNRELEASED_CLIENT;
    }
    s->handled[i] = (pmg_mqtt_handled_t) {.hash = hash, .id = id};
}

bool pmg_mqtt_session_knows(const pmg_mqtt_session_t *s, uint16_t id, uint32_t hash) {
    if (s->handled == NULL) {
        return false;
    }
    size_t i = find_handled(s, id);
    return i < PMG_MQTT_UNRELEASED_CLIENT && s->handled[i].hash == hash;
}

bool pmg_mqtt_session_acked(pmg_mqtt_session_t *s, const pmg_mqtt_msg_t *msg) {
    bool refused = msg->ack >= 0x80, record = msg->cmd == MQTT_CMD_PUBREC;
    pmg_mqtt_entry_t *e = s->first;
    while (e != NULL && e->id != msg->id) {
        e = e->next;
    }
    if (e == NULL) { // of a session from before this process
        return true;
    }
    if (!e->sent || (e->qos == 2) == (msg->cmd == MQTT_CMD_PUBACK) ||
        (msg->cmd == MQTT_CMD_PUBCOMP && !e->released)) {
        return false;
    }
    s->progress = true;
    s->fruitless = 0;
    if (record && !refused) {
        e->released = 1;
    } else if (record || msg->cmd == MQTT_CMD_PUBACK) {
        pmg_mqtt_entry_done(s, e, refused ? PMG_MQTT_REFUSED : PMG_MQTT_ACKNOWLEDGED, msg->ack);
    } else {
        pmg_mqtt_entry_done(s, e, PMG_MQTT_ACKNOWLEDGED, 0);
    }
    return true;
}

void pmg_mqtt_session_suback(pmg_mqtt_session_t *s, const pmg_mqtt_msg_t *msg) {
    pmg_mqtt_sub_t *sub = s->subs;
    while (sub != NULL && (sub->state != PMG_SUB_ASKED || sub->id != msg->id)) {
        sub = sub->next;
    }
    if (sub != NULL && sub->ends) {
        pmg_mqtt_sub_remove(s, sub);
    } else if (sub != NULL) {
        sub_answered(s, sub, msg->ack);
    }
    pmg_mqtt_session_pump(s);
}

void pmg_mqtt_session_dismissed(pmg_mqtt_session_t *s, int reason) {
    if (s->dismissed || !s->open || s->sent == 0 || innocent(reason)) {
        s->dismissed = true;
        return;
    }
    s->dismissed = true;
    s->fruitless = s->progress ? 0 : s->fruitless + (s->fruitless < 255);
    if (s->fruitless >= FRUITLESS_MAX) {
        s->careful = s->sent;
    }
    if (s->sent > 1 || s->flow.subscribed.len > 0) {
        return;
    }
    pmg_mqtt_entry_t *e = s->first;
    while (!e->sent) {
        e = e->next;
    }
    if (!e->released && ++e->blames >= BLAMES_MAX) {
        pmg_mqtt_entry_done(s, e, PMG_MQTT_REFUSED, reason);
    }
}

#endif
