// SPDX-License-Identifier: GPL-2.0-only
//
// The parts of any URL (RFC 3986), for programs: nothing is refused here, unlike pmg_url_parse().

#include "util.h"

#if PMG_HAS_UTIL

static const struct {
    const char *scheme;
    uint16_t port;
    bool tls;
} schemes[] = {
    {"http", 80, false},
    {"https", 443, true},
    {"ws", 80, false},
    {"wss", 443, true},
    {"mqtt", 1883, false},
    {"mqtts", 8883, true},
    {"tls", 0, true},
    {"ssl", 0, true},
    {"tcps", 0, true},
};

static struct mg_str slice(const char *from, const char *to) {
    return mg_str_n((char *)(size_t)from, (size_t)(to - from));
}

// Where the first of `chars` stands, or `end`.
static const char *find_any(const char *p, const char *end, const char *chars) {
    while (p < end && (*p == '\0' || strchr(chars, *p) == NULL)) {
        p++;
    }
    return p;
}

static bool is_scheme(struct mg_str s) {
    for (size_t i = 0; i < s.len; i++) {
        char ch = s.buf[i];
        bool alpha = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
        bool other = (ch >= '0' && ch <= '9') || ch == '+' || ch == '-' || ch == '.';
        if (!alpha && !(i > 0 && other)) {
            return false;
        }
    }
    return s.len > 0;
}

static int port_number(struct mg_str s, int otherwise) {
    int port = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.buf[i] < '0' || s.buf[i] > '9') {
            return -1;
        }
        port = port * 10 + (s.buf[i] - '0');
        if (port > 65535) {
            return -1;
        }
    }
    return s.len > 0 ? port : otherwise;
}

void pmg_url_split(struct mg_str url, pmg_url_parts_t *out) {
    const char *p = url.buf, *end = pmg_str_end(url);
    memset(out, 0, sizeof(*out));
    const char *colon = find_any(p, end, ":/?#");
    if (end - colon >= 3 && memcmp(colon, "://", 3) == 0 && is_scheme(slice(p, colon))) {
        out->scheme = slice(p, colon);
        p = colon + 3;
        for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
            if (mg_strcasecmp(out->scheme, mg_str(schemes[i].scheme)) == 0) {
                out->port = schemes[i].port;
                out->is_tls = schemes[i].tls;
            }
        }
    }
    const char *target = find_any(p, end, "/?#");
    out->target = slice(target, find_any(target, end, "#"));
    for (const char *at = target; at > p;) { // the last @ ends the user's part
        if (*--at != '@') {
            continue;
        }
        const char *user_end = find_any(p, at, ":");
        out->user = slice(p, user_end);
        out->pass = slice(user_end < at ? user_end + 1 : at, at);
        p = at + 1;
        break;
    }
    const char *host_end = find_any(p, target, p < target && *p == '[' ? "]" : ":");
    host_end += host_end < target && *host_end == ']';
    out->host = slice(p, host_end);
    if (host_end < target) {
        out->port = *host_end == ':' ? port_number(slice(host_end + 1, target), out->port) : -1;
    }
}

bool pmg_url_http(struct mg_str url, pmg_url_parts_t *out) {
    pmg_url_split(url, out);
    return mg_strcasecmp(out->scheme, mg_str(out->is_tls ? "https" : "http")) == 0 &&
           out->host.len > 0 && out->port >= 0;
}

size_t pmg_url_encode(struct mg_str data, char *dst) {
    static const char hex[] = "0123456789ABCDEF";
    size_t n = 0;
    for (size_t i = 0; i < data.len; i++) {
        unsigned char ch = (unsigned char)data.buf[i];
        if ((ch >= '0' && ch <= '9') || ((ch | 32) >= 'a' && (ch | 32) <= 'z') ||
            (ch != '\0' && strchr("-._~", ch) != NULL)) {
            dst[n++] = (char)ch;
        } else {
            dst[n++] = '%';
            dst[n++] = hex[ch >> 4];
            dst[n++] = hex[ch & 15];
        }
    }
    return n;
}

#endif
