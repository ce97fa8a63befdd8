// SPDX-License-Identifier: GPL-2.0-only
#ifndef PMG_UNIX_LWIP_SYS_H
#define PMG_UNIX_LWIP_SYS_H

#include "freertos/semphr.h"

#endif
