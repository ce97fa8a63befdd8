// SPDX-License-Identifier: GPL-2.0-only
//
// What looks at many bytes at a time stays in the bytes that it was given: `bounds NAME` runs a
// function on texts of each length, right below a page that nobody may touch, right above one, and at
// each alignment in memory that ends where the text ends (AddressSanitizer). What it says must be what
// a plain loop says. `bounds NAME past` tells it of one byte more than there is, which must not pass.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/base.h"
#include "http/http_int.h"
#include "ws/frame.h"

#define LENGTHS 300
#define ALIGNMENTS 32

static size_t past;
static const char *name;
static char *low, *high; // the first byte above a page, the first one of the next

void *pmg_port_alloc(size_t size) {
    return malloc(size);
}
void pmg_port_free(void *p) {
    free(p);
}

static void pages(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *p = mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    low = p + page;
    high = low + page;
    if (p == MAP_FAILED || mprotect(low, page, PROT_READ | PROT_WRITE) != 0) {
        perror("mmap");
        exit(2);
    }
}

// False: the answer is wrong. It may change what stands at p.
typedef bool (*run_t)(char *p, size_t len);

static void at(run_t run, char *p, const char *text, size_t len) {
    memcpy(p, text, len);
    if (!run(p, len)) {
        fprintf(stderr, "%s: %zu bytes at %p\n", name, len, (void *)p);
        exit(1);
    }
}

static void everywhere(run_t run, const char *text, size_t len) {
    at(run, high - len, text, len);
    at(run, low, text, len);
    for (size_t i = 0; i < ALIGNMENTS; i++) {
        char *p = malloc(i + len);
        at(run, p + i, text, len);
        free(p);
    }
}

// UTF-8, at once and in two pieces.
static size_t char_len(const uint8_t *p, size_t left) { // 0: there is none
    size_t n = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
    uint32_t ch = n == 1 ? *p : *p & (0x7fu >> n);
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    for (size_t i = 1; i < n; i++) {
        if (i >= left || (p[i] & 0xc0) != 0x80) {
            return 0;
        }
        ch = ch << 6 | (p[i] & 0x3f);
    }
    bool bad = ch < least[n] || (ch >= 0xd800 && ch < 0xe000) || ch > 0x10ffff;
    return bad || (*p >= 0x80 && *p < 0xc0) || *p >= 0xf8 ? 0 : n;
}

static bool run_utf8(char *p, size_t len) {
    size_t i = 0, n = 1, cut = len / 3;
    for (; i < len && n > 0; i += n) {
        n = char_len((uint8_t *)p + i, len - i);
    }
    pmg_utf8_t u = {0};
    bool pieces = pmg_utf8_feed(&u, p, cut) && pmg_utf8_feed(&u, p + cut, len - cut);
    return pmg_utf8_valid(p, len + past) == (n > 0) && (pieces && u.state == 0) == (n > 0);
}

static void utf8(void) {
    static const char *const units[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "a\xf0\x9f\x98\x80",
        "ab\xe2\x82\xac", "a\xed\x9f\xbf\xf4\x8f\xbf\xbf", "aaaaaaaaaaaaaaaaaaaaaaaaa\xed\xa0\x80"};
    char text[LENGTHS + 32];
    for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
        for (size_t n = 0; n < LENGTHS; n += strlen(units[u])) {
            memcpy(text + n, units[u], strlen(units[u]));
        }
        for (size_t len = 0; len < LENGTHS; len++) {
            everywhere(run_utf8, text, len);
        }
    }
}

// A mask, from each place in the payload.
static bool run_mask(char *p, size_t len) {
    static const uint8_t mask[4] = {1, 20, 77, 200};
    for (uint32_t pos = 0; pos < 4; pos++) {
        pmg_ws_mask((uint8_t *)p, len + past, mask, pos);
        for (size_t i = 0; i < len; i++) {
            if ((uint8_t)p[i] != ((uint8_t)i ^ mask[(pos + i) & 3])) {
                return false;
            }
            p[i] = (char)i;
        }
    }
    return true;
}

static void mask(void) {
    char text[LENGTHS];
    for (size_t i = 0; i < LENGTHS; i++) {
        text[i] = (char)i;
    }
    for (size_t len = 0; len < LENGTHS; len++) {
        everywhere(run_mask, text, len);
    }
}

