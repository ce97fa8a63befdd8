# SPDX-License-Identifier: GPL-2.0-only
# What all ESP32 boards share. A board's mpconfigboard.cmake includes MicroPython's own definition
# of that board first, then this file, and holds only what differs.

get_filename_component(PMG_ESP32_DIR ${CMAKE_CURRENT_LIST_DIR} ABSOLUTE)

# The port reads these files relative to itself; the later ones win.
list(APPEND SDKCONFIG_DEFAULTS ${PMG_ESP32_DIR}/sdkconfig.pymongoose)

list(APPEND MICROPY_DEF_BOARD PMG_BOARD=1 ${PMG_DEFINES})

# A firmware has 1.9 MB of flash, most of which MicroPython takes.
if(NOT PMG_COMPILE_OPTIONS)
    set(PMG_COMPILE_OPTIONS -Os)
endif()

# MicroPython starts the IDF's own mDNS with the Wi-Fi. It shares its port with nobody, so that
# Manager.mdns_listen() would find it taken.
if(NOT PMG_DEFINES MATCHES "PMG_HAS_MDNS=0")
    list(APPEND MICROPY_DEF_BOARD MICROPY_HW_ENABLE_MDNS_QUERIES=0
        MICROPY_HW_ENABLE_MDNS_RESPONDER=0)
endif()

# A full checkout has micropython-lib: then the port's usual frozen modules come along.
if(EXISTS ${CMAKE_SOURCE_DIR}/../../lib/micropython-lib/README.md)
    set(MICROPY_FROZEN_MANIFEST ${PMG_ESP32_DIR}/manifest_full.py)
else()
    set(MICROPY_FROZEN_MANIFEST ${PMG_ESP32_DIR}/manifest.py)
endif()

# What the C leaves out is not frozen either.
set(PMG_MANIFEST ${CMAKE_BINARY_DIR}/pmg_manifest.py)
file(WRITE ${PMG_MANIFEST}
    "include(\"${MICROPY_FROZEN_MANIFEST}\", without=\"${PMG_DEFINES}\")\n")
set(MICROPY_FROZEN_MANIFEST ${PMG_MANIFEST})
