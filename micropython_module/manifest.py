# SPDX-License-Identifier: GPL-2.0-only
# What is frozen into firmware; a board's manifest includes this file.
# ruff: noqa: F821

include("$(MPY_DIR)/extmod/asyncio")
package("pymongoose", base_path="../shared/python")
