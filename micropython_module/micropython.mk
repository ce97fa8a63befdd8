# SPDX-License-Identifier: GPL-2.0-only
# The user module for MicroPython's make ports: USER_C_MODULES=<this repository>.
# MONGOOSE_DIR names the folder with mongoose.c; without it tools/deps/deps.py finds or fetches it.

PMG_MODULE_DIR := $(USERMOD_DIR)
PMG_TOP := $(patsubst %/micropython_module,%,$(PMG_MODULE_DIR))

ifeq ($(MONGOOSE_DIR),)
MONGOOSE_DIR := $(shell $(PYTHON) $(PMG_TOP)/tools/deps/deps.py --path mongoose)
endif
ifeq ($(wildcard $(MONGOOSE_DIR)/mongoose.c),)
$(error No mongoose.c: run "make deps" in pymongoose, or set MONGOOSE_DIR)
endif

# Ours is scanned for interned strings, Mongoose is not.
PMG_SHARED_C := $(sort $(wildcard $(PMG_TOP)/shared/*/*.c $(PMG_TOP)/shared/io/*/*.c))
PMG_SRC_C := $(PMG_SHARED_C) \
    $(filter-out %/mongoose_unit.c,$(wildcard $(PMG_MODULE_DIR)/*.c))
SRC_USERMOD_C += $(PMG_SRC_C)
SRC_USERMOD_LIB_C += $(PMG_MODULE_DIR)/mongoose_unit.c

# These reach the whole firmware, so they are include paths and one name of Mongoose's.
CFLAGS_USERMOD += -DMG_ARCH=MG_ARCH_CUSTOM -I$(PMG_TOP)/shared -I$(PMG_MODULE_DIR) -I$(MONGOOSE_DIR)

# TLS needs the firmware to carry mbedTLS. boards/UNIX/ shows how a variant adds TLS 1.3 and PEM.
ifneq ($(MICROPY_PY_SSL)$(MICROPY_SSL_MBEDTLS),11)
CFLAGS_USERMOD += -DPMG_HAS_TLS=0
endif

# See there why.
PMG_TLS12_PSS := $(PMG_TOP)/shared/tls/tls12_pss.h
$(BUILD)/lib/mbedtls/library/ssl_tls12_client.o: CFLAGS += \
    -include $(PMG_TLS12_PSS) -I$(TOP)/lib/mbedtls/library
$(BUILD)/lib/mbedtls/library/ssl_tls12_client.o: $(PMG_TLS12_PSS)

# These reach our objects only; the port's -Os comes first and the last one holds.
PMG_CFLAGS ?= -O2
# (MicroPython's own objects lie in $(BUILD)/shared/, too: ours are named one by one.)
$(patsubst $(PMG_TOP)/%.c,$(BUILD)/%.o,$(PMG_SRC_C)) \
$(BUILD)/micropython_module/mongoose_unit.o: CFLAGS += $(PMG_CFLAGS)
$(BUILD)/micropython_module/mongoose_unit.o: CFLAGS += $(PMG_MONGOOSE_CFLAGS)
PMG_MONGOOSE_CFLAGS := -Wno-double-promotion -Wno-float-conversion -Wno-sign-compare \
    -Wno-unused-function -Wno-unused-parameter -Wno-unused-variable -Wno-missing-field-initializers

# Names are made from lists in headers, which the scan does not watch by itself.
QSTR_GLOBAL_DEPENDENCIES += $(PMG_TOP)/shared/base/names.h
