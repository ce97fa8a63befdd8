// SPDX-License-Identifier: GPL-2.0-only
//
// What this host announces by multicast DNS: its addresses under a name, and services (RFC 6763). Of
// each service: a pointer from its type to the instance (shared with others of the type), where the
// instance is (SRV), what else is to know (TXT), a pointer from the list of all types, and one from each
// of its subtypes to the instance.

#include "mdns_int.h"

#if PMG_HAS_MDNS

// Seconds: of what depends on the host's name or address, and of the rest (RFC 6762, section 10).
#define TTL_HOST 120
#define TTL_OTHER 4500

static const uint8_t all_types[] = "\x09_services\x07_dns-sd\x04_udp\x05local";
static const uint8_t no_txt[] = {0}; // a TXT record has one string at least

static int service_bit(int service, int kind) {
    return PMG_OWN_SERVICE + service * PMG_OWN_KINDS + kind;
}

static int subtype_bit(int subtype) {
    return PMG_OWN_BITS - 1 - subtype;
}

static uint64_t bit(int n) {
    return (uint64_t)1 << n;
}

// ---------------------------------------------------------------------------------------------
// Names

// A label with what tells it from those that had it first; `suffix` may be empty.
static size_t put_label(uint8_t *wire, const char *label, const char *suffix) {
    size_t n = strlen(label), s = strlen(suffix);
    if (n + s > 63) {
        n = 63 - s;
        while (n > 0 && ((uint8_t)label[n] & 0xc0) == 0x80) { // not within a character
            n--;
        }
    }
    wire[0] = (uint8_t)(n + s);
    memcpy(wire + 1, label, n);
    memcpy(wire + 1 + n, suffix, s);
    return 1 + n + s;
}

void pmg_mdns_names(pmg_mdns_t *md) {
    static const uint8_t local[] = "\x05local";
    char suffix[16] = "";
    if (md->number > 0) {
        pmg_snprintf(suffix, sizeof(suffix), "-%u", md->number + 1u);
    }
    if (md->label[0] != '\0') {
        size_t n = put_label(md->host, md->label, suffix);
        memcpy(md->host + n, local, sizeof(local));
    }
    for (int i = 0; i < md->services; i++) {
        pmg_mdns_service_t *s = &md->service[i];
        suffix[0] = '\0';
        if (s->number > 0) {
            pmg_snprintf(suffix, sizeof(suffix), " (%u)", s->number + 1u);
        }
        size_t n = put_label(s->wire, s->label[0] != '\0' ? s->label : md->label, suffix);
        memcpy(s->wire + n, s->type, sizeof(s->type));
    }
}

void pmg_mdns_rename(pmg_mdns_t *md, int service) {
    uint16_t *number = service < 0 ? &md->number : &md->service[service].number;
    ++*number;
    pmg_mdns_names(md);
}

// ---------------------------------------------------------------------------------------------
// Records

static bool first_of_type(const pmg_mdns_t *md, int service) {
    for (int i = 0; i < service; i++) {
        if (pmg_wire_equal(md->service[i].type, md->service[service].type)) {
            return false;
        }
    }
    return true;
}

// The bits of its addresses on an interface; none: it has no name.
static uint64_t addresses(const pmg_mdns_t *md, const pmg_io_iface_t *i) {
    uint64_t found = i->ip != 0 ? bit(PMG_OWN_A) : 0;
#if PMG_MULTICAST6
    found |= i->ip6[0] != 0 ? bit(PMG_OWN_AAAA) : 0;
#endif
    return md->label[0] != '\0' ? found : 0;
}

uint64_t pmg_mdns_all(const pmg_mdns_t *md, const pmg_io_iface_t *on) {
    uint64_t all = addresses(md, on);
    for (int i = 0; i < md->services; i++) {
        all |= bit(service_bit(i, PMG_OWN_PTR)) | bit(service_bit(i, PMG_OWN_SRV)) |
               bit(service_bit(i, PMG_OWN_TXT));
        if (first_of_type(md, i)) {
            all |= bit(service_bit(i, PMG_OWN_ENUM));
        }
    }
    for (int i = 0; i < md->subtypes; i++) {
        all |= bit(subtype_bit(i));
    }
    return all;
}

