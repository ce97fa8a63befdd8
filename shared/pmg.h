// SPDX-License-Identifier: GPL-2.0-only
//
// What a binding calls. This header is the contract; the parts have theirs in *_int.h.
//
// Errors    A function that can fail returns >= 0 or a negative errno; pmg_error_text() then says
//           what was wrong in one line. A binding turns it into an exception by one table:
//           -EINVAL ValueError, -ENOMEM MemoryError, all else pymongoose.Error with .errno.
// Thread    A manager and all that belongs to it is used by one thread at a time;
//           pmg_mgr_wakeup() alone may be called from any thread.
// Lifetime  A `struct mg_connection *` is valid from the open hook to the end of the free hook. A
//           binding keeps it in its Connection object and clears it in the free hook: connections
//           are freed only between events, so it is valid for as long as it is set.
//           Message views are valid until the event hook that received them returns.
// Nesting   Any function but pmg_mgr_poll() and pmg_mgr_free() may be called inside an event hook,
//           and may call the event hook again before it returns (connect, listen, ws_upgrade, error).
// Units     Sizes in bytes, times in milliseconds, ports in host byte order.
#ifndef PMG_H
#define PMG_H

#include "base/types.h"
#include "base/utf8.h"
#include "core/core.h"
#include "http/http.h"
#include "http/multipart.h"
#include "http/route.h"
#include "mdns/mdns.h"
#include "modbus/modbus.h"
#include "mqtt/mqtt.h"
#include "mqtt/session.h"
#include "open/open.h"
#include "pmg_version.h"
#include "sntp/sntp.h"
#include "tls/tls.h"
#include "util/util.h"
#include "ws/ws.h"

#endif
