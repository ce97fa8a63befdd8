// SPDX-License-Identifier: GPL-2.0-only
//
// An MQTT session and its connections: what it learns from them, and what that means for the next one.

#include "session_int.h"

#if PMG_HAS_MQTT

#define BLAMES_MAX 3
#define FRUITLESS_MAX 2 // from then on one message at a time, to find the one that it dislikes
#define CUTS_MAX 3      // the same, so that the others get through
#define CUTS_ALONE 6    // from then on the one that was alone waits for the others
// Ends in a row that may be a proxy's; a server that always has more to say is believed then.
#define DOUBTS_MAX 16
// A filter that was confirmed as long ago has been saved: mosquitto does so every half hour.
#define SAVED_MS (60 * 60 * 1000)

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

// Whoever dislikes a message ends each connection on which it comes, and in order: what ends otherwise
// in between was a link, and so may all have been that came before.
static void absolve(pmg_mqtt_session_t *s) {
    s->fruitless = 0;
    s->ask_first = false;
    for (pmg_mqtt_entry_t *e = s->first; e != NULL; e = e->next) {
        e->blames = 0;
    }
}

// mosquitto resets a client of 3.1.1 whose message is larger than it takes. A link does that, too, so it is
// no evidence; but what is behind the message need not wait for it.
static void cut(pmg_mqtt_session_t *s) {
    s->cuts = s->progress || s->sent == 0 ? 0 : s->cuts + (s->cuts < 255);
    if (s->cuts >= CUTS_MAX) {
        s->careful = s->sent;
    }
    if (s->cuts < CUTS_ALONE || s->sent != 1) {
        return;
    }
    pmg_mqtt_entry_t *e = s->first;
    while (!e->sent) {
        e = e->next;
    }
    if (!e->released && !e->waits) {
        e->waits = 1;
        s->waiting++;
    }
}

void pmg_mqtt_session_detach(struct mg_connection *c) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    if (q == NULL || q->session == NULL) {
        return;
    }
    pmg_mqtt_session_t *s = q->session;
    pmg_mqtt_session_wait(s, false);
    q->session = NULL;
    q->flow = &q->own;
    s->c = NULL;
    if (s->open && !s->dismissed) {
        absolve(s);
        cut(s);
    }
    s->missed = s->missed || !s->open;
    s->killed = s->open && c->recv.len == 0 && q->skip == 0 && !q->ping_out;
    s->open = false;
    if (s->closed) {
        pmg_mqtt_session_forget_ids(s);
    } else {
        unsend(s);
    }
}

void pmg_mqtt_session_opened(pmg_mqtt_session_t *s, bool present) {
    s->open = true;
    s->last_fresh = 0;
    uint16_t id;
    if (present && s->flow.next_id == 0 && pmg_random(s->m, &id, sizeof(id))) {
        // A program before this one may have left exchanges open: the first ids were its first, too.
        s->flow.next_id = id;
    }
    if (!present) {
        pmg_mqtt_ids_free(&s->flow.published);
        pmg_mqtt_ids_free(&s->flow.unreleased);
        pmg_free(s->handled);
        s->handled = NULL;
        s->flow.next_id = 0;
        s->flow.wrapped = s->reuses = false;
        s->fresh = s->first;
        for (pmg_mqtt_entry_t *e = s->first, *next; e != NULL; e = next) {
            next = e->next;
            e->id = 0;
            if (e->expires > 0 && (s->expiry_due == 0 || e->expires < s->expiry_due)) {
                s->expiry_due = e->expires;
            }
            if (e->released) { // the server has said that it has it
                pmg_mqtt_entry_done(s, e, PMG_MQTT_ACKNOWLEDGED, 0);
            }
        }
    }
    // A server that was killed may have gone back to before a subscription. To ask again costs nothing in
    // MQTT 5; in 3.1.1 it brings retained messages once more, so there only where it may have happened.
    bool all = !present || s->missed || s->opts.version == 5;
    uint64_t now = pmg_port_millis();
    s->missed = false;
    for (pmg_mqtt_sub_t *sub = s->subs, *next; sub != NULL; sub = next) {
        next = sub->next;
        sub->again = present && (sub->again || sub->state == PMG_SUB_DONE);
        if (!present && sub->ends) {
            pmg_mqtt_sub_remove(s, sub);
        } else if (sub->state != PMG_SUB_NEEDED &&
                   (all || sub->state == PMG_SUB_FAILED ||
                       (s->killed && now - sub->since < SAVED_MS))) {
            sub->state = PMG_SUB_NEEDED;
            s->needed++;
        }
    }
    pmg_mqtt_session_pump(s);
}

