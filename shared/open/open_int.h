// SPDX-License-Identifier: GPL-2.0-only
//
// What the files of open/ share: schemes.c (which protocols there are), url.c, listen.c, connect.c,
// resolve.c (names of hosts), race.c (their addresses), evict.c (who makes room).
#ifndef PMG_OPEN_INT_H
#define PMG_OPEN_INT_H

#include "../core/core_int.h"
#include "../dns/dns.h"
#include "open.h"
#include "url.h"

// schemes.c
typedef struct {
    const char *name;
    uint16_t port; // 0: must be given
    const pmg_protocol_t *speaks;
    bool is_udp, is_tls;
} pmg_scheme_t;
const pmg_scheme_t *pmg_scheme_find(const char *name, size_t len); // NULL: unknown
const char *pmg_scheme_names(char *buf, size_t size);              // "http, https, ... and unix"
// What a protocol asks of the URLs that are to speak it.
typedef struct {
    const pmg_protocol_t *speaks;
    const pmg_protocol_t *like; // URLs of this one's schemes
    bool plain;                 // and streams that are not spoken for
    bool datagrams;             // or datagrams alone
    const char *scheme;         // of a client's URL that has none, with its port; or NULL
    unsigned port;
    const char *text; // "URL x: ..."
} pmg_scheme_rule_t;
const pmg_scheme_rule_t *pmg_scheme_rule(const pmg_protocol_t *speaks); // NULL: there is none
// After MG_EV_ACCEPT and MG_EV_CONNECT: TLS begins where it is asked for.
// May another handshake begin? If *victim is set, then by closing that one: pmg_evict().
bool pmg_secure_room(pmg_mgr_t *m, struct mg_connection **victim);
void pmg_secure_accepted(struct mg_connection *listener, struct mg_connection *c);
void pmg_secure_connected(struct mg_connection *c);

// url.c: may it broadcast, if that was asked for? -EINVAL: a stream.
int pmg_url_broadcast(pmg_mgr_t *m, const char *url, const pmg_url_t *u, bool broadcast);

// resolve.c: a search for a name's addresses, then through them
typedef struct {
    void (*found)(struct mg_connection *c); // there is an address, in c->rem
    void (*late)(struct mg_connection *c);  // the deadline; of a race, also when it has to go on
    void (*won)(struct mg_connection *c);   // a race: c stands
    void (*lost)(struct mg_connection *c, int err);
} pmg_search_for_t;
typedef struct {
    pmg_wait_t wait; // first: x->wait
    pmg_dns_ask_t ask;
    struct mg_connection *c;
    const pmg_search_for_t *by;
    uint64_t deadline;              // of the whole connect, 0: none
    uint16_t port;                  // network byte order
    bool is_short;                  // of what an attempt needs
    struct mg_connection *attempts; // race.c: under way, the latest first
    size_t under_way;
    size_t at; // in addrs, once there are some: the next
    pmg_dns_addrs_t addrs;
} pmg_search_t;
int pmg_search_start(struct mg_connection *c, const pmg_search_for_t *by, struct mg_str host,
    const struct mg_addr *addr);
bool pmg_search_many(struct mg_connection *c); // has the name several addresses?
bool pmg_search_next(struct mg_connection *c); // puts the next into c->rem, if there is one
void pmg_search_end(struct mg_connection *c);  // it is not needed any more

// race.c: tries them, the next one while the last has not answered
void pmg_race_begin(struct mg_connection *c);
bool pmg_race_late(struct mg_connection *c); // goes on; false: there is no race, or no time for it
void pmg_race_end(pmg_search_t *s);

// evict.c
// Is there room for another connection? If *victim is set, then by closing that one: pmg_evict().
// -ENOBUFS with its text. May read from the one that is to go, so that Python may run.
int pmg_evict_room(pmg_mgr_t *m, struct mg_connection **victim);
// The system has no descriptor left: takes that of the one that would have to go. False: there is
// none. One that is closing already gives its own. Reads from nobody.
bool pmg_evict_descriptor(pmg_mgr_t *m);
void pmg_evict(struct mg_connection *victim); // NULL is accepted

#endif
