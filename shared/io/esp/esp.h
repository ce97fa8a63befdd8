// SPDX-License-Identifier: GPL-2.0-only
//
// The sockets of ESP-IDF's lwIP, by the names that sock.c uses. They are called directly:
// through the system's own names every call would pass a table of file systems, too.
//
// It differs from a desktop: at most CONFIG_LWIP_MAX_SOCKETS (10, 16 at most) in all; nothing but
// IPv4 and IPv6; nobody forks; errors have words of their own (pmg_io_connect_result).
#ifndef PMG_IO_ESP_H
#define PMG_IO_ESP_H

#include "freertos/FreeRTOS.h"

#include "freertos/semphr.h"
#include "freertos/task.h"
#include "lwip/sockets.h"
#include "lwip/sys.h"

bool pmg_io_esp_has_ip6(void); // has an interface an address that others reach?

#define HAS_UNIX_SOCKETS 0
#define HAS_PROCESSES 0
#define MAX_FD FD_SETSIZE

#undef IP_PKTINFO // without LWIP_NETBUF_RECVINFO it says nothing, and sendmsg() never heeds it

// Macros with arguments: members of structures keep their names.
#undef accept
#undef bind
#undef close
#undef connect
#undef fcntl
#undef getsockname
#undef getsockopt
#undef listen
#undef recv
#undef recvfrom
#undef select
#undef send
#undef sendto
#undef setsockopt
#undef shutdown
#undef socket
#define accept(fd, addr, len) lwip_accept(fd, addr, len)
#define bind(fd, addr, len) lwip_bind(fd, addr, len)
#define close(fd) lwip_close(fd)
#define connect(fd, addr, len) lwip_connect(fd, addr, len)
#define fcntl(fd, cmd, value) lwip_fcntl(fd, cmd, value)
#define getsockname(fd, addr, len) lwip_getsockname(fd, addr, len)
#define getsockopt(fd, level, name, value, len) lwip_getsockopt(fd, level, name, value, len)
#define listen(fd, backlog) lwip_listen(fd, backlog)
#define recv(fd, buf, size, flags) lwip_recv(fd, buf, size, flags)
#define recvfrom(fd, buf, size, flags, addr, len) lwip_recvfrom(fd, buf, size, flags, addr, len)
#define select(n, reads, writes, errors, time) lwip_select(n, reads, writes, errors, time)
#define send(fd, buf, size, flags) lwip_send(fd, buf, size, flags)
#define sendto(fd, buf, size, flags, addr, len) lwip_sendto(fd, buf, size, flags, addr, len)
#define setsockopt(fd, level, name, value, len) lwip_setsockopt(fd, level, name, value, len)
#define shutdown(fd, how) lwip_shutdown(fd, how)
#define socket(family, type, protocol) lwip_socket(family, type, protocol)

#endif
