# SPDX-License-Identifier: GPL-2.0-only
# ruff: noqa: F821

options.defaults(without="")
include("$(PORT_DIR)/boards/manifest.py")
require("bundle-networking")
include("../../micropython_module/manifest.py", without=options.without)
