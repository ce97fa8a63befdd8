// SPDX-License-Identifier: GPL-2.0-only
//
// The name resolver: a stub that asks the system's recursive servers (RFC 1035, RFC 5452).
//
//   ask      somebody who waits for a name
//   lookup   one name that is asked for; all who ask for it share it
//   query    A or AAAA of a lookup, in a connection of its own that Python never sees. Each try
//            has a new socket, so a new source port, and a new id; the socket is connected, so
//            that only the server's own address can answer
//
// What a lookup found is told from its timer, never inside the call that began it or inside the
// event that brought the answer.

#include "dns_int.h"

static void end_lookup(pmg_dns_lookup_t *l) {
    pmg_mgr_t *m = l->m;
    pmg_dns_lookup_t **at = &l->d->lookups;
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

static void error_text(pmg_dns_lookup_t *l, char *text, size_t size) {
    static const char *const rcodes[] = {"", "FORMERR", "SERVFAIL", "", "NOTIMP", "REFUSED"};
    pmg_addr_t server = {.port = 0};
    const char *name = l->name;
    if (pmg_dns_is_local(l->asked)) {
        pmg_snprintf(server.host, sizeof(server.host), "the local network");
    } else if (l->d->conf.servers > l->server) {
        pmg_addr_text(&l->d->conf.server[l->server], &server);
    }
    switch (l->result) {
        case PMG_DNS_NXDOMAIN: pmg_snprintf(text, size, "no such name: %s", name); break;
        case PMG_DNS_NO_ADDRESS:
            pmg_snprintf(text, size, "name without an address: %s", name);
            break;
        case PMG_DNS_NO_ANSWER:
            pmg_snprintf(text, size, "name lookup: no answer from %s about %s", server.host, name);
            break;
        case PMG_DNS_NO_SERVER:
            pmg_snprintf(text, size, "name lookup: no name server is known to ask for %s", name);
            break;
        case PMG_DNS_BROKEN:
            pmg_snprintf(text, size, "name lookup: unusable answer from %s about %s", server.host,
                name);
            break;
        case PMG_DNS_NO_HOST:
            pmg_snprintf(text, size, "name lookup: nobody near answers to %s", name);
            break;
        case PMG_DNS_NO_MDNS:
            pmg_snprintf(text, size, "name lookup: this build has no mDNS to ask for %s", name);
            break;
        case PMG_DNS_BAD_NAME: pmg_snprintf(text, size, "no valid name: %s", name); break;
        case PMG_DNS_SYSTEM:
            pmg_snprintf(text, size, "name lookup: asking %s: %s", server.host, strerror(-l->err));
            break;
        default:
            pmg_snprintf(text, size, "name lookup: %s says %s about %s", server.host,
                l->result <= 5 ? rcodes[l->result] : "that it failed", name);
            break;
    }
}

// Takes the next of those who wait for it off the list; NULL: all were told.
static pmg_dns_ask_t *next_ask(pmg_dns_lookup_t *l) {
    pmg_dns_ask_t **at = &l->d->asks;
    while (*at != NULL && (*at)->lookup != l) {
        at = &(*at)->next;
    }
    pmg_dns_ask_t *ask = *at;
    if (ask != NULL) {
        *at = ask->next;
        ask->lookup = NULL;
        l->asks--;
    }
    return ask;
}

static void deliver(pmg_dns_lookup_t *l) {
    char text[352];
    const char *error = NULL;
    if (l->result != PMG_DNS_FOUND) {
        error_text(l, text, sizeof(text));
        error = text;
    }
    for (pmg_dns_ask_t *ask; !l->m->stop && (ask = next_ask(l)) != NULL;) {
        ask->found(ask, error == NULL ? &l->found : NULL, error);
    }
    if (l->asks == 0) {
        end_lookup(l);
    }
}

static void fired(pmg_timer_t *t) {
    pmg_dns_lookup_t *l = t->arg;
    pmg_dns_due(l);
    if (l->result == PMG_DNS_PENDING) {
        return;
    }
    if (l->result == PMG_DNS_FOUND && l->ttl != UINT32_MAX) {
        pmg_dns_sort(l->m, &l->found);
        pmg_dns_cache_put(&l->d->cache, l->asked, pmg_port_millis(), l->ttl, &l->found);
        l->ttl = UINT32_MAX;
    }
    deliver(l);
}

static pmg_dns_lookup_t *new_lookup(pmg_mgr_t *m, pmg_dns_t *d) {
    pmg_dns_lookup_t *l = pmg_heap_reserve(m) ? pmg_alloc(sizeof(*l)) : NULL;
    if (l == NULL) {
        return NULL;
    }
    memset(l, 0, sizeof(*l));
    l->m = m;
    l->d = d;
    l->timer.mgr = m;
    l->timer.arg = l;
    l->timer.fn = fired;
    l->result = PMG_DNS_PENDING;
    l->ttl = UINT32_MAX;
    l->last = PMG_DNS_NO_ANSWER;
    l->next = d->lookups;
    d->lookups = l;
    m->timers++;
    return l;
}

static pmg_dns_lookup_t *begin(pmg_mgr_t *m, pmg_dns_t *d, const char *name, bool absolute,
    const struct mg_addr *addr) {
    pmg_dns_lookup_t *l = d->lookups;
    if (pmg_dns_conf_refresh(m, &d->conf)) {
        pmg_dns_cache_clear(&d->cache); // another network, perhaps with other answers
    }
    while (l != NULL && (addr != NULL || l->result != PMG_DNS_PENDING || l->absolute != absolute ||
                            strcmp(l->name, name) != 0)) {
        l = l->next;
    }
    if (l != NULL || (l = new_lookup(m, d)) == NULL) {
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
        l->result = PMG_DNS_FOUND;
        pmg_dns_arm(l);
    } else {
        pmg_dns_begin(l);
    }
    return l;
}

// ---------------------------------------------------------------------------------------------
// What is asked of the resolver

static void end(pmg_mgr_t *m, pmg_attached_t *a) {
    pmg_dns_t *d = (pmg_dns_t *)(void *)a;
    (void)m;
    while (d->lookups != NULL) {
        end_lookup(d->lookups);
    }
    pmg_dns_cache_clear(&d->cache);
    pmg_free(d);
}

// The manager's resolver, made when it is first needed. NULL: no memory.
static pmg_dns_t *get_dns(pmg_mgr_t *m) {
    pmg_dns_t *d = (pmg_dns_t *)(void *)pmg_attached(m, end);
    if (d == NULL && (d = pmg_alloc(sizeof(*d))) != NULL) {
        memset(d, 0, sizeof(*d));
        d->attached.end = end;
        pmg_dns_conf_init(&d->conf);
        pmg_attach(m, &d->attached);
    }
    return d;
}

int pmg_dns_start(pmg_mgr_t *m, pmg_dns_ask_t *ask, struct mg_str host,
    const struct mg_addr *addr) {
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
    pmg_dns_t *d = get_dns(m);
    pmg_dns_lookup_t *l = d != NULL ? begin(m, d, name, absolute, addr) : NULL;
    if (l == NULL) {
        return -ENOMEM;
    }
    ask->lookup = l;
    ask->next = d->asks;
    d->asks = ask;
    l->asks++;
    return 0;
}

void pmg_dns_cancel(pmg_mgr_t *m, pmg_dns_ask_t *ask) {
    pmg_dns_lookup_t *l = ask->lookup;
    (void)m;
    if (l == NULL) {
        return;
    }
    pmg_dns_ask_t **at = &l->d->asks;
    while (*at != ask) {
        at = &(*at)->next;
    }
    *at = ask->next;
    ask->lookup = NULL;
    if (--l->asks == 0 && l->result == PMG_DNS_PENDING) {
        end_lookup(l); // nobody wants to know; one that is done ends in its timer
    }
}

int pmg_dns_own_servers(pmg_mgr_t *m) {
    pmg_dns_t *d = get_dns(m);
    if (d == NULL) {
        return -ENOMEM;
    }
    d->conf.fixed = true;
    return 0;
}

int pmg_dns_add_server(pmg_mgr_t *m, const struct mg_addr *server) {
    pmg_dns_conf_t *conf = &get_dns(m)->conf; // it is there: pmg_dns_own_servers() came first
    if (conf->servers == PMG_DNS_SERVERS) {
        return -ENOSPC;
    }
    conf->server[conf->servers++] = *server;
    return 0;
}
