// SPDX-License-Identifier: GPL-2.0-only
//
// Answers of name servers, kept for as long as they may be: a short list, the last used first.

#include "dns_int.h"

// No answer is believed for longer, whatever its server says (RFC 8767, section 4, names a week).
#define TTL_MAX 86400u

struct pmg_dns_entry {
    pmg_dns_entry_t *next;
    uint64_t until;
    size_t count;
    struct mg_addr *addrs; // behind this
    char *name;            // behind those
};

static void drop(pmg_dns_entry_t **at) {
    pmg_dns_entry_t *e = *at;
    *at = e->next;
    pmg_free(e);
}

bool pmg_dns_cache_get(pmg_dns_entry_t **cache, const char *name, uint64_t now,
    pmg_dns_addrs_t *out) {
    for (pmg_dns_entry_t **at = cache; *at != NULL;) {
        pmg_dns_entry_t *e = *at;
        if (e->until <= now) {
            drop(at);
        } else if (strcmp(e->name, name) == 0) {
            out->count = e->count;
            memcpy(out->a, e->addrs, e->count * sizeof(*e->addrs));
            *at = e->next;
            e->next = *cache;
            *cache = e;
            return true;
        } else {
            at = &e->next;
        }
    }
    return false;
}

void pmg_dns_cache_put(pmg_dns_entry_t **cache, const char *name, uint64_t now, uint32_t ttl,
    const pmg_dns_addrs_t *addrs) {
    size_t size = strlen(name) + 1, list = addrs->count * sizeof(*addrs->a);
    pmg_dns_entry_t *e = ttl > 0 ? pmg_alloc(sizeof(*e) + list + size) : NULL;
    if (e == NULL) { // it will be asked for again
        return;
    }
    e->until = now + (ttl < TTL_MAX ? ttl : TTL_MAX) * (uint64_t)1000;
    e->count = addrs->count;
    e->addrs = (struct mg_addr *)(void *)(e + 1);
    e->name = (char *)(e->addrs + e->count);
    memcpy(e->addrs, addrs->a, list);
    memcpy(e->name, name, size);
    e->next = *cache;
    *cache = e;
    pmg_dns_entry_t **at = &e->next;
    for (int n = 1; *at != NULL;) {
        if (n >= PMG_DNS_CACHE || strcmp((*at)->name, name) == 0) {
            drop(at);
        } else {
            at = &(*at)->next;
            n++;
        }
    }
}

void pmg_dns_cache_clear(pmg_dns_entry_t **cache) {
    while (*cache != NULL) {
        drop(cache);
    }
}
