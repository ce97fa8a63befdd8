// SPDX-License-Identifier: GPL-2.0-only
//
// The scenes of the countdowns (countdown.c).

#include "scenes.h"

bool scene_told;

static bool ok(int result) {
    scene_told = scene_told || result < 0;
    return result >= 0;
}

static struct mg_connection *listen_on(const char *url, const pmg_protocol_t *speaks) {
    struct mg_connection *c = NULL;
    return ok(pmg_listen(app.m, url, speaks, -1, NULL, &c)) ? c : NULL;
}

static struct mg_connection *connect_to(const char *url, const pmg_protocol_t *speaks,
    const void *state) {
    struct mg_connection *c = NULL;
    return ok(pmg_connect(app.m, url, speaks, state, NULL, &c)) ? c : NULL;
}

static bool has(struct mg_str s, const char *text) {
    size_t n = strlen(text);
    for (size_t i = 0; i + n <= s.len; i++) {
        if (memcmp(s.buf + i, text, n) == 0) {
            return true;
        }
    }
    return false;
}

// So many whole replies and nothing behind them? A half one may stand only where the stream ended.
static unsigned replies(net_end_t *e) {
    struct mg_str s = net_got(e);
    unsigned n = 0;
    while (s.len > 0) {
        size_t head = 0, body = 0;
        while (head + 4 <= s.len && memcmp(s.buf + head, "\r\n\r\n", 4) != 0) {
            head++;
        }
        if (head + 4 > s.len) {
            break;
        }
        struct mg_str text = mg_str_n(s.buf, head + 4);
        for (size_t i = 0; i < head; i++) {
            if (mg_strcasecmp(mg_str_n(s.buf + i, 15 < head - i ? 15 : head - i),
                    mg_str("Content-Length:")) == 0) {
                body = strtoul(s.buf + i + 15, NULL, 10);
            }
        }
        if (has(text, "chunked")) {
            size_t end = 0;
            struct mg_str rest = mg_str_n(s.buf + head + 4, s.len - head - 4);
            while (end + 5 <= rest.len && memcmp(rest.buf + end, "0\r\n\r\n", 5) != 0) {
                end++;
            }
            body = end + 5 <= rest.len ? end + 5 : SIZE_MAX / 2;
        }
        if (body > s.len - head - 4) {
            break;
        }
        n++;
        s.buf += head + 4 + body;
        s.len -= head + 4 + body;
    }
    if (s.len > 0 && !net_is_over(e) && !app.no_poll) {
        fprintf(stderr, "half a reply, and the connection goes on: %.*s\n", (int)s.len, s.buf);
        abort();
    }
    return n;
}

// Until all is said, and what pauses has gone on.
static void settle(void) {
    for (int i = 0; i < 15; i++) {
        app_run(20000, 0);
        app_run(1, 100);
    }
}

// A peer that says this and reads what comes of it.
static net_end_t *peer(uint16_t port, const char *text, size_t len) {
    net_end_t *e = net_dial(port);
    if (e != NULL) {
        net_put(e, text, len);
        settle();
    }
    return e;
}

static bool ends(net_end_t *e, bool good) {
    if (e == NULL) {
        return false;
    }
    scene_told = scene_told || net_is_over(e) || net_waits(e) || app.errors > 0;
    net_close(e);
    app_run(50, 0);
    return good;
}

// ---------------------------------------------------------------------------------------------
// HTTP

#define HOST "Host: x\r\n"
static const char get[] = "GET / HTTP/1.1\r\n" HOST "X: 1\r\nCookie: a=b\r\n\r\n";

static bool request(void) {
    if (listen_on(URL_HTTP, &pmg_http) == NULL) {
        return false;
    }
    net_end_t *e = peer(PORT_HTTP, get, sizeof(get) - 1);
    return ends(e, e != NULL && replies(e) == 1 && !has(net_got(e), " 503 "));
}

