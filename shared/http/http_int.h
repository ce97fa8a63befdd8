// SPDX-License-Identifier: GPL-2.0-only
//
// What the files of HTTP share. From the top: http.c (messages, one after another), body.c (how a
// body is framed), form.c, stream.c and upload.c (bodies in pieces), the files of serve_int.h (static
// files), reply.c, hand.c, request.c, date.c, state.c, head.c (heads of the peer), message.c (what they
// say), out.c (heads of ours). None calls one above it.
#ifndef PMG_HTTP_INT_H
#define PMG_HTTP_INT_H

#include "../core/core_int.h"
#include "http.h"

typedef struct pmg_http_stream pmg_http_stream_t;
typedef struct pmg_request pmg_request_t;

// What was written so far.
typedef struct {
    char *auth;             // of a client: "Authorization: Basic ...\r\n" for the next request
    pmg_request_t *request; // of a server: NULL until it writes a reply by hand
} pmg_http_client_t;

typedef struct {
    pmg_http_client_t client; // first: a tcp:// client that sends HTTP by hand has it, too
    uint8_t state;            // PMG_HTTP_HEAD ...
    uint8_t close_after;
    uint8_t resp_started : 1; // some of the reply is queued
    uint8_t fresh : 1;        // a head was read since the deadline was last set
    uint8_t sink : 2;         // where the body goes, PMG_HTTP_BODY_*
    uint8_t by_hand : 1;      // the program sent something itself instead
    uint8_t out : 2;          // how the body of the reply goes out, PMG_HTTP_OUT_*
    uint8_t is_head : 1;      // the request was HEAD: a reply has no body
    uint8_t http10 : 1;
    uint8_t is_connect : 1; // the request was CONNECT: a 2xx opens a tunnel
    uint8_t tunnel : 1;     // what follows is not HTTP, and the program's
    uint8_t events : 1;     // or pictures, without an end: silence and slowness are its nature
    uint32_t gone;          // bytes of bodies that are not in the buffer any more, modulo 2^32
    union {
        size_t scan;              // bytes of the head that hold no end of it; where trailers begin
        const pmg_http_msg_t *hm; // while pmg_http_in_head()
    };
    size_t head_len;
    size_t pos;                // raw bytes of the message that were read so far
    size_t left;               // of the body or the chunk
    size_t body_len;           // decoded
    pmg_http_stream_t *stream; // while the sink is PMG_HTTP_BODY_STREAM
} pmg_http_t;
PMG_FITS(pmg_http_t, PMG_STATE_SIZE);

// Where in a message the input stands.
enum {
    PMG_HTTP_HEAD,
    PMG_HTTP_LENGTH,
    PMG_HTTP_CHUNK_SIZE,
    PMG_HTTP_CHUNK_DATA,
    PMG_HTTP_CHUNK_END,
    PMG_HTTP_TRAILER,
    PMG_HTTP_UNTIL_CLOSE
};

enum {
    PMG_HTTP_BODY_GATHER, // it is kept behind its head, for MG_EV_HTTP_MSG
    PMG_HTTP_BODY_STREAM, // pieces go to the program or into a file
    PMG_HTTP_BODY_DROP    // answered before its end: it is read, and nobody hears of it
};

static inline pmg_http_t *pmg_http_of(struct mg_connection *c) {
    return pmg_state(c);
}
extern const char pmg_http_name[]; // this very text is the name of one protocol alone
static inline bool pmg_is_http(struct mg_connection *c) {
    return pmg_x(c)->speaks->name == pmg_http_name;
}

// head.c
size_t pmg_http_head_length(const char *p, size_t len, size_t from); // 0: its end is not there
// state.c
void pmg_http_reset(struct mg_connection *c);       // for the next message
void pmg_http_done(struct mg_connection *c);        // the reply is complete
void pmg_http_leave(struct mg_connection *c);       // from here on the bytes are the program's
bool pmg_http_in_head(struct mg_connection *c);     // does the handler of MG_EV_HTTP_HDRS run?
void pmg_http_body_drop(struct mg_connection *c);   // the request was answered, its body not
size_t pmg_http_body_left(struct mg_connection *c); // of a body with Content-Length

// body.c
typedef struct {
    bool http10, chunked, has_length, close, keep_alive, upgrade, expect_continue;
    bool faulty; // chunks in HTTP/1.0: nothing that follows can be trusted
    size_t content_length;
    struct mg_str authority; // of a request's target, or empty
} pmg_http_framing_t;
void pmg_http_body_begin(struct mg_connection *c, const pmg_http_msg_t *hm,
    const pmg_http_framing_t *f); // behind a head of head_len bytes
