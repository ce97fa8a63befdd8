# SPDX-License-Identifier: GPL-2.0-only
"""pymongoose under cymongoose's name, so that a program of its runs here unchanged.

Its tests ask google.com and time.google.com: two servers of this computer answer in their place,
of ports that the environment names.
"""

import os
import sys

import pymongoose
from pymongoose import *  # noqa: F403

__all__ = list(pymongoose.__all__)
__version__ = pymongoose.__version__
NAMES, TIME = os.environ.get("PEER_NAMES"), os.environ.get("PEER_TIME")


class Manager(pymongoose.Manager):
    def __init__(self, *args, **kwargs):
        if NAMES:
            kwargs.setdefault("dns", f"udp://127.0.0.1:{NAMES}")
        super().__init__(*args, **kwargs)

    def sntp_connect(self, url, handler=None):
        if TIME:
            url = url.replace(":123", f":{TIME}")
        return super().sntp_connect(url, handler)


class AsyncManager(pymongoose.AsyncManager):
    def __init__(self, *args, **kwargs):
        if NAMES:
            kwargs.setdefault("dns", f"udp://127.0.0.1:{NAMES}")
        super().__init__(*args, **kwargs)


def __getattr__(name):
    return getattr(pymongoose, name)  # what is imported when it is asked for


# Where it has its extension.
sys.modules["cymongoose._mongoose"] = sys.modules[__name__]
