// SPDX-License-Identifier: GPL-2.0-only
// Mongoose as one source file of this module. It is found on the include path, configured by
// shared/mongoose_config.h, and hidden from the scan for interned strings: it holds none.
#ifndef NO_QSTR
#ifndef MG_ARCH
#define MG_ARCH MG_ARCH_CUSTOM
#endif
#include "mongoose.c"
#endif
