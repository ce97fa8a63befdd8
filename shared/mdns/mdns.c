// SPDX-License-Identifier: GPL-2.0-only
//
// Multicast DNS (RFC 6762) and service discovery over it (RFC 6763): a connection that answers
// for the names of this host and tells the program what others ask and say.
//
// A name is probed for first (section 8.1), then announced, and given up for another when somebody
// else has it (section 9). What is asked for by multicast is answered by multicast, at most once a
// second of each record and interface; what is asked for otherwise (QU, another port than 5353) by
// unicast, so many times a second and no more. Only what comes from an interface's own network is
// looked at (section 11). A message that is malformed anywhere is dropped whole. Of an interface IPv4
// and IPv6 are two networks (section 20), on which it has the same to say.

#include "mdns_int.h"

#if PMG_HAS_MDNS

#define PROBES 3
#define ANNOUNCEMENTS 2
#define ANNOUNCE_MS 1000
#define SPACING_MS 1000 // between two multicasts of a record
#define SCAN_MS 10000   // interfaces come and go
#define LEGACY_TTL 10   // seconds (section 6.7)

// ---------------------------------------------------------------------------------------------
// Sending

void pmg_mdns_send_out(struct mg_connection *c, const pmg_mdns_iface_t *i, const pmg_wire_out_t *o,
    const struct mg_addr *to) {
    struct mg_addr keep = c->rem;
    if (to != NULL) {
        c->rem = *to;
    } else {
        pmg_mdns_group(pmg_io_iface_is_ip6(&i->i), &c->rem);
        pmg_mdns_t *md = pmg_mdns_of(c);
        md->echo[md->echo_next++ % PMG_MDNS_ECHOES] = pmg_mdns_checksum(o->buf, o->len);
    }
    (void)pmg_io_mcast_send(c, &i->i, o->buf, o->len); // one that is lost is asked for again
    c->rem = keep;
}

static void begin_reply(const pmg_mdns_t *md, pmg_wire_out_t *o, const pmg_mdns_reply_t *r) {
    const pmg_wire_msg_t *asked = r->legacy;
    unsigned id = asked != NULL ? (unsigned)(asked->buf[0] << 8 | asked->buf[1]) : 0;
    pmg_wire_rr_t rr;
    size_t pos = 12;
    pmg_wire_begin(o, (uint8_t *)(size_t)md->out, id, PMG_MDNS_RESPONSE);
    for (unsigned n = asked != NULL ? pmg_wire_count(asked, 0) : 0; n > 0; n--) {
        pos = pmg_wire_read(asked, pos, true, &rr);
        (void)pmg_wire_question(o, rr.name, rr.type, rr.class);
    }
}

static bool put_own(const pmg_mdns_t *md, const pmg_mdns_iface_t *i, pmg_wire_out_t *o, int section,
    int bit, const pmg_mdns_reply_t *r) {
    pmg_mdns_own_t own;
    pmg_mdns_record(md, bit, &i->i, &own);
    uint32_t ttl = r->goodbye ? 0 : own.ttl;
    unsigned class = own.class;
    if (r->legacy != NULL) {
        ttl = ttl < LEGACY_TTL ? ttl : LEGACY_TTL;
        class &= ~(unsigned)PMG_CLASS_TOP;
    }
    return pmg_wire_record(o, section, own.name, own.type, class, ttl, own.data, own.data_len);
}

// In as many messages as it takes; what is additional in the last one, if it fits.
void pmg_mdns_send(struct mg_connection *c, const pmg_mdns_iface_t *i, const pmg_mdns_reply_t *r) {
    pmg_mdns_t *md = pmg_mdns_of(c);
    pmg_wire_out_t o;
    bool empty = true;
    begin_reply(md, &o, r);
    for (int bit = 0; bit < 64; bit++) {
        if (!(r->answers >> bit & 1)) {
            continue;
        }
        if (!put_own(md, i, &o, 1, bit, r) && !empty) {
            pmg_mdns_send_out(c, i, &o, r->to);
            begin_reply(md, &o, r);
            (void)put_own(md, i, &o, 1, bit, r);
        }
        empty = false;
    }
    if (empty) {
        return;
    }
    for (int bit = 0; bit < 64; bit++) {
        if ((r->additional >> bit & 1) && !put_own(md, i, &o, 3, bit, r)) {
            break;
        }
    }
    pmg_mdns_send_out(c, i, &o, r->to);
}

