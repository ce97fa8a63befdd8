// SPDX-License-Identifier: GPL-2.0-only
//
// C Mongoose, without us: hello on HTTP, echo on WebSocket, one file on /file.
//     mongoose_server PORT documented|flushed|work|tcp|udp|broadcast [FILE]
// "documented" is what Mongoose's own manual shows. "flushed" is the most that can be had from
// Mongoose's own loop: the reply is built by hand and written to the socket inside the handler.
#include <signal.h>

#include "mongoose.h"

static volatile sig_atomic_t stop;
static const char *file;

static void on_signal(int number) {
    (void)number;
    stop = 1;
}

static void documented(struct mg_connection *c, int ev, void *data) {
    if (ev == MG_EV_WS_MSG) {
        struct mg_ws_message *wm = data;
        mg_ws_send(c, wm->data.buf, wm->data.len, WEBSOCKET_OP_TEXT);
    } else if (ev == MG_EV_HTTP_MSG) {
        struct mg_http_message *hm = data;
        if (mg_http_get_header(hm, "Sec-WebSocket-Key") != NULL) {
            mg_ws_upgrade(c, hm, NULL);
        } else if (file != NULL) {
            struct mg_http_serve_opts opts = {0};
            mg_http_serve_file(c, hm, file, &opts);
        } else {
            mg_http_reply(c, 200, "Content-Type: text/plain\r\n", "Hello, world!\n");
        }
    }
}

static void flush(struct mg_connection *c) {
    long n = mg_io_send(c, c->send.buf, c->send.len);
    if (n > 0) {
        mg_iobuf_del(&c->send, 0, (size_t)n);
    }
}

static void flushed(struct mg_connection *c, int ev, void *data) {
    static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
                                "Content-Length: 14\r\n\r\nHello, world!\n";
    if (ev == MG_EV_WS_MSG) {
        struct mg_ws_message *wm = data;
        mg_ws_send(c, wm->data.buf, wm->data.len, WEBSOCKET_OP_TEXT);
        flush(c);
    } else if (ev == MG_EV_HTTP_MSG) {
        struct mg_http_message *hm = data;
        if (mg_http_get_header(hm, "Sec-WebSocket-Key") != NULL) {
            mg_ws_upgrade(c, hm, NULL);
        } else {
            mg_send(c, reply, sizeof(reply) - 1);
            c->is_resp = 0;
            flush(c);
        }
    }
}

static char page[10240];

static void work(struct mg_connection *c, int ev, void *data) {
    if (ev == MG_EV_WS_MSG) {
        struct mg_ws_message *wm = data;
        mg_ws_send(c, wm->data.buf, wm->data.len, wm->flags & 15);
    } else if (ev == MG_EV_HTTP_MSG) {
        struct mg_http_message *hm = data;
        if (mg_http_get_header(hm, "Sec-WebSocket-Key") != NULL) {
            mg_ws_upgrade(c, hm, NULL);
        } else if (mg_match(hm->uri, mg_str("/page"), NULL)) {
            mg_http_reply(c, 200, "", "%.*s", (int)sizeof(page), page);
        } else if (mg_match(hm->uri, mg_str("/json"), NULL)) {
            int at, len;
            at = mg_json_get(hm->body, "$.values", &len);
            struct mg_str values = mg_str_n(hm->body.buf + at, (size_t)len), value;
            double sum = 0, number;
            for (size_t i = 0; (i = mg_json_next(values, i, NULL, &value)) > 0;) {
                sum += mg_json_get_num(value, "$", &number) ? number : 0;
            }
            mg_http_reply(c, 200, "", "{%m:%g}", MG_ESC("sum"), sum);
        } else {
            mg_http_reply(c, 200, "", "");
        }
    }
}

static void echo(struct mg_connection *c, int ev, void *data) {
    (void)data;
    if (ev == MG_EV_READ) {
        mg_send(c, c->recv.buf, c->recv.len);
        c->recv.len = 0;
    }
}

static void broadcast(struct mg_connection *c, int ev, void *data) {
    if (ev == MG_EV_WS_MSG) {
        struct mg_ws_message *wm = data;
        for (struct mg_connection *to = c->mgr->conns; to != NULL; to = to->next) {
            if (to->is_websocket) {
                mg_ws_send(to, wm->data.buf, wm->data.len, WEBSOCKET_OP_TEXT);
            }
        }
    } else if (ev == MG_EV_HTTP_MSG) {
        mg_ws_upgrade(c, data, NULL);
    }
}

static const struct {
    const char *name, *scheme;
    mg_event_handler_t fn;
} variants[] = {{"documented", "http", documented}, {"flushed", "http", flushed},
    {"work", "http", work}, {"broadcast", "http", broadcast}, {"tcp", "tcp", echo},
    {"udp", "udp", echo}};

static bool serve(struct mg_mgr *mgr, const char *port, const char *variant) {
    for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
        char url[64];
        if (strcmp(variants[i].name, variant) != 0) {
            continue;
        }
        if (i == 5) { // who can connect knows that it runs
            snprintf(url, sizeof(url), "tcp://127.0.0.1:%s", port);
            mg_listen(mgr, url, echo, NULL);
        }
        snprintf(url, sizeof(url), "%s://127.0.0.1:%s", variants[i].scheme, port);
        return (i < 4 ? mg_http_listen(mgr, url, variants[i].fn, NULL)
                      : mg_listen(mgr, url, variants[i].fn, NULL)) != NULL;
    }
    return false;
}

int main(int argc, char **argv) {
    struct mg_mgr mgr;
    if (argc < 3) {
        return 2;
    }
    file = argc > 3 ? argv[3] : NULL;
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    mg_mgr_init(&mgr);
    memset(page, 'x', sizeof(page));
    if (!serve(&mgr, argv[1], argv[2])) {
        return 1;
    }
    while (!stop) {
        mg_mgr_poll(&mgr, 1000);
    }
    mg_mgr_free(&mgr);
    return 0;
}
