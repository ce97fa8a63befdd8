// SPDX-License-Identifier: GPL-2.0-only
//
// Follows byte by byte what a program writes by hand: requests of a client, replies of a server.

#include "follow.h"
#include "http_int.h"

enum {
    AT_START,
    AT_LINE,
    AT_HEADER,
    AT_BODY,
    AT_CHUNK_SIZE,
    AT_CHUNK_DATA,
    AT_CHUNK_END,
    AT_TRAILER,
    AT_UNTIL_CLOSE,
    AT_LOST
};

bool pmg_follow_between(const pmg_follow_t *f) {
    return f->state == AT_START;
}
bool pmg_follow_lost(const pmg_follow_t *f) {
    return f->state == AT_LOST;
}
bool pmg_follow_in_head(const pmg_follow_t *f) {
    return f->state == AT_LINE || f->state == AT_HEADER;
}
bool pmg_follow_in_chunks(const pmg_follow_t *f) {
    return f->state == AT_CHUNK_SIZE && f->in_line == 0;
}
bool pmg_follow_until_close(const pmg_follow_t *f) {
    return f->state == AT_UNTIL_CLOSE;
}

void pmg_follow_lose(pmg_follow_t *f) {
    f->state = AT_LOST;
}

void pmg_follow_done(pmg_follow_t *f) {
    f->state = AT_START;
}

static int first_line(pmg_follow_t *f) {
    f->status = 0;
    if (f->response) {
        const char *p = f->line;
        if (memcmp(p, "http/1.", 7) != 0 || p[8] != ' ') {
            f->state = AT_LOST;
            return PMG_FOLLOW_LOST;
        }
        for (p += 9; *p >= '0' && *p <= '9' && f->status < 1000; p++) {
            f->status = (uint16_t)(f->status * 10 + (*p - '0'));
        }
    }
    f->state = AT_HEADER;
    f->chunked = f->has_length = f->close = f->endless = false;
    f->left = 0;
    return f->response ? 0 : PMG_FOLLOW_LINE;
}

static void header(pmg_follow_t *f) {
    const char *line = f->line;
    if (memcmp(line, "content-length:", 15) == 0) {
        f->has_length = true;
        for (const char *p = line + 15; *p != '\0'; p++) {
            if (*p >= '0' && *p <= '9' && f->left < UINT64_MAX / 20) {
                f->left = f->left * 10 + (uint64_t)(*p - '0');
            }
        }
    } else if (memcmp(line, "transfer-encoding:", 18) == 0) {
        f->chunked |= strstr(line, "chunked") != NULL;
    } else if (memcmp(line, "content-type:", 13) == 0) {
        f->endless |= strstr(line, "text/event-stream") != NULL ||
                      strstr(line, "multipart/x-mixed-replace") != NULL;
    } else if (memcmp(line, "connection:", 11) == 0) {
        f->close |= strstr(line, "close") != NULL;
    }
}

static int head_end(pmg_follow_t *f) {
    bool none =
        f->response && (f->no_body || f->status < 200 || f->status == 204 || f->status == 304);
    if (f->response && f->status == 101) {
        f->state = AT_LOST; // another protocol follows
        return PMG_FOLLOW_LOST;
    }
    if (f->response && f->status < 200) { // interim
        f->state = AT_START;
        return 0;
    }
    if (none) {
        f->state = AT_START;
    } else if (f->chunked) {
        f->state = AT_CHUNK_SIZE;
    } else if (f->has_length || !f->response) {
        f->state = f->left > 0 ? AT_BODY : AT_START;
    } else {
        f->state = AT_UNTIL_CLOSE;
    }
    return PMG_FOLLOW_HEAD;
}

static int line_end(pmg_follow_t *f) {
    bool blank = f->in_line == 0;
    int what = 0;
    f->line[f->line_len] = '\0';
    switch (f->state) {
        case AT_LINE: what = first_line(f); break;
        case AT_HEADER:
            if (blank) {
                what = head_end(f);
            } else {
                header(f);
            }
            break;
        case AT_CHUNK_SIZE:
            f->left = strtoul(f->line, NULL, 16);
            f->state = f->left > 0 ? AT_CHUNK_DATA : AT_TRAILER;
            break;
        case AT_CHUNK_END: f->state = AT_CHUNK_SIZE; break;
        default: // a trailer
            if (blank) {
                f->state = AT_START;
            }
            break;
    }
    f->in_line = f->line_len = 0;
    return what;
}

int pmg_follow(pmg_follow_t *f, const char **at, const char *end) {
    int what = 0;
    while (*at < end && what == 0 && f->state != AT_LOST) {
        const char *p = *at;
        if (f->state == AT_UNTIL_CLOSE) {
            *at = end;
            break;
        }
        if (f->state == AT_BODY || f->state == AT_CHUNK_DATA) {
            uint64_t n = (uint64_t)(end - p) < f->left ? (uint64_t)(end - p) : f->left;
            *at += n;
            f->left -= n;
            if (f->left == 0) {
                f->state = f->state == AT_BODY ? AT_START : AT_CHUNK_END;
                what = f->state == AT_START ? PMG_FOLLOW_END : 0;
            }
            continue;
        }
        char ch = *(*at)++;
        if (f->state == AT_START) {
            if (ch == '\r' || ch == '\n') {
                continue;
            }
            if (ch < 'A' || ch > 'Z') { // no HTTP that we know
                f->state = AT_LOST;
                return PMG_FOLLOW_LOST;
            }
            f->state = AT_LINE;
            f->in_line = f->line_len = f->head_len = 0;
            what = PMG_FOLLOW_BEGIN;
        }
        f->head_len++;
        if (f->in_line == 0) { // not sooner: the caller may look at the line before
            memset(f->line, 0, sizeof(f->line));
        }
        if (ch == '\n') {
            bool in_body = f->state > AT_HEADER;
            what = line_end(f);
            if (what == 0 && in_body && f->state == AT_START) {
                what = PMG_FOLLOW_END;
            }
        } else if (ch != '\r') {
            f->in_line++;
            if (f->line_len < PMG_FOLLOW_LINE_MAX) {
                f->line[f->line_len++] = (char)(ch >= 'A' && ch <= 'Z' ? ch + 32 : ch);
            }
        }
    }
    return what;
}