// A server must not publish a message again after it has released it (4.3.3), but mosquitto does when two
// connections in a row end before it could repeat its PUBREL, or when it was killed and went back in time.
// So the last ones are remembered beyond their release: what comes as a duplicate, with an old one's id and
// content, is that one. It counts its ids up. Where a server gives free ones away again at once, a
// duplicate with the content of an old message may well be a new one, whose first copy the link has lost.

uint32_t pmg_mqtt_session_hash(const pmg_mqtt_msg_t *msg) {
    return pmg_mqtt_hash(pmg_mqtt_hash(PMG_MQTT_HASH, msg->topic), msg->data);
}

// The last one with this id, or NULL.
static const pmg_mqtt_handled_t *handled(const pmg_mqtt_session_t *s, int id) {
    for (uint32_t n = s->handled == NULL ? PMG_MQTT_UNRELEASED_CLIENT : 0, at = s->handled_next;
        n < PMG_MQTT_UNRELEASED_CLIENT; n++) {
        at = (at > 0 ? at : PMG_MQTT_UNRELEASED_CLIENT) - 1;
        if (s->handled[at].id == id) {
            return &s->handled[at];
        }
    }
    return NULL;
}

void pmg_mqtt_session_handled(pmg_mqtt_session_t *s, uint16_t id, uint32_t hash) {
    size_t size = PMG_MQTT_UNRELEASED_CLIENT * sizeof(*s->handled);
    if (s->handled == NULL && !s->closed && (s->handled = pmg_alloc(size)) != NULL) {
        memset(s->handled, 0, size);
    }
    if (s->handled != NULL) {
        s->handled[s->handled_next] = (pmg_mqtt_handled_t) {.hash = hash, .id = id};
        s->handled_next = (s->handled_next + 1) % PMG_MQTT_UNRELEASED_CLIENT;
    }
}

// A server that was killed comes back with what it had saved, and gives the ids of what it has forgotten
// to other messages: another than the one that is open is new, as a duplicate, too, since the first one
// may have been lost with the link.
bool pmg_mqtt_session_had(pmg_mqtt_session_t *s, const pmg_mqtt_msg_t *msg, uint32_t hash,
    bool is_open) {
    if (!is_open && !msg->dup) {
        // From one connection to the next it may have gone back in time, on one it has not.
        s->reuses = s->reuses || (msg->id <= s->last_fresh && handled(s, msg->id) != NULL);
        s->last_fresh = (uint16_t)msg->id;
        return false;
    }
    if (!is_open && s->reuses) {
        return false; // what it repeats was not released
    }
    const pmg_mqtt_handled_t *h = handled(s, msg->id);
    return h != NULL ? h->hash == hash : is_open && msg->dup;
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
    s->cuts = 0;
    if (record && !refused) {
        e->released = 1;
        s->waiting -= e->waits;
        e->waits = 0;
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
        pmg_mqtt_sub_answered(s, sub, msg->ack);
    }
    pmg_mqtt_session_pump(s);
}

// A link may be cut in order, too, by a proxy: so it is no evidence where the server had more to say than
// the answer to the message.
void pmg_mqtt_session_dismissed(pmg_mqtt_session_t *s, int reason, bool said) {
    bool is_new = s->open && !s->dismissed;
    s->dismissed = true;
    if (is_new && (s->sent == 0 || innocent(reason))) {
        absolve(s);
        return;
    }
    if (!is_new) {
        return;
    }
    s->fruitless = s->progress ? 0 : s->fruitless + (s->fruitless < 255);
    if (s->fruitless >= FRUITLESS_MAX) {
        s->careful = s->sent;
    }
    if (s->sent > 1 || s->flow.subscribed.len > 0) {
        return;
    }
    if (!said && pmg_mqtt_of(s->c)->heard && s->fruitless < DOUBTS_MAX) {
        s->ask_first = true;
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
