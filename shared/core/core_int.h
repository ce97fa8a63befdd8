// SPDX-License-Identifier: GPL-2.0-only
//
// What the core offers to the parts above it.
//
// May Python run?  In pmg_budget_tell, pmg_outer_*, pmg_fire, pmg_call, pmg_fatal, pmg_flush, pmg_update, pmg_watch,
// pmg_watch_sending (no memory is an error) and pmg_conn_free: then
// buffers may have moved and the connection may be closing (it is not freed: see loop.c). Nowhere
// else.
#ifndef PMG_CORE_INT_H
#define PMG_CORE_INT_H

#include "../base/record.h"
#include "../io/io.h"
#include "core.h"

// conn.c
struct mg_connection *pmg_conn_new(pmg_mgr_t *m);       // in the table, no object yet
struct mg_connection *pmg_conn_new_inner(pmg_mgr_t *m); // one that Python never sees
void pmg_conn_free(struct mg_connection *c);            // MG_EV_CLOSE and away; only from the loop
struct mg_connection *pmg_conn_find(pmg_mgr_t *m, unsigned long id);
// 0; or -EPIPE with its text: the connection is closing or draining.
int pmg_conn_alive(struct mg_connection *c);
// Gives its protocol's state back and speaks another, with a fresh one.
void pmg_conn_speak(struct mg_connection *c, const pmg_protocol_t *speaks);

// mgr.c
void pmg_attach(pmg_mgr_t *m, pmg_attached_t *a);
void pmg_detach(pmg_mgr_t *m, pmg_attached_t *a); // it is attached
// What was attached with this end(), or NULL.
pmg_attached_t *pmg_attached(pmg_mgr_t *m, void (*end)(pmg_mgr_t *m, pmg_attached_t *a));
// 0, or why nothing can be opened: -EBADF closed, -ECHILD of another process, -ELOOP.
int pmg_mgr_alive(pmg_mgr_t *m);

// event.c
void pmg_events_set(struct mg_connection *c, uint32_t events);
// No Python sees it, and no event of it is fired; until it is shown: the open hook, or why not.
void pmg_hide(struct mg_connection *c);
int pmg_show(struct mg_connection *c, void *arg);
static inline bool pmg_hears(struct mg_connection *c, int ev) {
    return (pmg_x(c)->events & PMG_EVENT_BIT(ev)) != 0;
}
void pmg_fire(struct mg_connection *c, int ev, void *data); // to Python
void pmg_call(struct mg_connection *c, int ev, void *data); // and sees to it if that closed it
void pmg_fatal(struct mg_connection *c, const char *text);  // MG_EV_ERROR, then close
// MG_EV_ERROR; what is queued is still sent, and read until the peer has closed.
void pmg_refuse(struct mg_connection *c, const char *text);
void pmg_drain_late(struct mg_connection *c);
void pmg_drain_deadline(struct mg_connection *c); // the peer has so long to take what is queued

// timer.c
bool pmg_heap_reserve(pmg_mgr_t *m);             // for one more entry than everybody's
void pmg_heap_set(pmg_timer_t *t, uint64_t due); // inserts or moves; room must be reserved
void pmg_heap_remove(pmg_timer_t *t);
uint64_t pmg_heap_due(pmg_mgr_t *m); // UINT64_MAX when empty; of a deadline at the earliest
uint64_t pmg_heap_due_exactly(pmg_mgr_t *m);
void pmg_timers_run(pmg_mgr_t *m);
void pmg_timers_free(pmg_mgr_t *m);
// The one deadline of a connection: `late` is called after `ms`; 0: there is none any more.
void pmg_deadline(struct mg_connection *c, void (*late)(struct mg_connection *c), uint64_t ms);
void pmg_deadline_fired(pmg_timer_t *t); // as fn of x->timer
static inline void pmg_no_deadline(struct mg_connection *c) {
    pmg_x(c)->late = NULL; // its entry in the heap, if any, comes up in vain and goes
}

// watch.c
// The peer is the one to move, from now on: begins to look after it, until it has done its part. Of
// one that is looked after already: what it says now is something new.
void pmg_watch(struct mg_connection *c);
void pmg_watch_sending(struct mg_connection *c); // something is queued, or a watch is there
void pmg_watch_end(struct mg_connection *c);
// Milliseconds for which nothing has moved though the peer owes us something; -1: it does not.
long pmg_watch_still(struct mg_connection *c);

// queue.c
void pmg_work(struct mg_connection *c);  // have the loop look at it, this turn or the next
void pmg_wants(struct mg_connection *c); // tell the backend what to watch
void pmg_owed(struct mg_connection *c, pmg_owed_t *o); // what its peer has begun or not taken

// stream.c
void pmg_flush(struct mg_connection *c);
// Writes as much of the first `len` bytes that wait, 1 at least, as goes, past the layer. > 0, -EAGAIN
// or why not; MG_EV_WRITE is the caller's.
long pmg_flush_plain(struct mg_connection *c, size_t len);
void pmg_update(struct mg_connection *c);  // flush, finish a drain, tell the backend
void pmg_work_on(struct mg_connection *c); // its turn in the work queue
void pmg_stream_ready(struct mg_connection *c, int mask, bool error); // as x->ready
void pmg_datagram_ready(struct mg_connection *c, int mask, bool error);

