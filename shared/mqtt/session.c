// SPDX-License-Identifier: GPL-2.0-only
//
// An MQTT session: what a program asks of it. A message is checked, copied and queued whatever the
// network does; session_send.c sends it.

#include <stddef.h>

#include "session_int.h"

#if PMG_HAS_MQTT

#define TOKEN_MAX ((1u << 30) - 1) // a small integer on every Python

static void forget_results(pmg_mqtt_session_t *s) {
    while (s->done != NULL) {
        pmg_mqtt_entry_t *next = s->done->next;
        pmg_mqtt_entry_free(s, s->done);
        s->done = next;
    }
}

// ---------------------------------------------------------------------------------------------
// Beginning and end

void pmg_mqtt_session_close(pmg_mqtt_session_t *s) {
    s->closed = true;
    while (s->first != NULL) {
        pmg_mqtt_entry_done(s, s->first, PMG_MQTT_DROPPED, 0);
    }
    while (s->subs != NULL) {
        pmg_mqtt_sub_remove(s, s->subs);
    }
    if (s->c == NULL) { // or when the connection goes
        pmg_mqtt_session_forget_ids(s);
    }
}

static void finish(pmg_mqtt_session_t *s) {
    if (s->c != NULL) {
        pmg_mqtt_session_detach(s->c);
    }
    pmg_mqtt_session_close(s);
    forget_results(s);
    s->m = NULL;
}

static void manager_ends(pmg_mgr_t *m, pmg_attached_t *a) {
    (void)m;
    finish((pmg_mqtt_session_t *)(void *)((char *)a - offsetof(pmg_mqtt_session_t, attached)));
}

pmg_mqtt_session_t *pmg_mqtt_session_init(pmg_mqtt_session_room_t *room, pmg_mgr_t *m,
    const pmg_mqtt_session_opts_t *opts) {
    PMG_FITS(pmg_mqtt_session_t, sizeof(*room));
    pmg_mqtt_session_t *s = (pmg_mqtt_session_t *)(void *)room;
    memset(s, 0, sizeof(*s));
    s->opts = *opts;
    s->opts.queue_bytes = opts->queue_bytes > 0 ? opts->queue_bytes : PMG_MQTT_QUEUE_BYTES;
    s->m = m;
    s->attached.end = manager_ends;
    pmg_attach(m, &s->attached);
    return s;
}

void pmg_mqtt_session_fini(pmg_mqtt_session_t *s) {
    s->opts.ring = NULL;
    if (s->m != NULL) {
        pmg_detach(s->m, &s->attached);
        finish(s);
    }
}

int pmg_mqtt_session_attach(pmg_mqtt_session_t *s, struct mg_connection *c) {
    if (pmg_x(c)->speaks != &pmg_mqtt || !c->is_client || c->is_closing || s->c != NULL ||
        s->m != pmg_m(c)) {
        return pmg_fail(pmg_m(c), -EINVAL,
            "a session takes a new client of MQTT of its Manager, one at a time");
    }
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    s->c = c;
    s->open = s->dismissed = s->progress = s->asked = s->answered = false;
    q->session = s;
    q->flow = &s->flow;
    return 0;
}

bool pmg_mqtt_session_attached(const pmg_mqtt_session_t *s) {
    return s->c != NULL;
}

uint32_t pmg_mqtt_session_count(const pmg_mqtt_session_t *s, int which) {
    return which == PMG_MQTT_COUNT_RESULTS ? s->done != NULL || s->telling > 0 : s->counts[which];
}

// ---------------------------------------------------------------------------------------------
// Messages

static bool fits(const pmg_mqtt_session_t *s, size_t size) {
    return s->counts[PMG_MQTT_COUNT_QUEUED] < s->opts.queue_max && size <= s->opts.queue_bytes &&
           s->bytes <= s->opts.queue_bytes - size;
}

// A message whose exchange has begun is never dropped: the server may have it.
static pmg_mqtt_entry_t *victim(const pmg_mqtt_session_t *s) {
    pmg_mqtt_entry_t *e = s->opts.policy == PMG_MQTT_REFUSE        ? NULL
                          : s->opts.policy == PMG_MQTT_DROP_OLDEST ? s->fresh
                                                                   : s->last;
    return e != NULL && e->id == 0 ? e : NULL;
}

// What is dropped and to be told of keeps its bytes until then. Nothing goes where it does not help.
static bool helps(const pmg_mqtt_session_t *s, size_t size) {
    if (size > s->opts.queue_bytes || s->opts.queue_max == 0) {
        return false;
    }
    size_t most = s->opts.queue_bytes - size, rest = s->bytes;
    bool oldest = s->opts.policy == PMG_MQTT_DROP_OLDEST;
    for (pmg_mqtt_entry_t *e = s->opts.tell_messages ? NULL : victim(s); e != NULL && rest > most;
        e = oldest          ? e->next
            : e == s->fresh ? NULL
                            : e->prev) {
        rest -= e->size;
    }
    return rest <= most;
}

