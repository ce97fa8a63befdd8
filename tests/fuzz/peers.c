// SPDX-License-Identifier: GPL-2.0-only
//
// Fuzz targets that have a manager and play its peers. An input begins with what the program does, how
// many bytes move at once and how the rest is cut; the rest is what the peer says.

#include "targets.h"

static unsigned cut;

static void begin(input_t *in) {
    unsigned what = take16(in);
    net_step = take8(in);
    cut = take8(in);
    if (app_begin(what) < 0) {
        abort();
    }
}

static struct mg_connection *listen_on(const char *url, const pmg_protocol_t *speaks) {
    struct mg_connection *c;
    if (pmg_listen(app.m, url, speaks, -1, NULL, &c) < 0) {
        abort();
    }
    return c;
}

// Says it in pieces, with a turn of the loop between them.
static void say(net_end_t *e, struct mg_str s) {
    size_t piece = cut > 0 ? cut * 3 : s.len;
    for (size_t at = 0; at < s.len && !net_is_over(e); at += piece) {
        net_put(e, s.buf + at, s.len - at < piece ? s.len - at : piece);
        app_run(3, 0);
        if (cut & 1) {
            net_take(e);
        }
    }
    app_run(200, 0);
}

// The manager still serves, whatever came before.
static void healthy(void) {
    app.what &= APP_OUTER;
    app.messages = 0;
    net_step = 0;
    net_end_t *e = net_dial(PORT_HTTP);
    const char get[] = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    if (e == NULL) {
        abort();
    }
    net_put(e, get, sizeof(get) - 1);
    for (int i = 0; i < 50 && !net_is_over(e); i++) {
        app_run(20, 1);
    }
    struct mg_str got = net_got(e);
    if (got.len < 15 || memcmp(got.buf, "HTTP/1.1 200 OK", 15) != 0) {
        fprintf(stderr, "no answer for who is healthy: %.*s\n", (int)got.len, got.buf);
        abort();
    }
    net_close(e);
    app_run(20, 0);
}

static void finish(net_end_t *e) {
    if (e != NULL) {
        if (app.held != NULL) {
            pmg_head_t h;
            if (pmg_reply_begin(&h, app.held, 200) == 0) {
                (void)pmg_reply_end(&h, mg_str("late"));
            }
        }
        app_run(20, 1000);
        net_close(e);
        app_run(20, 10000);
    }
    healthy();
    app_end();
}

// ---------------------------------------------------------------------------------------------
// HTTP and WebSocket

static void http_server(input_t *in) {
    begin(in);
    listen_on(URL_HTTP, &pmg_http);
    net_end_t *e = net_dial(PORT_HTTP);
    say(e, rest(in));
    finish(e);
}

static void ask(struct mg_connection *c, int ev, void *data) {
    pmg_head_t h;
    (void)data;
    if (ev != MG_EV_CONNECT) {
        return;
    }
    const char *method = app.what & 1 ? "POST" : app.what & 2 ? "HEAD" : "GET";
    for (int i = 0; i < 3; i++) {
        if (pmg_request_begin(&h, c, mg_str(method), mg_str("/x?q=1")) == 0) {
            if (app.what & 4) {
                (void)pmg_head_header(&h, mg_str("Transfer-Encoding"), mg_str("chunked"));
            }
            (void)pmg_request_end(&h, mg_str("body"));
            (void)pmg_http_chunk(c, "", 0);
        }
    }
}

static void http_client(input_t *in) {
    struct mg_connection *c;
    begin(in);
    listen_on(URL_HTTP, &pmg_http);
    app.also = ask;
    if (pmg_connect(app.m, "http://127.0.0.1:9000/", &pmg_http, NULL, NULL, &c) < 0) {
        abort();
    }
    app_run(10, 0);
    net_end_t *e = net_arrived();
    if (e != NULL) {
        say(e, rest(in));
    }
    app.also = NULL;
    finish(e);
}

