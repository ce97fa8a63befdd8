// SPDX-License-Identifier: GPL-2.0-only
//
// Events, and how a connection is told to end.

#include "core_int.h"

static void no_log(pmg_mgr_t *m) {
    (void)m;
}

pmg_log_switch_t pmg_log_switch = {MG_LL_NONE, no_log, NULL}; // no note at this level

#define EVENTS_DEFAULT ((uint32_t)PMG_EVENTS_ALL & ~PMG_EVENT_BIT(MG_EV_POLL))

void pmg_events_set(struct mg_connection *c, uint32_t events) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_conn_t *x = pmg_x(c);
    m->pollers -= (x->events & PMG_EVENT_BIT(MG_EV_POLL)) != 0;
    x->events = events;
    m->pollers += (events & PMG_EVENT_BIT(MG_EV_POLL)) != 0;
}

void pmg_hide(struct mg_connection *c) {
    pmg_x(c)->internal = 1;
    pmg_events_set(c, 0);
}

int pmg_show(struct mg_connection *c, void *arg) {
    pmg_conn_events(c, 0, false);
    int err = pmg_m(c)->hooks.open(c, NULL, arg);
    if (err < 0) {
        pmg_hide(c);
    } else {
        pmg_x(c)->internal = 0;
    }
    return err;
}

void pmg_conn_events(struct mg_connection *c, uint32_t events, bool own) {
    pmg_mgr_t *m = pmg_m(c);
    if (events == 0 && !own) {
        events = m->events;
    }
    if (events == 0) {
        events = EVENTS_DEFAULT;
    }
    pmg_events_set(c, events | (m->poll_events ? PMG_EVENT_BIT(MG_EV_POLL) : 0));
}

// An error that its handler does not hear of is not lost.
static void unheard(struct mg_connection *c, int ev, void *data) {
    pmg_mgr_t *m = pmg_m(c);
    if (ev == MG_EV_ERROR && m->log_level >= MG_LL_ERROR && !m->silent && !pmg_x(c)->internal &&
        !pmg_x(c)->errored) {
        pmg_x(c)->errored = c->is_closing;
        pmg_log_switch.note(c, ev, data);
    }
}

// Who closed a connection is done with it, and one error is enough.
static bool may_follow_close(struct mg_connection *c, int ev) {
    bool errored = pmg_x(c)->errored;
    pmg_x(c)->errored |= ev == MG_EV_ERROR;
    return ev == MG_EV_CLOSE || (ev == MG_EV_ERROR && !errored);
}

void pmg_fire(struct mg_connection *c, int ev, void *data) {
    pmg_mgr_t *m = pmg_m(c);
    if (!pmg_hears(c, ev)) {
        unheard(c, ev, data);
        return;
    }
    if (c->is_closing && !may_follow_close(c, ev)) {
        return;
    }
    m->depth++;
    pmg_x(c)->in_hook++;
    int r = m->hooks.event(c, ev, data);
    pmg_x(c)->in_hook--;
    m->depth--;
    if (r < 0) {
        pmg_x(c)->handler_failed = r == PMG_CLIENT_FAULT ? 2 : 1;
        if (r == PMG_STOP) {
            m->stop = true;
        }
    }
}

void pmg_call(struct mg_connection *c, int ev, void *data) {
    pmg_fire(c, ev, data);
    if (c->is_closing || c->is_draining) { // Mongoose's mg_error() sets the flag and no more
        pmg_work(c);
    }
}

void pmg_conn_failed(struct mg_connection *c, bool client) {
    if (!c->is_closing && pmg_x(c)->speaks->failed != NULL) {
        pmg_x(c)->handler_failed = client ? 2 : 1;
        pmg_x(c)->speaks->failed(c);
    }
}

void pmg_fatal(struct mg_connection *c, const char *text) {
    if (!c->is_closing) {
        c->is_closing = 1;
        pmg_work(c);
        pmg_call(c, MG_EV_ERROR, (void *)(size_t)text);
    }
}

int pmg_error(struct mg_connection *c, const char *text) {
    int err = c->is_closing ? 0 : pmg_nested(pmg_m(c));
    if (err == 0) {
        pmg_fatal(c, text);
    }
    return err;
}

void pmg_refuse(struct mg_connection *c, const char *text) {
    pmg_call(c, MG_EV_ERROR, (void *)(size_t)text);
    pmg_x(c)->linger = 1;
    pmg_drain(c);
}

void pmg_close(struct mg_connection *c) {
    c->is_closing = 1;
    pmg_work(c);
}

void pmg_drain_late(struct mg_connection *c) {
    pmg_close(c);
}

void pmg_drain_deadline(struct mg_connection *c) {
    pmg_deadline(c, pmg_drain_late, pmg_m(c)->limits.drain_timeout);
}

void pmg_drain(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    if (c->is_draining || c->is_closing) {
        return;
    }
    if (x->speaks->drain != NULL) {
        x->speaks->drain(c);
    }
    c->is_draining = 1;
    c->is_resp = 0;
    x->hold = 0;
    if (c->is_listening) {
        c->is_closing = 1;
    } else {
        pmg_drain_deadline(c);
    }
    pmg_work(c);
}
