// SPDX-License-Identifier: GPL-2.0-only
//
// URLs of listen() and connect(), taken apart.
#ifndef PMG_OPEN_URL_H
#define PMG_OPEN_URL_H

#include "../base/record.h"

#define PMG_URL_PATH 103 // sun_path of the smallest system

typedef struct pmg_url {
    const pmg_protocol_t *speaks; // by its scheme
    bool is_udp, is_tls, is_unix, has_port;
    struct mg_str host, target; // host without brackets; target: path and query
    struct mg_str authority;    // as written: host[:port]
    struct mg_addr addr;        // port always, the address if `literal`
    bool literal;
    struct mg_str
        zone; // of an IPv6 address: "%eth0", as written; what `authority` has beside the host
    char path[3 * PMG_URL_PATH + 1]; // of a unix socket, decoded: `host` points here
} pmg_url_t;

// Slices point into `url`. -EINVAL, -EPROTONOSUPPORT with their texts.
int pmg_url_parse(pmg_mgr_t *m, const char *url, bool listening, pmg_url_t *out);
// A client's that may leave out its scheme, which then is this one, and its port. Port 0 may stay.
int pmg_url_parse_for(pmg_mgr_t *m, const char *url, const char *scheme, unsigned port,
    pmg_url_t *out);
// A client's or listener's that is to speak this. A protocol may have a scheme of its own for URLs
// that have none, and may refuse others.
int pmg_url_parse_as(pmg_mgr_t *m, const char *url, const pmg_protocol_t *speaks, bool listening,
    pmg_url_t *out);

#endif