static void send_probe(struct mg_connection *c, const pmg_mdns_iface_t *i) {
    pmg_mdns_t *md = pmg_mdns_of(c);
    pmg_mdns_reply_t r = {0};
    pmg_wire_out_t o;
    uint64_t all = pmg_mdns_all(md, &i->i);
    // At first for an answer by unicast, as it should be (section 8.1); then not, since that may have
    // gone to another responder of this host.
    unsigned class = PMG_CLASS_IN | (md->step == 0 ? PMG_CLASS_TOP : 0);
    // A name and what it is to have in each message: so any number of services fits.
    for (int service = -1; service < md->services; service++) {
        pmg_wire_begin(&o, md->out, 0, PMG_MDNS_QUERY);
        const uint8_t *name = service < 0 ? md->host : md->service[service].wire;
        (void)pmg_wire_question(&o, name, PMG_RR_ANY, class);
        int first =
            service < 0 ? PMG_OWN_A : PMG_OWN_SERVICE + service * PMG_OWN_KINDS + PMG_OWN_SRV;
        int last = first + 1; // A and AAAA; SRV and TXT
        for (int bit = first; bit <= last; bit++) {
            if (all >> bit & 1) {
                pmg_mdns_own_t own;
                pmg_mdns_record(md, bit, &i->i, &own);
                (void)pmg_wire_record(&o, 2, own.name, own.type, PMG_CLASS_IN, own.ttl, own.data,
                    own.data_len);
            }
        }
        pmg_mdns_send_out(c, i, &o, r.to);
    }
}

// ---------------------------------------------------------------------------------------------
// Time

static void late(struct mg_connection *c);

static void earlier(uint64_t *due, uint64_t t) {
    *due = t < *due ? t : *due;
}

void pmg_mdns_arm(struct mg_connection *c) {
    pmg_mdns_t *md = pmg_mdns_of(c);
    uint64_t due = md->scan, now = pmg_mdns_clock(c);
    if (md->state != PMG_MDNS_IDLE && md->state != PMG_MDNS_DONE) {
        earlier(&due, md->due);
    }
    for (int i = 0; i < md->ifaces; i++) {
        if (md->iface[i].mask != 0) {
            earlier(&due, md->iface[i].due);
        }
    }
    if (!c->is_closing && !c->is_draining) {
        pmg_deadline(c, late, due > now ? due - now : 1);
    }
}

void pmg_mdns_probe(struct mg_connection *c, uint64_t wait) {
    pmg_mdns_t *md = pmg_mdns_of(c);
    md->state = PMG_MDNS_PROBING;
    md->step = 0;
    md->name[0] = '\0';
    md->due = pmg_mdns_clock(c) + wait;
    for (int i = 0; i < md->ifaces; i++) {
        md->iface[i].mask = 0;
    }
}

static void step(struct mg_connection *c) {
    pmg_mdns_t *md = pmg_mdns_of(c);
    if (md->state == PMG_MDNS_PROBING && md->step == PROBES) { // nobody objected
        md->state = PMG_MDNS_ANNOUNCING;
        md->step = 0;
        (void)pmg_wire_to_text(md->host, md->name);
    }
    for (int i = 0; i < md->ifaces; i++) {
        if (md->state == PMG_MDNS_PROBING) {
            send_probe(c, &md->iface[i]);
        } else {
            pmg_mdns_reply_t all = {.answers = pmg_mdns_all(md, &md->iface[i].i)};
            pmg_mdns_send(c, &md->iface[i], &all);
            md->iface[i].sent = all.answers;
            md->iface[i].sent_at = pmg_mdns_clock(c);
        }
    }
    md->step++;
    md->due = pmg_mdns_clock(c) + (md->state == PMG_MDNS_PROBING ? PMG_MDNS_PROBE_MS : ANNOUNCE_MS);
    if (md->state == PMG_MDNS_ANNOUNCING && md->step == ANNOUNCEMENTS) {
        md->state = PMG_MDNS_DONE;
        md->conflicts = 0;
    }
}

