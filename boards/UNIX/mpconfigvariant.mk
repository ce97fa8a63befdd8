# SPDX-License-Identifier: GPL-2.0-only
# Used as VARIANT_DIR=<this folder> of MicroPython's ports/unix.

FROZEN_MANIFEST ?= $(VARIANT_DIR)/../../micropython_module/unix/manifest.py
LDFLAGS += -Wl,--wrap=mp_thread_get_state -Wl,--wrap=mp_thread_set_state
