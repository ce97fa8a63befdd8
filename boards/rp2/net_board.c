// SPDX-License-Identifier: GPL-2.0-only
//
// Loopback: a packet that the board sends to itself waits in its interface's queue until lwIP is
// entered anew, from PendSV, as packets of other interfaces are.

#include "py/mpconfig.h"

#if MICROPY_PY_LWIP

#include <stdbool.h>
#include "lwip/netif.h"
#include "pendsv.h"
#include "ppp_output.h"

volatile unsigned char pmg_ppp_output;

static void loopback_dispatch(void) {
    struct netif *netif;
    bool more;
    // What is answered meanwhile is delivered, too: a dispatch asked for in here may get lost.
    do {
        more = false;
        NETIF_FOREACH(netif) {
            if (netif->loop_first != NULL) {
                more = true;
                netif_poll(netif);
            }
        }
    } while (more);
}

err_t pmg_loopback_pending(void (*poll)(struct netif *), struct netif *netif) {
    (void)poll, (void)netif;
    pendsv_schedule_dispatch(PENDSV_DISPATCH_LOOPBACK, loopback_dispatch);
    return ERR_OK;
}

#endif
