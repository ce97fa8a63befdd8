# SPDX-License-Identifier: GPL-2.0-only
"""What the builds need from outside, and how it is fetched."""
