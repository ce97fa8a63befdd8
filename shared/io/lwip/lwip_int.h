// SPDX-License-Identifier: GPL-2.0-only
//
// What the parts of the lwIP backend share: lwip.c opens and closes, data.c moves bytes and waits,
// mcast.c is for multicast. It is for boards where MicroPython runs lwIP without BSD sockets.
//
// lwIP calls us from an interrupt (PendSV), from the scheduler, or synchronously inside our own
// calls. A callback therefore only queues: it touches the fixed fields of a pmg_lwip_sock_t and
// links it into the manager's ready list, with the lwIP lock held. No allocation, no Python, no
// Mongoose. All else runs in thread mode, and takes the lock round each lwIP call, pbuf_free() too;
// memory is allocated and freed without the lock, for that may run the garbage collector.
#ifndef PMG_LWIP_H
#define PMG_LWIP_H

#include "../../base/record.h"
#include "../../port/port_lwip.h" // PMG_LWIP_ENTER, PMG_LWIP_EXIT, pmg_port_idle(): the runtime's
#include "../io.h"

#include "lwip/ip.h"
#include "lwip/pbuf.h"
#include "lwip/tcp.h"
#include "lwip/udp.h"

// Peers that may wait for accept(), per listener: each costs a pmg_lwip_sock_t, made beforehand,
// since a callback cannot allocate. A browser opens six connections at once; who comes too many
// tries again a second later.
#ifndef PMG_LWIP_BACKLOG
#define PMG_LWIP_BACKLOG 8
#endif
// Datagrams that may wait for the program, per connection; later ones are dropped, as UDP may.
#ifndef PMG_LWIP_DATAGRAMS
#define PMG_LWIP_DATAGRAMS 4
#endif
// And of multicast, where one question has many answers at a time.
#ifndef PMG_LWIP_MULTICASTS
#define PMG_LWIP_MULTICASTS 12
#endif

// Interfaces on which a connection may be a member of a group.
#define PMG_LWIP_IFACES 4

typedef struct {
    struct pbuf *p;
    ip_addr_t addr;
    u16_t port;
    u8_t iface; // where it came in
} pmg_lwip_dgram_t;

typedef struct pmg_lwip_sock {
    struct pmg_lwip_sock *ready_next;
    pmg_mgr_t *m;
    struct mg_connection *c; // NULL while it waits to be accepted
    union {
        struct tcp_pcb *tcp; // NULL once lwIP is done with it
        struct udp_pcb *udp;
    } pcb;
    struct pbuf *rx;     // TCP: received and not consumed, a chain
    unsigned char *kept; // the same, older and moved to memory of ours (keep())
    size_t kept_len, kept_off;
    struct pmg_lwip_sock *parent; // the listener of one that waits
    struct pmg_lwip_sock *next;   // in its listener's list: spare, then waiting; of multicast
    struct pmg_lwip_sock *spare, *waiting; // of a listener
    u16_t rx_off;                          // consumed of the first pbuf
    u8_t dgram_first, dgram_count, dgram_max;
    u8_t joined[PMG_LWIP_IFACES]; // interfaces on which it is a member of `group`, 0: none
    u32_t group;
    volatile bool in_ready, eof, connected;
    bool is_udp, is_listener;
    bool starved; // lwIP had no memory for what is to be sent
    volatile err_t err;
    pmg_lwip_dgram_t dgram[]; // UDP only
} pmg_lwip_sock_t;

typedef struct {
    pmg_lwip_sock_t *volatile ready; // what has something to do: callbacks put them here
    pmg_lwip_sock_t *ready_last;
    volatile size_t ready_len;
    volatile bool woken;
    bool starved; // some connection found no memory in lwIP
    u8_t iface;   // where the datagram came in that was read last
} pmg_io_mgr_t;
PMG_FITS(pmg_io_mgr_t, PMG_IO_STATE_SIZE);

static inline pmg_io_mgr_t *pmg_io_of(pmg_mgr_t *m) {
    return (pmg_io_mgr_t *)(void *)m->io.bytes;
}

static inline pmg_lwip_sock_t *pmg_lwip_sock(struct mg_connection *c) {
    return c->fd == (void *)(size_t)-1 ? NULL : c->fd;
}

int pmg_lwip_errno(err_t err);
void pmg_lwip_to_ip(const struct mg_addr *a, ip_addr_t *ip);
void pmg_lwip_from_ip(const ip_addr_t *ip, u16_t port, struct mg_addr *a);

// A socket of TCP, or of UDP with room for so many datagrams; NULL: no memory.
pmg_lwip_sock_t *pmg_lwip_new(pmg_mgr_t *m, u8_t datagrams);
#if PMG_MULTICAST
void pmg_lwip_leave(pmg_lwip_sock_t *s); // its group, on all interfaces; with the lock held
#endif

// With the lock held.
// May a datagram wait for the program? If so, it is counted until it is taken: the first one that waits.
bool pmg_lwip_may_hold(const pmg_lwip_sock_t *s, const struct pbuf *p);
struct pbuf *pmg_lwip_dgram_take(pmg_lwip_sock_t *s);
void pmg_lwip_ready(pmg_lwip_sock_t *s);
void pmg_lwip_unready(pmg_lwip_sock_t *s);
int pmg_lwip_readiness(pmg_lwip_sock_t *s, int want);

// lwIP's callbacks.
err_t pmg_lwip_on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err);
err_t pmg_lwip_on_sent(void *arg, struct tcp_pcb *pcb, u16_t len);
void pmg_lwip_on_err(void *arg, err_t err);
void pmg_lwip_on_datagram(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *addr,
    u16_t port);
// Lets lwIP end a connection that is ours no more, within a bounded time.
void pmg_lwip_orphan(struct tcp_pcb *pcb);

#endif
