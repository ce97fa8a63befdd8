// SPDX-License-Identifier: GPL-2.0-only
//
// Messages of multicast DNS: the format of RFC 1035, section 4, read strictly. A pointer in a name
// leads only to what stands before the part that it ends, so that none can run in a circle.

#include "wire.h"

#include "../base/bytes.h"

#if PMG_HAS_MDNS

enum { HEADER = 12, LABEL_MAX = 63, POINTER = 0xc0, POINTERS_MAX = 32 };

// ---------------------------------------------------------------------------------------------
// Reading

size_t pmg_wire_read_name(const pmg_wire_msg_t *m, size_t pos, uint8_t *wire) {
    size_t n = 0, end = 0, limit = pos;
    for (int pointers = 0; pos < m->len;) {
        size_t size = m->buf[pos];
        if (size >= POINTER) {
            size_t to = pos + 1 < m->len ? pmg_get16(m->buf + pos) & 0x3fffu : m->len;
            if (to >= limit || to < HEADER || ++pointers > POINTERS_MAX) {
                return 0;
            }
            end = end > 0 ? end : pos + 2;
            limit = pos = to;
            continue;
        }
        if (size > LABEL_MAX || n + size + 1 >= PMG_WIRE_NAME || size >= m->len - pos) {
            return 0;
        }
        memcpy(wire + n, m->buf + pos, size + 1);
        n += size + 1;
        pos += size + 1;
        if (size == 0) {
            return end > 0 ? end : pos;
        }
    }
    return 0;
}

size_t pmg_wire_read(const pmg_wire_msg_t *m, size_t pos, bool question, pmg_wire_rr_t *rr) {
    size_t fixed = question ? 4 : 10;
    pos = pmg_wire_read_name(m, pos, rr->name);
    if (pos == 0 || m->len - pos < fixed) {
        return 0;
    }
    const uint8_t *p = m->buf + pos;
    rr->type = pmg_get16(p);
    rr->class = pmg_get16(p + 2) & ~(unsigned)PMG_CLASS_TOP;
    rr->top = (pmg_get16(p + 2) & PMG_CLASS_TOP) != 0;
    rr->ttl = 0;
    rr->data = pos + fixed;
    rr->data_len = 0;
    if (!question) {
        rr->ttl = (uint32_t)pmg_get16(p + 4) << 16 | pmg_get16(p + 6);
        rr->data_len = pmg_get16(p + 8);
        if (rr->data_len > m->len - rr->data) {
            return 0;
        }
        // What is looked at later must hold together: a name in it ends where the data end.
        uint8_t name[PMG_WIRE_NAME];
        size_t skip = rr->type == MG_DNS_RTYPE_SRV ? 6 : 0;
        bool bad = (rr->type == MG_DNS_RTYPE_A && rr->data_len != 4) ||
                   (rr->type == MG_DNS_RTYPE_AAAA && rr->data_len != 16);
        if (rr->type == MG_DNS_RTYPE_PTR || rr->type == MG_DNS_RTYPE_SRV) {
            bad = rr->data_len <= skip ||
                  pmg_wire_read_name(m, rr->data + skip, name) != rr->data + rr->data_len;
        }
        if (rr->type == MG_DNS_RTYPE_TXT) {
            size_t at = 0;
            while (at < rr->data_len) {
                at += 1u + m->buf[rr->data + at];
            }
            bad = at != rr->data_len;
        }
        if (bad) {
            return 0;
        }
    }
    return rr->data + rr->data_len;
}

unsigned pmg_wire_count(const pmg_wire_msg_t *m, int section) {
    return pmg_get16(m->buf + 4 + 2 * section);
}

bool pmg_wire_valid(const pmg_wire_msg_t *m) {
    pmg_wire_rr_t rr;
    size_t pos = HEADER;
    unsigned left = PMG_WIRE_RECORDS;
    if (m->len < HEADER || (m->buf[2] & 0x78) != 0 || (m->buf[3] & 15) != 0) {
        return false; // another opcode than a query's, or an error (RFC 6762, section 18)
    }
    for (int section = 0; section < 4; section++) {
        for (unsigned i = pmg_wire_count(m, section); i > 0; i--) {
            if (left-- == 0 || (pos = pmg_wire_read(m, pos, section == 0, &rr)) == 0) {
                return false;
            }
        }
    }
    return true;
}

size_t pmg_wire_section(const pmg_wire_msg_t *m, int section) {
    pmg_wire_rr_t rr;
    size_t pos = HEADER;
    for (int s = 0; s < section; s++) {
        for (unsigned n = pmg_wire_count(m, s); n > 0; n--) {
            pos = pmg_wire_read(m, pos, s == 0, &rr);
        }
    }
    return pos;
}

// ---------------------------------------------------------------------------------------------
// Names

size_t pmg_wire_len(const uint8_t *wire) {
    const uint8_t *p = wire;
    while (*p != 0) {
        p += *p + 1;
    }
    return (size_t)(p + 1 - wire);
}

bool pmg_wire_equal(const uint8_t *a, const uint8_t *b) {
    size_t n = pmg_wire_len(a), i = 0;
    while (i < n &&
           pmg_wire_lower(a[i]) == pmg_wire_lower(b[i])) { // lengths of labels are below any letter
        i++;
    }
    return i == n;
}

