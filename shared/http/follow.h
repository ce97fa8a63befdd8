// SPDX-License-Identifier: GPL-2.0-only
//
// Where a program stands in the HTTP messages that it writes by hand: nothing but bytes.
#ifndef PMG_FOLLOW_H
#define PMG_FOLLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Of a line only what decides is kept: "content-length: 12345".
#define PMG_FOLLOW_LINE_MAX 40

typedef struct {
    uint8_t state;
    uint8_t line_len;
    bool response; // else requests
    bool no_body;  // of a response: it answers HEAD
    bool chunked, has_length, close;
    bool endless;    // events, or pictures that replace one another
    uint16_t status; // of a response
    uint64_t left;   // of the body or the chunk
    size_t head_len; // bytes of the head so far
    size_t in_line;  // length of the line so far, kept or not
    char line[PMG_FOLLOW_LINE_MAX + 1];
} pmg_follow_t; // all zero: requests, ahead of the first

enum {
    PMG_FOLLOW_BEGIN = 1, // the first byte of a message
    PMG_FOLLOW_LINE,      // of a request: its line, small, is in f->line
    PMG_FOLLOW_HEAD,      // a head is whole; the message, too, if pmg_follow_between()
    PMG_FOLLOW_END,       // a body is
    PMG_FOLLOW_LOST       // no HTTP, or none any more: nothing is followed from here on
};
// Goes on from *at until something of these was met, or to `end`: 0.
int pmg_follow(pmg_follow_t *f, const char **at, const char *end);

bool pmg_follow_between(const pmg_follow_t *f); // two messages
bool pmg_follow_in_head(const pmg_follow_t *f);
bool pmg_follow_in_chunks(const pmg_follow_t *f); // where a chunk may begin
bool pmg_follow_until_close(const pmg_follow_t *f);
bool pmg_follow_lost(const pmg_follow_t *f);
void pmg_follow_lose(pmg_follow_t *f);
void pmg_follow_done(pmg_follow_t *f); // somebody else has ended the message

#endif
