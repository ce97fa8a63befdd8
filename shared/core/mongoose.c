// SPDX-License-Identifier: GPL-2.0-only
//
// What Mongoose expects of an I/O layer.

#include "core_int.h"

void mg_mgr_poll(struct mg_mgr *mgr, int ms) {
    (void)pmg_mgr_poll((pmg_mgr_t *)(void *)mgr, ms);
}

void mg_connect_resolved(struct mg_connection *c) {
    c->is_closing = 1; // names are looked up by dns/
}

bool mg_open_listener(struct mg_connection *c, const char *url) {
    (void)c, (void)url;
    return false; // listeners are opened by pmg_listen()
}

bool mg_send(struct mg_connection *c, const void *buf, size_t len) {
    if (c->is_udp) {
        return pmg_io_write(c, buf, len) >= 0;
    }
    bool ok = pmg_out(c, buf, len);
    pmg_work(c);
    return ok;
}

void mg_getlocaddr(struct mg_connection *c, struct mg_addr *to, struct mg_addr *from) {
    (void)to;
    *from = c->loc;
}

void mg_multicast_add(struct mg_connection *c, char *ip) {
    (void)c, (void)ip;
}

bool mg_wakeup_init(struct mg_mgr *mgr) {
    (void)mgr;
    return true;
}

bool mg_wakeup(struct mg_mgr *mgr, unsigned long id, const void *buf, size_t len) {
    return pmg_mgr_wakeup((pmg_mgr_t *)(void *)mgr, id, buf, len) == 0;
}