static void ws_server(input_t *in) {
    const char upgrade[] = "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                           "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    begin(in);
    app.what = (app.what & ~15u & ~(7u << 8)) | 3;
    listen_on(URL_HTTP, &pmg_http);
    net_end_t *e = net_dial(PORT_HTTP);
    say(e, mg_str(upgrade));
    say(e, rest(in));
    finish(e);
}

static void accept_key(struct mg_str request, char out[29]) {
    static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", name[] = "Sec-WebSocket-Key: ";
    char text[24 + sizeof(magic)];
    uint8_t digest[20];
    out[0] = '\0';
    for (size_t i = 0; i + sizeof(name) + 24 < request.len; i++) {
        if (memcmp(request.buf + i, name, sizeof(name) - 1) == 0) {
            memcpy(text, request.buf + i + sizeof(name) - 1, 24);
            memcpy(text + 24, magic, sizeof(magic));
            pmg_sha1(mg_str(text), digest);
            pmg_base64_encode(mg_str_n((char *)digest, 20), out);
            out[28] = '\0';
        }
    }
}

static void ws_client(input_t *in) {
    struct mg_connection *c;
    char text[256], key[29];
    begin(in);
    listen_on(URL_HTTP, &pmg_http);
    if (pmg_connect(app.m, "ws://127.0.0.1:9000/", &pmg_ws, NULL, NULL, &c) < 0) {
        abort();
    }
    app_run(50, 0);
    net_end_t *e = net_arrived();
    if (e != NULL) {
        accept_key(net_got(e), key);
        size_t n = pmg_snprintf(text, sizeof(text),
            "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: %s\r\n\r\n",
            key);
        if (!(app.what & 1)) {
            say(e, mg_str_n(text, n));
        }
        say(e, rest(in));
    }
    finish(e);
}

// ---------------------------------------------------------------------------------------------
// MQTT

#if PMG_HAS_MQTT
static void mqtt_server(input_t *in) {
    static const char v4[] = "\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01x";
    static const char v5[] = "\x10\x0e\0\x04MQTT\x05\x02\0\x3c\0\0\x01x";
    begin(in);
    listen_on(URL_HTTP, &pmg_http);
    listen_on(URL_MQTT, &pmg_mqtt);
    net_end_t *e = net_dial(PORT_MQTT);
    if (app.what & 1 << 12) {
        say(e, app.what & 8 ? mg_str_n((char *)v5, 16) : mg_str_n((char *)v4, 15));
    }
    say(e, rest(in));
    finish(e);
}

static struct mg_connection *mqtt_to(unsigned version) {
    struct mg_connection *c = NULL;
    pmg_mqtt_login_t login = {.client_id = mg_str("me"), .version = (int)version, .keepalive = 60};
    login.clean_session = (app.what & 2) != 0;
    (void)pmg_connect(app.m, "mqtt://127.0.0.1:9000", &pmg_mqtt, &login, NULL, &c);
    return c;
}

static const char *connack(bool v5) {
    return v5 ? "\x20\x03\0\0\0" : "\x20\x02\0\0\0";
}

static void mqtt_client(input_t *in) {
    struct mg_str none = {NULL, 0};
    begin(in);
    listen_on(URL_HTTP, &pmg_http);
    bool v5 = (app.what & 8) != 0;
    struct mg_connection *c = mqtt_to(v5 ? 5 : 4);
    app_run(50, 0);
    net_end_t *e = net_arrived();
    if (e != NULL) {
        if (app.what & 1 << 12) {
            say(e, mg_str_n((char *)(size_t)connack(v5), v5 ? 5 : 4));
        }
        if (app.last == c && c != NULL) {
            for (int qos = 0; qos < 3; qos++) {
                (void)pmg_mqtt_pub(c, mg_str("a/b"), mg_str("hello"), qos, false, 0, none);
                (void)pmg_mqtt_sub(c, mg_str("a/#"), qos, 0, none);
            }
            (void)pmg_mqtt_unsub(c, mg_str("a/#"));
            (void)pmg_mqtt_ping(c);
        }
        say(e, rest(in));
    }
    finish(e);
}