static bool pipeline(void) {
    char text[3 * sizeof(get)] = "";
    for (int i = 0; i < 3; i++) {
        strcat(text, get);
    }
    if (listen_on(URL_HTTP, &pmg_http) == NULL) {
        return false;
    }
    net_end_t *e = peer(PORT_HTTP, text, strlen(text));
    return ends(e, e != NULL && replies(e) == 3);
}

static bool body(void) {
    static char text[5000];
    size_t n = pmg_snprintf(text, sizeof(text), "POST /a%%20b?q=%%41 HTTP/1.1\r\n" HOST
                                                "Transfer-Encoding: chunked\r\n\r\n800\r\n");
    memset(text + n, 'x', 2048);
    n += 2048;
    n += pmg_snprintf(text + n, sizeof(text) - n, "\r\n3\r\nabc\r\n0\r\n\r\n");
    if (listen_on(URL_HTTP, &pmg_http) == NULL) {
        return false;
    }
    net_end_t *e = peer(PORT_HTTP, text, n);
    bool good = e != NULL && replies(e) == 1 && has(net_got(e), " 200 ");
    // A file is whole, or there is none.
    size_t len;
    const char *file = port_file_content("/up/file", &len);
    if (file != NULL && len != 2051) {
        fprintf(stderr, "%zu bytes of a file that has 2051\n", len);
        abort();
    }
    good = ends(e, good);
    if (good && (app.what & 1 << 10) && file == NULL) {
        fprintf(stderr, "no file, and a reply as if there were\n");
        abort();
    }
    return good;
}

static bool form(void) {
    static const char parts[] =
        "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1234\r\n"
        "--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x.txt\"\r\n\r\nabcdefghij"
        "\r\n--B--\r\n";
    char text[600];
    size_t n = pmg_snprintf(text, sizeof(text),
        "POST /form HTTP/1.1\r\n" HOST "Content-Type: multipart/form-data; boundary=B\r\n"
        "Content-Length: %zu\r\n\r\n%s",
        sizeof(parts) - 1, parts);
    if (listen_on(URL_HTTP, &pmg_http) == NULL) {
        return false;
    }
    net_end_t *e = peer(PORT_HTTP, text, n);
    return ends(e, e != NULL && replies(e) == 1 && has(net_got(e), " 200 ") && app.parts == 2);
}

#if PMG_HAS_FILES
static bool files(void) {
    static const char text[] = "GET /file.txt HTTP/1.1\r\n" HOST "Range: bytes=1-2,4-5\r\n\r\n"
                               "GET /sub/ HTTP/1.1\r\n" HOST "\r\n"
                               "GET /x/ HTTP/1.1\r\n" HOST "Accept-Encoding: gzip\r\n\r\n"
                               "GET /fat/NAME.TXT HTTP/1.1\r\n" HOST "If-None-Match: \"x\"\r\n\r\n"
                               "GET /none HTTP/1.1\r\n" HOST "\r\n";
    if (listen_on(URL_HTTP, &pmg_http) == NULL) {
        return false;
    }
    net_end_t *e = peer(PORT_HTTP, text, sizeof(text) - 1);
    return ends(e, e != NULL && replies(e) == 5 && has(net_got(e), "a&amp;b.txt"));
}
#endif

static void ask(struct mg_connection *c, int ev, void *data) {
    pmg_head_t h;
    (void)data;
    if (ev == MG_EV_CONNECT && c->is_client) {
        if (ok(pmg_request_begin(&h, c, mg_str("POST"), mg_str("/")))) {
            if (ok(pmg_head_header(&h, mg_str("X-A"), mg_str("b")))) {
                ok(pmg_request_end(&h, mg_str("body")));
            } else {
                pmg_head_abort(&h);
            }
        }
    }
}

static bool client(void) {
    app.also = ask;
    if (listen_on(URL_HTTP, &pmg_http) == NULL ||
        connect_to("http://127.0.0.1:80/", &pmg_http, NULL) == NULL) {
        return false;
    }
    settle();
    return app.messages == 2;
}

// ---------------------------------------------------------------------------------------------
// WebSocket

