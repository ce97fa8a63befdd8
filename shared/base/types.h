// SPDX-License-Identifier: GPL-2.0-only
//
// The types that a binding and every part speak of: managers, their limits, hooks and timers, and
// addresses.
#ifndef PMG_TYPES_H
#define PMG_TYPES_H

#include "mongoose.h"
#include "names.h"

#if defined(__GNUC__) || defined(__clang__)
#define PMG_FORMAT(fmt, args) __attribute__((format(printf, fmt, args)))
#define PMG_MUST_USE __attribute__((warn_unused_result))
#else
#define PMG_FORMAT(fmt, args)
#define PMG_MUST_USE
#endif

// Events that Mongoose does not have: above all that it may add, and above a program's own numbers,
// which go from MG_EV_USER to PMG_EV_FIRST.
enum {
    PMG_EV_FIRST = 128,
    MG_EV_HTTP_BODY = PMG_EV_FIRST,
    MG_EV_MODBUS_RESP = 129,
    MG_EV_HTTP_PART = 130,
    PMG_EV_END = 160 // no event has this number or a higher one
};
// Where an event stands in a mask of those that a handler hears of.
#define PMG_EVENT_BIT(ev) \
    (1u << ((int)(ev) < PMG_EV_FIRST ? (int)(ev) : (int)(ev) - PMG_EV_FIRST + (int)MG_EV_USER))
#define PMG_EVENTS_GIVEN (1u << 31) // a mask that says so may be empty
#define X(name) | PMG_EVENT_BIT(name)
enum { PMG_EVENTS_ALL = 0 PMG_EVENTS(X) }; // MG_EV_POLL, too
#undef X
_Static_assert(PMG_EVENTS_ALL >= 0, "an event has the bit of PMG_EVENTS_GIVEN");
// The bit of an event that a program names; 0: there is no such event.
uint32_t pmg_event_bit(long ev);
#define MG_MODBUS_ERR_TIMEOUT 256 // in a response's error: no answer came within modbus_timeout

// Behind the last byte. A text that is not there ends where it begins: NULL + 0 has no value in C.
static inline const char *pmg_str_end(struct mg_str s) {
    return s.len > 0 ? s.buf + s.len : s.buf;
}

typedef struct pmg_mgr pmg_mgr_t;
typedef struct pmg_timer pmg_timer_t;
typedef struct pmg_protocol pmg_protocol_t; // protocol.h; a binding only hands one on

typedef struct {
#define X(name, desktop, board) size_t name;
    PMG_LIMITS(X)
#undef X
} pmg_limits_t;

// How the core calls the binding. Every hook gets the manager by pmg_conn_mgr(c) or t->mgr.
typedef struct {
    // A connection was made, no event was fired yet: make its object. `listener` is set for an
    // accepted connection, `arg` is what listen() or connect() was given, NULL for an accepted one.
    // A negative result (no memory) drops the connection silently.
    int (*open)(struct mg_connection *c, struct mg_connection *listener, void *arg);
    // An event, with data as PMG_EVENT_DATA says. Returns 0; PMG_RAISED when the Python handler
    // raised (and the binding has reported it); PMG_STOP when the exception must leave poll();
    // PMG_CLIENT_FAULT for a DecodeError that pmg_http_client_fault() answers, which is not reported.
    int (*event)(struct mg_connection *c, int ev, void *data);
    // c is freed when this returns: take what must stay readable, then drop the object.
    void (*free)(struct mg_connection *c);
    // A timer is due: call its function. Returns as event does.
    int (*timer)(pmg_timer_t *t);
    // The timer ended (fired its last time, canceled or manager closed); t is freed after it.
    void (*timer_free)(pmg_timer_t *t);
    // For pmg_mgr_watch(): wait for what PMG_IO_READ (1) and PMG_IO_WRITE (2) of `mask` say on this
    // descriptor; 0: for nothing any more. 0 or PMG_STOP.
    int (*watch)(pmg_mgr_t *m, int fd, int mask);
} pmg_hooks_t;

enum { PMG_RAISED = -1, PMG_STOP = -2, PMG_CLIENT_FAULT = -3 };

struct pmg_timer {
    pmg_mgr_t *mgr;
    void *arg; // the binding's
    uint64_t due;
    uint64_t period; // 0: fires once
    size_t heap_pos; // where it stands in the manager's heap
    void (*fn)(pmg_timer_t *t);
};

// Live objects of this process, for leak tests: managers, connections, timers, heap blocks.
typedef struct {
    size_t managers, connections, timers, blocks;
} pmg_live_t;
void pmg_live(pmg_live_t *out);

typedef struct {
    char host[108];
    uint16_t port;
    bool is_ip6;
} pmg_addr_t;
// An address as text (RFC 5952), "" when there is none.
void pmg_addr_text(const struct mg_addr *a, pmg_addr_t *out);

// What whoever needs random numbers says when there are none.
#define PMG_NO_RANDOM "the source of random numbers failed"

// One line for the last negative result on this manager; valid until the next call.
const char *pmg_error_text(pmg_mgr_t *m, int err);
// "MG_EV_READ" for MG_EV_READ, NULL for an unknown number and for a program's own.
const char *pmg_event_name(int ev);

#if PMG_CAN_IRQ
// Wake-ups that interrupts, which cannot allocate, may have queued, and the data of each.
#define PMG_WAKEUP_SLOTS 8
#define PMG_WAKEUP_SLOT_SIZE 15
#endif

#endif
