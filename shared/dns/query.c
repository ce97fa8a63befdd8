// SPDX-License-Identifier: GPL-2.0-only
//
// The name resolver's questions to servers: tries, time-outs, the search list, UDP and TCP.

#include "dns_int.h"

#include "../base/bytes.h"

// With the addresses of one family at hand, the other's answer is waited for so long (RFC 8305, 3).
#define GRACE_MS 500
// Datagrams that are no answer to the question, before the question is asked from another port.
#define WRONG_MAX 64
#define TRY_MAX_MS 30000
#define TCP_MS 5000
// Questions by multicast: at once, after a second and after two more (RFC 6762, 5.2).
#define LOCAL_TRIES 3

// ---------------------------------------------------------------------------------------------
// Queries

static const pmg_protocol_t protocol;

static void tcp_ready(struct mg_connection *c, int mask, bool error);

static void close_query(pmg_dns_query_t *q) {
    if (q->c != NULL) {
        pmg_x(q->c)->obj = NULL;
        pmg_close(q->c);
        q->c = NULL;
    }
}

// Opens a connection to a server (NULL: to all neighbors) and, of UDP, asks. 0 or why not.
static int open_query(pmg_dns_lookup_t *l, pmg_dns_query_t *q, const struct mg_addr *server) {
    uint8_t buf[PMG_DNS_QUERY_MAX];
    struct mg_connection *c = pmg_conn_new_inner(l->m);
    if (c == NULL) {
        return -ENOMEM;
    }
    pmg_conn_t *x = pmg_x(c);
    x->speaks = &protocol;
    x->obj = l;
    x->ready = q->tcp ? tcp_ready : pmg_datagram_ready;
    c->is_client = 1;
    c->is_udp = !q->tcp;
    q->c = c;
    if (!pmg_random(l->m, &q->id,
            sizeof(q->id))) { // with an id that can be guessed anybody answers
        close_query(q);
        return -EIO;
    }
#if PMG_HAS_MDNS
    if (server == NULL) {
        int failed = pmg_dns_local_ask(c, q->id, l->asked);
        if (failed < 0) {
            close_query(q);
            return failed;
        }
        x->connected = 1;
        pmg_wants(c);
        return 0;
    }
#endif
    c->rem = *server;
    int err;
    do {
        err = pmg_io_connect(c, NULL);
    } while (pmg_no_descriptor(pmg_m(c), err));
    if (q->tcp && (err == 0 || err == -EINPROGRESS)) {
        c->is_connecting = 1;
        pmg_wants(c);
        return 0;
    }
    if (err == 0) {
        x->connected = 1;
        pmg_wants(c);
        size_t len = pmg_dns_query(buf, q->id, l->asked, q->type);
        long n = pmg_io_write(c, buf, len);
        err = n >= 0 || n == -EAGAIN ? 0 : (int)n; // one that did not leave is lost like another
    }
    if (err < 0) {
        close_query(q);
    }
    return err;
}

// Asks the neighbors, who are silent where they do not know. Gives up as ask() does.
static void ask_near(pmg_dns_lookup_t *l, pmg_dns_query_t *q) {
#if PMG_HAS_MDNS
    if (l->d->conf.fixed && l->d->conf.servers == 0) { // dns=[] asks nobody
        q->result = PMG_DNS_NO_SERVER;
        return;
    }
    if (q->tries == LOCAL_TRIES) {
        q->result = l->last == PMG_DNS_SYSTEM ? PMG_DNS_SYSTEM : PMG_DNS_NO_HOST;
        return;
    }
    l->last = PMG_DNS_NO_HOST;
    q->due = pmg_port_millis() + (q->tries++ == 1 ? 2000 : 1000);
    int err = open_query(l, q, NULL);
    if (err < 0) { // a network may come up meanwhile
        l->err = err;
        l->last = PMG_DNS_SYSTEM;
    }
#else
    (void)l;
    q->result = PMG_DNS_NO_MDNS;
#endif
}