static bool websocket(void) {
    static const char text[] = "GET /ws HTTP/1.1\r\n" HOST "Upgrade: websocket\r\n"
                               "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                               "\x01\x83\0\0\0\0abc\x80\x83\0\0\0\0def\x89\x82\0\0\0\0hi"
                               "\x88\x82\0\0\0\0\x03\xe8";
    if (listen_on(URL_HTTP, &pmg_http) == NULL) {
        return false;
    }
    net_end_t *e = peer(PORT_HTTP, text, sizeof(text) - 1);
    bool good = e != NULL && has(net_got(e), "\x81\x06"
                                             "abcdef") &&
                has(net_got(e), "\x8a\x02hi") && has(net_got(e), "\x88\x02\x03\xe8");
    return ends(e, good);
}

static void greet(struct mg_connection *c, int ev, void *data) {
    (void)data;
    if (ev == MG_EV_WS_OPEN && c->is_client) {
        ok(pmg_ws_send(c, "hello", 5, WEBSOCKET_OP_TEXT));
    } else if (ev == MG_EV_WS_MSG) {
        ok(pmg_ws_send(c, "", 0, WEBSOCKET_OP_CLOSE));
    }
}

static bool websocket_client(void) {
    app.also = greet;
    if (listen_on(URL_HTTP, &pmg_http) == NULL ||
        connect_to("ws://127.0.0.1:80/", &pmg_ws, NULL) == NULL) {
        return false;
    }
    settle();
    return app.opens == 2 && app.messages >= 1;
}

// ---------------------------------------------------------------------------------------------
// TLS

#if PMG_HAS_TLS
static pmg_tls_conf_t *tls_conf;

static void secure(struct mg_connection *c, int ev, void *data) {
    if (ev == MG_EV_CONNECT && c->is_client) {
        if (tls_conf != NULL && pmg_tls_init(c, tls_conf, NULL) < 0) {
            scene_told = true;
            pmg_tls_failed(c, "no TLS");
        }
    }
    if (!c->is_closing) {
        ask(c, ev, data);
    }
}

static bool tls(void) {
    pmg_tls_conf_t *server = app_tls_conf(true);
    tls_conf = app_tls_conf(false);
    bool good = server != NULL && tls_conf != NULL;
    scene_told = scene_told || !good;
    app.also = secure;
    struct mg_connection *c = good ? listen_on("https://127.0.0.1:443", &pmg_http) : NULL;
    if (c != NULL && ok(pmg_tls_init(c, server, NULL)) &&
        connect_to("https://127.0.0.1:443/", &pmg_http, NULL) != NULL) {
        settle();
    }
    pmg_tls_conf_unref(server);
    pmg_tls_conf_unref(tls_conf);
    return app.messages == 2;
}
#endif

// ---------------------------------------------------------------------------------------------
// MQTT

#if PMG_HAS_MQTT
static void publish(struct mg_connection *c, int ev, void *data) {
    struct mg_str none = {NULL, 0};
    (void)data;
    if (ev == MG_EV_MQTT_OPEN) {
        for (int qos = 0; qos < 3; qos++) {
            ok(pmg_mqtt_pub(c, mg_str("a/b"), mg_str("hello"), qos, false, 0, none));
        }
        ok(pmg_mqtt_sub(c, mg_str("a/#"), 1, 0, none));
        ok(pmg_mqtt_disconnect(c, 0));
    }
}

static bool mqtt(void) {
    pmg_mqtt_login_t login = {.client_id = mg_str("me"), .username = mg_str("u"),
        .password = mg_str("p"), .has_username = true, .version = 5, .keepalive = 60};
    app.also = publish;
    if (listen_on(URL_MQTT, &pmg_mqtt) == NULL ||
        connect_to(URL_MQTT, &pmg_mqtt, &login) == NULL) {
        return false;
    }
    settle();
    return app.opens == 1 && app.messages >= 4;
}

