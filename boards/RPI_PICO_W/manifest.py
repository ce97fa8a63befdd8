# SPDX-License-Identifier: GPL-2.0-only
# ruff: noqa: F821

options.defaults(without="")
include("$(PORT_DIR)/boards/RPI_PICO_W/manifest.py")
include("../../micropython_module/manifest.py", without=options.without)
