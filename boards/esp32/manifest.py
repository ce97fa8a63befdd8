# SPDX-License-Identifier: GPL-2.0-only
# Frozen modules of an ESP32 board where MicroPython's tree lacks micropython-lib.
# ruff: noqa: F821

options.defaults(without="")
freeze("$(PORT_DIR)/modules")
include("../../micropython_module/manifest.py", without=options.without)
module("ssl.py", base_path="../../micropython_module/unix")
