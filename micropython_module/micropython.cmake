# SPDX-License-Identifier: GPL-2.0-only
# The user module for MicroPython's CMake ports (rp2, esp32):
#   -DUSER_C_MODULES=<this repository>/micropython_module/micropython.cmake
# MONGOOSE_DIR (variable or environment) names the folder with mongoose.c; without it
# tools/deps/deps.py finds or fetches it.

set(PMG_MODULE_DIR ${CMAKE_CURRENT_LIST_DIR})
get_filename_component(PMG_TOP ${PMG_MODULE_DIR} DIRECTORY)

if(NOT MONGOOSE_DIR)
    set(MONGOOSE_DIR "$ENV{MONGOOSE_DIR}")
endif()
if(NOT MONGOOSE_DIR)
    find_package(Python3 REQUIRED COMPONENTS Interpreter)
    execute_process(
        COMMAND ${Python3_EXECUTABLE} ${PMG_TOP}/tools/deps/deps.py --path mongoose
        OUTPUT_VARIABLE MONGOOSE_DIR
        OUTPUT_STRIP_TRAILING_WHITESPACE
    )
endif()
if(NOT EXISTS ${MONGOOSE_DIR}/mongoose.c)
    message(FATAL_ERROR "No mongoose.c: run \"make deps\" in pymongoose, or set MONGOOSE_DIR")
endif()

# Every source reached from here is scanned for interned strings; mongoose_unit.c hides itself.
file(GLOB PMG_SOURCES CONFIGURE_DEPENDS ${PMG_TOP}/shared/*/*.c ${PMG_TOP}/shared/io/*/*.c
    ${PMG_MODULE_DIR}/*.c)

add_library(usermod_pymongoose INTERFACE)
target_sources(usermod_pymongoose INTERFACE ${PMG_SOURCES})
target_include_directories(usermod_pymongoose INTERFACE
    ${PMG_TOP}/shared
    ${PMG_MODULE_DIR}
    ${MONGOOSE_DIR}
)
target_compile_definitions(usermod_pymongoose INTERFACE MG_ARCH=MG_ARCH_CUSTOM)

if(PICO_BOARD)
    # port_pico.c puts a lock round them.
    target_link_options(usermod_pymongoose INTERFACE
        LINKER:--wrap=m_tracked_calloc LINKER:--wrap=m_tracked_free)
endif()

# By source file, because options of the target would reach the whole firmware.
if(NOT PMG_COMPILE_OPTIONS)
    set(PMG_COMPILE_OPTIONS -O2)
endif()
set_source_files_properties(${PMG_SOURCES} PROPERTIES COMPILE_OPTIONS "${PMG_COMPILE_OPTIONS}")
set_source_files_properties(${PMG_MODULE_DIR}/mongoose_unit.c PROPERTIES COMPILE_OPTIONS
    "${PMG_COMPILE_OPTIONS};-Wno-double-promotion;-Wno-float-conversion;-Wno-sign-compare;-Wno-unused-function;-Wno-unused-parameter;-Wno-unused-variable;-Wno-missing-field-initializers"
)

# See there why. mbedTLS is compiled with the firmware (rp2), or is a component of ESP-IDF.
function(pmg_tls12_pss FOLDER)
    set_source_files_properties(${FOLDER}/ssl_tls12_client.c ${ARGN} PROPERTIES
        COMPILE_OPTIONS "-include;${PMG_TOP}/shared/tls/tls12_pss.h;-I${FOLDER}"
        OBJECT_DEPENDS ${PMG_TOP}/shared/tls/tls12_pss.h)
endfunction()
if(TARGET mbedtls)
    get_target_property(PMG_MBEDTLS_LIBRARY mbedtls SOURCE_DIR)
    pmg_tls12_pss(${PMG_MBEDTLS_LIBRARY} TARGET_DIRECTORY mbedtls)
elseif(MICROPY_LIB_MBEDTLS_DIR)
    pmg_tls12_pss(${MICROPY_LIB_MBEDTLS_DIR}/library)
endif()

# A board whose configuration has TLS 1.3 says PMG_TLS13: MicroPython leaves these files out, and its
# `ssl` is for TLS 1.2.
if(PMG_TLS13)
    set(PMG_TLS13_SOURCES psa_crypto.c psa_crypto_aead.c psa_crypto_cipher.c psa_crypto_client.c
        psa_crypto_driver_wrappers_no_static.c psa_crypto_ecp.c psa_crypto_hash.c psa_crypto_mac.c
        psa_crypto_rsa.c psa_crypto_slot_management.c psa_util.c ssl_tls13_client.c
        ssl_tls13_generic.c ssl_tls13_keys.c ssl_tls13_server.c)
    list(TRANSFORM PMG_TLS13_SOURCES PREPEND ${MICROPY_LIB_MBEDTLS_DIR}/library/)
    target_sources(micropy_lib_mbedtls INTERFACE ${PMG_TLS13_SOURCES})
    set_source_files_properties(${MICROPY_DIR}/extmod/modtls_mbedtls.c PROPERTIES
        COMPILE_OPTIONS "-include;${PMG_TOP}/micropython_module/ssl_tls12.h")
endif()

# Names are made from lists in a header, which the scan does not watch by itself. A change of it
# runs CMake again, and that makes the module's own source look changed, which is watched.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PMG_TOP}/shared/base/names.h)
if(${PMG_TOP}/shared/base/names.h IS_NEWER_THAN ${PMG_MODULE_DIR}/modpymongoose.c)
    file(TOUCH ${PMG_MODULE_DIR}/modpymongoose.c)
endif()

target_link_libraries(usermod INTERFACE usermod_pymongoose)
