// SPDX-License-Identifier: GPL-2.0-only
//
// Wake-ups from other threads and from interrupts.

#include "core_int.h"

typedef struct pmg_wakeup {
    struct pmg_wakeup *next;
    unsigned long id;
    size_t len;
    char data[];
} pmg_wakeup_t;

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

// A share of max_memory, too: the loop, which empties the queue, may be busy for long.
static size_t wake_max(const pmg_mgr_t *m) {
    size_t max = m->limits.max_memory / PMG_WAKEUP_SHARE;
    return max > 0 && max < PMG_WAKEUP_BUDGET ? max : PMG_WAKEUP_BUDGET;
}

// Under the lock; the budget reads it without.
static void set_wake_bytes(pmg_mgr_t *m, size_t bytes) {
    __atomic_store_n(&m->wake_bytes, bytes, __ATOMIC_RELAXED);
}

int pmg_wakeup_put(pmg_mgr_t *m, pmg_wakeup_t *w) {
    int err = pmg_io_check(m);
    if (err == 0 && w != NULL) {
        size_t size = sizeof(*w) + w->len;
        pmg_io_lock(m);
        if (m->wake_bytes + size > wake_max(m)) {
            err = -ENOBUFS;
        } else {
            set_wake_bytes(m, m->wake_bytes + size);
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
            pmg_call(c, MG_EV_WAKEUP, &data);
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
            set_wake_bytes(m, m->wake_bytes - sizeof(*w) - w->len);
        }
        pmg_io_unlock(m);
        if (w == NULL) {
            break;
        }
        struct mg_connection *c = pmg_conn_find(m, w->id);
        if (c != NULL && !c->is_closing) {
            struct mg_str data = mg_str_n(w->data, w->len);
            pmg_call(c, MG_EV_WAKEUP, &data);
        }
        m->done++;
        pmg_free(w);
    }
}

void pmg_wakeups_free(pmg_mgr_t *m) {
    while (m->wake_first != NULL) {
        pmg_wakeup_t *next = m->wake_first->next;
        pmg_free(m->wake_first);
        m->wake_first = next;
    }
}
