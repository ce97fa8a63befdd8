// SPDX-License-Identifier: GPL-2.0-only
//
// HTTP/1 heads, strictly (RFC 9112, RFC 9110 section 5). What two parsers could read differently is
// refused: bare CR or LF, folded lines, space before a colon, a length said twice, a length beside
// chunks. A refusal names its status: 400, 417, 431, 501 or 505. Of a response, which nobody else
// reads with other eyes, what old servers send is taken: bare LF, folded lines, equal lengths.

#include "../base/scan.h"
#include "http_int.h"

// Character classes.
#define T 1 // tchar: part of a token (RFC 9110, section 5.6.2)
#define V 2 // part of a field value: HTAB, SP, VCHAR, obs-text
#define U \
    4 // part of a request target: what may stand in a URI (RFC 3986), loosely: any VCHAR but "#"
#define H 8 // part of a host name (RFC 3986, section 3.2.2), loosely: no comma, which makes lists

static const uint8_t class[256] = {
    ['\t'] = V,
    [' '] = V,
    ['!'] = T | V | U | H,
    ['"'] = V | U,
    ['#'] = T | V,
    ['$'] = T | V | U | H,
    ['%'] = T | V | U,
    ['&'] = T | V | U | H,
    ['\''] = T | V | U | H,
    ['('] = V | U | H,
    [')'] = V | U | H,
    ['*'] = T | V | U | H,
    ['+'] = T | V | U | H,
    [','] = V | U,
    ['-'] = T | V | U | H,
    ['.'] = T | V | U | H,
    ['/'] = V | U,
    ['0' ... '9'] = T | V | U | H,
    [':'] = V | U,
    [';'] = V | U | H,
    ['<'] = V | U,
    ['='] = V | U | H,
    ['>'] = V | U,
    ['?'] = V | U,
    ['@'] = V | U,
    ['A' ... 'Z'] = T | V | U | H,
    ['['] = V | U,
    ['\\'] = V | U,
    [']'] = V | U,
    ['^'] = T | V | U,
    ['_'] = T | V | U | H,
    ['`'] = T | V | U,
    ['a' ... 'z'] = T | V | U | H,
    ['{'] = V | U,
    ['|'] = T | V | U,
    ['}'] = V | U,
    ['~'] = T | V | U | H,
    [128 ... 255] = V,
};

static inline bool all(struct mg_str s, unsigned what) {
    for (size_t i = 0; i < s.len; i++) {
        if (!(class[(uint8_t)s.buf[i]] & what)) {
            return false;
        }
    }
    return true;
}

bool pmg_http_is_token(struct mg_str s) {
    return s.len > 0 && all(s, T);
}

bool pmg_http_is_target(struct mg_str s) {
    return s.len > 0 && all(s, U);
}

bool pmg_http_is_field_value(struct mg_str s) {
    const char *end = pmg_str_end(s), *p = pmg_scan_value(s.buf, end);
    return all(mg_str_n((char *)(size_t)p, (size_t)(end - p)), V);
}

static bool is_hex(char ch) {
    return (ch >= '0' && ch <= '9') || ((ch | 32) >= 'a' && (ch | 32) <= 'f');
}

// host[:port] (RFC 3986, section 3.2): a name, an IPv4 address, or an IPv6 address in brackets. No
// host needs no port.
static bool is_authority(struct mg_str s) {
    const char *p = s.buf, *end = p + s.len;
    if (s.len > 0 && *p == '[') {
        const char *close = memchr(p, ']', s.len);
        struct mg_addr addr;
        if (close == NULL ||
            !mg_aton(mg_str_n((char *)(size_t)(p + 1), (size_t)(close - p - 1)), &addr) ||
            !addr.is_ip6) {
            return false;
        }
        p = close + 1;
    } else {
        while (p < end && ((class[(uint8_t)*p] & H) ||
                              (*p == '%' && end - p > 2 && is_hex(p[1]) && is_hex(p[2])))) {
            p++;
        }
    }
    if (p == end) {
        return true;
    }
    if (*p++ != ':' || p - 1 == s.buf) {
        return false;
    }
    while (end - p > 5 && *p == '0') {
        p++;
    }
    const char *port = p;
    while (p < end && *p >= '0' && *p <= '9') {
        p++;
    }
    return p == end && (p - port < 5 || (p - port == 5 && memcmp(port, "65535", 5) <= 0));
}

