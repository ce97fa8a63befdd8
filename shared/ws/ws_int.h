// SPDX-License-Identifier: GPL-2.0-only
//
// What the files of WebSocket share: frame.c (nothing but bytes), ws.c (a connection's messages),
// handshake.c, broadcast.c.
#ifndef PMG_WS_INT_H
#define PMG_WS_INT_H

#include "../http/http_int.h"
#include "frame.h"
#include "ws.h"

enum {
    PMG_WS_OPEN,
    PMG_WS_CONNECTING, // a client that has not asked yet
    PMG_WS_ASKED       // one that waits for 101
};

typedef struct {
    uint8_t handshake; // PMG_WS_OPEN ...
    uint8_t msg_op;    // opcode of the message being assembled, 0 for none
    uint8_t frame_open;
    uint8_t frame_fin;
    uint8_t masked;
    uint8_t close_sent, close_rcvd;
    uint8_t heard, pinged; // since the last look: anything of the peer; our ping
    uint8_t mask[4];
    uint32_t mask_pos;
    size_t frame_left;
    size_t len; // assembled bytes, at the start of the receive buffer; of an answer: looked at
    pmg_utf8_t utf8;
    union {
        struct {          // of a client that has not asked yet
            char *target; // path and query of the URL
            char *auth;   // the header line of its credentials, or NULL
        } ask;
        char accept[29]; // then: what the server must answer
        size_t queued;   // once open: what waited to be sent at the last look
    } u;
} pmg_ws_t;
PMG_FITS(pmg_ws_t, PMG_STATE_SIZE);

static inline pmg_ws_t *pmg_ws_of(struct mg_connection *c) {
    return pmg_state(c);
}

// ws.c
// 0, or why a program must not send this; `checked` says that text was looked at.
int pmg_ws_check(pmg_mgr_t *m, const void *buf, size_t len, int op, bool checked);

// handshake.c
int pmg_ws_start(struct mg_connection *c, const pmg_opening_t *o);
void pmg_ws_ask(struct mg_connection *c); // a client's request
// Reads the server's answer, and calls is_open() when it is the right one. True: it is open.
bool pmg_ws_read_handshake(struct mg_connection *c,
    void (*is_open)(struct mg_connection *c, const pmg_http_msg_t *hm));

#endif
