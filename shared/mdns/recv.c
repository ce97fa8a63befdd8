// SPDX-License-Identifier: GPL-2.0-only
//
// What comes by multicast DNS: the questions of others, which are answered and told to the program,
// and their answers, which may say that a name of ours is taken.

#include "mdns_int.h"

#if PMG_HAS_MDNS

#define CONFLICTS_MAX 10 // then they are spaced
#define CONFLICT_WAIT_MS 5000
#define LOST_WAIT_MS 1000 // after a simultaneous probe that another host won
#define MORE_KNOWN_MS 400 // a truncated query: more known answers come

enum { TRUNCATED = 0x02, IS_RESPONSE = 0x80 }; // in the third byte of a message

// ---------------------------------------------------------------------------------------------
// Questions of others

static uint32_t asker(const struct mg_addr *from) {
    uint32_t n;
    memcpy(&n, from->addr.ip + (from->is_ip6 ? 12 : 0), sizeof(n));
    return n;
}

static void queue(struct mg_connection *c, pmg_mdns_iface_t *i, uint64_t answers, unsigned wait,
    uint32_t from) {
    uint64_t due = pmg_mdns_clock(c) + wait;
    i->asked_by = i->mask == 0 || i->asked_by == from ? from : 0;
    if (i->mask == 0 || due < i->due) {
        i->due = due;
    }
    i->mask |= answers;
}

static bool may_unicast(struct mg_connection *c) {
    pmg_mdns_t *md = pmg_mdns_of(c);
    uint64_t now = pmg_mdns_clock(c), more = (now - md->tokens_at) * PMG_MDNS_UNICASTS / 1000;
    if (more > 0) {
        md->tokens = md->tokens + more < PMG_MDNS_UNICASTS ? (unsigned)(md->tokens + more)
                                                           : PMG_MDNS_UNICASTS;
        md->tokens_at = now;
    }
    if (md->tokens == 0) {
        return false;
    }
    md->tokens--;
    return true;
}

// Own records that the asker has already, fresh enough (section 7.1).
static uint64_t known_answers(const pmg_mdns_t *md, const pmg_io_iface_t *on,
    const pmg_wire_msg_t *m) {
    uint64_t known = 0, all = pmg_mdns_all(md, on) | 1u << PMG_OWN_NSEC;
    size_t pos = pmg_wire_section(m, 1);
    pmg_wire_rr_t rr;
    uint8_t name[6 + PMG_WIRE_NAME];
    for (unsigned n = pmg_wire_count(m, 1); n > 0; n--) {
        pos = pmg_wire_read(m, pos, false, &rr);
        const uint8_t *data = m->buf + rr.data;
        size_t len = rr.data_len, skip = rr.type == MG_DNS_RTYPE_SRV ? 6 : 0;
        bool named = rr.type == MG_DNS_RTYPE_PTR || rr.type == MG_DNS_RTYPE_SRV;
        if (named) {
            memcpy(name, data, skip);
            (void)pmg_wire_read_name(m, rr.data + skip, name + skip);
            data = name;
            len = skip + pmg_wire_len(name + skip);
        }
        for (int bit = 0; bit < 64; bit++) {
            pmg_mdns_own_t own;
            if (!(all >> bit & 1)) {
                continue;
            }
            pmg_mdns_record(md, bit, on, &own);
            if (own.type == rr.type && own.data_len == len && rr.ttl >= own.ttl / 2 &&
                pmg_wire_equal(own.name, rr.name) && memcmp(own.data, data, skip) == 0 &&
                (named ? pmg_wire_equal(own.data + skip, data + skip)
                       : memcmp(own.data, data, len) == 0)) {
                known |= (uint64_t)1 << bit;
            }
        }
    }
    return known;
}

// Another host may probe for a name that we probe for.
static void simultaneous_probe(struct mg_connection *c, const pmg_io_iface_t *on,
    const pmg_wire_msg_t *m) {
    pmg_mdns_t *md = pmg_mdns_of(c);
    for (int service = -1; service < md->services; service++) {
        if (pmg_mdns_tie_lost(md, on, m, service)) {
            pmg_mdns_probe(c, LOST_WAIT_MS); // it may be our own of a moment ago: ask again
            return;
        }
    }
}

static void tell_question(struct mg_connection *c, const pmg_wire_rr_t *rr, bool answered) {
    pmg_mdns_t *md = pmg_mdns_of(c);
    int len = pmg_wire_to_text(rr->name, md->text[0]);
    if (len >= 0 && !c->is_closing && !pmg_m(c)->stop) {
        pmg_mdns_req_t req = {
            .name = mg_str_n(md->text[0], (size_t)len),
            .type = (int)rr->type,
            .is_unicast = rr->top,
            .is_answered = answered,
        };
        pmg_call(c, MG_EV_MDNS_REQ, &req);
    }
}

