// SPDX-License-Identifier: GPL-2.0-only
//
// Of a name with several addresses: each is tried by a connection that Python never sees, and who
// stands first gives its socket to the program's (RFC 8305, "Happy Eyeballs"). dns/order.c says who
// begins.

#include "open_int.h"

// RFC 8305, section 5: so long is an attempt alone. One that fails has a successor at once.
#define DELAY_MS 250
// With no room for another attempt: so long before the oldest is given up for it.
#define ATTEMPT_MS 3000
#ifdef PMG_BOARD
#define UNDER_WAY_MAX 2 // sockets are few
#else
#define UNDER_WAY_MAX PMG_DNS_ADDRS
#endif

typedef struct {
    pmg_search_t *search; // NULL: it is over
    struct mg_connection *older;
} attempt_t;
PMG_FITS(attempt_t, PMG_STATE_SIZE);

static attempt_t *attempt_of(struct mg_connection *r) {
    return pmg_state(r);
}

static pmg_search_t *race_of(struct mg_connection *c) {
    return c->is_connecting ? (pmg_search_t *)(void *)pmg_x(c)->wait : NULL;
}

static void forget(struct mg_connection *r) {
    attempt_t *a = attempt_of(r);
    if (a->search != NULL) {
        struct mg_connection **at = &a->search->attempts;
        while (*at != r) {
            at = &attempt_of(*at)->older;
        }
        *at = a->older;
        a->search->under_way--;
        a->search = NULL;
    }
}

static const pmg_protocol_t attempt = {.name = "an attempt to connect", .end = forget};

static void drop(struct mg_connection *r) {
    forget(r);
    pmg_close(r);
}

static void give_up_oldest(pmg_search_t *s) {
    struct mg_connection *r = s->attempts;
    while (attempt_of(r)->older != NULL) {
        r = attempt_of(r)->older;
    }
    pmg_outer_forget(r);
    pmg_io_close(r); // what it has is wanted now
    drop(r);
}

static void attempt_ready(struct mg_connection *r, int mask, bool error);

// 0; or why not, and `*again`: that is not the address's fault, and others are under way.
static int try_one(pmg_search_t *s, const struct mg_addr *to, bool *again) {
    pmg_mgr_t *m = pmg_m(s->c);
    struct mg_connection *r = pmg_conn_new_inner(m);
    int err = -ENOMEM;
    if (r != NULL) {
        pmg_x(r)->speaks = &attempt;
        r->is_client = 1;
        r->rem = *to;
        r->rem.port = s->port;
        do {
            err = pmg_io_connect(r, NULL);
        } while (s->under_way == 0 && pmg_no_descriptor(m, err));
    }
    if (err == 0 || err == -EINPROGRESS) {
        r->is_connecting = 1;
        pmg_x(r)->ready = attempt_ready;
        *attempt_of(r) = (attempt_t) {s, s->attempts};
        s->attempts = r;
        s->under_way++;
        s->c->rem = r->rem;
        return 0;
    }
    if (r != NULL) {
        pmg_conn_free(r);
    }
    *again =
        s->under_way > 0 && (err == -EMFILE || err == -ENFILE || err == -ENOMEM || err == -ENOBUFS);
    return err;
}

static void arm(pmg_search_t *s) {
    uint64_t t = pmg_port_millis(), left = s->deadline > t ? s->deadline - t : 1;
    uint64_t next = s->is_short || s->under_way >= UNDER_WAY_MAX ? ATTEMPT_MS : DELAY_MS;
    if (s->at == s->addrs.count) {
        next = 0;
    } else if (s->deadline != 0 && left < next) {
        next = left;
    }
    pmg_deadline(s->c, s->by->late, next > 0 ? next : s->deadline != 0 ? left : 0);
}

// The next address, past those that fail at once. `err`: why the last one did not stand.
static void go_on(pmg_search_t *s, int err) {
    bool started = false;
    s->is_short = false;
    while (!started && !s->is_short && s->at < s->addrs.count) {
        int r = try_one(s, &s->addrs.a[s->at], &s->is_short);
        started = r == 0;
        s->at += !s->is_short;
        err = r < 0 ? r : err;
    }
    if (s->under_way > 0) {
        arm(s);
    } else {
        s->by->lost(s->c, err);
    }
}

static void attempt_ready(struct mg_connection *r, int mask, bool error) {
    pmg_search_t *s = attempt_of(r)->search;
    bool over = s == NULL || s->c->is_closing;
    int err = over ? -ECANCELED : pmg_io_connect_result(r);
    (void)mask, (void)error;
    if (over) {
        drop(r);
    }
    if (over || err == -EINPROGRESS) {
        return;
    }
    bool latest = s->attempts == r;
    if (err == 0) {
        s->c->rem = r->rem;
        pmg_outer_forget(r);
        err = pmg_io_give(r, s->c);
    }
    drop(r);
    if (err == 0) {
        s->by->won(s->c);
    } else if (latest || s->under_way == 0) { // an older one has its successor already
        go_on(s, err);
    }
}

void pmg_race_begin(struct mg_connection *c) {
    pmg_search_t *s = (pmg_search_t *)(void *)pmg_x(c)->wait;
    c->is_connecting = 1;
    pmg_x(c)->io_mask = PMG_IO_WRITE; // there is nothing to watch
    go_on(s, -EHOSTUNREACH);
}

bool pmg_race_late(struct mg_connection *c) {
    pmg_search_t *s = race_of(c);
    if (s == NULL || s->under_way == 0 || s->at == s->addrs.count ||
        (s->deadline != 0 && pmg_port_millis() >= s->deadline)) {
        return false;
    }
    if (s->is_short || s->under_way >= UNDER_WAY_MAX) {
        give_up_oldest(s);
    }
    go_on(s, -ETIMEDOUT);
    return true;
}

void pmg_race_end(pmg_search_t *s) {
    while (s->attempts != NULL) {
        drop(s->attempts);
    }
}
