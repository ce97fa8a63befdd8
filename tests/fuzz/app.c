// SPDX-License-Identifier: GPL-2.0-only
//
// The program under the fuzzers and countdowns. The low bits of `what` say how a request is answered,
// the others what goes wrong in a handler.

#include "app.h"

#include <unistd.h>

app_t app;

void __lsan_do_leak_check(void);

// Mbed TLS 3.6 frees a half-made transform of TLS 1.3 without what it holds when memory ends in the
// middle: a few blocks, for each handshake that fails so.
size_t app_may_leave;
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:mbedtls_ssl_tls13_populate_transform\n";
}

enum {
    RAISES = 1 << 4,      // every third event
    STOPS = 1 << 5,       // every fifth leaves poll()
    CLOSES = 1 << 6,      // after its second message
    SENDS_TWICE = 1 << 7, // what is refused
    STREAMS = 1 << 8,
    FORMS = 1 << 9,
    SAVES = 1 << 10,
    OUTER = APP_OUTER
};

void touch(struct mg_str s) {
    static volatile unsigned char sum;
    for (size_t i = 0; i < s.len; i++) {
        sum = (unsigned char)(sum + (unsigned char)s.buf[i]);
    }
}

static void touch_all(const pmg_http_msg_t *hm) {
    struct mg_str fields[] = {hm->method, hm->uri, hm->query, hm->proto, hm->body, hm->head};
    char text[4096];
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        touch(fields[i]);
    }
    for (int i = 0; i < hm->num_headers; i++) {
        touch(hm->headers[i].name);
        touch(hm->headers[i].value);
    }
    touch(pmg_http_header(hm, mg_str("content-type")));
    touch(pmg_http_header_var(hm, mg_str("Content-Type"), mg_str("charset")));
    touch(pmg_http_cookie(hm, mg_str("a")));
    struct mg_str raw = pmg_http_query_var(hm, mg_str("q"));
    if (raw.len <= sizeof(text)) {
        (void)pmg_url_decode(raw, text);
    }
    size_t len = pmg_http_header_joined(hm, mg_str("X"), NULL);
    if (len > 0 && len <= sizeof(text)) {
        (void)pmg_http_header_joined(hm, mg_str("X"), text);
        touch(mg_str_n(text, len));
    }
}

// ---------------------------------------------------------------------------------------------
// Answers

static void ok(int result) {
    app.failed = app.failed || result < 0;
}

static void reply(struct mg_connection *c, int status, const char *header, const char *value,
    struct mg_str body) {
    pmg_head_t h;
    int err = pmg_reply_begin(&h, c, status);
    if (err == 0 && header != NULL &&
        (err = pmg_head_header(&h, mg_str(header), mg_str(value))) < 0) {
        pmg_head_abort(&h);
    }
    ok(err < 0 ? err : pmg_reply_end(&h, body));
}

static void answer(struct mg_connection *c, const pmg_http_msg_t *hm, unsigned what) {
    static char big[100000];
#if PMG_HAS_FILES
    pmg_serve_t serve = {.root = "/www,/x=/other,/fat=/fat", .page404 = "/www/404.html"};
#endif
    pmg_head_t h;
    switch (what & 15) {
        case 1:
            reply(c, 200, "Transfer-Encoding", "chunked", mg_str(""));
            ok(pmg_http_chunk(c, "part", 4));
            ok(pmg_http_chunk(c, "", 0));
            break;
        case 2:
            reply(c, 200, "Content-Type", "text/event-stream", mg_str(""));
            ok(pmg_http_sse(c, mg_str("t"), mg_str("a\nb"), mg_str("1"), 5));
            pmg_drain(c);
            break;
        case 3:
            ok(pmg_ws_upgrade_begin(&h, c, hm));
            if (!app.failed) {
                ok(pmg_ws_upgrade_end(&h));
            }
            break;
#if PMG_HAS_FILES
        case 4:
            ok(pmg_serve_dir(c, hm, &serve));
            break;
        case 5:
            serve.root = "/www/file.txt";
            ok(pmg_serve_file(c, hm, &serve));
            break;
#endif
        case 6:
            app.held = c;
            break;
        case 7:
            reply(c, 200, NULL, NULL, mg_str_n(big, sizeof(big)));
            break;
        case 8:
            reply(c, 204, "X-A", "b", mg_str(""));
            pmg_drain(c);
            break;
        case 9:
            (void)pmg_send(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 40);
            break;
        case 10:
            (void)pmg_error(c, "no");
            break;
        default:
            reply(c, 200, NULL, NULL, mg_str("hello"));
    }
    if (what & SENDS_TWICE) {
        reply(c, 200, NULL, NULL, mg_str("twice"));
        (void)pmg_http_chunk(c, "x", 1);
        (void)pmg_ws_send(c, "x", 1, WEBSOCKET_OP_TEXT);
    }
}

