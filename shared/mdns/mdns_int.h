// SPDX-License-Identifier: GPL-2.0-only
//
// What the files of multicast DNS share (RFC 6762, RFC 6763). From the top: open.c (a program's draft,
// the listener that is made of it, its protocol), recv.c (what comes; index.c finds its records,
// tie.c says who has a name), mdns.c (what is sent, and when),
// own.c (the records that this host announces). dns/wire.c reads and writes messages.
#ifndef PMG_MDNS_INT_H
#define PMG_MDNS_INT_H

#include "../base/bytes.h"
#include "../core/core_int.h"
#include "../dns/wire.h"
#include "mdns.h"

#if PMG_HAS_MDNS

#ifdef PMG_BOARD
#define PMG_MDNS_SERVICES 4
#define PMG_MDNS_SUBTYPES 8  // of all services together
#define PMG_MDNS_TXT_MAX 256 // of one service
#define PMG_MDNS_UNICASTS 10 // answers to unicast queries, per second
#define PMG_MDNS_ECHOES 8
#else
#define PMG_MDNS_SERVICES 15
#define PMG_MDNS_SUBTYPES 40
#define PMG_MDNS_TXT_MAX 1024
#define PMG_MDNS_UNICASTS 100
#define PMG_MDNS_ECHOES 32
#endif

#define PMG_MDNS_PROBE_MS 250
#define PMG_MDNS_TYPE_WIRE \
    32 // "_service._tcp.local" (RFC 6335: a service has at most 15 characters)

// ---------------------------------------------------------------------------------------------
// own.c

typedef struct {
    uint8_t type[PMG_MDNS_TYPE_WIRE]; // "_http._tcp.local" on the wire
    char label[64]; // of the instance as the program gave it, or empty: the host's
    uint8_t wire[64 + PMG_MDNS_TYPE_WIRE];
    uint16_t port, number; // number: of the conflicts that its name had
    uint16_t txt_len;
    uint8_t *txt; // on the wire, or NULL
} pmg_mdns_service_t;

// Own records have a bit each: the host's addresses and what it has not, then four of each service.
enum { PMG_OWN_A, PMG_OWN_AAAA, PMG_OWN_NSEC, PMG_OWN_SERVICE };
enum { PMG_OWN_PTR, PMG_OWN_SRV, PMG_OWN_TXT, PMG_OWN_ENUM, PMG_OWN_KINDS };
// And one of each subtype, the last bits.
#define PMG_OWN_BITS 64

typedef struct {
    pmg_io_iface_t i;
    uint64_t mask, due;     // to be multicast, and when
    uint64_t sent, sent_at; // what was, in the second that began then
    uint32_t asked_by;      // who alone asked for `mask`, or 0
} pmg_mdns_iface_t;

typedef struct pmg_mdns {
    uint8_t state, step;      // enum in mdns.c
    uint8_t services, ifaces; // their numbers
    uint8_t conflicts;
    uint16_t number; // of the conflicts that the host's name had
    uint64_t due;    // next step
    uint64_t scan;   // when the interfaces are looked at again
    uint64_t tokens_at;
    unsigned tokens; // unicast answers that may be sent now
    uint32_t echo
        [PMG_MDNS_ECHOES]; // checksums of multicasts of ours, which the system gives back to us, or 0
    uint8_t echo_next;
    bool one; // the program chose an interface, by this address
    struct mg_addr only;
    char label[64]; // of the host, as the program gave it; empty: none
    uint8_t host[PMG_WIRE_NAME / 2];
    char text[3][PMG_WIRE_TEXT]; // names of the record that is delivered
    char name[PMG_WIRE_TEXT];    // the host's, once it is ours
    uint8_t out[PMG_WIRE_OUT];
    pmg_mdns_iface_t iface[PMG_IFACES];
    pmg_mdns_service_t service[PMG_MDNS_SERVICES];
    uint8_t subtypes; // their number; of each the number of its service, then its name on the wire
    uint8_t *subtype[PMG_MDNS_SUBTYPES];
} pmg_mdns_t;

typedef struct {
    unsigned type, class; // with the top bit where the record is ours alone
    uint32_t ttl;
    const uint8_t *name, *data;
    size_t data_len;
    uint8_t buf[PMG_WIRE_NAME]; // what `data` may point to
} pmg_mdns_own_t;

