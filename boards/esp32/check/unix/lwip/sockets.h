// SPDX-License-Identifier: GPL-2.0-only
//
// The sockets of ESP-IDF's lwIP on a desktop: io/sock/ and io/esp/ run with their ESP32
// configuration and meet what they meet there:
//
//   - few sockets in the process: 16, as the IDF allows at most, or what PMG_ESP_SOCKETS in the
//     environment says; then ENFILE. At the limit accept() takes the waiting peer and drops it.
//   - buffers of four segments
//   - a refused connection is ECONNRESET, one without an answer ECONNABORTED
//   - select() tells of a reset by its third set, even where nothing else was asked
//   - no more than FD_SETSIZE descriptors, no flags for socket() and accept()
//   - select() waits for a semaphore of the thread's own, too, and another call aborts the program
//     if that was left given
#ifndef PMG_UNIX_LWIP_SOCKETS_H
#define PMG_UNIX_LWIP_SOCKETS_H

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include "freertos/semphr.h"

#undef SOCK_CLOEXEC
#undef SOCK_NONBLOCK
#undef SO_ACCEPTCONN

#define PMG_ESP_BUFFER (4 * 1436)

__attribute__((weak)) int pmg_esp_sockets; // in use

static inline int pmg_esp_most(void) {
    const char *given = getenv("PMG_ESP_SOCKETS");
    return given != NULL ? atoi(given) : 16;
}
#define CONFIG_LWIP_MAX_SOCKETS pmg_esp_most()

static inline int pmg_esp_made(int fd) {
    int size = PMG_ESP_BUFFER;
    pmg_esp_call();
    if (fd < 0) {
        return fd;
    }
    if (__atomic_add_fetch(&pmg_esp_sockets, 1, __ATOMIC_SEQ_CST) > pmg_esp_most()) {
        __atomic_sub_fetch(&pmg_esp_sockets, 1, __ATOMIC_SEQ_CST);
        close(fd);
        errno = ENFILE;
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    return fd;
}

static inline int lwip_socket(int family, int type, int protocol) {
    return pmg_esp_made(socket(family, type, protocol));
}

static inline int lwip_accept(int fd, struct sockaddr *addr, socklen_t *len) {
    return pmg_esp_made(accept(fd, addr, len));
}

static inline int lwip_close(int fd) {
    pmg_esp_call();
    __atomic_sub_fetch(&pmg_esp_sockets, 1, __ATOMIC_SEQ_CST);
    return close(fd);
}

static inline int lwip_getsockopt(int fd, int level, int name, void *value, socklen_t *len) {
    int r = getsockopt(fd, level, name, value, len);
    if (r == 0 && level == SOL_SOCKET && name == SO_ERROR) {
        int *err = value;
        *err = *err == ECONNREFUSED ? ECONNRESET : *err == ETIMEDOUT ? ECONNABORTED : *err;
    }
    return r;
}

static inline int lwip_select(int end, fd_set *reads, fd_set *writes, fd_set *errors,
    struct timeval *time) {
    struct pollfd fds[FD_SETSIZE + 1];
    int n = 0, ready = 0, ms = (int)(time->tv_sec * 1000 + time->tv_usec / 1000);
    sys_sem_t sem = *sys_thread_sem_get();
    for (int fd = 0; fd < end; fd++) {
        int events = (FD_ISSET(fd, reads) ? POLLIN : 0) | (FD_ISSET(fd, writes) ? POLLOUT : 0);
        if (events != 0 || FD_ISSET(fd, errors)) {
            fds[n].fd = fd;
            fds[n++].events = (short)events;
        }
    }
    int r = poll(fds, (nfds_t)n, 0);
    if (r == 0 && ms > 0) {
        fds[n].fd = sem->fd;
        fds[n].events = POLLIN;
        r = poll(fds, (nfds_t)n + 1, ms);
        // Woken by a socket, too, that one gives it again.
        if (r == 1 && fds[n].revents != 0) {
            (void)xSemaphoreTake(sem, 0);
        }
    }
    for (int i = 0; i < n && r >= 0; i++) {
        int fd = fds[i].fd, got = fds[i].revents;
        bool broken = (got & (POLLERR | POLLNVAL)) != 0, ended = broken || (got & POLLHUP) != 0;
        if (!(got & POLLIN) && !(ended && FD_ISSET(fd, reads))) {
            FD_CLR(fd, reads);
        }
        if (!(got & POLLOUT) && !(ended && FD_ISSET(fd, writes))) {
            FD_CLR(fd, writes);
        }
        if (!broken) {
            FD_CLR(fd, errors);
        }
        ready += FD_ISSET(fd, reads) || FD_ISSET(fd, writes) || FD_ISSET(fd, errors);
    }
    return r < 0 ? r : ready;
}

#define lwip_bind bind
#define lwip_connect connect
#define lwip_fcntl fcntl
#define lwip_getsockname getsockname
#define lwip_listen listen
#define lwip_recv recv
#define lwip_recvfrom recvfrom
#define lwip_send send
#define lwip_sendto sendto
#define lwip_setsockopt setsockopt
#define lwip_shutdown shutdown

#endif
