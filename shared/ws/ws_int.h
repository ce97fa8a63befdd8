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

// Of a client, and of a connection with a subprotocol. All may be NULL.
typedef struct pmg_ws_words {
    char *target;    // path and query of a client's URL, until it has asked
    char *auth;      // the header line of its credentials, until then
    char *headers;   // the program's, until then
    char *protocols; // that a client offers, a list
    char *protocol;  // that was agreed on
    bool own_host;   // Host is among the headers
    bool own_auth;
    char accept[29]; // what the server must answer
} pmg_ws_words_t;

typedef struct {
    uint8_t handshake; // PMG_WS_OPEN ...
    uint8_t msg_op;    // opcode of the message being assembled, 0 for none
    uint8_t frame_open;
    uint8_t frame_fin;
    uint8_t masked;
    uint8_t close_sent, close_rcvd;
    uint8_t heard, pinged; // since the last look: anything of the peer; our ping
    uint8_t at;            // where the message being assembled begins, while it is
    uint8_t pongs;         // in a long queue, and where the last of them has left it:
    uint32_t pong_at;      // pmg_conn_t's `taken` then
    uint8_t mask[4];
    uint32_t mask_pos;
    size_t frame_left;
    size_t len; // assembled bytes, at `at` in the receive buffer; of an answer: looked at
    pmg_utf8_t utf8;
    pmg_ws_words_t *words; // NULL: there are none
    size_t queued;         // what waited to be sent at the last look
} pmg_ws_t;
PMG_FITS(pmg_ws_t, PMG_STATE_SIZE);

static inline pmg_ws_t *pmg_ws_of(struct mg_connection *c) {
    return pmg_state(c);
}

// ws.c
// 0, or why a program must not send this; `checked` says that text was looked at.
int pmg_ws_check(pmg_mgr_t *m, const void *buf, size_t len, int op, bool checked);

// handshake.c
pmg_ws_words_t *pmg_ws_words(struct mg_connection *c); // makes them; NULL: no memory
void pmg_ws_words_free(struct mg_connection *c);
// Ends the head of a server's answer. *protocol: what it agrees to, to be freed, or NULL.
int pmg_ws_upgrade_refuse(pmg_head_t *h); // of a head that was refused: answers the client
int pmg_ws_upgrade_finish(pmg_head_t *h, char **protocol);
int pmg_ws_start(struct mg_connection *c, const pmg_opening_t *o);
void pmg_ws_ask(struct mg_connection *c); // a client's request
// Reads the server's answer, and calls is_open() when it is the right one. True: it is open.
bool pmg_ws_read_handshake(struct mg_connection *c,
    void (*is_open)(struct mg_connection *c, const pmg_http_msg_t *hm));

#endif
