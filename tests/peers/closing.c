// SPDX-License-Identifier: GPL-2.0-only
//
// What it costs to close one connection among many: `closing N` prints how many basic blocks of ours and
// of Mongoose's ran (-fsanitize-coverage=trace-pc), over the backend in memory, which is not counted.

#include <stdio.h>

#include "fuzz/net.h"
#include "pmg.h"

static unsigned long blocks;
void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void) {
    blocks++;
}

static struct mg_connection *middle;
static unsigned opened, wanted;

static int on_open(struct mg_connection *c, struct mg_connection *listener, void *arg) {
    (void)arg;
    if (listener != NULL && ++opened == wanted) {
        middle = c;
    }
    return 0;
}
static int on_event(struct mg_connection *c, int ev, void *data) {
    (void)c, (void)ev, (void)data;
    return 0;
}
static void on_free(struct mg_connection *c) {
    (void)c;
}
static int on_timer(pmg_timer_t *t) {
    (void)t;
    return 0;
}
static void on_timer_free(pmg_timer_t *t) {
    (void)t;
}

int main(int argc, char **argv) {
    static const pmg_hooks_t hooks = {on_open, on_event, on_free, on_timer, on_timer_free};
    pmg_limits_t limits;
    pmg_mgr_t *m;
    struct mg_connection *c;
    unsigned n = argc > 1 ? (unsigned)atoi(argv[1]) : 0;
    wanted = n / 2;
    pmg_limits_default(&limits);
    limits.max_conns = 0;
    limits.max_memory = 0;
    if (pmg_mgr_new(&m, &hooks, &limits, NULL) < 0 ||
        pmg_listen(m, "http://127.0.0.1:80", &pmg_http, -1, NULL, &c) < 0) {
        return 1;
    }
    for (unsigned i = 0; i < n; i++) {
        (void)net_dial(80);
        (void)pmg_mgr_poll(m, 0);
    }
    if (opened != n || middle == NULL) {
        return 2;
    }
    blocks = 0;
    pmg_close(middle);
    (void)pmg_mgr_poll(m, 0);
    unsigned long cost = blocks;
    if (pmg_mgr_count(m) != n) { // and the listener
        return 3;
    }
    printf("%lu\n", cost);
    return 0;
}
