// SPDX-License-Identifier: GPL-2.0-only
#include "boards/RPI_PICO_W/mpconfigboard.h"
#include "../rp2/board.h"
