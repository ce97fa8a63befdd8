// SPDX-License-Identifier: GPL-2.0-only
//
// What an HTTP client sends. The program writes its requests itself; this file follows them byte by
// byte, to know which answers are owed: one to HEAD has no body, and one that nobody asked for must
// not be taken for an answer (RFC 9112, section 9.2). It also completes a head with credentials.

#include "follow.h"
#include "http_int.h"

// Requests whose method is remembered; a program that has more under way is followed no further.
#define PIPELINE_MAX 32

struct pmg_request {
    pmg_follow_t f;
    uint8_t pending;   // answers owed
    uint32_t heads;    // bit n: the n-th of them is to HEAD
    uint32_t connects; // to CONNECT
    bool half_head;    // the head being completed began before, and has left
    size_t held_at;    // where in the send buffer the held head begins
    size_t shown;      // bytes of the credentials that lie there, until a head takes them
    bool last;         // Connection: close was asked for or answered: no other request follows
};

static void hide(struct mg_connection *c);

// A tcp:// client that sends HTTP by hand, from http_basic_auth() on.
static const pmg_protocol_t by_hand = {
    .name = "HTTP",
    .send = pmg_request_send,
    .credentials = pmg_request_credentials,
    .drain = hide,
    .end = pmg_request_end_client,
};

// NULL: this connection sends no HTTP requests.
static pmg_http_client_t *client_of(struct mg_connection *c) {
    bool is = c->is_client && pmg_x(c)->speaks->end == pmg_request_end_client;
    return is ? pmg_state(c) : NULL;
}

bool pmg_is_requester(struct mg_connection *c) {
    return client_of(c) != NULL;
}

bool pmg_request_new(struct mg_connection *c) {
    pmg_request_t *r = pmg_alloc(sizeof(*r));
    if (r != NULL) {
        memset(r, 0, sizeof(*r));
        pmg_http_of(c)->client.request = r;
    }
    return r != NULL;
}

void pmg_request_end_client(struct mg_connection *c) {
    pmg_http_client_t *k = pmg_state(c);
    pmg_free(k->auth);
    pmg_free(k->request);
    pmg_x(c)->hold = 0;
    k->auth = NULL;
    k->request = NULL;
}

static bool lost(const pmg_request_t *r) {
    return r == NULL || pmg_follow_lost(&r->f);
}

// A program of cymongoose's looks into the send buffer for what http_basic_auth() did: there they lie
// until the next head is written.
static void show(struct mg_connection *c) {
    pmg_http_client_t *k = pmg_state(c);
    pmg_request_t *r = k->request;
    size_t len = strlen(k->auth);
    if (pmg_x(c)->speaks == &by_hand && pmg_send_len(c) == 0 && !pmg_follow_in_head(&r->f) &&
        pmg_out(c, k->auth, len)) {
        r->shown = len;
        pmg_x(c)->hold = 1;
    }
}

static void hide(struct mg_connection *c) {
    pmg_request_t *r = ((pmg_http_client_t *)pmg_state(c))->request;
    if (r != NULL && r->shown > 0) {
        c->send.len -= r->shown;
        r->shown = 0;
        pmg_x(c)->hold = 0;
    }
}

bool pmg_request_owed(struct mg_connection *c) {
    const pmg_request_t *r = pmg_http_of(c)->client.request;
    return !lost(r) && r->pending > 0;
}

bool pmg_request_asked(struct mg_connection *c) {
    const pmg_request_t *r = pmg_http_of(c)->client.request;
    return lost(r) || r->pending > 0;
}

bool pmg_request_is_head(struct mg_connection *c) {
    const pmg_request_t *r = pmg_http_of(c)->client.request;
    return !lost(r) && r->pending > 0 && (r->heads & 1) != 0;
}

bool pmg_request_is_connect(struct mg_connection *c) {
    const pmg_request_t *r = pmg_http_of(c)->client.request;
    return !lost(r) && r->pending > 0 && (r->connects & 1) != 0;
}

void pmg_request_answered(struct mg_connection *c) {
    pmg_request_t *r = pmg_http_of(c)->client.request;
    if (!lost(r) && r->pending > 0) {
        r->pending--;
        r->heads >>= 1;
        r->connects >>= 1;
    }
}

void pmg_request_last(struct mg_connection *c) {
    pmg_request_t *r = pmg_http_of(c)->client.request;
    if (r != NULL) {
        r->last = true;
    }
}

