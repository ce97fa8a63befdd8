# SPDX-License-Identifier: GPL-2.0-only
"""`python -m pymongoose.flash`: put a downloaded firmware onto a board with an RP2040 or RP2350."""
