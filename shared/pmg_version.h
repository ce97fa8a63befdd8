// SPDX-License-Identifier: GPL-2.0-only
// The project's version: the wheel and both runtimes' `__version__` take it from here.
#ifndef PMG_VERSION_H
#define PMG_VERSION_H

#define PMG_VERSION "0.1.0"
// Seconds since 1970: the release's month. A clock that says less was never set.
#define PMG_RELEASED 1793491200 // 2026-11-01

#endif
