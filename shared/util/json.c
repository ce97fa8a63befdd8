// SPDX-License-Identifier: GPL-2.0-only
//
// JSON: a strict check of a whole text (RFC 8259) without recursion, and a look into what passed.

#include "../base/base.h"
#include "util.h"

#if PMG_HAS_UTIL

// ---------------------------------------------------------------------------------------------
// The check. Each function takes what is left of the text and gives where it goes on, or NULL.

static const char *skip_space(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) {
        p++;
    }
    return p;
}

static bool is_digit(const char *p, const char *end) {
    return p < end && *p >= '0' && *p <= '9';
}

static const char *digits(const char *p, const char *end) {
    if (!is_digit(p, end)) {
        return NULL;
    }
    while (is_digit(p, end)) {
        p++;
    }
    return p;
}

static const char *number(const char *p, const char *end) {
    p += *p == '-';
    p = p < end && *p == '0' ? p + 1 : digits(p, end); // no digit may follow a leading zero
    if (p != NULL && p < end && *p == '.') {
        p = digits(p + 1, end);
    }
    if (p != NULL && p < end && (*p == 'e' || *p == 'E')) {
        p++;
        p += p < end && (*p == '+' || *p == '-');
        p = digits(p, end);
    }
    return p;
}

static int hex_digit(char ch) {
    return ch >= '0' && ch <= '9'   ? ch - '0'
           : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10
           : ch >= 'A' && ch <= 'F' ? ch - 'A' + 10
                                    : -1;
}

// `p` is behind the first quote.
static const char *string(const char *p, const char *end) {
    for (; p < end; p++) {
        if ((unsigned char)*p < ' ') {
            return NULL;
        }
        if (*p == '"') {
            return p + 1;
        }
        if (*p != '\\') {
            continue;
        }
        if (++p == end || *p == '\0' || strchr("\"\\/bfnrtu", *p) == NULL) {
            return NULL;
        }
        if (*p == 'u') {
            for (int i = 0; i < 4; i++) {
                if (++p == end || hex_digit(*p) < 0) {
                    return NULL;
                }
            }
        }
    }
    return NULL;
}

static const char *literal(const char *p, const char *end, const char *word) {
    size_t n = strlen(word);
    return (size_t)(end - p) >= n && memcmp(p, word, n) == 0 ? p + n : NULL;
}

// A string, number or word.
static const char *scalar(const char *p, const char *end) {
    switch (*p) {
        case '"': return string(p + 1, end);
        case 't': return literal(p, end, "true");
        case 'f': return literal(p, end, "false");
        case 'n': return literal(p, end, "null");
        default: return *p == '-' || is_digit(p, end) ? number(p, end) : NULL;
    }
}

// A name with its colon and the space behind it.
static const char *member_name(const char *p, const char *end) {
    p = skip_space(p, end);
    p = p < end && *p == '"' ? string(p + 1, end) : NULL;
    if (p == NULL) {
        return NULL;
    }
    p = skip_space(p, end);
    return p < end && *p == ':' ? p + 1 : NULL;
}

// One bit for each level: is it an object?
typedef struct {
    uint8_t objects[PMG_JSON_MAX_DEPTH / 8];
    unsigned depth;
} nesting_t;

static bool in_object(const nesting_t *n) {
    return (n->objects[(n->depth - 1) / 8] >> ((n->depth - 1) & 7) & 1) != 0;
}

static bool enter(nesting_t *n, bool object) {
    if (n->depth == PMG_JSON_MAX_DEPTH) {
        return false;
    }
    uint8_t bit = (uint8_t)(1u << (n->depth & 7));
    uint8_t *byte = &n->objects[n->depth++ / 8];
    *byte = (uint8_t)(object ? *byte | bit : *byte & ~bit);
    return true;
}

// From the end of a value to the start of the next one, leaving what closes in between. NULL: not
// JSON; `end`: the whole text has been read.
static const char *to_next_value(const char *p, const char *end, nesting_t *n) {
    for (;;) {
        p = skip_space(p, end);
        if (n->depth == 0 || p == end) {
            return n->depth == 0 && p == end ? p : NULL;
        }
        bool object = in_object(n);
        if (*p == ',') {
            p = object ? member_name(p + 1, end) : p + 1;
            p = p != NULL ? skip_space(p, end) : NULL;
            return p != end ? p : NULL;
        }
        if (*p++ != (object ? '}' : ']')) {
            return NULL;
        }
        n->depth--;
    }
}

