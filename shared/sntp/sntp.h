// SPDX-License-Identifier: GPL-2.0-only
//
// SNTP as a binding uses it.
// May Python run?  In pmg_sntp_request, if the time server cannot be asked: MG_EV_ERROR.
#ifndef PMG_SNTP_H
#define PMG_SNTP_H

#include "../base/protocol.h"

#if PMG_HAS_SNTP
// Of a client: asks for the time once connected, and closes after MG_EV_SNTP_TIME unless that asked
// again.
extern const pmg_protocol_t pmg_sntp;

// Asks for the time, now or once connected; MG_EV_SNTP_TIME or MG_EV_ERROR follow. While a request
// is under way it does nothing. -EINVAL: no client of UDP; -EPIPE: closing.
int pmg_sntp_request(struct mg_connection *c);
#endif

#endif
