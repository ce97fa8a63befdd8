// SPDX-License-Identifier: GPL-2.0-only
//
// The name resolver: a stub that asks the system's recursive servers (RFC 1035, RFC 5452).
//
//   waiter   a connection that waits for a name, then for one of its addresses to answer
//   lookup   one name that is asked for; the waiters of one name share it
//   query    A or AAAA of a lookup, in a connection of its own that Python never sees. Each try
//            has a new socket, so a new source port, and a new id; the socket is connected, so
//            that only the server's own address can answer
//
// What a lookup found is told from its timer, never inside the call that began it or inside the
// event that brought the answer.

#include "dns_int.h"

// Of a name with several addresses: how long one is tried before the next.
#define ATTEMPT_MS 3000

static pmg_dns_t *get_dns(pmg_mgr_t *m) {
    if (m->dns == NULL && (m->dns = pmg_alloc(sizeof(*m->dns))) != NULL) {
        memset(m->dns, 0, sizeof(*m->dns));
        pmg_dns_conf_init(&m->dns->conf);
    }
    return m->dns;
}

static void end_lookup(pmg_lookup_t *l) {
    pmg_mgr_t *m = l->m;
    pmg_lookup_t **at = &m->dns->lookups;
    while (*at != l) {
        at = &(*at)->next;
    }
    *at = l->next;
    pmg_dns_close_queries(l);
    pmg_heap_remove(&l->timer);
    m->timers--;
    pmg_free(l);
}

// ---------------------------------------------------------------------------------------------
// What comes of a lookup

static void error_text(pmg_lookup_t *l, char *text, size_t size) {
    static const char *const rcodes[] = {"", "FORMERR", "SERVFAIL", "", "NOTIMP", "REFUSED"};
    pmg_addr_t server = {.port = 0};
    const char *name = l->name;
    if (pmg_dns_is_local(l->asked)) {
        pmg_snprintf(server.host, sizeof(server.host), "the local network");
    } else if (l->m->dns->conf.servers > l->server) {
        pmg_addr_text(&l->m->dns->conf.server[l->server], &server);
    }
    switch (l->result) {
        case PMG_DNS_NXDOMAIN: pmg_snprintf(text, size, "no such name: %s", name); break;
        case NO_ADDRESS: pmg_snprintf(text, size, "name without an address: %s", name); break;
        case NO_ANSWER:
            pmg_snprintf(text, size, "name lookup: no answer from %s about %s", server.host, name);
            break;
        case NO_SERVER:
            pmg_snprintf(text, size, "name lookup: no name server is known to ask for %s", name);
            break;
        case BROKEN:
            pmg_snprintf(text, size, "name lookup: unusable answer from %s about %s", server.host,
                name);
            break;
        case NO_HOST:
            pmg_snprintf(text, size, "name lookup: nobody near answers to %s", name);
            break;
        case NO_MDNS:
            pmg_snprintf(text, size, "name lookup: this build has no mDNS to ask for %s", name);
            break;
        case BAD_NAME: pmg_snprintf(text, size, "no valid name: %s", name); break;
        case SYSTEM:
            pmg_snprintf(text, size, "name lookup: asking %s: %s", server.host, strerror(-l->err));
            break;
        default:
            pmg_snprintf(text, size, "name lookup: %s says %s about %s", server.host,
                l->result <= 5 ? rcodes[l->result] : "that it failed", name);
            break;
    }
}

static pmg_waiter_t *waiter_of(pmg_lookup_t *l) {
    pmg_waiter_t *w = l->m->dns->waiters;
    while (w != NULL && w->lookup != l) {
        w = w->next;
    }
    return w;
}

static void take_addr(pmg_waiter_t *w) {
    w->c->rem = w->addrs.a[w->at];
    w->c->rem.port = w->port;
}

static void deliver(pmg_lookup_t *l) {
    pmg_mgr_t *m = l->m;
    char text[352];
    for (pmg_waiter_t *w; !m->stop && (w = waiter_of(l)) != NULL;) {
        struct mg_connection *c = w->c;
        w->lookup = NULL;
        l->waiters--;
        c->is_resolving = 0;
        if (c->is_closing) {
            continue;
        }
        if (l->result == FOUND) {
            w->addrs = l->found;
            w->at = 0;
            take_addr(w);
            pmg_connect_resolved(c);
        } else {
            error_text(l, text, sizeof(text));
            pmg_fatal(c, text);
        }
    }
    if (l->waiters == 0) {
        end_lookup(l);
    }
}

static void fired(pmg_timer_t *t) {
    pmg_lookup_t *l = t->arg;
    pmg_dns_due(l);
    if (l->result == PENDING) {
        return;
    }
    if (l->result == FOUND && l->ttl != UINT32_MAX) {
        pmg_dns_sort(l->m, &l->found);
        pmg_dns_cache_put(&l->m->dns->cache, l->asked, pmg_port_millis(), l->ttl, &l->found);
        l->ttl = UINT32_MAX;
    }
    deliver(l);
}

static pmg_lookup_t *new_lookup(pmg_mgr_t *m) {
    pmg_lookup_t *l = pmg_heap_reserve(m, m->count + m->timers + 1) ? pmg_alloc(sizeof(*l)) : NULL;
    if (l == NULL) {
        return NULL;
    }
    memset(l, 0, sizeof(*l));
    l->m = m;
    l->timer.mgr = m;
    l->timer.arg = l;
    l->timer.fn = fired;
    l->result = PENDING;
    l->ttl = UINT32_MAX;
    l->last = NO_ANSWER;
    l->next = m->dns->lookups;
    m->dns->lookups = l;
    m->timers++;
    return l;
}

