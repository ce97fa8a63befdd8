// SPDX-License-Identifier: GPL-2.0-only
//
// Percent-encoding and urlencoded forms (RFC 3986, section 2.1; the URL standard's forms).

#include "form.h"
#include "types.h"

static char lower(char ch) {
    return ch >= 'A' && ch <= 'Z' ? (char)(ch + 32) : ch;
}

int pmg_hex(char ch) {
    return ch >= '0' && ch <= '9'                 ? ch - '0'
           : lower(ch) >= 'a' && lower(ch) <= 'f' ? lower(ch) - 'a' + 10
                                                  : -1;
}

// The byte at *i of an encoded text, or -1; *i then stands at the next.
static int decode_one(struct mg_str raw, size_t *i, bool plus) {
    char ch = raw.buf[(*i)++];
    if (ch != '%') {
        return ch == '+' && plus ? ' ' : (unsigned char)ch;
    }
    int hi = *i + 1 < raw.len ? pmg_hex(raw.buf[*i]) : -1;
    int lo = hi >= 0 ? pmg_hex(raw.buf[*i + 1]) : -1;
    *i += 2;
    return lo < 0 ? -1 : hi << 4 | lo;
}

static bool decodes_to(struct mg_str raw, struct mg_str text) {
    size_t n = 0;
    for (size_t i = 0; i < raw.len; n++) {
        int ch = decode_one(raw, &i, true);
        if (ch < 0 || n == text.len || (unsigned char)text.buf[n] != ch) {
            return false;
        }
    }
    return n == text.len;
}

bool pmg_form_next(struct mg_str *rest, struct mg_str *name, struct mg_str *value) {
    static char empty[] = "";
    char *p = rest->buf, *end = (char *)(size_t)pmg_str_end(*rest);
    while (p < end && *p == '&') {
        p++;
    }
    if (p == end) {
        return false;
    }
    char *amp = memchr(p, '&', (size_t)(end - p)), *stop = amp != NULL ? amp : end;
    char *eq = memchr(p, '=', (size_t)(stop - p)), *key_end = eq != NULL ? eq : stop;
    *rest = mg_str_n(stop, (size_t)(end - stop));
    *name = mg_str_n(p, (size_t)(key_end - p));
    *value = eq != NULL ? mg_str_n(eq + 1, (size_t)(stop - eq - 1)) : mg_str_n(empty, 0);
    return true;
}

struct mg_str pmg_form_var(struct mg_str form, struct mg_str name) {
    struct mg_str key, value;
    while (pmg_form_next(&form, &key, &value)) {
        if (decodes_to(key, name)) {
            return value;
        }
    }
    return mg_str_n(NULL, 0);
}

int pmg_percent_decode(struct mg_str raw, char *dst, bool plus) {
    int n = 0;
    for (size_t i = 0; i < raw.len;) {
        int ch = decode_one(raw, &i, plus);
        if (ch < 0) {
            return -EILSEQ;
        }
        dst[n++] = (char)ch;
    }
    return n;
}

int pmg_url_decode(struct mg_str raw, char *dst) {
    return pmg_percent_decode(raw, dst, true);
}
