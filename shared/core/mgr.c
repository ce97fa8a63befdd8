// SPDX-License-Identifier: GPL-2.0-only
//
// The manager: its limits, and the end of everything it owns.

#include "core_int.h"

void pmg_limits_default(pmg_limits_t *limits) {
    size_t memory = pmg_machine_memory(), quarter = memory / 4, half = memory / 2;
    (void)quarter, (void)half;
    *limits = (pmg_limits_t) {
#ifdef PMG_BOARD
#define X(name, desktop, board) .name = board,
#else
#define X(name, desktop, board) .name = desktop,
#endif
        PMG_LIMITS(X)
#undef X
    };
    size_t most = pmg_io_max_conns();
    if (most > 0 && limits->max_conns > most) {
        limits->max_conns = most;
    }
}

int pmg_mgr_new(pmg_mgr_t **out, const pmg_hooks_t *hooks, const pmg_limits_t *limits,
    void *owner) {
    *out = NULL;
    pmg_mgr_t *m = pmg_alloc(sizeof(*m));
    if (m == NULL) {
        return -ENOMEM;
    }
    memset(m, 0, sizeof(*m));
    mg_mgr_init(&m->mg);
    m->mg.extraconnsize = sizeof(pmg_conn_t);
    m->hooks = *hooks;
    m->given_hooks = hooks;
    pmg_log_check(m);
    m->limits = *limits;
    m->owner = owner;
    m->hash_size = 16;
    m->hash = pmg_alloc(m->hash_size * sizeof(*m->hash));
    m->scratch = pmg_alloc(PMG_READ_SIZE);
    int err = m->hash != NULL && m->scratch != NULL ? pmg_io_init(m) : -ENOMEM;
    if (err < 0) {
        pmg_free(m->hash);
        pmg_free(m->scratch);
        pmg_free(m);
        return err;
    }
    memset(m->hash, 0, m->hash_size * sizeof(*m->hash));
    m->now = pmg_port_millis();
    m->told_due = UINT64_MAX;
    pmg_live_add(1, 0, 0);
    *out = m;
    return 0;
}

void pmg_mgr_free(pmg_mgr_t *m, bool silent) {
    m->closing = true; // refuses new connections and timers: the loop below ends
    m->silent = silent;
    for (struct mg_connection *c = m->first; silent && c != NULL; c = pmg_x(c)->next) {
        pmg_events_set(c, 0);
    }
    m->depth++; // what runs Python in here, be it a file that is closed, may neither poll nor close
    while (m->work_first != NULL) { // each goes anyway, and need not be looked for
        pmg_x(m->work_first)->in_work = 0;
        m->work_first = pmg_x(m->work_first)->work_next;
    }
    m->work_last = NULL;
    m->work_len = 0;
    pmg_timers_free(m);
    while (m->first != NULL) {
        m->first->is_closing = 1;
        pmg_conn_free(m->first);
    }
    pmg_wakeups_free(m);
    while (m->attached != NULL) {
        pmg_attached_t *a = m->attached;
        m->attached = a->next;
        a->end(m, a);
    }
    pmg_outer_end(m);
    pmg_copies_leave(m);
    pmg_io_fini(m);
    pmg_free(m->heap);
    pmg_free(m->hash);
    pmg_free(m->scratch);
    pmg_free(m->spare);
#if PMG_LARGE_MAX > 0
    pmg_buf_free(&m->large[0]);
    pmg_buf_free(&m->large[1]);
#endif
    pmg_free(m);
    pmg_live_add(-1, 0, 0);
}

void *pmg_mgr_owner(pmg_mgr_t *m) {
    return m->owner;
}

bool pmg_mgr_in_hook(pmg_mgr_t *m) {
    return m->polling || m->depth > 0;
}

void pmg_mgr_events(pmg_mgr_t *m, uint32_t events, bool poll_events) {
    m->poll_events = poll_events;
    m->events = events;
}

size_t pmg_mgr_count(pmg_mgr_t *m) {
    size_t n = 0;
    for (struct mg_connection *c = pmg_mgr_next(m, NULL); c != NULL; c = pmg_mgr_next(m, c)) {
        n++;
    }
    return n;
}

struct mg_connection *pmg_mgr_next(pmg_mgr_t *m, struct mg_connection *c) {
    c = c == NULL ? m->first : pmg_x(c)->next;
    while (c != NULL && pmg_x(c)->internal) {
        c = pmg_x(c)->next;
    }
    return c;
}

void pmg_attach(pmg_mgr_t *m, pmg_attached_t *a) {
    a->next = m->attached;
    m->attached = a;
}

void pmg_detach(pmg_mgr_t *m, pmg_attached_t *a) {
    pmg_attached_t **at = &m->attached;
    while (*at != a) {
        at = &(*at)->next;
    }
    *at = a->next;
}

pmg_attached_t *pmg_attached(pmg_mgr_t *m, void (*end)(pmg_mgr_t *m, pmg_attached_t *a)) {
    pmg_attached_t *a = m->attached;
    while (a != NULL && a->end != end) {
        a = a->next;
    }
    return a;
}

int pmg_mgr_alive(pmg_mgr_t *m) {
    if (pmg_nested(m) < 0) {
        return -ELOOP;
    }
    return m->closing ? pmg_fail(m, -EBADF, "manager is closed") : pmg_io_check(m);
}
