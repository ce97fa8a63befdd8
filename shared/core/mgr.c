// SPDX-License-Identifier: GPL-2.0-only
//
// The manager: limits, errors, wake-ups from other threads, and the end of everything it owns.

#include "../base/record.h"

typedef struct pmg_wakeup {
    struct pmg_wakeup *next;
    unsigned long id;
    size_t len;
    char data[];
} pmg_wakeup_t;

static size_t live_managers, live_connections, live_timers;

void pmg_limits_default(pmg_limits_t *limits) {
    *limits = (pmg_limits_t) {
#ifdef PMG_BOARD
#define X(name, desktop, board) .name = board,
#else
#define X(name, desktop, board) .name = desktop,
#endif
        PMG_LIMITS(X)
#undef X
    };
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
    PMG_LOG_CHECK(m);
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
    __atomic_add_fetch(&live_managers, 1, __ATOMIC_RELAXED);
    *out = m;
    return 0;
}

void pmg_mgr_free(pmg_mgr_t *m, bool silent) {
    m->closing = true; // refuses new connections and timers: the loop below ends
    m->silent = silent;
    pmg_timers_free(m);
#if PMG_HAS_MDNS
    pmg_mdns_undraft(m);
#endif
    while (m->first != NULL) {
        m->first->is_closing = 1;
        pmg_conn_free(m->first);
    }
    while (m->wake_first != NULL) {
        pmg_wakeup_t *next = m->wake_first->next;
        pmg_free(m->wake_first);
        m->wake_first = next;
    }
    pmg_dns_free(m);
    pmg_io_fini(m);
    pmg_free(m->heap);
    pmg_free(m->hash);
#if PMG_HAS_TLS
    pmg_free(m->tls_ahead);
#endif
    pmg_free(m->scratch);
    pmg_free(m->spare);
    pmg_free(m);
    __atomic_sub_fetch(&live_managers, 1, __ATOMIC_RELAXED);
}

void *pmg_mgr_owner(pmg_mgr_t *m) {
    return m->owner;
}

bool pmg_mgr_in_hook(pmg_mgr_t *m) {
    return m->polling || m->depth > 0;
}

void pmg_mgr_poll_events(pmg_mgr_t *m, bool on) {
    m->poll_events = on;
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

// ---------------------------------------------------------------------------------------------
// Errors

int pmg_fail(pmg_mgr_t *m, int err, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    pmg_vsnprintf(m->err_text, sizeof(m->err_text), fmt, &ap);
    va_end(ap);
    for (char *p = m->err_text; *p != '\0'; p++) { // one line, so that no argument can forge a log
        if ((unsigned char)*p < ' ' || *p == 0x7f) {
            *p = '?';
        }
    }
    m->err = err;
    return err;
}

const char *pmg_error_text(pmg_mgr_t *m, int err) {
    if (m != NULL && m->err == err && m->err_text[0] != '\0') {
        return m->err_text;
    }
    return strerror(-err);
}

const char *pmg_event_name(int ev) {
    static const struct {
        int ev;
        const char *name;
    } names[] = {
#define X(name) {name, #name},
        PMG_CONSTANTS(X)
#undef X
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].ev == ev && ev != MG_EV_USER && strncmp(names[i].name, "MG_EV_", 6) == 0) {
            return names[i].name;
        }
    }
    return NULL;
}

void pmg_live_add(int connections, int timers) {
    __atomic_add_fetch(&live_connections, (size_t)connections, __ATOMIC_RELAXED);
    __atomic_add_fetch(&live_timers, (size_t)timers, __ATOMIC_RELAXED);
}

void pmg_live(pmg_live_t *out) {
    out->managers = __atomic_load_n(&live_managers, __ATOMIC_RELAXED);
    out->connections = __atomic_load_n(&live_connections, __ATOMIC_RELAXED);
    out->timers = __atomic_load_n(&live_timers, __ATOMIC_RELAXED);
    out->blocks = pmg_mem_blocks();
}

// ---------------------------------------------------------------------------------------------
// Randomness for WebSocket masks: one system call for sixteen of them

void pmg_random(pmg_mgr_t *m, void *buf, size_t len) {
    if (len > sizeof(m->random)) {
        (void)pmg_port_random(buf, len);
        return;
    }
    if (m->random_left < len) {
        (void)pmg_port_random(m->random, sizeof(m->random));
        m->random_left = sizeof(m->random);
    }
    m->random_left -= len;
    memcpy(buf, m->random + m->random_left, len);
}

// ---------------------------------------------------------------------------------------------
// Wake-ups

