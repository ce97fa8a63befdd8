// SPDX-License-Identifier: GPL-2.0-only
//
// Managers, timers and connections, as a binding uses them.
//
// May Python run?  In pmg_mgr_poll; in pmg_mgr_free unless `silent`; in pmg_error; in pmg_send (a
// datagram, or a client's bytes behind others: MG_EV_WRITE). A binding converts all arguments ahead of
// these and takes buffers last. Nowhere else: timer_free and free hooks only take note.
#ifndef PMG_CORE_H
#define PMG_CORE_H

#include "../base/types.h"

// ---------------------------------------------------------------------------------------------
// Manager

void pmg_limits_default(pmg_limits_t *limits);

// Makes a manager; `owner` is the binding's own; `hooks` must outlive it. -ENOMEM, or the system's
// reason (-EMFILE ...). On failure *out is NULL and the reason stands in the result alone.
int pmg_mgr_new(pmg_mgr_t **out, const pmg_hooks_t *hooks, const pmg_limits_t *limits, void *owner);

// Closes every connection and timer, then frees the manager. Fires MG_EV_CLOSE unless `silent`
// (from a finalizer, where no Python may run; the free hooks are called even then). Not in a hook.
void pmg_mgr_free(pmg_mgr_t *m, bool silent);

// Runs the loop once: waits at most `ms` (< 0: no limit) for something to do, then does it.
// Returns the number of things done (0: nothing happened, or a signal broke the wait), or
// -EBUSY inside a hook. After PMG_STOP it returns at once; what was not handled yet is kept.
// A binding cuts a long wait into slices so that its runtime can run.
int pmg_mgr_poll(pmg_mgr_t *m, int ms);

// Queues MG_EV_WAKEUP with a copy of data for connection `id` and ends a wait. From any thread.
// id 0 only ends the wait. -ENOMEM without memory, -ENOBUFS past the budget: nothing was queued.
int pmg_mgr_wakeup(pmg_mgr_t *m, unsigned long id, const void *data, size_t len);

// The same in two steps: the second allocates nothing, so that a binding's lock, which keeps the
// manager from being freed meanwhile, may hold interrupts off.
struct pmg_wakeup *pmg_wakeup_new(unsigned long id, const void *data, size_t len);
int pmg_wakeup_put(pmg_mgr_t *m, struct pmg_wakeup *w); // takes `w` if it returns 0; NULL as id 0
void pmg_wakeup_free(struct pmg_wakeup *w);

#ifdef PMG_WAKEUP_SLOTS
// The same from an interrupt, which must be off before the manager is freed. -EMSGSIZE when data is
// longer than a slot, -ENOBUFS when all are taken. On ESP32 it lies in flash: not for an interrupt
// that runs while flash is written (ESP_INTR_FLAG_IRAM).
int pmg_mgr_wakeup_irq(pmg_mgr_t *m, unsigned long id, const void *data, size_t len);
#endif

// Somebody else's loop. From the first of these calls on, what queues work outside of pmg_mgr_poll()
// makes the descriptor readable. A descriptor that is readable when there is something to poll for;
// -ENOTSUP: this build has none; -ECHILD.
int pmg_mgr_fd(pmg_mgr_t *m);
// Until pmg_mgr_poll(m, 0) has something to do that no descriptor tells: 0: now; -1: nothing is due.
// 0 or -ECHILD.
int pmg_mgr_timeout(pmg_mgr_t *m, long *ms);
// Has it something to do now, of sockets or else? For who asks again and again.
bool pmg_mgr_ready(pmg_mgr_t *m);
// Calls hooks->watch() with each descriptor that is to be watched, now and at the end of a poll, and
// with 0 ahead of its end. -ENOTSUP: there are none.
int pmg_mgr_watch(pmg_mgr_t *m);

void *pmg_mgr_owner(pmg_mgr_t *m);
bool pmg_mgr_in_hook(pmg_mgr_t *m); // inside poll() or an event: poll and close refuse
// What handlers hear of, ahead of the first connection: the mask of the Manager's own, 0: all but
// MG_EV_POLL; and whether MG_EV_POLL is added to every mask, once a poll per connection.
void pmg_mgr_events(pmg_mgr_t *m, uint32_t events, bool poll_events);
size_t pmg_mgr_count(pmg_mgr_t *m); // connections now, listeners included
// Walks the connections, oldest first: NULL starts, NULL ends. Do not open or close meanwhile.
struct mg_connection *pmg_mgr_next(pmg_mgr_t *m, struct mg_connection *c);

// ---------------------------------------------------------------------------------------------
// Copies of messages, by pmg_http_copy() and its like: valid until they are freed, whatever ends
// before them. They count in max_memory.

