# SPDX-License-Identifier: GPL-2.0-only
"""What programs in the documentation need of a target."""

import pytest

NEEDS = {"mdns_": "multicast", "_thread": "threads", "fileno()": "descriptors"}
NEEDS |= {"manager.fileno()": "epoll"}  # one for all that a Manager waits for


def needs_of(code, *more):
    """The mark for a program's text, and for what it needs besides."""
    found = [name for word, name in NEEDS.items() if word in code]
    return pytest.mark.needs(*found, *more)
