// SPDX-License-Identifier: GPL-2.0-only
//
// Percent-encoding and urlencoded forms (RFC 3986, section 2.1; the URL standard's forms).

#include "form.h"
#include "types.h"

static char lower(char ch) {
    return ch >= 'A' && ch <= 'Z' ? (char)(ch + 32) : ch;
}

static int hex(char ch) {
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
    int hi = *i + 1 < raw.len ? hex(raw.buf[*i]) : -1;
    int lo = hi >= 0 ? hex(raw.buf[*i + 1]) : -1;
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

struct mg_str pmg_form_var(struct mg_str form, struct mg_str name) {
    const char *p = form.buf, *end = pmg_str_end(form);
    static char empty[] = "";
    while (p < end) {
        const char *amp = memchr(p, '&', (size_t)(end - p));
        const char *stop = amp != NULL ? amp : end;
        const char *eq = memchr(p, '=', (size_t)(stop - p));
        const char *key_end = eq != NULL ? eq : stop;
        if (stop > p && decodes_to(mg_str_n((char *)(size_t)p, (size_t)(key_end - p)), name)) {
            return eq != NULL ? mg_str_n((char *)(size_t)(eq + 1), (size_t)(stop - eq - 1))
                              : mg_str_n(empty, 0);
        }
        p = stop + 1;
    }
    return mg_str_n(NULL, 0);
}

int pmg_percent_decode(struct mg_str raw, char *dst, bool plus) {
    int n = 0;
    for (size_t i = 0; i < raw.len;) {
        int ch = decode_one(raw, &i, plus);
        if (ch < 0) {
            return -EINVAL;
        }
        dst[n++] = (char)ch;
    }
    return n;
}

int pmg_url_decode(struct mg_str raw, char *dst) {
    return pmg_percent_decode(raw, dst, true);
}
