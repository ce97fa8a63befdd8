// SPDX-License-Identifier: GPL-2.0-only
//
// A stand-in for a header of ESP-IDF: what MicroPython's headers and pymongoose name of it.
#ifndef PMG_CHECK_LWIPOPTS_H
#define PMG_CHECK_LWIPOPTS_H

// As ESP-IDF v5.2 to v5.5 sets lwIP up, where it shows in the headers of its sockets.
#include <stdlib.h>
#include <string.h>
#include <sys/fcntl.h>
#include <sys/select.h>
#include <sys/types.h>
#include <unistd.h>
#include "sdkconfig.h"
#include "esp_random.h"
#include "arch/sys_arch.h"
#define NO_SYS 0
#define LWIP_SOCKET 1
#define LWIP_NETCONN 1
#define LWIP_NETCONN_SEM_PER_THREAD 1
#define LWIP_NETCONN_FULLDUPLEX 1
#define LWIP_COMPAT_SOCKETS 0
#define LWIP_POSIX_SOCKETS_IO_NAMES 0
#define LWIP_SOCKET_OFFSET (FD_SETSIZE - CONFIG_LWIP_MAX_SOCKETS)
#define LWIP_SOCKET_SELECT 1
#define LWIP_SOCKET_POLL 0
#define LWIP_IPV6 1
#define LWIP_DNS 1
#define DNS_MAX_SERVERS 3
#define LWIP_IGMP 1
#define LWIP_MULTICAST_TX_OPTIONS 1
#define LWIP_NETIF_LOOPBACK 1
#define SO_REUSE 1
#define LWIP_SO_RCVTIMEO 1
#define LWIP_SO_SNDTIMEO 1
#define LWIP_TCP_KEEPALIVE 1
#define LWIP_TIMEVAL_PRIVATE 0
#define MEM_LIBC_MALLOC 1

#endif
