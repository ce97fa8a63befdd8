// SPDX-License-Identifier: GPL-2.0-only
//
// Just enough configuration to compile shared/io/lwip/ against lwIP's headers on this machine
// (make check). A firmware brings MicroPython's own lwipopts.h.
#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define SO_REUSE 1
#define TCP_LISTEN_BACKLOG 1
#define LWIP_IGMP 1
