// SPDX-License-Identifier: GPL-2.0-only
//
// What a head that was parsed says: its headers, the lists and parameters in them, cookies.

#include "http_int.h"

static bool next_member(struct mg_str *list, struct mg_str *member) {
    member->len = 0;
    while (member->len == 0 && list->len > 0) {
        const char *p = list->buf, *end = p + list->len, *comma = memchr(p, ',', list->len);
        *member = pmg_http_trim(p, comma != NULL ? comma : end);
        size_t used = comma != NULL ? (size_t)(comma + 1 - p) : list->len;
        list->buf += used;
        list->len -= used;
    }
    return member->len > 0;
}

bool pmg_http_next_member(struct mg_str *list, struct mg_str *member) {
    return next_member(list, member);
}

bool pmg_http_list_has(struct mg_str list, const char *token) {
    struct mg_str member;
    while (next_member(&list, &member)) {
        if (pmg_str_ieq(member, token)) {
            return true;
        }
    }
    return false;
}

bool pmg_http_list_has_exactly(struct mg_str list, struct mg_str member) {
    struct mg_str m;
    while (next_member(&list, &m)) {
        if (mg_strcmp(m, member) == 0) {
            return true;
        }
    }
    return false;
}

struct mg_str pmg_http_header(const pmg_http_msg_t *hm, struct mg_str name) {
    for (int i = 0; i < hm->num_headers; i++) {
        if (hm->headers[i].name.len == name.len && mg_strcasecmp(hm->headers[i].name, name) == 0) {
            return hm->headers[i].value;
        }
    }
    return mg_str_n(NULL, 0);
}

bool pmg_http_header_has(const pmg_http_msg_t *hm, const char *name, const char *token) {
    for (int i = 0; i < hm->num_headers; i++) {
        if (pmg_str_ieq(hm->headers[i].name, name) &&
            pmg_http_list_has(hm->headers[i].value, token)) {
            return true;
        }
    }
    return false;
}

// Of these the first line counts, as in Node: a second would not be another member of a list.
static bool is_single(struct mg_str name) {
    static const char *const names[] = {"age", "authorization", "content-length", "content-type",
        "etag", "expires", "from", "host", "if-modified-since", "if-unmodified-since",
        "last-modified", "location", "max-forwards", "proxy-authorization", "referer",
        "retry-after", "sec-websocket-accept", "sec-websocket-key", "server", "set-cookie",
        "user-agent"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (pmg_str_ieq(name, names[i])) {
            return true;
        }
    }
    return false;
}

size_t pmg_http_header_joined(const pmg_http_msg_t *hm, struct mg_str name, char *dst) {
    // The lines of a cookie are joined as its parts are (RFC 6265, section 5.4).
    const char *between = pmg_str_ieq(name, "cookie") ? "; " : ", ";
    size_t n = 0;
    int lines = 0;
    for (int i = 0; i < hm->num_headers; i++) {
        const pmg_header_t *h = &hm->headers[i];
        if (h->name.len != name.len || mg_strcasecmp(h->name, name) != 0) {
            continue;
        }
        if (dst != NULL) {
            memcpy(dst + n, between, lines > 0 ? 2 : 0);
            memcpy(dst + n + (lines > 0 ? 2 : 0), h->value.buf, h->value.len);
        }
        n += h->value.len + (lines++ > 0 ? 2 : 0);
    }
    return lines > 1 && !is_single(name) ? n : 0;
}

static struct mg_str cookie_in(struct mg_str line, struct mg_str name) {
    const char *p = line.buf, *end = pmg_str_end(line);
    while (p < end) {
        const char *semi = memchr(p, ';', (size_t)(end - p)), *stop = semi != NULL ? semi : end;
        const char *eq = memchr(p, '=', (size_t)(stop - p));
        if (eq != NULL && mg_strcmp(pmg_http_trim(p, eq), name) == 0) {
            return pmg_http_trim(eq + 1, stop);
        }
        p = semi != NULL ? semi + 1 : end;
    }
    return mg_str_n(NULL, 0);
}

struct mg_str pmg_http_cookie(const pmg_http_msg_t *hm, struct mg_str name) {
    for (int i = 0; i < hm->num_headers; i++) {
        if (pmg_str_ieq(hm->headers[i].name, "cookie")) {
            struct mg_str value = cookie_in(hm->headers[i].value, name);
            if (value.buf != NULL) {
                return value;
            }
        }
    }
    return mg_str_n(NULL, 0);
}

struct mg_str pmg_http_header_var(const pmg_http_msg_t *hm, struct mg_str name, struct mg_str var) {
    if (pmg_str_ieq(name, "cookie")) {
        return pmg_http_cookie(hm, var);
    }
    struct mg_str v = pmg_http_header(hm, name);
    const char *p = v.buf, *end = pmg_str_end(v);
    while (p < end) {
        // One parameter: name, "=", and a token or a quoted string; parameters stand apart by ; or ,
        const char *start = p;
        while (p < end && *p != ';' && *p != ',' && *p != '=') {
            p++;
        }
        struct mg_str key = pmg_http_trim(start, p);
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
            value = pmg_http_trim(start, p);
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
