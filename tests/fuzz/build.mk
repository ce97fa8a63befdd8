# SPDX-License-Identifier: GPL-2.0-only
# Builds the core in memory, by tools/test/fuzz.sh: O=folder KIND=clang, board or gcc. From the top.
# clang and board make `fuzz` and `countdown`, gcc `countdown` alone. board is 32 bits and what boards
# have: PMG_BOARD.

MONGOOSE := $(or $(MONGOOSE_DIR),$(shell $(PYTHON) tools/deps/deps.py --path mongoose))
MBEDTLS := $(or $(MBEDTLS_DIR),$(shell $(PYTHON) tools/deps/deps.py --path mbedtls))

sanitize := -fsanitize=address,undefined -fno-sanitize-recover=undefined
CC_clang := clang -fsanitize=fuzzer-no-link $(sanitize)
CC_board := clang -m32 -DPMG_BOARD=1 -fsanitize=fuzzer-no-link $(sanitize)
CC_gcc := gcc $(sanitize)
CC := $(CC_$(KIND))

FLAGS := -std=gnu11 -O1 -g -fno-omit-frame-pointer -DMG_ARCH=MG_ARCH_CUSTOM -Ishared -Itests/fuzz \
    -isystem $(MONGOOSE) -isystem $(MBEDTLS)/include -DMBEDTLS_CONFIG_FILE='"tls/mbedtls_config.h"'
WARN := -Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-field-initializers

ours := $(filter-out shared/io/%,$(wildcard shared/*/*.c))
mbedtls := $(filter-out %/net_sockets.c %/timing.c %/entropy_poll.c,$(wildcard $(MBEDTLS)/library/*.c))
common := $(ours:%.c=$(O)/%.o) $(mbedtls:$(MBEDTLS)/library/%.c=$(O)/mbedtls/%.o) $(O)/mongoose.o \
    $(patsubst %,$(O)/tests/fuzz/%.o,net net_wait port app)
fuzz := $(patsubst %,$(O)/tests/fuzz/%.o,fuzz peers texts)
countdown := $(patsubst %,$(O)/tests/fuzz/%.o,countdown scenes)

all: $(O)/countdown $(if $(filter gcc,$(KIND)),,$(O)/fuzz) $(if $(filter board,$(KIND)),$(O)/desk)

# Where there are cross compilers, too, clang looks for the C++ of 32 bits among those.
board_libs = $(if $(filter board,$(KIND)),-L$(dir $(shell gcc -m32 -print-file-name=libstdc++.so)))

$(O)/fuzz: $(common) $(fuzz)
	@$(CC) -fsanitize=fuzzer $^ -o $@ $(board_libs)
$(O)/countdown: $(common) $(countdown)
	@$(CC) $^ -o $@
# A desk of 32 bits (armhf, i386) has the sockets of a system: what is ours compiles, its records fit.
desk := $(ours) $(wildcard shared/io/sock/*.c)
$(O)/desk: $(desk) $(wildcard shared/*/*.h shared/io/*/*.h)
	@clang -m32 $(FLAGS) $(WARN) -fsyntax-only $(desk) && touch $@
$(O)/mongoose.o: $(MONGOOSE)/mongoose.c
	@mkdir -p $(@D) && $(CC) $(FLAGS) -w -c $< -o $@
$(O)/mbedtls/%.o: $(MBEDTLS)/library/%.c
	@mkdir -p $(@D) && $(CC) $(FLAGS) -w $(if $(findstring ssl_tls12_client,$*),-include shared/tls/tls12_pss.h -I$(MBEDTLS)/library) -c $< -o $@
$(O)/%.o: %.c
	@mkdir -p $(@D) && $(CC) $(FLAGS) $(WARN) -MMD -c $< -o $@

-include $(wildcard $(O)/*/*.d $(O)/*/*/*.d)