// The end of a head, which is there or not.
static bool run_blank(char *p, size_t len) {
    size_t want = 0;
    for (size_t i = 0; i + 1 < len && want == 0; i++) {
        want = p[i] != '\n'                                        ? 0
               : p[i + 1] == '\n'                                  ? i + 2
               : i + 2 < len && p[i + 1] == '\r' && p[i + 2] == '\n' ? i + 3
                                                                   : 0;
    }
    return pmg_http_head_length(p, len + past, 0) == want &&
           pmg_http_head_length(p, len, want > 3 ? want - 3 : len / 2) == want;
}

static void blank(void) {
    char text[LENGTHS];
    for (size_t line = 1; line < 40; line++) {
        for (size_t i = 0; i < LENGTHS; i++) {
            text[i] = i % line == line - 1 && line > 1 ? '\n' : 'a';
        }
        for (size_t len = 0; len < LENGTHS / 3; len++) {
            everywhere(run_blank, text, len);
            for (int cr = 0; cr < 2 && len > 3; cr++) { // and one that ends here
                char end[LENGTHS];
                memcpy(end, text, len);
                memcpy(end + len - 3, cr ? "\n\r\n" : "a\n\n", 3);
                everywhere(run_blank, end, len);
            }
        }
    }
}

// A value, with and without a byte that none may have.
static bool run_value(char *p, size_t len) {
    bool right = true;
    for (size_t i = 0; i < len; i++) {
        right &= ((uint8_t)p[i] >= ' ' || p[i] == '\t') && p[i] != 127;
    }
    return pmg_http_is_field_value(mg_str_n(p, len + past)) == right;
}

static void value(void) {
    static const char others[] = "\x01\n\r\x1f\x7f";
    char text[LENGTHS];
    memset(text, 'v', sizeof(text));
    text[3] = '\t', text[20] = '\x80', text[40] = '\xff';
    for (size_t len = 0; len < LENGTHS; len++) {
        everywhere(run_value, text, len);
    }
    for (size_t len = 1; len < LENGTHS / 4; len++) {
        for (const char *other = others; *other != '\0'; other++) {
            char was = text[len - 1];
            text[len - 1] = *other;
            everywhere(run_value, text, len);
            everywhere(run_value, text, len + 20);
            text[len - 1] = was;
        }
    }
}

// Heads whose last line has a name and a value of each length; where a wrong byte stands they are refused.
static size_t name_len, value_len;
static int want;
static bool is_response;

static bool run_head(char *p, size_t len) {
    pmg_http_msg_t hm;
    pmg_http_framing_t f;
    pmg_header_t headers[4];
    int got = pmg_http_parse_head(p, len + past, is_response, &hm, headers, 4, &f);
    return got == want && (got != 0 || (hm.num_headers == 2 && headers[1].name.len == name_len &&
                                           headers[1].value.len == value_len));
}

static void head(void) {
    static const char none_in_names[] = " {[@\"\x80\x01";
    for (name_len = 1; name_len < 40; name_len++) {
        for (value_len = 0; value_len < 40; value_len++) {
            for (size_t kind = 0; kind < 4 + sizeof(none_in_names) - 1; kind++) {
                const char *eol = kind == 1 ? "\n" : "\r\n";
                char text[LENGTHS];
                is_response = kind == 1 || kind == 2;
                size_t n = (size_t)sprintf(text, "%s%sHost: d%s",
                    is_response ? "HTTP/1.1 200 OK" : "GET / HTTP/1.1", eol, eol);
                size_t line = n;
                n += (size_t)sprintf(text + n, "%.*s:%.*s%s%s", (int)name_len,
                    "Abcdefghijklmnop-qrstuvwxyzabcdefghijklmn", (int)value_len,
                    "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv", eol, eol);
                want = 0;
                if (kind == 3 && value_len > 0) {
                    text[line + name_len + value_len] = '\1';
                    want = 400;
                } else if (kind > 3) {
                    text[line + name_len - 1] = none_in_names[kind - 4];
                    want = 400;
                }
                everywhere(run_head, text, n);
            }
        }
    }
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(void);
    } all[] = {
        {"utf8", utf8}, {"mask", mask}, {"blank", blank}, {"value", value}, {"head", head}};
    pages();
    name = argc > 1 ? argv[1] : "";
    past = argc > 2;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (strcmp(all[i].name, name) == 0) {
            all[i].run();
            return 0;
        }
    }
    return 2;
}