int pmg_wire_from_text(struct mg_str text, uint8_t *wire) {
    static const uint8_t local[] = {5, 'l', 'o', 'c', 'a', 'l', 0};
    size_t n = 1, start = 0, last = 0;
    for (size_t i = 0; i < text.len; i++) {
        char ch = text.buf[i];
        if (ch == '.') {
            size_t size = n - start - 1;
            if (size == 0 || size > LABEL_MAX) {
                return -EINVAL;
            }
            wire[start] = (uint8_t)size;
            last = start;
            start = n++;
            continue;
        }
        if (ch == '\\' && ++i < text.len) {
            ch = text.buf[i];
        } else if (ch == '\\') {
            return -EINVAL;
        }
        if (n + 1 + sizeof(local) >= PMG_WIRE_NAME) {
            return -EINVAL;
        }
        wire[n++] = (uint8_t)ch;
    }
    size_t size = n - start - 1;
    if (size > LABEL_MAX || n == 1) {
        return -EINVAL;
    }
    if (size > 0) {
        wire[start] = (uint8_t)size;
        last = start;
    } else {
        n--; // a final dot
    }
    wire[n] = 0;
    if (!pmg_wire_equal(wire + last, local)) {
        memcpy(wire + n, local, sizeof(local));
    }
    return 0;
}

int pmg_wire_to_text(const uint8_t *wire, char *text) {
    int n = 0;
    for (const uint8_t *p = wire; *p != 0;) {
        if (n > 0) {
            text[n++] = '.';
        }
        for (int left = *p++; left > 0; left--, p++) {
            if (n + 4 > PMG_WIRE_TEXT) {
                return -1;
            }
            if (*p == '.' || *p == '\\') {
                text[n++] = '\\';
            }
            text[n++] = (char)*p;
        }
    }
    text[n] = '\0';
    return n;
}

// ---------------------------------------------------------------------------------------------
// Writing

void pmg_wire_begin(pmg_wire_out_t *o, uint8_t *buf, unsigned id, unsigned flags) {
    o->buf = buf;
    o->len = HEADER;
    o->suffixes = 0;
    memset(buf, 0, HEADER);
    pmg_put16(buf, id);
    pmg_put16(buf + 2, flags);
}

static bool room(const pmg_wire_out_t *o, size_t n) {
    return n <= PMG_WIRE_OUT - o->len;
}

// Where a name stands in the message already, or 0.
static size_t find(const pmg_wire_out_t *o, const uint8_t *name) {
    uint8_t wire[PMG_WIRE_NAME];
    pmg_wire_msg_t m = {o->buf, o->len};
    for (int i = 0; i < o->suffixes; i++) {
        if (pmg_wire_read_name(&m, o->suffix[i], wire) > 0 && pmg_wire_equal(wire, name)) {
            return o->suffix[i];
        }
    }
    return 0;
}

static bool put_name(pmg_wire_out_t *o, const uint8_t *name) {
    uint8_t added = o->suffixes; // this name is no help to itself: it is not whole yet
    for (const uint8_t *p = name; *p != 0; p += *p + 1) {
        size_t at = find(o, p);
        if (at > 0) {
            if (!room(o, 2)) {
                return false;
            }
            pmg_put16(o->buf + o->len, POINTER << 8 | (unsigned)at);
            o->len += 2;
            o->suffixes = added;
            return true;
        }
        if (!room(o, *p + 1u)) {
            return false;
        }
        if (added < sizeof(o->suffix) / sizeof(o->suffix[0])) {
            o->suffix[added++] = (uint16_t)o->len;
        }
        memcpy(o->buf + o->len, p, *p + 1u);
        o->len += *p + 1u;
    }
    if (!room(o, 1)) {
        return false;
    }
    o->buf[o->len++] = 0;
    o->suffixes = added;
    return true;
}

static bool count(pmg_wire_out_t *o, int section) {
    uint8_t *p = o->buf + 4 + 2 * section;
    pmg_put16(p, pmg_get16(p) + 1);
    return true;
}

static bool undo(pmg_wire_out_t *o, size_t len, uint8_t suffixes) {
    o->len = len;
    o->suffixes = suffixes;
    return false;
}

bool pmg_wire_question(pmg_wire_out_t *o, const uint8_t *name, unsigned type, unsigned class) {
    size_t len = o->len;
    uint8_t suffixes = o->suffixes;
    if (!put_name(o, name) || !room(o, 4)) {
        return undo(o, len, suffixes);
    }
    pmg_put16(o->buf + o->len, type);
    pmg_put16(o->buf + o->len + 2, class);
    o->len += 4;
    return count(o, 0);
}

bool pmg_wire_record(pmg_wire_out_t *o, int section, const uint8_t *name, unsigned type,
    unsigned class, uint32_t ttl, const uint8_t *data, size_t len) {
    size_t begin = o->len;
    uint8_t suffixes = o->suffixes;
    if (!put_name(o, name) || !room(o, 10)) {
        return undo(o, begin, suffixes);
    }
    uint8_t *p = o->buf + o->len;
    pmg_put16(p, type);
    pmg_put16(p + 2, class);
    pmg_put16(p + 4, ttl >> 16);
    pmg_put16(p + 6, ttl & 0xffff);
    o->len += 10;
    size_t start = o->len, skip = type == MG_DNS_RTYPE_SRV ? 6 : len;
    if (type == MG_DNS_RTYPE_PTR) {
        skip = 0;
    }
    if (!room(o, skip)) {
        return undo(o, begin, suffixes);
    }
    memcpy(o->buf + o->len, data, skip);
    o->len += skip;
    if (skip < len && !put_name(o, data + skip)) { // RFC 6762, section 18.14: an SRV's name, too
        return undo(o, begin, suffixes);
    }
    pmg_put16(o->buf + start - 2, (unsigned)(o->len - start));
    return count(o, section);
}

#endif