static void query(struct mg_connection *c, pmg_mdns_iface_t *i, const pmg_wire_msg_t *m) {
    pmg_mdns_t *md = pmg_mdns_of(c);
    const struct mg_addr from = c->rem;
    bool legacy = from.port != mg_htons(PMG_MDNS_PORT), shared = false, ready = md->name[0] != '\0';
    bool truncated = (m->buf[2] & TRUNCATED) != 0;
    uint64_t multi = 0, uni = 0;
    pmg_wire_rr_t rr;
    size_t pos = 12;
    if (md->state == PMG_MDNS_PROBING && pmg_wire_count(m, 2) > 0) {
        simultaneous_probe(c, &i->i, m);
    }
    for (unsigned n = 0; n < pmg_wire_count(m, 0); n++) {
        pos = pmg_wire_read(m, pos, true, &rr);
        bool in = rr.class == PMG_CLASS_IN || rr.class == 255;
        uint64_t found = ready && in ? pmg_mdns_match(md, &i->i, rr.name, rr.type, &shared) : 0;
        *(rr.top || legacy ? &uni : &multi) |= found;
        tell_question(c, &rr, found != 0);
    }
    if (c->is_closing || md->state == PMG_MDNS_PROBING || !ready) {
        return;
    }
    uint64_t known = known_answers(md, &i->i, m);
    if (pmg_wire_count(m, 0) == 0 && i->asked_by == asker(&from)) {
        i->mask &= ~known; // more of what a truncated query began
    }
    known |= legacy ? (uint64_t)1 << PMG_OWN_NSEC : 0; // not for plain resolvers
    uni &= ~known;
    if (uni != 0 && !may_unicast(c)) {
        multi |= legacy ? 0 : uni;
    } else if (uni != 0) {
        pmg_mdns_reply_t r = {.answers = uni, .to = &from, .legacy = legacy ? m : NULL};
        r.additional = pmg_mdns_additional(md, &i->i, uni) & ~known;
        pmg_mdns_send(c, i, &r);
    }
    multi &= ~known;
    if (multi != 0) {
        unsigned wait = truncated ? MORE_KNOWN_MS + pmg_mdns_random(c, 100)
                        : shared  ? 20 + pmg_mdns_random(c, 100)
                                  : 0;
        queue(c, i, multi, wait, asker(&from));
    }
}

// ---------------------------------------------------------------------------------------------
// Answers of others

static void conflict(struct mg_connection *c, int service) {
    pmg_mdns_t *md = pmg_mdns_of(c);
    if (md->state == PMG_MDNS_PROBING) {
        pmg_mdns_rename(md, service);
    } // else we had it first: ask again who has it now
    md->conflicts += md->conflicts < 255;
    pmg_mdns_probe(c,
        md->conflicts > CONFLICTS_MAX ? CONFLICT_WAIT_MS : pmg_mdns_random(c, PMG_MDNS_PROBE_MS));
}

// True: some name is taken, and the search for another has begun.
static bool conflicts(struct mg_connection *c, const pmg_io_iface_t *on, const pmg_wire_msg_t *m) {
    pmg_wire_rr_t rr;
    size_t pos = pmg_wire_section(m, 1);
    for (int section = 1; section < 4; section++) {
        for (unsigned n = pmg_wire_count(m, section); n > 0; n--) {
            int service;
            pos = pmg_wire_read(m, pos, false, &rr);
            if (rr.ttl > 0 && pmg_mdns_contradicts(pmg_mdns_of(c), on, m, &rr, &service)) {
                conflict(c, service);
                return true;
            }
        }
    }
    return false;
}

static bool set_text(pmg_mdns_t *md, int n, const uint8_t *wire, struct mg_str *out) {
    int len = pmg_wire_to_text(wire, md->text[n]);
    *out = mg_str_n(md->text[n], len > 0 ? (size_t)len : 0);
    return len >= 0;
}

static void set_addr(const pmg_wire_msg_t *m, const pmg_wire_rr_t *rr, pmg_mdns_resp_t *resp) {
    struct mg_addr a = {.is_ip6 = rr->type == MG_DNS_RTYPE_AAAA};
    memcpy(a.addr.ip, m->buf + rr->data, rr->data_len);
    pmg_addr_t text = {.port = 0};
    a.port = 1; // so that 0.0.0.0 is shown
    pmg_addr_text(&a, &text);
    pmg_snprintf(resp->address_text, sizeof(resp->address_text), "%s", text.host);
    resp->address = mg_str(resp->address_text);
}

static bool set_host(pmg_mdns_t *md, const pmg_wire_msg_t *m, const pmg_mdns_index_t *index,
    const pmg_wire_rr_t *srv, pmg_mdns_resp_t *resp) {
    uint8_t host[PMG_WIRE_NAME];
    pmg_wire_rr_t rr;
    resp->port = m->buf[srv->data + 4] << 8 | m->buf[srv->data + 5];
    (void)pmg_wire_read_name(m, srv->data + 6, host);
    if (pmg_mdns_find(index, m, host, MG_DNS_RTYPE_A, &rr) ||
        pmg_mdns_find(index, m, host, MG_DNS_RTYPE_AAAA, &rr)) {
        set_addr(m, &rr, resp);
    }
    return set_text(md, 2, host, &resp->host);
}

