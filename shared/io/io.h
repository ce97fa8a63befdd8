// SPDX-License-Identifier: GPL-2.0-only
//
// The I/O backend under the loop: what sock/ (BSD sockets; esp/ is its other half on ESP-IDF) and
// lwip/ (raw lwIP) both implement; a build links one of them. What differs for those above is in
// port/backend.h. Nothing in here knows a protocol or frees a connection; Python runs in
// pmg_io_wait() alone, by pmg_ready().
//
// Results are >= 0 or a negative errno. -EAGAIN means "not now": the backend reports readiness
// later if pmg_io_watch() asked for it. All is level triggered: what was not handled is reported
// again. The handle of a connection is c->fd, its meaning is the backend's own.
#ifndef PMG_IO_H
#define PMG_IO_H

#include "mongoose.h"
#include "../base/names.h"

struct pmg_mgr;

// In place of a descriptor: a socket of our own; one whose port others may listen on, too.
enum { PMG_IO_OWN = -1, PMG_IO_SHARED = -2 };
enum { PMG_IO_READ = 1, PMG_IO_WRITE = 2 };

int pmg_io_init(struct pmg_mgr *m);
void pmg_io_fini(struct pmg_mgr *m);
// -ECHILD when this process is a fork of the one that made the manager.
int pmg_io_check(struct pmg_mgr *m);

// c->loc holds the wanted address, path is set for a unix socket; fd >= 0 adopts (a copy of) it.
// -ENOTSUP: no port can be shared here.
// Sets c->fd and c->loc. Serves UDP too.
int pmg_io_listen(struct mg_connection *c, const char *path, int fd);
// Takes one waiting peer into `c`, a fresh connection: sets fd, loc and rem.
int pmg_io_accept(struct mg_connection *listener, struct mg_connection *c);
// Refuses one waiting peer, after sending it `text` if that goes at once.
int pmg_io_refuse(struct mg_connection *listener, const char *text);
// Starts connecting to c->rem (or path). 0: connected; -EINPROGRESS: writable says when. The local
// port of UDP is one that nobody can guess.
int pmg_io_connect(struct mg_connection *c, const char *path);
int pmg_io_connect_result(struct mg_connection *c);
// Gives the handle of one connection to another, which has none, and watches it for that to be
// writable. After an error it is where it was. `from` is not freed before the next turn.
int pmg_io_give(struct mg_connection *from, struct mg_connection *to);
// Bytes moved; read gives 0 at the end of the stream. Of UDP: one datagram, read sets c->rem and
// gives its length, 0 too.
long pmg_io_read(struct mg_connection *c, void *buf, size_t len);
long pmg_io_write(struct mg_connection *c, const void *buf, size_t len);
#ifndef PMG_BOARD
// As pmg_io_write() of a stream, of two pieces; the first one may be empty.
long pmg_io_write_both(struct mg_connection *c, void *first, size_t first_len, const void *second,
    size_t second_len);
#endif
// The number of a network interface by its name, or by that number; -ENODEV: there is none.
int pmg_io_zone(const char *name);
// Is there a way to this address from here? 0; -EAFNOSUPPORT: this build or system knows no such
// addresses; -ENETUNREACH and the like. Nothing is sent.
int pmg_io_route(struct pmg_mgr *m, const struct mg_addr *a);
// The name servers that the network gave, with their port, at most `max`: their number. Only where
// there is no /etc/resolv.conf.
int pmg_io_dns_servers(struct mg_addr *out, int max);
// Bytes that were written and that the peer's system has not confirmed; 0 where nobody tells.
size_t pmg_io_unsent(struct mg_connection *c);
// As many connections as the system lets this process have; 0: it sets no limit.
size_t pmg_io_max_conns(void);
void pmg_io_shutdown(struct mg_connection *c); // sends the end of the stream
void pmg_io_close(struct mg_connection *c);    // releases the handle; never fails
int pmg_io_watch(struct mg_connection *c, int mask);
// Reports nothing of it any more, not even errors, until it is watched again.
void pmg_io_unwatch(struct mg_connection *c);

// Waits for readiness or a wake-up, at most ms (< 0: no limit), sets m->now, and calls pmg_ready()
// for each connection that is ready, until m->stop. A signal ends the wait.
int pmg_io_wait(struct pmg_mgr *m, int ms);
void pmg_io_wake(struct pmg_mgr *m); // ends a wait, from any thread; on a board from interrupts

// For somebody else's loop. The descriptor that is readable when a wait would end at once, or
// -ENOTSUP: there are several, pmg_io_wake() makes one of them readable, or there are none.
int pmg_io_fd(struct pmg_mgr *m);
int pmg_io_wake_fd(struct pmg_mgr *m);       // or -ENOTSUP
int pmg_io_conn_fd(struct mg_connection *c); // -1: it has none
bool pmg_io_ready(struct pmg_mgr *m);        // would a wait end at once?
// Milliseconds after which a wait ends though nothing has happened, for it has to look; or -1.
int pmg_io_look_again(struct pmg_mgr *m);

// Guards the wake-up queue against other threads.
void pmg_io_lock(struct pmg_mgr *m);
void pmg_io_unlock(struct pmg_mgr *m);

#if PMG_MULTICAST
// Multicast. Addresses and masks in network byte order; index 0: not known.
typedef struct {
    uint32_t ip, mask; // 0: it has no address of IPv4
    unsigned index;
#if PMG_MULTICAST6
    uint8_t ip6[16]; // its link-local address, or zeros
    bool is_ip6;     // what is sent by it, and joined
#endif
} pmg_io_iface_t;
#ifdef PMG_BOARD
#define PMG_IFACES 2 // that are looked at
#else
#define PMG_IFACES 32
#endif
// The interfaces that are up and can multicast, or (not NULL) the one that has the address `only`;
// one that does so by IPv4 and IPv6 stands twice. Their number.
int pmg_io_ifaces(pmg_io_iface_t *out, int max, const struct mg_addr *only);
static inline bool pmg_io_iface_is_ip6(const pmg_io_iface_t *i) {
#if PMG_MULTICAST6
    return i->is_ip6;
#else
    (void)i;
    return false;
#endif
}
// As pmg_io_listen(), for UDP on a port that others may have, too, unless it is 0.
int pmg_io_mcast_open(struct mg_connection *c);
// -EADDRINUSE: it is a member already.
int pmg_io_mcast_join(struct mg_connection *c, const struct mg_addr *group,
    const pmg_io_iface_t *i);
// Sends to c->rem, which is of the interface's family, by this interface.
long pmg_io_mcast_send(struct mg_connection *c, const pmg_io_iface_t *i, const void *buf,
    size_t len);
long pmg_io_mcast_read(struct mg_connection *c, void *buf, size_t len); // for pmg_io_read()
// Where the last datagram of multicast came in, on any connection; 0 if that is not known.
unsigned pmg_io_mcast_iface(struct pmg_mgr *m);
#if PMG_MULTICAST6
// Of IPv6: it came from no farther than its own link (RFC 6762, section 11).
bool pmg_io_mcast_is_near6(struct pmg_mgr *m);
#else
static inline bool pmg_io_mcast_is_near6(struct pmg_mgr *m) {
    (void)m;
    return false;
}
#endif
#endif

#endif
