// SPDX-License-Identifier: GPL-2.0-only
//
// How connections begin: listeners, clients, names of hosts.
//
// May Python run?  In pmg_listen, pmg_listen_for and pmg_connect, once their arguments have been
// copied: MG_EV_OPEN. Nowhere else.
#ifndef PMG_OPEN_H
#define PMG_OPEN_H

#include "../base/protocol.h"

// URLs: tcp://host:port, udp://, http://, ws://, unix:///path; open/schemes.c has them all. `speaks`
// is pmg_http, pmg_raw ...; pmg_url_speaks() tells where the program does not say. -EADDRINUSE,
// -EACCES, -EINVAL (the URL; the text says what is wrong), -ENOBUFS (max_conns) ... `fd` >= 0 adopts
// a socket that is listening; -1: none; -2: others may listen on the same port, -ENOTSUP where none may.
int pmg_listen(pmg_mgr_t *m, const char *url, const pmg_protocol_t *speaks, int fd, void *arg,
    struct mg_connection **out);
// What pmg_listen() or pmg_connect() opens next is UDP that may send to all of a network; else -EINVAL.
void pmg_open_broadcast(pmg_mgr_t *m);
// The same for a protocol that opens its socket by itself, of `state`, which it takes (even if this
// fails): pmg_mdns of a draft.
int pmg_listen_for(pmg_mgr_t *m, const pmg_protocol_t *speaks, void *state, void *arg,
    struct mg_connection **out);
// Starts connecting and returns; MG_EV_CONNECT or MG_EV_ERROR follow. MG_EV_OPEN fires before it
// returns. `state` is what the protocol asks for (pmg_mqtt: its login), else NULL. pmg_ws sends the
// upgrade request once connected; pmg_sntp takes a host alone, too.
int pmg_connect(pmg_mgr_t *m, const char *url, const pmg_protocol_t *speaks, const void *state,
    void *arg, struct mg_connection **out);
// Looks up the host of `url` (a name, name:port, a whole URL) for a client that has no peer yet, in
// MG_EV_OPEN or after pmg_resolve_cancel(): it then connects to what was found instead of to the
// host of its own URL. MG_EV_RESOLVE follows, or MG_EV_ERROR. -EINVAL: a listener, a unix socket,
// the URL; -EISCONN: the peer is known; -EALREADY: a lookup is under way; -EPIPE: closing.
int pmg_resolve(struct mg_connection *c, const char *url);
void pmg_resolve_cancel(struct mg_connection *c); // ends a lookup; no event
// Adds a name server, "udp://1.2.3.4:53", and asks none of the system's from now on; NULL adds none.
// -EINVAL, -ENOMEM.
int pmg_dns_server(pmg_mgr_t *m, const char *url);
// What a URL's scheme speaks: pmg_http for http:// and ws:// (and their s), pmg_raw for tcp:// and
// for schemes that are not known ...
const pmg_protocol_t *pmg_url_speaks(const char *url);

#endif
