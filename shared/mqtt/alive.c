// SPDX-License-Identifier: GPL-2.0-only
//
// An MQTT connection that lasts, and how it ends: the keep-alive, DISCONNECT, and a peer that broke the
// protocol.

#include "mqtt_int.h"

#if PMG_HAS_MQTT

static uint64_t now(struct mg_connection *c) {
    return pmg_now(pmg_m(c));
}

// ---------------------------------------------------------------------------------------------
// Keep-alive: one deadline, put off by what is sent (client) or received (server) when it comes up

static void late(struct mg_connection *c);

// CONNECT or CONNACK within the time for it.
void pmg_mqtt_await(struct mg_connection *c) {
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

void pmg_mqtt_opened(struct mg_connection *c) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    q->state = PMG_MQTT_OPEN;
    q->last_in = now(c);
    if (!c->is_draining) {
        pmg_deadline(c, late, patience(c));
    }
}

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
        pmg_mqtt_fail(c, PMG_MQTT_KEEPALIVE, "MQTT: nothing came within the keep-alive time");
    } else if (q->ping_out) {
        pmg_fatal(c, "MQTT: no answer to a ping within the keep-alive time");
    } else {
        q->pinged = t;
        q->ping_out = pmg_mqtt_put(c, MQTT_CMD_PINGREQ, 0, NULL, 0); // without memory: next time
        pmg_deadline(c, late, wait);
    }
}

// ---------------------------------------------------------------------------------------------
// How the two part

// What is queued is sent, and nothing follows: a session has nothing to add.
void pmg_mqtt_no_more(struct mg_connection *c) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    if (q != NULL && q->session != NULL) {
        pmg_x(c)->source = NULL;
    }
}

void pmg_mqtt_say_goodbye(struct mg_connection *c) {
    pmg_mqtt_t *q = pmg_mqtt_of(c);
    q->bye = 0;
    pmg_mqtt_no_more(c);
    bool open = q->state == PMG_MQTT_OPEN || (c->is_client && q->state == PMG_MQTT_WAIT);
    if (open && (c->is_client || q->version == 5)) {
        int reason = q->bye_code == 0 && !c->is_client ? PMG_MQTT_SHUTTING_DOWN : q->bye_code;
        (void)pmg_mqtt_put_disconnect(c, reason);
    }
    q->state = PMG_MQTT_DONE;
}

// The peer broke the protocol: tell it the reason if MQTT has a word for it, and the program.
void pmg_mqtt_fail(struct mg_connection *c, int reason, const char *why) {
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

void pmg_mqtt_no_memory(struct mg_connection *c) {
    pmg_fatal(c, "MQTT: no memory for an answer");
}

#endif