static bool session(void) {
    static pmg_mqtt_session_room_t room;
    struct mg_str none = {NULL, 0};
    pmg_mqtt_result_t r;
    pmg_mqtt_login_t login = {.client_id = mg_str("me"), .version = 4, .keepalive = 60};
    pmg_mqtt_session_opts_t opts = {.queue_max = 9, .version = 4, .tell_messages = true,
        .tell_filters = true};
    unsigned taken = 0, told = 0;
    struct mg_connection *server = listen_on(URL_MQTT, &pmg_mqtt);
    if (server == NULL) {
        return false;
    }
    pmg_mqtt_session_t *s = pmg_mqtt_session_init(&room, app.m, &opts);
    ok(pmg_mqtt_session_sub(s, mg_str("a/#"), 1, 0));
    for (int qos = 1; qos < 3; qos++) {
        int token = pmg_mqtt_session_pub(s, mg_str("a"), mg_str("hello"), qos, false, none, 0);
        taken += ok(token) && token > 0;
    }
    for (int i = 0; i < 3 && told < taken; i++) { // as a program comes back
        struct mg_connection *c = connect_to(URL_MQTT, &pmg_mqtt, &login);
        if (c != NULL && ok(pmg_mqtt_session_attach(s, c))) {
            app_run(200, 0);
            pmg_mqtt_session_pump(s);
            app_run(50, 0);
            app_run(10, 100);
        }
        while (pmg_mqtt_session_result(s, &r)) {
            told += r.what == PMG_MQTT_ACKNOWLEDGED;
            pmg_mqtt_session_told(s);
        }
        if (told < taken && app.last != NULL && app.last->is_client) {
            pmg_close(app.last);
            app_run(20, 0);
        }
    }
    unsigned waits = pmg_mqtt_session_count(s, PMG_MQTT_COUNT_QUEUED);
    if (told + waits < taken) {
        fprintf(stderr, "%u messages taken, %u told, %u wait\n", taken, told, waits);
        abort();
    }
    scene_told = scene_told || waits > 0;
    pmg_mqtt_session_close(s);
    pmg_mqtt_session_fini(s);
    return told == 2;
}
#endif

// ---------------------------------------------------------------------------------------------
// Names, time, Modbus

static bool look_up(void) {
    static const unsigned char answer[] = "\0\0\x81\x80\0\1\0\1\0\0\0\0\1a\4test\0\0\1\0\1"
                                          "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1";
    uint16_t from, to;
    app.also = ask;
    if (listen_on(URL_HTTP, &pmg_http) == NULL || !ok(pmg_dns_server(app.m, "udp://127.0.0.1:53")) ||
        connect_to("http://a.test:80/", &pmg_http, NULL) == NULL) {
        return false;
    }
    for (int i = 0; i < 30 && app.messages < 2; i++) {
        app_run(50, 0);
        struct mg_str asked = net_datagram_sent(&from, &to);
        if (asked.len >= 12) {
            unsigned char text[64];
            bool a = asked.buf[asked.len - 3] == 1;
            memcpy(text, answer, sizeof(answer) - 1);
            memcpy(text, asked.buf, 2);
            text[21] = a ? 1 : 28;
            text[7] = a;
            (void)net_datagram(from, 53, text, a ? sizeof(answer) - 1 : 24);
        } else {
            app_run(1, 1000);
        }
    }
    return app.messages == 2;
}

#if PMG_HAS_MDNS
static bool announce(void) {
    pmg_mdns_draft_t d = {NULL};
    struct mg_str none = {NULL, 0};
    struct mg_connection *c = NULL;
    if (!ok(pmg_mdns_draft(app.m, mg_str("board"), none, &d))) {
        return false;
    }
    if (!ok(pmg_mdns_draft_service(app.m, &d, mg_str("_http._tcp"), 80, mg_str("page"))) ||
        !ok(pmg_mdns_draft_txt(app.m, &d, mg_str("path"), mg_str("/")))) {
        pmg_mdns_draft_free(&d);
        return false;
    }
    if (!ok(pmg_listen_for(app.m, &pmg_mdns, &d, NULL, &c))) {
        pmg_mdns_draft_free(&d);
        return false;
    }
    app_run(20, 300);
    if (app.closes > 0 || app.errors > 0) {
        return false;
    }
    ok(pmg_mdns_query(c, mg_str("_http._tcp.local"), 12));
    app_run(20, 300);
    const char *name = pmg_conn_mdns_name(c);
    return name != NULL && strcmp(name, "board.local") == 0;
}
#endif

