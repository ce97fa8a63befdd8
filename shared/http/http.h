// SPDX-License-Identifier: GPL-2.0-only
//
// HTTP as a binding uses it, server and client.
//
// May Python run?  Where files are: in pmg_http_stream_body, pmg_serve_dir and pmg_serve_file, and in
// pmg_reply_end and pmg_http_chunk as their last step, when an upload is given up. Of MicroPython's file
// systems some are Python, and the port may run scheduled functions meanwhile. Nowhere else: least of
// all between a head's begin and end.
#ifndef PMG_HTTP_H
#define PMG_HTTP_H

#include "../base/protocol.h"
#include "../core/core.h"

extern const pmg_protocol_t pmg_http;

typedef struct {
    struct mg_str name, value;
} pmg_header_t;

#ifndef PMG_MAX_HEADERS
#define PMG_MAX_HEADERS 64
#endif

typedef struct {
    // A response has its protocol in method, its status in uri and its reason in proto, as Mongoose
    // lays it out.
    struct mg_str method, uri, query, proto, body;
    struct mg_str head; // the whole head as received
    int status;         // of a response; 0 in a request
    int num_headers;
    const pmg_header_t *headers;
} pmg_http_msg_t;

// See pmg_copy_new().
pmg_copy_t *pmg_http_copy(pmg_mgr_t *m, unsigned long id, const pmg_http_msg_t *hm);

// The header's value, or {NULL, 0}. Names compare without case.
struct mg_str pmg_http_header(const pmg_http_msg_t *hm, struct mg_str name);
// Its lines as one list, where there are several (RFC 9110, section 5.3): the length, and the text
// into `dst` unless that is NULL. 0: it has one line, or is no list, such as Set-Cookie.
size_t pmg_http_header_joined(const pmg_http_msg_t *hm, struct mg_str name, char *dst);
// Is `token` a member of the list that a header is, in whatever line? Both in small letters.
bool pmg_http_header_has(const pmg_http_msg_t *hm, const char *name, const char *token);
// A parameter of a header's value: charset in "text/html; charset=utf-8", quotes removed.
struct mg_str pmg_http_header_var(const pmg_http_msg_t *hm, struct mg_str name, struct mg_str var);
// A cookie of the request (RFC 6265, 5.4): pairs stand apart by ";" alone, a name ends at the first "="
// and counts with its case, a value is taken as it stands. {NULL, 0} if there is none.
struct mg_str pmg_http_cookie(const pmg_http_msg_t *hm, struct mg_str name);
// A query parameter: the raw value in *raw, {NULL, 0} if absent; then decode it with
// pmg_url_decode (dst may be raw.len long). The decoded length, or -EILSEQ for a bad %-escape.
struct mg_str pmg_http_query_var(const pmg_http_msg_t *hm, struct mg_str name);

// A handler of this event raised over bytes that the client sent: is that answered with a 400? Else
// it is reported like what any handler raises.
bool pmg_http_client_fault(struct mg_connection *c, int ev);

// A head under construction, written straight into the send buffer. After begin() succeeded call
// header() any number of times, then end() or abort(). abort() leaves no trace. Do not call
// anything else on the connection in between, and run no Python: collect the arguments first.
typedef struct {
    struct mg_connection *c;
    size_t start; // length of the send buffer before
    uint8_t kind, seen;
    int refused; // not 0: nothing is written, end() says why
    int status;
    size_t content_length;
    const pmg_http_msg_t *hm;
} pmg_head_t;

// A reply. -EINVAL: status outside 200..999. What else is wrong end() gives, after the headers were
// looked at. -EINVAL: the connection does not speak HTTP as a server. -EPIPE: closing. -EALREADY: this
// request was answered. -ENOBUFS as pmg_send.
int pmg_reply_begin(pmg_head_t *h, struct mg_connection *c, int status);
// -EINVAL: the name is no token, the value holds CR, LF or NUL, or contradicts the body.
int pmg_head_header(pmg_head_t *h, struct mg_str name, struct mg_str value);
// Content-Type: text/html; charset=utf-8, at a fraction of what pmg_head_header() costs.
int pmg_head_html(pmg_head_t *h);
// Adds Content-Type (text/plain; charset=utf-8 unless given), Content-Length (by what body.len is),
// Connection, and the body. With Transfer-Encoding: chunked among the headers: starts a chunked
// reply, a body becomes its first chunk. With Content-Type: text/event-stream and an empty body:
// starts an event stream that ends with the connection.
int pmg_reply_end(pmg_head_t *h, struct mg_str body);
void pmg_head_abort(pmg_head_t *h);

