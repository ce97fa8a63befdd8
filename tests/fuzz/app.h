// SPDX-License-Identifier: GPL-2.0-only
//
// A program over the core, as a binding would run it: it does what a number says, and looks at all
// that an event has.
#ifndef PMG_FUZZ_APP_H
#define PMG_FUZZ_APP_H

#include "net.h"
#include "pmg.h"

typedef struct {
    pmg_mgr_t *m;
    unsigned what; // what it does in its events, see app.c
    bool no_poll; // poll() has failed
    bool failed; // a call of the handler that runs: it raises
    unsigned heard; // events and timers
    unsigned errors, closes, opens, messages, parts, raised;
    unsigned long bytes;
    struct mg_connection *held; // a request that waits for its answer
    struct mg_connection *last; // the newest connection that is no listener
    char error[200];            // the last one's text
    void (*also)(struct mg_connection *c, int ev, void *data);
} app_t;
extern app_t app;
enum { APP_OUTER = 1 << 11 }; // in `what`: an outer loop polls when it is told to
extern size_t app_may_leave; // blocks, in the end

// A manager with limits small enough to be reached; 0, or why there is none.
int app_begin(unsigned what);
// Ends it; aborts if anything is left: memory, connections, timers, open files.
void app_end(void);
// Runs the loop until nothing happens, `turns` times at most; ms: for so long each.
void app_run(int turns, int ms);
void app_pass(uint64_t ms); // until so much time has passed
void touch(struct mg_str s);

#if PMG_HAS_TLS
// A certificate for localhost and its key, made when this was built, beside the program.
pmg_tls_conf_t *app_tls_conf(bool server);
#endif

// Where things are.
enum { PORT_HTTP = 80, PORT_TLS = 443, PORT_MODBUS = 502, PORT_MQTT = 1883, PORT_NOBODY = 9000 };
#define URL_HTTP "http://127.0.0.1:80"
#define URL_MQTT "mqtt://127.0.0.1:1883"
#define URL_MODBUS "modbus://127.0.0.1:502"
// What stands in a file outside of the folder that is served: in no request, whose URL an answer repeats.
#define SECRET "\1SECRET\2"

#endif