// Of an authority: is there a port to connect to (RFC 9110, section 9.3.6)?
static bool has_port(struct mg_str s) {
    const char *p = pmg_str_end(s);
    bool other = false;
    while (p > s.buf && p[-1] >= '0' && p[-1] <= '9') {
        other |= *--p != '0';
    }
    return other && p > s.buf && p[-1] == ':';
}

// "HTTP/1.x"; others are 505, what is no version at all 400.
static int version(struct mg_str v, pmg_http_framing_t *f) {
    bool form = v.len == 8 && memcmp(v.buf, "HTTP/", 5) == 0 && v.buf[5] >= '0' &&
                v.buf[5] <= '9' && v.buf[6] == '.' && v.buf[7] >= '0' && v.buf[7] <= '9';
    if (!form) {
        return 400;
    }
    f->http10 = v.buf[7] == '0';
    return v.buf[5] == '1' ? 0 : 505;
}

static bool has_prefix(struct mg_str s, const char *low) {
    size_t n = strlen(low);
    return s.len >= n && pmg_str_ieq(mg_str_n(s.buf, n), low);
}

static int request_line(const char *p, const char *end, pmg_http_msg_t *hm, pmg_http_framing_t *f) {
    const char *s = p;
    while (s < end && (class[(uint8_t)*s] & T)) {
        s++;
    }
    hm->method = mg_str_n((char *)(size_t)p, (size_t)(s - p));
    if (s == p || s == end || *s != ' ') {
        return 400;
    }
    p = ++s;
    const char *query = NULL;
    while (s < end && (class[(uint8_t)*s] & U)) {
        if (*s == '?' && query == NULL) {
            query = s;
        }
        s++;
    }
    if (s == p || s == end || *s != ' ') {
        return 400;
    }
    const char *target_end = s;
    hm->proto = mg_str_n((char *)(size_t)(s + 1), (size_t)(end - s - 1));
    int refuse = version(hm->proto, f);
    if (refuse != 0) {
        return refuse;
    }
    struct mg_str target = mg_str_n((char *)(size_t)p, (size_t)(target_end - p));
    if (*hm->method.buf == 'C' && pmg_str_is(hm->method, "CONNECT")) { // most are told by a byte
        if (!is_authority(target) || !has_port(target)) {
            return 400;
        }
    } else if (*p != '/') {
        size_t skip = has_prefix(target, "http://") ? 7 : has_prefix(target, "https://") ? 8 : 0;
        if (skip > 0) { // absolute-form: its authority takes the place of Host (section 3.2.2)
            const char *path = p += skip;
            while (path < target_end && *path != '/' && *path != '?') {
                path++;
            }
            f->authority = mg_str_n((char *)(size_t)p, (size_t)(path - p));
            if (path == p || !is_authority(f->authority)) {
                return 400;
            }
            p = path;
        } else if (!(pmg_str_is(target, "*") && pmg_str_is(hm->method, "OPTIONS"))) {
            return 400;
        }
    }
    const char *uri_end = query != NULL ? query : target_end;
    static char root[] = "/";
    hm->uri = p < uri_end ? mg_str_n((char *)(size_t)p, (size_t)(uri_end - p)) : mg_str_n(root, 1);
    if (query != NULL) {
        hm->query = mg_str_n((char *)(size_t)(query + 1), (size_t)(target_end - query - 1));
    }
    return 0;
}

static int status_line(const char *p, const char *end, pmg_http_msg_t *hm, pmg_http_framing_t *f) {
    size_t len = (size_t)(end - p);
    if (len < 12 || p[8] != ' ' || (len > 12 && p[12] != ' ')) {
        return 400;
    }
    // As Mongoose lays a response out: protocol, status, reason.
    hm->method = mg_str_n((char *)(size_t)p, 8);
    hm->uri = mg_str_n((char *)(size_t)(p + 9), 3);
    hm->proto = mg_str_n((char *)(size_t)(p + 12), len - 12);
    if (hm->proto.len > 0) { // the space
        hm->proto.buf++, hm->proto.len--;
    }
    int refuse = version(hm->method, f);
    if (refuse != 0) {
        return refuse;
    }
    for (int i = 9; i < 12; i++) {
        if (p[i] < '0' || p[i] > '9') {
            return 400;
        }
        hm->status = hm->status * 10 + (p[i] - '0');
    }
    return hm->status >= 100 && pmg_http_is_field_value(hm->proto) ? 0 : 400;
}

