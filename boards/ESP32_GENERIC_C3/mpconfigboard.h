// SPDX-License-Identifier: GPL-2.0-only
#include "boards/ESP32_GENERIC_C3/mpconfigboard.h"