static void mqtt_session(input_t *in) {
    static pmg_mqtt_session_room_t room;
    struct mg_str none = {NULL, 0};
    pmg_mqtt_result_t r;
    begin(in);
    listen_on(URL_HTTP, &pmg_http);
    bool v5 = (app.what & 8) != 0;
    pmg_mqtt_session_opts_t opts = {.queue_max = 20, .version = v5 ? 5 : 4,
        .policy = (int)(app.what & 3) % 3, .tell_messages = true, .tell_filters = true};
    pmg_mqtt_session_t *s = pmg_mqtt_session_init(&room, app.m, &opts);
    (void)pmg_mqtt_session_sub(s, mg_str("a/#"), 2, 0);
    net_end_t *e = NULL;
    for (int round = 0; round < 3; round++) {
        struct mg_connection *c = mqtt_to(v5 ? 5 : 4);
        if (c == NULL || pmg_mqtt_session_attach(s, c) < 0) { // its handler has closed it
            break;
        }
        for (int qos = 0; qos < 3; qos++) {
            (void)pmg_mqtt_session_pub(s, mg_str("a/b"), mg_str("hello"), qos, false, none, 1);
        }
        app_run(50, 0);
        e = net_arrived();
        if (e == NULL) {
            break;
        }
        if (app.what & 1 << 12) {
            say(e, mg_str_n((char *)(size_t)connack(v5), v5 ? 5 : 4));
        }
        input_t part = *in;
        part.len = in->len / (size_t)(3 - round);
        say(e, rest(&part));
        in->p += part.len;
        in->len -= part.len;
        pmg_mqtt_session_pump(s);
        (void)pmg_mqtt_session_unsub(s, mg_str("a/#"));
        while (pmg_mqtt_session_result(s, &r)) {
            touch(r.filter);
            pmg_mqtt_session_told(s);
        }
        net_close(e);
        app_run(20, 1000);
    }
    pmg_mqtt_session_close(s);
    pmg_mqtt_session_fini(s);
    finish(e);
}
#endif

// ---------------------------------------------------------------------------------------------
// Datagrams

// Answers whatever was asked last, with its id in front.
static void respond(input_t *in, uint16_t server) {
    uint16_t from, to;
    struct mg_str asked;
    for (int i = 0; i < 8 && in->len > 0; i++) {
        app_run(10, 0);
        asked = net_datagram_sent(&from, &to);
        net_end_t *tcp = net_arrived();
        size_t n = 2 + take8(in) * 2u;
        n = n < in->len ? n : in->len;
        if (tcp != NULL) {
            net_put(tcp, in->p, n);
            net_close(tcp);
        } else if (asked.len >= 12) {
            unsigned char text[520];
            memcpy(text, in->p, n);
            if (n >= 2 && server == 53) {
                memcpy(text, asked.buf, 2);
            } else if (n >= 32 && server == 123 && asked.len >= 48) {
                memcpy(text + 24, asked.buf + 40, 8); // originate
            }
            (void)net_datagram(from, server, text, n);
        } else {
            app_run(1, 1000);
        }
        in->p += n;
        in->len -= n;
    }
    app_run(10, 0);
}

static void dns(input_t *in) {
    struct mg_connection *c;
    begin(in);
    net_step = 0;
    listen_on(URL_HTTP, &pmg_http);
    if (pmg_dns_server(app.m, "udp://127.0.0.1:53") < 0 ||
        pmg_connect(app.m, "http://a.test:9000/", &pmg_http, NULL, NULL, &c) < 0) {
        abort();
    }
    respond(in, 53);
    finish(net_arrived());
}