pmg_wakeup_t *pmg_wakeup_new(unsigned long id, const void *data, size_t len) {
    pmg_wakeup_t *w = len < SIZE_MAX / 2 ? pmg_alloc(sizeof(*w) + len) : NULL;
    if (w != NULL) {
        w->next = NULL;
        w->id = id;
        w->len = len;
        if (len > 0) {
            memcpy(w->data, data, len);
        }
    }
    return w;
}

void pmg_wakeup_free(pmg_wakeup_t *w) {
    pmg_free(w);
}

int pmg_wakeup_put(pmg_mgr_t *m, pmg_wakeup_t *w) {
    int err = pmg_io_check(m);
    if (err == 0 && w != NULL) {
        size_t size = sizeof(*w) + w->len;
        pmg_io_lock(m);
        if (m->wake_bytes + size > PMG_WAKEUP_BUDGET) {
            err = -ENOBUFS;
        } else {
            m->wake_bytes += size;
            if (m->wake_last != NULL) {
                m->wake_last->next = w;
            } else {
                m->wake_first = w;
            }
            m->wake_last = w;
        }
        pmg_io_unlock(m);
    }
    if (err == 0) {
        pmg_io_wake(m);
    }
    return err;
}

int pmg_mgr_wakeup(pmg_mgr_t *m, unsigned long id, const void *data, size_t len) {
    pmg_wakeup_t *w = NULL;
    if (id != 0 && (w = pmg_wakeup_new(id, data, len)) == NULL) {
        return -ENOMEM;
    }
    int err = pmg_wakeup_put(m, w);
    if (err < 0) {
        pmg_free(w);
    }
    return err;
}

#ifdef PMG_WAKEUP_SLOTS

int pmg_mgr_wakeup_irq(pmg_mgr_t *m, unsigned long id, const void *data, size_t len) {
    int err = id != 0 && len > PMG_WAKEUP_SLOT_SIZE ? -EMSGSIZE : 0;
    if (err == 0 && id != 0) {
        pmg_io_lock(m);
        if (m->wake_slots < PMG_WAKEUP_SLOTS) {
            size_t i = (m->wake_slot_first + (size_t)m->wake_slots) % PMG_WAKEUP_SLOTS;
            m->wake_slot[i].id = id;
            m->wake_slot[i].len = (unsigned char)len;
            memcpy(m->wake_slot[i].data, data, len);
            m->wake_slots++;
        } else {
            err = -ENOBUFS;
        }
        pmg_io_unlock(m);
    }
    pmg_io_wake(m);
    return err;
}

// Each that is there now, one at a time as below.
static void run_slots(pmg_mgr_t *m) {
    for (unsigned left = m->wake_slots; left > 0 && !m->stop; left--) {
        char text[PMG_WAKEUP_SLOT_SIZE];
        pmg_io_lock(m);
        size_t i = m->wake_slot_first;
        unsigned long id = m->wake_slot[i].id;
        struct mg_str data = mg_str_n(text, m->wake_slot[i].len);
        memcpy(text, m->wake_slot[i].data, data.len);
        m->wake_slot_first = (unsigned char)((i + 1) % PMG_WAKEUP_SLOTS);
        m->wake_slots--;
        pmg_io_unlock(m);
        struct mg_connection *c = pmg_conn_find(m, id);
        if (c != NULL && !c->is_closing) {
            mg_call(c, MG_EV_WAKEUP, &data);
        }
        m->done++;
    }
}

#endif

void pmg_wakeups_run(pmg_mgr_t *m) {
#ifdef PMG_WAKEUP_SLOTS
    run_slots(m);
#endif
    if (__atomic_load_n(&m->wake_first, __ATOMIC_ACQUIRE) == NULL) {
        return;
    }
    // One at a time: what a stop leaves behind stays queued, in order.
    pmg_io_lock(m);
    pmg_wakeup_t *last = m->wake_last;
    pmg_io_unlock(m);
    bool more = true;
    while (more && !m->stop) {
        pmg_io_lock(m);
        pmg_wakeup_t *w = m->wake_first;
        more = w != last && w != NULL;
        if (w != NULL) {
            m->wake_first = w->next;
            if (w->next == NULL) {
                m->wake_last = NULL;
            }
            m->wake_bytes -= sizeof(*w) + w->len;
        }
        pmg_io_unlock(m);
        if (w == NULL) {
            break;
        }
        struct mg_connection *c = pmg_conn_find(m, w->id);
        if (c != NULL && !c->is_closing) {
            struct mg_str data = mg_str_n(w->data, w->len);
            mg_call(c, MG_EV_WAKEUP, &data);
        }
        m->done++;
        pmg_free(w);
    }
}