#if PMG_HAS_MQTT
static void on_mqtt(struct mg_connection *c, int ev, const pmg_mqtt_msg_t *msg) {
    struct mg_str filter, none = {NULL, 0};
    pmg_mqtt_prop_t prop;
    int options;
    touch(msg->topic);
    touch(msg->data);
    touch(msg->client_id);
    touch(msg->username);
    touch(msg->password);
    for (size_t ofs = 0; (ofs = pmg_mqtt_next_prop(msg, ofs, &prop)) > 0;) {
        touch(prop.key);
        touch(prop.val);
    }
    for (size_t ofs = 0; (ofs = pmg_mqtt_next_topic(msg, ofs, &filter, &options)) > 0;) {
        touch(filter);
        (void)pmg_mqtt_match(filter, mg_str("a/b/c"));
    }
    if (ev == MG_EV_MQTT_MSG && (app.what & 1)) {
        (void)pmg_mqtt_pub(c, mg_str("back"), msg->data, (app.what >> 1) & 1 ? 2 : 1, false, 0, none);
    } else if (ev == MG_EV_MQTT_CMD && (app.what & 2)) {
        uint8_t codes[2] = {(uint8_t)(app.what & 4 ? 0x87 : 0), 1};
        (void)pmg_mqtt_ack(c, msg, codes, 1, false, none);
    }
}
#endif

#if PMG_HAS_MODBUS
static void on_modbus(struct mg_connection *c, const pmg_modbus_msg_t *msg) {
    pmg_modbus_values_t v;
    for (int i = 0; i < msg->num_values; i++) {
        (void)pmg_modbus_value(msg, i);
    }
    pmg_modbus_values(&v, msg->func);
    for (int i = 0; msg->func <= 4 && i < msg->count && i < v.max; i++) {
        (void)pmg_modbus_put(&v, i & 1);
    }
    if ((app.what & 3) != 3) {
        (void)pmg_modbus_reply(c, &v, app.what & 1 ? 2 : 0);
    }
}
#endif

// ---------------------------------------------------------------------------------------------
// Hooks

