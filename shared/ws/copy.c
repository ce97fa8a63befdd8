// SPDX-License-Identifier: GPL-2.0-only

#include "../core/core_int.h"
#include "ws.h"

pmg_copy_t *pmg_ws_copy(pmg_mgr_t *m, unsigned long id, const pmg_ws_msg_t *msg) {
    pmg_copy_t *copy = pmg_copy_new(m, id, sizeof(*msg) + msg->data.len);
    if (copy != NULL) {
        pmg_ws_msg_t *to = (void *)(copy + 1);
        char *at = (char *)(to + 1);
        to->flags = msg->flags;
        to->data = pmg_copy_str(&at, msg->data);
        copy->msg = to;
    }
    return copy;
}