static void follow(pmg_request_t *r, const char *p, size_t len) {
    const char *end = p + len;
    int what;
    while ((what = pmg_follow(&r->f, &p, end)) != 0) {
        uint32_t bit = (uint32_t)1 << (r->pending > 0 ? r->pending - 1 : 0);
        if (what == PMG_FOLLOW_BEGIN && r->pending == PIPELINE_MAX) {
            pmg_follow_lose(&r->f);
        } else if (what == PMG_FOLLOW_BEGIN) {
            r->pending++;
        } else if (what == PMG_FOLLOW_LINE) {
            r->heads |= memcmp(r->f.line, "head ", 5) == 0 ? bit : 0;
            r->connects |= memcmp(r->f.line, "connect ", 8) == 0 ? bit : 0;
        } else if (what == PMG_FOLLOW_LOST) {
            break;
        }
    }
}

// ---------------------------------------------------------------------------------------------
// Requests that we write

// What the server sent ahead of a request is no answer to it (RFC 9112, section 9.2).
bool pmg_request_came_early(struct mg_connection *c) {
    pmg_conn_t *x = pmg_x(c);
    char byte;
    if (!x->connected || x->eof || c->is_tls != (x->layer != NULL)) {
        return false;
    }
    return x->layer != NULL ? x->layer->early(c) : pmg_io_read(c, &byte, 1) >= 0;
}

// An answer that is on its way still comes.
static int too_late(struct mg_connection *c, const char *why) {
    int err = pmg_fail(pmg_m(c), -EPIPE, "%s: connect() again", why);
    if (!pmg_request_owed(c)) {
        pmg_close(c);
    }
    return err;
}

static int none_before(struct mg_connection *c) {
    return too_late(c, "the server has ended this connection or sent what nobody asked for");
}

int pmg_request_begin(pmg_head_t *h, struct mg_connection *c, struct mg_str method,
    struct mg_str target) {
    pmg_mgr_t *m = pmg_m(c);
    pmg_request_t *r = pmg_is_http(c) ? pmg_http_of(c)->client.request : NULL;
    if (lost(r)) {
        return pmg_fail(m, -EINVAL,
            "this connection sends no HTTP requests: http_request() is for clients that connect() "
            "made for an http:// URL");
    }
    int err = pmg_can_send(c);
    if (err < 0) {
        return err;
    }
    if (r->last) {
        return too_late(c,
            "no request can follow on this connection, the last one ended it (Connection: close)");
    }
    if (r->pending == 0 && pmg_request_came_early(c)) {
        return none_before(c);
    }
    if (!pmg_follow_between(&r->f)) {
        return pmg_fail(m, -EALREADY, "the request before this one is not complete");
    }
    if (r->pending == PIPELINE_MAX) {
        return pmg_fail(m, -EAGAIN, "%d requests wait for their answers", PIPELINE_MAX);
    }
    if (!pmg_http_is_token(method)) {
        return pmg_fail(m, -EINVAL, "the method is no token, such as GET");
    }
    for (size_t i = 0; i < method.len; i++) { // follow() and most servers know no others
        if (method.buf[i] < 'A' || method.buf[i] > 'Z') {
            if (i == 0 || (method.buf[i] >= 'a' && method.buf[i] <= 'z')) {
                return pmg_fail(m, -EINVAL, "the method is written in capitals: GET");
            }
        }
    }
    bool connect = pmg_str_is(method, "CONNECT");
    if (!pmg_http_is_target(target) ||
        (target.buf[0] != '/' && !connect && !(target.len == 1 && target.buf[0] == '*') &&
            memchr(target.buf, ':', target.len) == NULL)) {
        return pmg_fail(m, -EINVAL,
            "the path of a request begins with a slash; spaces, \"#\" and what is not ASCII are "
            "percent-encoded");
    }
    memset(h, 0, sizeof(*h));
    h->c = c;
    h->kind = PMG_HEAD_REQUEST;
    h->start = pmg_send_len(c);
    // A body is expected of these, so that its absence must be said (RFC 9110, section 8.6).
    h->status =
        pmg_str_is(method, "POST") || pmg_str_is(method, "PUT") || pmg_str_is(method, "PATCH");
    if (!pmg_out(c, method.buf, method.len) || !pmg_out(c, " ", 1) ||
        !pmg_out(c, target.buf, target.len) || !pmg_http_out_str(c, " HTTP/1.1\r\n")) {
        pmg_head_abort(h);
        return pmg_fail(m, -ENOMEM, "no memory for the request");
    }
    return 0;
}

