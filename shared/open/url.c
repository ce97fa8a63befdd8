// SPDX-License-Identifier: GPL-2.0-only
//
// URLs of listen() and connect(): scheme://[user[:password]@]host[:port][/path][?query], or
// unix:///path. Strict, because a typing error should be told and not connected to.

#include "open_int.h"

#define HOST_MAX 253 // RFC 1035, section 2.3.4
#define PATH_MAX_LEN PMG_URL_PATH

static int bad(pmg_mgr_t *m, const char *url, const char *why) {
    // A password must not land in a log.
    const char *at = strrchr(url, '@');
    return pmg_fail(m, -EINVAL, "URL %s%.*s: %s", at != NULL ? "...@" : "",
        PMG_CUT(at != NULL ? at + 1 : url), why);
}

// How a URL is to be read. `scheme` is for one that has none, or NULL; with it `port` for one that
// has no port.
typedef struct {
    bool listening;
    const char *scheme;
    unsigned port;
} reading_t;

// Each of these takes a step in `out` and gives NULL, or what is wrong.

static const char *take_host(pmg_url_t *out, const char *host, const char *end, const char **port) {
    out->authority = mg_str_n((char *)(size_t)host, (size_t)(end - host));
    if (*host == '[') {
        const char *close = memchr(host, ']', (size_t)(end - host));
        if (close == NULL || (close + 1 < end && close[1] != ':')) {
            return "an IPv6 address stands in brackets: [::1]:80";
        }
        out->host = mg_str_n((char *)(size_t)(host + 1), (size_t)(close - host - 1));
        *port = close + 1 < end ? close + 2 : NULL;
    } else {
        const char *colon = host < end ? memchr(host, ':', (size_t)(end - host)) : NULL;
        out->host = mg_str_n((char *)(size_t)host, (size_t)((colon != NULL ? colon : end) - host));
        *port = colon != NULL ? colon + 1 : NULL;
    }
    return NULL;
}

// `port` is what stands behind the host, or NULL; `usual` the scheme's own.
static const char *take_port(const reading_t *r, pmg_url_t *out, const char *port, const char *end,
    unsigned usual) {
    unsigned value = usual > 0 || r->scheme == NULL ? usual : r->port;
    if (port != NULL) {
        value = 0;
        for (const char *q = port; q < end; q++) {
            if (*q < '0' || *q > '9' || (value = value * 10 + (unsigned)(*q - '0')) > 65535) {
                return "the port is a number from 0 to 65535";
            }
        }
        out->has_port = true;
    }
    if (port == end && usual > 0 && !r->listening) { // "http://host:/" (RFC 3986, section 3.2.3)
        port = NULL;
        value = usual;
        out->has_port = false;
        out->authority.len--;
    }
    bool may_lack = r->scheme != NULL && r->port == 0 && port == NULL;
    if (port == end || (value == 0 && (port == NULL || !r->listening) && !may_lack)) {
        return r->listening ? "has no port: 0 takes a free one" : "has no port to connect to";
    }
    out->addr.port = mg_htons((uint16_t)value);
    return NULL;
}

// Host names are letters, digits, "-", "." and "_".
static bool is_name(struct mg_str s) {
    for (size_t i = 0; i < s.len; i++) {
        char ch = s.buf[i];
        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
                ch == '-' || ch == '.' || ch == '_')) {
            return false;
        }
    }
    return true;
}

// RFC 6874: behind a percent sign, which URLs write as %25, stands an interface, by name or number. It
// matters to this host alone.
static const char *take_zone(pmg_url_t *out, uint32_t *number) {
    const char *at = memchr(out->host.buf, '%', out->host.len);
    char name[32];
    if (at == NULL) {
        return NULL;
    }
    out->zone = mg_str_n((char *)(size_t)at, (size_t)(pmg_str_end(out->host) - at));
    out->host.len -= out->zone.len;
    size_t n = out->zone.len - 1;
    memcpy(name, at + 1, n < sizeof(name) ? n : 0);
    name[n < sizeof(name) ? n : 0] = '\0';
    bool escaped = strlen(name) > 2 && memcmp(name, "25", 2) == 0;
    int zone = pmg_io_zone(escaped ? name + 2 : name), other = escaped ? pmg_io_zone(name) : -1;
    if (zone >= 0 &&
        other >= 0) { // addresses that are read have numbers, behind a bare percent sign
        return "its interface may be that number, or the one behind %25: write it behind %25";
    }
    zone = zone >= 0 ? zone : other;
    if (zone < 0) {
        return "behind the % of an IPv6 address stands a network interface of this host, by name "
               "or by number: [fe80::1%eth0]";
    }
    *number = (uint32_t)zone;
    return NULL;
}