// What an answer says, with what the same message has about it.
static bool fill(pmg_mdns_t *md, const pmg_wire_msg_t *m, const pmg_mdns_index_t *index,
    pmg_wire_rr_t *rr, pmg_mdns_resp_t *resp) {
    uint8_t target[PMG_WIRE_NAME];
    memset(resp, 0, sizeof(*resp));
    resp->type = (int)rr->type;
    resp->ttl = rr->ttl > INT32_MAX ? 0 : (int)rr->ttl;
    if (!set_text(md, 0, rr->name, &resp->name)) {
        return false;
    }
    switch (rr->type) {
        case MG_DNS_RTYPE_A:
        case MG_DNS_RTYPE_AAAA: set_addr(m, rr, resp); return true;
        case MG_DNS_RTYPE_TXT:
            resp->txt = mg_str_n((char *)(size_t)m->buf + rr->data, rr->data_len);
            return true;
        case MG_DNS_RTYPE_SRV: return set_host(md, m, index, rr, resp);
        case MG_DNS_RTYPE_PTR:
            (void)pmg_wire_read_name(m, rr->data, target);
            if (pmg_mdns_find(index, m, target, MG_DNS_RTYPE_TXT, rr)) {
                resp->txt = mg_str_n((char *)(size_t)m->buf + rr->data, rr->data_len);
            }
            if (pmg_mdns_find(index, m, target, MG_DNS_RTYPE_SRV, rr) &&
                !set_host(md, m, index, rr, resp)) {
                return false;
            }
            return set_text(md, 1, target, &resp->instance);
        default: return false;
    }
}

static void response(struct mg_connection *c, pmg_mdns_iface_t *i, const pmg_wire_msg_t *m) {
    pmg_mdns_t *md = pmg_mdns_of(c);
    pmg_mdns_resp_t resp;
    if (md->state != PMG_MDNS_IDLE) {
        (void)conflicts(c, &i->i, m);
    }
    if (!pmg_hears(c, MG_EV_MDNS_RESP)) {
        return;
    }
    pmg_mdns_index_t *index = pmg_mdns_index(c, m);
    if (index == NULL) {
        return; // without memory it is lost, as a datagram may be
    }
    size_t pos = pmg_wire_section(m, 1);
    for (unsigned n = pmg_wire_count(m, 1); n > 0 && !c->is_closing && !pmg_m(c)->stop; n--) {
        pmg_wire_rr_t rr;
        pos = pmg_wire_read(m, pos, false, &rr);
        if (rr.class == PMG_CLASS_IN && fill(md, m, index, &rr, &resp)) {
            pmg_call(c, MG_EV_MDNS_RESP, &resp);
        }
    }
    pmg_free(index);
}

// ---------------------------------------------------------------------------------------------
// Messages

static pmg_mdns_iface_t *came_by(struct mg_connection *c) {
    pmg_mdns_t *md = pmg_mdns_of(c);
    unsigned index = pmg_io_mcast_iface(pmg_m(c));
    for (int i = 0; i < md->ifaces; i++) {
        const pmg_io_iface_t *p = &md->iface[i].i;
        if ((index == 0 || p->index == 0 || index == p->index) &&
            pmg_io_iface_is_ip6(p) == c->rem.is_ip6 &&
            (c->rem.is_ip6 ? pmg_io_mcast_is_near6(pmg_m(c))
                           : ((c->rem.addr.ip4 ^ p->ip) & p->mask) == 0)) {
            return &md->iface[i];
        }
    }
    return NULL;
}

static bool is_from(const struct mg_addr *from, const pmg_io_iface_t *i) {
#if PMG_MULTICAST6
    if (from->is_ip6) {
        uint8_t ip[16];
        (void)pmg_addr_zone(from, ip);
        return memcmp(ip, i->ip6, sizeof(ip)) == 0;
    }
#endif
    return from->addr.ip4 == i->ip;
}

// What we multicast comes back once. It may be another program of this host that says the same:
// then one of the two is heard, which is enough.
static bool is_echo(struct mg_connection *c, const pmg_mdns_iface_t *i, const pmg_wire_msg_t *m) {
    pmg_mdns_t *md = pmg_mdns_of(c);
    if (!is_from(&c->rem, &i->i) || c->rem.port != mg_htons(PMG_MDNS_PORT)) {
        return false;
    }
    uint32_t sum = pmg_mdns_checksum(m->buf, m->len);
    for (int k = 0; k < PMG_MDNS_ECHOES; k++) {
        if (md->echo[k] == sum) {
            md->echo[k] = 0;
            return true;
        }
    }
    return false;
}

void pmg_mdns_read(struct mg_connection *c) {
    if (c->is_closing) {
        return;
    }
    pmg_wire_msg_t m = {c->recv.buf, c->recv.len};
    pmg_mdns_iface_t *i = came_by(c);
    if (i == NULL || is_echo(c, i, &m) || !pmg_wire_valid(&m)) {
        return;
    }
    if (!(m.buf[2] & IS_RESPONSE)) {
        query(c, i, &m);
    } else if (c->rem.port == mg_htons(PMG_MDNS_PORT)) { // section 6: any other port is forged
        response(c, i, &m);
    }
    pmg_mdns_arm(c);
}

#endif