// The host has these addresses and nothing else (section 6.1).
static size_t put_nsec(uint8_t *p, const uint8_t *host, uint64_t has) {
    bool has6 = (has & bit(PMG_OWN_AAAA)) != 0;
    size_t len = pmg_wire_len(host);
    memcpy(p, host, len);
    memset(p + len, 0, 6);
    p[len + 1] = has6 ? 4 : 1; // bytes of a map of types
    p[len + 2] = has & bit(PMG_OWN_A) ? 0x80 >> MG_DNS_RTYPE_A : 0;
    p[len + 5] = has6 ? 0x80 >> MG_DNS_RTYPE_AAAA % 8 : 0;
    return len + 2 + p[len + 1];
}

void pmg_mdns_record(const pmg_mdns_t *md, int n, const pmg_io_iface_t *on, pmg_mdns_own_t *out) {
    out->class = PMG_CLASS_IN | PMG_CLASS_TOP;
    out->ttl = TTL_HOST;
    out->name = md->host;
    out->data = out->buf;
    if (n == PMG_OWN_A) {
        out->type = MG_DNS_RTYPE_A;
        out->data_len = 4;
        memcpy(out->buf, &on->ip, 4);
        return;
    }
#if PMG_MULTICAST6
    if (n == PMG_OWN_AAAA) {
        out->type = MG_DNS_RTYPE_AAAA;
        out->data_len = 16;
        memcpy(out->buf, on->ip6, 16);
        return;
    }
#endif
    if (n == PMG_OWN_NSEC) {
        out->type = PMG_RR_NSEC;
        out->data_len = put_nsec(out->buf, md->host, addresses(md, on));
        return;
    }
    const uint8_t *sub = n > subtype_bit(md->subtypes) ? md->subtype[PMG_OWN_BITS - 1 - n] : NULL;
    int service = sub != NULL ? sub[0] : (n - PMG_OWN_SERVICE) / PMG_OWN_KINDS;
    const pmg_mdns_service_t *s = &md->service[service];
    out->name = s->wire;
    switch (sub != NULL ? PMG_OWN_PTR : (n - PMG_OWN_SERVICE) % PMG_OWN_KINDS) {
        case PMG_OWN_SRV:
            out->type = MG_DNS_RTYPE_SRV;
            memset(out->buf, 0, 4); // priority and weight
            out->buf[4] = (uint8_t)(s->port >> 8);
            out->buf[5] = (uint8_t)s->port;
            out->data_len = 6 + pmg_wire_len(md->host);
            memcpy(out->buf + 6, md->host, out->data_len - 6);
            return;
        case PMG_OWN_TXT:
            out->type = MG_DNS_RTYPE_TXT;
            out->ttl = TTL_OTHER;
            out->data = s->txt_len > 0 ? s->txt : no_txt;
            out->data_len = s->txt_len > 0 ? s->txt_len : sizeof(no_txt);
            return;
        case PMG_OWN_PTR:
            out->name = sub != NULL ? sub + 1 : s->type;
            out->data = s->wire;
            break;
        default:
            out->name = all_types;
            out->data = s->type;
            break;
    }
    out->type = MG_DNS_RTYPE_PTR;
    out->class = PMG_CLASS_IN; // others have such records, too
    out->ttl = TTL_OTHER;
    out->data_len = pmg_wire_len(out->data);
}

// ---------------------------------------------------------------------------------------------
// Questions

uint64_t pmg_mdns_match(const pmg_mdns_t *md, const pmg_io_iface_t *on, const uint8_t *name,
    unsigned type, bool *shared) {
    uint64_t found = 0;
    bool any = type == PMG_RR_ANY, ptr = any || type == MG_DNS_RTYPE_PTR;
    if (md->label[0] != '\0' && pmg_wire_equal(md->host, name)) {
        uint64_t wanted = any                         ? addresses(md, on)
                          : type == MG_DNS_RTYPE_A    ? addresses(md, on) & bit(PMG_OWN_A)
                          : type == MG_DNS_RTYPE_AAAA ? addresses(md, on) & bit(PMG_OWN_AAAA)
                                                      : 0;
        found |= wanted != 0 ? wanted : bit(PMG_OWN_NSEC);
    }
    for (int i = 0; i < md->services; i++) {
        const pmg_mdns_service_t *s = &md->service[i];
        if (ptr && pmg_wire_equal(s->type, name)) {
            found |= bit(service_bit(i, PMG_OWN_PTR));
            *shared = true;
        }
        if (ptr && first_of_type(md, i) && pmg_wire_equal(all_types, name)) {
            found |= bit(service_bit(i, PMG_OWN_ENUM));
            *shared = true;
        }
        if (pmg_wire_equal(s->wire, name)) {
            found |= any || type == MG_DNS_RTYPE_SRV ? bit(service_bit(i, PMG_OWN_SRV)) : 0;
            found |= any || type == MG_DNS_RTYPE_TXT ? bit(service_bit(i, PMG_OWN_TXT)) : 0;
        }
    }
    for (int i = 0; ptr && i < md->subtypes; i++) {
        if (pmg_wire_equal(md->subtype[i] + 1, name)) {
            found |= bit(subtype_bit(i));
            *shared = true;
        }
    }
    return found;
}

