// SPDX-License-Identifier: GPL-2.0-only
#include "boards/W5500_EVB_PICO/mpconfigboard.h"
#include "../rp2/board.h"
