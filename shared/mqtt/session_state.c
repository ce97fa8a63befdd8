// SPDX-License-Identifier: GPL-2.0-only
//
// An MQTT session: how its parts end, for whatever reason.

#include "session_int.h"

#if PMG_HAS_MQTT

void pmg_mqtt_session_forget_ids(pmg_mqtt_session_t *s) {
    pmg_mqtt_ids_free(&s->flow.published);
    pmg_mqtt_ids_free(&s->flow.subscribed);
    pmg_mqtt_ids_free(&s->flow.unreleased);
    pmg_free(s->handled);
    s->handled = NULL;
}

void pmg_mqtt_entry_free(pmg_mqtt_session_t *s, pmg_mqtt_entry_t *e) {
    s->bytes -= e->size;
    pmg_budget_give(s->m, e->size);
    pmg_free(e);
}

void pmg_mqtt_session_ring(pmg_mqtt_session_t *s) {
    if (s->done == NULL && s->telling == 0 && s->opts.ring != NULL) {
        s->opts.ring(s->opts.ring_arg);
    }
}

// Behind one that waits there are some with an id.
void pmg_mqtt_session_fresh(pmg_mqtt_session_t *s) {
    while (s->fresh != NULL && s->fresh->id != 0) {
        s->fresh = s->fresh->next;
    }
}

void pmg_mqtt_entry_done(pmg_mqtt_session_t *s, pmg_mqtt_entry_t *e, int what, int reason) {
    if (e->prev != NULL) {
        e->prev->next = e->next;
    } else {
        s->first = e->next;
    }
    if (e->next != NULL) {
        e->next->prev = e->prev;
    } else {
        s->last = e->prev;
    }
    if (s->unsent == e) {
        s->unsent = e->next;
    }
    if (s->fresh == e) {
        s->fresh = e->next;
        pmg_mqtt_session_fresh(s);
    }
    if (e->id != 0) {
        pmg_mqtt_ids_remove(&s->flow.published, e->id);
    }
    if (e->released && !e->sent && s->releases > 0) {
        s->releases--;
    }
    s->waiting -= e->waits;
    s->sent -= e->sent;
    s->careful -= e->sent && s->careful > 0;
    s->counts[PMG_MQTT_COUNT_QUEUED]--;
    s->counts[PMG_MQTT_COUNT_DROPPED] += what == PMG_MQTT_DROPPED;
    s->counts[PMG_MQTT_COUNT_EXPIRED] += what == PMG_MQTT_EXPIRED;
    if (!s->opts.tell_messages) {
        pmg_mqtt_entry_free(s, e);
        return;
    }
    pmg_mqtt_session_ring(s);
    e->what = (uint8_t)what;
    e->reason = (uint8_t)reason;
    e->prev = e->next = NULL;
    if (s->done == NULL) {
        s->done = e;
    } else {
        s->done_last->next = e;
    }
    s->done_last = e;
}

void pmg_mqtt_session_expire(pmg_mqtt_session_t *s) {
    uint64_t now = pmg_port_millis(), due = 0;
    if (s->expiry_due == 0 || now < s->expiry_due) {
        return; // without a look at each
    }
    for (pmg_mqtt_entry_t *e = s->fresh, *next; e != NULL; e = next) {
        next = e->next;
        bool expires = e->expires > 0 && e->id == 0;
        if (expires && e->expires <= now) {
            pmg_mqtt_entry_done(s, e, PMG_MQTT_EXPIRED, 0);
        } else if (expires && (due == 0 || e->expires < due)) {
            due = e->expires;
        }
    }
    s->expiry_due = due;
}

void pmg_mqtt_sub_remove(pmg_mqtt_session_t *s, pmg_mqtt_sub_t *sub) {
    pmg_mqtt_sub_t **at = &s->subs;
    while (*at != sub) {
        at = &(*at)->next;
    }
    *at = sub->next;
    s->needed -= sub->state == PMG_SUB_NEEDED;
    s->telling -= sub->tell;
    pmg_free(sub);
}

void pmg_mqtt_sub_answered(pmg_mqtt_session_t *s, pmg_mqtt_sub_t *sub, int code) {
    s->needed -= sub->state == PMG_SUB_NEEDED;
    sub->state = code >= 0x80 ? PMG_SUB_FAILED : PMG_SUB_DONE;
    sub->code = (uint8_t)code;
    sub->since = pmg_port_millis();
    sub->id = 0;
    if (s->opts.tell_filters && !sub->tell) {
        pmg_mqtt_session_ring(s);
        sub->tell = 1;
        s->telling++;
    }
}

void pmg_mqtt_session_skipped(pmg_mqtt_session_t *s) {
    s->counts[PMG_MQTT_COUNT_SKIPPED]++;
}

#endif