int pmg_request_end(pmg_head_t *h, struct mg_str body) {
    struct mg_connection *c = h->c;
    pmg_conn_t *x = pmg_x(c);
    pmg_http_client_t *k = &pmg_http_of(c)->client;
    bool chunked = (h->seen & PMG_HEAD_SEEN_CHUNKED) != 0,
         length = (h->seen & PMG_HEAD_SEEN_LENGTH) != 0;
    if (length && h->content_length < body.len) {
        pmg_head_abort(h);
        return pmg_fail(pmg_m(c), -EINVAL, "Content-Length says %zu, the body has %zu bytes",
            h->content_length, body.len);
    }
    bool ok = true;
    if (!(h->seen & PMG_HEAD_SEEN_HOST)) {
        ok = pmg_http_out_str(c, "Host: ") &&
             pmg_http_out_str(c, x->is_unix ? "localhost" : x->host) && pmg_out(c, "\r\n", 2);
    }
    if (k->auth != NULL && !(h->seen & PMG_HEAD_SEEN_AUTH)) {
        ok = ok && pmg_http_out_str(c, k->auth);
    }
    if (h->seen & PMG_HEAD_SEEN_CLOSE) {
        ok = ok && pmg_http_out_str(c, "Connection: close\r\n");
    }
    if (chunked) {
        ok = ok && pmg_http_out_str(c, "Transfer-Encoding: chunked\r\n");
    } else if (length || body.len > 0 || h->status) {
        ok = ok && pmg_http_out_str(c, "Content-Length: ") &&
             pmg_http_out_num(c, length ? h->content_length : body.len) && pmg_out(c, "\r\n", 2);
    }
    ok = ok && pmg_out(c, "\r\n", 2);
    if (body.len > 0) {
        ok = ok &&
             (chunked ? pmg_http_out_chunk(c, body.buf, body.len) : pmg_out(c, body.buf, body.len));
    }
    if (!ok) {
        pmg_head_abort(h);
        return pmg_fail(pmg_m(c), -ENOMEM, "no memory for the request");
    }
    pmg_free(k->auth);
    k->auth = NULL;
    k->request->last = (h->seen & PMG_HEAD_SEEN_CLOSE) != 0;
    follow(k->request, (char *)c->send.buf + x->send_off + h->start, pmg_send_len(c) - h->start);
    pmg_work(c);
    return 0;
}

int pmg_request_chunk(struct mg_connection *c, const void *buf, size_t len) {
    pmg_request_t *r = pmg_http_of(c)->client.request;
    if (r == NULL || !pmg_follow_in_chunks(&r->f)) {
        return pmg_fail(pmg_m(c), -EINVAL,
            "no chunked request was started: http_request() with the header "
            "Transfer-Encoding: chunked starts one");
    }
    int err = len > 0 ? pmg_can_send(c) : 0; // the end must always fit
    if (err < 0) {
        return err;
    }
    if (!pmg_http_out_chunk(c, buf, len)) {
        return pmg_fail(pmg_m(c), -ENOMEM, "no memory to send %zu bytes", len);
    }
    if (len == 0) {
        pmg_follow_done(&r->f);
    }
    pmg_work(c);
    return 0;
}

// ---------------------------------------------------------------------------------------------
// Credentials

static const char *find(const char *p, size_t len, const char *what) {
    size_t n = strlen(what);
    for (const char *end = p + len; (size_t)(end - p) >= n; p++) {
        p = memchr(p, what[0], (size_t)(end - p) - n + 1);
        if (p == NULL) {
            return NULL;
        }
        if (memcmp(p, what, n) == 0) {
            return p;
        }
    }
    return NULL;
}

static bool has_host(const char *p, size_t len) {
    const char *end = p + len;
    while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        p++;
        if (end - p >= 5 && mg_strcasecmp(mg_str_n((char *)(size_t)p, 5), mg_str("host:")) == 0) {
            return true;
        }
    }
    return false;
}