static int length_value(struct mg_str v, size_t *out) {
    size_t n = 0;
    if (v.len == 0) {
        return 400;
    }
    for (size_t i = 0; i < v.len; i++) {
        if (v.buf[i] < '0' || v.buf[i] > '9') {
            return 400;
        }
        size_t digit = (size_t)(v.buf[i] - '0');
        if (n > (SIZE_MAX / 2 - digit) / 10) {
            return 413;
        }
        n = n * 10 + digit;
    }
    *out = n;
    return 0;
}

typedef struct {
    bool response;
    int hosts, lengths, encodings;
    int host; // which of the headers
    int n;    // which it is that is looked at
} seen_t;

// A response may repeat its length, in lines or as a list (RFC 9110, section 8.6).
static int lengths(struct mg_str value, pmg_http_framing_t *f, seen_t *seen) {
    struct mg_str member;
    bool first = seen->lengths++ == 0;
    f->has_length = true;
    if (!seen->response) {
        return first ? length_value(value, &f->content_length) : 400;
    }
    if (!pmg_http_next_member(&value, &member)) {
        return 400;
    }
    do {
        size_t n;
        int refuse = length_value(member, &n);
        if (refuse != 0 || (!first && n != f->content_length)) {
            return refuse != 0 ? refuse : 400;
        }
        f->content_length = n;
        first = false;
    } while (pmg_http_next_member(&value, &member));
    return 0;
}

// All lines are one list, of which chunked must be the last and we know no other.
static int encodings(struct mg_str value, pmg_http_framing_t *f, seen_t *seen) {
    struct mg_str member;
    int refuse = seen->encodings++ == 0 && value.len == 0 ? 501 : 0;
    while (pmg_http_next_member(&value, &member)) {
        if (f->chunked) {
            return 400;
        }
        f->chunked = pmg_str_ieq(member, "chunked");
        refuse = f->chunked ? refuse : 501;
    }
    return refuse;
}

static int expectations(struct mg_str value, pmg_http_framing_t *f) {
    struct mg_str member;
    while (pmg_http_next_member(&value, &member)) {
        if (!pmg_str_ieq(member, "100-continue")) {
            return 417;
        }
        f->expect_continue = true;
    }
    return 0;
}

// One that begins with `first`, a small letter?
static inline bool begins(struct mg_str name, char first) {
    return (name.buf[0] | 32) == first;
}

static void connection_options(struct mg_str value, pmg_http_framing_t *f) {
    struct mg_str member;
    while (pmg_http_next_member(&value, &member)) {
        f->close |= member.len == 5 && pmg_str_ieq(member, "close");
        f->keep_alive |= member.len == 10 && pmg_str_ieq(member, "keep-alive");
    }
}

// The few headers that decide where a message ends. Told apart by length and first letter: most are
// not.
static int framing_header(struct mg_str name, struct mg_str value, pmg_http_framing_t *f,
    seen_t *seen) {
    switch (name.len) {
        case 4:
            if (!seen->response && begins(name, 'h') && pmg_str_ieq(name, "host")) {
                seen->hosts++;
                seen->host = seen->n;
                return is_authority(value) ? 0 : 400;
            }
            break;
        case 6:
            if (begins(name, 'e') && !seen->response && !f->http10 && pmg_str_ieq(name, "expect")) {
                return expectations(value, f);
            }
            break;
        case 7:
            if (begins(name, 'u') && pmg_str_ieq(name, "upgrade")) {
                f->upgrade = true;
            }
            break;
        case 10:
            if (begins(name, 'c') && pmg_str_ieq(name, "connection")) {
                connection_options(value, f);
            }
            break;
        case 14:
            if (!begins(name, 'c')) {
                break;
            }
            if (pmg_str_ieq(name, "content-length")) {
                return lengths(value, f, seen);
            }
            if (pmg_str_ieq(name, "content_length")) {
                return 400; // some gateways read the underscore as a dash
            }
            break;
        case 17:
            if (!begins(name, 't')) {
                break;
            }
            if (pmg_str_ieq(name, "transfer-encoding")) {
                return encodings(value, f, seen);
            }
            if (pmg_str_ieq(name, "transfer_encoding")) {
                return 400;
            }
            break;
        default: break;
    }
    return 0;
}

