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
        PMG_CONSTANTS(X)
#undef X
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].ev == ev && strncmp(names[i].name, "MG_EV_", 6) == 0) {
            return names[i].name;
        }
    }
    return NULL;
}
