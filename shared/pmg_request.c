// SPDX-License-Identifier: GPL-2.0-only
//
// What an HTTP client sends: the program writes its requests itself, this file follows them just
// far enough to know that an answer to HEAD has no body, and to complete the head of the next one
// with credentials.

#include "pmg_int.h"

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
    for (const char *end = p + len; p != NULL && end - p > 6;
        p = find(p, (size_t)(end - p), "\r\n")) {
        p += *p == '\r' ? 2 : 0;
        if (end - p > 5 && mg_strcasecmp(mg_str_n((char *)(size_t)p, 5), mg_str("host:")) == 0) {
            return true;
        }
    }
    return false;
}

// The held head is whole: puts what is missing into it and lets it go.
static int complete(struct mg_connection *c, size_t head_len) {
    pmg_conn_t *x = pmg_x(c);
    char *head = (char *)c->send.buf + x->send_off;
    const char *line = find(head, head_len, "\r\n");
    // A head whose start has left already takes the credentials at its end, and its Host is unknown.
    bool whole = !x->u.http.req_head_open;
    size_t at = whole ? (size_t)(line + 2 - head) : head_len - 2;
    char host[300] = "";
    if (whole && !x->is_unix && !has_host(head, head_len)) {
        mg_snprintf(host, sizeof(host), "Host: %s\r\n", x->host);
    }
    size_t host_len = strlen(host), auth_len = strlen(x->auth), more = host_len + auth_len;
    if (!pmg_buf_reserve(&c->send, more)) {
        return pmg_fail(pmg_m(c), -ENOMEM, "no memory for the credentials");
    }
    char *p = (char *)c->send.buf + x->send_off + at;
    memmove(p + more, p, c->send.len - x->send_off - at);
    memcpy(p, host, host_len);
    memcpy(p + host_len, x->auth, auth_len);
    c->send.len += more;
    pmg_free(x->auth);
    x->auth = NULL;
    x->hold = 0;
    x->u.http.req_head_open = 0;
    return 0;
}

// Before bytes of a client are queued. 1: queued here; 0: the caller queues them; or an error.
int pmg_request_send(struct mg_connection *c, const void *buf, size_t len) {
    pmg_conn_t *x = pmg_x(c);
    if (x->proto != PMG_HTTP && x->auth == NULL) {
        return 0;
    }
    const char *p = buf;
    if (x->auth == NULL) {
        bool starts = len >= 16 && p[0] >= 'A' && p[0] <= 'Z' &&
                      find(p, len < 2048 ? len : 2048, " HTTP/1.") != NULL;
        if (starts) {
            x->u.http.is_head = len > 5 && memcmp(p, "HEAD ", 5) == 0;
        }
        if (starts || x->u.http.req_head_open) {
            x->u.http.req_head_open = find(p, len, "\r\n\r\n") == NULL;
        }
        return 0;
    }
    if (!x->hold && pmg_conn_send_len(c) > 0 && !x->u.http.req_head_open) {
        pmg_flush(c); // what was queued before is not part of this request
        if (pmg_conn_send_len(c) > 0) {
            return pmg_fail(pmg_m(c), -EAGAIN,
                "an earlier request is not sent yet: wait for MG_EV_WRITE");
        }
    }
    size_t before = pmg_conn_send_len(c);
    if (!pmg_out(c, buf, len)) {
        return pmg_fail(pmg_m(c), -ENOMEM, "no memory to send %zu bytes", len);
    }
    x->hold = 1;
    const char *held = (char *)c->send.buf + x->send_off;
    size_t have = pmg_conn_send_len(c);
    const char *end = find(held, have, "\r\n\r\n");
    if (end != NULL) {
        if (!x->u.http.req_head_open) {
            x->u.http.is_head = have > 5 && memcmp(held, "HEAD ", 5) == 0;
        }
        int err = complete(c, (size_t)(end + 4 - held));
        if (err < 0) {
            c->send.len = x->send_off + before;
            return err;
        }
    } else if (pmg_m(c)->limits.max_head > 0 && have > pmg_m(c)->limits.max_head) {
        c->send.len = x->send_off + before;
        return pmg_fail(pmg_m(c), -EINVAL,
            "the request head that http_basic_auth() is to complete does not end");
    }
    pmg_work(c);
    return 1;
}

int pmg_http_basic_auth(struct mg_connection *c, struct mg_str user, struct mg_str pass) {
    static const char name[] = "Authorization: Basic ";
    pmg_mgr_t *m = pmg_m(c);
    pmg_conn_t *x = pmg_x(c);
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
    size_t len = user.len + 1 + pass.len, size = sizeof(name) + (len + 2) / 3 * 4 + 4;
    char *plain = pmg_alloc(len), *auth = pmg_alloc(size);
    if (plain == NULL || auth == NULL) {
        pmg_free(plain);
        pmg_free(auth);
        return pmg_fail(m, -ENOMEM, "no memory for the credentials");
    }
    memcpy(plain, user.buf, user.len);
    plain[user.len] = ':';
    memcpy(plain + user.len + 1, pass.buf, pass.len);
    memcpy(auth, name, sizeof(name) - 1);
    size_t n = sizeof(name) - 1 +
               mg_base64_encode((unsigned char *)plain, len, auth + sizeof(name) - 1,
                   size - sizeof(name) + 1);
    memcpy(auth + n, "\r\n", 3);
    pmg_free(plain);
    pmg_free(x->auth);
    x->auth = auth;
    return 0;
}