// Where a response's value that begins at `v` ends, or NULL for what no value has. *next: behind its
// line. A folded line becomes spaces (RFC 9112, section 5.2).
static const char *value_end(const char *v, const char *end, const char **next) {
    const char *s = v;
    for (;;) {
        while (class[(uint8_t)*s] & V) {
            s++;
        }
        const char *stop = s;
        s += *s == '\r';
        if (*s++ != '\n') {
            return NULL;
        }
        *next = s;
        if (s >= end || (*s != ' ' && *s != '\t')) {
            return stop;
        }
        memset((char *)(size_t)stop, ' ', (size_t)(s - stop)); // the buffer is ours
    }
}

static int header_lines(const char *p, const char *end, pmg_http_msg_t *hm, pmg_header_t *headers,
    int max_headers, pmg_http_framing_t *f, seen_t *seen) {
    int deferred = 0, n = 0;
    while (p < end) {
        const char *s = pmg_scan_word(p, end);
        while (class[(uint8_t)*s] & T) { // stops at CR or LF at the latest
            s++;
        }
        if (s == p || *s != ':') {
            return 400;
        }
        struct mg_str name = mg_str_n((char *)(size_t)p, (size_t)(s - p));
        const char *v = s + 1, *stop = pmg_scan_value(v, end);
        while (class[(uint8_t)*stop] & V) {
            stop++;
        }
        p = stop + 2;
        if (stop[0] != '\r' || stop[1] != '\n' || seen->response) {
            stop = seen->response ? value_end(v, end, &p) : NULL;
        }
        if (stop == NULL) {
            return 400;
        }
        if (n == max_headers) {
            return 431;
        }
        headers[n].name = name;
        headers[n].value = pmg_http_trim(v, stop);
        seen->n = n;
        int refuse = framing_header(name, headers[n++].value, f, seen);
        if (refuse != 0) {
            if (refuse == 400) {
                return 400;
            }
            deferred = deferred != 0 ? deferred : refuse; // the malformed is told before it
        }
    }
    hm->num_headers = n;
    return p == end ? deferred : 400;
}

// A target with an authority: that is what the program sees as Host.
static int put_host(pmg_http_msg_t *hm, pmg_header_t *headers, int max_headers,
    pmg_http_framing_t *f, const seen_t *seen) {
    static char name[] = "Host";
    if (seen->hosts == 0) {
        if (hm->num_headers == max_headers) {
            return 431;
        }
        headers[hm->num_headers++].name = mg_str_n(name, 4);
    }
    headers[seen->hosts == 0 ? hm->num_headers - 1 : seen->host].value = f->authority;
    return 0;
}

int pmg_http_parse_head(const char *buf, size_t len, bool response, pmg_http_msg_t *hm,
    pmg_header_t *headers, int max_headers, pmg_http_framing_t *f) {
    // The last line is the blank one, in a response perhaps of a bare LF.
    const char *p = buf, *end = buf + len - (response && len > 1 && buf[len - 2] == '\n' ? 1 : 2);
    seen_t seen = {response, 0, 0, 0, 0, 0};
    memset(hm, 0, sizeof(*hm));
    memset(f, 0, sizeof(*f));
    hm->head = mg_str_n((char *)(size_t)buf, len);
    hm->headers = headers;
    const char *eol = memchr(p, '\n', len);
    bool bare = eol != NULL && (eol == p || eol[-1] != '\r');
    if (eol == NULL || eol == p || (bare && !response)) {
        return 400;
    }
    const char *stop = bare ? eol : eol - 1;
    int refuse = response ? status_line(p, stop, hm, f) : request_line(p, stop, hm, f);
    if (refuse != 0) {
        return refuse;
    }
    int deferred = header_lines(eol + 1, end, hm, headers, max_headers, f, &seen);
    if (deferred == 400 || deferred == 431) {
        return deferred;
    }
    if (seen.encodings > 0 && (f->has_length || (f->http10 && !response))) {
        return 400;
    }
    if (!response && (seen.hosts > 1 || (seen.hosts == 0 && !f->http10))) {
        return 400;
    }
    f->faulty = seen.encodings > 0 && f->http10;
    if (deferred == 0 && f->authority.len > 0) {
        return put_host(hm, headers, max_headers, f, &seen);
    }
    return deferred;
}
