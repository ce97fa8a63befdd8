# SPDX-License-Identifier: GPL-2.0-only
include(${MICROPY_PORT_DIR}/boards/RPI_PICO2/mpconfigboard.cmake)
include(${MICROPY_BOARD_DIR}/../rp2/board.cmake)
