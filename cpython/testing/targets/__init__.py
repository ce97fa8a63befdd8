# SPDX-License-Identifier: GPL-2.0-only
"""Where the device half of a test runs."""

import re

from .base import Device, DeviceError, Target
from .pico import PicoTarget
from .places import ROOT
from .process import MORE, ProcessDevice, ProcessTarget, all_targets, results_of_next
from .serial import SerialDevice, SerialTarget

__all__ = [
    "ROOT",
    "Device",
    "DeviceError",
    "PicoTarget",
    "ProcessDevice",
    "ProcessTarget",
    "SerialDevice",
    "SerialTarget",
    "Target",
    "find_target",
    "all_targets",
]


def find_target(name: str) -> Target:
    """A target by what `make test TARGET=` calls it; KeyError if it is no name and no serial port."""
    if name in (known := all_targets()):
        return known[name]
    if name in MORE:
        return MORE[name]()
    if name == "pico":
        return PicoTarget()
    if name == "pico-next":
        return PicoTarget(name, results_of_next() / "firmware/RPI_PICO/firmware.uf2")
    if re.fullmatch(r"/.+|\w+://.+|[acu]\d+|auto|COM\d+", name):
        return SerialTarget(name)
    raise KeyError(name)
