# SPDX-License-Identifier: GPL-2.0-only
"""The settings: what they are, and what a client may set them to."""

import json

NUMBERS = {"target": (20, 90), "interval_ms": (50, 5000)}
SWITCHES = ("program", "window")


def first():
    return {"target": 60, "interval_ms": 250, "program": True, "window": False}


def changed(settings, body):
    """The settings after a POST with this body; ValueError says what is wrong with it."""
    try:
        changes = json.loads(body)
    except ValueError:
        raise ValueError('the body must be JSON, such as {"target": 60}')
    if not isinstance(changes, dict) or not changes:
        raise ValueError('the body must be a JSON object, such as {"target": 60}')
    for name, value in changes.items():
        check(name, value)
    new = settings.copy()
    if "target" in changes or "window" in changes:
        new["program"] = False  # whoever turns a knob wants it to stay there
    new.update(changes)
    return new


def check(name, value):
    if name in SWITCHES:
        if not isinstance(value, bool):
            raise ValueError("%s must be true or false, not %s" % (name, json.dumps(value)))
    elif name not in NUMBERS:
        names = ", ".join(list(NUMBERS) + list(SWITCHES))
        raise ValueError("unknown setting %s: there are %s" % (name, names))
    elif type(value) is not int and not (name == "target" and type(value) is float):
        raise ValueError("%s must be a number, not %s" % (name, json.dumps(value)))
    else:
        low, high = NUMBERS[name]
        if not low <= value <= high:
            raise ValueError("%s must be from %d to %d, not %s" % (name, low, high, value))