static void multicast(struct mg_connection *c, pmg_mdns_iface_t *i) {
    uint64_t now = pmg_mdns_clock(c);
    if (now - i->sent_at >= SPACING_MS) {
        i->sent = 0;
        i->sent_at = now;
    }
    pmg_mdns_reply_t r = {.answers = i->mask & ~i->sent};
    r.additional = pmg_mdns_additional(pmg_mdns_of(c), &i->i, r.answers) & ~i->sent;
    pmg_mdns_send(c, i, &r);
    i->sent |= r.answers | r.additional;
    i->mask &= ~r.answers;
    i->due = i->sent_at + SPACING_MS;
}

static bool same(const pmg_io_iface_t *a, const pmg_io_iface_t *b) {
#if PMG_MULTICAST6
    if (a->is_ip6 != b->is_ip6 || memcmp(a->ip6, b->ip6, sizeof(a->ip6)) != 0) {
        return false;
    }
#endif
    return a->ip == b->ip && a->index == b->index;
}

// Looks which interfaces there are; true if there is a new one.
bool pmg_mdns_scan(struct mg_connection *c) {
    pmg_mdns_t *md = pmg_mdns_of(c);
    pmg_io_iface_t now[PMG_IFACES];
    int n = pmg_io_ifaces(now, PMG_IFACES, md->one ? &md->only : NULL), kept = 0;
    bool more = false;
    md->scan = pmg_mdns_clock(c) + SCAN_MS;
    if (n < 0) {
        return false;
    }
    for (int i = 0; i < md->ifaces; i++) { // who has left
        for (int k = 0; k < n; k++) {
            if (same(&md->iface[i].i, &now[k])) {
                md->iface[kept++] = md->iface[i];
                break;
            }
        }
    }
    md->ifaces = (uint8_t)kept;
    for (int k = 0; k < n; k++) {
        int i = 0;
        while (i < kept && !same(&md->iface[i].i, &now[k])) {
            i++;
        }
        if (i < kept || md->ifaces == PMG_IFACES) {
            continue;
        }
        // The system keeps the membership of an interface that went and came: EADDRINUSE is fine.
        struct mg_addr group;
        pmg_mdns_group(pmg_io_iface_is_ip6(&now[k]), &group);
        int err = pmg_io_mcast_join(c, &group, &now[k]);
        if (err == 0 || err == -EADDRINUSE) {
            pmg_mdns_iface_t *added = &md->iface[md->ifaces++];
            memset(added, 0, sizeof(*added));
            added->i = now[k];
            more = true;
        }
    }
    return more;
}

static void late(struct mg_connection *c) {
    pmg_mdns_t *md = pmg_mdns_of(c);
    uint64_t now = pmg_mdns_clock(c);
    if (md->scan <= now && pmg_mdns_scan(c) && md->label[0] != '\0') {
        pmg_mdns_probe(c,
            pmg_mdns_random(c, PMG_MDNS_PROBE_MS)); // another network: the name may be taken there
    }
    if ((md->state == PMG_MDNS_PROBING || md->state == PMG_MDNS_ANNOUNCING) && md->due <= now) {
        step(c);
    }
    for (int i = 0; i < md->ifaces; i++) {
        if (md->iface[i].mask != 0 && md->iface[i].due <= now) {
            multicast(c, &md->iface[i]);
        }
    }
    pmg_mdns_arm(c);
}

#endif