// Asks the next server, or gives up: then q->result is no longer PMG_DNS_PENDING. `result` is
// what the last try met.
static void ask(pmg_dns_lookup_t *l, pmg_dns_query_t *q, int result) {
    const pmg_dns_conf_t *conf = &l->d->conf;
    close_query(q);
    q->tcp = false;
    if (pmg_dns_is_local(l->asked)) {
        ask_near(l, q);
        return;
    }
    for (;;) {
        if (result != PMG_DNS_PENDING) {
            l->last = (uint8_t)result;
            l->server = q->tries > 0 && conf->servers > 0 ? (q->tries - 1) % conf->servers : 0;
        }
        if (conf->servers == 0) {
            q->result = PMG_DNS_NO_SERVER;
            return;
        }
        unsigned round = q->tries / conf->servers;
        if (round >= conf->attempts) {
            q->result = l->last;
            return;
        }
        uint64_t wait = (uint64_t)conf->timeout << round;
        q->due = pmg_port_millis() + (wait < TRY_MAX_MS ? wait : TRY_MAX_MS);
        q->wrong = 0;
        int err = open_query(l, q, &conf->server[q->tries++ % conf->servers]);
        if (err == 0) {
            return;
        }
        result = PMG_DNS_SYSTEM;
        l->err = err;
        if (err == -ENOMEM || err == -ENOBUFS || err == -EMFILE || err == -ENFILE || err == -EIO) {
            l->last = PMG_DNS_SYSTEM; // of this host, not of the server: waiting may help
            return;
        }
    }
}

static void ask_by_tcp(pmg_dns_lookup_t *l, pmg_dns_query_t *q) {
    close_query(q);
    q->tcp = true;
    q->due = pmg_port_millis() + TCP_MS;
    int i = (q->tries - 1) % l->d->conf.servers;
    int err = open_query(l, q, &l->d->conf.server[i]);
    if (err < 0) {
        l->err = err;
        ask(l, q, PMG_DNS_SYSTEM);
    }
}

// ---------------------------------------------------------------------------------------------
// Lookups

void pmg_dns_arm(pmg_dns_lookup_t *l) {
    uint64_t due = l->result != PMG_DNS_PENDING ? 0 : UINT64_MAX;
    for (int i = 0; i < 2; i++) {
        if (l->result == PMG_DNS_PENDING && l->q[i].result == PMG_DNS_PENDING &&
            l->q[i].due < due) {
            due = l->q[i].due;
        }
    }
    pmg_heap_set(&l->timer, due);
    if (l->m->waiting) {
        pmg_io_wake(l->m);
    }
}

// Puts the step's name into l->asked; false when there are no more. As libc does it: a name with
// enough dots is asked for as it is first, any other with the search domains first.
static bool step_name(pmg_dns_lookup_t *l) {
    const pmg_dns_conf_t *conf = &l->d->conf;
    unsigned dots = 0, searches = l->absolute ? 0 : conf->searches;
    for (const char *p = l->name; *p != '\0'; p++) {
        dots += *p == '.';
    }
    for (; l->step <= searches; l->step++) {
        bool first = dots >= conf->ndots;
        unsigned i = first ? l->step - 1u : l->step; // of the domain
        size_t n = strlen(l->name);
        memcpy(l->asked, l->name, n + 1);
        if (first ? l->step == 0 : l->step == searches) {
            return true;
        }
        const char *domain = conf->domains + conf->search[i];
        if (n + 1 + strlen(domain) <= PMG_DNS_NAME_MAX) {
            l->asked[n] = '.';
            memcpy(l->asked + n + 1, domain, strlen(domain) + 1);
            return true;
        }
    }
    return false;
}

void pmg_dns_close_queries(pmg_dns_lookup_t *l) {
    close_query(&l->q[0]);
    close_query(&l->q[1]);
}

static void finish(pmg_dns_lookup_t *l, int result) {
    pmg_dns_close_queries(l);
    l->result = (uint8_t)result;
}