#if PMG_HAS_SNTP
static bool time_of_day(void) {
    uint16_t from, to;
    if (connect_to("udp://127.0.0.1:123", &pmg_sntp, NULL) == NULL) {
        return false;
    }
    for (int i = 0; i < 10 && app.messages == 0; i++) {
        app_run(20, 0);
        struct mg_str asked = net_datagram_sent(&from, &to);
        if (asked.len >= 48) {
            unsigned char text[48] = {0x24, 2, 6, 0xec};
            memcpy(text + 24, asked.buf + 40, 8);
            memset(text + 32, 0xe5, 16);
            (void)net_datagram(from, 123, text, sizeof(text));
        } else {
            app_run(1, 1000);
        }
    }
    return app.messages == 1;
}
#endif

#if PMG_HAS_MODBUS
static void read_registers(struct mg_connection *c, int ev, void *data) {
    pmg_modbus_values_t v;
    (void)data;
    if (ev == MG_EV_CONNECT) {
        pmg_modbus_values(&v, 16);
        (void)pmg_modbus_put(&v, 7);
        ok(pmg_modbus_read(c, 3, 0, 10, 1));
        ok(pmg_modbus_write(c, 16, 0, &v, 1));
    }
}

static bool modbus(void) {
    app.also = read_registers;
    if (listen_on(URL_MODBUS, &pmg_modbus) == NULL ||
        connect_to(URL_MODBUS, &pmg_modbus, NULL) == NULL) {
        return false;
    }
    settle();
    return app.messages == 4;
}
#endif

// ---------------------------------------------------------------------------------------------
// What needs no peer

static bool helpers(void) {
    struct mg_str caps[4], out;
    bool good = ok(pmg_match(mg_str("a/b/c"), mg_str("a/*/#"), caps));
    good = ok(pmg_json_find(mg_str("{\"a\": [1, 2]}"), mg_str("$.a[1]"), &out)) && good;
    pmg_timer_t *t;
    good = ok(pmg_timer_add(app.m, 10, true, false, NULL, &t)) && good;
    good = ok(pmg_mgr_wakeup(app.m, 12345, "data", 4)) && good;
    app_run(20, 5);
    return good;
}

const scene_t scenes[] = {
    {"request", request, 0},
    {"pipeline", pipeline, 0},
    {"chunked reply", request, 1},
    {"events", request, 2},
    {"large reply", request, 7},
    {"body", body, 0},
    {"streamed body", body, 1 << 8},
    {"upload", body, 1 << 8 | 1 << 10},
    {"form", form, 1 << 9},
    {"form to a file", form, 1 << 9 | 1 << 10},
#if PMG_HAS_FILES
    {"files", files, 4},
#endif
    {"client", client, 0},
    {"websocket", websocket, 3},
    {"websocket client", websocket_client, 3},
#if PMG_HAS_TLS
    {"tls", tls, 0},
#endif
#if PMG_HAS_MQTT
    {"mqtt", mqtt, 0},
    {"mqtt session", session, 0},
#endif
    {"look-up", look_up, 0},
#if PMG_HAS_MDNS
    {"announce", announce, 0},
#endif
#if PMG_HAS_SNTP
    {"time", time_of_day, 0},
#endif
#if PMG_HAS_MODBUS
    {"modbus", modbus, 0},
#endif
    {"outer loop", request, APP_OUTER},
    {"outer websocket", websocket_client, APP_OUTER | 3},
    {"outer look-up", look_up, APP_OUTER},
    {"helpers", helpers, 0},
    {NULL, NULL, 0},
};
