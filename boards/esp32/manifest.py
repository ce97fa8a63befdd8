# SPDX-License-Identifier: GPL-2.0-only
# Frozen modules of an ESP32 board where MicroPython's tree lacks micropython-lib.
# ruff: noqa: F821

freeze("$(PORT_DIR)/modules")
include("../../micropython_module/manifest.py")
module("ssl.py", base_path="../../micropython_module/unix")
