// SPDX-License-Identifier: GPL-2.0-only
//
// C Mongoose, without us: hello on HTTP, echo on WebSocket, one file on /file.
//     mongoose_server PORT documented|flushed [FILE]
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

int main(int argc, char **argv) {
    struct mg_mgr mgr;
    char url[64];
    if (argc < 3) {
        return 2;
    }
    file = argc > 3 ? argv[3] : NULL;
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    mg_mgr_init(&mgr);
    snprintf(url, sizeof(url), "http://127.0.0.1:%s", argv[1]);
    if (mg_http_listen(&mgr, url, strcmp(argv[2], "flushed") == 0 ? flushed : documented, NULL) ==
        NULL) {
        return 1;
    }
    while (!stop) {
        mg_mgr_poll(&mgr, 1000);
    }
    mg_mgr_free(&mgr);
    return 0;
}