uint64_t pmg_mdns_additional(const pmg_mdns_t *md, const pmg_io_iface_t *on, uint64_t answers) {
    uint64_t more = 0, host = addresses(md, on);
    if (answers & host) { // those of the other kind, or that there are none (section 6.2)
        more = host | ((host & (host - 1)) == 0 ? bit(PMG_OWN_NSEC) : 0);
    }
    uint64_t leads = answers; // with the pointers that those from subtypes are alike
    for (int i = 0; i < md->subtypes; i++) {
        leads |=
            answers & bit(subtype_bit(i)) ? bit(service_bit(md->subtype[i][0], PMG_OWN_PTR)) : 0;
    }
    for (int i = 0; i < md->services; i++) {
        if (leads & bit(service_bit(i, PMG_OWN_PTR))) {
            more |= bit(service_bit(i, PMG_OWN_SRV)) | bit(service_bit(i, PMG_OWN_TXT)) | host;
        } else if (answers & bit(service_bit(i, PMG_OWN_SRV))) {
            more |= host;
        }
    }
    return more & ~answers;
}

// ---------------------------------------------------------------------------------------------
// Conflicts

static bool differs(const pmg_mdns_own_t *own, const pmg_wire_msg_t *m, const pmg_wire_rr_t *rr) {
    const uint8_t *theirs = m->buf + rr->data;
    if (rr->type == MG_DNS_RTYPE_SRV) { // its name may be compressed
        uint8_t name[PMG_WIRE_NAME];
        (void)pmg_wire_read_name(m, rr->data + 6, name);
        return memcmp(own->data, theirs, 6) != 0 || !pmg_wire_equal(own->data + 6, name);
    }
    return own->data_len != rr->data_len || memcmp(own->data, theirs, rr->data_len) != 0;
}

bool pmg_mdns_is_address(const pmg_mdns_t *md, unsigned type, const uint8_t *ip) {
    for (int i = 0; i < md->ifaces; i++) {
        const pmg_io_iface_t *mine = &md->iface[i].i;
        if (type == MG_DNS_RTYPE_A && memcmp(&mine->ip, ip, 4) == 0) {
            return true;
        }
#if PMG_MULTICAST6
        if (type == MG_DNS_RTYPE_AAAA && memcmp(mine->ip6, ip, 16) == 0) {
            return true;
        }
#endif
    }
    return false;
}

bool pmg_mdns_contradicts(const pmg_mdns_t *md, const pmg_io_iface_t *on, const pmg_wire_msg_t *m,
    const pmg_wire_rr_t *rr, int *service) {
    bool is_ip6 = PMG_MULTICAST6 && rr->type == MG_DNS_RTYPE_AAAA;
    pmg_mdns_own_t own;
    *service = -1;
    if (rr->class != PMG_CLASS_IN) {
        return false;
    }
    if ((rr->type == MG_DNS_RTYPE_A || is_ip6) && md->label[0] != '\0' &&
        pmg_wire_equal(md->host, rr->name)) {
        int n = is_ip6 ? PMG_OWN_AAAA : PMG_OWN_A;
        if (pmg_mdns_is_address(md, rr->type, m->buf + rr->data)) {
            return false;
        }
        if (!(addresses(md, on) & bit(n))) {
            return true; // we have the other kind
        }
        pmg_mdns_record(md, n, on, &own);
        return differs(&own, m, rr);
    }
    for (int i = 0; i < md->services; i++) {
        bool srv = rr->type == MG_DNS_RTYPE_SRV;
        if ((srv || rr->type == MG_DNS_RTYPE_TXT) &&
            pmg_wire_equal(md->service[i].wire, rr->name)) {
            *service = i;
            pmg_mdns_record(md, service_bit(i, srv ? PMG_OWN_SRV : PMG_OWN_TXT), on, &own);
            return differs(&own, m, rr);
        }
    }
    return false;
}

#endif
