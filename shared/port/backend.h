// SPDX-License-Identifier: GPL-2.0-only
//
// The I/O backend of a build, and what it can: the one file outside of io/ that names backends. All
// others ask for a capability. A new backend is a folder io/NAME/ and a block here.
//
//   PMG_CAN_MULTICAST  pmg_io_mcast_*() and pmg_io_ifaces() are there: mDNS
//   PMG_CAN_MULTICAST6 and they do IPv6, too
//   PMG_CAN_IRQ        interrupts call pmg_mgr_wakeup_irq(), which cannot allocate
//   PMG_CAN_ETC        name servers and hosts are files, /etc/resolv.conf and /etc/hosts; else
//                      pmg_io_dns_servers() is asked
//   PMG_CAN_BARE       no operating system below: the runtime supplies port_lwip.h, too
#ifndef PMG_BACKEND_H
#define PMG_BACKEND_H

#if defined(ESP_PLATFORM) && !defined(PMG_IO_ESP)
#define PMG_IO_ESP 1
#endif

#if defined(__unix__) || defined(__APPLE__)
#define PMG_UNIX 1
#else
#define PMG_UNIX 0
#endif

#if defined(PMG_IO_LWIP) // raw lwIP, io/lwip/
#define PMG_CAN_MULTICAST 1
#define PMG_CAN_MULTICAST6 0
#define PMG_CAN_IRQ 1
#define PMG_CAN_ETC 0
#define PMG_CAN_BARE 1
#elif defined(PMG_IO_ESP) // the sockets of ESP-IDF, io/sock/ with io/esp/
#define PMG_CAN_MULTICAST 1
#define PMG_CAN_MULTICAST6 0
#define PMG_CAN_IRQ 1
#define PMG_CAN_ETC PMG_UNIX
#define PMG_CAN_BARE 0
#else // BSD sockets, io/sock/; PMG_IO_POLL: with poll() on Linux, too
#define PMG_CAN_MULTICAST 1
#ifdef __linux__ // one socket for both; where IPv6's cannot join groups of IPv4, there is IPv4
#define PMG_CAN_MULTICAST6 1
#else
#define PMG_CAN_MULTICAST6 0
#endif
#define PMG_CAN_IRQ 0
#define PMG_CAN_ETC PMG_UNIX
#define PMG_CAN_BARE 0
#endif

#endif