bool pmg_json_valid(struct mg_str json) {
    const char *p = json.buf, *end = pmg_str_end(json);
    nesting_t nesting = {.depth = 0};
    if (json.len == 0 || !pmg_utf8_valid(json.buf, json.len)) {
        return false;
    }
    p = skip_space(p, end);
    while (p != NULL && p < end) {
        bool object = *p == '{';
        if (!object && *p != '[') {
            p = scalar(p, end);
        } else {
            if (!enter(&nesting, object)) {
                return false;
            }
            p = skip_space(p + 1, end);
            if (p == end) {
                return false;
            }
            if (*p != (object ? '}' : ']')) {
                p = object ? member_name(p, end) : p;
                p = p != NULL ? skip_space(p, end) : NULL;
                if (p == end) {
                    return false;
                }
                continue;
            }
            // Empty: to_next_value() leaves it.
        }
        p = p != NULL ? to_next_value(p, end, &nesting) : NULL;
        if (p == end) {
            return true;
        }
    }
    return false;
}

// ---------------------------------------------------------------------------------------------
// The look, into text that passed: nothing is checked twice

static const char *skip_string(const char *p) {
    for (p++; *p != '"'; p++) {
        p += *p == '\\';
    }
    return p + 1;
}

static const char *skip_value(const char *p, const char *end) {
    size_t depth = 0;
    do {
        if (*p == '"') {
            p = skip_string(p);
            continue;
        }
        depth += *p == '{' || *p == '[';
        depth -= *p == '}' || *p == ']';
        p++;
        // A number or word goes on up to a delimiter.
        while (depth == 0 && p < end && memchr("{}[]", p[-1], 4) == NULL &&
               memchr(" \t\r\n,]}", *p, 7) == NULL) {
            p++;
        }
    } while (depth > 0);
    return p;
}

static struct mg_str slice(const char *from, const char *to) {
    return mg_str_n((char *)(size_t)from, (size_t)(to - from));
}

bool pmg_json_next(struct mg_str *rest, struct mg_str *key, struct mg_str *value) {
    const char *p = rest->buf, *end = p + rest->len;
    *key = *value = mg_str_n(NULL, 0);
    // At first the value itself; later what follows an item, with a bracket's or brace's kind
    // told by what is left at the end.
    if (rest->len < 2 || memchr("{[,", *p, 3) == NULL) {
        return false;
    }
    bool object = end[-1] == '}';
    p = skip_space(p + 1, end);
    if (*p == '}' || *p == ']') {
        return false;
    }
    if (object) {
        const char *stop = skip_string(p);
        *key = slice(p, stop);
        p = skip_space(skip_space(stop, end) + 1, end);
    }
    const char *stop = skip_value(p, end);
    *value = slice(p, stop);
    *rest = slice(skip_space(stop, end), end);
    return true;
}

static unsigned code_unit(const char *p) {
    unsigned code = 0;
    for (int i = 0; i < 4; i++) {
        code = code << 4 | (unsigned)hex_digit(p[i]);
    }
    return code;
}

static size_t put_utf8(unsigned code, char out[4]) {
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, code >>= 6) {
        out[i] = (char)(0x80 | (code & 0x3f));
    }
    out[0] = (char)(code | (n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0));
    return n;
}

// The character or byte at *p of a string, in UTF-8.
static size_t unescape_one(const char **p, const char *end, char out[4]) {
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *s = *p;
    if (*s != '\\') {
        *p = s + 1;
        out[0] = *s;
        return 1;
    }
    if (s[1] != 'u') {
        const char *known = strchr(from, s[1]);
        *p = s + 2;
        out[0] = known != NULL ? to[known - from] : s[1];
        return 1;
    }
    unsigned code = code_unit(s + 2);
    s += 6;
    if (code >= 0xd800 && code < 0xe000) {
        unsigned low =
            code < 0xdc00 && end - s >= 6 && s[0] == '\\' && s[1] == 'u' ? code_unit(s + 2) : 0;
        bool pair = low >= 0xdc00 && low < 0xe000;
        code = pair ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00) : 0xfffd;
        s += pair ? 6 : 0;
    }
    *p = s;
    return put_utf8(code, out);
}