static bool make_room(pmg_mqtt_session_t *s, size_t size) {
    if (!fits(s, size)) {
        pmg_mqtt_session_expire(s);
    }
    if (fits(s, size)) {
        return true;
    }
    if (victim(s) == NULL || !helps(s, size)) {
        return false;
    }
    while (!fits(s, size) && victim(s) != NULL) {
        pmg_mqtt_entry_done(s, victim(s), PMG_MQTT_DROPPED, 0);
    }
    return fits(s, size);
}

static uint32_t next_token(pmg_mqtt_session_t *s) {
    s->token = s->token < TOKEN_MAX ? s->token + 1 : 1;
    return s->token;
}

// Properties without the expiry, which is sent as what is left of it.
static size_t copy_props(char *dst, struct mg_str props) {
    pmg_mqtt_msg_t msg = {.props = props};
    pmg_mqtt_prop_t p;
    size_t ofs = 0, next, len = 0;
    while ((next = pmg_mqtt_next_prop(&msg, ofs, &p)) > 0) {
        if (p.id != MQTT_PROP_MESSAGE_EXPIRY_INTERVAL) {
            memcpy(dst + len, props.buf + ofs, next - ofs);
            len += next - ofs;
        }
        ofs = next;
    }
    return len;
}

static int queue(pmg_mqtt_session_t *s, const pmg_mqtt_msg_t *msg, uint32_t expiry) {
    pmg_mqtt_entry_t *e;
    size_t len = msg->topic.len + msg->props.len + msg->data.len;
    if (!make_room(s, sizeof(*e) + len)) {
        s->counts[PMG_MQTT_COUNT_REJECTED]++;
        return 0;
    }
    bool room = pmg_budget_take(s->m, sizeof(pmg_mqtt_entry_t) + len);
    e = room ? pmg_alloc(sizeof(*e) + len) : NULL;
    if (e == NULL) {
        pmg_budget_give(s->m, room ? sizeof(*e) + len : 0);
        return pmg_fail(s->m, -ENOMEM, "publish(): no memory for a message of %zu bytes", len);
    }
    memset(e, 0, sizeof(*e));
    e->size = sizeof(*e) + len;
    e->topic_len = (uint16_t)msg->topic.len;
    e->data_len = (uint32_t)msg->data.len;
    e->qos = (uint8_t)msg->qos;
    e->retain = msg->retain;
    e->expires = expiry > 0 ? pmg_port_millis() + expiry * (uint64_t)1000 : 0;
    e->token = next_token(s);
    memcpy(e->bytes, msg->topic.buf, msg->topic.len);
    e->props_len =
        msg->props.len > 0 ? (uint32_t)copy_props(e->bytes + e->topic_len, msg->props) : 0;
    if (msg->data.len > 0) {
        memcpy(e->bytes + e->topic_len + e->props_len, msg->data.buf, msg->data.len);
    }
    e->prev = s->last;
    if (s->last != NULL) {
        s->last->next = e;
    } else {
        s->first = e;
    }
    s->last = e;
    s->unsent = s->unsent == NULL ? e : s->unsent;
    s->fresh = s->fresh == NULL ? e : s->fresh;
    if (e->expires > 0 && (s->expiry_due == 0 || e->expires < s->expiry_due)) {
        s->expiry_due = e->expires;
    }
    s->bytes += e->size;
    s->counts[PMG_MQTT_COUNT_QUEUED]++;
    int token = (int)e->token;
    if (s->c != NULL) {
        pmg_mqtt_session_pump(s);
    }
    return token;
}

int pmg_mqtt_session_pub(pmg_mqtt_session_t *s, struct mg_str topic, struct mg_str message, int qos,
    bool retain, struct mg_str props, uint32_t expiry) {
    pmg_mqtt_msg_t msg = {
        .topic = topic, .data = message, .props = props, .qos = qos, .retain = retain};
    if (s->closed) {
        s->counts[PMG_MQTT_COUNT_REJECTED] += qos > 0;
        return 0;
    }
    const char *why = pmg_mqtt_bad_publish(s->opts.version, &msg, 0);
    if (why == NULL && message.len <= PMG_MQTT_PACKET_MAX && expiry == 0 && props.len > 0) {
        expiry = pmg_mqtt_prop_int(props, MQTT_PROP_MESSAGE_EXPIRY_INTERVAL, 0);
    }
    if (why == NULL && (message.len > PMG_MQTT_PACKET_MAX || props.len > PMG_MQTT_PACKET_MAX ||
                           pmg_mqtt_publish_len(s->opts.version, &msg, 5) > PMG_MQTT_PACKET_MAX)) {
        why = "no server takes a packet of more than 268435455 bytes";
    }
    if (why != NULL) {
        return pmg_fail(s->m, -EINVAL, "publish(): %s", why);
    }
    if (qos > 0) {
        return queue(s, &msg, expiry);
    }
    if (s->c == NULL || !s->open) {
        return 0;
    }
    int err = pmg_mqtt_session_send(s, &msg);
    if (err == -ENOMEM) {
        return pmg_fail(s->m, err, "publish(): no memory for a message of %zu bytes", message.len);
    }
    return err < 0 ? 0 : (int)next_token(s);
}

