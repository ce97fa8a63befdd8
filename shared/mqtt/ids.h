// SPDX-License-Identifier: GPL-2.0-only
//
// Sets of packet ids, 1 to 65535: a short list, or from PMG_MQTT_IDS_LIST on a bit for each, so that no
// operation costs more for a peer that leaves many unanswered.
#ifndef PMG_MQTT_IDS_H
#define PMG_MQTT_IDS_H

#include "../base/base.h"

#define PMG_MQTT_IDS_LIST 64

typedef struct {
    uint16_t *list; // in the order in which they were added; or NULL
    uint64_t *bits; // or NULL
    uint32_t len, size;
} pmg_mqtt_ids_t;

bool pmg_mqtt_ids_has(const pmg_mqtt_ids_t *s, uint16_t id);
// `id` is not in it. False: no memory.
bool pmg_mqtt_ids_add(pmg_mqtt_ids_t *s, uint16_t id);
bool pmg_mqtt_ids_remove(pmg_mqtt_ids_t *s, uint16_t id); // was it there?
void pmg_mqtt_ids_free(pmg_mqtt_ids_t *s);
// The next one after `id` that is in neither; both together leave one.
uint16_t pmg_mqtt_ids_next(const pmg_mqtt_ids_t *a, const pmg_mqtt_ids_t *b, uint16_t id);

#endif
