// SPDX-License-Identifier: GPL-2.0-only
//
// What a program announces by multicast DNS: its names and services are gathered in a draft, of
// which a listener is made; what the program asks, and how it ends.

#include "mdns_int.h"

#if PMG_HAS_MDNS

// No control characters: names are shown to people, and printed in logs.
static bool is_label(struct mg_str s) {
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.buf[i] < ' ' || s.buf[i] == 0x7f) {
            return false;
        }
    }
    return s.len >= 1 && s.len <= 63 && pmg_utf8_valid(s.buf, s.len);
}

#if PMG_MULTICAST6
#define OR_IP6 "or link-local IPv6 "

// Takes "%eth0" off; 0: there is none, -ENODEV: no such interface.
static int take_zone(struct mg_str *text) {
    const char *at = text->len > 0 ? memchr(text->buf, '%', text->len) : NULL;
    char name[32];
    if (at == NULL) {
        return 0;
    }
    size_t before = (size_t)(at - text->buf), n = text->len - before - 1;
    if (n == 0 || n >= sizeof(name)) {
        return -ENODEV;
    }
    memcpy(name, at + 1, n);
    name[n] = '\0';
    text->len = before;
    return pmg_io_zone(name);
}

static bool is_iface(struct mg_str text, struct mg_addr *a) {
    int zone = take_zone(&text);
    if (zone < 0 || !mg_aton(text, a)) {
        return false;
    }
    return a->is_ip6 ? pmg_addr_is_link_local(a) && pmg_addr_set_zone(a, (uint32_t)zone)
                     : zone == 0 && a->addr.ip4 != 0;
}
#else
#define OR_IP6 ""

static bool is_iface(struct mg_str text, struct mg_addr *a) {
    return mg_aton(text, a) && !a->is_ip6 && a->addr.ip4 != 0;
}
#endif

int pmg_mdns_draft(pmg_mgr_t *m, struct mg_str name, struct mg_str iface, pmg_mdns_draft_t *out) {
    out->mdns = NULL;
    struct mg_addr a = {0};
    struct mg_str label = name;
    if (label.len > 6 &&
        mg_strcasecmp(mg_str_n(label.buf + label.len - 6, 6), mg_str(".local")) == 0) {
        label.len -= 6;
    }
    if (name.buf != NULL && (!is_label(label) || memchr(label.buf, '.', label.len) != NULL)) {
        return pmg_fail(m, -EINVAL, "a host name has 1 to 63 bytes and no dot, .local apart");
    }
    if (iface.buf != NULL && !is_iface(iface, &a)) {
        return pmg_fail(m, -EINVAL,
            "interface is the IPv4 " OR_IP6 "address of one, such as 192.168.1.7");
    }
    pmg_mdns_t *md = pmg_alloc(sizeof(*md));
    if (md == NULL) {
        return pmg_fail(m, -ENOMEM, "no memory for mDNS");
    }
    memset(md, 0, sizeof(*md));
    md->one = iface.buf != NULL;
    md->only = a;
    if (name.buf != NULL) {
        memcpy(md->label, label.buf, label.len);
    }
    out->mdns = md;
    return 0;
}

// "_http._tcp", with or without .local.
static bool is_type(const uint8_t *wire) {
    size_t len = wire[0];
    const uint8_t *proto = wire + 1 + len;
    return len >= 2 && len <= 16 && wire[1] == '_' && proto[0] == 4 &&
           (memcmp(proto + 1, "_tcp", 4) == 0 || memcmp(proto + 1, "_udp", 4) == 0) &&
           pmg_wire_len(proto) == 1 + 4 + 7;
}

// Of the service that was added last (RFC 6763, section 7.1).
static int add_subtype(pmg_mgr_t *m, pmg_mdns_t *md, struct mg_str label) {
    static const uint8_t sub[] = "\x04_sub";
    const pmg_mdns_service_t *s = &md->service[md->services - 1];
    if (!is_label(label) || memchr(label.buf, '.', label.len) != NULL) {
        return pmg_fail(m, -EINVAL, "a subtype has 1 to 63 bytes of text and no dot");
    }
    if (md->subtypes == PMG_MDNS_SUBTYPES ||
        PMG_OWN_SERVICE + md->services * PMG_OWN_KINDS + md->subtypes == PMG_OWN_BITS) {
        return pmg_fail(m, -EINVAL, "too many subtypes: %d is the most with these services",
            md->subtypes);
    }
    size_t type = pmg_wire_len(s->type);
    uint8_t *name = pmg_alloc(1 + 1 + label.len + sizeof(sub) - 1 + type), *p = name;
    if (name == NULL) {
        return pmg_fail(m, -ENOMEM, "no memory for mDNS");
    }
    *p++ = (uint8_t)(md->services - 1);
    *p++ = (uint8_t)label.len;
    memcpy(p, label.buf, label.len);
    memcpy(p + label.len, sub, sizeof(sub) - 1);
    memcpy(p + label.len + sizeof(sub) - 1, s->type, type);
    md->subtype[md->subtypes++] = name;
    return 0;
}

