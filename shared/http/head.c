// SPDX-License-Identifier: GPL-2.0-only
//
// HTTP/1 heads, strictly (RFC 9112, RFC 9110 section 5). What two parsers could read differently is
// refused: bare CR or LF, folded lines, space before a colon, a length said twice, a length beside
// chunks. A refusal names its status: 400, 431, 501 or 505.

#include "http_int.h"

// Character classes.
#define T 1 // tchar: part of a token (RFC 9110, section 5.6.2)
#define V 2 // part of a field value: HTAB, SP, VCHAR, obs-text
#define U \
    4 // part of a request target: what may stand in a URI (RFC 3986), loosely: any VCHAR but "#"
#define H 8 // part of a Host value

static const uint8_t class[256] = {
    ['\t'] = V,
    [' '] = V,
    ['!'] = T | V | U | H,
    ['"'] = V | U,
    ['#'] = T | V,
    ['$'] = T | V | U | H,
    ['%'] = T | V | U | H,
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
    [':'] = V | U | H,
    [';'] = V | U | H,
    ['<'] = V | U,
    ['='] = V | U | H,
    ['>'] = V | U,
    ['?'] = V | U,
    ['@'] = V | U,
    ['A' ... 'Z'] = T | V | U | H,
    ['['] = V | U | H,
    ['\\'] = V | U,
    [']'] = V | U | H,
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

static bool all(struct mg_str s, unsigned what) {
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
    return all(s, V);
}

static struct mg_str trim(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\t')) {
        p++;
    }
    while (end > p && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    return mg_str_n((char *)(size_t)p, (size_t)(end - p));
}

// Is `token` a member of a comma-separated list?
bool pmg_http_list_has(struct mg_str list, const char *token) {
    const char *p = list.buf, *end = pmg_str_end(list);
    while (p < end) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        const char *stop = comma != NULL ? comma : end;
        if (pmg_str_ieq(trim(p, stop), token)) {
            return true;
        }
        p = stop + 1;
    }
    return false;
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
    if (*p != '/') {
        const char *q = p;
        if ((target_end - p > 7 &&
                mg_strcasecmp(mg_str_n((char *)(size_t)p, 7), mg_str("http://")) == 0) ||
            (target_end - p > 8 &&
                mg_strcasecmp(mg_str_n((char *)(size_t)p, 8), mg_str("https://")) == 0)) {
            q = strstr(p, "//") + 2; // absolute-form: the path is what counts (section 3.2.2)
            const char *path = q;
            while (path < target_end && *path != '/' && *path != '?') {
                path++;
            }
            if (path == q) {
                return 400;
            }
            p = path;
        } else if (!(target_end - p == 1 && *p == '*' && hm->method.len == 7 &&
                       memcmp(hm->method.buf, "OPTIONS", 7) == 0) &&
                   !(hm->method.len == 7 && memcmp(hm->method.buf, "CONNECT", 7) == 0)) {
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
    int hosts, lengths, encodings;
} seen_t;

// The few headers that decide where a message ends. Told apart by length first: most are not.
static int framing_header(struct mg_str name, struct mg_str value, pmg_http_framing_t *f,
    seen_t *seen) {
    switch (name.len) {
        case 4:
            if (pmg_str_ieq(name, "host")) {
                seen->hosts++;
                return all(value, H) ? 0 : 400;
            }
            break;
        case 6:
            if (pmg_str_ieq(name, "expect")) {
                f->expect_continue = pmg_str_ieq(value, "100-continue");
                return f->expect_continue ? 0 : 417;
            }
            break;
        case 7:
            if (pmg_str_ieq(name, "upgrade")) {
                f->upgrade = true;
            }
            break;
        case 10:
            if (pmg_str_ieq(name, "connection")) {
                f->close |= pmg_http_list_has(value, "close");
                f->keep_alive |= pmg_http_list_has(value, "keep-alive");
            }
            break;
        case 14:
            if (pmg_str_ieq(name, "content-length")) {
                f->has_length = true;
                return seen->lengths++ == 0 ? length_value(value, &f->content_length) : 400;
            }
            if (pmg_str_ieq(name, "content_length")) {
                return 400; // some gateways read the underscore as a dash
            }
            break;
        case 17:
            if (pmg_str_ieq(name, "transfer-encoding")) {
                f->chunked = pmg_str_ieq(value, "chunked");
                return seen->encodings++ > 0 ? 400 : (f->chunked ? 0 : 501);
            }
            if (pmg_str_ieq(name, "transfer_encoding")) {
                return 400;
            }
            break;
        default: break;
    }
    return 0;
}

int pmg_http_parse_head(const char *buf, size_t len, bool response, pmg_http_msg_t *hm,
    pmg_header_t *headers, int max_headers, pmg_http_framing_t *f) {
    const char *p = buf, *end = buf + len - 2; // the last line is the blank one
    seen_t seen = {0, 0, 0};
    int refuse = 0, deferred = 0, n = 0;
    memset(hm, 0, sizeof(*hm));
    memset(f, 0, sizeof(*f));
    hm->head = mg_str_n((char *)(size_t)buf, len);
    hm->headers = headers;
    const char *eol = memchr(p, '\n', len);
    if (eol == NULL || eol == p || eol[-1] != '\r') {
        return 400;
    }
    refuse = response ? status_line(p, eol - 1, hm, f) : request_line(p, eol - 1, hm, f);
    if (refuse != 0) {
        return refuse;
    }
    for (p = eol + 1; p < end;) {
        const char *s = p;
        while (class[(uint8_t)*s] & T) { // stops at CR at the latest
            s++;
        }
        if (s == p || *s != ':') {
            return 400;
        }
        struct mg_str name = mg_str_n((char *)(size_t)p, (size_t)(s - p));
        const char *v = ++s;
        while (class[(uint8_t)*s] & V) {
            s++;
        }
        if (s[0] != '\r' || s[1] != '\n') {
            return 400;
        }
        struct mg_str value = trim(v, s);
        if (n == max_headers) {
            return 431;
        }
        headers[n].name = name;
        headers[n++].value = value;
        refuse = framing_header(name, value, f, &seen);
        if (refuse == 400) {
            return 400;
        }
        deferred =
            deferred != 0 ? deferred : refuse; // a malformed head is told before an unwanted one
        p = s + 2;
    }
    hm->num_headers = n;
    if (p != end || (f->chunked && f->has_length) ||
        (seen.encodings > 0 && f->http10 && !response)) {
        return 400;
    }
    if (seen.encodings > 0 && f->has_length) {
        return 400;
    }
    if (!response && (seen.hosts > 1 || (seen.hosts == 0 && !f->http10))) {
        return 400;
    }
    return deferred;
}

// ---------------------------------------------------------------------------------------------
// Questions about a parsed message

struct mg_str pmg_http_header(const pmg_http_msg_t *hm, struct mg_str name) {
    for (int i = 0; i < hm->num_headers; i++) {
        if (hm->headers[i].name.len == name.len && mg_strcasecmp(hm->headers[i].name, name) == 0) {
            return hm->headers[i].value;
        }
    }
    return mg_str_n(NULL, 0);
}

struct mg_str pmg_http_header_var(const pmg_http_msg_t *hm, struct mg_str name, struct mg_str var) {
    struct mg_str v = pmg_http_header(hm, name);
    const char *p = v.buf, *end = pmg_str_end(v);
    while (p < end) {
        // One parameter: name, "=", and a token or a quoted string; parameters stand apart by ; or ,
        const char *start = p;
        while (p < end && *p != ';' && *p != ',' && *p != '=') {
            p++;
        }
        struct mg_str key = trim(start, p);
        if (p == end || *p != '=') {
            p++;
            continue;
        }
        // "Digest realm=x": what comes before the last space is a scheme
        const char *space = key.buf + key.len;
        while (space > key.buf && space[-1] != ' ' && space[-1] != '\t') {
            space--;
        }
        key = mg_str_n((char *)(size_t)space, (size_t)(key.buf + key.len - space));
        struct mg_str value;
        p++;
        while (p < end && (*p == ' ' || *p == '\t')) {
            p++;
        }
        if (p < end && *p == '"') {
            start = ++p;
            while (p < end && *p != '"') {
                p += *p == '\\' && p + 1 < end ? 2 : 1;
            }
            value = mg_str_n((char *)(size_t)start, (size_t)(p - start));
            p++;
        } else {
            start = p;
            while (p < end && *p != ';' && *p != ',') {
                p++;
            }
            value = trim(start, p);
        }
        if (mg_strcasecmp(key, var) == 0) {
            return value;
        }
        while (p < end && *p != ';' && *p != ',') {
            p++;
        }
        p++;
    }
    return mg_str_n(NULL, 0);
}

struct mg_str pmg_http_query_var(const pmg_http_msg_t *hm, struct mg_str name) {
    return pmg_form_var(hm->query, name);
}
