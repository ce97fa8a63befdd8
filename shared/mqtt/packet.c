// SPDX-License-Identifier: GPL-2.0-only
//
// Packets of MQTT 3.1.1 and 5, as bytes: what may stand in which packet, and nothing that is not
// allowed comes through. Section numbers are those of the MQTT 5 specification.

#include "mqtt_int.h"

#if PMG_HAS_MQTT

// ---------------------------------------------------------------------------------------------
// Reading

typedef struct {
    const uint8_t *p, *end;
    bool bad;       // something did not fit: all that follows reads as 0 or empty
    unsigned items; // properties and topics
} reader_t;

static uint8_t read8(reader_t *r) {
    if (r->bad || r->p == r->end) {
        r->bad = true;
        return 0;
    }
    return *r->p++;
}

static uint16_t read16(reader_t *r) {
    unsigned high = read8(r);
    return (uint16_t)(high << 8 | read8(r));
}

static uint32_t read32(reader_t *r) {
    uint32_t high = read16(r);
    return high << 16 | read16(r);
}

static struct mg_str read_data(reader_t *r, size_t len) {
    if (r->bad || (size_t)(r->end - r->p) < len) {
        r->bad = true;
        return mg_str_n(NULL, 0);
    }
    struct mg_str s = mg_str_n((const char *)r->p, len);
    r->p += len;
    return s;
}

static struct mg_str read_binary(reader_t *r) {
    return read_data(r, read16(r));
}

// U+0000 is not allowed (section 1.5.4).
static bool text_ok(struct mg_str s) {
    return (s.len == 0 || memchr(s.buf, '\0', s.len) == NULL) && pmg_utf8_valid(s.buf, s.len);
}

static struct mg_str read_text(reader_t *r) {
    struct mg_str s = read_binary(r);
    if (!text_ok(s)) {
        r->bad = true;
    }
    return s;
}

// A number of one to four bytes, in its shortest form (section 1.5.5).
static uint32_t read_var(reader_t *r) {
    uint32_t value = 0;
    for (unsigned i = 0; i < 4; i++) {
        uint8_t b = read8(r);
        value |= (uint32_t)(b & 0x7f) << 7 * i;
        if (!(b & 0x80)) {
            r->bad = r->bad || (b == 0 && i > 0);
            return value;
        }
    }
    r->bad = true;
    return 0;
}

int pmg_mqtt_head(const uint8_t *p, size_t have, size_t *head_len, size_t *len, bool *padded) {
    size_t rest = 0;
    for (size_t i = 1; i < have && i < 5; i++) {
        rest |= (size_t)(p[i] & 0x7f) << 7 * (i - 1);
        if (!(p[i] & 0x80)) {
            *head_len = i + 1;
            *len = i + 1 + rest;
            *padded = p[i] == 0 && i > 1;
            return 1;
        }
    }
    return have < 5 ? 0 : -1;
}

// ---------------------------------------------------------------------------------------------
// Topics (section 4.7)

bool pmg_mqtt_topic_ok(struct mg_str topic) {
    const uint8_t *p = (const uint8_t *)topic.buf;
    size_t i = 0;
    while (i < topic.len && p[i] > 0 && p[i] < 0x80 && p[i] != '+' && p[i] != '#') {
        i++; // nearly all are ASCII
    }
    if (i == topic.len) {
        return i > 0 && i <= 65535;
    }
    return topic.len > 0 && topic.len <= 65535 && memchr(topic.buf, '+', topic.len) == NULL &&
           memchr(topic.buf, '#', topic.len) == NULL && text_ok(topic);
}

bool pmg_mqtt_filter_ok(struct mg_str filter) {
    for (size_t i = 0; i < filter.len; i++) {
        bool first = i == 0 || filter.buf[i - 1] == '/';
        bool last = i + 1 == filter.len;
        if ((filter.buf[i] == '#' && !(first && last)) ||
            (filter.buf[i] == '+' && !(first && (last || filter.buf[i + 1] == '/')))) {
            return false;
        }
    }
    return filter.len > 0 && filter.len <= 65535 && text_ok(filter);
}

