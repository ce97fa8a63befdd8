// SPDX-License-Identifier: GPL-2.0-only
//
// The records of one message by name and type, so that what an answer says of a service costs no walk
// through the message for each. The hash has a key: nobody can choose names that all share a bucket.

#include "mdns_int.h"

#if PMG_HAS_MDNS

#define NONE 0xffff

typedef struct {
    uint32_t hash;
    uint16_t at, next; // where in the message; the next one of its bucket
} entry_t;

struct pmg_mdns_index {
    uint32_t key;
    uint16_t mask;    // of a hash: its bucket
    uint16_t *bucket; // behind the entries
    entry_t entry[];
};

static uint32_t hash_of(uint32_t key, const uint8_t *name, unsigned type) {
    uint32_t h = key ^ type;
    for (size_t i = 0, n = pmg_wire_len(name); i < n; i++) {
        h = (h ^ pmg_wire_lower(name[i])) * 0x01000193;
        h ^= h >> 15;
    }
    return h;
}

pmg_mdns_index_t *pmg_mdns_index(struct mg_connection *c, const pmg_wire_msg_t *m) {
    unsigned count = 0, buckets = 1, n = 0;
    for (int section = 1; section < 4; section++) {
        count += pmg_wire_count(m, section);
    }
    while (buckets < count) {
        buckets *= 2;
    }
    pmg_mdns_index_t *index =
        pmg_alloc(sizeof(*index) + count * sizeof(entry_t) + buckets * sizeof(uint16_t));
    if (index == NULL || !pmg_random(pmg_m(c), &index->key, sizeof(index->key))) {
        pmg_free(index);
        return NULL;
    }
    index->mask = (uint16_t)(buckets - 1);
    index->bucket = (uint16_t *)(void *)&index->entry[count];
    memset(index->bucket, 0xff, buckets * sizeof(uint16_t));
    size_t pos = pmg_wire_section(m, 1);
    for (unsigned i = 0; i < count; i++) {
        pmg_wire_rr_t rr;
        size_t at = pos;
        pos = pmg_wire_read(m, pos, false, &rr);
        if (rr.class == PMG_CLASS_IN && at < NONE) {
            index->entry[n].hash = hash_of(index->key, rr.name, rr.type);
            index->entry[n++].at = (uint16_t)at;
        }
    }
    while (n-- > 0) { // the first one of several is found first
        uint16_t *bucket = &index->bucket[index->entry[n].hash & index->mask];
        index->entry[n].next = *bucket;
        *bucket = (uint16_t)n;
    }
    return index;
}

bool pmg_mdns_find(const pmg_mdns_index_t *index, const pmg_wire_msg_t *m, const uint8_t *name,
    unsigned type, pmg_wire_rr_t *rr) {
    uint32_t hash = hash_of(index->key, name, type);
    uint16_t i = index->bucket[hash & index->mask];
    for (; i != NONE; i = index->entry[i].next) {
        if (index->entry[i].hash == hash) {
            (void)pmg_wire_read(m, index->entry[i].at, false, rr);
            if (rr->type == type && pmg_wire_equal(rr->name, name)) {
                return true;
            }
        }
    }
    return false;
}

#endif
