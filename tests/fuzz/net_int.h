// SPDX-License-Identifier: GPL-2.0-only
//
// What the files of the backend in memory share: net.c (ends and what is said) and net_wait.c (who waits
// for what, and multicast).
#ifndef PMG_FUZZ_NET_INT_H
#define PMG_FUZZ_NET_INT_H

#include "net.h"
#include "io/io.h"

typedef struct datagram {
    struct datagram *next;
    uint16_t from, to;
    size_t len;
    unsigned char data[];
} datagram_t;

struct net_end {
    net_end_t *next, *peer;
    net_end_t *waits; // of a listener: who waits to be accepted; of these: the next
    struct mg_connection *c;
    uint16_t port, to;
    bool listener, udp, multicast, eof, reset, refused, connecting, gone, told;
    unsigned char *in;
    size_t len, size;
    datagram_t *first;
};

static inline net_end_t *of(const struct mg_connection *c) {
    return c->fd == (void *)(ssize_t)-1 ? NULL : c->fd;
}

// net.c
int net_failure(int kind, int usual);
net_end_t *net_open(struct mg_connection *c, uint16_t port);
size_t net_window_left(const net_end_t *e);
long net_send_datagram(net_end_t *e, uint16_t to, const void *buf, size_t len);

#endif