bool pmg_mqtt_match(struct mg_str filter, struct mg_str topic) {
    const char *f = filter.buf, *fe = f + filter.len, *t = topic.buf, *te = t + topic.len;
    if (filter.len == 0 || topic.len == 0) {
        return false;
    }
    if (*t == '$' && *f != '$') { // the server's own topics are asked for by name
        return false;
    }
    for (;;) {
        if (f < fe && *f == '#') {
            return true;
        }
        if (f < fe && *f == '+') {
            f++;
            while (t < te && *t != '/') {
                t++;
            }
        } else {
            while (f < fe && t < te && *f == *t && *f != '/') {
                f++, t++;
            }
        }
        bool fs = f < fe && *f == '/', ts = t < te && *t == '/';
        if (fs && ts) {
            f++, t++;
        } else if (t == te) { // "a/#" matches "a", too
            return f == fe || (fe - f == 2 && fs && f[1] == '#');
        } else {
            return false;
        }
    }
}

// ---------------------------------------------------------------------------------------------
// Properties (section 2.2.2)

#define IN(cmd) (1u << (cmd))
#define IN_ACKS                                                                               \
    (IN(MQTT_CMD_PUBACK) | IN(MQTT_CMD_PUBREC) | IN(MQTT_CMD_PUBREL) | IN(MQTT_CMD_PUBCOMP) | \
        IN(MQTT_CMD_SUBACK) | IN(MQTT_CMD_UNSUBACK) | IN(MQTT_CMD_CONNACK) |                  \
        IN(MQTT_CMD_DISCONNECT) | IN(MQTT_CMD_AUTH))

enum { ANY, FLAG, NOT_0, TOPIC }; // what a value must be

