// SPDX-License-Identifier: GPL-2.0-only
//
// Fuzz targets of functions that are given bytes and need no manager. What one direction writes, the
// other reads.

#include "targets.h"

static void must(bool yes) {
    if (!yes) {
        abort();
    }
}

static char *room(size_t len) {
    char *p = malloc(len + 1); // no more: a byte behind it is found
    must(p != NULL);
    return p;
}

static void multipart(input_t *in) {
    size_t offset = 0, n = take8(in) % 8;
    struct mg_str boundary = mg_str_n((char *)(size_t)in->p, n < in->len ? n : 0);
    in->p += boundary.len;
    in->len -= boundary.len;
    struct mg_str body = rest(in);
    pmg_multipart_t part;
    const char *why;
    for (size_t last = 0; pmg_multipart_next(body, &offset, boundary, &part, &why) == 1; last = offset) {
        must(offset > last && offset <= body.len);
        touch(part.body);
        touch(part.type);
        char *text = room(part.name.len);
        must(pmg_multipart_text(part.name, part.name_form, text) <= part.name.len);
        free(text);
        text = room(part.filename.len);
        size_t len = pmg_multipart_text(part.filename, part.filename_form, text);
        must(len <= part.filename.len);
        len = pmg_multipart_filename(mg_str_n(text, len), text);
        must(memchr(text, '/', len) == NULL && memchr(text, '\0', len) == NULL);
        free(text);
    }
    (void)pmg_multipart_head(body, &part, &why);
}

static void json(input_t *in) {
    size_t n = take8(in) % 32;
    struct mg_str path = mg_str_n((char *)(size_t)in->p, n < in->len ? n : in->len), out, key, value;
    in->p += path.len;
    in->len -= path.len;
    bool valid = pmg_json_valid(rest(in));
    if (pmg_json_find(rest(in), path, &out) == 0 && out.buf != NULL) {
        must(valid);
        (void)pmg_json_number(out);
        char *text = room(out.len);
        must(pmg_json_unescape(out, text) <= (long)out.len);
        free(text);
        for (struct mg_str left = out; pmg_json_next(&left, &key, &value);) {
            touch(key);
            must(pmg_json_valid(value));
        }
    }
}

static void url(input_t *in) {
    pmg_url_parts_t parts;
    size_t n = take8(in);
    struct mg_str base = mg_str_n((char *)(size_t)in->p, n < in->len ? n : in->len);
    in->p += base.len;
    in->len -= base.len;
    pmg_url_split(base, &parts);
    touch(parts.scheme);
    touch(parts.user);
    touch(parts.pass);
    touch(parts.host);
    touch(parts.target);
    char *joined = room(base.len + in->len + 1);
    long len = pmg_url_join(base, rest(in), joined);
    must(len <= (long)(base.len + in->len + 2));
    free(joined);
    char *text = room(3 * in->len), *back = room(3 * in->len);
    size_t coded = pmg_url_encode(rest(in), text);
    int plain = pmg_url_decode(mg_str_n(text, coded), back);
    must(plain == (int)in->len && (plain == 0 || memcmp(back, in->p, in->len) == 0));
    (void)pmg_url_decode(rest(in), back);
    struct mg_str form = rest(in), name, value;
    while (pmg_form_next(&form, &name, &value)) {
        touch(name);
        touch(value);
    }
    touch(pmg_form_var(rest(in), mg_str("q")));
    free(text);
    free(back);
    // And as listen() and connect() are given one.
    char *whole = room(in->len);
    if (in->len > 0) {
        memcpy(whole, in->p, in->len);
    }
    whole[in->len] = '\0';
    must(app_begin(0) == 0);
    struct mg_connection *c;
    (void)pmg_connect(app.m, whole, pmg_url_speaks(whole), NULL, NULL, &c);
    (void)pmg_listen(app.m, whole, pmg_url_speaks(whole), -1, NULL, &c);
    free(whole);
    app_end();
}

static void base64(input_t *in) {
    char *text = room(PMG_BASE64_LEN(in->len)), *back = room(in->len + 3);
    pmg_base64_encode(rest(in), text);
    long n = pmg_base64_decode(mg_str_n(text, PMG_BASE64_LEN(in->len)), back);
    must(n == (long)in->len && (n == 0 || memcmp(back, in->p, in->len) == 0));
    n = pmg_base64_decode(rest(in), back);
    must(n <= (long)(in->len / 4 * 3));
    free(text);
    free(back);
}

static void cookies(input_t *in) {
    pmg_header_t headers[3] = {{mg_str("Cookie"), rest(in)}, {mg_str("Accept"), rest(in)},
        {mg_str("Accept"), rest(in)}};
    pmg_http_msg_t hm = {.num_headers = 3, .headers = headers, .query = rest(in)};
    touch(pmg_http_cookie(&hm, mg_str("a")));
    touch(pmg_http_header_var(&hm, mg_str("Accept"), mg_str("q")));
    touch(pmg_http_query_var(&hm, mg_str("a")));
    (void)pmg_http_header_has(&hm, "Accept", "gzip");
    size_t n = pmg_http_header_joined(&hm, mg_str("Accept"), NULL);
    if (n > 0) {
        char *text = room(n);
        must(pmg_http_header_joined(&hm, mg_str("Accept"), text) == n);
        free(text);
    }
}

static void match(input_t *in) {
    size_t n = take8(in) % 64;
    struct mg_str pattern = mg_str_n((char *)(size_t)in->p, n < in->len ? n : in->len);
    in->p += pattern.len;
    in->len -= pattern.len;
    size_t count = pmg_match_wildcards(pattern);
    struct mg_str *caps = calloc(count + 1, sizeof(*caps));
    must(caps != NULL);
    if (pmg_match(rest(in), pattern, caps) == 1) {
        for (size_t i = 0; i < count; i++) {
            touch(caps[i]);
        }
    }
    (void)pmg_mqtt_match(pattern, rest(in));
    free(caps);
}

static void utf8(input_t *in) {
    size_t len = pmg_utf8_replace((char *)(size_t)in->p, in->len, NULL);
    char *text = room(len);
    must(pmg_utf8_replace((char *)(size_t)in->p, in->len, text) == len);
    must(pmg_utf8_replace(text, len, NULL) == len); // it has become valid
    free(text);
}

const target_t fuzz_texts[] = {
    {"multipart", multipart},
    {"json", json},
    {"url", url},
    {"base64", base64},
    {"cookies", cookies},
    {"match", match},
    {"utf8", utf8},
    {NULL, NULL},
};
