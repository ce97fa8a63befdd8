# SPDX-License-Identifier: GPL-2.0-only
# Used as VARIANT_DIR=<this folder> of MicroPython's ports/unix.

# One mbedTLS for `ssl` and for us: the port's own configuration and more, and the files of the
# library that the port leaves out.
PMG_UNIX_DIR := $(abspath $(VARIANT_DIR))
MBEDTLS_CONFIG_FILE = \"$(PMG_UNIX_DIR)/mbedtls_config.h\"
SRC_THIRDPARTY_C += $(addprefix lib/mbedtls/library/, hkdf.c psa_crypto.c psa_crypto_aead.c \
    psa_crypto_cipher.c psa_crypto_client.c psa_crypto_driver_wrappers_no_static.c \
    psa_crypto_ecp.c psa_crypto_hash.c psa_crypto_mac.c psa_crypto_rsa.c \
    psa_crypto_slot_management.c psa_util.c ssl_tls13_client.c ssl_tls13_generic.c \
    ssl_tls13_keys.c ssl_tls13_server.c)
$(BUILD)/extmod/modtls_mbedtls.o: CFLAGS += \
    -include $(PMG_UNIX_DIR)/../../micropython_module/ssl_tls12.h

FROZEN_MANIFEST ?= $(VARIANT_DIR)/../../micropython_module/unix/manifest.py
LDFLAGS += $(foreach name, get_state set_state create recursive_mutex_lock recursive_mutex_unlock, \
    -Wl,--wrap=mp_thread_$(name))

# A desktop has room: the port's own -Os costs 3 % of an HTTP request.
ifndef DEBUG
COPT ?= -O2
endif
