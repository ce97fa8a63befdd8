// SPDX-License-Identifier: GPL-2.0-only
#include "boards/ESP32_GENERIC/mpconfigboard.h"