// The held head is whole: puts what is missing into it and lets it go.
static int complete(struct mg_connection *c, size_t head_len) { // of what is held
    pmg_conn_t *x = pmg_x(c);
    pmg_http_client_t *k = pmg_state(c);
    size_t start = x->send_off + k->request->held_at;
    char *head = (char *)c->send.buf + start;
    size_t blank = 0; // lines ahead of the request's own (RFC 9112, section 2.2)
    while (blank < head_len && (head[blank] == '\r' || head[blank] == '\n')) {
        blank++;
    }
    // All that follow() takes for a line's end.
    const char *line = memchr(head + blank, '\n', head_len - blank);
    // A head whose start has left already takes the credentials at its end, and its Host is unknown.
    size_t at = k->request->half_head || line == NULL
                    ? head_len - (head_len > 1 && head[head_len - 2] == '\r' ? 2 : 1)
                    : (size_t)(line + 1 - head);
    bool host = !k->request->half_head && !x->is_unix && !has_host(head, head_len);
    size_t host_len = host ? strlen(x->host) + 8 : 0; // "Host: " and CR LF
    size_t auth_len = strlen(k->auth), more = host_len + auth_len;
    if (!pmg_grow(c, &c->send, more)) {
        return pmg_fail(pmg_m(c), -ENOMEM, "no memory for the credentials");
    }
    char *p = (char *)c->send.buf + start + at;
    memmove(p + more, p, c->send.len - start - at);
    if (host) {
        memcpy(p, "Host: ", 6);
        memcpy(p + 6, x->host, host_len - 8);
        memcpy(p + host_len - 2, "\r\n", 2);
    }
    memcpy(p + host_len, k->auth, auth_len);
    c->send.len += more;
    pmg_free(k->auth);
    k->auth = NULL;
    x->hold = 0;
    return 0;
}

// Where in these bytes, which come next, the head ends that is being written; 0: not in them.
static size_t head_end(const pmg_follow_t *now, const char *buf, size_t len) {
    pmg_follow_t f = *now;
    const char *p = buf;
    int what;
    while ((what = pmg_follow(&f, &p, buf + len)) != 0) {
        if (what == PMG_FOLLOW_HEAD) {
            return (size_t)(p - buf);
        }
        if (what == PMG_FOLLOW_LOST) {
            break;
        }
    }
    return 0;
}

// Is the head that is being written queued from its first byte on?
static bool has_begun(struct mg_connection *c) {
    const pmg_follow_t *f = &pmg_http_of(c)->client.request->f;
    return pmg_follow_in_head(f) && f->head_len <= pmg_send_len(c);
}

static int hold(struct mg_connection *c, const void *buf, size_t len) {
    pmg_conn_t *x = pmg_x(c);
    pmg_http_client_t *k = pmg_state(c);
    size_t max = pmg_m(c)->limits.max_head;
    if (!x->hold) {
        const pmg_follow_t *f = &k->request->f;
        bool inside = pmg_follow_in_head(f), begun = has_begun(c);
        k->request->half_head = inside && !begun;
        k->request->held_at = begun ? pmg_send_len(c) - f->head_len : 0;
    }
    size_t before = pmg_send_len(c);
    if (!pmg_out(c, buf, len)) {
        return pmg_fail(pmg_m(c), -ENOMEM, "no memory to send %zu bytes", len);
    }
    size_t head_len = head_end(&k->request->f, buf, len);
    size_t held_before = before - k->request->held_at;
    head_len += head_len > 0 ? held_before : 0;
    const char *held = (char *)c->send.buf + x->send_off + k->request->held_at;
    size_t have = held_before + len;
    int err = 0;
    if (lost(k->request)) {
        const char *end = find(held, have, "\r\n\r\n");
        head_len = end != NULL ? (size_t)(end + 4 - held) : 0;
    }
    if (head_len > 0) {
        err = complete(c, head_len);
    } else if (max > 0 && have > max) {
        err = pmg_fail(pmg_m(c), -EINVAL,
            "the request head that http_basic_auth() is to complete does not end");
    } else {
        x->hold = 1;
    }
    if (err < 0) {
        c->send.len = x->send_off + before;
    }
    return err;
}

