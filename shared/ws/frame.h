// SPDX-License-Identifier: GPL-2.0-only
//
// WebSocket frames (RFC 6455, section 5): functions over bytes.
#ifndef PMG_WS_FRAME_H
#define PMG_WS_FRAME_H

#include "../base/base.h"

enum {
    PMG_WS_NORMAL = 1000,
    PMG_WS_PROTOCOL = 1002,
    PMG_WS_NO_STATUS = 1005,
    PMG_WS_DATA = 1007,
    PMG_WS_TOO_BIG = 1009
};

#define PMG_WS_CONTROL_MAX 125
#define PMG_WS_FIN 0x80
#define PMG_WS_HEAD_MAX 10 // without its mask

// Encodes the head of a whole message; its length.
size_t pmg_ws_head(uint8_t *head, size_t len, int op);
// Masks or unmasks; `pos` is where in the payload p stands.
void pmg_ws_mask(uint8_t *p, size_t len, const uint8_t mask[4], uint32_t pos);

typedef struct {
    size_t head_len, len; // len: of the payload
    uint8_t op, flags, masked;
    uint8_t mask[4];
} pmg_ws_frame_t;

// What must be known to read a frame's head.
typedef struct {
    bool from_client; // its frames are masked, a server's are not
    bool in_message;  // a continuation is due, not a new message
    size_t gathered;  // bytes of that message before
    size_t max;       // of a message; 0: no limit
} pmg_ws_reader_t;

// 1: a frame's head stands at p, 0: bytes are missing, -code: the peer broke the protocol, *why says
// how. A fault is told as soon as it can be seen.
int pmg_ws_read_head(const pmg_ws_reader_t *r, const uint8_t *p, size_t have, pmg_ws_frame_t *f,
    const char **why);

bool pmg_ws_close_code_ok(unsigned code); // may stand in a close frame (section 7.4)
bool pmg_ws_close_payload_ok(const uint8_t *p, size_t len);

#endif