// outer.c
void pmg_outer_polled(pmg_mgr_t *m);            // a poll has ended, the outer loop waits again
void pmg_outer_tell(pmg_mgr_t *m);              // what has changed
void pmg_outer_forget(struct mg_connection *c); // its descriptor is about to go
void pmg_outer_end(pmg_mgr_t *m);
// Ends the wait of our loop in another thread, or of an outer one; once is enough.
static inline void pmg_wake(pmg_mgr_t *m) {
    m->waiting = false;
    pmg_io_wake(m);
}

// copy.c
void pmg_copies_leave(pmg_mgr_t *m); // the manager ends, they stay

// wakeup.c
void pmg_wakeups_run(pmg_mgr_t *m);
void pmg_wakeups_free(pmg_mgr_t *m);

// budget.c. Buffers of a connection that may become large grow by pmg_grow().
extern const char pmg_no_budget[]; // says why
// As pmg_buf_reserve(), within max_memory. Others may lose what came of an unfinished message.
bool pmg_grow(struct mg_connection *c, struct mg_iobuf *b, size_t more);
// One that is not needed now is kept for others, or freed.
void pmg_buf_give(pmg_mgr_t *m, struct mg_iobuf *b);
// May it hold so much more? `small`: of what is kept for that, too. Who holds it then takes note.
bool pmg_budget(struct mg_connection *c, size_t more, bool small);
void pmg_budget_note(struct mg_connection *c);   // counts what it holds now
void pmg_budget_forget(struct mg_connection *c); // it is about to be freed
void pmg_budget_tell(struct mg_connection *c);   // it was ousted: ends it
// What belongs to no connection.
bool pmg_budget_take(pmg_mgr_t *m, size_t n);
void pmg_budget_give(pmg_mgr_t *m, size_t n);

// buffer.c
int pmg_can_send(struct mg_connection *c);                                // 0, or why not
int pmg_send_plain(struct mg_connection *c, const void *buf, size_t len); // as it is
bool pmg_out_room(struct mg_connection *c, size_t len); // for bytes that the buffer cannot take yet
bool pmg_out_grow(struct mg_connection *c, const void *buf, size_t len);
// Appends to the send buffer, no checks; false: no memory, and nothing was appended.
#ifdef PMG_BOARD
#define pmg_out pmg_out_grow
#else
static inline bool pmg_out(struct mg_connection *c, const void *buf, size_t len) {
    struct mg_iobuf *b = &c->send;
    if (len == 0) {
        return true;
    }
    if (b->size - b->len >= len) {
        memcpy(b->buf + b->len, buf, len);
        b->len += len;
        return true;
    }
    return pmg_out_grow(c, buf, len);
}
#endif

static inline bool pmg_may_flush(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    return x->connected && !x->hold && !c->is_closing && !x->lingering && !c->is_tls_hs;
}
// All that was queued has left.
static inline void pmg_sent_all(struct mg_connection *c) {
    pmg_mgr_t *m = pmg_m(c);
    struct mg_iobuf *b = &c->send;
    if (m->spare == NULL && b->size <= PMG_SPARE_MAX) {
        m->spare = b->buf;
        m->spare_size = b->size;
        b->buf = NULL;
        b->size = b->len = 0;
    } else {
        pmg_buf_give(m, b);
        pmg_budget_note(c);
    }
    pmg_x(c)->send_off = 0;
}

// As pmg_out(), of the end of what is sent: it stays, and so does what is queued ahead of it. Much may
// leave at once, without a copy.
#if PMG_LARGE_MAX > 0
#define PMG_DIRECT_MIN 8192 // less is cheaper to copy than to write by a system call of its own
bool pmg_out_direct(struct mg_connection *c, const void *buf, size_t len);
static inline bool pmg_out_end(struct mg_connection *c, const void *buf, size_t len) {
    return len >= PMG_DIRECT_MIN ? pmg_out_direct(c, buf, len) : pmg_out(c, buf, len);
}
#else
#define pmg_out_end pmg_out
#endif

// Did it fail for want of a descriptor, and is there one now? Somebody was put out for it.
static inline bool pmg_no_descriptor(pmg_mgr_t *m, int err) {
    return (err == -EMFILE || err == -ENFILE) && m->spare_descriptor != NULL &&
           m->spare_descriptor(m);
}

// What the log asks of the core: it may put itself between the core and the hooks of a manager.
typedef struct {
    int level;
    void (*attach)(pmg_mgr_t *m);
    void (*note)(struct mg_connection *c, int ev, const void *data); // one line for this event
} pmg_log_switch_t;
extern pmg_log_switch_t pmg_log_switch; // mgr.c
static inline void pmg_log_check(pmg_mgr_t *m) {
    if (m->log_level != __atomic_load_n(&pmg_log_switch.level, __ATOMIC_ACQUIRE)) {
        pmg_log_switch.attach(m);
    }
}

#endif
