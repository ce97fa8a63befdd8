# SPDX-License-Identifier: GPL-2.0-only
"""What outlives a restart: a dictionary in a file."""

import json

DEFAULTS = {"target": 21.0, "port": 8080, "broker": None, "name": "thermostat"}


def load(path="settings.json"):
    found = dict(DEFAULTS)
    try:
        with open(path) as f:
            found.update(json.load(f))
    except (OSError, ValueError):  # none yet, or one that was cut off by a loss of power
        pass
    return found


def save(settings, path="settings.json"):
    with open(path, "w") as f:
        json.dump(settings, f)
