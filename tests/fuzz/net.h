// SPDX-License-Identifier: GPL-2.0-only
//
// A world in memory for the whole core: an I/O backend (net.c) and a runtime (port.c) that are linked
// in place of the real ones. Peers are played by a driver, time stands still until nothing is ready,
// and whatever may fail does so at the call that the driver names.
#ifndef PMG_FUZZ_NET_H
#define PMG_FUZZ_NET_H

#include "base/record.h"

// What fails, at which call from now on.
enum {
    FAIL_ALLOC,
    FAIL_ACCEPT,
    FAIL_READ,
    FAIL_WRITE,
    FAIL_CONNECT,
    FAIL_LISTEN,
    FAIL_WATCH,
    FAIL_WAIT,
    FAIL_FILE,  // open, create, write, close, rename
    FAIL_CLOCK, // a leap of ten minutes
    FAIL_RANDOM,
    FAIL_KINDS
};
typedef struct {
    unsigned long at, calls, failed; // at 0: never
    bool onward;                     // and all after it
    int err;                         // 0: the usual one of its kind
} fail_t;
extern fail_t fail[FAIL_KINDS];
bool fails(int kind);
void fail_at(int kind, unsigned long at, bool onward, int err);
void fail_none(void);
extern const char *const fail_names[FAIL_KINDS];

// One end of a stream, or a socket of datagrams. Freed by net_end() alone.
typedef struct net_end net_end_t;

extern size_t net_step; // bytes that one read or write moves at most; 0: any number
// How many bytes wait for a driver that does not read, before nothing more is taken.
extern size_t net_window;
extern bool net_refuses; // a client that finds no listener is refused; else it reaches the driver

void net_end(void); // forgets all; every manager must have gone
// A peer for the listener at this port, or NULL.
net_end_t *net_dial(uint16_t port);
// The driver's end of the newest client that found no listener, or NULL. Each is given once.
net_end_t *net_arrived(void);
void net_put(net_end_t *e, const void *data, size_t len);
struct mg_str net_got(net_end_t *e); // all that came and was not taken
void net_take(net_end_t *e);         // makes room
bool net_is_over(net_end_t *e);      // the core has closed its side
bool net_waits(net_end_t *e);        // nobody has accepted it yet
bool net_somebody_waits(void);       // for a listener
void net_close(net_end_t *e);
void net_reset(net_end_t *e);
// To the core's socket of datagrams at this port; as if sent from `from`.
bool net_datagram(uint16_t port, uint16_t from, const void *data, size_t len);
// The newest datagram that left for no socket of the core, and from which port; len 0: none. Once each.
struct mg_str net_datagram_sent(uint16_t *from, uint16_t *to);

// port.c
extern uint64_t port_now; // milliseconds
extern int64_t port_wall_offset;
extern size_t port_bytes, port_peak; // of memory that is allocated
void port_begin(void);
void port_files_clear(void);
void port_file(const char *path, const void *data, size_t len);
const char *port_file_content(const char *path, size_t *len); // NULL: there is none
size_t port_files(void);

#endif
