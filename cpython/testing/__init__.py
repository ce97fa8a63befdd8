# SPDX-License-Identifier: GPL-2.0-only
"""The kit for tests of a user's own programs: a pytest plugin with the fixture `device`.

    pip install 'pymongoose-net[testing]'
    pytest --pmg-target cpython --pmg-target pico

docs/hil.md says how. pytest finds the plugin by itself, or by `-p pymongoose.testing`.
"""

from pytest_pymongoose import *  # noqa: F403
