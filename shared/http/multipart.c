// SPDX-License-Identifier: GPL-2.0-only
//
// multipart/form-data (RFC 7578, over RFC 2046, section 5.1): one part at a time, strictly.

#include "http_int.h"
#include "multipart.h"
#include "../base/form.h"
#include "../base/utf8.h"

#if PMG_HAS_UTIL

#define BOUNDARY_MAX 70

typedef struct {
    const char *p, *end; // what is left of the body
    struct mg_str boundary;
    const char **why;
} reader_t;

static int fail(reader_t *r, const char *why) {
    *r->why = why;
    return -EILSEQ;
}

static struct mg_str slice(const char *from, const char *to) {
    return mg_str_n((char *)(size_t)from, (size_t)(to - from));
}

static const char *find_crlf(const char *p, const char *end) {
    while (p < end && (p = memchr(p, '\r', (size_t)(end - p))) != NULL) {
        if (end - p >= 2 && p[1] == '\n') {
            return p;
        }
        p++;
    }
    return NULL;
}

static const char *skip_blank(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\t')) {
        p++;
    }
    return p;
}

bool pmg_multipart_is_boundary(struct mg_str s) {
    for (size_t i = 0; i < s.len; i++) {
        char ch = s.buf[i];
        if (!((ch | 32) >= 'a' && (ch | 32) <= 'z') && !(ch >= '0' && ch <= '9') &&
            (ch == '\0' || strchr("'()+_,-./:=? ", ch) == NULL)) {
            return false;
        }
    }
    return s.len > 0 && s.len <= BOUNDARY_MAX && s.buf[s.len - 1] != ' ';
}

// Does a delimiter stand at p? Where it goes on behind it, or NULL; *last for the one that closes.
static const char *delimiter(reader_t *r, const char *p, bool *last) {
    size_t n = r->boundary.len;
    if ((size_t)(r->end - p) < n + 2 || p[0] != '-' || p[1] != '-' ||
        memcmp(p + 2, r->boundary.buf, n) != 0) {
        return NULL;
    }
    p += n + 2;
    *last = r->end - p >= 2 && p[0] == '-' && p[1] == '-';
    p = skip_blank(*last ? p + 2 : p, r->end);
    if (*last && p == r->end) {
        return p;
    }
    return r->end - p >= 2 && p[0] == '\r' && p[1] == '\n' ? p + 2 : NULL;
}

// The delimiter line at or behind p: where it begins, or NULL.
static const char *find_delimiter(reader_t *r, const char *p, bool *last) {
    for (; (p = find_crlf(p, r->end)) != NULL; p += 2) {
        if (delimiter(r, p + 2, last) != NULL) {
            return p;
        }
    }
    return NULL;
}

// The boundary by the body's first line. 0: it holds no parts at all.
static int own_boundary(reader_t *r) {
    const char *stop = find_crlf(r->p, r->end);
    stop = stop != NULL ? stop : r->end;
    if (r->end - r->p < 2 || r->p[0] != '-' || r->p[1] != '-') {
        return 0;
    }
    while (stop > r->p + 2 && (stop[-1] == ' ' || stop[-1] == '\t')) {
        stop--;
    }
    r->boundary = slice(r->p + 2, stop);
    if (!pmg_multipart_is_boundary(r->boundary)) {
        return fail(r, "the first line is no boundary");
    }
    // A form without fields is the closing line alone.
    bool alone = stop == r->end || (stop[0] == '\r' && stop + 2 == r->end);
    bool closes = r->boundary.len > 2 && stop[-1] == '-' && stop[-2] == '-';
    return alone && closes ? 0 : 1;
}

// The end of a quoted text that began at p, or NULL. As the WHATWG has it, it is the first quote and
// a backslash is itself; as RFC 2616 had it, and curl up to 7.80, a backslash quotes what follows.
static const char *quote_end(const char *p, const char *end, bool quoting) {
    for (; p < end && *p != '"'; p++) {
        p += quoting && *p == '\\' && p + 1 < end && (p[1] == '"' || p[1] == '\\');
    }
    return p < end ? p : NULL;
}

// One parameter of Content-Disposition, p at its ";". Where the next one begins, or NULL.
static const char *parameter(const char *p, const char *end, bool quoting, struct mg_str *name,
    struct mg_str *value) {
    const char *start = p = skip_blank(p + 1, end);
    while (p < end && *p != '=') {
        p++;
    }
    *name = slice(start, p);
    if (p == end || !pmg_http_is_token(*name)) {
        return NULL;
    }
    start = ++p;
    if (p < end && *p == '"') {
        p = quote_end(++start, end, quoting);
        if (p == NULL) {
            return NULL;
        }
        *value = slice(start, p++);
    } else {
        while (p < end && *p != ';' && *p != ' ' && *p != '\t') {
            p++;
        }
        *value = slice(start, p);
        if (!pmg_http_is_token(*value)) {
            return NULL;
        }
    }
    p = skip_blank(p, end);
    return p == end || *p == ';' ? p : NULL;
}

