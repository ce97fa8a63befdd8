// SPDX-License-Identifier: GPL-2.0-only
//
// Messages of multicast DNS (RFC 6762, RFC 6763) on the wire: functions over bytes.
//
// A name "on the wire" is a sequence of labels, each with its length in front, that ends with an
// empty one; never compressed where it stands outside of a message.
#ifndef PMG_DNS_WIRE_H
#define PMG_DNS_WIRE_H

#include "../base/base.h"

#if PMG_HAS_MDNS

#ifdef PMG_BOARD
#define PMG_WIRE_OUT 600    // longest message that we send
#define PMG_WIRE_RECORDS 64 // of a message that are looked at
#else
#define PMG_WIRE_OUT 1440
#define PMG_WIRE_RECORDS 256
#endif
#define PMG_MDNS_PORT 5353
// All neighbors: 224.0.0.251 or ff02::fb, port 5353.
void pmg_mdns_group(bool is_ip6, struct mg_addr *out);
#define PMG_WIRE_NAME 256 // a name on the wire
#define PMG_WIRE_TEXT 288 // as text; one with very many escaped characters is not shown

enum { PMG_RR_NSEC = 47, PMG_RR_ANY = 255, PMG_CLASS_IN = 1, PMG_CLASS_TOP = 0x8000 };

typedef struct {
    const uint8_t *buf;
    size_t len;
} pmg_wire_msg_t;

typedef struct {
    uint8_t name[PMG_WIRE_NAME];
    unsigned type, class; // the class without its top bit,
    bool top;             // which is this: cache flush, or of a question a unicast answer
    uint32_t ttl;
    size_t data, data_len; // where in the message
} pmg_wire_rr_t;

// Reads a name at `pos` into `wire`. Where it ends, 0 if it is malformed.
size_t pmg_wire_read_name(const pmg_wire_msg_t *m, size_t pos, uint8_t *wire);
// Reads a question or a record. Where it ends, 0 if it is malformed.
size_t pmg_wire_read(const pmg_wire_msg_t *m, size_t pos, bool question, pmg_wire_rr_t *rr);
unsigned pmg_wire_count(const pmg_wire_msg_t *m,
    int section);                             // 0 questions, 1 answers, 2 authority, 3
bool pmg_wire_valid(const pmg_wire_msg_t *m); // each section can be read to its end

size_t pmg_wire_section(const pmg_wire_msg_t *m, int section); // where it begins

static inline uint8_t pmg_wire_lower(uint8_t ch) {
    return ch >= 'A' && ch <= 'Z' ? (uint8_t)(ch + 'a' - 'A') : ch;
}
size_t pmg_wire_len(const uint8_t *wire);
bool pmg_wire_equal(const uint8_t *a, const uint8_t *b); // without case
// Text with dots to wire; "\." is a dot in a label. ".local" is added where it is missing. -EINVAL.
int pmg_wire_from_text(struct mg_str text, uint8_t *wire);
// The length, without a final dot; -1: it does not fit into PMG_WIRE_TEXT.
int pmg_wire_to_text(const uint8_t *wire, char *text);

// A message under construction. put functions give false when it is full: nothing was added then.
typedef struct {
    uint8_t *buf;
    size_t len;
    uint8_t suffixes; // names that a later one may point into
    uint16_t suffix[24];
} pmg_wire_out_t;
void pmg_wire_begin(pmg_wire_out_t *o, uint8_t *buf, unsigned id, unsigned flags);
bool pmg_wire_question(pmg_wire_out_t *o, const uint8_t *name, unsigned type, unsigned class);
// `data` as pmg_mdns_data() gives it: names in it are compressed where others expect that.
bool pmg_wire_record(pmg_wire_out_t *o, int section, const uint8_t *name, unsigned type,
    unsigned class, uint32_t ttl, const uint8_t *data, size_t len);

#endif
#endif
