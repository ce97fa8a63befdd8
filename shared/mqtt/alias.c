// SPDX-License-Identifier: GPL-2.0-only
//
// Topic aliases of ours (MQTT 5, section 3.3.2.3.4): a session sends the first topics of a connection
// that gain by it as two bytes from the second time on. A connection begins without any.

#include "mqtt_int.h"

#if PMG_HAS_MQTT

#define ALIAS_LEN 3 // its property: a topic that is not longer gains nothing

struct pmg_mqtt_alias {
    pmg_mqtt_alias_t *next;
    uint32_t hash;
    uint16_t number, len;
    char topic[];
};

static const pmg_mqtt_alias_t *find(const pmg_mqtt_t *q, struct mg_str topic, uint32_t hash) {
    const pmg_mqtt_alias_t *a = q->aliases;
    while (a != NULL &&
           (a->hash != hash || mg_strcmp(mg_str_n((char *)a->topic, a->len), topic) != 0)) {
        a = a->next;
    }
    return a;
}

static uint16_t room(const pmg_mqtt_t *q) {
    return q->alias_max < PMG_MQTT_ALIASES ? q->alias_max : PMG_MQTT_ALIASES;
}

size_t pmg_mqtt_alias_use(const pmg_mqtt_t *q, struct mg_str *topic, uint8_t *dst, bool *is_new) {
    pmg_mqtt_prop_t p = {.id = MQTT_PROP_TOPIC_ALIAS};
    *is_new = false;
    if (q->alias_max == 0 || topic->len <= ALIAS_LEN) {
        return 0;
    }
    const pmg_mqtt_alias_t *a = find(q, *topic, pmg_mqtt_hash(PMG_MQTT_HASH, *topic));
    if (a != NULL) {
        topic->len = 0;
        p.iv = a->number;
    } else if (q->num_aliases < room(q)) {
        *is_new = true;
        p.iv = q->num_aliases + 1u;
    } else {
        return 0;
    }
    return pmg_mqtt_prop_encode(&p, dst);
}

void pmg_mqtt_alias_add(pmg_mqtt_t *q, pmg_mqtt_alias_t *a) {
    a->next = q->aliases;
    a->number = ++q->num_aliases;
    q->aliases = a;
}

pmg_mqtt_alias_t *pmg_mqtt_alias_new(struct mg_str topic) {
    pmg_mqtt_alias_t *a = pmg_alloc(sizeof(*a) + topic.len);
    if (a != NULL) {
        a->hash = pmg_mqtt_hash(PMG_MQTT_HASH, topic);
        a->len = (uint16_t)topic.len;
        memcpy(a->topic, topic.buf, topic.len);
    }
    return a;
}

void pmg_mqtt_alias_free(pmg_mqtt_t *q) {
    while (q->aliases != NULL) {
        pmg_mqtt_alias_t *next = q->aliases->next;
        pmg_free(q->aliases);
        q->aliases = next;
    }
}

#endif