static pmg_lookup_t *begin(pmg_mgr_t *m, const char *name, bool absolute,
    const struct mg_addr *addr) {
    pmg_dns_t *d = m->dns;
    pmg_lookup_t *l = d->lookups;
    if (pmg_dns_conf_refresh(m, &d->conf)) {
        pmg_dns_cache_clear(&d->cache); // another network, perhaps with other answers
    }
    while (l != NULL && (addr != NULL || l->result != PENDING || l->absolute != absolute ||
                            strcmp(l->name, name) != 0)) {
        l = l->next;
    }
    if (l != NULL || (l = new_lookup(m)) == NULL) {
        return l;
    }
    memcpy(l->name, name, strlen(name) + 1);
    l->absolute = absolute;
    if (addr != NULL) {
        l->found.a[0] = *addr;
        l->found.count = 1;
    } else {
        pmg_dns_local(m, name, &l->found);
    }
    if (l->found.count > 0) {
        l->result = FOUND;
        pmg_dns_arm(l);
    } else {
        pmg_dns_ask(l);
    }
    return l;
}

// ---------------------------------------------------------------------------------------------
// What the core calls

int pmg_dns_start(struct mg_connection *c, struct mg_str host, const struct mg_addr *addr) {
    pmg_mgr_t *m = pmg_m(c);
    char name[PMG_DNS_NAME_SIZE];
    bool absolute = host.len > 0 && host.buf[host.len - 1] == '.';
    size_t n = absolute ? host.len - 1 : host.len;
    if (n > PMG_DNS_NAME_MAX) {
        return -EINVAL;
    }
    for (size_t i = 0; i < n; i++) {
        char ch = host.buf[i];
        name[i] = (char)(ch >= 'A' && ch <= 'Z' ? ch + 'a' - 'A' : ch);
    }
    name[n] = '\0';
    absolute = absolute || pmg_dns_is_local(name);
    pmg_waiter_t *w = get_dns(m) != NULL ? pmg_alloc(sizeof(*w)) : NULL;
    pmg_lookup_t *l = w != NULL ? begin(m, name, absolute, addr) : NULL;
    if (l == NULL) {
        pmg_free(w);
        return -ENOMEM;
    }
    memset(w, 0, sizeof(*w));
    w->c = c;
    w->lookup = l;
    w->port = c->rem.port;
    w->deadline = pmg_x(c)->deadline_kind == PMG_DL_CONNECT ? pmg_x(c)->deadline : 0;
    w->next = m->dns->waiters;
    m->dns->waiters = w;
    l->waiters++;
    pmg_x(c)->waits = 1;
    c->is_resolving = 1;
    return 0;
}

static pmg_waiter_t **find(struct mg_connection *c) {
    pmg_waiter_t **at = &pmg_m(c)->dns->waiters;
    while ((*at)->c != c) {
        at = &(*at)->next;
    }
    return at;
}

void pmg_dns_forget(struct mg_connection *c) {
    if (!pmg_x(c)->waits) {
        return;
    }
    pmg_waiter_t **at = find(c), *w = *at;
    pmg_lookup_t *l = w->lookup;
    *at = w->next;
    pmg_free(w);
    pmg_x(c)->waits = 0;
    c->is_resolving = 0;
    if (l != NULL && --l->waiters == 0 && l->result == PENDING) {
        end_lookup(l); // nobody wants to know; one that is done ends in its timer
    }
}

bool pmg_dns_more(struct mg_connection *c) {
    if (!pmg_x(c)->waits) {
        return false;
    }
    const pmg_waiter_t *w = *find(c);
    return w->lookup == NULL && w->at + 1 < w->addrs.count &&
           (w->deadline == 0 || pmg_port_millis() < w->deadline);
}

bool pmg_dns_next(struct mg_connection *c) {
    if (!pmg_dns_more(c)) {
        return false;
    }
    pmg_waiter_t *w = *find(c);
    w->at++;
    take_addr(w);
    return true;
}

void pmg_dns_attempt(struct mg_connection *c) {
    if (!pmg_x(c)->waits) {
        return;
    }
    const pmg_waiter_t *w = *find(c);
    uint64_t t = pmg_port_millis(), left = w->deadline > t ? w->deadline - t : 1;
    bool more = w->at + 1 < w->addrs.count;
    if (w->deadline == 0) {
        left = more ? ATTEMPT_MS : 0;
    } else if (more && left > ATTEMPT_MS) {
        left = ATTEMPT_MS;
    }
    pmg_deadline(c, PMG_DL_CONNECT, left);
}

void pmg_dns_free(pmg_mgr_t *m) {
    pmg_dns_t *d = m->dns;
    if (d != NULL) {
        while (d->lookups != NULL) {
            end_lookup(d->lookups);
        }
        pmg_dns_cache_clear(&d->cache);
        pmg_free(d);
        m->dns = NULL;
    }
}

int pmg_dns_server(pmg_mgr_t *m, const char *url) {
    pmg_url_t u;
    pmg_dns_t *d = get_dns(m);
    if (d == NULL) {
        return pmg_fail(m, -ENOMEM, "no memory for name servers");
    }
    d->conf.fixed = true;
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
    if (d->conf.servers == PMG_DNS_SERVERS) {
        return pmg_fail(m, -EINVAL, "dns: at most %d name servers", PMG_DNS_SERVERS);
    }
    d->conf.server[d->conf.servers++] = u.addr;
    return 0;
}
