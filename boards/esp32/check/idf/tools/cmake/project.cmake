# SPDX-License-Identifier: GPL-2.0-only
# A stand-in for ESP-IDF's project.cmake: MicroPython's real CMakeLists.txt and esp32_common.cmake
# run through, interned strings are collected by MicroPython's own rules, and of all sources those
# of pymongoose are compiled. tools/check/esp32.py sets the variables.

set(STAND_IN_DIR ${CMAKE_CURRENT_LIST_DIR}/../..)
file(WRITE ${CMAKE_BINARY_DIR}/idf_target "${IDF_TARGET}")
if(IDF_TARGET MATCHES "esp32[ch]")
    set(CONFIG_IDF_TARGET_ARCH_RISCV 1)
    set(CONFIG_IDF_TARGET_ARCH_XTENSA 0)
else()
    set(CONFIG_IDF_TARGET_ARCH_RISCV 0)
    set(CONFIG_IDF_TARGET_ARCH_XTENSA 1)
endif()
if(NOT EXISTS ${MICROPY_FROZEN_MANIFEST})
    message(FATAL_ERROR "no manifest: ${MICROPY_FROZEN_MANIFEST}")
endif()
unset(MICROPY_FROZEN_MANIFEST) # freezing is not what is checked here

macro(idf_component_register)
    cmake_parse_arguments(REGISTER "" "" "SRCS;INCLUDE_DIRS;LDFRAGMENTS;REQUIRES" ${ARGN})
    add_library(main STATIC)
    target_include_directories(main PUBLIC ${STAND_IN_DIR}/include ${LWIP_DIR}/src/include
        ${MBEDTLS_DIR}/include ${REGISTER_INCLUDE_DIRS})
    string(TOUPPER "CONFIG_IDF_TARGET_${IDF_TARGET}" target_macro)
    target_compile_definitions(main PUBLIC ESP_PLATFORM ${target_macro}=1
        CONFIG_IDF_TARGET_ARCH_RISCV=${CONFIG_IDF_TARGET_ARCH_RISCV}
        CONFIG_IDF_TARGET_ARCH_XTENSA=${CONFIG_IDF_TARGET_ARCH_XTENSA}
        MBEDTLS_CONFIG_FILE="mbedtls/esp_config.h")
    target_compile_options(main PRIVATE -std=gnu17 -ffunction-sections -fdata-sections -fstack-usage
        -Wall -Wextra -Werror -Wno-unused-parameter)
    set(COMPONENT_TARGET main)
    # The port's own sources want all of the IDF's headers.
    set(MICROPY_SOURCE_QSTR ${MICROPY_SOURCE_PY} ${MICROPY_SOURCE_USERMOD})
endmacro()

# From MicroPython 1.26 on.
macro(idf_build_set_property)
endmacro()

# As a component of the IDF, the one file of mbedTLS that is compiled with a header of ours.
macro(stand_in_mbedtls)
    set(part ${CMAKE_BINARY_DIR}/mbedtls)
    configure_file(${MBEDTLS_DIR}/library/ssl_tls12_client.c ${part}/ssl_tls12_client.c COPYONLY)
    file(WRITE ${part}/CMakeLists.txt "add_library(mbedtls STATIC ssl_tls12_client.c)
        target_include_directories(mbedtls PRIVATE ${MBEDTLS_DIR}/library ${MBEDTLS_DIR}/include
            ${STAND_IN_DIR}/include)
        target_compile_definitions(mbedtls PRIVATE MBEDTLS_CONFIG_FILE=\"mbedtls/esp_config.h\")")
    add_subdirectory(${part} ${part}/build)
endmacro()

macro(project name)
    _project(${name} C)
    stand_in_mbedtls()
    include(${CMAKE_SOURCE_DIR}/main/CMakeLists.txt)
endmacro()
