# SPDX-License-Identifier: GPL-2.0-only
include(${MICROPY_PORT_DIR}/boards/W5500_EVB_PICO/mpconfigboard.cmake)
include(${MICROPY_BOARD_DIR}/../rp2/board.cmake)
