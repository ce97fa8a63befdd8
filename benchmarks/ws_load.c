// SPDX-License-Identifier: GPL-2.0-only
//
// Echo load over WebSocket: ws_load PORT CONNECTIONS WINDOW MESSAGES
// Each connection keeps WINDOW text messages of 64 bytes in flight until MESSAGES in all have come
// back. Prints the messages and the seconds. It is ours and in C so that one client, faster than
// every server measured, drives them all: what comes back is counted by its length, and the last
// message of each connection is compared.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PAYLOAD 64
#define SENT (2 + 4 + PAYLOAD) // a client masks
#define ECHO (2 + PAYLOAD)
#define MAX_CONNS 1024
#define MAX_WINDOW 256
#define GIVE_UP_MS 20000

typedef struct {
    int fd;
    size_t got; // bytes of the echo that is coming
    uint8_t echo[ECHO];
} conn_t;

static conn_t conns[MAX_CONNS];
static uint8_t burst[MAX_WINDOW * SENT], expected[ECHO];

static void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static int dial(int port) {
    static const char head[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                               "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
        fail("cannot connect");
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (send(fd, head, sizeof(head) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(head) - 1) {
        fail("cannot send");
    }
    char reply[4096];
    size_t len = 0;
    do {
        ssize_t n = recv(fd, reply + len, sizeof(reply) - 1 - len, 0);
        if (n <= 0) {
            fail("no answer to the handshake");
        }
        len += (size_t)n;
        reply[len] = '\0';
    } while (strstr(reply, "\r\n\r\n") == NULL);
    if (strncmp(reply, "HTTP/1.1 101", 12) != 0) {
        fail("the handshake was refused");
    }
    return fd;
}

static void transmit(conn_t *c, size_t messages) {
    size_t len = messages * SENT;
    if (len > 0 && send(c->fd, burst, len, MSG_NOSIGNAL) != (ssize_t)len) {
        fail("cannot send");
    }
}

// Takes what has come; returns how many echoes are whole now.
static size_t receive(conn_t *c) {
    static uint8_t buf[65536];
    ssize_t n = recv(c->fd, buf, sizeof(buf), 0);
    if (n <= 0) {
        fail("the server closed the connection");
    }
    size_t echoes = 0, left = (size_t)n;
    const uint8_t *p = buf;
    while (left > 0) {
        size_t take = ECHO - c->got < left ? ECHO - c->got : left;
        memcpy(c->echo + c->got, p, take);
        c->got += take;
        p += take;
        left -= take;
        if (c->got == ECHO) {
            if (memcmp(c->echo, expected, ECHO) != 0) {
                fail("what came back is not what was sent");
            }
            c->got = 0;
            echoes++;
        }
    }
    return echoes;
}

static void prepare(void) {
    static const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
    uint8_t *frame = burst;
    expected[0] = 0x81; // final, text
    expected[1] = PAYLOAD;
    frame[0] = 0x81;
    frame[1] = 0x80 | PAYLOAD;
    memcpy(frame + 2, mask, 4);
    for (int i = 0; i < PAYLOAD; i++) {
        expected[2 + i] = (uint8_t)('!' + i);
        frame[6 + i] = expected[2 + i] ^ mask[i & 3];
    }
    for (int i = 1; i < MAX_WINDOW; i++) {
        memcpy(burst + i * SENT, burst, SENT);
    }
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fail("usage: ws_load PORT CONNECTIONS WINDOW MESSAGES");
    }
    size_t count = (size_t)atoi(argv[2]), window = (size_t)atoi(argv[3]);
    long long to_send = atoll(argv[4]), to_come = to_send;
    if (count == 0 || count > MAX_CONNS || window == 0 || window > MAX_WINDOW) {
        fail("1 to 1024 connections, 1 to 256 messages in flight");
    }
    prepare();
    int set = epoll_create1(0);
    for (size_t i = 0; i < count; i++) {
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &conns[i]};
        conns[i].fd = dial(atoi(argv[1]));
        epoll_ctl(set, EPOLL_CTL_ADD, conns[i].fd, &ev);
    }
    struct timespec begun, ended;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    for (size_t i = 0; i < count && to_send > 0; i++) {
        size_t n = (long long)window < to_send ? window : (size_t)to_send;
        to_send -= (long long)n;
        transmit(&conns[i], n);
    }
    while (to_come > 0) {
        struct epoll_event evs[64];
        int n = epoll_wait(set, evs, 64, GIVE_UP_MS);
        if (n <= 0) {
            fail("no echo for 20 s");
        }
        for (int i = 0; i < n; i++) {
            size_t echoes = receive(evs[i].data.ptr);
            to_come -= (long long)echoes;
            size_t next = (long long)echoes < to_send ? echoes : (size_t)to_send;
            to_send -= (long long)next;
            transmit(evs[i].data.ptr, next);
        }
    }
    clock_gettime(CLOCK_MONOTONIC, &ended);
    printf("%s %.6f\n", argv[4],
        (double)(ended.tv_sec - begun.tv_sec) + 1e-9 * (double)(ended.tv_nsec - begun.tv_nsec));
    return 0;
}