static void ask_step(pmg_dns_lookup_t *l) {
    static const struct mg_addr any6 = {.addr.ip = {0x20, 0x01}, .port = 0xffff, .is_ip6 = true};
    uint8_t buf[PMG_DNS_QUERY_MAX];
    if (!step_name(l)) {
        finish(l, l->last);
        return;
    }
    if (pmg_dns_query(buf, 0, l->asked, PMG_DNS_A) == 0) {
        finish(l, PMG_DNS_BAD_NAME);
        return;
    }
    l->grace = false;
    l->found.count = 0;
    l->ttl = UINT32_MAX;
    if (pmg_dns_cache_get(&l->d->cache, l->asked, pmg_port_millis(), &l->found)) {
        finish(l, PMG_DNS_FOUND);
        return;
    }
    memset(l->q, 0, sizeof(l->q));
    l->q[0].type = PMG_DNS_A;
    l->q[1].type = PMG_DNS_AAAA;
    l->q[0].result = l->q[1].result = PMG_DNS_PENDING;
    if (pmg_dns_is_local(l->asked) || pmg_io_route(l->m, &any6) == -EAFNOSUPPORT) {
        l->q[1].result = PMG_DNS_NO_ADDRESS;
    }
    for (int i = 0; i < 2; i++) {
        if (l->q[i].result == PMG_DNS_PENDING) {
            ask(l, &l->q[i], PMG_DNS_PENDING);
        }
    }
}

// After a query ended: is the step done, is the lookup?
static void advance(pmg_dns_lookup_t *l) {
    while (l->result == PMG_DNS_PENDING) {
        bool open[2] = {l->q[0].result == PMG_DNS_PENDING, l->q[1].result == PMG_DNS_PENDING};
        if (open[0] || open[1]) {
            if (l->found.count > 0 && !l->grace && open[0] != open[1]) {
                uint64_t limit = pmg_port_millis() + GRACE_MS;
                pmg_dns_query_t *q = &l->q[open[1]];
                q->due = q->due < limit ? q->due : limit;
                l->grace = true;
            }
            break;
        }
        if (l->found.count > 0) {
            finish(l, PMG_DNS_FOUND);
            break;
        }
        // What one of both says for certain counts more than that the other failed.
        int a = l->q[0].result, b = l->q[1].result;
        int result = a == PMG_DNS_NXDOMAIN || b == PMG_DNS_NXDOMAIN ? PMG_DNS_NXDOMAIN
                     : a == PMG_DNS_NO_ADDRESS                      ? b
                                                                    : a;
        if (result == PMG_DNS_NXDOMAIN && l->last == PMG_DNS_NO_ADDRESS) {
            result = PMG_DNS_NO_ADDRESS; // another step's name was there
        }
        l->last = (uint8_t)result;
        if (result == PMG_DNS_NO_ANSWER || result == PMG_DNS_SYSTEM ||
            result == PMG_DNS_NO_SERVER) {
            finish(l, result);
            break;
        }
        l->step++;
        ask_step(l);
    }
    pmg_dns_arm(l);
}

static void answered(pmg_dns_lookup_t *l, pmg_dns_query_t *q, const uint8_t *msg, size_t len) {
    pmg_dns_answer_t answer;
    size_t before = l->found.count;
    int err = pmg_dns_parse(msg, len, q->id, l->asked, q->type, &answer, &l->found);
    if (err == -EAGAIN && !q->tcp && ++q->wrong < WRONG_MAX) {
        return; // somebody else's: the true one may still come
    }
    if (err < 0) {
        ask(l, q, err == -EAGAIN ? PMG_DNS_NO_ANSWER : PMG_DNS_BROKEN);
    } else if (answer.cut && q->tcp) {
        ask(l, q, PMG_DNS_BROKEN);
    } else if (answer.cut) {
        ask_by_tcp(l, q);
    } else if (answer.rcode == PMG_DNS_NXDOMAIN || answer.rcode == PMG_DNS_OK) {
        close_query(q);
        q->result = answer.rcode == PMG_DNS_NXDOMAIN ? PMG_DNS_NXDOMAIN
                    : l->found.count > before        ? PMG_DNS_FOUND
                                                     : PMG_DNS_NO_ADDRESS;
        if (q->result == PMG_DNS_FOUND && answer.ttl < l->ttl) {
            l->ttl = answer.ttl;
        }
    } else {
        ask(l, q, answer.rcode); // another server may know
    }
    advance(l);
}

