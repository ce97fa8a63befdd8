// SPDX-License-Identifier: GPL-2.0-only
//
// A stand-in for a header of ESP-IDF: what MicroPython's headers and pymongoose name of it.
#ifndef PMG_CHECK_LWIPOPTS_H
#define PMG_CHECK_LWIPOPTS_H

// As ESP-IDF sets lwIP up, where it shows in the headers of its sockets.
#include "sdkconfig.h"
#define NO_SYS 0
#define LWIP_SOCKET 1
#define LWIP_NETCONN 1
#define LWIP_COMPAT_SOCKETS 1
#define LWIP_POSIX_SOCKETS_IO_NAMES 0
#define LWIP_SOCKET_OFFSET (64 - CONFIG_LWIP_MAX_SOCKETS)
#define LWIP_SOCKET_SELECT 1
#define LWIP_SOCKET_POLL 0
#define LWIP_IPV6 1
#define LWIP_DNS 1
#define DNS_MAX_SERVERS 3
#define LWIP_IGMP 1
#define LWIP_MULTICAST_TX_OPTIONS 1
#define LWIP_ERRNO_INCLUDE <errno.h>
#define LWIP_NETIF_LOOPBACK 1
#define SO_REUSE 1
#define LWIP_SO_RCVTIMEO 1
#define MEM_LIBC_MALLOC 1

#endif
