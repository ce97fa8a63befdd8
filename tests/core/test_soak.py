# SPDX-License-Identifier: GPL-2.0-only
"""The soak, made short: see soak.py."""

import pytest
import soak


@pytest.mark.needs("process", "many-sockets")
def test_soak(target):
    # A build that checks itself keeps freed memory for a while.
    native = "native-speed" in target.capabilities
    soak.run(soak.soak_target(target.name), 2000).check(rss=native)
