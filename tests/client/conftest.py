# SPDX-License-Identifier: GPL-2.0-only
"""Of all tests of client: a device that makes requests, and aiohttp's server for them."""

import pytest
from client_script import SCRIPT
from peers.http_servers import Site
from peers.pki import NOW


@pytest.fixture(scope="module")
def one_site(target):
    with Site() as running:
        yield running


@pytest.fixture
def site(one_site):
    del one_site.seen[:], one_site.peers[:]
    return one_site


@pytest.fixture
def folder(target, tmp_path):
    """Of the device; asked for ahead of `device`, whose place a board needs to make it."""
    return target.folder(tmp_path)


@pytest.fixture
def device(shared):
    return shared(SCRIPT, now=int(NOW.timestamp()))


@pytest.fixture
def base(device, site):
    return f"http://{device.peer}:{site.port}"
