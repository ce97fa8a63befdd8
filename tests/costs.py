# SPDX-License-Identifier: GPL-2.0-only
"""What the usual run of a slow target takes of the suite, and what it leaves to `make test-long`.

A usual run takes what fits its minutes, the cheapest tests first. A test that costs much states
what, by `@pytest.mark.cost(seconds)`; measured on the emulated Pico.
"""

#: Seconds of a test that states nothing; the mean of 2,000.
COST = 0.45
#: And of all that each of the emulated boards is given.
USUAL_RUN = 720


def cost(item):
    mark = item.get_closest_marker("cost")
    return mark.args[0] if mark else COST


def left_out(items, boards):
    """The tests that a usual run leaves out, where so many boards share it."""
    left, total = [], 0
    for item in sorted(items, key=cost):  # stable: those of a module stay together
        total += cost(item)
        if total > USUAL_RUN * boards:
            left.append(item)
    return left
