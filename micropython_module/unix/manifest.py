# SPDX-License-Identifier: GPL-2.0-only
# What is frozen into the unix port. Boards freeze micropython-lib's `ssl`; here that library is
# not needed, a stand-in over the built-in `tls` serves.
# ruff: noqa: F821

include("../manifest.py")
module("ssl.py", base_path=".")