static const struct {
    uint8_t id, type, value;
    uint16_t where;
} known[] = {
#define PUBLISH IN(MQTT_CMD_PUBLISH)
#define WILL IN(PMG_MQTT_WILL)
#define CONNECT IN(MQTT_CMD_CONNECT)
#define CONNACK IN(MQTT_CMD_CONNACK)
#define AUTH IN(MQTT_CMD_AUTH)
#define SUBSCRIBE IN(MQTT_CMD_SUBSCRIBE)
#define DISCONNECT IN(MQTT_CMD_DISCONNECT)
    {MQTT_PROP_PAYLOAD_FORMAT_INDICATOR, MQTT_PROP_TYPE_BYTE, FLAG, PUBLISH | WILL},
    {MQTT_PROP_MESSAGE_EXPIRY_INTERVAL, MQTT_PROP_TYPE_INT, ANY, PUBLISH | WILL},
    {MQTT_PROP_CONTENT_TYPE, MQTT_PROP_TYPE_STRING, ANY, PUBLISH | WILL},
    {MQTT_PROP_RESPONSE_TOPIC, MQTT_PROP_TYPE_STRING, TOPIC, PUBLISH | WILL},
    {MQTT_PROP_CORRELATION_DATA, MQTT_PROP_TYPE_BINARY_DATA, ANY, PUBLISH | WILL},
    {MQTT_PROP_SUBSCRIPTION_IDENTIFIER, MQTT_PROP_TYPE_VARIABLE_INT, NOT_0, PUBLISH | SUBSCRIBE},
    {MQTT_PROP_SESSION_EXPIRY_INTERVAL, MQTT_PROP_TYPE_INT, ANY, CONNECT | CONNACK | DISCONNECT},
    {MQTT_PROP_ASSIGNED_CLIENT_IDENTIFIER, MQTT_PROP_TYPE_STRING, ANY, CONNACK},
    {MQTT_PROP_SERVER_KEEP_ALIVE, MQTT_PROP_TYPE_SHORT, ANY, CONNACK},
    {MQTT_PROP_AUTHENTICATION_METHOD, MQTT_PROP_TYPE_STRING, ANY, CONNECT | CONNACK | AUTH},
    {MQTT_PROP_AUTHENTICATION_DATA, MQTT_PROP_TYPE_BINARY_DATA, ANY, CONNECT | CONNACK | AUTH},
    {MQTT_PROP_REQUEST_PROBLEM_INFORMATION, MQTT_PROP_TYPE_BYTE, FLAG, CONNECT},
    {MQTT_PROP_WILL_DELAY_INTERVAL, MQTT_PROP_TYPE_INT, ANY, WILL},
    {MQTT_PROP_REQUEST_RESPONSE_INFORMATION, MQTT_PROP_TYPE_BYTE, FLAG, CONNECT},
    {MQTT_PROP_RESPONSE_INFORMATION, MQTT_PROP_TYPE_STRING, ANY, CONNACK},
    {MQTT_PROP_SERVER_REFERENCE, MQTT_PROP_TYPE_STRING, ANY, CONNACK | DISCONNECT},
    {MQTT_PROP_REASON_STRING, MQTT_PROP_TYPE_STRING, ANY, IN_ACKS},
    {MQTT_PROP_RECEIVE_MAXIMUM, MQTT_PROP_TYPE_SHORT, NOT_0, CONNECT | CONNACK},
    {MQTT_PROP_TOPIC_ALIAS_MAXIMUM, MQTT_PROP_TYPE_SHORT, ANY, CONNECT | CONNACK},
    {MQTT_PROP_TOPIC_ALIAS, MQTT_PROP_TYPE_SHORT, NOT_0, PUBLISH},
    {MQTT_PROP_MAXIMUM_QOS, MQTT_PROP_TYPE_BYTE, FLAG, CONNACK},
    {MQTT_PROP_RETAIN_AVAILABLE, MQTT_PROP_TYPE_BYTE, FLAG, CONNACK},
    {MQTT_PROP_USER_PROPERTY, MQTT_PROP_TYPE_STRING_PAIR, ANY, 0xffff},
    {MQTT_PROP_MAXIMUM_PACKET_SIZE, MQTT_PROP_TYPE_INT, NOT_0, CONNECT | CONNACK},
    {MQTT_PROP_WILDCARD_SUBSCRIPTION_AVAILABLE, MQTT_PROP_TYPE_BYTE, FLAG, CONNACK},
    {MQTT_PROP_SUBSCRIPTION_IDENTIFIER_AVAILABLE, MQTT_PROP_TYPE_BYTE, FLAG, CONNACK},
    {MQTT_PROP_SHARED_SUBSCRIPTION_AVAILABLE, MQTT_PROP_TYPE_BYTE, FLAG, CONNACK},
};
#define KNOWN (sizeof(known) / sizeof(known[0]))

static size_t find(int id) {
    size_t i = 0;
    while (i < KNOWN && known[i].id != id) {
        i++;
    }
    return i;
}

int pmg_mqtt_prop_type(int id) {
    size_t i = find(id);
    return i < KNOWN ? known[i].type : -1;
}

// The next property; false at the end and when r->bad.
static bool next_prop(reader_t *r, pmg_mqtt_prop_t *out) {
    if (r->bad || r->p == r->end) {
        return false;
    }
    memset(out, 0, sizeof(*out));
    out->id = read8(r);
    out->type = pmg_mqtt_prop_type(out->id);
    switch (out->type) {
        case MQTT_PROP_TYPE_BYTE: out->iv = read8(r); break;
        case MQTT_PROP_TYPE_SHORT: out->iv = read16(r); break;
        case MQTT_PROP_TYPE_INT: out->iv = read32(r); break;
        case MQTT_PROP_TYPE_VARIABLE_INT: out->iv = read_var(r); break;
        case MQTT_PROP_TYPE_STRING: out->val = read_text(r); break;
        case MQTT_PROP_TYPE_BINARY_DATA: out->val = read_binary(r); break;
        case MQTT_PROP_TYPE_STRING_PAIR:
            out->key = read_text(r);
            out->val = read_text(r);
            break;
        default: r->bad = true;
    }
    return !r->bad;
}