// "_http._tcp,_printer,_color": the first one is the type.
static struct mg_str next_word(struct mg_str *rest) {
    struct mg_str word = *rest;
    const char *comma = rest->len > 0 ? memchr(rest->buf, ',', rest->len) : NULL;
    if (comma != NULL) {
        word.len = (size_t)(comma - rest->buf);
    }
    size_t taken = word.len + (comma != NULL);
    *rest = mg_str_n(comma != NULL ? rest->buf + taken : NULL, rest->len - taken);
    return word;
}

int pmg_mdns_draft_service(pmg_mgr_t *m, pmg_mdns_draft_t *d, struct mg_str type, long port,
    struct mg_str instance) {
    pmg_mdns_t *md = d->mdns;
    uint8_t wire[PMG_WIRE_NAME];
    struct mg_str subtypes = type;
    type = next_word(&subtypes);
    if (md->label[0] == '\0') {
        return pmg_fail(m, -EINVAL, "services are at a host: give mdns_listen() a name");
    }
    if (md->services == PMG_MDNS_SERVICES ||
        PMG_OWN_SERVICE + (md->services + 1) * PMG_OWN_KINDS + md->subtypes > PMG_OWN_BITS) {
        return pmg_fail(m, -EINVAL, "too many services: %d is the most%s", md->services,
            md->subtypes > 0 ? " with these subtypes" : "");
    }
    if (pmg_wire_from_text(type, wire) < 0 || !is_type(wire)) {
        return pmg_fail(m, -EINVAL, "%.*s is no type of a service, such as _http._tcp",
            (int)(type.len < 80 ? type.len : 80), type.buf);
    }
    if (port < 0 || port > 65535) {
        return pmg_fail(m, -EINVAL, "a port is 0 to 65535, not %ld", port);
    }
    if (instance.buf != NULL && !is_label(instance)) {
        return pmg_fail(m, -EINVAL, "the name of a service has 1 to 63 bytes of text");
    }
    pmg_mdns_service_t *s = &md->service[md->services++];
    memcpy(s->type, wire, pmg_wire_len(wire));
    s->port = (uint16_t)port;
    if (instance.buf != NULL) {
        memcpy(s->label, instance.buf, instance.len);
    }
    int err = 0;
    while (err == 0 && subtypes.buf != NULL) {
        struct mg_str label = next_word(&subtypes);
        err = add_subtype(m, md, label);
    }
    return err;
}

int pmg_mdns_draft_txt(pmg_mgr_t *m, pmg_mdns_draft_t *d, struct mg_str key, struct mg_str value) {
    pmg_mdns_t *md = d->mdns;
    if (md->services == 0) {
        return pmg_fail(m, -EINVAL, "txt is of a service");
    }
    pmg_mdns_service_t *s = &md->service[md->services - 1];
    size_t len = key.len + (value.buf != NULL ? 1 + value.len : 0);
    bool ok = key.len > 0;
    for (size_t i = 0; i < key.len; i++) { // RFC 6763, section 6.4
        ok = ok && key.buf[i] >= ' ' && key.buf[i] <= '~' && key.buf[i] != '=';
    }
    if (!ok) {
        return pmg_fail(m, -EINVAL, "a key of a service's txt is printable ASCII without =");
    }
    if (len > 255) {
        return pmg_fail(m, -EINVAL, "a key and value of a service's txt have 254 bytes at most");
    }
    if (s->txt_len + 1 + len > PMG_MDNS_TXT_MAX) {
        return pmg_fail(m, -EINVAL, "a service's txt has %d bytes at most", PMG_MDNS_TXT_MAX);
    }
    uint8_t *txt = pmg_alloc(s->txt_len + 1 + len), *p = txt;
    if (txt == NULL) {
        return pmg_fail(m, -ENOMEM, "no memory for mDNS");
    }
    if (s->txt_len > 0) {
        memcpy(txt, s->txt, s->txt_len);
        p += s->txt_len;
    }
    *p++ = (uint8_t)len;
    memcpy(p, key.buf, key.len);
    if (value.buf != NULL) {
        p[key.len] = '=';
        memcpy(p + key.len + 1, value.buf, value.len);
    }
    pmg_free(s->txt);
    s->txt = txt;
    s->txt_len = (uint16_t)(s->txt_len + 1 + len);
    return 0;
}

