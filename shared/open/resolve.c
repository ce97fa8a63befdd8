// SPDX-License-Identifier: GPL-2.0-only
//
// The names of hosts that clients connect to: looked up, then tried address by address.

#include "open_int.h"

static pmg_search_t *search_of(struct mg_connection *c) {
    return (pmg_search_t *)(void *)pmg_x(c)->wait;
}

static void take_addr(pmg_search_t *s, size_t i) {
    s->c->rem = s->addrs.a[i];
    s->c->rem.port = s->port;
}

static void found(pmg_dns_ask_t *ask, const pmg_dns_addrs_t *addrs, const char *error) {
    pmg_search_t *s = (pmg_search_t *)(void *)((char *)ask - offsetof(pmg_search_t, ask));
    struct mg_connection *c = s->c;
    c->is_resolving = 0;
    if (c->is_closing) {
        return;
    }
    if (addrs == NULL && c->is_listening) {
        pmg_search_end(c);
        pmg_call(c, MG_EV_ERROR, (void *)(size_t)error);
    } else if (addrs == NULL) {
        pmg_fatal(c, error);
    } else {
        s->addrs = *addrs;
        take_addr(s, 0);
        s->by->found(c);
    }
}

void pmg_search_end(struct mg_connection *c) {
    pmg_search_t *s = search_of(c);
    if (s != NULL) {
        pmg_race_end(s);
        pmg_dns_cancel(pmg_m(c), &s->ask);
        pmg_free(s);
        pmg_x(c)->wait = NULL;
        c->is_resolving = 0;
    }
}

int pmg_search_start(struct mg_connection *c, const pmg_search_for_t *by, struct mg_str host,
    const struct mg_addr *addr) {
    pmg_conn_t *x = pmg_x(c);
    pmg_search_t *s = pmg_alloc(sizeof(*s));
    if (s == NULL) {
        return -ENOMEM;
    }
    memset(s, 0, sizeof(*s));
    s->wait.cancel = pmg_search_end;
    s->ask.found = found;
    s->by = by;
    s->c = c;
    s->port = c->rem.port;
    s->deadline = x->late == by->late ? x->deadline : 0;
    int err = pmg_dns_start(pmg_m(c), &s->ask, host, addr);
    if (err < 0) {
        pmg_free(s);
        return err;
    }
    x->wait = &s->wait;
    c->is_resolving = 1;
    return 0;
}

bool pmg_search_many(struct mg_connection *c) {
    const pmg_search_t *s = search_of(c);
    return s != NULL && s->addrs.count > 1;
}

bool pmg_search_next(struct mg_connection *c) {
    pmg_search_t *s = search_of(c);
    if (s == NULL || s->at + 1 >= s->addrs.count) {
        return false;
    }
    take_addr(s, ++s->at);
    return true;
}

int pmg_dns_server(pmg_mgr_t *m, const char *url) {
    pmg_url_t u;
    if (pmg_dns_own_servers(m) < 0) {
        return pmg_fail(m, -ENOMEM, "no memory for name servers");
    }
    if (url == NULL) {
        return 0;
    }
    int err = pmg_url_parse_for(m, url, "udp", 53, &u);
    if (err < 0) {
        return err;
    }
    if (!u.is_udp || !u.literal) {
        return pmg_fail(m, -EINVAL, "dns: %.*s is no udp://address:port", PMG_CUT(url));
    }
    if (pmg_dns_add_server(m, &u.addr) < 0) {
        return pmg_fail(m, -EINVAL, "dns: at most %d name servers", PMG_DNS_SERVERS);
    }
    return 0;
}