bool pmg_mqtt_props_ok(struct mg_str props, int where) {
    reader_t r = {(const uint8_t *)props.buf, (const uint8_t *)pmg_str_end(props), false, 0};
    pmg_mqtt_prop_t p;
    uint32_t seen = 0;
    while (next_prop(&r, &p)) {
        size_t i = find(p.id);
        bool many = p.id == MQTT_PROP_USER_PROPERTY ||
                    (p.id == MQTT_PROP_SUBSCRIPTION_IDENTIFIER && where == MQTT_CMD_PUBLISH);
        if (!(known[i].where & IN(where)) || (!many && (seen >> i & 1)) ||
            (known[i].value == FLAG && p.iv > 1) || (known[i].value == NOT_0 && p.iv == 0) ||
            (known[i].value == TOPIC && !pmg_mqtt_topic_ok(p.val))) {
            return false;
        }
        seen |= 1u << i;
    }
    return !r.bad;
}

uint32_t pmg_mqtt_prop_int(struct mg_str props, int id, uint32_t absent) {
    reader_t r = {(const uint8_t *)props.buf, (const uint8_t *)pmg_str_end(props), false, 0};
    pmg_mqtt_prop_t p;
    while (next_prop(&r, &p)) {
        if (p.id == id) {
            return p.iv;
        }
    }
    return absent;
}

bool pmg_mqtt_has_prop(struct mg_str props, int id) {
    // A number is one thing at a time, and what is no number reads as 0.
    return pmg_mqtt_prop_int(props, id, 1) != 1 || pmg_mqtt_prop_int(props, id, 2) != 2;
}

size_t pmg_mqtt_next_prop(const pmg_mqtt_msg_t *msg, size_t ofs, pmg_mqtt_prop_t *out) {
    const uint8_t *start = (const uint8_t *)msg->props.buf;
    if (start == NULL || ofs > msg->props.len) {
        return 0;
    }
    reader_t r = {start + ofs, start + msg->props.len, false, 0};
    return next_prop(&r, out) ? (size_t)(r.p - start) : 0;
}

