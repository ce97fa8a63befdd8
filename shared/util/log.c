// SPDX-License-Identifier: GPL-2.0-only
//
// The log: one line for each event that a handler is called with, by level. Mongoose's own log is
// compiled out (it formats each line even when nobody wants it); this one stands between the core
// and the binding's hooks only while a level is set, so that it costs nothing otherwise.

#include "../core/core_int.h"
#include "util.h"

#if PMG_HAS_UTIL

#define LINE_MAX_LEN 120

static void attach(pmg_mgr_t *m);
static void log_event(struct mg_connection *c, int ev, const void *data);

void pmg_log_set(int level) {
    level = level < MG_LL_NONE ? MG_LL_NONE : level > MG_LL_VERBOSE ? MG_LL_VERBOSE : level;
    pmg_log_switch.attach = attach;
    pmg_log_switch.note = log_event;
    __atomic_store_n(&pmg_log_switch.level, level, __ATOMIC_RELEASE);
}

int pmg_log_get(void) {
    return __atomic_load_n(&pmg_log_switch.level, __ATOMIC_RELAXED);
}

static void write_line(struct mg_connection *c, const char *what, struct mg_str a,
    struct mg_str b) {
    char line[LINE_MAX_LEN];
    size_t room = sizeof(line) - 1; // for the newline
    size_t n = pmg_snprintf(line, room, "pymongoose %lu %s%s%.*s%s%.*s", c->id, what,
        a.len > 0 ? " " : "", (int)(a.len < room ? a.len : room), a.buf, b.len > 0 ? " " : "",
        (int)(b.len < room ? b.len : room), b.buf);
    n = n < room ? n : room - 1;
    for (size_t i = 0; i < n; i++) { // one line, whatever a peer sent
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f) {
            line[i] = '?';
        }
    }
    line[n++] = '\n';
    pmg_port_log(line, n);
}

// Apart, so that its room is given back before the handler runs: a board's stack is small.
__attribute__((noinline)) static void log_event(struct mg_connection *c, int ev, const void *data) {
    struct mg_str words[2] = {{"", 0}, {"", 0}};
    char number[24];
    const pmg_protocol_t *speaks = pmg_x(c)->speaks;
    if (ev == MG_EV_ERROR) {
        words[0] = mg_str(data);
    } else if (ev == MG_EV_READ || ev == MG_EV_WRITE) {
        pmg_snprintf(number, sizeof(number), "%lu", (unsigned long)*(const size_t *)data);
        words[0] = mg_str(number);
    } else if (speaks->describe != NULL) {
        speaks->describe(ev, data, words, number);
    }
    const char *name = pmg_event_name(ev);
    write_line(c, name != NULL ? name : "event", words[0], words[1]);
}

static int level_of(int ev) {
    return ev == MG_EV_ERROR ? MG_LL_ERROR
           : ev == MG_EV_OPEN || ev == MG_EV_CLOSE || ev == MG_EV_ACCEPT || ev == MG_EV_CONNECT
               ? MG_LL_INFO
           : ev == MG_EV_READ || ev == MG_EV_WRITE || ev == MG_EV_POLL ? MG_LL_VERBOSE
                                                                       : MG_LL_DEBUG;
}

static int logged_event(struct mg_connection *c, int ev, void *data) {
    if (level_of(ev) <= pmg_log_get()) {
        log_event(c, ev, data);
    }
    return pmg_m(c)->given_hooks->event(c, ev, data);
}

// Between the core and the binding's hooks, or out of there again.
static void attach(pmg_mgr_t *m) {
    m->log_level = pmg_log_get();
    m->hooks.event = m->log_level > MG_LL_NONE ? logged_event : m->given_hooks->event;
}

#endif
