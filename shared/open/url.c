// SPDX-License-Identifier: GPL-2.0-only
//
// URLs of listen() and connect(): scheme://[user[:password]@]host[:port][/path][?query], or
// unix:///path. Strict, because a typing error should be told and not connected to.

#include "../base/record.h"

static const struct {
    const char *scheme;
    uint16_t port; // 0: must be given
    uint8_t proto;
    bool udp, tls;
} schemes[] = {
    {"http", 80, PMG_HTTP, false, false},
    {"ws", 80, PMG_HTTP, false, false},
    {"tcp", 0, PMG_RAW, false, false},
    {"udp", 0, PMG_RAW, true, false},
    {"https", 443, PMG_HTTP, false, true},
    {"wss", 443, PMG_HTTP, false, true},
    {"tls", 0, PMG_RAW, false, true},
#if PMG_HAS_MODBUS
    {"modbus", 502, PMG_MODBUS, false, false},
#endif

#if PMG_HAS_MQTT
    {"mqtt", 1883, PMG_MQTT, false, false},
    {"mqtts", 8883, PMG_MQTT, false, true},
#endif
};

int pmg_url_proto(const char *url) {
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t n = strlen(schemes[i].scheme);
        if (strncmp(url, schemes[i].scheme, n) == 0 && strncmp(url + n, "://", 3) == 0) {
            return schemes[i].proto;
        }
    }
    return PMG_RAW;
}

static int bad(pmg_mgr_t *m, const char *url, const char *why) {
    // A password must not land in a log.
    const char *at = strrchr(url, '@');
    return pmg_fail(m, -EINVAL, "URL %s%.*s: %s", at != NULL ? "...@" : "",
        PMG_CUT(at != NULL ? at + 1 : url), why);
}

// `scheme` is for a URL that has none, or NULL; with it `default_port` for one that has no port.
static int parse(pmg_mgr_t *m, const char *url, bool listening, const char *scheme,
    unsigned default_port, pmg_url_t *out) {
    memset(out, 0, sizeof(*out));
    for (const char *p = url; *p != '\0'; p++) {
        if ((unsigned char)*p <= ' ' || *p == 0x7f) {
            return bad(m, url, "spaces and control characters must be percent-encoded");
        }
    }
    const char *p = strstr(url, "://"), *name = url;
    if (p == NULL && scheme == NULL) {
        return bad(m, url, "has no scheme: write http://host:port, tcp://host:port or the like");
    }
    size_t n = p != NULL ? (size_t)(p - url) : strlen(scheme);
    if (p == NULL) {
        name = scheme;
        p = url;
    } else {
        p += 3;
    }
    if (n == 4 && memcmp(name, "unix", 4) == 0) {
        out->is_unix = true;
        out->host = mg_str(p);
        if (out->host.len == 0 || out->host.len > 103) { // sun_path of the smallest system
            return bad(m, url, "a socket path has 1 to 103 bytes: unix:///run/name.sock");
        }
        return 0;
    }
    size_t i = 0, count = sizeof(schemes) / sizeof(schemes[0]);
    while (i < count &&
           (strlen(schemes[i].scheme) != n || memcmp(schemes[i].scheme, name, n) != 0)) {
        i++;
    }
    if (i == count) {
        return bad(m, url, "unknown scheme: known are http, ws, tcp, udp and unix");
    }
    if (schemes[i].tls && !PMG_HAS_TLS) {
        return pmg_fail(m, -EPROTONOSUPPORT, "URL %.*s: this build has no TLS", PMG_CUT(url));
    }
    out->is_tls = schemes[i].tls;
    out->proto = schemes[i].proto;
    out->is_udp = schemes[i].udp;
    size_t auth_len = strcspn(p, "/?#");
    out->target = mg_str(p + auth_len);
    if (memchr(out->target.buf, '#', out->target.len) != NULL) {
        return bad(m, url, "a fragment (#) is not sent over the network: leave it out");
    }
    const char *end = p + auth_len, *host = p;
    for (const char *q = p; q < end; q++) {
        if (*q == '@') {
            host = q + 1;
        }
    }
    const char *port = NULL;
    if (*host == '[') {
        const char *close = memchr(host, ']', (size_t)(end - host));
        if (close == NULL || (close + 1 < end && close[1] != ':')) {
            return bad(m, url, "an IPv6 address stands in brackets: [::1]:80");
        }
        out->host = mg_str_n(host + 1, (size_t)(close - host - 1));
        port = close + 1 < end ? close + 2 : NULL;
    } else {
        const char *colon = memchr(host, ':', (size_t)(end - host));
        out->host = mg_str_n(host, (size_t)((colon != NULL ? colon : end) - host));
        port = colon != NULL ? colon + 1 : NULL;
    }
    out->authority = mg_str_n(host, (size_t)(end - host));
    unsigned value = schemes[i].port > 0 || scheme == NULL ? schemes[i].port : default_port;
    if (port != NULL) {
        value = 0;
        for (const char *q = port; q < end; q++) {
            if (*q < '0' || *q > '9' || (value = value * 10 + (unsigned)(*q - '0')) > 65535) {
                return bad(m, url, "the port is a number from 0 to 65535");
            }
        }
        out->has_port = true;
    }
    bool may_lack = scheme != NULL && default_port == 0 && port == NULL;
    if (port == end || (value == 0 && (port == NULL || !listening) && !may_lack)) {
        return bad(m, url,
            listening ? "has no port: 0 takes a free one" : "has no port to connect to");
    }
    out->addr.port = mg_htons((uint16_t)value);
    if (out->host.len == 0 && !listening) {
        return bad(m, url, "has no host");
    }
    if (out->host.len > 253) {
        return bad(m, url, "the host name is too long");
    }
    uint16_t keep = out->addr.port;
    out->literal = mg_aton(out->host, &out->addr);
    if (!listening && mg_strcasecmp(out->host, mg_str("localhost")) == 0) {
        out->literal = false; // two addresses: the resolver knows both
    }
    if (!out->literal) { // what was read of it before it turned out to be none
        memset(&out->addr, 0, sizeof(out->addr));
    }
    out->addr.port = keep;
    if (*host == '[' && !(out->literal && out->addr.is_ip6)) {
        return bad(m, url, "no valid IPv6 address in the brackets");
    }
    if (!out->literal && listening) {
        return bad(m, url, "listen() takes an address, not a name: 0.0.0.0 for all of this host");
    }
    for (size_t k = 0; k < out->host.len && !out->literal; k++) {
        char ch = out->host.buf[k];
        bool ok = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
                  (ch >= '0' && ch <= '9') || ch == '-' || ch == '.' || ch == '_';
        if (!ok) {
            return bad(m, url, "the host is no name and no address");
        }
    }
    // "1.2.3" or "300.1.1.1" is a mistyped address, not a name that a server should be asked for.
    if (!out->literal && strspn(out->host.buf, "0123456789.") >= out->host.len) {
        return bad(m, url, "the host is no valid IPv4 address");
    }
    return 0;
}

int pmg_url_parse(pmg_mgr_t *m, const char *url, bool listening, pmg_url_t *out) {
    return parse(m, url, listening, NULL, 0, out);
}

int pmg_url_parse_for(pmg_mgr_t *m, const char *url, const char *scheme, unsigned port,
    pmg_url_t *out) {
    return parse(m, url, false, scheme, port, out);
}
