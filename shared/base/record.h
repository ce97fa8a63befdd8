// SPDX-License-Identifier: GPL-2.0-only
//
// What the core keeps of a connection and of a manager. Parts read and set the fields that concern
// them; their own state is opaque here.
#ifndef PMG_RECORD_H
#define PMG_RECORD_H

#include "base.h"
#include "protocol.h"

// Read this much at a time, into one buffer that all connections of a manager borrow in turn.
#ifndef PMG_READ_SIZE
#ifdef PMG_BOARD
#define PMG_READ_SIZE 1536
#else
#define PMG_READ_SIZE 65536
#endif
#endif
// A client that pipelines requests and reads no replies: with this much unsent the next one waits.
#define PMG_PIPELINE_MAX (2 * PMG_READ_SIZE)
// Handlers within handlers: each has a frame of ours on the C stack.
#define PMG_NESTING_MAX 100
// A send buffer up to this size is kept for the next connection instead of being freed.
#ifdef PMG_BOARD
#define PMG_SPARE_MAX 2048
#else
#define PMG_SPARE_MAX 16384
#endif
// Two larger ones up to this size are kept, too, for what is sent or received. 0: none.
#ifdef PMG_BOARD
#define PMG_LARGE_MAX 0
#else
#define PMG_LARGE_MAX 1048576
// Or up to this one, each until it was not used for so long: a stream of large messages is spared the
// system's work for memory that is new each time.
#define PMG_HUGE_MAX (64u << 20)
#define PMG_HUGE_MS 1000
#endif
// Data that a signal or another thread asked to deliver, at most, per manager.
#ifdef PMG_BOARD
#define PMG_WAKEUP_BUDGET 4096
#else
#define PMG_WAKEUP_BUDGET (64u << 20)
#endif
// Nor more than this part of max_memory.
#define PMG_WAKEUP_SHARE 4