bool pmg_mdns_txt_next(struct mg_str *rest, struct mg_str *key, struct mg_str *value) {
    while (rest->len > 0) {
        struct mg_str s = mg_str_n(rest->buf + 1, (unsigned char)rest->buf[0]);
        rest->buf += 1 + s.len;
        rest->len -= 1 + s.len;
        const char *equals = s.len > 0 ? memchr(s.buf, '=', s.len) : NULL;
        *key = equals != NULL ? mg_str_n(s.buf, (size_t)(equals - s.buf)) : s;
        *value = equals != NULL ? mg_str_n(s.buf + key->len + 1, s.len - key->len - 1)
                                : mg_str_n(NULL, 0);
        if (key->len > 0) { // one without a key says nothing
            return true;
        }
    }
    return false;
}

void pmg_mdns_draft_free(pmg_mdns_draft_t *d) {
    pmg_mdns_t *md = d->mdns;
    for (int i = 0; md != NULL && i < md->services; i++) {
        pmg_free(md->service[i].txt);
    }
    for (int i = 0; md != NULL && i < md->subtypes; i++) {
        pmg_free(md->subtype[i]);
    }
    pmg_free(md);
    d->mdns = NULL;
}

static int listens(struct mg_connection *c, const pmg_opening_t *o) {
    pmg_mdns_draft_t *draft = (pmg_mdns_draft_t *)(size_t)o->state;
    pmg_mdns_t *md = draft->mdns;
    *(pmg_mdns_t **)pmg_state(c) = md;
    draft->mdns = NULL;
    c->is_udp = 1;
    c->loc.port = mg_htons(PMG_MDNS_PORT);
    pmg_mdns_names(md);
    md->tokens = PMG_MDNS_UNICASTS;
    int err;
    do {
        err = pmg_io_mcast_open(c);
    } while (pmg_no_descriptor(pmg_m(c), err));
    if (err < 0) {
        return err;
    }
    (void)pmg_mdns_scan(c);
    if (md->one && md->ifaces == 0) {
        return -EADDRNOTAVAIL;
    }
    if (md->label[0] != '\0') {
        pmg_mdns_probe(c, pmg_mdns_random(c, PMG_MDNS_PROBE_MS));
    }
    pmg_mdns_arm(c);
    return 0;
}

// ---------------------------------------------------------------------------------------------
// The connection

int pmg_mdns_query(struct mg_connection *c, struct mg_str name, int type) {
    pmg_mgr_t *mgr = pmg_m(c);
    uint8_t wire[PMG_WIRE_NAME];
    pmg_wire_out_t o;
    if (pmg_x(c)->speaks != &pmg_mdns) {
        return pmg_fail(mgr, -EINVAL, "this connection is not from mdns_listen()");
    }
    if (type < 1 || type > 65535) {
        return pmg_fail(mgr, -EINVAL, "a record type is 1 to 65535, not %d", type);
    }
    if (pmg_wire_from_text(name, wire) < 0) {
        return pmg_fail(mgr, -EINVAL,
            "%.*s is no name: labels of 1 to 63 bytes with dots between them, 255 bytes in all",
            (int)(name.len < 80 ? name.len : 80), name.buf);
    }
    int err = pmg_can_send(c);
    if (err < 0) {
        return err;
    }
    pmg_mdns_t *md = pmg_mdns_of(c);
    pmg_wire_begin(&o, md->out, 0, PMG_MDNS_QUERY);
    (void)pmg_wire_question(&o, wire, (unsigned)type, PMG_CLASS_IN);
    for (int i = 0; i < md->ifaces; i++) {
        pmg_mdns_send_out(c, &md->iface[i], &o, NULL);
    }
    return 0;
}

const char *pmg_conn_mdns_name(struct mg_connection *c) {
    bool named = pmg_x(c)->speaks == &pmg_mdns && pmg_mdns_of(c)->name[0] != '\0';
    return named ? pmg_mdns_of(c)->name : NULL;
}

static void end(struct mg_connection *c) {
    pmg_mdns_draft_t d = {pmg_mdns_of(c)};
    const pmg_mdns_t *md = d.mdns;
    if (md == NULL) {
        return;
    }
    if (md->name[0] != '\0' && !pmg_m(c)->silent && c->fd != (void *)(size_t)-1) {
        for (int i = 0; i < md->ifaces; i++) {
            pmg_mdns_reply_t bye = {.answers = pmg_mdns_all(md, &md->iface[i].i), .goodbye = true};
            pmg_mdns_send(c, &md->iface[i], &bye);
        }
    }
    pmg_mdns_draft_free(&d);
}

const pmg_protocol_t pmg_mdns = {
    .name = "mDNS",
    .listens = listens,
    .read = pmg_mdns_read,
    .end = end,
};

#endif