static void handle(struct mg_connection *c, int ev, void *data) {
    pmg_http_msg_t *hm = data;
    pmg_ws_msg_t *wm = data;
    switch (ev) {
        case MG_EV_ERROR:
            app.errors++;
            pmg_snprintf(app.error, sizeof(app.error), "%s", (const char *)data);
            break;
        case MG_EV_CLOSE:
            app.closes++;
            app.held = app.held == c ? NULL : app.held;
            app.last = app.last == c ? NULL : app.last;
            break;
        case MG_EV_HTTP_HDRS:
            touch_all(hm);
#if PMG_HAS_STREAM
            if (app.what & FORMS) {
                ok(pmg_http_stream_form(c, 5000, 4));
            } else if (app.what & STREAMS) {
                ok(pmg_http_stream_body(c, app.what & SAVES ? "/up/file" : NULL, 5000, 0));
            }
#endif
            break;
#if PMG_HAS_FORM
        case MG_EV_HTTP_PART: {
            pmg_form_part_t *p = data;
            touch(p->name);
            touch(p->filename);
            touch(p->content_type);
            app.parts++;
            if (app.what & SAVES) {
                ok(pmg_http_part_save(c, "/up/part"));
            }
            break;
        }
#endif
        case MG_EV_HTTP_BODY:
            touch(*(struct mg_str *)data);
            app.bytes += ((struct mg_str *)data)->len;
            break;
        case MG_EV_HTTP_MSG:
            touch_all(hm);
            app.messages++;
            if (c->is_accepted) {
                answer(c, hm, app.what);
            }
            break;
        case MG_EV_WS_OPEN:
            app.opens++;
            break;
        case MG_EV_WS_MSG:
            touch(wm->data);
            app.messages++;
            ok(pmg_ws_send(c, wm->data.buf, wm->data.len, wm->flags));
            break;
        case MG_EV_WS_CTL:
            touch(wm->data);
            break;
#if PMG_HAS_MQTT
        case MG_EV_MQTT_CMD:
        case MG_EV_MQTT_MSG:
            app.messages++;
            on_mqtt(c, ev, data);
            break;
        case MG_EV_MQTT_OPEN:
            app.opens++;
            break;
#endif
#if PMG_HAS_MODBUS
        case MG_EV_MODBUS_REQ:
            app.messages++;
            on_modbus(c, data);
            break;
        case MG_EV_MODBUS_RESP:
            app.messages++;
            for (int i = 0; i < ((pmg_modbus_msg_t *)data)->num_values; i++) {
                (void)pmg_modbus_value(data, i);
            }
            break;
#endif
#if PMG_HAS_MDNS
        case MG_EV_MDNS_REQ:
            app.messages++;
            touch(((pmg_mdns_req_t *)data)->name);
            break;
        case MG_EV_MDNS_RESP: {
            const pmg_mdns_resp_t *r = data;
            struct mg_str rest = r->txt, key, value;
            app.messages++;
            touch(r->name);
            touch(r->instance);
            touch(r->host);
            touch(r->address);
            touch(mg_str(r->address_text));
            while (pmg_mdns_txt_next(&rest, &key, &value)) {
                touch(key);
                touch(value);
            }
            break;
        }
#endif
        case MG_EV_SNTP_TIME:
            app.messages++;
            break;
        case MG_EV_TLS_HS:
            app.opens++;
            break;
        case MG_EV_READ:
            if (pmg_recv_peek(c).len > 0 && !c->is_udp && (app.what & CLOSES)) {
                touch(pmg_recv_peek(c));
                (void)pmg_recv_consume(c, pmg_recv_peek(c).len / 2 + 1);
            }
            break;
        default:
            break;
    }
    if (app.also != NULL) {
        app.also(c, ev, data);
    }
}

static int on_open(struct mg_connection *c, struct mg_connection *listener, void *arg) {
    (void)arg;
    if (fails(FAIL_ALLOC)) { // the binding's object
        return -ENOMEM;
    }
    *pmg_conn_obj(c) = c;
    if (listener != NULL || c->is_client) {
        app.last = c;
    }
    return 0;
}

static int on_event(struct mg_connection *c, int ev, void *data) {
    static unsigned count;
    app.heard += ev != MG_EV_POLL;
    app.failed = false;
    handle(c, ev, data);
    bool failed = app.failed;
    app.failed = false;
    if ((app.what & CLOSES) && app.messages >= 2 && ev != MG_EV_CLOSE) {
        pmg_close(c);
    }
    count++;
    if ((app.what & STOPS) && count % 5 == 0) {
        return PMG_STOP;
    }
    if (failed) {
        app.raised++;
        return PMG_RAISED;
    }
    if ((app.what & RAISES) && count % 3 == 0) {
        app.raised++;
        return count % 2 ? PMG_RAISED : PMG_CLIENT_FAULT;
    }
    return 0;
}

static void on_free(struct mg_connection *c) {
    pmg_addr_t a;
    pmg_conn_remote_addr(c, &a);
    *pmg_conn_obj(c) = NULL;
    app.held = app.held == c ? NULL : app.held;
    app.last = app.last == c ? NULL : app.last;
}

static int on_timer(pmg_timer_t *t) {
    (void)t;
    app.heard++;
    return 0;
}

static void on_timer_free(pmg_timer_t *t) {
    (void)t;
}

static const pmg_hooks_t hooks = {on_open, on_event, on_free, on_timer, on_timer_free};