// utf-8'en'na%20me (RFC 8187): the text behind its charset, or {NULL, 0}.
static struct mg_str extended(struct mg_str value, uint8_t *form) {
    char *end = value.buf + value.len, byte[1];
    char *lang = memchr(value.buf, '\'', value.len);
    char *text = lang != NULL ? memchr(lang + 1, '\'', (size_t)(end - lang - 1)) : NULL;
    struct mg_str charset = slice(value.buf, lang != NULL ? lang : end);
    bool latin = pmg_str_ieq(charset, "iso-8859-1");
    if (text == NULL || (!latin && !pmg_str_ieq(charset, "utf-8"))) {
        return mg_str_n(NULL, 0);
    }
    for (char *p = ++text; p < end; p++) {
        size_t rest = (size_t)(end - p);
        if ((*p & 0x80) != 0 || // stands there in escapes alone; so no text grows
            (*p == '%' && pmg_percent_decode(mg_str_n(p, rest < 3 ? rest : 3), byte, false) != 1)) {
            return mg_str_n(NULL, 0);
        }
    }
    *form = latin ? PMG_MULTIPART_LATIN1 : PMG_MULTIPART_UTF8;
    return slice(text, end);
}

// The parameters behind "form-data". False: malformed.
static bool parameters(const char *p, const char *end, bool quoting, pmg_multipart_t *part) {
    struct mg_str none = {NULL, 0}, extra = none;
    part->name = part->filename = none;
    part->name_form = part->filename_form = quoting ? PMG_MULTIPART_QUOTED : PMG_MULTIPART_PLAIN;
    while (p < end) {
        struct mg_str name, value;
        p = *p == ';' ? parameter(p, end, quoting, &name, &value) : NULL;
        if (p == NULL) {
            return false;
        }
        struct mg_str *field = pmg_str_ieq(name, "name")        ? &part->name
                               : pmg_str_ieq(name, "filename")  ? &part->filename
                               : pmg_str_ieq(name, "filename*") ? &extra
                                                                : NULL;
        if (field != NULL) {
            if (field->buf != NULL) {
                return false; // which of the two is meant?
            }
            *field = value;
        }
    }
    if (extra.buf != NULL) { // it counts, not the plain one (RFC 6266, 4.3)
        part->filename = extended(extra, &part->filename_form);
        return part->filename.buf != NULL && part->name.buf != NULL;
    }
    return part->name.buf != NULL;
}

static bool disposition(struct mg_str v, pmg_multipart_t *part) {
    const char *end = pmg_str_end(v), *p = v.buf;
    while (p < end && *p != ';' && *p != ' ' && *p != '\t') {
        p++;
    }
    if (mg_strcasecmp(slice(v.buf, p), mg_str("form-data")) != 0) {
        return false;
    }
    p = skip_blank(p, end);
    return parameters(p, end, false, part) || parameters(p, end, true, part);
}

// The header lines of a part and the blank one; r->p then stands at the content.
static int headers(reader_t *r, pmg_multipart_t *part) {
    for (;;) {
        const char *line = r->p, *stop = find_crlf(line, r->end);
        if (stop == NULL) {
            return fail(r, "it ends within a part's headers");
        }
        r->p = stop + 2;
        if (stop == line) {
            return part->name.buf != NULL ? 1 : fail(r, "a part has no Content-Disposition");
        }
        const char *colon = memchr(line, ':', (size_t)(stop - line));
        if (colon == NULL || !pmg_http_is_token(slice(line, colon))) {
            return fail(r, "a part has a malformed header");
        }
        const char *value = skip_blank(colon + 1, stop);
        while (stop > value && (stop[-1] == ' ' || stop[-1] == '\t')) {
            stop--;
        }
        struct mg_str name = slice(line, colon), v = slice(value, stop);
        if (!pmg_http_is_field_value(v)) {
            return fail(r, "a part has a malformed header");
        }
        if (mg_strcasecmp(name, mg_str("Content-Disposition")) == 0) {
            if (part->name.buf != NULL || !disposition(v, part)) {
                return fail(r, "a part has a malformed Content-Disposition");
            }
        } else if (mg_strcasecmp(name, mg_str("Content-Type")) == 0) {
            if (part->type.buf != NULL) {
                return fail(r, "a part has two Content-Type");
            }
            part->type = v;
        }
    }
}

int pmg_multipart_head(struct mg_str lines, pmg_multipart_t *part, const char **why) {
    reader_t r = {lines.buf, pmg_str_end(lines), {NULL, 0}, why};
    memset(part, 0, sizeof(*part));
    return headers(&r, part) < 0 ? -EILSEQ : 0;
}

