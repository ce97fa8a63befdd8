# SPDX-License-Identifier: GPL-2.0-only
"""One event-driven network API for CPython and MicroPython, over the Mongoose C library."""

from _pymongoose import *  # noqa: F403
from _pymongoose import __version__  # noqa: F401