// Moves on in the body of the message at `base`. 0: it is whole; PMG_HTTP_BODY_WAIT: more bytes are
// needed; PMG_HTTP_BODY_STOPPED: a handler has closed the connection, or leaves poll(); or the
// status to refuse with. Handlers run in here.
enum { PMG_HTTP_BODY_WAIT = -1, PMG_HTTP_BODY_STOPPED = -2 };
int pmg_http_body_more(struct mg_connection *c, char *base, size_t len);
static inline bool pmg_http_over(size_t n, size_t limit) {
    return limit > 0 && n > limit;
}

// head.c
// Parses a whole head of len bytes. 0, or the status to refuse it with.
int pmg_http_parse_head(const char *buf, size_t len, bool response, pmg_http_msg_t *hm,
    pmg_header_t *headers, int max_headers, pmg_http_framing_t *f);
bool pmg_http_is_token(struct mg_str s);
bool pmg_http_is_target(struct mg_str s); // a request's: no space, no control character, no "#"
bool pmg_http_is_field_value(struct mg_str s);

// message.c
// Takes the next member off a comma-separated list; empty ones are skipped. False: there is none.
bool pmg_http_next_member(struct mg_str *list, struct mg_str *member);
bool pmg_http_list_has(struct mg_str list, const char *token); // in small letters
bool pmg_http_list_has_exactly(struct mg_str list, struct mg_str member);
static inline struct mg_str pmg_http_trim(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\t')) {
        p++;
    }
    while (end > p && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    return mg_str_n((char *)(size_t)p, (size_t)(end - p));
}

// out.c
enum { PMG_HTTP_OUT_LENGTH, PMG_HTTP_OUT_CHUNKED, PMG_HTTP_OUT_STREAM };
enum {
    PMG_HEAD_REPLY,
    PMG_HEAD_UPGRADE,
    PMG_HEAD_FILE,
    PMG_HEAD_REQUEST,
    PMG_HEAD_HANDSHAKE // a WebSocket client's
};
enum { // what a head has said so far (pmg_head_t.seen)
    PMG_HEAD_SEEN_TYPE = 1,
    PMG_HEAD_SEEN_LENGTH = 2,
    PMG_HEAD_SEEN_CHUNKED = 4,
    PMG_HEAD_SEEN_STREAM = 8,
    PMG_HEAD_SEEN_CLOSE = 16,
    PMG_HEAD_SEEN_HOST = 32,
    PMG_HEAD_SEEN_AUTH = 64,
    PMG_HEAD_SEEN_DATE = 128
};
bool pmg_http_out_chunk(struct mg_connection *c, const void *buf,
    size_t len); // all of it or nothing
bool pmg_http_out_str(struct mg_connection *c, const char *s);
bool pmg_http_out_num(struct mg_connection *c, uint64_t n);
bool pmg_http_out_status(struct mg_connection *c, int status); // the status line
const char *pmg_http_reason(int status);
// Makes a head that is never sent: its headers are looked at, then its end() says why. 0.
int pmg_head_refused(pmg_head_t *h, struct mg_connection *c, int why);
int pmg_head_text(pmg_head_t *h, const char *name, const char *value); // as pmg_head_header()
int pmg_head_lines(pmg_head_t *h, struct mg_str lines); // "Name: value\r\n" of a caller
struct mg_str pmg_head_lines_value(struct mg_str lines,
    const char *lower_name);                     // {NULL, 0}: no such
int pmg_http_no_memory(struct mg_connection *c); // -ENOMEM, "no memory for the reply"

// date.c
// The header's line, behind it the usual Content-Type; NULL: the clock is not set.
const char *pmg_http_date(pmg_mgr_t *m);
#define PMG_TYPE_LINE "Content-Type: text/plain; charset=utf-8\r\n"
#define PMG_TYPE_LEN 41
#define PMG_DATE_LEN 37
#define PMG_DATE_TYPE_LEN (PMG_DATE_LEN + PMG_TYPE_LEN)

// hand.c: replies that a program writes with send()
int pmg_hand_send(struct mg_connection *c, const void *buf, size_t len);
bool pmg_hand_between(struct mg_connection *c); // is http_chunk() free to go on?
void pmg_hand_done(struct mg_connection *c);
// A head by hand was all of the answer to HEAD: the program may go on with a body that nobody gets.
bool pmg_hand_answered_head(struct mg_connection *c);

