// SPDX-License-Identifier: GPL-2.0-only
//
// Multicast DNS as a binding uses it.
// May Python run?  In none of these.
#ifndef PMG_MDNS_H
#define PMG_MDNS_H

#include "../base/protocol.h"

#if PMG_HAS_MDNS
// A listener that pmg_listen_for() makes of a draft, which it takes.
extern const pmg_protocol_t pmg_mdns;

// What mdns_listen() is given: first the names (buf NULL: none), then each service with its TXT
// strings (value.buf NULL: the key alone). A type may have subtypes behind it, with commas between
// them. -EINVAL, -ENOMEM; then nothing is made of the draft.
typedef struct {
    struct pmg_mdns *mdns; // NULL: it was taken
} pmg_mdns_draft_t;
int pmg_mdns_draft(pmg_mgr_t *m, struct mg_str name, struct mg_str iface, pmg_mdns_draft_t *out);
int pmg_mdns_draft_service(pmg_mgr_t *m, pmg_mdns_draft_t *d, struct mg_str type, long port,
    struct mg_str instance);
int pmg_mdns_draft_txt(pmg_mgr_t *m, pmg_mdns_draft_t *d, struct mg_str key, struct mg_str value);
void pmg_mdns_draft_free(pmg_mdns_draft_t *d); // what was not taken
// Asks for records of `name`, by multicast, once.
int pmg_mdns_query(struct mg_connection *c, struct mg_str name, int type);
// The host name that is ours, "name.local", or NULL while none is.
const char *pmg_conn_mdns_name(struct mg_connection *c);

typedef struct {
    struct mg_str name; // with .local; a dot in a label has a backslash in front
    int type;
    bool is_unicast;  // the asker wants the answer for itself
    bool is_answered; // by us, as far as it does not know the answer
} pmg_mdns_req_t;

typedef struct {
    struct mg_str name, instance, host, address; // empty: nothing is said of it
    struct mg_str txt;                           // for pmg_mdns_txt_next()
    int type, ttl, port;                         // ttl 0: the record is withdrawn
    char address_text[48];
} pmg_mdns_resp_t;
// Takes the next string off `rest`; false: there is none. value->buf NULL: the key alone.
bool pmg_mdns_txt_next(struct mg_str *rest, struct mg_str *key, struct mg_str *value);
#endif

#endif
