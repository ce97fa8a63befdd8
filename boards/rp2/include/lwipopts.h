// SPDX-License-Identifier: GPL-2.0-only
//
// lwIP as the rp2 port configures it, with tables for more than five connections and with loopback.
// Each row costs RAM that Python's heap does not get: see docs/size.md.
#ifndef PMG_RP2_LWIPOPTS_H
#define PMG_RP2_LWIPOPTS_H

#include_next "lwipopts.h"

// What the port may say of these, too, is another matter in each of its versions.
#undef MEM_SIZE
#undef TCP_MSS
#undef TCP_WND
#undef TCP_SND_BUF
#undef MEMP_NUM_TCP_SEG
#undef MEMP_NUM_TCP_PCB
#undef MEMP_NUM_TCP_PCB_LISTEN
#undef MEMP_NUM_UDP_PCB
#undef PBUF_POOL_SIZE
#undef TCP_MSL
#undef LWIP_HAVE_LOOPIF
#undef LWIP_NETIF_LOOPBACK
#undef LWIP_NETIF_LOOPBACK_MULTITHREADING
#undef PPP_MD5_RANDM
#undef LWIP_HOOK_TCP_ISN
#undef LWIP_LOOPIF_MULTICAST
#undef SO_REUSE_RXTOALL

// An RP2350 has twice the RAM.
#if PICO_RP2350
#define PMG_RAMS (2)
#else
#define PMG_RAMS (1)
#endif

// Data under way to peers lies in MEM_SIZE, what came from them in the pool.
#define MEM_SIZE (PMG_RAMS * 16000)
#define TCP_MSS (800)
#define TCP_WND (8 * TCP_MSS)
#define TCP_SND_BUF (8 * TCP_MSS)
#define MEMP_NUM_TCP_SEG (PMG_RAMS * 64)

// Connections, those in TIME_WAIT included; lwIP recycles the oldest of these when it needs one.
// The Manager's max_conns is 16 on a board, 32 with twice the RAM; the rest is for `socket`.
#define MEMP_NUM_TCP_PCB (PMG_RAMS * 16 + 4)
#define MEMP_NUM_TCP_PCB_LISTEN (6)
#define MEMP_NUM_UDP_PCB (PMG_RAMS * 8 + LWIP_MDNS_RESPONDER)
#define PBUF_POOL_SIZE (PMG_RAMS * 20)

// Seconds, instead of 60: half of the table may otherwise be asleep.
#define TCP_MSL (5000UL)

#define LWIP_HAVE_LOOPIF (1)
#define LWIP_NETIF_LOOPBACK (1)
// lwIP then asks for a call when a packet waits, and net_board.c answers.
#define LWIP_NETIF_LOOPBACK_MULTITHREADING (1)
struct netif;
signed char pmg_loopback_pending(void (*poll)(struct netif *), struct netif *netif);
#define tcpip_callback_fn void (*)(struct netif *)
#define tcpip_try_callback pmg_loopback_pending

// Multicast is heard by all on the board who have asked for it, as it is elsewhere. Its names are
// Manager.mdns_listen()'s: lwIP's own responder, which shares its port with nobody, is left out.
#define LWIP_LOOPIF_MULTICAST (1)
#define SO_REUSE_RXTOALL (1)
#if !defined(PMG_HAS_MDNS) || PMG_HAS_MDNS
#undef LWIP_MDNS_RESPONDER
#define LWIP_MDNS_RESPONDER (0)
#endif

// Without it each packet that comes stirs a pool of random bits, by MD5 and by waiting for the ring
// oscillator: 20,000 cycles. Nothing but a PPP server's challenge would use that pool.
#define PPP_MD5_RANDM (0)

// lwIP's own first sequence numbers count up from the same one after each start: whoever knows a
// board's uptime could forge packets of its connections. net_board.c makes them as RFC 6528 says.
unsigned int pmg_tcp_isn(const void *local, unsigned short local_port, const void *remote,
    unsigned short remote_port);
#define LWIP_HOOK_TCP_ISN(local, local_port, remote, remote_port) \
    pmg_tcp_isn(local, local_port, remote, remote_port)

#endif
