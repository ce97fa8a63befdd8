// SPDX-License-Identifier: GPL-2.0-only
//
// WebSocket as a binding uses it.
//
// May Python run?  In pmg_ws_upgrade_end: MG_EV_WS_OPEN. Nowhere else, so that a head is built and
// many WebSockets are told with the pointers that were taken before.
#ifndef PMG_WS_H
#define PMG_WS_H

#include "../http/http.h"

extern const pmg_protocol_t pmg_ws; // of a client: ws_connect()

bool pmg_conn_is_websocket(struct mg_connection *c);
// The subprotocol that was agreed on, or NULL.
const char *pmg_conn_ws_protocol(struct mg_connection *c);

// What a client's handshake asks for besides, as the `state` of pmg_connect().
typedef struct {
    // Adds the program's headers with pmg_head_header(); runs no Python. NULL: there are none.
    int (*headers)(pmg_head_t *h, const void *arg);
    const void *arg;
    const struct mg_str *protocols; // the preferred one first
    size_t num_protocols;
} pmg_ws_ask_t;

typedef struct {
    struct mg_str data;
    int flags; // the opcode alone: WEBSOCKET_OP_TEXT ...
} pmg_ws_msg_t;
// See pmg_copy_new().
pmg_copy_t *pmg_ws_copy(pmg_mgr_t *m, unsigned long id, const pmg_ws_msg_t *msg);

// Answers 101 and fires MG_EV_WS_OPEN; pmg_head_header() in between adds headers. A request that
// is no WebSocket handshake gets 400 or 426, MG_EV_WS_OPEN does not come, and the result is 0.
int pmg_ws_upgrade_begin(pmg_head_t *h, struct mg_connection *c, const pmg_http_msg_t *hm);
// In between, too: agrees to a subprotocol, if the client has offered it. -EINVAL: it is no token.
int pmg_ws_upgrade_protocol(pmg_head_t *h, struct mg_str name);
int pmg_ws_upgrade_end(pmg_head_t *h);
// -EINVAL: unknown opcode, text that is not UTF-8, a control frame over 125 bytes, a bad close
// code, or no WebSocket; -EPIPE after a close frame was sent; -ENOBUFS as pmg_send.
int pmg_ws_send(struct mg_connection *c, const void *buf, size_t len, int op);
// The same with WEBSOCKET_OP_TEXT, for bytes that are known to be UTF-8: a CPython str's (one of
// MicroPython may hold a lone surrogate).
int pmg_ws_send_text(struct mg_connection *c, const void *buf, size_t len);

// One message to many WebSockets, checked and encoded once. begin(), then all() or one() for each,
// then read `sent` and `skipped`. No Python runs in them.
typedef struct {
    pmg_mgr_t *m;
    struct mg_str data;
    int op;
    size_t max_queued;
    uint8_t head[10];
    size_t head_len;
    size_t sent, skipped;
} pmg_broadcast_t;
// As pmg_ws_send, but for one that is closing; `is_utf8`: it is known to be. `max_queued`: a peer
// with more than this unsent is skipped, SIZE_MAX takes PMG_BROADCAST_QUEUED.
int pmg_broadcast_begin(pmg_broadcast_t *b, pmg_mgr_t *m, struct mg_str data, int op, bool is_utf8,
    size_t max_queued);
void pmg_broadcast_all(pmg_broadcast_t *b); // what was accepted by a listener
// Any connection; nothing happens to one that is no WebSocket or is about to end. -EINVAL if it is
// another manager's.
int pmg_broadcast_one(pmg_broadcast_t *b, struct mg_connection *c);

#endif