typedef struct pmg_copy {
    struct pmg_copy *prev, *next;
    pmg_mgr_t *m;     // NULL once that has ended
    unsigned long id; // of the connection
    size_t size;
    const void *msg;
} pmg_copy_t;
// With room for `size` bytes behind it; NULL: there is no memory, or max_memory allows no more.
// `m` may be NULL: it has ended.
pmg_copy_t *pmg_copy_new(pmg_mgr_t *m, unsigned long id, size_t size);
void pmg_copy_free(pmg_copy_t *copy); // from a finalizer, too
// Takes room for a text out of the block.
static inline struct mg_str pmg_copy_str(char **at, struct mg_str s) {
    if (s.len == 0) {
        return s.buf != NULL ? mg_str_n("", 0) : s;
    }
    memcpy(*at, s.buf, s.len);
    s.buf = *at;
    *at += s.len;
    return s;
}

// ---------------------------------------------------------------------------------------------
// Timers

// Calls hooks->timer after `ms`, then every `ms` if `repeat`; `run_now`: first at the next poll.
int pmg_timer_add(pmg_mgr_t *m, uint64_t ms, bool repeat, bool run_now, void *arg,
    pmg_timer_t **out);
// Ends it: timer_free is called before this returns, or after the hook if called inside it.
void pmg_timer_cancel(pmg_timer_t *t);
// Moves a timer that is active: it is due in `ms`, and keeps its period. Needs no memory, so that it
// never fails but for one that has ended, or whose manager closes: false.
bool pmg_timer_again(pmg_timer_t *t, uint64_t ms);
// The same for one that has not ended (timer_free was not called yet), inside its own hook too, where
// it takes a cancel back. A period becomes `ms`. False: the manager closes.
bool pmg_timer_restart(pmg_timer_t *t, uint64_t ms);
// Will it fire again? False inside the hook of its last time, too.
bool pmg_timer_active(const pmg_timer_t *t);

// ---------------------------------------------------------------------------------------------
// Connections

pmg_mgr_t *pmg_conn_mgr(struct mg_connection *c);
void **pmg_conn_obj(struct mg_connection *c); // the binding's slot in the connection
// The handler of c, new or in a new connection's open hook: its mask, PMG_EVENTS_GIVEN in it; without,
// all but MG_EV_POLL if it is the connection's `own`, else what the Manager's hears of. A connection
// that was accepted has its listener's until then.
void pmg_conn_events(struct mg_connection *c, uint32_t events, bool own);
// Getters of PMG_CONN_PROPS. An address is text in `host` (>= 46 bytes; a unix socket's path is cut
// to fit: use >= 108), "" when there is none.
bool pmg_conn_is_listening(struct mg_connection *c);
bool pmg_conn_is_client(struct mg_connection *c);
bool pmg_conn_is_tls(struct mg_connection *c);
bool pmg_conn_is_udp(struct mg_connection *c);
bool pmg_conn_is_readable(struct mg_connection *c); // received bytes wait in the buffer or socket
bool pmg_conn_is_writable(struct mg_connection *c); // connected, and nothing waits to be sent
bool pmg_conn_is_closing(struct mg_connection *c);
bool pmg_conn_is_full(struct mg_connection *c);
bool pmg_conn_is_draining(struct mg_connection *c);
size_t pmg_conn_recv_len(struct mg_connection *c); // bytes received and not consumed
size_t pmg_conn_send_len(struct mg_connection *c); // bytes that wait to be sent
size_t pmg_conn_recv_size(struct mg_connection *c);
size_t pmg_conn_send_size(struct mg_connection *c);
void pmg_conn_local_addr(struct mg_connection *c, pmg_addr_t *out);
void pmg_conn_remote_addr(struct mg_connection *c, pmg_addr_t *out);
// For what must stay readable after close: keep copies of c->loc and c->rem and format them later.
// A unix socket's path is in neither: format it in the free hook.
bool pmg_conn_is_unix(struct mg_connection *c);

// Queues bytes; they leave when the running event ends or at the next poll. A datagram (UDP) leaves
// at once. -ENOBUFS above the high-water mark, -EPIPE while draining or closing, -EINVAL for a
// listener; nothing is queued then.
int pmg_send(struct mg_connection *c, const void *buf, size_t len);
// What was received and not consumed; valid until the next call on this manager or a poll.
struct mg_str pmg_recv_peek(struct mg_connection *c);
// What waits to be sent.
struct mg_str pmg_send_peek(struct mg_connection *c);
// Consumes `len` bytes (at most what there is) after the caller copied them. -EINVAL where a
// protocol's framing owns the input.
int pmg_recv_consume(struct mg_connection *c, size_t len);
void pmg_drain(struct mg_connection *c); // send what is queued, then close
void pmg_close(struct mg_connection *c); // close after the running event, without sending
// A handler that went on after its event has raised; `client`: over bytes of the client.
void pmg_conn_failed(struct mg_connection *c, bool client);
// Reads nothing more, and tells of no message that was read, until it goes on. The end of the stream waits,
// too.
void pmg_conn_pause(struct mg_connection *c, bool on);
// MG_EV_ERROR now, then close. 0 or -ELOOP: not from so deep.
int pmg_error(struct mg_connection *c, const char *text);

#endif