// ---------------------------------------------------------------------------------------------
// Subscriptions

static int ask(pmg_mqtt_session_t *s, struct mg_str filter, int qos, int options, bool ends) {
    if (s->closed) {
        return 0;
    }
    const char *name = ends ? "unsubscribe()" : "subscribe()";
    if (!pmg_mqtt_filter_ok(filter)) {
        return pmg_fail(s->m, -EINVAL,
            "%s: a topic filter has 1 to 65535 bytes of UTF-8 without NUL, + as a whole level, # "
            "as the last one",
            name);
    }
    if (qos < 0 || qos > 2) {
        return pmg_fail(s->m, -EINVAL, "subscribe(): qos is 0, 1 or 2");
    }
    if ((options & ~0x3c) || (options & 0x30) == 0x30 || (options != 0 && s->opts.version != 5)) {
        return pmg_fail(s->m, -EINVAL,
            "subscribe(): options are bits 2 to 5 of those of MQTT 5, and only there");
    }
    pmg_mqtt_sub_t **at = &s->subs;
    while (*at != NULL && mg_strcmp(mg_str_n((*at)->filter, (*at)->len), filter) != 0) {
        at = &(*at)->next;
    }
    pmg_mqtt_sub_t *sub = *at;
    if (sub == NULL) {
        sub = pmg_alloc(sizeof(*sub) + filter.len);
        if (sub == NULL) {
            return pmg_fail(s->m, -ENOMEM, "%s: no memory", name);
        }
        memset(sub, 0, sizeof(*sub));
        sub->state = PMG_SUB_DONE;
        sub->len = (uint16_t)filter.len;
        memcpy(sub->filter, filter.buf, filter.len);
        *at = sub;
    }
    s->needed += sub->state != PMG_SUB_NEEDED;
    s->telling -= sub->tell;
    sub->tell = 0;
    sub->state = PMG_SUB_NEEDED;
    sub->id = 0;
    sub->qos = (uint8_t)qos;
    sub->options = (uint8_t)options;
    sub->ends = ends;
    sub->again = 0;
    pmg_mqtt_session_pump(s);
    return 0;
}

int pmg_mqtt_session_sub(pmg_mqtt_session_t *s, struct mg_str filter, int qos, int options) {
    return ask(s, filter, qos, options, false);
}

int pmg_mqtt_session_unsub(pmg_mqtt_session_t *s, struct mg_str filter) {
    return ask(s, filter, 0, 0, true);
}

// ---------------------------------------------------------------------------------------------
// Results

static pmg_mqtt_sub_t *sub_to_tell(const pmg_mqtt_session_t *s) {
    pmg_mqtt_sub_t *sub = s->telling > 0 ? s->subs : NULL;
    while (sub != NULL && !sub->tell) {
        sub = sub->next;
    }
    return sub;
}

bool pmg_mqtt_session_result(const pmg_mqtt_session_t *s, pmg_mqtt_result_t *out) {
    const pmg_mqtt_entry_t *e = s->done;
    const pmg_mqtt_sub_t *sub;
    if (e != NULL) {
        *out = (pmg_mqtt_result_t) {.what = e->what, .reason = e->reason, .token = e->token};
        return true;
    }
    if ((sub = sub_to_tell(s)) != NULL) {
        bool refused = sub->code >= 0x80;
        *out = (pmg_mqtt_result_t) {
            .what = PMG_MQTT_SUBSCRIBED,
            .reason = refused ? sub->code : 0,
            .qos = refused ? sub->qos : sub->code,
            .filter = mg_str_n((char *)sub->filter, sub->len),
        };
        return true;
    }
    return false;
}

void pmg_mqtt_session_told(pmg_mqtt_session_t *s) {
    pmg_mqtt_entry_t *e = s->done;
    pmg_mqtt_sub_t *sub;
    if (e != NULL) {
        s->done = e->next;
        pmg_mqtt_entry_free(s, e);
    } else if ((sub = sub_to_tell(s)) != NULL) {
        sub->tell = 0;
        s->telling--;
    }
}

#endif
