// SPDX-License-Identifier: GPL-2.0-only
//
// What the files of the name resolver share: dns.c runs the lookups, query.c asks servers, msg.c
// reads and writes messages (RFC 1035), conf.c knows the servers and the local names, cache.c keeps
// answers for as long as their servers allow, order.c says which address is tried first, local.c
// asks the neighbors by multicast, in messages of wire.c.
#ifndef PMG_DNS_INT_H
#define PMG_DNS_INT_H

#include "../core/core_int.h"
#include "dns.h"

#ifdef PMG_BOARD
#define PMG_DNS_CACHE 4       // names in the cache
#define PMG_DNS_TCP_MAX 1024  // a longer answer over TCP is refused
#define PMG_DNS_SEARCH_SIZE 8 // bytes of all search domains together
#else
#define PMG_DNS_CACHE 64
#define PMG_DNS_TCP_MAX 65535
#define PMG_DNS_SEARCH_SIZE 256
#endif
#define PMG_DNS_NAME_MAX 253 // as text, without a final dot (RFC 1035, 2.3.4)
#define PMG_DNS_NAME_SIZE (PMG_DNS_NAME_MAX + 1)
#define PMG_DNS_QUERY_MAX (12 + PMG_DNS_NAME_MAX + 2 + 4)
#define PMG_DNS_SEARCH 6

enum { PMG_DNS_A = 1, PMG_DNS_AAAA = 28 };
enum { PMG_DNS_OK, PMG_DNS_FORMERR, PMG_DNS_SERVFAIL, PMG_DNS_NXDOMAIN }; // RCODEs, up to 15

// ---------------------------------------------------------------------------------------------
// msg.c

// Writes a question into buf, PMG_DNS_QUERY_MAX long. The length, or 0: no name for the DNS (empty
// labels, labels over 63 bytes, longer than 253 in all).
size_t pmg_dns_query(uint8_t *buf, uint16_t id, const char *name, int type);

typedef struct {
    int rcode;
    bool cut;     // TC: there is more, over TCP
    uint32_t ttl; // seconds; the least of what the answer rests on
} pmg_dns_answer_t;
// Reads an answer and adds its addresses to *addrs, as many as fit. 0; -EAGAIN: not the answer to
// this question; -EBADMSG: it is, but cannot be read, or its aliases run in a circle.
int pmg_dns_parse(const uint8_t *msg, size_t len, uint16_t id, const char *name, int type,
    pmg_dns_answer_t *out, pmg_dns_addrs_t *addrs);

// ---------------------------------------------------------------------------------------------
// conf.c

typedef struct {
    bool fixed; // given by the program: the system's are not asked
    uint8_t servers, searches;
    uint8_t ndots, attempts;
    uint16_t timeout; // of the first attempt, in milliseconds
    struct mg_addr server[PMG_DNS_SERVERS];
    uint8_t search[PMG_DNS_SEARCH]; // where each domain begins in `domains`
    char domains[PMG_DNS_SEARCH_SIZE];
    uint64_t stamp[3]; // of the file that this was read from
} pmg_dns_conf_t;

void pmg_dns_conf_init(pmg_dns_conf_t *conf);
// Looks whether the system's servers changed; true if they did.
bool pmg_dns_conf_refresh(pmg_mgr_t *m, pmg_dns_conf_t *conf);
// Addresses that need no server: localhost (RFC 6761, 6.3) and the system's hosts file. `name` is
// in lower case, without a final dot.
void pmg_dns_local(pmg_mgr_t *m, const char *name, pmg_dns_addrs_t *out);

// ---------------------------------------------------------------------------------------------
// cache.c

typedef struct pmg_dns_entry pmg_dns_entry_t;
bool pmg_dns_cache_get(pmg_dns_entry_t **cache, const char *name, uint64_t now,
    pmg_dns_addrs_t *out);
void pmg_dns_cache_put(pmg_dns_entry_t **cache, const char *name, uint64_t now, uint32_t ttl,
    const pmg_dns_addrs_t *addrs);
void pmg_dns_cache_clear(pmg_dns_entry_t **cache);

// order.c
void pmg_dns_sort(pmg_mgr_t *m, pmg_dns_addrs_t *addrs); // whom to try first (RFC 6724)

// ---------------------------------------------------------------------------------------------
// local.c
bool pmg_dns_is_local(const char *name); // in lower case: does it end in .local?
#if PMG_HAS_MDNS
// Opens c's socket and asks all neighbors for the addresses of `name`. 0 or why not.
int pmg_dns_local_ask(struct mg_connection *c, uint16_t id, const char *name);
// Takes the addresses from what c has received; false: no answer to that. *ttl becomes the least.
bool pmg_dns_local_parse(struct mg_connection *c, uint16_t id, const char *name, uint32_t *ttl,
    pmg_dns_addrs_t *out);
#endif

// ---------------------------------------------------------------------------------------------
// query.c

// Results of a query or lookup besides the RCODEs.
enum {
    PMG_DNS_FOUND = PMG_DNS_OK,
    PMG_DNS_PENDING = 16,
    PMG_DNS_NO_ADDRESS,
    PMG_DNS_NO_ANSWER,
    PMG_DNS_NO_SERVER,
    PMG_DNS_BROKEN,
    PMG_DNS_BAD_NAME,
    PMG_DNS_NO_HOST, // of .local
    PMG_DNS_NO_MDNS,
    PMG_DNS_SYSTEM
};

typedef struct pmg_dns_lookup pmg_dns_lookup_t;

typedef struct {
    struct mg_connection *c; // NULL between tries
    uint64_t due;
    uint16_t id;
    uint8_t type, tries, wrong, result;
    bool tcp;
} pmg_dns_query_t;

struct pmg_dns_lookup {
    pmg_dns_lookup_t *next;
    pmg_mgr_t *m;
    struct pmg_dns *d;
    pmg_timer_t timer;
    size_t asks; // that wait for it
    pmg_dns_query_t q[2];
    uint8_t step;   // in the list of names to ask for
    uint8_t result; // PMG_DNS_PENDING until it is done
    uint8_t last;   // the worst that a step met
    uint8_t server; // which one that was
    bool absolute, grace;
    int err; // of PMG_DNS_SYSTEM
    uint32_t ttl;
    pmg_dns_addrs_t found;
    char name[PMG_DNS_NAME_SIZE];  // lower case, no final dot
    char asked[PMG_DNS_NAME_SIZE]; // with a search domain
};

typedef struct pmg_dns {
    pmg_attached_t attached;
    pmg_dns_conf_t conf;
    pmg_dns_lookup_t *lookups;
    pmg_dns_ask_t *asks; // that are not answered yet
    pmg_dns_entry_t *cache;
} pmg_dns_t;

// Begins to ask for l->name. What comes of it stands in l->result, later or at once.
void pmg_dns_begin(pmg_dns_lookup_t *l);
// A moment that a query waited for came. Sets the timer to the next one.
void pmg_dns_due(pmg_dns_lookup_t *l);
void pmg_dns_arm(pmg_dns_lookup_t *l);
void pmg_dns_close_queries(pmg_dns_lookup_t *l);

#endif
