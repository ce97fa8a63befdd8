// SPDX-License-Identifier: GPL-2.0-only
//
// What a parser costs: `parsers NAME <input` prints how many basic blocks it ran, which the compiler
// counts (-fsanitize-coverage=trace-pc); of memcpy() and its like, sixteen bytes are one. A number that
// is the same on a busy machine.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "dns/dns_int.h"
#include "dns/wire.h"
#include "http/chunk.h"
#include "http/follow.h"
#include "http/http_int.h"
#include "http/multipart.h"
#include "modbus/modbus_int.h"
#include "mqtt/mqtt_int.h"
#include "util/util.h"
#include "ws/frame.h"

static unsigned long blocks;

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void) {
    blocks++;
}

#define WRAP(type, name, cost, args, pass) \
    type __real_##name args;               \
    type __wrap_##name args;               \
    type __wrap_##name args {              \
        blocks += 1 + (cost) / 16;         \
        return __real_##name pass;         \
    }
WRAP(void *, memcpy, n, (void *a, const void *b, size_t n), (a, b, n))
WRAP(void *, memmove, n, (void *a, const void *b, size_t n), (a, b, n))
WRAP(void *, memset, n, (void *a, int b, size_t n), (a, b, n))
WRAP(int, memcmp, n, (const void *a, const void *b, size_t n), (a, b, n))
WRAP(size_t, strlen, __real_strlen(a), (const char *a), (a))
void *__real_memchr(const void *a, int b, size_t n);
void *__wrap_memchr(const void *a, int b, size_t n);
void *__wrap_memchr(const void *a, int b, size_t n) {
    const char *found = __real_memchr(a, b, n);
    blocks += 1 + (found != NULL ? (size_t)(found - (const char *)a) : n) / 16;
    return (void *)(size_t)found;
}

void *pmg_port_alloc(size_t size) {
    return malloc(size);
}
void pmg_port_free(void *p) {
    free(p);
}

static char *in;
static size_t len;

static void head(void) {
    pmg_header_t headers[PMG_MAX_HEADERS];
    pmg_http_msg_t hm;
    pmg_http_framing_t f;
    (void)pmg_http_parse_head(in, len, false, &hm, headers, PMG_MAX_HEADERS, &f);
    (void)pmg_http_parse_head(in, len, true, &hm, headers, PMG_MAX_HEADERS, &f);
    (void)pmg_http_query_var(&hm, mg_str("none"));
    (void)pmg_http_header_var(&hm, mg_str("Cookie"), mg_str("none"));
}

static void chunks(void) {
    size_t pos = 0, size = 1;
    long n;
    while (pos < len && (n = pmg_chunk_line(in + pos, len - pos, &size)) > 0 && size > 0) {
        pos += (size_t)n + size + 2;
    }
    for (bool last = false; pos < len && !last; pos += (size_t)n) {
        if ((n = pmg_chunk_trailer(in + pos, len - pos, &last)) <= 0) {
            break;
        }
    }
}

static void ws(void) {
    pmg_ws_reader_t r = {.from_client = true};
    pmg_ws_frame_t f;
    const char *why;
    for (size_t pos = 0; pos < len; pos += f.head_len + f.len) {
        uint8_t *p = (uint8_t *)in + pos;
        if (pmg_ws_read_head(&r, p, len - pos, &f, &why) <= 0 || f.len > len - pos - f.head_len) {
            break;
        }
        pmg_ws_mask(p + f.head_len, f.len, f.mask, 0);
        (void)pmg_utf8_valid(p + f.head_len, f.len);
        (void)pmg_ws_close_payload_ok(p + f.head_len, f.len);
    }
}

static void mqtt(void) {
    for (size_t pos = 0, head_len, n; pos < len; pos += n) {
        const uint8_t *p = (const uint8_t *)in + pos;
        pmg_mqtt_msg_t msg;
        pmg_mqtt_prop_t prop;
        struct mg_str filter;
        const char *why;
        bool padded;
        int options;
        if (pmg_mqtt_head(p, len - pos, &head_len, &n, &padded) <= 0 || n > len - pos ||
            pmg_mqtt_parse(p, n, head_len, true, 5, &msg, &why) != 0) {
            break;
        }
        for (size_t i = 0; (i = pmg_mqtt_next_prop(&msg, i, &prop)) > 0;) {}
        for (size_t i = 0; (i = pmg_mqtt_next_topic(&msg, i, &filter, &options)) > 0;) {
            (void)pmg_mqtt_match(filter, mg_str("a/b/c"));
        }
    }
}

static void ids(void) {
    pmg_mqtt_ids_t a = {0}, b = {0};
    uint16_t id = 60000; // they come round
    for (size_t i = 0; i < len; i++) {
        id = pmg_mqtt_ids_next(&a, &b, id);
        (void)pmg_mqtt_ids_add(i % 3 == 0 ? &b : &a, id);
    }
    for (size_t i = 0; i < len; i++) { // the latest first
        (void)(pmg_mqtt_ids_remove(&a, id) || pmg_mqtt_ids_remove(&b, id));
        id = (uint16_t)(id - 1 > 0 ? id - 1 : 65535);
    }
    pmg_mqtt_ids_free(&a);
    pmg_mqtt_ids_free(&b);
}

