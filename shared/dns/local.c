// SPDX-License-Identifier: GPL-2.0-only
//
// Names that end in .local: a one-shot question by multicast (RFC 6762, section 5.1), whose answer
// comes by unicast from whoever has the name. No server is ever asked for them (section 22.1).

#include "dns_int.h"
#include "wire.h"

bool pmg_dns_is_local(const char *name) {
    size_t n = strlen(name);
    return n > 6 && strcmp(name + n - 6, ".local") == 0;
}

#if PMG_HAS_MDNS

#define GROUP mg_htonl(0xe00000fb) // 224.0.0.251
#define LOOPBACK mg_htonl(0x7f000001)

void pmg_mdns_group(bool is_ip6, struct mg_addr *out) {
    memset(out, 0, sizeof(*out));
    out->port = mg_htons(PMG_MDNS_PORT);
#if PMG_MULTICAST6
    if (is_ip6) {
        static const uint8_t group6[16] = {0xff, 2, [15] = 0xfb};
        memcpy(out->addr.ip, group6, 16);
        out->is_ip6 = true;
        return;
    }
#else
    (void)is_ip6;
#endif
    out->addr.ip4 = GROUP;
}

// Of this host too: a responder may serve the loopback alone.
static int all_ifaces(pmg_io_iface_t *out) {
    static const struct mg_addr loopback = {.addr.ip = {127, 0, 0, 1}};
    int n = pmg_io_ifaces(out, PMG_IFACES, NULL);
    for (int i = 0; i < n; i++) {
        if (out[i].ip == LOOPBACK) {
            return n;
        }
    }
    n = n < 0 ? 0 : n < PMG_IFACES ? n : PMG_IFACES - 1;
    int more = pmg_io_ifaces(out + n, PMG_IFACES - n, &loopback);
    return more > 0 ? n + more : n;
}

#if PMG_MULTICAST6
// "Whose address by IPv6?", for the same name: behind the question that stands there.
static size_t ask_both(uint8_t *buf, size_t len) {
    static const uint8_t more[] = {0xc0, 12, 0, PMG_DNS_AAAA, 0, PMG_CLASS_IN};
    memcpy(buf + len, more, sizeof(more));
    buf[5] = 2;
    return len + sizeof(more);
}
#endif

int pmg_dns_local_ask(struct mg_connection *c, uint16_t id, const char *name) {
    uint8_t buf[PMG_DNS_QUERY_MAX + 6];
    pmg_io_iface_t ifaces[PMG_IFACES];
    size_t len = pmg_dns_query(buf, id, name, PMG_DNS_A);
    int n = all_ifaces(ifaces), result = -ENETUNREACH;
#if PMG_MULTICAST6
    len = ask_both(buf, len);
#endif
    int err;
    do {
        err = pmg_io_mcast_open(c);
    } while (pmg_no_descriptor(pmg_m(c), err));
    if (err < 0) {
        return err;
    }
    buf[2] = 0; // nobody recurses here
    for (int i = 0; i < n; i++) {
        pmg_mdns_group(pmg_io_iface_is_ip6(&ifaces[i]), &c->rem);
        long sent = pmg_io_mcast_send(c, &ifaces[i], buf, len);
        if (sent >= 0 || sent == -EAGAIN) { // one that did not leave is lost like another
            result = 0;
        } else if (result < 0) {
            result = (int)sent;
        }
    }
    return result;
}

// From the port that only a responder has, and a network that this host is in (section 11).
static bool is_near(pmg_mgr_t *m, const struct mg_addr *from) {
    pmg_io_iface_t ifaces[PMG_IFACES];
    int n = from->port == mg_htons(PMG_MDNS_PORT) ? all_ifaces(ifaces) : 0;
    if (from->is_ip6) {
        return n > 0 && pmg_io_mcast_is_near6(m);
    }
    for (int i = 0; i < n; i++) {
        if (((from->addr.ip4 ^ ifaces[i].ip) & ifaces[i].mask) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_address(const pmg_wire_rr_t *rr) {
    return rr->class == PMG_CLASS_IN && rr->ttl > 0 &&
           (rr->type == PMG_DNS_A || (PMG_MULTICAST6 && rr->type == PMG_DNS_AAAA));
}

// False: it leads nowhere, without the interface that it is near.
static bool take_address(pmg_mgr_t *m, const pmg_wire_msg_t *msg, const pmg_wire_rr_t *rr,
    struct mg_addr *a) {
    memset(a, 0, sizeof(*a));
    memcpy(a->addr.ip, msg->buf + rr->data, rr->data_len);
    a->is_ip6 = rr->type == PMG_DNS_AAAA;
    if (!pmg_addr_is_link_local(a)) {
        return true;
    }
    unsigned index = pmg_io_mcast_iface(m);
    return index > 0 && pmg_addr_set_zone(a, index);
}

bool pmg_dns_local_parse(struct mg_connection *c, uint16_t id, const char *name, uint32_t *ttl,
    pmg_dns_addrs_t *out) {
    pmg_wire_msg_t m = {c->recv.buf, c->recv.len};
    uint8_t wire[PMG_WIRE_NAME];
    pmg_wire_rr_t rr;
    size_t pos = 12, before = out->count;
    if (m.len < 12 || !(m.buf[2] & 0x80)) {
        return false;
    }
    unsigned got = (unsigned)(m.buf[0] << 8 | m.buf[1]); // some answer with 0, as by multicast
    if ((got != id && got != 0) || pmg_wire_from_text(mg_str(name), wire) < 0 ||
        !pmg_wire_valid(&m) || !is_near(pmg_m(c), &c->rem)) {
        return false;
    }
    // The other family's addresses may be what is additional (RFC 6762, section 6.2).
    for (int section = 0; section < 4; section++) {
        for (unsigned n = pmg_wire_count(&m, section); n > 0; n--) {
            pos = pmg_wire_read(&m, pos, section == 0, &rr);
            if ((section == 1 || section == 3) && is_address(&rr) && out->count < PMG_DNS_ADDRS &&
                pmg_wire_equal(rr.name, wire) &&
                take_address(pmg_m(c), &m, &rr, &out->a[out->count])) {
                out->count++;
                *ttl = rr.ttl < *ttl ? rr.ttl : *ttl;
            }
        }
    }
    return out->count > before;
}

#endif
