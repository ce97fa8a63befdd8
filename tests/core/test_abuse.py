# SPDX-License-Identifier: GPL-2.0-only
"""Hostile clients, made short: see abuse.py."""

import abuse
import pytest


@pytest.mark.needs("process", "many-sockets", "threads")
@pytest.mark.timeout(600)  # twelve servers and their crowds, side by side
def test_abuse(target):
    slowness = 1 if "native-speed" in target.capabilities else 4
    results = abuse.all_kinds(target, 10, slowness=slowness)
    failed = {kind: r for kind, r in results.items() if isinstance(r, BaseException)}
    assert not failed