#if PMG_HAS_SNTP
static void sntp(input_t *in) {
    struct mg_connection *c;
    begin(in);
    listen_on(URL_HTTP, &pmg_http);
    if (pmg_connect(app.m, "udp://127.0.0.1:123", &pmg_sntp, NULL, NULL, &c) < 0) {
        abort();
    }
    respond(in, 123);
    finish(NULL);
}
#endif

#if PMG_HAS_MDNS
static void mdns(input_t *in) {
    struct mg_connection *c;
    pmg_mdns_draft_t d;
    struct mg_str none = {NULL, 0};
    begin(in);
    listen_on(URL_HTTP, &pmg_http);
    if (pmg_mdns_draft(app.m, mg_str("board"), none, &d) < 0 ||
        pmg_mdns_draft_service(app.m, &d, mg_str("_http._tcp"), 80, mg_str("page")) < 0 ||
        pmg_mdns_draft_txt(app.m, &d, mg_str("path"), mg_str("/")) < 0 ||
        pmg_listen_for(app.m, &pmg_mdns, &d, NULL, &c) < 0) {
        abort();
    }
    app_run(10, 300);
    (void)pmg_mdns_query(c, mg_str("_http._tcp.local"), 12);
    while (in->len > 0) {
        size_t n = take8(in) * 4u;
        n = n < in->len ? n : in->len;
        (void)net_datagram(5353, cut & 1 ? 5353 : 40001, in->p, n);
        in->p += n;
        in->len -= n;
        app_run(5, 0);
        app_run(3, 100);
    }
    finish(NULL);
}
#endif

// ---------------------------------------------------------------------------------------------
// Modbus

#if PMG_HAS_MODBUS
static void modbus_server(input_t *in) {
    begin(in);
    listen_on(URL_HTTP, &pmg_http);
    listen_on(URL_MODBUS, &pmg_modbus);
    net_end_t *e = net_dial(PORT_MODBUS);
    say(e, rest(in));
    finish(e);
}

static void modbus_client(input_t *in) {
    struct mg_connection *c;
    pmg_modbus_values_t v;
    begin(in);
    listen_on(URL_HTTP, &pmg_http);
    if (pmg_connect(app.m, "modbus://127.0.0.1:9000", &pmg_modbus, NULL, NULL, &c) < 0) {
        abort();
    }
    app_run(10, 0);
    net_end_t *e = net_arrived();
    if (e != NULL && app.last == c) {
        (void)pmg_modbus_read(c, 3, 0, 10, 1);
        (void)pmg_modbus_read(c, 1, 0, 20, 1);
        pmg_modbus_values(&v, 16);
        (void)pmg_modbus_put(&v, 7);
        (void)pmg_modbus_write(c, 16, 0, &v, 1);
        app_run(10, 0);
        say(e, rest(in));
    }
    finish(e);
}
#endif

// ---------------------------------------------------------------------------------------------
// TLS

#if PMG_HAS_TLS
static pmg_tls_conf_t *server_conf, *client_conf;

static void secure(struct mg_connection *c, int ev, void *data) {
    (void)data;
    if (ev == MG_EV_CONNECT && c->is_client) {
        (void)pmg_tls_init(c, client_conf, NULL);
    }
}

static void tls_begin(input_t *in) {
    server_conf = app_tls_conf(true);
    client_conf = app_tls_conf(false);
    begin(in);
    listen_on(URL_HTTP, &pmg_http);
    if (server_conf == NULL || client_conf == NULL ||
        pmg_tls_init(listen_on("https://127.0.0.1:443", &pmg_http), server_conf, NULL) < 0) {
        abort();
    }
}

static void tls_end(net_end_t *e) {
    app.also = NULL;
    pmg_tls_conf_unref(server_conf);
    pmg_tls_conf_unref(client_conf);
    finish(e);
}

