// SPDX-License-Identifier: GPL-2.0-only
//
// What a connection says of itself.

#include "core_int.h"

pmg_mgr_t *pmg_conn_mgr(struct mg_connection *c) {
    return pmg_m(c);
}

void **pmg_conn_obj(struct mg_connection *c) {
    return &pmg_x(c)->obj;
}

bool pmg_conn_is_listening(struct mg_connection *c) {
    return c->is_listening;
}

bool pmg_conn_is_client(struct mg_connection *c) {
    return c->is_client;
}

bool pmg_conn_is_tls(struct mg_connection *c) {
    return c->is_tls;
}

bool pmg_conn_is_udp(struct mg_connection *c) {
    return c->is_udp;
}

bool pmg_conn_is_readable(struct mg_connection *c) {
    const pmg_layer_t *layer = pmg_x(c)->layer;
    return pmg_recv_len(c) > 0 || c->is_readable || (layer != NULL && layer->pending(c));
}

bool pmg_conn_is_writable(struct mg_connection *c) {
    return pmg_x(c)->connected && !c->is_closing && !c->is_tls_hs && pmg_send_len(c) == 0;
}

bool pmg_conn_is_closing(struct mg_connection *c) {
    return c->is_closing;
}

bool pmg_conn_is_full(struct mg_connection *c) {
    return c->is_full;
}

bool pmg_conn_is_draining(struct mg_connection *c) {
    return c->is_draining;
}

size_t pmg_conn_recv_len(struct mg_connection *c) {
    return pmg_recv_len(c);
}

size_t pmg_conn_send_len(struct mg_connection *c) {
    return pmg_send_len(c);
}

size_t pmg_conn_recv_size(struct mg_connection *c) {
    return c->recv.size;
}

size_t pmg_conn_send_size(struct mg_connection *c) {
    return c->send.size;
}

bool pmg_conn_is_unix(struct mg_connection *c) {
    return pmg_x(c)->is_unix;
}

static void addr(struct mg_connection *c, const struct mg_addr *a, bool local, pmg_addr_t *out) {
    if (!pmg_x(c)->is_unix) {
        pmg_addr_text(a, out);
        return;
    }
    // Who connects has no path of its own; an accepted one was reached by the listener's.
    const char *path = local == !c->is_client ? pmg_x(c)->host : NULL;
    out->port = 0;
    out->is_ip6 = false;
    pmg_snprintf(out->host, sizeof(out->host), "%s", path != NULL ? path : "");
}

void pmg_conn_local_addr(struct mg_connection *c, pmg_addr_t *out) {
    addr(c, &c->loc, true, out);
}

void pmg_conn_remote_addr(struct mg_connection *c, pmg_addr_t *out) {
    addr(c, &c->rem, false, out);
    if (c->is_client && !pmg_x(c)->is_unix && !c->is_connecting && !pmg_x(c)->connected &&
        !c->rem.is_ip6 &&
        c->rem.addr.ip4 == 0) { // a name that is not looked up yet: only its port is known
        out->host[0] = '\0';
        out->port = 0;
    }
}
