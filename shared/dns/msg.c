// SPDX-License-Identifier: GPL-2.0-only
//
// DNS messages (RFC 1035, section 4): one question out, its answer in. No EDNS is offered, so that
// an answer over UDP has at most 512 bytes and a longer one comes over TCP.

#include "dns_int.h"

#include "../base/bytes.h"

// Hops of one name through compression pointers; each must lead backwards. Aliases (CNAME) from
// the name to its address; RFC 1034 names no number, resolvers allow about so many. Records of an
// answer that are looked at: what a server sends beyond them costs no time.
#define POINTERS_MAX 32
#define ALIASES_MAX 16
#define RECORDS_MAX 128

#define FLAG_QR 0x80
#define FLAG_TC 0x02
#define OPCODE_MASK 0x78
#define CLASS_IN 1
#define TYPE_CNAME 5

size_t pmg_dns_query(uint8_t *buf, uint16_t id, const char *name, int type) {
    uint8_t *p = pmg_put16(buf, id);
    size_t len = strlen(name);
    if (len == 0 || len > PMG_DNS_NAME_MAX) {
        return 0;
    }
    p = pmg_put16(p, 0x0100); // recursion desired
    p = pmg_put16(p, 1);
    memset(p, 0, 6);
    p += 6;
    for (;;) {
        size_t n = strcspn(name, ".");
        if (n == 0 || n > 63) {
            return 0;
        }
        *p++ = (uint8_t)n;
        memcpy(p, name, n);
        p += n;
        name += n;
        if (*name == '\0') {
            break;
        }
        name++;
    }
    *p++ = 0;
    p = pmg_put16(p, (unsigned)type);
    p = pmg_put16(p, CLASS_IN);
    return (size_t)(p - buf);
}

// Reads the name at pos as text in lower case into `out`, PMG_DNS_NAME_SIZE long. Returns where it
// ends, 0 if it cannot be read. A byte that no host name has becomes one that none is equal to.
static size_t get_name(const uint8_t *msg, size_t len, size_t pos, char *out) {
    size_t end = 0, n = 0, limit = pos;
    for (int pointers = 0; pos < len;) {
        unsigned size = msg[pos];
        if (size >= 0xc0) {
            size_t to = pos + 1 < len ? pmg_get16(msg + pos) & 0x3fffu : len;
            if (to >= limit || ++pointers > POINTERS_MAX) {
                return 0;
            }
            end = end > 0 ? end : pos + 2;
            limit = pos = to;
            continue;
        }
        if (size == 0) {
            out[n] = '\0';
            return end > 0 ? end : pos + 1;
        }
        if (size > 63 || size > len - pos - 1 || n + size + (n > 0) > PMG_DNS_NAME_MAX) {
            return 0;
        }
        if (n > 0) {
            out[n++] = '.';
        }
        for (pos++; size > 0; size--, pos++) {
            uint8_t ch = msg[pos];
            if (ch >= 'A' && ch <= 'Z') {
                ch = (uint8_t)(ch + 'a' - 'A');
            }
            out[n++] = (char)(ch <= ' ' || ch == '.' || ch >= 0x7f ? 1 : ch);
        }
    }
    return 0;
}

typedef struct {
    int type, class;
    uint32_t ttl;
    size_t data, data_len, end;
} record_t;

// Reads the record at pos, its owner into `owner`.
static bool get_record(const uint8_t *msg, size_t len, size_t pos, char *owner, record_t *r) {
    pos = get_name(msg, len, pos, owner);
    if (pos == 0 || len - pos < 10) {
        return false;
    }
    r->type = (int)pmg_get16(msg + pos);
    r->class = (int)pmg_get16(msg + pos + 2);
    r->ttl = (uint32_t)pmg_get16(msg + pos + 4) << 16 | pmg_get16(msg + pos + 6);
    r->data = pos + 10;
    r->data_len = pmg_get16(msg + pos + 8);
    if (r->data_len > len - r->data) {
        return false;
    }
    r->end = r->data + r->data_len;
    if (r->ttl > INT32_MAX) { // RFC 2181, section 8
        r->ttl = 0;
    }
    return true;
}

static bool same_name(const char *lower, const char *name) {
    for (; *lower != '\0' && *lower == (*name >= 'A' && *name <= 'Z' ? *name + 'a' - 'A' : *name);
        lower++, name++) {}
    return *lower == *name;
}

static void add(pmg_dns_addrs_t *addrs, const uint8_t *ip, int type) {
    if (addrs->count < PMG_DNS_ADDRS) {
        struct mg_addr *a = &addrs->a[addrs->count++];
        memset(a, 0, sizeof(*a));
        a->is_ip6 = type == PMG_DNS_AAAA;
        memcpy(a->addr.ip, ip, a->is_ip6 ? 16 : 4);
    }
}

// One walk over the answers: takes the addresses of `name`, or its alias into `next`. The number
// of both, or -EBADMSG.
static int walk(const uint8_t *msg, size_t len, size_t pos, int type, const char *name, char *next,
    pmg_dns_answer_t *out, pmg_dns_addrs_t *addrs) {
    char owner[PMG_DNS_NAME_SIZE];
    unsigned count = pmg_get16(msg + 6);
    size_t size = type == PMG_DNS_A ? 4 : 16;
    int found = 0;
    next[0] = '\0';
    for (unsigned i = 0; i < count && i < RECORDS_MAX; i++) {
        record_t r;
        if (!get_record(msg, len, pos, owner, &r)) {
            return -EBADMSG;
        }
        pos = r.end;
        if (r.class != CLASS_IN || strcmp(owner, name) != 0) {
            continue;
        }
        if (r.type == type && r.data_len != size) {
            return -EBADMSG;
        }
        if (r.type == type) {
            add(addrs, msg + r.data, type);
            found++;
        } else if (r.type == TYPE_CNAME && next[0] == '\0') {
            if (get_name(msg, len, r.data, next) != r.end) {
                return -EBADMSG;
            }
            found++;
        } else {
            continue;
        }
        out->ttl = r.ttl < out->ttl ? r.ttl : out->ttl;
    }
    return found;
}

int pmg_dns_parse(const uint8_t *msg, size_t len, uint16_t id, const char *name, int type,
    pmg_dns_answer_t *out, pmg_dns_addrs_t *addrs) {
    char names[2][PMG_DNS_NAME_SIZE];
    memset(out, 0, sizeof(*out));
    if (len < 12 || pmg_get16(msg) != id || !(msg[2] & FLAG_QR) || (msg[2] & OPCODE_MASK) != 0 ||
        pmg_get16(msg + 4) != 1) {
        return -EAGAIN;
    }
    size_t pos = get_name(msg, len, 12, names[0]);
    if (pos == 0 || len - pos < 4 || (int)pmg_get16(msg + pos) != type ||
        pmg_get16(msg + pos + 2) != CLASS_IN || !same_name(names[0], name)) {
        return -EAGAIN;
    }
    out->rcode = msg[3] & 15;
    out->cut = (msg[2] & FLAG_TC) != 0;
    out->ttl = UINT32_MAX;
    if (out->cut || out->rcode != PMG_DNS_OK) {
        return 0;
    }
    size_t before = addrs->count;
    for (int i = 0; i < ALIASES_MAX; i++) {
        char *next = names[(i + 1) & 1];
        int n = walk(msg, len, pos + 4, type, names[i & 1], next, out, addrs);
        if (n < 0) {
            addrs->count = before;
            return n;
        }
        if (addrs->count > before || n == 0 || next[0] == '\0') {
            return 0;
        }
    }
    return -EBADMSG;
}