static bool is_ascii(struct mg_str s) {
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.buf[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

static const char *check_host(const reading_t *r, pmg_url_t *out, bool in_brackets) {
    if (out->host.len == 0 && !r->listening) {
        return "has no host";
    }
    if (out->host.len > HOST_MAX) {
        return "the host name is too long";
    }
    uint16_t port = out->addr.port;
    uint32_t zone = 0;
    const char *why = in_brackets ? take_zone(out, &zone) : NULL;
    if (why != NULL) {
        return why;
    }
    if (!is_ascii(out->host)) {
        return "the host name is not ASCII: write its xn-- form, such as xn--bcher-kva.example";
    }
    out->literal = mg_aton(out->host, &out->addr);
    if (!r->listening && mg_strcasecmp(out->host, mg_str("localhost")) == 0) {
        out->literal = false; // two addresses: the resolver knows both
    }
    if (!out->literal) { // what was read of it before it turned out to be none
        memset(&out->addr, 0, sizeof(out->addr));
    }
    out->addr.port = port;
    if (in_brackets && !(out->literal && out->addr.is_ip6)) {
        return "no valid IPv6 address in the brackets";
    }
    if (!pmg_addr_set_zone(&out->addr, zone)) {
        return "a network interface of such a number goes with link-local addresses: "
               "[fe80::1%eth0]";
    }
    if (out->literal) {
        return NULL;
    }
    if (r->listening) {
        return "listen() takes an address, not a name: 0.0.0.0 for all of this host";
    }
    if (!is_name(out->host)) {
        return "the host is no name and no address";
    }
    // "1.2.3" or "300.1.1.1" is a mistyped address, not a name that a server should be asked for.
    if (strspn(out->host.buf, "0123456789.") >= out->host.len) {
        return "the host is no valid IPv4 address";
    }
    return NULL;
}

// What stands behind the scheme.
static const char *take_rest(const reading_t *r, pmg_url_t *out, const char *p, unsigned usual) {
    const char *end = p + strcspn(p, "/?#"), *host = p, *port;
    out->target = mg_str(end);
    if (strchr(end, '#') != NULL) {
        return "a fragment (#) is not sent over the network: leave it out";
    }
    for (const char *q = p; q < end; q++) {
        if (*q == '@') {
            host = q + 1;
        }
    }
    const char *why = take_host(out, host, end, &port);
    why = why != NULL ? why : take_port(r, out, port, end, usual);
    return why != NULL ? why : check_host(r, out, *host == '[');
}

// Of a unix socket: what cannot stand in a URL is percent-encoded.
static const char *take_path(pmg_url_t *out, const char *p) {
    size_t len = strlen(p);
    int n = len <= 3 * PATH_MAX_LEN ? pmg_percent_decode(mg_str(p), out->path, false) : 0;
    if (n < 0 || (n > 0 && memchr(out->path, '\0', (size_t)n) != NULL)) {
        return "a percent sign is followed by two hex digits, and not by 00";
    }
    out->path[n] = '\0';
    out->host = mg_str_n(out->path, (size_t)n);
    return n > 0 && n <= PATH_MAX_LEN ? NULL
                                      : "a socket path has 1 to 103 bytes: unix:///run/name.sock";
}

static int parse(pmg_mgr_t *m, const char *url, const reading_t *r, pmg_url_t *out) {
    memset(out, 0, sizeof(*out));
    for (const char *p = url; *p != '\0'; p++) {
        if ((unsigned char)*p <= ' ' || *p == 0x7f) {
            return bad(m, url, "spaces and control characters must be percent-encoded");
        }
    }
    const char *p = strstr(url, "://"), *name = p != NULL ? url : r->scheme;
    if (name == NULL) {
        return bad(m, url, "has no scheme: write http://host:port, tcp://host:port or the like");
    }
    size_t n = p != NULL ? (size_t)(p - url) : strlen(name);
    p = p != NULL ? p + 3 : url;
    if (mg_strcasecmp(mg_str_n((char *)(size_t)name, n), mg_str("unix")) == 0) {
        out->is_unix = true;
        out->speaks = &pmg_raw;
        const char *why = take_path(out, p);
        return why != NULL ? bad(m, url, why) : 0;
    }
    const pmg_scheme_t *scheme = pmg_scheme_find(name, n);
    if (scheme == NULL) {
        char known[96], text[128];
        pmg_snprintf(text, sizeof(text), "unknown scheme: known are %s",
            pmg_scheme_names(known, sizeof(known)));
        return bad(m, url, text);
    }
    if (scheme->is_tls && !PMG_HAS_TLS) {
        return pmg_fail(m, -EPROTONOSUPPORT, "URL %.*s: this build has no TLS", PMG_CUT(url));
    }
    out->speaks = scheme->speaks;
    out->is_tls = scheme->is_tls;
    out->is_udp = scheme->is_udp;
    const char *why = take_rest(r, out, p, scheme->port);
    return why != NULL ? bad(m, url, why) : 0;
}

int pmg_url_broadcast(pmg_mgr_t *m, const char *url, const pmg_url_t *u, bool broadcast) {
    return broadcast && !u->is_udp ? bad(m, url, "broadcast is for udp://") : 0;
}

int pmg_url_parse(pmg_mgr_t *m, const char *url, bool listening, pmg_url_t *out) {
    reading_t r = {listening, NULL, 0};
    return parse(m, url, &r, out);
}

int pmg_url_parse_for(pmg_mgr_t *m, const char *url, const char *scheme, unsigned port,
    pmg_url_t *out) {
    reading_t r = {false, scheme, port};
    return parse(m, url, &r, out);
}

int pmg_url_parse_as(pmg_mgr_t *m, const char *url, const pmg_protocol_t *speaks, bool listening,
    pmg_url_t *out) {
    const pmg_scheme_rule_t *rule = pmg_scheme_rule(speaks);
    if (rule == NULL) {
        return pmg_url_parse(m, url, listening, out);
    }
    int err = rule->scheme != NULL ? pmg_url_parse_for(m, url, rule->scheme, rule->port, out)
                                   : pmg_url_parse(m, url, listening, out);
    if (err < 0) {
        return err;
    }
    bool fits = rule->datagrams ? out->is_udp
                                : out->is_unix || out->speaks == rule->like ||
                                      (rule->plain && out->speaks == &pmg_raw && !out->is_udp);
    return fits ? 0 : pmg_fail(m, -EINVAL, "URL %.*s: %s", PMG_CUT(url), rule->text);
}