static void ids_one(void) { // a single one beside `len` that wait
    pmg_mqtt_ids_t a = {0}, b = {0};
    for (size_t i = 1; i <= len; i++) {
        (void)pmg_mqtt_ids_add(&a, (uint16_t)i);
    }
    blocks = 0;
    (void)pmg_mqtt_ids_next(&a, &b, 65535);
    (void)pmg_mqtt_ids_remove(&a, (uint16_t)len);
    pmg_mqtt_ids_free(&a);
}

static void dns(void) {
    pmg_dns_answer_t answer;
    pmg_dns_addrs_t found = {0};
    (void)pmg_dns_parse((const uint8_t *)in, len, 0x1234, "a.test", PMG_DNS_A, &answer, &found);
}

static void wire(void) {
    pmg_wire_msg_t m = {(const uint8_t *)in, len};
    pmg_wire_rr_t rr;
    char text[PMG_WIRE_TEXT];
    if (len < 12 || !pmg_wire_valid(&m)) {
        return;
    }
    size_t pos = 12;
    for (unsigned i = pmg_wire_count(&m, 1); i > 0 && pos > 0; i--) {
        pos = pmg_wire_read(&m, pos, false, &rr);
        (void)pmg_wire_to_text(rr.name, text);
    }
}

static void modbus(void) {
    const char *why;
    long n;
    for (size_t pos = 0; pos < len; pos += (size_t)n) {
        const uint8_t *p = (const uint8_t *)in + pos;
        pmg_modbus_msg_t msg = {.func = p[7]};
        n = pmg_modbus_frame_len(p, len - pos, &why);
        if (n <= 0 || (size_t)n > len - pos) {
            break;
        }
        (void)pmg_modbus_parse_request(&msg, p + PMG_MODBUS_HEAD, (size_t)n - PMG_MODBUS_HEAD);
    }
}

static void multipart(void) {
    size_t offset = 0;
    pmg_multipart_t part;
    const char *why;
    char *name = malloc(len);
    while (pmg_multipart_next(mg_str_n(in, len), &offset, mg_str(""), &part, &why) > 0) {
        (void)pmg_multipart_text(part.name, part.name_form, name);
        (void)pmg_multipart_filename(part.filename, name);
    }
    free(name);
}

static void json(void) {
    struct mg_str text = mg_str_n(in, len), found, key, value;
    char *room = malloc(len);
    (void)pmg_json_valid(text);
    if (pmg_json_find(text, mg_str("$"), &found) == 0) {
        while (found.buf != NULL && pmg_json_next(&found, &key, &value)) {
            (void)pmg_json_number(value);
            (void)pmg_json_unescape(value, room);
        }
    }
    (void)pmg_json_find(text, mg_str("$[999999]"), &found);
    (void)pmg_json_find(text, mg_str("$.none.a[3]"), &found);
    free(room);
}

static void url(void) {
    pmg_url_parts_t parts;
    char *room = malloc(3 * len);
    pmg_url_split(mg_str_n(in, len), &parts);
    (void)pmg_url_encode(mg_str_n(in, len), room);
    (void)pmg_url_decode(mg_str_n(in, len), room);
    free(room);
}

static void url_join(void) {
    char *room = malloc(len + 32);
    (void)pmg_url_join(mg_str("http://host/a/b"), mg_str_n(in, len), room);
    free(room);
}

static void follow(bool response) {
    pmg_follow_t f;
    const char *p = in;
    memset(&f, 0, sizeof(f));
    f.response = response;
    while (pmg_follow(&f, &p, in + len) != 0) {
    }
}

static void replies(void) {
    follow(true);
}

static void requests(void) {
    follow(false);
}

static void form(void) {
    (void)pmg_form_var(mg_str_n(in, len), mg_str("none"));
}

static void match(void) {
    struct mg_str caps[8];
    (void)pmg_match(mg_str_n(in, len), mg_str("#a*b#a?c#d"), caps);
}

static void utf8(void) {
    char *room = malloc(3 * len);
    (void)pmg_utf8_valid(in, len);
    (void)pmg_utf8_replace(in, len, room);
    (void)pmg_latin1_to_utf8(in, len, room);
    free(room);
}

static void base64(void) {
    char *room = malloc(len);
    (void)pmg_base64_decode(mg_str_n(in, len), room);
    free(room);
}

static const struct {
    const char *name;
    void (*run)(void);
} parsers[] = {
#define P(name) {#name, name}
    P(head), P(chunks), P(ws), P(mqtt), P(ids), P(ids_one), P(dns), P(wire), P(modbus),
    P(multipart), P(json), P(url), P(url_join), P(replies), P(requests), P(form), P(match), P(utf8), P(base64),
};

int main(int argc, char **argv) {
    size_t size = 8u << 20;
    in = malloc(size);
    len = fread(in, 1, size, stdin);
    in = realloc(in, len + 1);
    for (size_t i = 0; argc == 2 && i < sizeof(parsers) / sizeof(parsers[0]); i++) {
        if (strcmp(parsers[i].name, argv[1]) == 0) {
            blocks = 0;
            parsers[i].run();
            printf("%lu\n", blocks);
            return 0;
        }
    }
    return 2;
}
