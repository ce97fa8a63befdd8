// SPDX-License-Identifier: GPL-2.0-only

#include "ids.h"

#if PMG_HAS_MQTT

#define WORDS (65536 / 64)

static size_t find(const pmg_mqtt_ids_t *s, uint16_t id) {
    size_t i = 0;
    while (i < s->len && s->list[i] != id) {
        i++;
    }
    return i;
}

bool pmg_mqtt_ids_has(const pmg_mqtt_ids_t *s, uint16_t id) {
    return s->bits != NULL ? (s->bits[id / 64] >> id % 64 & 1) != 0 : find(s, id) < s->len;
}

void pmg_mqtt_ids_free(pmg_mqtt_ids_t *s) {
    pmg_free(s->list);
    pmg_free(s->bits);
    memset(s, 0, sizeof(*s));
}

static bool grow(pmg_mqtt_ids_t *s) {
    uint32_t size = s->size > 0 ? s->size * 2 : 8;
    uint16_t *list = pmg_alloc(size * sizeof(*list));
    if (list == NULL) {
        return false;
    }
    if (s->len > 0) {
        memcpy(list, s->list, s->len * sizeof(*list));
    }
    pmg_free(s->list);
    s->list = list;
    s->size = size;
    return true;
}

static bool to_bits(pmg_mqtt_ids_t *s) {
    s->bits = pmg_alloc(WORDS * sizeof(*s->bits));
    if (s->bits == NULL) {
        return false;
    }
    memset(s->bits, 0, WORDS * sizeof(*s->bits));
    for (size_t i = 0; i < s->len; i++) {
        s->bits[s->list[i] / 64] |= (uint64_t)1 << s->list[i] % 64;
    }
    pmg_free(s->list);
    s->list = NULL;
    s->size = 0;
    return true;
}

bool pmg_mqtt_ids_add(pmg_mqtt_ids_t *s, uint16_t id) {
    if (s->bits == NULL && s->len == PMG_MQTT_IDS_LIST && !to_bits(s)) {
        return false;
    }
    if (s->bits != NULL) {
        s->bits[id / 64] |= (uint64_t)1 << id % 64;
    } else if (s->len == s->size && !grow(s)) {
        return false;
    } else {
        s->list[s->len] = id;
    }
    s->len++;
    return true;
}

bool pmg_mqtt_ids_remove(pmg_mqtt_ids_t *s, uint16_t id) {
    if (!pmg_mqtt_ids_has(s, id)) {
        return false;
    }
    s->len--;
    if (s->bits == NULL) {
        uint16_t *at = s->list + find(s, id);
        memmove(at, at + 1, (size_t)(s->list + s->len - at) * sizeof(*at));
    } else if (s->len == 0) {
        pmg_free(s->bits);
        s->bits = NULL;
    } else {
        s->bits[id / 64] &= ~((uint64_t)1 << id % 64);
    }
    return true;
}

static bool whole_word(const pmg_mqtt_ids_t *s, uint16_t id) {
    return s->bits != NULL && s->bits[id / 64] == UINT64_MAX;
}

uint16_t pmg_mqtt_ids_next(const pmg_mqtt_ids_t *a, const pmg_mqtt_ids_t *b, uint16_t id) {
    do {
        while (id % 64 == 63 &&
               (whole_word(a, (uint16_t)(id + 1)) || whole_word(b, (uint16_t)(id + 1)))) {
            id = (uint16_t)(id + 64);
        }
        id++;
        id += id == 0; // no packet has that one
    } while (pmg_mqtt_ids_has(a, id) || pmg_mqtt_ids_has(b, id));
    return id;
}

#endif
