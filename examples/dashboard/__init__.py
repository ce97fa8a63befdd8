# SPDX-License-Identifier: GPL-2.0-only
"""The parts of ../dashboard.py: the model, the settings, the system, and the page."""
