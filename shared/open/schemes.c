// SPDX-License-Identifier: GPL-2.0-only
//
// The one file that names the protocols: a new one has a row here, under its switch.

#include "open_int.h"

#include "../http/http.h"
#include "../mdns/mdns.h"
#include "../modbus/modbus.h"
#include "../mqtt/mqtt.h"
#include "../sntp/sntp.h"
#include "../tls/tls.h"
#include "../ws/ws.h"

// What URLs begin with. unix:// is no scheme of its own: any protocol runs over it.
static const pmg_scheme_t schemes[] = {
    {"http", 80, &pmg_http, false, false},
    {"https", 443, &pmg_http, false, true},
    {"ws", 80, &pmg_http, false, false}, // a server's; a client of it speaks pmg_ws
    {"wss", 443, &pmg_http, false, true},
    {"tcp", 0, &pmg_raw, false, false},
    {"udp", 0, &pmg_raw, true, false},
    {"tls", 0, &pmg_raw, false, true},
#if PMG_HAS_MODBUS
    {"modbus", 502, &pmg_modbus, false, false},
#endif
#if PMG_HAS_MQTT
    {"mqtt", 1883, &pmg_mqtt, false, false},
    {"mqtts", 8883, &pmg_mqtt, false, true},
#endif
};
#define SCHEMES (sizeof(schemes) / sizeof(schemes[0]))

// Protocols that not every URL is for.
static const pmg_scheme_rule_t rules[] = {
    {&pmg_ws, &pmg_http, false, false, NULL, 0, "a WebSocket URL starts with ws://"},
#if PMG_HAS_MODBUS
    {&pmg_modbus, &pmg_modbus, true, false, NULL, 0,
        "a Modbus URL starts with modbus://, tcp:// or tls://"},
#endif
#if PMG_HAS_MQTT
    {&pmg_mqtt, &pmg_mqtt, true, false, NULL, 0,
        "an MQTT URL starts with mqtt://, mqtts://, tcp:// or tls://"},
#endif
#if PMG_HAS_SNTP
    {&pmg_sntp, NULL, false, true, "udp", 123, "time is asked for over udp://"},
#endif
};
#define RULES (sizeof(rules) / sizeof(rules[0]))

const pmg_scheme_t *pmg_scheme_find(const char *name, size_t len) {
    for (size_t i = 0; i < SCHEMES; i++) {
        if (strlen(schemes[i].name) == len && memcmp(schemes[i].name, name, len) == 0) {
            return &schemes[i];
        }
    }
    return NULL;
}

const char *pmg_scheme_names(char *buf, size_t size) {
    size_t n = 0;
    for (size_t i = 0; i < SCHEMES && n < size; i++) {
        n += pmg_snprintf(buf + n, size - n, "%s%s", i > 0 ? ", " : "", schemes[i].name);
    }
    if (n < size) {
        pmg_snprintf(buf + n, size - n, " and unix");
    }
    return buf;
}

const pmg_protocol_t *pmg_url_speaks(const char *url) {
    const char *p = strstr(url, "://");
    const pmg_scheme_t *scheme = p != NULL ? pmg_scheme_find(url, (size_t)(p - url)) : NULL;
    return scheme != NULL ? scheme->speaks : &pmg_raw;
}

const pmg_scheme_rule_t *pmg_scheme_rule(const pmg_protocol_t *speaks) {
    for (size_t i = 0; i < RULES; i++) {
        if (rules[i].speaks == speaks) {
            return &rules[i];
        }
    }
    return NULL;
}

bool pmg_secure_room(pmg_mgr_t *m, struct mg_connection **victim) {
    *victim = NULL;
#if PMG_HAS_TLS
    return pmg_tls_room(m, victim);
#else
    (void)m;
    return true;
#endif
}

void pmg_secure_accepted(struct mg_connection *listener, struct mg_connection *c) {
#if PMG_HAS_TLS
    pmg_tls_accepted(listener, c);
#else
    (void)listener, (void)c;
#endif
}

void pmg_secure_connected(struct mg_connection *c) {
#if PMG_HAS_TLS
    pmg_tls_connected(c);
#else
    (void)c;
#endif
}