static void tls_server(input_t *in) {
    tls_begin(in);
    net_end_t *e = net_dial(PORT_TLS);
    say(e, rest(in));
    tls_end(e);
}

// Hands on what each side of a real connection says, until it lies.
static size_t relay(net_end_t *from, net_end_t *to, size_t left, input_t *in) {
    struct mg_str got = net_got(from);
    size_t n = got.len < left ? got.len : left;
    net_put(to, got.buf, n);
    if (n == left && in->len > 0) { // instead of what comes next, or before it
        size_t skip = take8(in), lie = take8(in);
        lie = lie < in->len ? lie : in->len;
        net_put(to, in->p, lie);
        in->p += lie;
        in->len -= lie;
        skip = skip < got.len - n ? skip : got.len - n;
        if (got.len > n + skip) {
            net_put(to, got.buf + n + skip, got.len - n - skip);
        }
        left = n + take16(in) % 4096;
    }
    net_take(from);
    return left - n;
}

static void tls_both(input_t *in) {
    struct mg_connection *c;
    tls_begin(in);
    app.also = secure;
    unsigned first = take16(in) % 4096;
    if (pmg_connect(app.m, "https://127.0.0.1:9000", &pmg_http, NULL, NULL, &c) < 0) {
        abort();
    }
    app_run(10, 0);
    net_end_t *client = net_arrived(), *server = net_dial(PORT_TLS);
    size_t to_server = first, to_client = first / 2;
    for (int i = 0; i < 40 && client != NULL && server != NULL; i++) {
        app_run(20, 0);
        if (net_got(client).len == 0 && net_got(server).len == 0) {
            break;
        }
        to_server = relay(client, server, to_server, in);
        to_client = relay(server, client, to_client, in);
        if (app.opens == 2 && app.last != NULL && i > 4) {
            (void)pmg_send(app.last, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27);
        }
    }
    if (client != NULL) {
        net_close(client);
    }
    tls_end(server);
}
#endif

// ---------------------------------------------------------------------------------------------
// Files

#if PMG_HAS_FILES
static void paths(input_t *in) {
    begin(in);
    app.what = (app.what & 0x3f0u & ~0x30u) | 4;
    listen_on(URL_HTTP, &pmg_http);
    net_end_t *e = net_dial(PORT_HTTP);
    net_put(e, "GET /", 5);
    size_t n = 0;
    while (n < in->len && in->p[n] != '\0') {
        n++;
    }
    net_put(e, in->p, n);
    net_put(e, " HTTP/1.1\r\nHost: x\r\n", 20);
    if (n < in->len) {
        net_put(e, in->p + n + 1, in->len - n - 1);
    }
    say(e, mg_str("\r\n\r\n"));
    struct mg_str got = net_got(e);
    const size_t n_secret = sizeof(SECRET) - 1;
    for (size_t i = 0; i + n_secret <= got.len; i++) {
        if (memcmp(got.buf + i, SECRET, n_secret) == 0) {
            fprintf(stderr, "a file from outside of the folder\n");
            abort();
        }
    }
    finish(e);
}
#endif

const target_t fuzz_peers[] = {
    {"http_server", http_server},
    {"http_client", http_client},
    {"ws_server", ws_server},
    {"ws_client", ws_client},
#if PMG_HAS_MQTT
    {"mqtt_server", mqtt_server},
    {"mqtt_client", mqtt_client},
    {"mqtt_session", mqtt_session},
#endif
    {"dns", dns},
#if PMG_HAS_MDNS
    {"mdns", mdns},
#endif
#if PMG_HAS_SNTP
    {"sntp", sntp},
#endif
#if PMG_HAS_MODBUS
    {"modbus_server", modbus_server},
    {"modbus_client", modbus_client},
#endif
#if PMG_HAS_TLS
    {"tls_server", tls_server},
    {"tls_both", tls_both},
#endif
#if PMG_HAS_FILES
    {"paths", paths},
#endif
    {NULL, NULL},
};
