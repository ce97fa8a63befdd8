// SPDX-License-Identifier: GPL-2.0-only
//
// Countdown: each scene is played once for every single thing in it that may fail, until nothing is left
// to fail: countdown [KIND [SCENE [FROM]]]. After each, the same manager must still serve, and nothing may be
// left of it. Prints how many runs there were.

#include "scenes.h"

#include <signal.h>

static unsigned long runs;
static unsigned long at, first_at = 1, calls; // calls: in the last run
static const scene_t *scene;
static int kind;
static bool onward;
static size_t step;

static void where(void) {
    fprintf(stderr, "scene \"%s\", %s fails at call %lu%s, step %zu\n", scene->name,
        fail_names[kind], at, onward ? " and from then on" : "", step);
}

static void on_abort(int sig) {
    (void)sig;
    where();
}

// Whatever failed is over: does it still serve?
static void goes_on(void) {
    struct mg_connection *c;
    app.what &= APP_OUTER;
    app.also = NULL;
    net_step = 0;
    if (pmg_listen(app.m, "http://127.0.0.1:81", &pmg_http, -1, NULL, &c) < 0) {
        fprintf(stderr, "no listener afterwards\n");
        abort();
    }
    net_end_t *e = net_dial(81);
    const char text[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    net_put(e, text, sizeof(text) - 1);
    app_run(400, 0);
    app_run(20, 100);
    struct mg_str got = net_got(e);
    if (got.len < 12 || memcmp(got.buf, "HTTP/1.1 200", 12) != 0) {
        fprintf(stderr, "not served afterwards: %.*s\n", (int)got.len, got.buf);
        abort();
    }
}

// True if something failed in it.
static bool play(void) {
    fail_none();
    fail_at(kind, at, onward, 0);
    runs++;
    scene_told = false;
    int err = app_begin(scene->what);
    bool good = false, failed;
    net_step = step;
    if (err == 0) {
        good = scene->play();
        if (!good) {
            app_pass(100000); // a deadline tells it
        }
        failed = fail[kind].failed > 0;
        calls = fail[kind].calls;
        fail_none();
        scene_told = scene_told || app.errors > 0 || app.closes > 0 || app.raised > 0 || app.no_poll || net_somebody_waits();
        if (!good && !failed) {
            fprintf(stderr, "it does not come to its end though nothing fails: %s\n", app.error);
            abort();
        }
        if (!good && !scene_told) {
            fprintf(stderr, "what failed was told nobody: %u opened, %u messages\n", app.opens,
                app.messages);
            abort();
        }
        goes_on();
    } else {
        failed = fail[kind].failed > 0;
        fail_none();
        if (!failed) {
            abort();
        }
    }
    app_end();
    return failed;
}

#define MOST 120 // runs of one with TLS, each time that it is counted down

static void count_down(void) {
    unsigned long first = runs;
    bool tls = strcmp(scene->name, "tls") == 0;
    app_may_leave = kind == FAIL_ALLOC && tls ? 4 : 0;
    for (int i = 0; i < 4; i++) {
        onward = (i & 1) != 0;
        step = i & 2 ? scene->what == 7 || tls ? 997 : 7 : 0; // long ones: in some hundreds
        at = 0;
        play();
        // Thousands of these are alike, the cryptography's: a share; PMG_ALL=1: all.
        unsigned long stride = tls && getenv("PMG_ALL") == NULL ? 1 + calls / MOST : 1;
        for (at = first_at; play(); at += stride) {
        }
    }
    printf("%-18s %-8s %6lu runs\n", scene->name, fail_names[kind], runs - first);
    fflush(stdout);
}

int main(int argc, char **argv) {
    struct sigaction on = {.sa_handler = on_abort, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGABRT, &on, NULL);
    first_at = argc > 3 ? strtoul(argv[3], NULL, 10) : 1;
    for (kind = 0; kind < FAIL_KINDS; kind++) {
        if (argc > 1 && strcmp(argv[1], fail_names[kind]) != 0 && strcmp(argv[1], "all") != 0) {
            continue;
        }
        for (scene = scenes; scene->name != NULL; scene++) {
            if (argc <= 2 || strcmp(argv[2], scene->name) == 0) {
                count_down();
            }
        }
    }
    printf("%lu runs\n", runs);
    return runs == 0;
}
