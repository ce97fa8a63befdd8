# SPDX-License-Identifier: GPL-2.0-only
# What all RP2 boards share. A board's mpconfigboard.cmake includes MicroPython's own definition
# of that board first, then this file, and holds only what differs.

set(PMG_RP2_DIR ${CMAKE_CURRENT_LIST_DIR})
get_filename_component(PMG_TOP_DIR ${PMG_RP2_DIR}/../.. ABSOLUTE)

set(MICROPY_PY_LWIP ON)

# Before all other folders: our lwipopts.h sets table sizes, then includes the port's.
include_directories(BEFORE ${PMG_RP2_DIR}/include)

# A folder that came with pico-sdk 2.2: MicroPython 1.26 does not name it to its scan for interned
# strings.
get_filename_component(PMG_PLATFORM_COMMON
    ${PICO_SDK_PATH}/src/rp2_common/pico_platform_common/include ABSOLUTE)
if(EXISTS ${PMG_PLATFORM_COMMON})
    include_directories(${PMG_PLATFORM_COMMON})
endif()

# `ssl` and pymongoose share one Mbed TLS: the port's configuration and some more.
set(MBEDTLS_CONFIG_FILE ${PMG_RP2_DIR}/mbedtls_config.h)
set(PMG_TLS13 ON)

list(APPEND MICROPY_SOURCE_BOARD ${PMG_RP2_DIR}/flash_board.c ${PMG_RP2_DIR}/net_board.c
    ${PMG_RP2_DIR}/ppp_link.c)
# With twice the RAM: include/lwipopts.h has room for them.
if(PICO_BOARD MATCHES "pico2")
    list(APPEND MICROPY_DEF_BOARD PMG_BOARD_CONNS=32)
endif()
list(APPEND MICROPY_DEF_BOARD PMG_BOARD=1 PMG_IO_LWIP=1 PMG_HASH_MBEDTLS=1 ${PMG_DEFINES})

# Flash is dearer than a few cycles. Optimized as a whole, our sources are 5 KB smaller.
if(NOT PMG_COMPILE_OPTIONS)
    set(PMG_COMPILE_OPTIONS -Os -fno-tree-pre -fno-tree-switch-conversion -flto)
endif()

# Upstream's PPP calls lwIP without its lock, and its writes may run Python in the middle of lwIP.
set_source_files_properties(${MICROPY_DIR}/extmod/network_ppp_lwip.c PROPERTIES
    COMPILE_OPTIONS "-O2;-I${PMG_RP2_DIR};-include;${PMG_RP2_DIR}/ppp_locked.h")
set_source_files_properties(${MICROPY_DIR}/extmod/machine_uart.c PROPERTIES
    COMPILE_OPTIONS "-O2;-I${PMG_RP2_DIR};-include;${PMG_RP2_DIR}/uart_wait.h")
set_source_files_properties(${PMG_RP2_DIR}/ppp_link.c PROPERTIES COMPILE_OPTIONS -O2)
# ppp_link.c has the frame check's table.
set_source_files_properties(${MICROPY_DIR}/lib/lwip/src/netif/ppp/pppos.c PROPERTIES
    COMPILE_DEFINITIONS PPP_FCS_TABLE=0)

# MicroPython's own board definitions hold the names of the pins, where a board has any.
if(NOT EXISTS ${MICROPY_BOARD_DIR}/pins.csv
        AND EXISTS ${MICROPY_PORT_DIR}/boards/${MICROPY_BOARD}/pins.csv)
    set(GEN_PINS_BOARD_CSV ${MICROPY_PORT_DIR}/boards/${MICROPY_BOARD}/pins.csv)
    set(GEN_PINS_CSV_ARG --board-csv ${GEN_PINS_BOARD_CSV})
endif()

# A full checkout has micropython-lib: then the board's usual frozen modules come along.
if(EXISTS ${MICROPY_DIR}/lib/micropython-lib/README.md)
    set(MICROPY_FROZEN_MANIFEST ${MICROPY_BOARD_DIR}/manifest.py)
else()
    set(MICROPY_FROZEN_MANIFEST ${PMG_RP2_DIR}/manifest.py)
endif()

# What the C leaves out is not frozen either.
set(PMG_MANIFEST ${CMAKE_BINARY_DIR}/pmg_manifest.py)
file(WRITE ${PMG_MANIFEST}
    "include(\"${MICROPY_FROZEN_MANIFEST}\", without=\"${PMG_DEFINES}\")\n")
set(MICROPY_FROZEN_MANIFEST ${PMG_MANIFEST})

# When the port has made its target: a firmware that reaches into the file system does not build.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
function(pmg_check_flash)
    add_custom_command(TARGET ${MICROPY_TARGET} POST_BUILD VERBATIM
        COMMAND ${Python3_EXECUTABLE} ${PMG_RP2_DIR}/flash_fits.py
            $<TARGET_FILE:${MICROPY_TARGET}> ${CMAKE_NM} ${MICROPY_BOARD})
endfunction()
cmake_language(DEFER CALL pmg_check_flash)