// What was queued before is not part of what is held: it goes first. MG_EV_WRITE comes in here, whose
// handler may change what `buf` points to, and the connection.
static int send_behind(struct mg_connection *c, const void *buf, size_t len) {
    char *copy = pmg_strndup(buf, len);
    if (copy == NULL) {
        return pmg_fail(pmg_m(c), -ENOMEM, "no memory to send %zu bytes", len);
    }
    pmg_flush(c);
    int err = pmg_conn_alive(c);
    if (err == 0 && pmg_send_len(c) > 0) {
        err =
            pmg_fail(pmg_m(c), -EAGAIN, "an earlier request is not sent yet: wait for MG_EV_WRITE");
    }
    if (err == 0) {
        err = pmg_send(c, copy, len);
    }
    pmg_free(copy);
    return err;
}

// Queues bytes of a client, following what they say.
int pmg_request_send(struct mg_connection *c, const void *buf, size_t len) {
    pmg_http_client_t *k = pmg_state(c);
    if (pmg_is_http(c) && len > 0 && !lost(k->request) && k->request->pending == 0 &&
        pmg_follow_between(&k->request->f) && pmg_request_came_early(c)) {
        return none_before(c);
    }
    hide(c);
    if (k->auth != NULL && !pmg_x(c)->hold && pmg_send_len(c) > 0 && !has_begun(c)) {
        return send_behind(c, buf, len);
    }
    if (k->auth != NULL) {
        int err = hold(c, buf, len);
        if (err < 0) {
            return err;
        }
    } else if (!pmg_out(c, buf, len)) {
        return pmg_fail(pmg_m(c), -ENOMEM, "no memory to send %zu bytes", len);
    }
    follow(k->request, buf, len);
    pmg_work(c);
    return 0;
}

int pmg_request_credentials(struct mg_connection *c, char *line) {
    pmg_http_client_t *k = pmg_state(c);
    hide(c);
    pmg_free(k->auth);
    k->auth = line;
    show(c);
    return 0;
}

static int take_credentials(struct mg_connection *c, char *line) {
    if (pmg_x(c)->speaks == &pmg_raw) { // followed from here on
        pmg_conn_speak(c, &by_hand);
        if (!pmg_request_new(c)) {
            pmg_conn_speak(c, &pmg_raw);
            return pmg_fail(pmg_m(c), -ENOMEM, "no memory for the credentials");
        }
    }
    if (pmg_x(c)->speaks->credentials == NULL) {
        return pmg_fail(pmg_m(c), -EINVAL,
            "http_basic_auth() is for clients that send an HTTP request: %s does not",
            pmg_x(c)->speaks->name);
    }
    return pmg_x(c)->speaks->credentials(c, line);
}

// "Authorization: Basic ...\r\n", or NULL.
static char *credentials_line(struct mg_str user, struct mg_str pass) {
    static const char name[] = "Authorization: Basic ";
    size_t len = user.len + 1 + pass.len, n = sizeof(name) - 1;
    char *plain = pmg_alloc(len), *line = pmg_alloc(n + PMG_BASE64_LEN(len) + 3);
    if (plain != NULL && line != NULL) {
        memcpy(plain, user.buf, user.len);
        plain[user.len] = ':';
        memcpy(plain + user.len + 1, pass.buf, pass.len);
        memcpy(line, name, n);
        pmg_base64_encode(mg_str_n(plain, len), line + n);
        memcpy(line + n + PMG_BASE64_LEN(len), "\r\n", 3);
    } else {
        pmg_free(line);
        line = NULL;
    }
    pmg_free(plain);
    return line;
}

int pmg_http_basic_auth(struct mg_connection *c, struct mg_str user, struct mg_str pass) {
    pmg_mgr_t *m = pmg_m(c);
    if (!c->is_client || c->is_udp) {
        return pmg_fail(m, -EINVAL, "http_basic_auth() is for client connections");
    }
    if (memchr(user.buf, ':', user.len) != NULL) { // RFC 7617, section 2
        return pmg_fail(m, -EINVAL, "a user name for Basic authentication cannot contain a colon");
    }
    for (size_t i = 0; i < user.len + pass.len; i++) {
        uint8_t ch = (uint8_t)(i < user.len ? user.buf[i] : pass.buf[i - user.len]);
        if (ch < ' ' || ch == 0x7f) {
            return pmg_fail(m, -EINVAL, "credentials cannot contain control characters");
        }
    }
    char *line = credentials_line(user, pass);
    if (line == NULL) {
        return pmg_fail(m, -ENOMEM, "no memory for the credentials");
    }
    int err = take_credentials(c, line);
    if (err < 0) {
        pmg_free(line);
    }
    return err;
}