#if PMG_HAS_MDNS
static void answered_near(pmg_dns_lookup_t *l, pmg_dns_query_t *q) {
    if (pmg_dns_local_parse(q->c, q->id, l->asked, &l->ttl, &l->found)) {
        close_query(q);
        q->result = PMG_DNS_FOUND;
        advance(l);
    }
}
#endif

static void tcp_read(pmg_dns_lookup_t *l, pmg_dns_query_t *q) {
    struct mg_connection *c = q->c;
    size_t len = c->recv.len >= 2 ? (size_t)(c->recv.buf[0] << 8 | c->recv.buf[1]) : 0;
    if (c->recv.len < 2 || (len <= PMG_DNS_TCP_MAX && c->recv.len < len + 2)) {
        return;
    }
    if (len > PMG_DNS_TCP_MAX) {
        ask(l, q, PMG_DNS_BROKEN);
        advance(l);
    } else {
        answered(l, q, c->recv.buf + 2, len);
    }
}

static void tcp_ask(pmg_dns_lookup_t *l, pmg_dns_query_t *q) {
    uint8_t buf[2 + PMG_DNS_QUERY_MAX];
    size_t len = pmg_dns_query(buf + 2, q->id, l->asked, q->type);
    pmg_put16(buf, (unsigned)len);
    if (!pmg_out(q->c, buf, len + 2)) {
        l->err = -ENOMEM;
        ask(l, q, PMG_DNS_SYSTEM);
        advance(l);
    }
}

static pmg_dns_query_t *query_of(struct mg_connection *c, pmg_dns_lookup_t *l) {
    return l->q[0].c == c ? &l->q[0] : &l->q[1];
}

// The connection to a server stands, or does not.
static void tcp_ready(struct mg_connection *c, int mask, bool error) {
    pmg_dns_lookup_t *l = pmg_x(c)->obj;
    int err = pmg_io_connect_result(c);
    (void)mask, (void)error;
    if (l == NULL || err == -EINPROGRESS) {
        return;
    }
    if (err < 0) {
        ask(l, query_of(c, l), PMG_DNS_NO_ANSWER);
        advance(l);
        return;
    }
    c->is_connecting = 0;
    pmg_x(c)->connected = 1;
    pmg_x(c)->ready = pmg_stream_ready;
    tcp_ask(l, query_of(c, l));
    pmg_update(c);
}

static void read_answer(struct mg_connection *c) {
    pmg_dns_lookup_t *l = pmg_x(c)->obj;
    if (l == NULL) {
        return;
    }
    pmg_dns_query_t *q = query_of(c, l);
    if (q->tcp) {
        tcp_read(l, q);
#if PMG_HAS_MDNS
    } else if (pmg_x(c)->multicast) {
        answered_near(l, q);
#endif
    } else {
        answered(l, q, c->recv.buf, c->recv.len);
    }
}

// It failed, or the server has closed it.
static void closing(struct mg_connection *c) {
    pmg_dns_lookup_t *l = pmg_x(c)->obj;
    if (l == NULL) {
        return;
    }
    pmg_dns_query_t *q = query_of(c, l);
    if (pmg_m(c)->closing) {
        q->c = NULL;
    } else {
        ask(l, q, PMG_DNS_NO_ANSWER);
        advance(l);
    }
}

static const pmg_protocol_t protocol = {
    .name = "DNS",
    .read = read_answer,
    .closing = closing,
};

void pmg_dns_begin(pmg_dns_lookup_t *l) {
    ask_step(l);
    advance(l);
}

void pmg_dns_due(pmg_dns_lookup_t *l) {
    for (int i = 0; i < 2 && l->result == PMG_DNS_PENDING; i++) {
        pmg_dns_query_t *q = &l->q[i];
        if (q->result == PMG_DNS_PENDING && q->due <= pmg_port_millis()) {
            if (l->grace) {
                close_query(q);
                q->result = PMG_DNS_NO_ADDRESS;
            } else {
                ask(l, q, q->c == NULL ? l->last : PMG_DNS_NO_ANSWER);
            }
        }
    }
    advance(l);
}
