// SPDX-License-Identifier: GPL-2.0-only
//
// Names of events.

#include "base.h"

const char *pmg_event_name(int ev) {
    static const struct {
        int ev;
        const char *name;
    } names[] = {
#define X(name) {name, #name},
        PMG_EVENTS(X) X(MG_EV_USER)
#undef X
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].ev == ev) {
            return names[i].name;
        }
    }
    return NULL;
}

uint32_t pmg_event_bit(long ev) {
    bool known = ev >= 0 && ev < PMG_EV_END && pmg_event_name((int)ev) != NULL;
    return known && ev != MG_EV_USER ? PMG_EVENT_BIT(ev) : 0; // a program's own are never fired
}
