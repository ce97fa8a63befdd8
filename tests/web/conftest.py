# SPDX-License-Identifier: GPL-2.0-only
"""What the tests of pymongoose.web have in common."""

import pytest


@pytest.fixture(scope="module")
def folder(target, tmp_path_factory):
    if "host-files" in target.capabilities:
        return str(tmp_path_factory.mktemp("web")), False
    return "/pymongoose-web", True
