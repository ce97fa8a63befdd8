// SPDX-License-Identifier: GPL-2.0-only
//
// An MQTT client of Mongoose's own: mqtt_client PORT KIND COUNT. KIND is 0, 1 or 2, to publish COUNT
// messages with that QoS, 16 at a time; or "receive", to take COUNT of QoS 0.
#include <stdio.h>
#include <stdlib.h>

#include "mongoose.h"

#define WINDOW 16

static long sent, done, count;
static int opened, receive, qos;

static void handler(struct mg_connection *c, int ev, void *data) {
    if (ev == MG_EV_MQTT_OPEN) {
        opened = 1;
        if (receive) {
            struct mg_mqtt_opts opts = {.topic = mg_str("bench/topic"), .qos = 0};
            mg_mqtt_sub(c, &opts);
        }
    } else if (ev == MG_EV_MQTT_MSG) {
        done++;
    } else if (ev == MG_EV_MQTT_CMD) {
        int cmd = ((struct mg_mqtt_message *)data)->cmd;
        done += !receive && (cmd == MQTT_CMD_PUBACK || cmd == MQTT_CMD_PUBCOMP);
    }
}

int main(int argc, char **argv) {
    (void)argc;
    struct mg_mgr mgr;
    char url[64], text[65];
    snprintf(url, sizeof(url), "mqtt://127.0.0.1:%s", argv[1]);
    receive = argv[2][0] == 'r';
    qos = receive ? 0 : atoi(argv[2]);
    count = atol(argv[3]);
    memset(text, 'x', 64);
    text[64] = '\0';
    mg_mgr_init(&mgr);
    struct mg_mqtt_opts opts = {.client_id = mg_str("bench"), .clean = true, .keepalive = 60};
    opts.version = 4;
    struct mg_connection *c = mg_mqtt_connect(&mgr, url, &opts, handler, NULL);
    while (done < count) {
        if (opened && !receive && sent == done) {
            struct mg_mqtt_opts message = {
                .topic = mg_str("bench/topic"), .message = mg_str(text), .qos = (uint8_t)qos};
            for (int i = 0; i < WINDOW; i++, sent++) {
                mg_mqtt_pub(c, &message);
            }
        }
        mg_mgr_poll(&mgr, 100);
        if (qos == 0 && !receive && c->send.len == 0) {
            done = sent;
        }
    }
    mg_mgr_free(&mgr);
    return 0;
}
