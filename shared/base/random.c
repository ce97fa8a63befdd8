// SPDX-License-Identifier: GPL-2.0-only
//
// Random numbers in small pieces: one system call for sixteen WebSocket masks.

#include "record.h"

void pmg_random(pmg_mgr_t *m, void *buf, size_t len) {
    if (len > sizeof(m->random)) {
        (void)pmg_port_random(buf, len);
        return;
    }
    if (m->random_left < len) {
        (void)pmg_port_random(m->random, sizeof(m->random));
        m->random_left = sizeof(m->random);
    }
    m->random_left -= len;
    memcpy(buf, m->random + m->random_left, len);
}
