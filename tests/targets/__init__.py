# SPDX-License-Identifier: GPL-2.0-only
"""Where the device half of a test runs."""

from .base import Device, DeviceError, Target
from .process import ROOT, ProcessDevice, ProcessTarget, all_targets

__all__ = [
    "ROOT",
    "Device",
    "DeviceError",
    "ProcessDevice",
    "ProcessTarget",
    "Target",
    "all_targets",
]
