// SPDX-License-Identifier: GPL-2.0-only
#include "boards/ESP32_GENERIC_S3/mpconfigboard.h"