// reply.c
int pmg_reply_start(pmg_head_t *h, struct mg_connection *c, int status); // or at once why not
void pmg_http_refuse(struct mg_connection *c, int status); // a reply of ours, then close
void pmg_http_failed(struct mg_connection *c); // a handler raised: 500 or 400, if a request waits
// Calls the handler, and answers for it if it raises.
static inline void pmg_http_fire(struct mg_connection *c, int ev, void *data) {
    pmg_x(c)->handler_failed = 0;
    pmg_call(c, ev, data);
    if (pmg_x(c)->handler_failed && pmg_is_http(c)) {
        pmg_http_failed(c);
    }
}

// stream.c: bodies in pieces; state.c: how one ends before its time
#if PMG_HAS_STREAM
struct pmg_http_stream {
    size_t max;  // 0: no limit
    size_t most; // bytes of a piece; 0: as many as there are
    bool refused;
    // A handler runs or the file system has it, which may run Python, too: who ends it meanwhile
    // says `gone`, and pmg_http_stream_leave() frees it.
    bool busy, gone;
    struct pmg_http_upload *upload; // NULL: pieces go to the program
    // Of a form, what takes its pieces and ends it (form.c): as the functions below. Else NULL.
    void *form;
    size_t form_size;
    bool no_room; // for the form, by max_memory
    size_t (*piece)(struct mg_connection *c, const char *buf, size_t len);
    bool (*end)(struct mg_connection *c);
    char *head;
    size_t head_len;
};
// The head is read, the body follows. False: refused.
bool pmg_http_stream_begin(struct mg_connection *c, const char *head, size_t len);
size_t pmg_http_stream_max(struct mg_connection *c);
size_t pmg_http_stream_held(struct mg_connection *c);            // bytes
size_t pmg_http_stream_fit(struct mg_connection *c, size_t len); // so many of them are a piece
// How many of the bytes, which fit, are done with: all, unless an exception leaves poll().
size_t pmg_http_stream_piece(struct mg_connection *c, const char *buf, size_t len);
// The body is whole, and so is its file; `head` is valid until the result is freed. NULL: it failed.
pmg_http_stream_t *pmg_http_stream_end(struct mg_connection *c, struct mg_str *head);
void pmg_http_stream_free(pmg_http_stream_t *s);
void pmg_http_stream_abort(struct mg_connection
        *c); // an unfinished file goes; what follows is dropped
// MG_EV_ERROR with this text; a server answers with `status`; the connection ends.
void pmg_http_stream_fail(struct mg_connection *c, int status, const char *text);
void pmg_http_stream_too_large(struct mg_connection *c);
#else
#define pmg_http_stream_begin(c, head, len) ((void)(c), (void)(head), (void)(len), false)
#define pmg_http_stream_max(c) ((size_t)0)
#define pmg_http_stream_held(c) ((void)(c), (size_t)0)
#define pmg_http_stream_fit(c, len) (len)
#define pmg_http_stream_piece(c, buf, len) ((void)(c), (void)(buf), (len))
#define pmg_http_stream_end(c, head) ((void)(c), (void)(head), (pmg_http_stream_t *)NULL)
#define pmg_http_stream_free(s) ((void)(s))
#define pmg_http_stream_abort(c) ((void)(c))
#define pmg_http_stream_fail(c, status, text) pmg_fatal(c, text)
#define pmg_http_stream_too_large(c) ((void)(c))
#endif

// request.c: the requests that a client sends
bool pmg_is_requester(struct mg_connection *c); // does it send HTTP requests?
bool pmg_request_new(struct mg_connection *c);
int pmg_request_send(struct mg_connection *c, const void *buf, size_t len);
int pmg_request_chunk(struct mg_connection *c, const void *buf, size_t len);
bool pmg_request_asked(struct mg_connection *c); // may an answer come?
bool pmg_request_owed(struct mg_connection *c);  // must one come?
bool pmg_request_is_head(struct mg_connection *c);
bool pmg_request_is_connect(struct mg_connection *c);
void pmg_request_last(struct mg_connection *c); // no other may follow
// Is there input that came ahead of a request, or the end of it? Takes a byte of it.
bool pmg_request_came_early(struct mg_connection *c);
void pmg_request_answered(struct mg_connection *c);
void pmg_request_end_client(struct mg_connection *c); // frees what it keeps
int pmg_request_credentials(struct mg_connection *c, char *line);

#endif