// All that there is to say on an interface, which decides what addresses the host has.
uint64_t pmg_mdns_all(const pmg_mdns_t *md, const pmg_io_iface_t *i);
// Makes the record of a bit for an interface.
void pmg_mdns_record(const pmg_mdns_t *md, int bit, const pmg_io_iface_t *i, pmg_mdns_own_t *out);
// Own records that answer a question; *shared: others may have answers to it, too.
uint64_t pmg_mdns_match(const pmg_mdns_t *md, const pmg_io_iface_t *i, const uint8_t *name,
    unsigned type, bool *shared);
// What should come along with these answers.
uint64_t pmg_mdns_additional(const pmg_mdns_t *md, const pmg_io_iface_t *i, uint64_t answers);
// Is it an address of this host, perhaps on another interface?
bool pmg_mdns_is_address(const pmg_mdns_t *md, unsigned type, const uint8_t *ip);
// Whether a record of another host has a name that must be ours alone, and says something else.
// *service: which, or -1.
bool pmg_mdns_contradicts(const pmg_mdns_t *md, const pmg_io_iface_t *i, const pmg_wire_msg_t *m,
    const pmg_wire_rr_t *rr, int *service);
void pmg_mdns_rename(pmg_mdns_t *md, int service); // -1: the host
void pmg_mdns_names(pmg_mdns_t *md);               // makes the wire forms

// ---------------------------------------------------------------------------------------------
// mdns.c

enum { PMG_MDNS_IDLE, PMG_MDNS_PROBING, PMG_MDNS_ANNOUNCING, PMG_MDNS_DONE };

static inline pmg_mdns_t *pmg_mdns_of(struct mg_connection *c) {
    return *(pmg_mdns_t **)pmg_state(c);
}
static inline uint64_t pmg_mdns_clock(struct mg_connection *c) {
    return pmg_now(pmg_m(c));
}
static inline unsigned pmg_mdns_random(struct mg_connection *c, unsigned up_to) {
    uint16_t r = 0; // only to spread hosts in time: without it all take the longest wait
    return pmg_random(pmg_m(c), &r, sizeof(r)) ? r % (up_to + 1) : up_to;
}

static inline uint32_t pmg_mdns_checksum(const uint8_t *buf, size_t len) {
    return mg_crc32(0, (const char *)buf, len) | 1;
}

// An answer: own records by their bits.
typedef struct {
    uint64_t answers, additional;
    const struct mg_addr *to; // NULL: all
    bool goodbye;
    const pmg_wire_msg_t *legacy; // a query from another port: what it asked is repeated
} pmg_mdns_reply_t;
enum { PMG_MDNS_QUERY = 0, PMG_MDNS_RESPONSE = 0x8400 }; // flags of a message
// Sends a message by one interface; `to` NULL: to all.
void pmg_mdns_send_out(struct mg_connection *c, const pmg_mdns_iface_t *i, const pmg_wire_out_t *o,
    const struct mg_addr *to);
// In as many messages as it takes; what is additional in the last one, as far as it fits.
void pmg_mdns_send(struct mg_connection *c, const pmg_mdns_iface_t *i, const pmg_mdns_reply_t *r);
void pmg_mdns_probe(struct mg_connection *c, uint64_t wait); // for all names, after so long
void pmg_mdns_arm(struct mg_connection *c);                  // sets the deadline
// Looks which interfaces there are; true if there is a new one.
bool pmg_mdns_scan(struct mg_connection *c);

// index.c: of a valid message; NULL: no memory. It is the caller's to pmg_free().
typedef struct pmg_mdns_index pmg_mdns_index_t;
pmg_mdns_index_t *pmg_mdns_index(struct mg_connection *c, const pmg_wire_msg_t *m);
// The first record of a name and type anywhere in the message.
bool pmg_mdns_find(const pmg_mdns_index_t *index, const pmg_wire_msg_t *m, const uint8_t *name,
    unsigned type, pmg_wire_rr_t *rr);

// tie.c: does another host's probe for a name that we probe for, too, win? `service` -1: the host's.
bool pmg_mdns_tie_lost(const pmg_mdns_t *md, const pmg_io_iface_t *i, const pmg_wire_msg_t *m,
    int service);

// recv.c
void pmg_mdns_read(struct mg_connection *c);

#endif // PMG_HAS_MDNS
#endif