int pmg_multipart_next(struct mg_str body, size_t *offset, struct mg_str boundary,
    pmg_multipart_t *part, const char **why) {
    reader_t r = {body.buf, pmg_str_end(body), boundary, why};
    bool last = false;
    memset(part, 0, sizeof(*part));
    *why = "";
    if (body.len == 0) {
        return 0;
    }
    if (boundary.len == 0) {
        int known = own_boundary(&r);
        if (known <= 0) {
            return known;
        }
    } else if (!pmg_multipart_is_boundary(boundary)) {
        return fail(&r, "the boundary is none");
    }
    if (*offset > body.len) {
        (void)fail(&r, "the offset lies behind its end");
        return -EINVAL; // that is no fault of the body
    }
    const char *start = body.buf + *offset;
    if (*offset == 0 && boundary.len > 0 && delimiter(&r, start, &last) == NULL) {
        start = find_delimiter(&r, start, &last); // a preamble comes first
        if (start == NULL) {
            return fail(&r, "the boundary does not occur in it");
        }
        start += 2;
    }
    r.p = delimiter(&r, start, &last);
    if (r.p == NULL) {
        return fail(&r, *offset == 0 ? "the first line is no boundary" : "no part begins there");
    }
    if (last) {
        return 0;
    }
    int rc = headers(&r, part);
    if (rc < 0) {
        return rc;
    }
    // Without content, the blank line's own CRLF may begin the delimiter.
    const char *stop = find_delimiter(&r, r.p - 2, &last);
    if (stop == NULL) {
        return fail(&r, "it ends within a part");
    }
    part->body = slice(r.p, stop > r.p ? stop : r.p);
    *offset = (size_t)(stop + 2 - body.buf);
    return 1;
}

// The percent-escapes that browsers write: of a quote, of CR and of LF.
static size_t unescape(struct mg_str raw, char *dst) {
    size_t n = 0;
    for (size_t i = 0; i < raw.len; i++) {
        struct mg_str rest = mg_str_n(raw.buf + i, raw.len - i < 3 ? raw.len - i : 3);
        char ch = pmg_str_is(rest, "%22")   ? '"'
                  : pmg_str_is(rest, "%0D") ? '\r'
                  : pmg_str_is(rest, "%0A") ? '\n'
                                            : '\0';
        dst[n++] = ch != '\0' ? ch : raw.buf[i];
        i += ch != '\0' ? 2 : 0;
    }
    return n;
}

static size_t unquote(struct mg_str raw, char *dst) {
    size_t n = 0;
    for (size_t i = 0; i < raw.len; i++) {
        i += raw.buf[i] == '\\' && i + 1 < raw.len &&
             (raw.buf[i + 1] == '"' || raw.buf[i + 1] == '\\');
        dst[n++] = raw.buf[i];
    }
    return n;
}

// A byte beyond ASCII stands there as three, and becomes two.
static size_t from_latin1(struct mg_str raw, char *dst) {
    size_t n = 0;
    for (size_t i = 0; i < raw.len; i++) {
        char ch = raw.buf[i];
        if (ch == '%') {
            (void)pmg_percent_decode(mg_str_n(raw.buf + i, 3), &ch, false);
            i += 2;
        }
        n += pmg_latin1_to_utf8(&ch, 1, dst + n);
    }
    return n;
}

size_t pmg_multipart_text(struct mg_str raw, uint8_t form, char *dst) {
    switch (form) {
        case PMG_MULTIPART_UTF8:
            return (size_t)pmg_percent_decode(raw, dst, false); // it was checked
        case PMG_MULTIPART_LATIN1: return from_latin1(raw, dst);
        case PMG_MULTIPART_QUOTED: return unquote(raw, dst);
        case PMG_MULTIPART_PLAIN: return unescape(raw, dst);
        default: memcpy(dst, raw.len > 0 ? raw.buf : "", raw.len); return raw.len;
    }
}

size_t pmg_multipart_filename(struct mg_str name, char *dst) {
    size_t start = 0, n = 0;
    for (size_t i = 0; i < name.len; i++) {
        if (name.buf[i] == '/' || name.buf[i] == '\\') {
            start = i + 1;
        }
    }
    for (size_t i = start; i < name.len; i++) {
        unsigned char ch = (unsigned char)name.buf[i];
        bool bad = ch < ' ' || ch == 0x7f || strchr("<>:\"|?*", ch) != NULL;
        if (!bad && !(n == 0 && (ch == '.' || ch == ' '))) {
            dst[n++] = (char)ch;
        }
    }
    while (n > 0 && (dst[n - 1] == '.' || dst[n - 1] == ' ')) {
        n--;
    }
    size_t cut = n > PMG_MULTIPART_FILENAME ? n - PMG_MULTIPART_FILENAME : 0;
    while (cut > 0 && cut < n &&
           (dst[cut] == '.' || dst[cut] == ' ' || (dst[cut] & 0xc0) == 0x80)) {
        cut++;
    }
    memmove(dst, dst + cut, n - cut);
    return n - cut;
}

#endif
