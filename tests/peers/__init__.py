# SPDX-License-Identifier: GPL-2.0-only
"""The other ends: clients, servers and what they need, on the host."""
