# SPDX-License-Identifier: GPL-2.0-only
# Used as VARIANT_DIR=<this folder> of MicroPython's ports/unix.

FROZEN_MANIFEST ?= $(VARIANT_DIR)/../../micropython_module/unix/manifest.py
LDFLAGS += -Wl,--wrap=mp_thread_get_state -Wl,--wrap=mp_thread_set_state

# A desktop has room: the port's own -Os costs 3 % of an HTTP request.
ifndef DEBUG
COPT ?= -O2
endif