// A request of an http:// client, before it is connected or later: begin(), pmg_head_header() for
// each header, then end() or pmg_head_abort(). end() adds Host, Content-Length (of `body`; a header
// may promise more, which send() then sends) and the credentials of pmg_http_basic_auth(). With
// Transfer-Encoding: chunked the body is the first chunk, pmg_http_chunk() goes on.
// -EINVAL: no HTTP client; a method that is no token, a target with spaces or control characters;
// -EALREADY: the request before is not complete; -EAGAIN: too many are under way.
int pmg_request_begin(pmg_head_t *h, struct mg_connection *c, struct mg_str method,
    struct mg_str target);
int pmg_request_end(pmg_head_t *h, struct mg_str body);

// A chunk of a reply or of a client's request; len 0 ends it. -EINVAL if no such was started.
int pmg_http_chunk(struct mg_connection *c, const void *buf, size_t len);
// A server-sent event: lines of `data` become data: lines. `id` with buf NULL: none; `retry` < 0:
// none, else milliseconds. -EINVAL for CR or LF in type or id, for NUL in the id, or if no reply was
// started.
int pmg_http_sse(struct mg_connection *c, struct mg_str type, struct mg_str data, struct mg_str id,
    long long retry);
// Remembers credentials for the head of the next request sent on a client connection.
int pmg_http_basic_auth(struct mg_connection *c, struct mg_str user, struct mg_str pass);

#if PMG_HAS_STREAM
// In MG_EV_HTTP_HDRS: has the body arrive in pieces, MG_EV_HTTP_BODY, or go into the file `path`
// (NULL: none). MG_EV_HTTP_MSG comes at its end, without a body. More than `max_size` bytes (0: no
// limit) are refused: 413, MG_EV_ERROR. The file appears when it is whole. A reply that ends before
// the body does ends the stream: the rest is read and dropped. `piece`: the most bytes of one; 0: as
// many as there are.
// -EINVAL outside MG_EV_HTTP_HDRS, or for pieces that the handler does not hear of; -EALREADY; why the
// file cannot be made (-ENOENT, -EACCES ...).
int pmg_http_stream_body(struct mg_connection *c, const char *path, size_t max_size, size_t piece);

#if PMG_HAS_FORM
// A part of a form that begins, as MG_EV_HTTP_PART has it. `filename` is what
// pmg_multipart_filename() makes of the client's.
typedef struct {
    struct mg_str name, filename, content_type; // empty: not given
} pmg_form_part_t;
// In MG_EV_HTTP_HDRS: has the parts of a multipart form arrive, each with MG_EV_HTTP_PART and then, in
// pieces, MG_EV_HTTP_BODY; at their end MG_EV_HTTP_MSG comes, without a body. `max_size` is that of
// the whole body; 0: no limit, as for `max_parts`. As pmg_http_stream_body(), of
// MG_EV_HTTP_PART; -EILSEQ for a body that is no such form.
int pmg_http_stream_form(struct mg_connection *c, size_t max_size, size_t max_parts);
// In MG_EV_HTTP_PART: the content goes into the file `path`, which appears when it is whole. -EINVAL
// elsewhere; -EALREADY; why the file cannot be made.
int pmg_http_part_save(struct mg_connection *c, const char *path);
#endif
#endif

#if PMG_HAS_FILES
typedef struct {
    struct mg_str prefix, folder; // what lies under the path `prefix` is looked for in `folder`
} pmg_serve_root_t;
typedef struct {
    // serve_dir: a folder, and ",/prefix=folder" for each that shows under a path; serve_file: the
    // file. NULL: `roots` says it.
    const char *root;
    const pmg_serve_root_t *roots;
    size_t num_roots;
    struct mg_str headers;    // "Name: value\r\n" lines, validated; may be empty
    struct mg_str mime_types; // "ext=type,ext2=type2" ahead of the built-in table; may be empty
    const char *page404;      // a file for what is not found, or NULL
    bool no_listing;          // a folder without index.html is not found
    bool dotfiles;            // names with a dot in front are served and listed, too
} pmg_serve_t;
// Answers the request of `hm` from the file system, with ranges, ETag, .gz and folder listings.
// A missing file is a 404 to the client, not an error here. -EALREADY, -EPIPE, -EINVAL as reply;
// -EINVAL for a root that is none.
int pmg_serve_dir(struct mg_connection *c, const pmg_http_msg_t *hm, const pmg_serve_t *opts);
int pmg_serve_file(struct mg_connection *c, const pmg_http_msg_t *hm, const pmg_serve_t *opts);
#endif

#endif
