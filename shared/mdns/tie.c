// SPDX-License-Identifier: GPL-2.0-only
//
// Two hosts that probe for a name at a time (RFC 6762, section 8.2): all records of the name count, in
// their order, which need not be that of the message. The list whose first different record comes later
// wins, else the longer one; of equal lists none, since then both say the same.

#include "mdns_int.h"

#if PMG_HAS_MDNS

typedef struct {
    unsigned type;
    const uint8_t *data; // in the message or in `buf`
    size_t len;
    uint8_t buf[6 + PMG_WIRE_NAME];
} theirs_t;

// Names are compared as they are without compression.
static void expand(const pmg_wire_msg_t *m, const pmg_wire_rr_t *rr, theirs_t *out) {
    size_t skip = rr->type == MG_DNS_RTYPE_SRV ? 6 : 0;
    out->type = rr->type;
    out->data = m->buf + rr->data;
    out->len = rr->data_len;
    if (rr->type == MG_DNS_RTYPE_SRV || rr->type == MG_DNS_RTYPE_PTR) {
        memcpy(out->buf, out->data, skip);
        (void)pmg_wire_read_name(m, rr->data + skip, out->buf + skip);
        out->data = out->buf;
        out->len = skip + pmg_wire_len(out->buf + skip);
    }
}

// The class is always IN.
static int order(unsigned type_a, const uint8_t *a, size_t len_a, const theirs_t *b) {
    if (type_a != b->type) {
        return type_a < b->type ? -1 : 1;
    }
    int first = memcmp(a, b->data, len_a < b->len ? len_a : b->len);
    return first != 0 ? first : (len_a > b->len) - (len_a < b->len);
}

// Finds the first of their records of a name, in order; `last` > 0: the first behind the one that stands
// there. Where it stands, 0: there is none.
static size_t next(const pmg_wire_msg_t *m, const uint8_t *name, size_t last, theirs_t *out) {
    theirs_t before, one;
    pmg_wire_rr_t rr;
    size_t found = 0, pos = pmg_wire_section(m, 2);
    if (last > 0) {
        (void)pmg_wire_read(m, last, false, &rr);
        expand(m, &rr, &before);
    }
    for (unsigned n = pmg_wire_count(m, 2); n > 0; n--) {
        size_t at = pos;
        pos = pmg_wire_read(m, pos, false, &rr);
        if (rr.class != PMG_CLASS_IN || !pmg_wire_equal(rr.name, name)) {
            continue;
        }
        expand(m, &rr, &one);
        if ((last == 0 || order(one.type, one.data, one.len, &before) > 0) &&
            (found == 0 || order(one.type, one.data, one.len, out) < 0)) {
            found = at;
            expand(m, &rr, out);
        }
    }
    return found;
}

// Is all that they have for the host's name an address of this host, perhaps on another interface?
static bool is_own(const pmg_mdns_t *md, const pmg_wire_msg_t *m) {
    pmg_wire_rr_t rr;
    size_t pos = pmg_wire_section(m, 2);
    for (unsigned n = pmg_wire_count(m, 2); n > 0; n--) {
        pos = pmg_wire_read(m, pos, false, &rr);
        if (rr.class == PMG_CLASS_IN && pmg_wire_equal(rr.name, md->host) &&
            !pmg_mdns_is_address(md, rr.type, m->buf + rr.data)) {
            return false;
        }
    }
    return true;
}

static int compare(const pmg_mdns_own_t *own, const theirs_t *theirs) {
    if (own->type == theirs->type && own->type == MG_DNS_RTYPE_SRV &&
        memcmp(own->data, theirs->data, 6) == 0 &&
        pmg_wire_equal(own->data + 6, theirs->data + 6)) {
        return 0; // names that differ in case are the same
    }
    return order(own->type, own->data, own->data_len, theirs);
}

bool pmg_mdns_tie_lost(const pmg_mdns_t *md, const pmg_io_iface_t *on, const pmg_wire_msg_t *m,
    int service) {
    int kinds = PMG_OWN_SERVICE + service * PMG_OWN_KINDS;
    int bits[2] = {PMG_OWN_A, PMG_OWN_AAAA}; // in the order of their types
    const uint8_t *name = md->host;
    if (service >= 0) {
        bits[0] = kinds + PMG_OWN_TXT;
        bits[1] = kinds + PMG_OWN_SRV;
        name = md->service[service].wire;
    } else if (is_own(md, m)) {
        return false;
    }
    uint64_t all = pmg_mdns_all(md, on);
    size_t last = 0;
    theirs_t theirs = {0};
    for (int i = 0; i < 2; i++) {
        if (all >> bits[i] & 1) {
            pmg_mdns_own_t own;
            pmg_mdns_record(md, bits[i], on, &own);
            last = next(m, name, last, &theirs);
            int first = last > 0 ? compare(&own, &theirs) : 1;
            if (first != 0) {
                return first < 0;
            }
        }
    }
    return last > 0 && next(m, name, last, &theirs) > 0;
}

#endif