static size_t encode_number(uint32_t value, size_t bytes, uint8_t *dst) {
    for (size_t i = 0; dst != NULL && i < bytes; i++) {
        dst[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
    }
    return bytes;
}

static size_t encode_data(struct mg_str s, uint8_t *dst) {
    if (dst != NULL) {
        encode_number((uint32_t)s.len, 2, dst);
        if (s.len > 0) {
            memcpy(dst + 2, s.buf, s.len);
        }
    }
    return 2 + s.len;
}

size_t pmg_mqtt_prop_encode(const pmg_mqtt_prop_t *prop, uint8_t *dst) {
    int type = pmg_mqtt_prop_type(prop->id);
    uint8_t *to = dst != NULL ? dst + 1 : NULL;
    size_t n = 0;
    if (dst != NULL) {
        dst[0] = prop->id;
    }
    switch (type) {
        case MQTT_PROP_TYPE_BYTE: n = prop->iv <= 0xff ? encode_number(prop->iv, 1, to) : 0; break;
        case MQTT_PROP_TYPE_SHORT:
            n = prop->iv <= 0xffff ? encode_number(prop->iv, 2, to) : 0;
            break;
        case MQTT_PROP_TYPE_INT: n = encode_number(prop->iv, 4, to); break;
        case MQTT_PROP_TYPE_VARIABLE_INT:
            if (prop->iv >> 28) {
                break;
            }
            uint32_t rest = prop->iv;
            do {
                if (to != NULL) {
                    to[n] = (uint8_t)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
                }
                n++;
            } while ((rest >>= 7) > 0);
            break;
        case MQTT_PROP_TYPE_STRING:
        case MQTT_PROP_TYPE_BINARY_DATA:
            n = prop->val.len <= 65535 ? encode_data(prop->val, to) : 0;
            break;
        case MQTT_PROP_TYPE_STRING_PAIR:
            if (prop->key.len <= 65535 && prop->val.len <= 65535) {
                n = encode_data(prop->key, to);
                n += encode_data(prop->val, to != NULL ? to + n : NULL);
            }
            break;
        default: break;
    }
    return n > 0 ? n + 1 : 0;
}

// ---------------------------------------------------------------------------------------------
// Packets

size_t pmg_mqtt_next_topic(const pmg_mqtt_msg_t *msg, size_t ofs, struct mg_str *filter,
    int *options) {
    const uint8_t *start = (const uint8_t *)msg->filters.buf;
    if (ofs >= msg->filters.len) {
        return 0;
    }
    reader_t r = {start + ofs, start + msg->filters.len, false, 0};
    *filter = read_binary(&r);
    *options = msg->cmd == MQTT_CMD_SUBSCRIBE ? read8(&r) : 0;
    return r.bad ? 0 : (size_t)(r.p - start);
}

static struct mg_str read_props(reader_t *r, int version, int where) {
    if (version != 5) {
        return mg_str_n(NULL, 0);
    }
    struct mg_str props = read_data(r, read_var(r));
    if (!r->bad && !pmg_mqtt_props_ok(props, where)) {
        r->bad = true;
    }
    reader_t each = {(const uint8_t *)props.buf, (const uint8_t *)pmg_str_end(props), r->bad, 0};
    pmg_mqtt_prop_t p;
    while (next_prop(&each, &p)) {
        r->items++;
    }
    return props;
}

// 0, or the reason to refuse it with. An unknown version is known by its number and no more.
static int parse_connect(reader_t *r, pmg_mqtt_msg_t *msg) {
    struct mg_str name = read_binary(r);
    msg->version = read8(r);
    if (r->bad) {
        return PMG_MQTT_MALFORMED;
    }
    if (name.len == 6 && memcmp(name.buf, "MQIsdp", 6) == 0) {
        msg->version = 3;
        return PMG_MQTT_VERSION;
    }
    if (name.len != 4 || memcmp(name.buf, "MQTT", 4) != 0) {
        return PMG_MQTT_MALFORMED;
    }
    if (msg->version != 4 && msg->version != 5) {
        return PMG_MQTT_VERSION;
    }
    unsigned flags = read8(r);
    bool will = flags & 4, user = flags & 0x80, pass = flags & 0x40;
    msg->clean_session = flags & 2;
    msg->qos = flags >> 3 & 3;
    msg->retain = flags & 0x20;
    if ((flags & 1) || msg->qos == 3 || (!will && (msg->qos > 0 || msg->retain)) ||
        (pass && !user && msg->version == 4)) {
        return PMG_MQTT_MALFORMED;
    }
    msg->keepalive = read16(r);
    msg->props = read_props(r, msg->version, MQTT_CMD_CONNECT);
    msg->client_id = read_text(r);
    if (will) {
        read_props(r, msg->version, PMG_MQTT_WILL);
        msg->topic = read_text(r);
        msg->data = read_binary(r);
        r->bad = r->bad || !pmg_mqtt_topic_ok(msg->topic);
    }
    if (user) {
        msg->username = read_text(r);
    }
    if (pass) {
        msg->password = read_binary(r);
    }
    if (r->bad || r->p != r->end) {
        return PMG_MQTT_MALFORMED;
    }
    return msg->client_id.len == 0 && !msg->clean_session && msg->version == 4 ? PMG_MQTT_CLIENT_ID
                                                                               : 0;
}

static int parse_publish(reader_t *r, uint8_t flags, pmg_mqtt_msg_t *msg, const char **why) {
    msg->qos = flags >> 1 & 3;
    msg->dup = flags & 8;
    msg->retain = flags & 1;
    msg->topic = read_text(r);
    msg->id = msg->qos > 0 ? read16(r) : 0;
    msg->props = read_props(r, msg->version, MQTT_CMD_PUBLISH);
    if (r->bad || msg->qos == 3 || (msg->qos == 0 && msg->dup) || (msg->qos > 0 && msg->id == 0)) {
        return PMG_MQTT_MALFORMED;
    }
    if (pmg_mqtt_prop_int(msg->props, MQTT_PROP_TOPIC_ALIAS, 0) > 0) { // we never agree to any
        *why = "MQTT: topic alias that was not agreed on";
        return PMG_MQTT_ALIAS;
    }
    if (!pmg_mqtt_topic_ok(msg->topic)) {
        *why = "MQTT: message with an invalid topic";
        return PMG_MQTT_TOPIC;
    }
    msg->data = read_data(r, (size_t)(r->end - r->p));
    return 0;
}

static void parse_filters(reader_t *r, pmg_mqtt_msg_t *msg) {
    bool sub = msg->cmd == MQTT_CMD_SUBSCRIBE;
    msg->filters = mg_str_n((const char *)r->p, (size_t)(r->end - r->p));
    do {
        struct mg_str filter = read_text(r);
        r->items++;
        unsigned o = sub ? read8(r) : 0;
        bool shared = filter.len > 7 && memcmp(filter.buf, "$share/", 7) == 0;
        if (!pmg_mqtt_filter_ok(filter) || (o & 3) == 3 || (o & 0xc0) || (o >> 4 & 3) == 3 ||
            (msg->version == 4 && o > 2) || ((o & 4) && shared)) {
            r->bad = true;
        }
    } while (!r->bad && r->p < r->end);
}

// Codes of SUBACK and UNSUBACK.
static void parse_codes(reader_t *r, pmg_mqtt_msg_t *msg) {
    msg->data = read_data(r, (size_t)(r->end - r->p));
    for (size_t i = 0; i < msg->data.len; i++) {
        uint8_t code = (uint8_t)msg->data.buf[i];
        bool success = msg->cmd == MQTT_CMD_SUBACK ? code <= 2 : code == 0 || code == 0x11;
        if (!success && (msg->version == 4 ? code != 0x80 : code < 0x80)) {
            r->bad = true;
        }
    }
    msg->ack = msg->data.len > 0 ? (uint8_t)msg->data.buf[0] : 0;
    r->bad = r->bad || msg->data.len == 0;
}

// A reason and properties at the end of a packet of MQTT 5, both of which may be left out.
static void parse_reason(reader_t *r, pmg_mqtt_msg_t *msg) {
    if (msg->version == 5 && r->p < r->end) {
        msg->ack = read8(r);
        if (r->p < r->end) {
            msg->props = read_props(r, 5, msg->cmd);
        }
    }
}

int pmg_mqtt_parse(const uint8_t *p, size_t len, size_t head_len, bool to_server, int version,
    pmg_mqtt_msg_t *msg, const char **why) {
    reader_t r = {p + head_len, p + len, false, 0};
    uint8_t flags = p[0] & 15;
    int err = 0;
    memset(msg, 0, sizeof(*msg));
    msg->cmd = p[0] >> 4;
    msg->version = version;
    *why = "MQTT: malformed packet";
    bool has_id = msg->cmd >= MQTT_CMD_PUBACK && msg->cmd <= MQTT_CMD_UNSUBACK;
    bool two = msg->cmd == MQTT_CMD_PUBREL || msg->cmd == MQTT_CMD_SUBSCRIBE ||
               msg->cmd == MQTT_CMD_UNSUBSCRIBE;
    if (msg->cmd != MQTT_CMD_PUBLISH && flags != (two ? 2 : 0)) {
        return PMG_MQTT_MALFORMED;
    }
    if (has_id) {
        msg->id = read16(&r);
        if (msg->id == 0) {
            return PMG_MQTT_MALFORMED;
        }
    }
    unsigned servers =
        CONNACK | IN(MQTT_CMD_SUBACK) | IN(MQTT_CMD_UNSUBACK) | IN(MQTT_CMD_PINGRESP);
    unsigned clients = CONNECT | SUBSCRIBE | IN(MQTT_CMD_UNSUBSCRIBE) | IN(MQTT_CMD_PINGREQ) |
                       (version == 4 ? DISCONNECT : 0);
    if (msg->cmd == 0 || (msg->cmd == MQTT_CMD_AUTH && version != 5)) {
        return PMG_MQTT_MALFORMED;
    }
    if ((to_server ? servers : clients) & IN(msg->cmd)) {
        *why = to_server ? "MQTT: packet that only a server sends"
                         : "MQTT: packet that only a client sends";
        return PMG_MQTT_PROTOCOL;
    }
    switch (msg->cmd) {
        case MQTT_CMD_CONNECT: err = parse_connect(&r, msg); break;
        case MQTT_CMD_CONNACK: {
            unsigned ack_flags = read8(&r);
            msg->ack = read8(&r);
            msg->session_present = ack_flags & 1;
            msg->props = read_props(&r, version, MQTT_CMD_CONNACK);
            if (ack_flags > 1 || (msg->session_present && msg->ack != 0)) {
                return PMG_MQTT_MALFORMED;
            }
            break;
        }
        case MQTT_CMD_PUBLISH: err = parse_publish(&r, flags, msg, why); break;
        case MQTT_CMD_SUBSCRIBE:
        case MQTT_CMD_UNSUBSCRIBE:
            msg->props = read_props(&r, version, msg->cmd);
            parse_filters(&r, msg);
            break;
        case MQTT_CMD_SUBACK:
            msg->props = read_props(&r, version, msg->cmd);
            parse_codes(&r, msg);
            break;
        case MQTT_CMD_UNSUBACK:
            if (version == 5) {
                msg->props = read_props(&r, version, msg->cmd);
                parse_codes(&r, msg);
            }
            break;
        case MQTT_CMD_PINGREQ:
        case MQTT_CMD_PINGRESP: break;
        default: parse_reason(&r, msg); break; // the acknowledgements, DISCONNECT, AUTH
    }
    if (!r.bad && r.items > PMG_MQTT_ITEMS) {
        *why = "MQTT: packet with too many properties or topics";
        return PMG_MQTT_QUOTA;
    }
    if (err != 0) {
        return err;
    }
    return r.bad || r.p != r.end ? PMG_MQTT_MALFORMED : 0;
}

const char *pmg_mqtt_reason(int version, int code) {
    static const struct {
        uint8_t v4, v5;
        const char *text;
    } texts[] = {
        {1, 0x84, "protocol version not supported"},
        {2, 0x85, "client id not valid"},
        {3, 0x88, "server unavailable"},
        {4, 0x86, "bad user name or password"},
        {5, 0x87, "not authorized"},
        {0, 0x81, "malformed packet"},
        {0, 0x82, "protocol error"},
        {0, 0x89, "server busy"},
        {0, 0x8a, "banned"},
        {0, 0x8b, "server shutting down"},
        {0, 0x8d, "keep alive timeout"},
        {0, 0x8e, "session taken over"},
        {0, 0x95, "packet too large"},
        {0, 0x97, "quota exceeded"},
        {0, 0x9c, "use another server"},
        {0, 0x9d, "server moved"},
    };
    for (size_t i = 0; code > 0 && i < sizeof(texts) / sizeof(texts[0]); i++) {
        if ((version == 5 ? texts[i].v5 : texts[i].v4) == code) {
            return texts[i].text;
        }
    }
    return "reason";
}

uint32_t pmg_mqtt_hash(uint32_t hash, struct mg_str s) {
    for (size_t i = 0; i < s.len; i++) {
        hash = (hash ^ (uint8_t)s.buf[i]) * 16777619u;
    }
    return hash;
}

#endif