int app_begin(unsigned what) {
    pmg_limits_t limits;
    port_begin();
    memset(&app, 0, sizeof(app));
    app.what = what;
    port_file("/www/file.txt", "0123456789", 10);
    port_file("/www/404.html", "none", 4);
    port_file("/www/sub/a&b.txt.gz", "zip", 3);
    port_file("/other/index.html", "other", 5);
    port_file("/fat/NAME.TXT", "fat", 3);
    port_file("/secret", SECRET, sizeof(SECRET) - 1);
    pmg_limits_default(&limits);
    limits.max_conns = 20;
    limits.max_head = 2048;
    limits.max_body = limits.max_message = limits.max_recv = 8192;
    limits.max_memory = 400000;
    return pmg_mgr_new(&app.m, &hooks, &limits, &app);
}

void app_end(void) {
    pmg_live_t live;
    if (app.m != NULL) {
        pmg_mgr_free(app.m, false);
        app.m = NULL;
    }
    pmg_live(&live);
    if (live.blocks <= app_may_leave) { // LeakSanitizer looks at what it is, when all has ended
        pmg_mem_forget((long)live.blocks);
        live.blocks = 0;
    }
    if (live.managers || live.connections || live.timers || live.blocks) {
        fprintf(stderr, "left: %zu managers, %zu connections, %zu timers, %zu blocks\n",
            live.managers, live.connections, live.timers, live.blocks);
        __lsan_do_leak_check(); // says where they came from
        abort();
    }
    net_end();
    port_files_clear();
}

static bool may_fail(void) {
    for (int i = 0; i < FAIL_KINDS; i++) {
        if (fail[i].at != 0) {
            return true;
        }
    }
    return false;
}

// One turn of an outer loop, which sleeps for as long as it was told to. What it is not woken for must
// not be there: it would have come late.
static int outer_turn(int ms) {
    bool ready = pmg_mgr_ready(app.m);
    unsigned heard = app.heard;
    long left;
    if (!ready && ms > 0) {
        bool due = pmg_mgr_timeout(app.m, &left) == 0 && left >= 0 && left <= ms;
        port_now += (uint64_t)(due ? left : ms);
        ready = due;
    }
    int n = pmg_mgr_poll(app.m, 0);
    if (!ready && app.heard != heard && !may_fail()) {
        fprintf(stderr, "outside loop: nothing was ready, and %u events came\n", app.heard - heard);
        abort();
    }
    return n;
}

void app_run(int turns, int ms) {
    for (int i = 0, failures = 0; i < turns && failures < 100; i++) {
        int n = app.what & OUTER ? outer_turn(ms) : pmg_mgr_poll(app.m, ms);
        failures = n < 0 ? failures + 1 : 0;
        app.no_poll = app.no_poll || n < 0;
        if (n == 0 && ms == 0) {
            break;
        }
    }
}

void app_pass(uint64_t ms) {
    uint64_t end = port_now + ms;
    for (int i = 0; port_now < end && i < 5000; i++) {
        app_run(1, 1000);
    }
}

#if PMG_HAS_TLS
static char *slurp(const char *name) {
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);
    while (n > 0 && path[n - 1] != '/') {
        n--;
    }
    strcpy(path + (n > 0 ? n : 0), name);
    FILE *f = fopen(path, "rb");
    char *text = calloc(1, 16384);
    if (f == NULL || text == NULL || fread(text, 1, 16383, f) == 0) {
        perror(path);
        exit(2);
    }
    fclose(f);
    return text;
}

pmg_tls_conf_t *app_tls_conf(bool server) {
    static char *cert, *key;
    pmg_tls_conf_t *conf;
    char text[200];
    if (cert == NULL) {
        cert = slurp("cert.pem");
        key = slurp("key.pem");
    }
    pmg_tls_opts_t opts = {.name = server ? NULL : "localhost"};
    if (server) {
        opts.cert = mg_str(cert);
        opts.key = mg_str(key);
    } else {
        opts.ca = mg_str(cert);
    }
    return pmg_tls_conf_new(&opts, &conf, text, sizeof(text)) == 0 ? conf : NULL;
}
#endif