long pmg_json_unescape(struct mg_str value, char *dst) {
    if (value.len < 2 || value.buf[0] != '"') {
        return -1;
    }
    const char *p = value.buf + 1, *end = value.buf + value.len - 1;
    size_t n = 0;
    while (p < end) {
        char ch[4];
        size_t k = unescape_one(&p, end, ch);
        memcpy(dst + n, ch, k);
        n += k;
    }
    return (long)n;
}

// Does the name, a string of the text, stand at the start of `path` as a whole? Its length there,
// or -1.
static long name_fits(struct mg_str name, struct mg_str path) {
    const char *p = name.buf + 1, *end = name.buf + name.len - 1;
    size_t n = 0;
    while (p < end) {
        char ch[4];
        size_t k = unescape_one(&p, end, ch);
        if (path.len - n < k || memcmp(path.buf + n, ch, k) != 0) {
            return -1;
        }
        n += k;
    }
    return n == path.len || path.buf[n] == '.' || path.buf[n] == '[' ? (long)n : -1;
}

static struct mg_str advance(struct mg_str s, size_t n) {
    return mg_str_n(s.buf + n, s.len - n);
}

// One step of the path, *path standing at its "." or "[". False: there is no such value.
static bool step(struct mg_str *value, struct mg_str *path) {
    struct mg_str rest = *value, key, item;
    bool name = path->buf[0] == '.';
    if (value->buf[0] != (name ? '{' : '[')) {
        return false;
    }
    *path = advance(*path, 1);
    if (name) {
        while (pmg_json_next(&rest, &key, &item)) {
            long n = name_fits(key, *path);
            if (n >= 0) {
                *value = item;
                *path = advance(*path, (size_t)n);
                return true;
            }
        }
        return false;
    }
    size_t index = 0, n = 0;
    for (; n < path->len && path->buf[n] >= '0' && path->buf[n] <= '9'; n++) {
        if (index > value->len) { // more than it can have
            return false;
        }
        index = index * 10 + (size_t)(path->buf[n] - '0');
    }
    if (n == 0 || n == path->len || path->buf[n] != ']') {
        return false;
    }
    *path = advance(*path, n + 1);
    if (path->len > 0 && path->buf[0] != '.' && path->buf[0] != '[') {
        return false;
    }
    while (pmg_json_next(&rest, &key, &item)) {
        if (index-- == 0) {
            *value = item;
            return true;
        }
    }
    return false;
}

int pmg_json_find(struct mg_str json, struct mg_str path, struct mg_str *out) {
    *out = mg_str_n(NULL, 0);
    if (path.len == 0 || path.buf[0] != '$' ||
        (path.len > 1 && path.buf[1] != '.' && path.buf[1] != '[')) {
        return -EINVAL;
    }
    if (!pmg_json_valid(json)) {
        return 0;
    }
    const char *start = skip_space(json.buf, pmg_str_end(json));
    struct mg_str value = slice(start, skip_value(start, pmg_str_end(json)));
    path = advance(path, 1);
    while (path.len > 0) {
        if (!step(&value, &path)) {
            return 0;
        }
    }
    *out = value;
    return 0;
}

int pmg_json_number(struct mg_str value) {
    if (value.len == 0 || (value.buf[0] != '-' && !is_digit(value.buf, value.buf + 1))) {
        return PMG_JSON_NO_NUMBER;
    }
    for (size_t i = 0; i < value.len; i++) {
        if (value.buf[i] == '.' || value.buf[i] == 'e' || value.buf[i] == 'E') {
            return PMG_JSON_REAL;
        }
    }
    return value.len <= PMG_JSON_MAX_DIGITS ? PMG_JSON_INT : PMG_JSON_REAL;
}

#endif