// What a protocol keeps in a connection, and the backend in a manager: as long as the longest of
// them (PMG_FITS says so where it is declared).
#define PMG_STATE_SIZE (sizeof(void *) == 8 ? 80 : 64)
#ifdef PMG_BOARD
#define PMG_IO_STATE_SIZE (sizeof(void *) == 8 ? 128 : 24)
#else
#define PMG_IO_STATE_SIZE 128
#endif
#define PMG_FITS(type, size) \
    _Static_assert(sizeof(type) <= (size), #type " is larger than its place")

typedef struct pmg_watch pmg_watch_t; // core/watch.c

enum { PMG_OUSTED_IN = 1, PMG_OUSTED_OUT = 2 }; // what came of its message is gone; or nothing yet

// Allocated behind Mongoose's connection, see pmg_x().
typedef struct {
    struct mg_connection *prev, *next; // all connections of the manager
    struct mg_connection *hash_next;   // by id
    struct mg_connection *work_next;   // the work queue
    void *obj;                         // the binding's
    const pmg_protocol_t *speaks;      // never NULL
    const pmg_layer_t *layer;          // NULL: none
    void *layer_state;                 // the layer's; of a listener: for what it accepts
    pmg_source_t *source;              // NULL: the buffer is all there is to send
    pmg_wait_t *wait;                  // NULL: for nothing
    pmg_watch_t *watch;                // NULL: the peer owes us nothing
    // What readiness of the socket means: data moves, a peer is there, a connection stands.
    void (*ready)(struct mg_connection *c, int mask, bool error);
    void (*late)(struct mg_connection *c); // what the deadline calls; NULL: there is none
    struct mg_addr *everyone;              // whom a client of UDP broadcasts to; or NULL
    char *host;                            // host[:port] of the URL; a unix socket's path; or NULL
    pmg_timer_t timer;                     // deadline; may stand in the heap earlier than it is due
    uint64_t deadline;
    uint32_t events; // that its handler hears of, by PMG_EVENT_BIT
    size_t send_off; // bytes at the start of c->send that are gone
    size_t recv_off; // bytes at the start of c->recv that a raw reader consumed
#if PMG_LARGE_MAX > 0
    size_t expects; // c->recv will hold so many, as the head of a message says; 0: unknown
    size_t ahead;   // bytes that left ahead of the flush, which tells of them
    size_t large;   // what the last message took, if it did not come in one piece; else 0
#endif
    uint8_t io_mask; // what the backend watches
    uint8_t told;    // the same, as an outer loop knows it: core/outer.c
    uint8_t in_hook; // handlers of it on the stack, at most PMG_NESTING_MAX
    unsigned registered : 1;
    unsigned in_work : 1;
    unsigned internal : 1;       // no Python sees it: not yet, or
    unsigned inner : 1;          // never, it is one of our own
    unsigned handler_failed : 2; // 1, or 2: over bytes of the client
    unsigned eof : 1;
    unsigned reparse : 1;   // received bytes wait for the protocol
    unsigned in_read : 1;   // the read path runs: it will flush
    unsigned has_read : 1;  // it ran
    unsigned paused : 1;    // reading is, and so are events of what was read: pmg_conn_pause()
    unsigned linger : 1;    // after the last byte read until the peer closes: it sees our reply
    unsigned lingering : 1; // that has begun
    unsigned hold : 1;      // do not flush: what is queued is not complete
    unsigned errored : 1;   // MG_EV_ERROR was fired for the close
    unsigned backlog : 1;   // pipelined requests wait until replies have left
    unsigned is_unix : 1;
    unsigned unlink_path : 1; // a socket file that we made
    unsigned watched : 1;     // the backend's
    unsigned connected : 1;
    unsigned url_tls : 1;   // the URL's scheme asks for TLS
    unsigned insecure : 1;  // of a listener: its TLS failed, so it accepts nothing
    unsigned multicast : 1; // datagrams know their interface
    unsigned broadcast : 1; // of UDP: it may send to all of a network
    unsigned evicted : 1;   // closed to make room
    unsigned deaf : 1;      // the backend failed to watch it: it ends
    unsigned cut : 1;       // the end of the stream came without the layer saying so
    unsigned ousted : 2;    // its memory was wanted: see core/budget.c
    size_t held;            // as it was counted last
    uint32_t taken;         // bytes that left the send buffer, modulo 2^32
    union {
        uint64_t aligned;
        unsigned char bytes[PMG_STATE_SIZE];
    } state; // of the protocol
} pmg_conn_t;

struct pmg_mgr {
    struct mg_mgr mg; // first: Mongoose hands this pointer back
    pmg_hooks_t hooks;
    const pmg_hooks_t *given_hooks; // the binding's, without the log
    pmg_limits_t limits;
    void *owner;
    uint64_t now; // of this turn of the loop
    struct mg_connection *first, *last;
    struct mg_connection **hash;
    size_t hash_size;    // a power of two
    size_t count, inner; // connections in the table, those of our own among them
    size_t evicted;      // and those that give room
    struct mg_connection *work_first, *work_last;
    size_t work_len;
    pmg_timer_t **heap;
    size_t heap_len, heap_size, timers, watches;
    pmg_timer_t *firing; // the timer whose hook runs
    struct pmg_wakeup *wake_first, *wake_last;
#ifdef PMG_WAKEUP_SLOTS
    struct {
        unsigned long id;
        unsigned char len;
        char data[PMG_WAKEUP_SLOT_SIZE];
    } wake_slot[PMG_WAKEUP_SLOTS]; // a ring
    unsigned char wake_slot_first;
    volatile unsigned char wake_slots;
#endif
    size_t wake_bytes;
    size_t held;                              // bytes, of max_memory
    size_t done;                              // things done in this turn
    unsigned depth;                           // hooks on the stack
    unsigned turn;                            // counts polls
    size_t handshakes;                        // of accepted connections, unfinished
    unsigned handshake_turn, handshake_steps; // steps of theirs in that turn
    uint32_t events; // of the handler that serves all without one of their own
    size_t pollers;  // connections that hear of MG_EV_POLL
    bool broadcast;  // of the next that is opened
    bool polling, waiting, stop, closing, silent, poll_events, firing_canceled;
    bool short_of_budget;          // so the last buffer did not grow
    bool outer, tells, tells_each; // somebody else's loop waits: core/outer.c
    uint64_t told_due;             // and does so until then
    struct {
        unsigned turn;
        size_t claim, room, held;
    } refused;              // what was refused last, see pmg_budget()
    unsigned char *scratch; // PMG_READ_SIZE
    bool scratch_lent;
    unsigned char *spare; // a freed send buffer, or NULL
    size_t spare_size;
#if PMG_LARGE_MAX > 0
    struct mg_iobuf large[2]; // larger ones, of either kind
    bool large_used[2];       // since large_timer, which is for those above PMG_LARGE_MAX, came
    pmg_timer_t large_timer;
#endif
    // See pmg_no_descriptor(). NULL: there is nobody to put out.
    bool (*spare_descriptor)(pmg_mgr_t *m);
    uint8_t random[64];
    size_t random_left;
    pmg_attached_t *attached;
    struct pmg_copy *copies; // of messages
    int err;
    int log_level; // that `hooks` are made for
    char err_text[192];
    union {
        uint64_t aligned;
        unsigned char bytes[PMG_IO_STATE_SIZE];
    } io; // the backend's
};

// The record of a connection lies right behind it.
static inline pmg_conn_t *pmg_x(struct mg_connection *c) {
    return (pmg_conn_t *)(void *)(c + 1);
}
static inline pmg_mgr_t *pmg_m(struct mg_connection *c) {
    return (pmg_mgr_t *)(void *)c->mgr;
}
static inline void *pmg_state(struct mg_connection *c) {
    return pmg_x(c)->state.bytes;
}
static inline size_t pmg_recv_len(struct mg_connection *c) {
    return c->recv.len - pmg_x(c)->recv_off;
}
static inline size_t pmg_send_len(struct mg_connection *c) {
    return c->send.len - pmg_x(c)->send_off;
}
// The head of a message says how much of c->recv it needs; 0 at its end.
static inline void pmg_expect(struct mg_connection *c, size_t len) {
#if PMG_LARGE_MAX > 0
    pmg_x(c)->expects = len;
    if (len > 0) {
        pmg_x(c)->large = len;
    }
#else
    (void)c, (void)len;
#endif
}
// Milliseconds, of this turn of the loop while it runs. Between turns it is noted, since the next
// wait goes by that.
static inline uint64_t pmg_now(pmg_mgr_t *m) {
    if (!m->polling) {
        m->now = pmg_port_millis();
    }
    return m->waiting ? pmg_port_millis() : m->now;
}
// What a backend calls for a socket that is ready. `error`: the peer is gone though nothing was
// asked. May run Python.
static inline void pmg_ready(struct mg_connection *c, int mask, bool error) {
    if (!c->is_closing) {
        pmg_m(c)->done++;
        pmg_x(c)->ready(c, mask, error);
    }
}

#endif
