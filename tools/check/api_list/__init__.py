# SPDX-License-Identifier: GPL-2.0-only
"""The list of all names that Python sees, for tools and tests."""
