# SPDX-License-Identifier: GPL-2.0-only
"""Boards that are plugged in: their serial ports and boot drives, by the names that USB gives them."""
