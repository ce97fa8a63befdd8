// SPDX-License-Identifier: GPL-2.0-only
//
// What a connection points to instead of being asked its name: the protocol that it speaks, the
// layer between that and the socket, what tops up its send buffer, what it waits for. The core
// calls these; a new protocol is a folder, and one row in open/schemes.c.
//
// May Python run?  In `read`, `opened`, `begin`, `eof`, `gone`, `closing` and a layer's `handshake`:
// they fire events; so do `slow` and
// `oversized`. In `send` of an HTTP client: what waits goes first. In a source's
// `more` and `end`: the file system may be Python's. Everywhere else: no.
#ifndef PMG_PROTOCOL_H
#define PMG_PROTOCOL_H

#include "types.h"

// What a connection is made from; valid during `start` and `listens`.
typedef struct {
    struct mg_str target; // path and query of the URL; of a listener and of a peer empty
    const void *state;    // what the caller of pmg_connect() gave
} pmg_opening_t;

// What the peer has to do before anything goes on.
typedef struct {
    uint32_t said;   // bytes of what it is saying so far; only differences count
    bool unfinished; // it has begun a message that is not whole, and reading goes on
    bool saying;     // and is held to min_rate for it
    bool taking;     // of what is queued for it, too
    bool untaken;    // the core's: there is something queued for it
} pmg_owed_t;

// An operation that is NULL has nothing to do. All but `read` may run before there is a socket.
struct pmg_protocol {
    const char *name;    // as texts have it: "WebSocket"
    const char *only_by; // a client is made by this method alone: "mqtt_connect()"; or NULL
    const char *refusal; // sent to a peer for which there is no room; or NULL
    bool finishes;       // a peer that has closed its side is still sent the answer it waits for
    bool datagrams;      // it runs over UDP
    // A connection is being made, as client or accepted: allocates its state. 0, -ENOMEM, -EINVAL.
    int (*start)(struct mg_connection *c, const pmg_opening_t *o);
    // Something was read in the clear: may TLS begin here, between two messages? `read` then leaves
    // the rest. NULL: never.
    bool (*upgrades)(struct mg_connection *c);
    // Opens a listener's socket in place of the core. 0 or a negative errno.
    int (*listens)(struct mg_connection *c, const pmg_opening_t *o);
    // Accepted or connected; and once more when TLS stands. Ahead of the program's event.
    void (*opened)(struct mg_connection *c);
    // A client is connected and the program was told: what it says first.
    void (*begin)(struct mg_connection *c);
    // c->recv has grown, or what is there is to be looked at again. Sets c->is_full when it wants no
    // more for now. NULL: input and its limit are the program's.
    void (*read)(struct mg_connection *c);
    // What a program sends by hand. 0 or a negative errno. NULL: it is queued as it is.
    int (*send)(struct mg_connection *c, const void *buf, size_t len);
    // Takes the header line of a client's credentials over; an error leaves it to the caller.
    int (*credentials)(struct mg_connection *c, char *line);
    // Is it between two requests, so that it may make room for another?
    bool (*idle)(struct mg_connection *c);
    // Fills in what the peer owes us; an accepted connection of a protocol that has this may have to
    // make room for another. `slow`: it says it more slowly than min_rate.
    void (*owes)(struct mg_connection *c, pmg_owed_t *o);
    void (*slow)(struct mg_connection *c);
    // What has come of an unfinished message was freed, since memory is short: ends the connection as
    // the limit of a message's size does. NULL: MG_EV_ERROR.
    void (*oversized)(struct mg_connection *c);
    // Bytes that it keeps besides the buffers, if they may be many.
    size_t (*held)(struct mg_connection *c);
    // A handler raised, later than in its event: answers for it if somebody waits.
    void (*failed)(struct mg_connection *c);
    // The peer has closed its side. True: the input is to be looked at once more.
    bool (*eof)(struct mg_connection *c);
    // It has closed, and so will we: what there is to be said of that.
    void (*gone)(struct mg_connection *c);
    // The last words ahead of draining.
    void (*drain)(struct mg_connection *c);
    // Ahead of MG_EV_CLOSE.
    void (*closing)(struct mg_connection *c);
    // Frees its state, ahead of the socket. Also when another protocol takes over.
    void (*end)(struct mg_connection *c);
    // Words of an event's data for the log, at most two; `number` has room for one.
    void (*describe)(int ev, const void *data, struct mg_str words[2], char number[24]);
};

extern const pmg_protocol_t pmg_raw; // no protocol: bytes are the program's

// Between a protocol and the socket.
typedef struct {
    // As pmg_io_read() and pmg_io_write(); -EPROTO has been told to the program.
    long (*read)(struct mg_connection *c, void *buf, size_t len);
    long (*write)(struct mg_connection *c, const void *buf, size_t len);
    // Has the peer sent something, or its end, that was not read? A byte of it is lost.
    bool (*early)(struct mg_connection *c);
    bool (*pending)(struct mg_connection *c);     // is there something to read without the socket?
    bool (*wants_write)(struct mg_connection *c); // does the handshake wait to send?
    void (*handshake)(struct mg_connection *c);   // goes on with it
    uint32_t (*heard)(struct mg_connection *c);   // bytes that moved in it, modulo 2^32
    size_t (*held)(struct mg_connection *c);      // bytes of memory; NULL: none
    void (*goodbye)(struct mg_connection *c);     // says that this was all
    void (*end)(struct mg_connection *c);         // frees all
} pmg_layer_t;

// Tops up the send buffer when it is empty. It begins the object that is freed by its end().
typedef struct pmg_source {
    void (*more)(struct mg_connection *c);
    void (*end)(struct mg_connection *c);
} pmg_source_t;

// What a connection waits for. It begins the object that is freed by its cancel().
typedef struct pmg_wait {
    void (*cancel)(struct mg_connection *c);
} pmg_wait_t;

// What a part keeps for a manager, until that ends. Its end() tells whose it is.
typedef struct pmg_attached {
    struct pmg_attached *next;
    void (*end)(pmg_mgr_t *m, struct pmg_attached *p);
} pmg_attached_t;

#endif
