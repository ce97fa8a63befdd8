// SPDX-License-Identifier: GPL-2.0-only
//
// The name resolver, as open/ uses it: who waits gives a callback, and the place of its request.
// May Python run?  In none of these: `found` is called from the loop, by a timer.
#ifndef PMG_DNS_H
#define PMG_DNS_H

#include "../base/record.h"

#ifdef PMG_BOARD
#define PMG_DNS_ADDRS 4 // kept of one name
#else
#define PMG_DNS_ADDRS 8
#endif

typedef struct {
    size_t count;
    struct mg_addr a[PMG_DNS_ADDRS]; // the port is not used
} pmg_dns_addrs_t;

// A request; it lies in the caller's memory until it is answered or canceled.
typedef struct pmg_dns_ask {
    struct pmg_dns_ask *next;
    struct pmg_dns_lookup *lookup; // NULL once answered
    // The addresses, whom to try first in front, or what went wrong (and addrs NULL). Called from
    // the loop, never inside pmg_dns_start(); Python may run in it.
    void (*found)(struct pmg_dns_ask *ask, const pmg_dns_addrs_t *addrs, const char *error);
} pmg_dns_ask_t;

// Looks up `host`. With `addr` there is nothing to ask: that is what is found. -ENOMEM, -EINVAL.
int pmg_dns_start(pmg_mgr_t *m, pmg_dns_ask_t *ask, struct mg_str host, const struct mg_addr *addr);
void pmg_dns_cancel(pmg_mgr_t *m, pmg_dns_ask_t *ask); // one that was answered may be canceled, too

// Asks none of the system's servers from now on, but those that are added. -ENOMEM.
int pmg_dns_own_servers(pmg_mgr_t *m);
int pmg_dns_add_server(pmg_mgr_t *m,
    const struct mg_addr *server); // -ENOSPC: there are PMG_DNS_SERVERS
#define PMG_DNS_SERVERS 4

#endif
