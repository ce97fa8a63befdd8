// SPDX-License-Identifier: GPL-2.0-only
//
// Random numbers in small pieces: one system call for sixteen WebSocket masks.

#include "record.h"

bool pmg_random(pmg_mgr_t *m, void *buf, size_t len) {
    if (len > sizeof(m->random)) {
        return pmg_port_random(buf, len);
    }
    if (m->random_left < len) {
        m->random_left = 0; // what a source that failed has written is not random
        if (!pmg_port_random(m->random, sizeof(m->random))) {
            return false;
        }
        m->random_left = sizeof(m->random);
    }
    m->random_left -= len;
    memcpy(buf, m->random + m->random_left, len);
    return true;
}
